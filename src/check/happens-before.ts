// Which accesses of one execution are ordered, by vector clocks.
//
// What orders is the kernel's memory model: an unlock and the lock after it; a release and an acquire that reads what
// it stored, or reads it through a chain of atomic read-modify-writes; smp_mb or smp_wmb with a marked store behind it,
// and an acquire, or a marked read with smp_mb behind it, that reads that store. A barrier alone orders nothing; a
// failed cmpxchg or trylock is no more than a marked read; a store that waits in a store buffer publishes when it leaves.
// One simplification: smp_wmb publishes the CPU's earlier loads as well as its stores.
import type { AccessKind } from './access-event.ts';
import { byWhat } from './access-table.ts';
import type { AccessTable } from './access-table.ts';
import { UndoableInts, grown } from './undo-log.ts';
import { WordTable } from './word-table.ts';

/** Traits of an access, as bits. */
export const READS = 1;
export const WRITES = 2;
export const PLAIN = 4;
const ACQUIRES = 8;
const RELEASES = 16;
/** Taken after readers have left as well as after a writer has. */
const EXCLUDES_READERS = 32;
/** A reader leaves: other readers need not see what it did. */
const READER_LEAVES = 64;
/** What the CPU did before is published by its later marked stores. */
const RELEASE_FENCE = 128;
/** What its earlier marked reads found published is now known. */
const ACQUIRE_FENCE = 256;
const ATOMIC = READS | WRITES;
const FULL = ATOMIC | ACQUIRES | RELEASES | RELEASE_FENCE | ACQUIRE_FENCE;

/** The hardware, user programs and remarks order nothing, and are no side of a race. */
const TRAITS: Readonly<Record<AccessKind, number>> = {
  'plain-read': READS | PLAIN,
  'plain-write': WRITES | PLAIN,
  read: READS,
  write: WRITES,
  acquire: READS | ACQUIRES,
  release: WRITES | RELEASES,
  rmw: FULL,
  cmpxchg: FULL,
  add: ATOMIC,
  mb: RELEASE_FENCE | ACQUIRE_FENCE,
  wmb: RELEASE_FENCE,
  wait: READS | ACQUIRES,
  lock: ATOMIC | ACQUIRES | EXCLUDES_READERS,
  trylock: ATOMIC | ACQUIRES | EXCLUDES_READERS,
  unlock: WRITES | RELEASES,
  'read-lock': ATOMIC | ACQUIRES,
  'read-trylock': ATOMIC | ACQUIRES,
  'read-unlock': ATOMIC | READER_LEAVES,
  'write-lock': ATOMIC | ACQUIRES | EXCLUDES_READERS,
  'write-unlock': WRITES | RELEASES,
  idle: 0,
  'hw-read': 0,
  'user-read': 0,
  'user-write': 0,
  'user-rmw': 0,
  note: 0,
  drain: 0,
};

/** The traits of what an access came to, by AccessTable.what: one that should have stored and did not has only read. */
export const TRAITS_OF: Int32Array = byWhat((kind, stored) => {
  const traits = TRAITS[kind];
  return (traits & ATOMIC) === ATOMIC && !stored ? READS : traits;
});

/** Longest access whose words can publish anything: a 64-bit entry. Longer ones (a page) are plain. */
export const MAX_MARKED_WORDS = 2;
const FIRST_EVENTS = 64;

/** What orders besides what is marked to. */
export interface Dependencies {
  /** Whether what follows a marked read depends on what it read, and so comes after what that publishes. */
  readonly ofMarked: boolean;
  /** Whether the same goes for a plain read of these words. */
  readonly ofPlain: ((word: number, width: number) => boolean) | undefined;
}

/** Follows the order of executions: `begin`, then `enter` and `leave` around each access, `drain` for drains. */
export class HappensBefore {
  private readonly cpus: number;
  private readonly dependencies: Dependencies;
  /**
   * Rows of a number per CPU. Per CPU: what happens before its next step; its clock at its last release fence; what its
   * marked reads found published, which an acquire fence makes known. Then one number: the first place in `buffered`
   * that has not left. Then per slot of the table: what the word's value publishes, and what readers who left the lock
   * published.
   */
  private readonly state: UndoableInts;
  private readonly table: WordTable = new WordTable();
  /** Per event: its CPU's own time. */
  private times: Int32Array<ArrayBuffer> = new Int32Array(FIRST_EVENTS);
  /** Per event: what the store publishes when it leaves the buffer. */
  private published: Int32Array<ArrayBuffer> = new Int32Array(0);
  /** Events that went into a store buffer, oldest first, and per event: whether it has left. */
  private readonly buffered: number[] = [];
  private readonly left: UndoableInts = new UndoableInts(0);

