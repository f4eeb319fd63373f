// Words of the one SharedArrayBuffer, and every way the kernel may touch them.
//
// Each accessor announces itself, yields if another CPU is to run first, and then does one access. In the direct
// execution the build erases announcement and yield, and the access is all that is left.
// Accesses say what they are, as in the kernel's memory model: plain, READ_ONCE/WRITE_ONCE, acquire/release, atomic
// read-modify-write. Plain ones are plain typed-array accesses, marked ones are `Atomics`; this is the kernel's only
// file that names `Atomics`.
import type { Fill } from './clear-page.ts';

/** True in the stepped execution; the build turns it into `false` in the direct twin and drops what hangs on it. */
export const STEPPED = true as boolean;

/** Index of a 32-bit word in the machine's SharedArrayBuffer. 64-bit quantities start at an even word. */
export type Word = number;

/**
 * How a step touches memory. Plain, marked (`read`, `write`, `acquire`, `release`), by the hardware (`hw-read`) or by a
 * user program; `cmpxchg` reads where it finds something else than it expects and writes where it does not; `add`
 * returns nothing, so that two of them commute, as do `read-lock` and `read-unlock`. The locks' kinds take or release in
 * one step; `wait` and `idle` only look. `note` touches nothing: it is a remark to whoever drives the execution.
 */
export type StepKind =
  | 'plain-read'
  | 'plain-write'
  | 'read'
  | 'write'
  | 'acquire'
  | 'release'
  | 'rmw'
  | 'cmpxchg'
  | 'add'
  | 'mb'
  | 'wmb'
  | 'wait'
  | 'idle'
  | 'lock'
  | 'trylock'
  | 'unlock'
  | 'read-lock'
  | 'read-trylock'
  | 'read-unlock'
  | 'write-lock'
  | 'write-unlock'
  | 'hw-read'
  | 'user-read'
  | 'user-write'
  | 'user-rmw'
  | 'note';

/** What a CPU is about to do. One object per CPU, overwritten by the next step: copy what must outlive it. */
export interface Step {
  kind: StepKind;
  cpu: number;
  /** First word touched. */
  word: Word;
  /** How many words are touched (1; 2 for a 64-bit entry; 1024 for a page). */
  width: number;
  /** For `cmpxchg` the value expected, for `add` what is added, for a marked write or `rmw` nothing. */
  operand: number;
  /** The upper half of the operand of a 64-bit `cmpxchg`. */
  operand_hi: number;
  /** The CPU is disabled while this says no to the value of `word`; undefined: it can always go. */
  ready: ((value: number) => boolean) | undefined;
  /** A second word that ends a wait when it is not 0 (this CPU's interrupts); 0: none. */
  also: Word;
  /** For locks and waits: the lock class (LOCK_*), and the word with the holder's number plus one (0: none). */
  lock_class: number;
  holder: Word;
  /** For `note`: what the kernel says it is doing, and the values it names. */
  note: string;
  values: readonly unknown[];
}

/**
 * Stores of one CPU that other CPUs can't see yet: the stepped execution's model of weak memory. Loads of the same CPU
 * find them here first. Which of them go out when is its owner's business.
 */
export interface StoreBuffer {
  /** Stores that wait; while there are none, loads go straight to memory. */
  readonly size: number;
  /** A store of `data.length` words from `word`; the buffer copies them. */
  store(word: Word, data: Int32Array): void;
  /** A store of those bits of one word that `mask` has: the others are whatever memory holds when it goes out. */
  merge(word: Word, value: number, mask: number): void;
  /** What this CPU would load from one word. */
  load(word: Word): number;
  /** Stores from now on go out after those that wait now. */
  barrier(): void;
}

/** What the accessors need of a CPU: its views of the memory, and someone to announce to. */
export interface Processor {
  readonly id: number;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly doubles: Float64Array<SharedArrayBuffer>;
  readonly quads: BigInt64Array<SharedArrayBuffer>;
  readonly scratch32: Int32Array<ArrayBuffer>;
  readonly scratch64: BigInt64Array<ArrayBuffer>;
  readonly scratchDouble: Float64Array<ArrayBuffer>;
  readonly fill: Fill;
  /** What it is about to do. */
  readonly step: Step;
  /** Weak memory; undefined where stores are seen at once. Stepped execution only. */
  store_buffer: StoreBuffer | undefined;
  /** Announces an access to `width` words from `word`; true where the caller must yield `step` before it. */
  about(kind: StepKind, word: Word, width?: number, operand?: number, operand_hi?: number): boolean;
  /** As about, for a step that may have to wait until `ready`. */
  about_wait(kind: StepKind, word: Word, ready: (value: number) => boolean): boolean;
}

