// Linearizability by search: is there an order of operations, each at one moment between its beginning and its end, in
// which a sequential object does what was seen?
//
// Wing and Gong's search (Testing and Verifying Concurrent Objects, 1993), depth first: of the operations that nothing
// unplaced comes before, one is placed next; where none fits the last is taken back. Lowe's memory (Testing for
// linearizability, 2017): a set of placed operations with a state of the object that was left once is not entered
// again. The history is a list from which placed operations are lifted, so that looking for the next costs no more
// than the operations that run at the same time.
import { PlacedSet } from './placed-set.ts';

/** When an operation ran. One comes before another if it returned earlier than the other was invoked. */
export interface Interval {
  readonly invoked: number;
  /** Infinity: it never returned, and may have taken effect or not. */
  readonly returned: number;
}

/** A sequential object, and what of it an operation was seen to do. */
export interface Specification<O extends Interval, S> {
  readonly initial: S;
  /** Names a state: two with the same key do the same for ever. */
  key(state: S): string;
  /** The states that the object can be in after an operation did in `state` what it was seen to do; none if it can't. */
  after(state: S, operation: O): readonly S[];
  /** Whether an operation never changes a state: it is then placed as soon as it fits, since that changes nothing. */
  onlyReads?(operation: O): boolean;
}

/** What a search came to. `visited`: pairs of placed operations and state that it looked at. */
export type SearchResult<O> = { readonly visited: number } & (
  | { readonly kind: 'held'; readonly order: readonly O[] }
  /**
   * No order explains all that was seen and comes up to the return of `operation`; `order` explains all that had
   * returned before, with what was running then doing what it was seen to do later.
   */
  | { readonly kind: 'violated'; readonly operation: O; readonly order: readonly O[] }
  | { readonly kind: 'not decided' }
);

/** The beginning or the end of an operation, in a list by time. */
interface Entry {
  /** Number of the operation: by time of return. */
  readonly operation: number;
  readonly begins: boolean;
  /** Place among all entries. */
  readonly rank: number;
  /** The end of the operation that begins here; undefined where there is none. */
  end: Entry | undefined;
  previous: Entry;
  next: Entry | undefined;
}

/** An operation that was placed, and what else could be done in its place. */
interface Choice<S> {
  /** What was placed before it. */
  readonly before: Choice<S> | undefined;
  readonly entry: Entry;
  readonly state: S;
  readonly others: readonly S[];
  /** Nothing else need be tried: it only reads. */
  readonly only: boolean;
}

/** Searches for an order of `operations` that `specification` allows, looking at `budget` states at most. */
export function linearize<O extends Interval, S>(
  operations: readonly O[],
  specification: Specification<O, S>,
  budget: number,
): SearchResult<O> {
  return new Search(operations, specification, budget).run();
}

class Search<O extends Interval, S> {
  private readonly operations: readonly O[];
  private readonly specification: Specification<O, S>;
  private readonly budget: number;
  /** What comes before the first entry. */
  private readonly head: Entry;
  /** Operations that have returned and are not placed. */
  private missing: number;
  private readonly placed: PlacedSet = new PlacedSet();
  /** What was placed last. */
  private last: Choice<S> | undefined = undefined;
  private readonly seen = new Set<string>();
  private state: S;
  /** The end that no order came beyond, and the last operation of an order that came up to it. */
  private furthest: Entry | undefined = undefined;
  private reached: Choice<S> | undefined = undefined;

  constructor(operations: readonly O[], specification: Specification<O, S>, budget: number) {
    this.operations = operations.toSorted((a, b) => a.returned - b.returned);
    this.specification = specification;
    this.budget = budget;
    this.head = entriesOf(this.operations);
    this.missing = operations.filter(({ returned }) => returned !== Infinity).length;
    this.state = specification.initial;
  }

  run(): SearchResult<O> {
    this.placeReads();
    let entry = this.head.next;
    while (this.missing > 0) {
      const visited = this.seen.size;
      if (visited > this.budget) return { kind: 'not decided', visited };
      if (entry?.begins === true) {
        const { state } = this;
        const states = this.specification.after(state, this.operations[entry.operation]!);
        entry = this.place(entry, state, states) ? this.head.next : entry.next;
        continue;
      }
      if (entry !== undefined) this.block(entry);
      entry = this.goBack();
      if (entry === undefined) return this.failed();
    }
    return { kind: 'held', visited: this.seen.size, order: this.orderUpTo(this.last) };
  }

