// Linearizability of one word by search: for stores of equal values, and for accesses that race a discard.
//
// Goes through the beginnings and ends of the operations in time, and keeps every state that the word can be in: which
// of the operations now running have taken effect, and what the word holds (Wing and Gong's search with Lowe's
// memory of states; an operation takes effect no earlier than some end needs it to).
//
// A discard gives the address a new, zeroed page at one moment while it runs; until it returns, other CPUs may still
// use the old page through their TLBs. So the word can have several pages at once: the one that the page table leads
// to, and one for every discard that has taken effect and not returned. A load may read any of them, a store may go
// to any; when the discard returns its old page is gone.
import type { MemoryEvent } from './history.ts';

/** What a search came to; `load` is one that no order explains. `visited`: states that it looked at. */
export type SearchResult = { visited: number } & (
  { kind: 'held' } | { kind: 'violated'; load: MemoryEvent } | { kind: 'not decided' }
);

/** Operations of one word that may run at the same time: their set is the bits of a number. */
const MAX_RUNNING = 30;

/** States that one search may visit: a fraction of a second. Beyond it the word is not decided. */
const SEARCH_BUDGET = 100_000;
/** A long history may visit some for each of its operations: that only grows with the history. */
const STATES_PER_OPERATION = 16;

/** States that a search over so many operations may visit. */
export function searchBudget(operations: number): number {
  return SEARCH_BUDGET + STATES_PER_OPERATION * operations;
}

/** A page that is no longer in the page table, but still in TLBs. */
interface OldPage {
  /** Slot of the discard that took it out. */
  slot: number;
  value: number;
}

interface State {
  /** Bit set: the operation in that slot has taken effect. */
  done: number;
  value: number;
  old: readonly OldPage[];
}

function keyOf(state: State): string {
  let key = `${String(state.done)}:${String(state.value)}`;
  for (const { slot, value } of state.old) key += `:${String(slot)}=${String(value)}`;
  return key;
}

/** Beginnings and ends in order of time; of equal times the beginnings first, since only `<` is an order. */
function instants(operations: readonly MemoryEvent[]): { operation: MemoryEvent; begins: boolean; at: number }[] {
  const all = operations.flatMap((operation) => [
    { operation, begins: true, at: operation.invoked },
    { operation, begins: false, at: operation.returned },
  ]);
  return all.sort((a, b) => a.at - b.at || Number(b.begins) - Number(a.begins));
}

/** Searches for an order that explains every load of one word, which starts as 0. */
export function linearize(
  operations: readonly MemoryEvent[],
  budget: number = searchBudget(operations.length),
): SearchResult {
  const search = new Search(budget);
  for (const { operation, begins } of instants(operations)) {
    if (begins) {
      if (!search.begin(operation)) return { kind: 'not decided', visited: search.visited };
      continue;
    }
    const explained = search.end(operation);
    if (explained === undefined) return { kind: 'not decided', visited: search.visited };
    if (!explained) return { kind: 'violated', load: operation, visited: search.visited };
  }
  return { kind: 'held', visited: search.visited };
}

class Search {
  private readonly running: (MemoryEvent | undefined)[] = [];
  private states: Map<string, State> = new Map<string, State>();
  private readonly budget: number;
  visited = 0;

  constructor(budget: number) {
    this.budget = budget;
    this.replaceStates([{ done: 0, value: 0, old: [] }]);
  }

  /** False where too many operations run at once. */
  begin(operation: MemoryEvent): boolean {
    let slot = this.running.indexOf(undefined);
    if (slot < 0) slot = this.running.length;
    if (slot >= MAX_RUNNING) return false;
    this.running[slot] = operation;
    if (operation.kind === 'load') this.replaceStates([...this.states.values()]);
    return true;
  }

  /** Keeps the states in which the operation has taken effect. False if there is none; undefined past the budget. */
  end(operation: MemoryEvent): boolean | undefined {
    const slot = this.running.indexOf(operation);
    const after = new Map<string, State>();
    const seen = new Set<string>();
    const stack = [...this.states.values()];
    for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
      const key = keyOf(state);
      if (seen.has(key)) continue;
      seen.add(key);
      this.visited += 1;
      if (this.visited > this.budget) return undefined;
      const done = (state.done & (1 << slot)) !== 0;
      if (done || operation.failed === true) {
        const ended = forget(state, slot);
        after.set(keyOf(ended), ended);
      }
      if (!done) this.successors(state, stack);
    }
    this.running[slot] = undefined;
    this.states = after;
    return after.size > 0;
  }

  private replaceStates(states: readonly State[]): void {
    this.states = new Map<string, State>();
    for (const state of states) {
      const settled = this.withLoads(state);
      this.states.set(keyOf(settled), settled);
    }
  }

  /** A running load that would see its value now is taken to do so: that changes nothing for anybody else. */
  private withLoads(state: State): State {
    let { done } = state;
    for (let slot = 0; slot < this.running.length; slot++) {
      const operation = this.running[slot];
      if (operation?.kind !== 'load' || (done & (1 << slot)) !== 0) continue;
      const { value } = operation;
      if (state.value === value || state.old.some((page) => page.value === value)) done |= 1 << slot;
    }
    return done === state.done ? state : { ...state, done };
  }

  /** Pushes what can become of a state when one running store or discard takes effect. */
  private successors(state: State, stack: State[]): void {
    for (let slot = 0; slot < this.running.length; slot++) {
      const operation = this.running[slot];
      if (operation === undefined || operation.kind === 'load' || (state.done & (1 << slot)) !== 0) continue;
      const done = state.done | (1 << slot);
      if (operation.kind === 'discard') {
        const old = [...state.old, { slot, value: state.value }].sort((a, b) => a.slot - b.slot);
        stack.push(this.withLoads({ done, value: 0, old }));
        continue;
      }
      const { value } = operation;
      stack.push(this.withLoads({ done, value, old: state.old }));
      for (const page of state.old) {
        const old = state.old.map((other) => (other === page ? { slot: page.slot, value } : other));
        stack.push(this.withLoads({ done, value: state.value, old }));
      }
    }
  }
}

/** The state once the operation in a slot has returned: its bit, and the old page of a discard, are gone. */
function forget(state: State, slot: number): State {
  const old = state.old.some((page) => page.slot === slot) ? state.old.filter((page) => page.slot !== slot) : state.old;
  return { done: state.done & ~(1 << slot), value: state.value, old };
}