/** A word that nobody reads, for a full barrier in the direct execution: the magic number, to which 0 is added. */
const FENCE_WORD: Word = 0;

/** A stepped computation: yields before each access to shared memory, returns T. */
export type Steps<T> = Generator<Step, T, void>;

// What a load and a store are in the stepped execution, where a store buffer may stand between a CPU and the memory.

function load(cpu: Processor, word: Word): number {
  const buffer = cpu.store_buffer;
  return buffer === undefined || buffer.size === 0 ? cpu.words[word]! : buffer.load(word);
}

function store(cpu: Processor, word: Word, value: number): void {
  if (cpu.store_buffer === undefined) cpu.words[word] = value;
  else cpu.store_buffer.store(word, Int32Array.of(value));
}

function load_double(cpu: Processor, word: Word): number {
  const buffer = cpu.store_buffer;
  if (buffer === undefined || buffer.size === 0) return cpu.doubles[word >> 1]!;
  cpu.scratch32[0] = buffer.load(word);
  cpu.scratch32[1] = buffer.load(word + 1);
  return cpu.scratchDouble[0]!;
}

function store_double(cpu: Processor, word: Word, value: number): void {
  if (cpu.store_buffer === undefined) {
    cpu.doubles[word >> 1] = value;
    return;
  }
  cpu.scratchDouble[0] = value;
  cpu.store_buffer.store(word, cpu.scratch32);
}

function store_zeroes(cpu: Processor, word: Word, count: number): void {
  if (cpu.store_buffer === undefined) cpu.fill(word << 2, 0, count << 2);
  else cpu.store_buffer.store(word, new Int32Array(count));
}

function store_copy(cpu: Processor, to: Word, from: Word, count: number): void {
  if (cpu.store_buffer === undefined) {
    cpu.words.copyWithin(to, from, from + count);
    return;
  }
  const data = new Int32Array(count);
  for (let i = 0; i < count; i++) data[i] = load(cpu, from + i);
  cpu.store_buffer.store(to, data);
}

/** smp_mb: this CPU's stores before it are seen by all before its loads after it. */
export function* smp_mb(cpu: Processor): Steps<void> {
  if (cpu.about('mb', 0, 0)) yield cpu.step;
  if (!STEPPED) Atomics.add(cpu.words, FENCE_WORD, 0);
}

/** smp_wmb: stores before it are seen before stores after it. A compiler barrier on x86, and for JavaScript's atomics. */
export function* smp_wmb(cpu: Processor): Steps<void> {
  if (cpu.about('wmb', 0, 0)) yield cpu.step;
  if (STEPPED) cpu.store_buffer?.barrier();
}

/** Plain read of a 32-bit word. @inline */
export function* read(cpu: Processor, word: Word): Steps<number> {
  if (cpu.about('plain-read', word)) yield cpu.step;
  return STEPPED ? load(cpu, word) : cpu.words[word]!;
}

/** Plain write of a 32-bit word. @inline */
export function* write(cpu: Processor, word: Word, value: number): Steps<void> {
  if (cpu.about('plain-write', word)) yield cpu.step;
  if (STEPPED) store(cpu, word, value);
  else cpu.words[word] = value;
}

/** Plain read of a 64-bit integer below 2^53 (an address, a page index, a byte count). @inline */
export function* read_long(cpu: Processor, word: Word): Steps<number> {
  if (cpu.about('plain-read', word, 2)) yield cpu.step;
  return STEPPED ? load_double(cpu, word) : cpu.doubles[word >> 1]!;
}

/** Plain write of a 64-bit integer below 2^53. @inline */
export function* write_long(cpu: Processor, word: Word, value: number): Steps<void> {
  if (cpu.about('plain-write', word, 2)) yield cpu.step;
  if (STEPPED) store_double(cpu, word, value);
  else cpu.doubles[word >> 1] = value;
}