  private failed(): SearchResult<O> {
    const { furthest } = this;
    if (furthest === undefined) throw new Error('linearize: nothing fits, and nothing had to');
    const operation = this.operations[furthest.operation]!;
    return { kind: 'violated', visited: this.seen.size, operation, order: this.orderUpTo(this.reached) };
  }

  private orderUpTo(last: Choice<S> | undefined): O[] {
    const order: O[] = [];
    for (let choice = last; choice !== undefined; choice = choice.before) {
      order.push(this.operations[choice.entry.operation]!);
    }
    return order.reverse();
  }

  /** An operation returns here and is not placed: what was placed so far leads no further. */
  private block(entry: Entry): void {
    if (this.furthest !== undefined && this.furthest.rank >= entry.rank) return;
    this.furthest = entry;
    this.reached = this.last;
  }

  /** Places an operation with the first of `states` that leads to something new. */
  private place(entry: Entry, state: S, states: readonly S[]): boolean {
    for (const [i, next] of states.entries()) {
      const { last } = this;
      this.push({ before: last, entry, state, others: states.slice(i + 1), only: false }, next);
      this.placeReads();
      if (this.isNew()) return true;
      while (this.last !== last) this.pop();
    }
    return false;
  }

  /** Places all that only read and fit now. */
  private placeReads(): void {
    const { specification, state } = this;
    if (specification.onlyReads === undefined) return;
    for (let entry = this.head.next; entry?.begins === true; entry = entry.next) {
      const operation = this.operations[entry.operation]!;
      if (!specification.onlyReads(operation) || specification.after(state, operation).length === 0) continue;
      this.push({ before: this.last, entry, state, others: [], only: true }, state);
    }
  }

  private isNew(): boolean {
    const before = this.seen.size;
    this.seen.add(`${this.placed.key()} ${this.specification.key(this.state)}`);
    return this.seen.size > before;
  }

  /** Takes back what was placed last, up to where something else can be tried; says from where on to look for it. */
  private goBack(): Entry | undefined {
    for (let choice = this.pop(); choice !== undefined; choice = this.pop()) {
      const { entry, state, others, only } = choice;
      if (only) continue;
      if (this.place(entry, state, others)) return this.head.next;
      if (entry.next !== undefined) return entry.next;
    }
    return undefined;
  }

  private push(choice: Choice<S>, next: S): void {
    const { entry } = choice;
    this.placed.add(entry.operation);
    lift(entry);
    if (entry.end !== undefined) this.missing -= 1;
    this.last = choice;
    this.state = next;
  }

  private pop(): Choice<S> | undefined {
    const choice = this.last;
    if (choice === undefined) return undefined;
    this.last = choice.before;
    const { entry, state } = choice;
    this.placed.undo(entry.operation);
    unlift(entry);
    if (entry.end !== undefined) this.missing += 1;
    this.state = state;
    return choice;
  }
}

/** The list of beginnings and ends by time: of equal times the beginnings first, since only earlier is before. */
function entriesOf(operations: readonly Interval[]): Entry {
  const times = operations.flatMap(({ invoked, returned }, operation) => [
    { operation, begins: true, at: invoked },
    ...(returned === Infinity ? [] : [{ operation, begins: false, at: returned }]),
  ]);
  times.sort((a, b) => a.at - b.at || Number(b.begins) - Number(a.begins));
  const head = { operation: -1, begins: false, rank: -1, end: undefined, next: undefined } as Partial<Entry> as Entry;
  const begun: Entry[] = [];
  let previous = head;
  for (const [rank, { operation, begins }] of times.entries()) {
    const entry: Entry = { operation, begins, rank, end: undefined, previous, next: undefined };
    if (begins) begun[operation] = entry;
    else begun[operation]!.end = entry;
    previous.next = entry;
    previous = entry;
  }
  return head;
}

function lift(entry: Entry): void {
  for (const one of [entry, entry.end]) {
    if (one === undefined) continue;
    one.previous.next = one.next;
    if (one.next !== undefined) one.next.previous = one.previous;
  }
}

/** The opposite of lift: must be done in the opposite order. */
function unlift(entry: Entry): void {
  for (const one of [entry.end, entry]) {
    if (one === undefined) continue;
    one.previous.next = one;
    if (one.next !== undefined) one.next.previous = one;
  }
}
