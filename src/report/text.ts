// Text for people: 80 columns, aligned tables, colour only where a terminal wants it.
import colors from 'picocolors';

export const WIDTH = 80;

/** Breaks a text into lines of at most 80 columns; the first begins with `first`, the others with `indent`. */
export function wrapText(text: string, first = '', indent: string = first): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (const word of text.split(' ')) {
    if (!empty && line.length + word.length + 1 > WIDTH) {
      lines.push(line);
      line = indent;
      empty = true;
    }
    line += (empty ? '' : ' ') + word;
    empty = false;
  }
  lines.push(line.trimEnd());
  return lines;
}

/** A table: the first column to the left, numbers to the right. */
export function table(rows: readonly (readonly string[])[], indent = '  '): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  return rows.map((row) =>
    (
      indent +
      row
        .map((cell, i) =>
          /^(?:[<>] )?[\d.,%+-]/.test(cell) && i > 0 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
        )
        .join('  ')
    ).trimEnd(),
  );
}

/** 1234567 as 1,234,567. */
export function grouped(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

const TIME_UNITS: readonly (readonly [name: string, ns: number])[] = [
  ['us', 1e3],
  ['ms', 1e6],
  ['s', 1e9],
];

/** A time in the unit that suits it, to three digits: 640 ns, 12.3 us, 4.50 ms, 1.20 s. */
export function timeText(ns: number): string {
  if (Math.round(ns) < 1000) return `${ns.toFixed(0)} ns`;
  // What rounds to 1000 of a unit is 1 of the next.
  const [name, size] = TIME_UNITS.find(([, unit]) => ns / unit < 999.5) ?? ['s', 1e9];
  const value = ns / size;
  return `${value < 999.5 ? value.toPrecision(3) : grouped(value)} ${name}`;
}

export const bold = (text: string): string => colors.bold(text);
export const good = (text: string): string => colors.green(text);
export const bad = (text: string): string => colors.red(text);
export const dim = (text: string): string => colors.dim(text);

/** A command as one types it: what a shell would take apart or change is quoted. */
export function shellLine(words: readonly string[]): string {
  return words.map((word) => (/^[\w./,=:+@%-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}
