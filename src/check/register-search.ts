// Linearizability of one word of user memory by search: for stores of equal values, and for accesses that race a
// discard.
//
// A discard gives the address a new, zeroed page at one moment while it runs; until it returns, other CPUs may still
// use the old page through their TLBs. So the word can have several pages at once: the one that the page table leads
// to, and one for every discard that has taken effect and not returned. A load may read any of them, a store may go
// to any; when the discard returns its old page is gone, which is an operation of its own here.
import type { MemoryEvent } from './history.ts';
import { linearize } from './linearize.ts';
import type { Interval, Specification } from './linearize.ts';

/** What a search came to; `load` is one that no order explains. `visited`: states that it looked at. */
export type RegisterSearch = { readonly visited: number } & (
  | { readonly kind: 'held' }
  | { readonly kind: 'violated'; readonly load: MemoryEvent }
  | { readonly kind: 'not decided' }
);

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
  /** Number of the discard that took it out. */
  readonly discard: number;
  readonly value: number;
}

/** What the word holds, in the page table's page and in old ones. */
interface Register {
  readonly value: number;
  readonly old: readonly OldPage[];
}

/** An access; or, with a discard's number, that discard or the end of its old page. */
interface WordOperation extends Interval {
  readonly event: MemoryEvent;
  readonly discard: number;
  readonly forgets: boolean;
}

/** Tickets are whole numbers: this is after a discard has returned, and before anything later begins. */
const HALF_A_TICKET = 0.5;

function operationsOf(events: readonly MemoryEvent[]): WordOperation[] {
  return events.flatMap((event, discard) => {
    const { invoked, returned } = event;
    const operation = { event, discard, invoked, returned, forgets: false };
    if (event.kind !== 'discard') return [operation];
    const gone = returned + HALF_A_TICKET;
    return [operation, { ...operation, invoked: gone, returned: gone, forgets: true }];
  });
}

const REGISTER: Specification<WordOperation, Register> = {
  initial: { value: 0, old: [] },
  key: ({ value, old }) =>
    `${String(value)}${old.map((page) => `:${String(page.discard)}=${String(page.value)}`).join('')}`,
  onlyReads: ({ event }) => event.kind === 'load',
  after(state, { event, discard, forgets }) {
    const { value, old } = state;
    if (forgets) return [{ value, old: old.filter((page) => page.discard !== discard) }];
    switch (event.kind) {
      case 'load':
        return value === event.value || old.some((page) => page.value === event.value) ? [state] : [];
      case 'store':
        return [
          { value: event.value, old },
          ...old.map((_, i) => ({ value, old: old.with(i, { ...old[i]!, value: event.value }) })),
        ];
      case 'discard': {
        const zeroed = { value: 0, old: [...old, { discard, value }].sort((a, b) => a.discard - b.discard) };
        return event.failed === true ? [zeroed, state] : [zeroed];
      }
    }
  },
};

/** Searches for an order that explains every load of one word, which starts as 0. */
export function searchRegister(
  events: readonly MemoryEvent[],
  budget: number = searchBudget(events.length),
): RegisterSearch {
  const result = linearize(operationsOf(events), REGISTER, budget);
  return result.kind === 'violated'
    ? { kind: 'violated', visited: result.visited, load: result.operation.event }
    : result;
}