  constructor(cpus: number, dependencies: Dependencies) {
    this.cpus = cpus;
    this.dependencies = dependencies;
    this.state = new UndoableInts(3 * cpus * cpus + 1);
    for (let cpu = 0; cpu < cpus; cpu++) this.state.ints[cpu * cpus + cpu] = 1;
  }

  /** The next event is `index`. Events before it are those that were entered under these numbers. */
  backTo(index: number): void {
    this.state.backTo(index);
    const { buffered, left } = this;
    while (buffered.length > 0 && buffered[buffered.length - 1]! >= index) buffered.pop();
    // Points are marked while something has been buffered, and nothing leaves before.
    if (buffered.length > 0) left.backTo(index);
    else left.clear();
  }

  /** Event `index` comes. */
  begin(index: number): void {
    this.state.mark(index);
    if (this.buffered.length > 0) this.left.mark(index);
    if (index >= this.times.length) this.times = grown(this.times, 2 * index);
  }

  /** Whether event `index`, of CPU `of`, happens before the next step of `cpu`. */
  isBefore(index: number, of: number, cpu: number): boolean {
    return this.times[index]! <= this.state.ints[cpu * this.cpus + of]!;
  }

  /** Before an access: what it reads becomes known to its CPU. */
  enter(events: AccessTable, index: number, traits: number): void {
    const { cpus } = this;
    const cpu = events.cpu(index);
    if ((traits & READS) !== 0 && (traits & READER_LEAVES) === 0) this.read(events, index, traits, cpu);
    if ((traits & ACQUIRE_FENCE) !== 0) this.join(cpu * cpus, this.foundBy(cpu));
    this.times[index] = this.state.ints[cpu * cpus + cpu]!;
  }

  private read(events: AccessTable, index: number, traits: number, cpu: number): void {
    const word = events.word(index);
    const end = word + events.width(index);
    // Nothing depends on an atomic_add, which returns nothing.
    const { ofMarked, ofPlain } = this.dependencies;
    const heads = (traits & PLAIN) !== 0 ? ofPlain?.(word, end - word) === true : ofMarked && (traits & WRITES) === 0;
    if (!heads && (traits & PLAIN) !== 0) return;
    const known = (traits & ACQUIRES) !== 0 || heads ? cpu * this.cpus : this.foundBy(cpu);
    for (let at = word; at < end; at++) {
      const slot = this.table.find(at);
      // Its own store, which nobody else sees yet, tells the CPU nothing.
      if (slot < 0 || this.oldest(events, cpu, at, 1) >= 0) continue;
      this.join(known, this.releasedBy(slot));
      if ((traits & EXCLUDES_READERS) !== 0) this.join(known, this.releasedBy(slot) + this.cpus);
    }
  }

  /** After an access: what it publishes. */
  leave(events: AccessTable, index: number, traits: number): void {
    const cpu = events.cpu(index);
    if ((traits & WRITES) !== 0) {
      if (events.stored(index)) this.publish(events, index, traits, cpu);
      else this.buffer(index, traits, cpu);
    }
    const { cpus, state } = this;
    if ((traits & RELEASE_FENCE) !== 0) this.copy(this.fenceOf(cpu), cpu * cpus);
    // What this CPU does next is no part of what it has published.
    const published = RELEASES | READER_LEAVES | RELEASE_FENCE;
    if ((traits & published) !== 0) state.set(cpu * cpus + cpu, state.ints[cpu * cpus + cpu]! + 1);
  }

  /**
   * A store of user memory, which publishes nothing. It has to be known only where it waits in a store buffer, and
   * where it overwrites what a word published.
   */
  userStore(events: AccessTable, index: number): void {
    if (events.stored(index)) this.overwrite(events.word(index), events.width(index));
    else this.buffer(index, WRITES | PLAIN, events.cpu(index));
  }

