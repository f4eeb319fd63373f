// Words of the one SharedArrayBuffer, and every way the kernel may touch them.
//
// Each accessor announces itself with a `yield` and then does one access: in the stepped execution another CPU may
// run at that point, in the direct execution the build erases the yield and the access is all that is left.
// Accesses say what they are, as in the kernel's memory model: plain, READ_ONCE/WRITE_ONCE, acquire/release, atomic
// read-modify-write. Plain ones are plain typed-array accesses, marked ones are `Atomics`; this is the kernel's only
// file that names `Atomics`.
import type { Cpu } from './cpu.ts';

/** True in the stepped execution; the build turns it into `false` in the direct twin and drops what hangs on it. */
export const STEPPED = true as boolean;

/** Index of a 32-bit word in the machine's SharedArrayBuffer. 64-bit quantities start at an even word. */
export type Word = number;

/** How a step touches memory. `note` touches nothing: it is a remark to whoever drives the stepped execution. */
export type StepKind =
  | 'plain-read'
  | 'plain-write'
  | 'read'
  | 'write'
  | 'acquire'
  | 'release'
  | 'rmw'
  | 'fence'
  | 'wait'
  | 'user-read'
  | 'user-write'
  | 'note';

/** What a CPU is about to do. One object per CPU, overwritten by the next step: copy what must outlive it. */
export interface Step {
  kind: StepKind;
  cpu: number;
  /** First word touched. */
  word: Word;
  /** How many words are touched (1; 2 for a 64-bit entry; 1024 for a page). */
  width: number;
  /** For `wait`: whether the CPU could go on now. The CPU is disabled while this is false. */
  ready: () => boolean;
  /** For `note`: what the kernel says it is doing, and the values it names. */
  note: string;
  values: readonly unknown[];
}

/** A stepped computation: yields before each access to shared memory, returns T. */
export type Steps<T> = Generator<Step, T, void>;

/** Plain read of a 32-bit word. @inline */
export function* read(cpu: Cpu, word: Word): Steps<number> {
  yield cpu.about('plain-read', word);
  return cpu.words[word]!;
}

/** Plain write of a 32-bit word. @inline */
export function* write(cpu: Cpu, word: Word, value: number): Steps<void> {
  yield cpu.about('plain-write', word);
  cpu.words[word] = value;
}

/** Plain read of a 64-bit integer below 2^53 (an address, a page index, a byte count). @inline */
export function* read_long(cpu: Cpu, word: Word): Steps<number> {
  yield cpu.about('plain-read', word, 2);
  return cpu.doubles[word >> 1]!;
}

/** Plain write of a 64-bit integer below 2^53. @inline */
export function* write_long(cpu: Cpu, word: Word, value: number): Steps<void> {
  yield cpu.about('plain-write', word, 2);
  cpu.doubles[word >> 1] = value;
}

/** READ_ONCE: a marked read. @inline */
export function* READ_ONCE(cpu: Cpu, word: Word): Steps<number> {
  yield cpu.about('read', word);
  return Atomics.load(cpu.words, word);
}

/** WRITE_ONCE: a marked write. @inline */
export function* WRITE_ONCE(cpu: Cpu, word: Word, value: number): Steps<void> {
  yield cpu.about('write', word);
  Atomics.store(cpu.words, word, value);
}

/** smp_load_acquire. @inline */
export function* smp_load_acquire(cpu: Cpu, word: Word): Steps<number> {
  yield cpu.about('acquire', word);
  return Atomics.load(cpu.words, word);
}

/** smp_store_release. @inline */
export function* smp_store_release(cpu: Cpu, word: Word, value: number): Steps<void> {
  yield cpu.about('release', word);
  Atomics.store(cpu.words, word, value);
}

/** cmpxchg: returns the value found; the swap happened if that equals `expected`. @inline */
export function* cmpxchg(cpu: Cpu, word: Word, expected: number, value: number): Steps<number> {
  yield cpu.about('rmw', word);
  return Atomics.compareExchange(cpu.words, word, expected, value);
}

