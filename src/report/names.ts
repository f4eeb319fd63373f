// What words, lock classes and CPUs are called in reports, and steps counted from one as people do.

/** Names that a program gives to what it touches; what has none is called by its number. */
export interface Names {
  readonly word?: (word: number) => string | undefined;
  /** The name of a lock class above 0; a lock of class 0 is called as its word. */
  readonly lockClass?: (lockClass: number) => string | undefined;
  /** The name of a lock, if it is called by anything but its word. */
  readonly lock?: (lock: { readonly word: number; readonly lockClass: number }) => string | undefined;
}

/** The name of a word. */
export function wordName(names: Names, word: number): string {
  return names.word?.(word) ?? `word ${String(word)}`;
}

/** The name of a lock: its word's own, or else its class with its address. */
export function lockName(names: Names, lock: { readonly word: number; readonly lockClass: number }): string {
  const own = names.lock?.(lock) ?? names.word?.(lock.word);
  if (own !== undefined) return own;
  const of = lock.lockClass > 0 ? names.lockClass?.(lock.lockClass) : undefined;
  return of === undefined ? wordName(names, lock.word) : `${of} ${addressOf(lock.word)}`;
}

const WORD_BYTES = 4;

/** The byte address of a word. */
export function addressOf(word: number): string {
  return `0x${(word * WORD_BYTES).toString(16).padStart(8, '0')}`;
}

/** A CPU's thread as the kernel's reports name tasks. */
export function commOf(cpu: number): string {
  return `cpu${String(cpu)}`;
}

/** PIDs below are the system's. */
const FIRST_PID = 10;

/** The task number of a CPU's thread. */
export function pidOf(cpu: number): number {
  return FIRST_PID + cpu;
}

/** The number of a step in all that people read: 1 for the first of the execution. */
export function stepNumber(step: { readonly index: number }): string {
  return String(step.index + 1);
}

/** The value of one word, or of two, as hexadecimal without zeroes in front. */
export function hexValue(lo: number, hi: number): string {
  const high = hi >>> 0;
  const low = (lo >>> 0).toString(16);
  return high === 0 ? `0x${low}` : `0x${high.toString(16)}${low.padStart(8, '0')}`;
}
