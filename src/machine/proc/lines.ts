// Lines as the kernel's seq_file functions write them.

export const PAGE_BYTES = 4096;
export const PAGE_KB = 4;

/** A size in kB after its label, as seq_put_decimal_ull_width writes it in 8 columns. */
export function kbLine(label: string, kb: number): string {
  return `${label}${String(kb).padStart(8)} kB`;
}

/** The same with the label in 16 columns, as in smaps. */
export function labelledKb(label: string, kb: number): string {
  return kbLine(`${label}:`.padEnd(16), Math.floor(kb));
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