/** xchg: returns the old value. @inline */
export function* xchg(cpu: Cpu, word: Word, value: number): Steps<number> {
  yield cpu.about('rmw', word);
  return Atomics.exchange(cpu.words, word, value);
}

/** atomic_fetch_add: returns the old value. @inline */
export function* atomic_fetch_add(cpu: Cpu, word: Word, delta: number): Steps<number> {
  yield cpu.about('rmw', word);
  return Atomics.add(cpu.words, word, delta);
}

/** atomic_add: returns nothing, so two of them commute. @inline */
export function* atomic_add(cpu: Cpu, word: Word, delta: number): Steps<void> {
  yield cpu.about('rmw', word);
  Atomics.add(cpu.words, word, delta);
}

/** atomic_fetch_or: returns the old value. @inline */
export function* atomic_fetch_or(cpu: Cpu, word: Word, bits: number): Steps<number> {
  yield cpu.about('rmw', word);
  return Atomics.or(cpu.words, word, bits);
}

/** atomic_fetch_and: returns the old value. @inline */
export function* atomic_fetch_and(cpu: Cpu, word: Word, bits: number): Steps<number> {
  yield cpu.about('rmw', word);
  return Atomics.and(cpu.words, word, bits);
}

/**
 * Exchange of the low byte of a word, as the kernel does to release a qspinlock: the other bytes (pending bit, queue
 * tail) keep changing under other CPUs' hands. Returns the old byte.
 */
export function* xchg_byte(cpu: Cpu, word: Word, value: number): Steps<number> {
  yield cpu.about('rmw', word);
  return Atomics.exchange(cpu.bytes, word << 2, value);
}

/** A 64-bit entry (a PTE, a pmd …) as two halves, so that no arithmetic needs a BigInt. Immutable. */
export interface Entry {
  /** Bits 0 to 31, as a signed 32-bit integer. */
  readonly lo: number;
  /** Bits 32 to 63, as a signed 32-bit integer. */
  readonly hi: number;
}

/**
 * READ_ONCE of a 64-bit entry. One 64-bit load, as in Linux, which no 64-bit processor tears: by way of a double,
 * since Atomics.load of a BigInt64Array allocates and costs ten times as much (a PTE is never a NaN: bits 52 to 57 of
 * it are 0).
 */
export function* READ_ONCE_64(cpu: Cpu, word: Word): Steps<Entry> {
  yield cpu.about('read', word, 2);
  cpu.scratchDouble[0] = cpu.doubles[word >> 1]!;
  return { lo: cpu.scratch32[0]!, hi: cpu.scratch32[1]! };
}

/** WRITE_ONCE of a 64-bit entry. */
export function* WRITE_ONCE_64(cpu: Cpu, word: Word, entry: Entry): Steps<void> {
  yield cpu.about('write', word, 2);
  cpu.scratch32[0] = entry.lo;
  cpu.scratch32[1] = entry.hi;
  Atomics.store(cpu.quads, word >> 1, cpu.scratch64[0]!);
}

/** xchg of a 64-bit entry: returns the old one. */
export function* xchg_64(cpu: Cpu, word: Word, entry: Entry): Steps<Entry> {
  yield cpu.about('rmw', word, 2);
  cpu.scratch32[0] = entry.lo;
  cpu.scratch32[1] = entry.hi;
  cpu.scratch64[0] = Atomics.exchange(cpu.quads, word >> 1, cpu.scratch64[0]!);
  return { lo: cpu.scratch32[0], hi: cpu.scratch32[1] };
}

/** try_cmpxchg of a 64-bit entry: true if `expected` was there and `entry` replaced it. */
export function* try_cmpxchg_64(cpu: Cpu, word: Word, expected: Entry, entry: Entry): Steps<boolean> {
  yield cpu.about('rmw', word, 2);
  cpu.scratch32[0] = expected.lo;
  cpu.scratch32[1] = expected.hi;
  const old = cpu.scratch64[0]!;
  cpu.scratch32[0] = entry.lo;
  cpu.scratch32[1] = entry.hi;
  return Atomics.compareExchange(cpu.quads, word >> 1, old, cpu.scratch64[0]!) === old;
}