  /** The oldest store to these words has left the CPU's store buffer; a long one may leave it in parts, in order. */
  drain(events: AccessTable, index: number): void {
    const word = events.word(index);
    const width = events.width(index);
    const store = this.oldest(events, events.cpu(index), word, width);
    if (store < 0) return;
    if (word + width === events.word(store) + events.width(store)) this.leaves(store);
    if (width > MAX_MARKED_WORDS) {
      this.overwrite(word, width);
      return;
    }
    for (let at = word; at < word + width; at++) {
      const row = this.releasedBy(this.slot(at));
      for (let i = 0; i < this.cpus; i++) this.state.set(row + i, this.published[store * this.cpus + i]!);
    }
  }

  /** A store has left its buffer, all of it. */
  private leaves(store: number): void {
    this.left.set(store, 1);
    let first = this.state.ints[this.firstWaiting]!;
    while (first < this.buffered.length && this.left.ints[this.buffered[first]!] !== 0) first += 1;
    this.state.set(this.firstWaiting, first);
  }

  private buffer(index: number, traits: number, cpu: number): void {
    const { cpus } = this;
    const at = index * cpus;
    if (this.published.length < at + cpus) this.published = grown(this.published, 2 * (at + cpus));
    this.left.reserve(index + 1);
    const from = (traits & RELEASES) !== 0 ? cpu * cpus : this.fenceOf(cpu);
    for (let i = 0; i < cpus; i++) this.published[at + i] = (traits & PLAIN) !== 0 ? 0 : this.state.ints[from + i]!;
    this.buffered.push(index);
  }

  /** The CPU's oldest store in its buffer that covers the words, or -1. */
  private oldest(events: AccessTable, cpu: number, word: number, width: number): number {
    const { buffered, left } = this;
    for (let place = this.state.ints[this.firstWaiting]!; place < buffered.length; place++) {
      const store = buffered[place]!;
      if (left.ints[store] !== 0 || events.cpu(store) !== cpu || word < events.word(store)) continue;
      if (word + width <= events.word(store) + events.width(store)) return store;
    }
    return -1;
  }

  private publish(events: AccessTable, index: number, traits: number, cpu: number): void {
    const word = events.word(index);
    const width = events.width(index);
    if ((traits & PLAIN) !== 0) {
      this.overwrite(word, width);
      return;
    }
    const from = (traits & (RELEASES | READER_LEAVES)) !== 0 ? cpu * this.cpus : this.fenceOf(cpu);
    for (let at = word; at < word + width; at++) {
      const row = this.releasedBy(this.slot(at));
      if ((traits & READER_LEAVES) !== 0) this.join(row + this.cpus, from);
      else if ((traits & READS) === 0) this.copy(row, from);
      // Who reads what an atomic read-modify-write stored sees what the value before it published, too.
      else this.join(row, from);
    }
  }

  /** A plain store publishes nothing, and what it overwrites publishes nothing any more. */
  private overwrite(word: number, width: number): void {
    const { table } = this;
    if (width <= MAX_MARKED_WORDS) {
      for (let at = word; at < word + width; at++) {
        const slot = table.find(at);
        if (slot >= 0) this.clear(this.releasedBy(slot));
      }
      return;
    }
    for (let slot = 0; slot < table.used; slot++) {
      const at = table.words[slot]!;
      if (at >= word && at < word + width) this.clear(this.releasedBy(slot));
    }
  }

  private slot(word: number): number {
    const slot = this.table.findOrAdd(word);
    this.state.reserve(this.releasedBy(slot + 1));
    return slot;
  }

  // Where in the state numbers and rows stand.

  private get firstWaiting(): number {
    return 3 * this.cpus * this.cpus;
  }

  private fenceOf(cpu: number): number {
    return (this.cpus + cpu) * this.cpus;
  }

  private foundBy(cpu: number): number {
    return (2 * this.cpus + cpu) * this.cpus;
  }

  private releasedBy(slot: number): number {
    return this.firstWaiting + 1 + 2 * slot * this.cpus;
  }

  private join(into: number, from: number): void {
    const { cpus, state } = this;
    for (let i = 0; i < cpus; i++) {
      const value = state.ints[from + i]!;
      if (value > state.ints[into + i]!) state.set(into + i, value);
    }
  }

  private copy(into: number, from: number): void {
    const { cpus, state } = this;
    for (let i = 0; i < cpus; i++) state.set(into + i, state.ints[from + i]!);
  }

  private clear(row: number): void {
    const { cpus, state } = this;
    for (let i = 0; i < cpus; i++) state.set(row + i, 0);
  }
}
