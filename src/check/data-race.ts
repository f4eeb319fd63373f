// Data races of one execution: two accesses of different CPUs to one word, at least one of them a write and at least
// one of them plain, that nothing orders.
//
// Asked after every explored execution, so a detector allocates nothing while it finds nothing, and goes on from where an
// execution differs from the one before. Of the earlier accesses of a CPU to a word only the last of each class is kept:
// if that one is ordered before an access, all others of its class are as well.
import { AccessTable } from './access-table.ts';
import type { AccessEvent, AccessKind } from './access-event.ts';
import { HappensBefore, MAX_MARKED_WORDS, PLAIN, READS, TRAITS_OF, WRITES } from './happens-before.ts';
import { UndoableInts } from './undo-log.ts';
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
  /** Words of which a plain read orders like that, too: pointers that are followed without a mark. */
  readonly pointers?: (word: number, width: number) => boolean;
  /**
   * Says of two accesses that their race is known and does no harm (the kernel's data_race()). By what they are alone: it
   * is not asked again of executions that begin the same way.
   */
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
  private readonly row: number;
  private readonly benign: ((first: AccessEvent, second: AccessEvent) => boolean) | undefined;
  private readonly limit: number;
  private readonly order: HappensBefore;
  private readonly table: WordTable = new WordTable();
  /**
   * Per slot of the table, a row: which classes of accesses there were, as bits; then per class and CPU the last such
   * access, plus one; 0: none.
   */
  private readonly last: UndoableInts = new UndoableInts(0);
  /** Accesses too long to be looked up word by word: pages. Few. */
  private readonly wide: number[] = [];
  private readonly races: DataRace[] = [];
  /** Events of the table that were looked at. */
  private done = 0;

  /** `cpus`: above the highest CPU number in any event. */
  constructor(cpus: number, rules: DataRaceRules = {}) {
    this.cpus = cpus;
    this.row = 1 + cpus * CLASSES;
    this.benign = rules.benign;
    this.limit = rules.limit ?? DEFAULT_LIMIT;
    this.order = new HappensBefore(cpus, { ofMarked: rules.dependencies === true, ofPlain: rules.pointers });
  }

  /** Of the events that were looked at only the first `kept` are still those of the table. */
  keep(kept: number): void {
    if (kept >= this.done) return;
    this.done = kept;
    this.order.backTo(kept);
    this.last.backTo(kept);
    while (this.wide.length > 0 && this.wide[this.wide.length - 1]! >= kept) this.wide.pop();
    while (this.races.length > 0 && this.races[this.races.length - 1]!.second >= kept) this.races.pop();
  }

  /**
   * The races among the table's events, in the order of their second access. `keep` must have been told of every change
   * to events that were looked at.
   */
  find(events: AccessTable): readonly DataRace[] {
    while (this.done < events.count && this.races.length < this.limit) this.step(events, this.done++);
    return this.races;
  }

  private step(events: AccessTable, index: number): void {
    this.order.begin(index);
    this.last.mark(index);
    const traits = TRAITS_OF[events.what(index)]!;
    if (traits === 0) {
      const kind = events.kind(index);
      if (kind === 'drain') this.order.drain(events, index);
      else if (kind === 'user-write') this.order.userStore(events, index);
      return;
    }
    this.order.enter(events, index, traits);
    if ((traits & (READS | WRITES)) !== 0) this.check(events, index, classOf(traits));
    this.order.leave(events, index, traits);
  }

  /** Looks for earlier accesses that this one races with; then it is one of them. */
  private check(events: AccessTable, index: number, accessClass: number): void {
    const { table, last } = this;
    const word = events.word(index);
    const width = events.width(index);
    const end = word + width;
    for (const earlier of this.wide) {
      const conflict = ((CONFLICTS[accessClass]! >> classOf(TRAITS_OF[events.what(earlier)]!)) & 1) === 1;
      const from = events.word(earlier);
      if (!conflict || from >= end || from + events.width(earlier) <= word) continue;
      this.compare(events, earlier, index, Math.max(word, from));
    }
    if (width > MAX_MARKED_WORDS) {
      // Word by word, not slot by slot: what is found first must not hang on executions before this one.
      for (let at = word; at < end; at++) {
        const slot = table.find(at);
        if (slot >= 0) this.compareSlot(events, slot, index, accessClass);
      }
      this.wide.push(index);
      return;
    }
    const cpu = events.cpu(index);
    for (let at = word; at < end; at++) {
      const slot = table.findOrAdd(at);
      const row = slot * this.row;
      last.reserve(row + this.row);
      this.compareSlot(events, slot, index, accessClass);
      last.set(row, last.ints[row]! | (1 << accessClass));
      last.set(row + 1 + accessClass * this.cpus + cpu, index + 1);
    }
  }

  private compareSlot(events: AccessTable, slot: number, index: number, accessClass: number): void {
    const { cpus, row } = this;
    const { ints } = this.last;
    const conflicts = CONFLICTS[accessClass]! & ints[slot * row]!;
    if (conflicts === 0) return;
    for (let other = 0; other < CLASSES; other++) {
      if (((conflicts >> other) & 1) === 0) continue;
      const at = slot * row + 1 + other * cpus;
      for (let i = at; i < at + cpus; i++) {
        if (ints[i]! > 0) this.compare(events, ints[i]! - 1, index, this.table.words[slot]!);
      }
    }
  }

  private compare(events: AccessTable, first: number, second: number, word: number): void {
    const of = events.cpu(first);
    const cpu = events.cpu(second);
    if (of === cpu || this.order.isBefore(first, of, cpu) || this.races.length >= this.limit) return;
    // Two 64-bit accesses meet in two words and race once.
    for (let i = this.races.length - 1; i >= 0 && this.races[i]!.second === second; i--) {
      if (this.races[i]!.first === first) return;
    }
    if (this.benign?.(events.event(first), events.event(second)) === true) return;
    this.races.push({ first, second, word, kinds: [events.kind(first), events.kind(second)] });
  }
}

/** The data races of one execution; for many, keep a DataRaceDetector. */
export function findDataRaces(events: readonly AccessEvent[], rules: DataRaceRules = {}): readonly DataRace[] {
  const cpus = events.reduce((most, event) => Math.max(most, event.cpu + 1), 1);
  return new DataRaceDetector(cpus, rules).find(AccessTable.of(events));
}