/** Plain 64-bit read, as the hardware walker and the kernel's unmarked `*pmd` do: one load, which does not tear. */
export function* read_64(cpu: Cpu, word: Word): Steps<Entry> {
  yield cpu.about('plain-read', word, 2);
  cpu.scratchDouble[0] = cpu.doubles[word >> 1]!;
  return { lo: cpu.scratch32[0]!, hi: cpu.scratch32[1]! };
}

/**
 * As read_64, but returns the low half and leaves the high half for entry_hi: the hardware walker reads four entries
 * for every miss, and making an object of each would cost more than the reads.
 */
export function* load_entry(cpu: Cpu, word: Word): Steps<number> {
  yield cpu.about('plain-read', word, 2);
  cpu.scratchDouble[0] = cpu.doubles[word >> 1]!;
  return cpu.scratch32[0]!;
}

/** The high half of what load_entry read last. @inline */
export function entry_hi(cpu: Cpu): number {
  return cpu.scratch32[1]!;
}

/** Plain write of a run of `count` words, all zero (clear_page; a fresh object). */
export function* clear_words(cpu: Cpu, word: Word, count: number): Steps<void> {
  yield cpu.about('plain-write', word, count);
  cpu.fill(word << 2, 0, count << 2);
}

/** Plain copy of `count` words (copy_user_highpage). */
export function* copy_words(cpu: Cpu, to: Word, from: Word, count: number): Steps<void> {
  yield cpu.about('plain-read', from, count);
  yield cpu.about('plain-write', to, count);
  cpu.words.copyWithin(to, from, from + count);
}

/** A user program's load of a 32-bit word of RAM, after translation. */
export function* user_load(cpu: Cpu, word: Word): Steps<number> {
  yield cpu.about('user-read', word);
  return cpu.words[word]!;
}

/** A user program's store of a 32-bit word of RAM, after translation. */
export function* user_store(cpu: Cpu, word: Word, value: number): Steps<void> {
  yield cpu.about('user-write', word);
  cpu.words[word] = value;
}

/**
 * A read or write of a word that no other CPU touches (this CPU's counters, its TLB). Not a step: nobody can see it.
 * The snapshot reads these only when the machine is quiescent. @inline
 */
export function local_read(cpu: Cpu, word: Word): number {
  return cpu.words[word]!;
}

/** See local_read. @inline */
export function local_write(cpu: Cpu, word: Word, value: number): void {
  cpu.words[word] = value;
}

/** See local_read, for a 64-bit integer below 2^53. @inline */
export function local_read_long(cpu: Cpu, word: Word): number {
  return cpu.doubles[word >> 1]!;
}

/** See local_write, for a 64-bit integer below 2^53. @inline */
export function local_write_long(cpu: Cpu, word: Word, value: number): void {
  cpu.doubles[word >> 1] = value;
}

/**
 * Reads a word that spin loops, the STOP protocol or the driver look at from outside the modelled kernel: marked, but
 * not a step, since the stepped execution has its own scheduler for these. @inline
 */
export function control_read(cpu: Cpu, word: Word): number {
  return Atomics.load(cpu.words, word);
}

/** Writes a control word (see control_read). */
export function control_write(cpu: Cpu, word: Word, value: number): void {
  Atomics.store(cpu.words, word, value);
}

/** Adds to a control word (see control_read); returns the old value. */
export function control_add(cpu: Cpu, word: Word, delta: number): number {
  return Atomics.add(cpu.words, word, delta);
}

/** Swaps a control word (see control_read) if it is `expected`; returns the value found. */
export function control_cmpxchg(cpu: Cpu, word: Word, expected: number, value: number): number {
  return Atomics.compareExchange(cpu.words, word, expected, value);
}

/** Halts this CPU until `word` no longer holds `value`, it is kicked, or `milliseconds` have passed (direct only). */
export function halt(cpu: Cpu, word: Word, value: number, milliseconds: number): void {
  Atomics.wait(cpu.words, word, value, milliseconds);
}

/** Wakes every CPU halted on `word` (direct only). */
export function kick(cpu: Cpu, word: Word): void {
  Atomics.notify(cpu.words, word);
}