/** READ_ONCE: a marked read. @inline */
export function* READ_ONCE(cpu: Processor, word: Word): Steps<number> {
  if (cpu.about('read', word)) yield cpu.step;
  return STEPPED ? load(cpu, word) : Atomics.load(cpu.words, word);
}

/** WRITE_ONCE: a marked write. @inline */
export function* WRITE_ONCE(cpu: Processor, word: Word, value: number): Steps<void> {
  if (cpu.about('write', word)) yield cpu.step;
  if (STEPPED) store(cpu, word, value);
  else Atomics.store(cpu.words, word, value);
}

/** smp_load_acquire. @inline */
export function* smp_load_acquire(cpu: Processor, word: Word): Steps<number> {
  if (cpu.about('acquire', word)) yield cpu.step;
  return STEPPED ? load(cpu, word) : Atomics.load(cpu.words, word);
}

/** smp_store_release. @inline */
export function* smp_store_release(cpu: Processor, word: Word, value: number): Steps<void> {
  if (cpu.about('release', word)) yield cpu.step;
  if (STEPPED) store(cpu, word, value);
  else Atomics.store(cpu.words, word, value);
}

/** cmpxchg: returns the value found; the swap happened if that equals `expected`. @inline */
export function* cmpxchg(cpu: Processor, word: Word, expected: number, value: number): Steps<number> {
  if (cpu.about('cmpxchg', word, 1, expected)) yield cpu.step;
  return Atomics.compareExchange(cpu.words, word, expected, value);
}

/** xchg: returns the old value. @inline */
export function* xchg(cpu: Processor, word: Word, value: number): Steps<number> {
  if (cpu.about('rmw', word)) yield cpu.step;
  return Atomics.exchange(cpu.words, word, value);
}

/** atomic_fetch_add: returns the old value. @inline */
export function* atomic_fetch_add(cpu: Processor, word: Word, delta: number): Steps<number> {
  if (cpu.about('rmw', word)) yield cpu.step;
  return Atomics.add(cpu.words, word, delta);
}

/** atomic_add: returns nothing, so two of them commute. @inline */
export function* atomic_add(cpu: Processor, word: Word, delta: number): Steps<void> {
  if (cpu.about('add', word, 1, delta)) yield cpu.step;
  Atomics.add(cpu.words, word, delta);
}

/** atomic_fetch_or: returns the old value. @inline */
export function* atomic_fetch_or(cpu: Processor, word: Word, bits: number): Steps<number> {
  if (cpu.about('rmw', word)) yield cpu.step;
  return Atomics.or(cpu.words, word, bits);
}

/** atomic_fetch_and: returns the old value. @inline */
export function* atomic_fetch_and(cpu: Processor, word: Word, bits: number): Steps<number> {
  if (cpu.about('rmw', word)) yield cpu.step;
  return Atomics.and(cpu.words, word, bits);
}

/**
 * Exchange of the low byte of a word, as the kernel does to release a qspinlock: the other bytes (pending bit, queue
 * tail) keep changing under other CPUs' hands. Returns the old byte.
 */
