// What a judge says: one broken rule, in the kernel's own words where the kernel has some.

/** One broken rule. */
export interface Finding {
  /** Which judge: one of the names in JUDGES. */
  judge: string;
  /** One sentence. */
  message: string;
  /** The frames, entries or events that disagree: a few, then how many more. */
  details: string[];
}

/** Details shown of one finding. */
const MAX_DETAILS = 4;

/** Collects what disagrees: counts all, keeps the texts of the first few. */
export class Disagreements {
  count = 0;
  readonly details: string[] = [];

  add(text: string): void {
    this.count += 1;
    if (this.details.length < MAX_DETAILS) this.details.push(text);
  }

  /** Whether a text that is costly to make would still be kept. */
  get full(): boolean {
    return this.details.length >= MAX_DETAILS;
  }

  /** The finding, with a message that may say how many; none where nothing disagrees. */
  finding(judge: string, message: (count: number) => string): Finding[] {
    if (this.count === 0) return [];
    const more = this.count - this.details.length;
    const details = more > 0 ? [...this.details, `and ${String(more)} more`] : [...this.details];
    return [{ judge, message: message(this.count), details }];
  }
}

/** A finding from everything that disagrees; none where nothing does. */
export function finding(judge: string, message: (count: number) => string, disagreeing: readonly string[]): Finding[] {
  const all = new Disagreements();
  for (const text of disagreeing) all.add(text);
  return all.finding(judge, message);
}

/** A page frame number as people read it. */
export function pfnText(pfn: number): string {
  return `0x${pfn.toString(16)}`;
}

/** An address as people read it. */
export function addressText(address: number): string {
  return `0x${address.toString(16)}`;
}

/** A 32-bit word of user memory as people read it. */
export function wordText(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}

/** `1 page`, `2 pages`. */
export function counted(count: number, noun: string): string {
  return `${String(count)} ${noun}${count === 1 ? '' : 's'}`;
}
