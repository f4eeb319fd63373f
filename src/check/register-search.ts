// Linearizability of one word of user memory by search: for stores of equal values, and for accesses that race a
// discard.
//
// A discard gives the address a new, zeroed page at one moment while it runs; until it returns, other CPUs may still
// use the old page through their TLBs. So the word can have several pages at once: the one that the page table leads
// to, and one for every discard that has taken effect and not returned. A load may read any of them, a store may go
// to any; when the discard returns its old page is gone, which is an operation of its own here.
//
// The same address is another word in each process. A fork is one moment at which the child's becomes what the parent's
// is: stores of the parent that overlap it may come before or after that. One moment is right for what Linux does, since
// a store that the parent's TLBs still let through while the entries are copied goes to the page that both have, and one
// that faults waits until the fork is over.
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

/** What the word holds in one process, in the page table's page and in old ones. */
interface Register {
  readonly value: number;
  readonly old: readonly OldPage[];
}

/** What the word of one address holds in each process, by number; undefined: it has not begun. */
type Registers = readonly (Register | undefined)[];

const ZEROED: Register = { value: 0, old: [] };

/** An access; or, with a discard's number, that discard or the end of its old page. */
interface WordOperation extends Interval {
  readonly event: MemoryEvent;
  readonly discard: number;
  readonly forgets: boolean;
}

/** Tickets are whole numbers: this is after a discard has returned, and before anything later begins. */
export const HALF_A_TICKET = 0.5;

function operationsOf(events: readonly MemoryEvent[]): WordOperation[] {
  return events.flatMap((event, discard) => {
    const { invoked, returned } = event;
    const operation = { event, discard, invoked, returned, forgets: false };
    if (event.kind !== 'discard') return [operation];
    const gone = returned + HALF_A_TICKET;
    return [operation, { ...operation, invoked: gone, returned: gone, forgets: true }];
  });
}

const REGISTERS: Specification<WordOperation, Registers> = {
  initial: [],
  key: (registers) => registers.map((register) => (register === undefined ? '' : keyOf(register))).join(','),
  onlyReads: ({ event }) => event.kind === 'load',
  after(registers, operation) {
    const { event } = operation;
    const { process = 0, child = 0 } = event;
    const register = registers[process] ?? ZEROED;
    // The child has the page that the parent's page table leads to, and none that is only in the parent's TLBs.
    if (event.kind === 'fork') return [put(registers, child, leavesOut(event) ? ZEROED : { ...register, old: [] })];
    const next = afterIn(register, operation);
    return event.kind === 'load' ? next.map(() => registers) : next.map((one) => put(registers, process, one));
  },
};

/** Whether a fork gave the child no copy of the word that this is the fork of (see withForks in user-memory.ts). */
function leavesOut({ addr, leftOut = [] }: MemoryEvent): boolean {
  return leftOut.some((range) => addr >= range.addr && addr < range.addr + range.length);
}

function put(registers: Registers, process: number, register: Register): Registers {
  const changed = registers.slice();
  changed[process] = register;
  return changed;
}

function keyOf({ value, old }: Register): string {
  return `${String(value)}${old.map((page) => `:${String(page.discard)}=${String(page.value)}`).join('')}`;
}

/** What an operation of a process may leave there. */
function afterIn({ value, old }: Register, { event, discard, forgets }: WordOperation): readonly Register[] {
  if (forgets) return [{ value, old: old.filter((page) => page.discard !== discard) }];
  if (event.kind === 'load') {
    return value === event.value || old.some((page) => page.value === event.value) ? [{ value, old }] : [];
  }
  if (event.kind === 'store') {
    return [
      { value: event.value, old },
      ...old.map((_, i) => ({ value, old: old.with(i, { ...old[i]!, value: event.value }) })),
    ];
  }
  if (event.kind === 'add') {
    const stored = event.stored ?? 0;
    const ways = old.flatMap((page, i) =>
      page.value === event.value ? [{ value, old: old.with(i, { ...page, value: stored }) }] : [],
    );
    return value === event.value ? [{ value: stored, old }, ...ways] : ways;
  }
  const zeroed = { value: 0, old: [...old, { discard, value }].sort((a, b) => a.discard - b.discard) };
  return event.failed === true ? [zeroed, { value, old }] : [zeroed];
}

/** Searches for an order that explains every load of one address, whose word starts as 0. */
export function searchRegister(
  events: readonly MemoryEvent[],
  budget: number = searchBudget(events.length),
): RegisterSearch {
  const result = linearize(operationsOf(events), REGISTERS, budget);
  return result.kind === 'violated'
    ? { kind: 'violated', visited: result.visited, load: result.operation.event }
    : result;
}