export function* xchg_byte(cpu: Processor, word: Word, value: number): Steps<number> {
  if (cpu.about('rmw', word)) yield cpu.step;
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
export function* READ_ONCE_64(cpu: Processor, word: Word): Steps<Entry> {
  if (cpu.about('read', word, 2)) yield cpu.step;
  cpu.scratchDouble[0] = STEPPED ? load_double(cpu, word) : cpu.doubles[word >> 1]!;
  return { lo: cpu.scratch32[0]!, hi: cpu.scratch32[1]! };
}

/** WRITE_ONCE of a 64-bit entry. */
export function* WRITE_ONCE_64(cpu: Processor, word: Word, entry: Entry): Steps<void> {
  if (cpu.about('write', word, 2)) yield cpu.step;
  cpu.scratch32[0] = entry.lo;
  cpu.scratch32[1] = entry.hi;
  if (STEPPED) store_double(cpu, word, cpu.scratchDouble[0]!);
  else Atomics.store(cpu.quads, word >> 1, cpu.scratch64[0]!);
}

/** xchg of a 64-bit entry: returns the old one. */
export function* xchg_64(cpu: Processor, word: Word, entry: Entry): Steps<Entry> {
  if (cpu.about('rmw', word, 2)) yield cpu.step;
  cpu.scratch32[0] = entry.lo;
  cpu.scratch32[1] = entry.hi;
  cpu.scratch64[0] = Atomics.exchange(cpu.quads, word >> 1, cpu.scratch64[0]!);
  return { lo: cpu.scratch32[0], hi: cpu.scratch32[1] };
}

/** try_cmpxchg of a 64-bit entry: true if `expected` was there and `entry` replaced it. */
export function* try_cmpxchg_64(cpu: Processor, word: Word, expected: Entry, entry: Entry): Steps<boolean> {
  if (cpu.about('cmpxchg', word, 2, expected.lo, expected.hi)) yield cpu.step;
  cpu.scratch32[0] = expected.lo;
  cpu.scratch32[1] = expected.hi;
  const old = cpu.scratch64[0]!;
  cpu.scratch32[0] = entry.lo;
  cpu.scratch32[1] = entry.hi;
  return Atomics.compareExchange(cpu.quads, word >> 1, old, cpu.scratch64[0]!) === old;
}

/** Plain 64-bit read, as the hardware walker and the kernel's unmarked `*pmd` do: one load, which does not tear. */
export function* read_64(cpu: Processor, word: Word): Steps<Entry> {
  if (cpu.about('plain-read', word, 2)) yield cpu.step;
  cpu.scratchDouble[0] = STEPPED ? load_double(cpu, word) : cpu.doubles[word >> 1]!;
  return { lo: cpu.scratch32[0]!, hi: cpu.scratch32[1]! };
}

/**
 * As read_64, but returns the low half and leaves the high half for entry_hi: the hardware walker reads four entries
 * for every miss, and making an object of each would cost more than the reads.
 */
export function* load_entry(cpu: Processor, word: Word): Steps<number> {
  if (cpu.about('hw-read', word, 2)) yield cpu.step;
  cpu.scratchDouble[0] = STEPPED ? load_double(cpu, word) : cpu.doubles[word >> 1]!;
  return cpu.scratch32[0]!;
}

/** The high half of what load_entry read last. @inline */
export function entry_hi(cpu: Processor): number {
  return cpu.scratch32[1]!;
}

/** Plain write of a run of `count` words, all zero (clear_page; a fresh object). */
export function* clear_words(cpu: Processor, word: Word, count: number): Steps<void> {
  if (cpu.about('plain-write', word, count)) yield cpu.step;
  if (STEPPED) store_zeroes(cpu, word, count);
  else cpu.fill(word << 2, 0, count << 2);
}

/** Plain write of a run of `count` words, all of one value. */
export function* fill_words(cpu: Processor, word: Word, count: number, value: number): Steps<void> {
  if (cpu.about('plain-write', word, count)) yield cpu.step;
  if (STEPPED && cpu.store_buffer !== undefined) cpu.store_buffer.store(word, new Int32Array(count).fill(value));
  else cpu.words.fill(value, word, word + count);
}

/** Plain copy of `count` words (copy_user_highpage). */
export function* copy_words(cpu: Processor, to: Word, from: Word, count: number): Steps<void> {
  if (cpu.about('plain-read', from, count)) yield cpu.step;
  if (cpu.about('plain-write', to, count)) yield cpu.step;
  if (STEPPED) store_copy(cpu, to, from, count);
  else cpu.words.copyWithin(to, from, from + count);
}

/** A user program's load of a 32-bit word of RAM, after translation. */
export function* user_load(cpu: Processor, word: Word): Steps<number> {
  if (cpu.about('user-read', word)) yield cpu.step;
  return STEPPED ? load(cpu, word) : cpu.words[word]!;
}

/** A user program's store of a 32-bit word of RAM, after translation. */
export function* user_store(cpu: Processor, word: Word, value: number): Steps<void> {
  if (cpu.about('user-write', word)) yield cpu.step;
  if (STEPPED) store(cpu, word, value);
  else cpu.words[word] = value;
}

/**
 * A user program's store of some bytes of a word of RAM: those that `mask` has bits of. Words are all that can be
 * swapped here, so the others are put back as they are found, for as long as one of them changes meanwhile.
 */
export function* user_store_bytes(cpu: Processor, word: Word, value: number, mask: number): Steps<void> {
  if (cpu.about('user-write', word)) yield cpu.step;
  if (STEPPED && cpu.store_buffer !== undefined) {
    cpu.store_buffer.merge(word, value, mask);
    return;
  }
  let found = cpu.words[word]!;
  for (;;) {
    const before = Atomics.compareExchange(cpu.words, word, found, (found & ~mask) | (value & mask));
    if (before === found) return;
    found = before;
  }
}

/**
 * A user program's load of a 64-bit quantity from an even word of RAM, in one access: its halves are then in
 * cpu.scratch32. Not by way of a double: a user's bits may be those of a NaN.
 */
export function* user_load_64(cpu: Processor, word: Word): Steps<void> {
  if (cpu.about('user-read', word, 2)) yield cpu.step;
  if (STEPPED) {
    cpu.scratch32[0] = load(cpu, word);
    cpu.scratch32[1] = load(cpu, word + 1);
  } else cpu.scratch64[0] = cpu.quads[word >> 1]!;
}

/** A user program's store of a 64-bit quantity, given as halves, to an even word of RAM, in one access. */
export function* user_store_64(cpu: Processor, word: Word, lo: number, hi: number): Steps<void> {
  if (cpu.about('user-write', word, 2)) yield cpu.step;
  cpu.scratch32[0] = lo;
  cpu.scratch32[1] = hi;
  if (!STEPPED || cpu.store_buffer === undefined) cpu.quads[word >> 1] = cpu.scratch64[0]!;
  else cpu.store_buffer.store(word, cpu.scratch32);
}

/** A user program's lock xadd on a word of RAM: returns the old value. */
export function* user_fetch_add(cpu: Processor, word: Word, delta: number): Steps<number> {
  if (cpu.about('user-rmw', word)) yield cpu.step;
  return Atomics.add(cpu.words, word, delta);
}

/**
 * A read or write of a word that no other CPU touches (this CPU's counters, its TLB). Not a step: nobody can see it.
 * The snapshot reads these only when the machine is quiescent. @inline
 */
export function local_read(cpu: Processor, word: Word): number {
  return cpu.words[word]!;
}

/** See local_read. @inline */
export function local_write(cpu: Processor, word: Word, value: number): void {
  cpu.words[word] = value;
}

/** See local_read, for a 64-bit integer below 2^53. @inline */
export function local_read_long(cpu: Processor, word: Word): number {
  return cpu.doubles[word >> 1]!;
}

/** See local_write, for a 64-bit integer below 2^53. @inline */
export function local_write_long(cpu: Processor, word: Word, value: number): void {
  cpu.doubles[word >> 1] = value;
}

/**
 * Reads a word that spin loops, the STOP protocol or the driver look at from outside the modelled kernel: marked, but
 * not a step, since the stepped execution has its own scheduler for these. @inline
 */
export function control_read(cpu: Processor, word: Word): number {
  return Atomics.load(cpu.words, word);
}

/** Writes a control word (see control_read). */
export function control_write(cpu: Processor, word: Word, value: number): void {
  Atomics.store(cpu.words, word, value);
}

/** Adds to a control word (see control_read); returns the old value. */
export function control_add(cpu: Processor, word: Word, delta: number): number {
  return Atomics.add(cpu.words, word, delta);
}

/** Swaps a control word (see control_read) if it is `expected`; returns the value found. */
export function control_cmpxchg(cpu: Processor, word: Word, expected: number, value: number): number {
  return Atomics.compareExchange(cpu.words, word, expected, value);
}

/** Halts this CPU until `word` no longer holds `value`, it is kicked, or `milliseconds` have passed (direct only). */
export function halt(cpu: Processor, word: Word, value: number, milliseconds: number): void {
  Atomics.wait(cpu.words, word, value, milliseconds);
}

/** Wakes every CPU halted on `word` (direct only). */
export function kick(cpu: Processor, word: Word): void {
  Atomics.notify(cpu.words, word);
}
