// Data races of one execution: two accesses of different CPUs to one word, at least one of them a write and at least
// one of them plain, that nothing orders.
//
// Asked after every explored execution, so a detector keeps its tables and allocates nothing while it finds nothing.
// Of the earlier accesses of a CPU to a word only the last of each class is kept: if that one is ordered before an
// access, all others of its class are as well.
import type { AccessEvent, AccessKind } from './access-event.ts';
import { HappensBefore, MAX_MARKED_WORDS, PLAIN, READS, WRITES, traitsOf } from './happens-before.ts';
import { WordTable } from './word-table.ts';

/** Two accesses that race. */
export interface DataRace {
  /** Their places in the list of events; `first` came first. */
  readonly first: number;
  readonly second: number;
  /** The first word that both touch. */
  readonly word: number;
  readonly kinds: readonly [first: AccessKind, second: AccessKind];
}

/** What counts as ordered, and what need not be told. */
export interface DataRaceRules {
  /**
   * Whether all that follows a marked read depends on what it read, as what follows rcu_dereference does in the kernel:
   * it then orders like an acquire. If not, a marked read orders nothing.
   */
  readonly dependencies?: boolean;
  /** Says of two accesses that their race is known and does no harm (the kernel's data_race()). */
  readonly benign?: (first: AccessEvent, second: AccessEvent) => boolean;
  /** How many races to find at most; 32 if not given. */
  readonly limit?: number;
}

const DEFAULT_LIMIT = 32;

// Classes of accesses, and for each the set of classes, as bits, that it conflicts with.
const PLAIN_READ = 0;
const PLAIN_WRITE = 1;
const MARKED_READ = 2;
const MARKED_WRITE = 3;
const CLASSES = 4;
const CONFLICTS: readonly number[] = [0b1010, 0b1111, 0b0010, 0b0011];

function classOf(traits: number): number {
  if ((traits & PLAIN) !== 0) return (traits & WRITES) !== 0 ? PLAIN_WRITE : PLAIN_READ;
  return (traits & WRITES) !== 0 ? MARKED_WRITE : MARKED_READ;
}

/** Finds the races of one execution after another. */
export class DataRaceDetector {
  private readonly cpus: number;
  private readonly benign: ((first: AccessEvent, second: AccessEvent) => boolean) | undefined;
  private readonly limit: number;
  private readonly order: HappensBefore;
  private readonly table: WordTable = new WordTable();
  /** Per slot of the table, CPU and class: the last such access, plus one; 0: none. */
  private last: Int32Array = new Int32Array(0);
  /** Accesses too long to be looked up word by word: pages. Few. */
  private readonly wide: number[] = [];
  private races: DataRace[] = [];

  /** `cpus`: above the highest CPU number in any event. */
  constructor(cpus: number, rules: DataRaceRules = {}) {
    this.cpus = cpus;
    this.benign = rules.benign;
    this.limit = rules.limit ?? DEFAULT_LIMIT;
    this.order = new HappensBefore(cpus, rules.dependencies === true);
  }

  /** The races among the first `count` events, in the order of their second access. */
  find(events: readonly AccessEvent[], count: number = events.length): DataRace[] {
    this.last.fill(0, 0, this.table.used * this.cpus * CLASSES);
    this.table.clear();
    this.wide.length = 0;
    this.order.reset(count);
    for (let i = 0; i < count && this.races.length < this.limit; i++) this.step(events, i);
    const { races } = this;
    if (races.length > 0) this.races = [];
    return races;
  }

  private step(events: readonly AccessEvent[], index: number): void {
    const event = events[index]!;
    if (event.kind === 'drain') this.order.drain(events, event);
    else if (event.kind === 'user-write') this.order.userStore(events, index);
    const traits = traitsOf(event);
    if (traits === 0) return;
    this.order.enter(events, index, traits);
    if ((traits & (READS | WRITES)) !== 0) this.check(events, index, classOf(traits));
    this.order.leave(events, index, traits);
  }

  /** Looks for earlier accesses that this one races with; then it is one of them. */
  private check(events: readonly AccessEvent[], index: number, accessClass: number): void {
    const { table } = this;
    const { word, width, cpu } = events[index]!;
    const end = word + width;
    for (const earlier of this.wide) {
      const other = events[earlier]!;
      const conflict = ((CONFLICTS[accessClass]! >> classOf(traitsOf(other))) & 1) === 1;
      if (!conflict || other.word >= end || other.word + other.width <= word) continue;
      this.compare(events, earlier, index, Math.max(word, other.word));
    }
    if (width > MAX_MARKED_WORDS) {
      for (let slot = 0; slot < table.used; slot++) {
        const at = table.words[slot]!;
        if (at >= word && at < end) this.compareSlot(events, slot, index, accessClass);
      }
      this.wide.push(index);
      return;
    }
    for (let at = word; at < end; at++) {
      const slot = table.findOrAdd(at);
      const needed = (slot + 1) * this.cpus * CLASSES;
      if (needed > this.last.length) {
        const last = new Int32Array(table.words.length * this.cpus * CLASSES);
        last.set(this.last);
        this.last = last;
      }
      this.compareSlot(events, slot, index, accessClass);
      this.last[(slot * this.cpus + cpu) * CLASSES + accessClass] = index + 1;
    }
  }

  private compareSlot(events: readonly AccessEvent[], slot: number, index: number, accessClass: number): void {
    const conflicts = CONFLICTS[accessClass]!;
    const row = slot * this.cpus * CLASSES;
    for (let i = 0; i < this.cpus * CLASSES; i++) {
      const earlier = this.last[row + i]! - 1;
      if (earlier >= 0 && ((conflicts >> (i % CLASSES)) & 1) === 1) {
        this.compare(events, earlier, index, this.table.words[slot]!);
      }
    }
  }

  private compare(events: readonly AccessEvent[], first: number, second: number, word: number): void {
    const a = events[first]!;
    const b = events[second]!;
    if (a.cpu === b.cpu || this.order.isBefore(first, a.cpu, b.cpu) || this.races.length >= this.limit) return;
    // Two 64-bit accesses meet in two words and race once.
    for (let i = this.races.length - 1; i >= 0 && this.races[i]!.second === second; i--) {
      if (this.races[i]!.first === first) return;
    }
    if (this.benign?.(a, b) === true) return;
    this.races.push({ first, second, word, kinds: [a.kind, b.kind] });
  }
}

/** The data races of one execution; for many, keep a DataRaceDetector. */
export function findDataRaces(events: readonly AccessEvent[], rules: DataRaceRules = {}): DataRace[] {
  const cpus = events.reduce((most, event) => Math.max(most, event.cpu + 1), 1);
  return new DataRaceDetector(cpus, rules).find(events);
}
