// Which accesses of one execution are ordered, by vector clocks.
//
// What orders is the kernel's memory model: an unlock and the lock after it; a release and an acquire that reads what
// it stored, or reads it through a chain of atomic read-modify-writes; smp_mb or smp_wmb with a marked store behind it,
// and an acquire, or a marked read with smp_mb behind it, that reads that store. A barrier alone orders nothing; a
// failed cmpxchg or trylock is no more than a marked read; a store that waits in a store buffer publishes when it leaves.
// One simplification: smp_wmb publishes the CPU's earlier loads as well as its stores.
import type { AccessEvent, AccessKind } from './access-event.ts';
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
  note: 0,
  drain: 0,
};

/** The traits of what the access came to: one that should have stored and did not has only read. */
export function traitsOf(event: AccessEvent): number {
  const traits = TRAITS[event.kind];
  return (traits & ATOMIC) === ATOMIC && !event.stored ? READS : traits;
}

/** Longest access whose words can publish anything: a 64-bit entry. Longer ones (a page) are plain. */
export const MAX_MARKED_WORDS = 2;
const FIRST_EVENTS = 128;

/** Replays the order of one execution after another: `enter` and `leave` around each access, `drain` for drains. */
export class HappensBefore {
  private readonly cpus: number;
  private readonly dependencies: boolean;
  /** Rows of a number per CPU. Per CPU: what happens before its next step. */
  private readonly clocks: Int32Array;
  /** Per CPU: its clock at its last release fence. */
  private readonly fences: Int32Array;
  /** Per CPU: what its marked reads found published, which an acquire fence makes known. */
  private readonly found: Int32Array;
  private readonly table: WordTable = new WordTable();
  /** Per slot of the table: what the word's value publishes, and what readers who left the lock published. */
  private released: Int32Array;
  private readersReleased: Int32Array;
  /** Per event: its CPU's own time. */
  private times: Int32Array = new Int32Array(FIRST_EVENTS);
  /** Per event: what the store publishes when it leaves the buffer. */
  private published: Int32Array;
  /** Events that wait in a store buffer, oldest first. */
  private readonly buffered: number[] = [];

  constructor(cpus: number, dependencies: boolean) {
    this.cpus = cpus;
    this.dependencies = dependencies;
    this.clocks = new Int32Array(cpus * cpus);
    this.fences = new Int32Array(cpus * cpus);
    this.found = new Int32Array(cpus * cpus);
    this.released = new Int32Array(0);
    this.readersReleased = new Int32Array(0);
    this.published = new Int32Array(0);
  }

  /** Forgets the last execution; the next has `count` events. */
  reset(count: number): void {
    const { cpus } = this;
    this.released.fill(0, 0, this.table.used * cpus);
    this.readersReleased.fill(0, 0, this.table.used * cpus);
    this.table.clear();
    this.clocks.fill(0);
    for (let cpu = 0; cpu < cpus; cpu++) this.clocks[cpu * cpus + cpu] = 1;
    this.fences.fill(0);
    this.found.fill(0);
    this.buffered.length = 0;
    if (this.times.length < count) this.times = new Int32Array(2 * count);
  }

  /** Whether event `index`, of CPU `of`, happens before the next step of `cpu`. */
  isBefore(index: number, of: number, cpu: number): boolean {
    return this.times[index]! <= this.clocks[cpu * this.cpus + of]!;
  }

  /** Before an access: what it reads becomes known to its CPU. */
  enter(events: readonly AccessEvent[], index: number, traits: number): void {
    const event = events[index]!;
    const { cpu, word, width } = event;
    if ((traits & READS) !== 0 && (traits & (PLAIN | READER_LEAVES)) === 0) {
      // Nothing depends on an atomic_add, which returns nothing.
      const heads = this.dependencies && (traits & WRITES) === 0;
      const known = (traits & ACQUIRES) !== 0 || heads ? this.clocks : this.found;
      for (let at = word; at < word + width; at++) {
        const slot = this.table.find(at);
        // Its own store, which nobody else sees yet, tells the CPU nothing.
        if (slot < 0 || (this.buffered.length > 0 && this.oldest(events, cpu, at, 1) >= 0)) continue;
        this.join(known, cpu, this.released, slot);
        if ((traits & EXCLUDES_READERS) !== 0) this.join(known, cpu, this.readersReleased, slot);
      }
    }
    if ((traits & ACQUIRE_FENCE) !== 0) this.join(this.clocks, cpu, this.found, cpu);
    this.times[index] = this.clocks[cpu * this.cpus + cpu]!;
  }

