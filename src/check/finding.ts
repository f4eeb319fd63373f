// What a judge says: one broken rule, in the kernel's own words where the kernel has some.

/** One broken rule. */
export interface Finding {
  /** Which judge: `I1` … `I12`, `user-memory`, `dmesg`, `leak`, `stuck`, `died`. */
  judge: string;
  /** One sentence. */
  message: string;
  /** The frames, entries or events that disagree: a few, then how many more. */
  details: string[];
}

/** Details shown of one finding. */
const MAX_DETAILS = 4;

/** A finding from everything that disagrees; none where nothing does. */
export function finding(judge: string, message: (count: number) => string, disagreeing: readonly string[]): Finding[] {
  if (disagreeing.length === 0) return [];
  const details = disagreeing.slice(0, MAX_DETAILS);
  const more = disagreeing.length - details.length;
  if (more > 0) details.push(`and ${String(more)} more`);
  return [{ judge, message: message(disagreeing.length), details }];
}

/** A page frame number as people read it. */
export function pfnText(pfn: number): string {
  return `0x${pfn.toString(16)}`;
}

/** An address as people read it. */
export function addressText(address: number): string {
  return `0x${address.toString(16)}`;
}

/** `1 page`, `2 pages`. */
export function counted(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? '' : 's'}`;
}