  /** After an access: what it publishes. */
  leave(events: readonly AccessEvent[], index: number, traits: number): void {
    const event = events[index]!;
    const { cpu } = event;
    if ((traits & WRITES) !== 0) {
      if (event.stored) this.publish(event, traits);
      else this.buffer(cpu, index, traits);
    }
    if ((traits & RELEASE_FENCE) !== 0) this.copy(this.fences, cpu, this.clocks, cpu);
    // What this CPU does next is no part of what it has published.
    const published = RELEASES | READER_LEAVES | RELEASE_FENCE;
    if ((traits & published) !== 0) this.clocks[cpu * this.cpus + cpu]! += 1;
  }

  /**
   * A store of user memory, which publishes nothing. It has to be known only where it waits in a store buffer, and
   * where it overwrites what a word published.
   */
  userStore(events: readonly AccessEvent[], index: number): void {
    const event = events[index]!;
    if (event.stored) this.publish(event, WRITES | PLAIN);
    else this.buffer(event.cpu, index, WRITES | PLAIN);
  }

  /** The oldest store to these words has left the CPU's store buffer; a long one may leave it in parts, in order. */
  drain(events: readonly AccessEvent[], event: AccessEvent): void {
    const { cpu, word, width } = event;
    const place = this.oldest(events, cpu, word, width);
    if (place < 0) return;
    const index = this.buffered[place]!;
    const store = events[index]!;
    if (word + width === store.word + store.width) this.buffered.splice(place, 1);
    if (width > MAX_MARKED_WORDS) this.overwrite(word, width);
    else for (let at = word; at < word + width; at++) this.copy(this.released, this.slot(at), this.published, index);
  }

  private buffer(cpu: number, index: number, traits: number): void {
    const end = (index + 1) * this.cpus;
    if (this.published.length < end) this.published = grown(this.published, 2 * end);
    if ((traits & PLAIN) !== 0) this.published.fill(0, index * this.cpus, end);
    else this.copy(this.published, index, (traits & RELEASES) !== 0 ? this.clocks : this.fences, cpu);
    this.buffered.push(index);
  }

  /** The place in `buffered` of the CPU's oldest store that covers the words, or -1. */
  private oldest(events: readonly AccessEvent[], cpu: number, word: number, width: number): number {
    for (let place = 0; place < this.buffered.length; place++) {
      const store = events[this.buffered[place]!]!;
      if (store.cpu === cpu && word >= store.word && word + width <= store.word + store.width) return place;
    }
    return -1;
  }

  private publish(event: AccessEvent, traits: number): void {
    const { cpu, word, width } = event;
    if ((traits & PLAIN) !== 0) {
      this.overwrite(word, width);
      return;
    }
    for (let at = word; at < word + width; at++) {
      const slot = this.slot(at);
      if ((traits & READER_LEAVES) !== 0) this.join(this.readersReleased, slot, this.clocks, cpu);
      else if ((traits & READS) === 0) {
        this.copy(this.released, slot, (traits & RELEASES) !== 0 ? this.clocks : this.fences, cpu);
      } else {
        // Who reads what an atomic read-modify-write stored sees what the value before it published, too.
        this.join(this.released, slot, (traits & RELEASES) !== 0 ? this.clocks : this.fences, cpu);
      }
    }
  }

  /** A plain store publishes nothing, and what it overwrites publishes nothing any more. */
  private overwrite(word: number, width: number): void {
    const { cpus, table } = this;
    if (width <= MAX_MARKED_WORDS) {
      for (let at = word; at < word + width; at++) {
        const slot = table.find(at);
        if (slot >= 0) this.released.fill(0, slot * cpus, (slot + 1) * cpus);
      }
      return;
    }
    for (let slot = 0; slot < table.used; slot++) {
      const at = table.words[slot]!;
      if (at >= word && at < word + width) this.released.fill(0, slot * cpus, (slot + 1) * cpus);
    }
  }

  private slot(word: number): number {
    const slot = this.table.findOrAdd(word);
    if ((slot + 1) * this.cpus > this.released.length) {
      const length = this.table.words.length * this.cpus;
      this.released = grown(this.released, length);
      this.readersReleased = grown(this.readersReleased, length);
    }
    return slot;
  }

  private join(into: Int32Array, row: number, from: Int32Array, fromRow: number): void {
    const { cpus } = this;
    const a = row * cpus;
    const b = fromRow * cpus;
    for (let i = 0; i < cpus; i++) if (from[b + i]! > into[a + i]!) into[a + i] = from[b + i]!;
  }

  private copy(into: Int32Array, row: number, from: Int32Array, fromRow: number): void {
    const { cpus } = this;
    const a = row * cpus;
    const b = fromRow * cpus;
    for (let i = 0; i < cpus; i++) into[a + i] = from[b + i]!;
  }
}

function grown(array: Int32Array, length: number): Int32Array {
  const larger = new Int32Array(length);
  larger.set(array);
  return larger;
}
