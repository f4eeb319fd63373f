// Linearizability of a word that mremap has moved, by search over all the places that it has been in.
//
// Each address leads to a page. A move lets the new address lead to the page of the old one, and the old one to a page
// of zeroes, at one moment while it runs; until it returns, other CPUs may still use what both led to before through
// their TLBs: the old address, and the new one, then mean one page. A discard is as in register-search.ts.
import type { MemoryEvent } from './history.ts';
import { linearize } from './linearize.ts';
import type { Interval, Specification } from './linearize.ts';
import type { Group } from './locations.ts';
import { HALF_A_TICKET, searchBudget } from './register-search.ts';
import type { RegisterSearch } from './register-search.ts';

/** A page that an address led to before a discard or move that has not returned. */
interface OldWay {
  /** Number of the operation. */
  readonly by: number;
  readonly location: number;
  readonly page: number;
}

/** What each location leads to, what is there, and the old ways. Pages are numbered as they first come in here. */
interface Memory {
  readonly leads: readonly number[];
  readonly values: readonly number[];
  readonly old: readonly OldWay[];
}

/** An access of a location; a discard of one; a move between two; or the end of one of those (`forgets`). */
interface Operation extends Interval {
  readonly event: MemoryEvent;
  readonly number: number;
  readonly location: number;
  readonly to: number;
  readonly forgets: boolean;
}

/** Each location that a discard or move touches has its own moment. */
function operationsOf({ locations, events }: Group): Operation[] {
  const all: Operation[] = [];
  for (const event of events) {
    const { kind, addr, length, invoked, returned, to: target = addr } = event;
    const isRange = kind === 'discard' || kind === 'move';
    locations.forEach((at, location) => {
      if (isRange ? at < addr || at >= addr + length : at !== addr) return;
      const to = kind === 'move' ? locations.indexOf(at - addr + target) : location;
      const operation = { event, number: all.length, location, to, invoked, returned, forgets: false };
      all.push(operation);
      const gone = returned + HALF_A_TICKET;
      if (isRange) all.push({ ...operation, invoked: gone, returned: gone, forgets: true });
    });
  }
  return all;
}

/** Pages that an access of a location may meet. */
function pagesAt({ leads, old }: Memory, location: number): Set<number> {
  return new Set([leads[location]!, ...old.filter((way) => way.location === location).map(({ page }) => page)]);
}

/** The same memory with pages numbered anew, so that what is alike looks alike. */
function renumbered(leads: readonly number[], values: readonly number[], old: readonly OldWay[]): Memory {
  const sorted = old.toSorted((a, b) => a.by - b.by || a.location - b.location);
  const numbers = new Map<number, number>();
  const number = (page: number): number => {
    let found = numbers.get(page);
    if (found === undefined) numbers.set(page, (found = numbers.size));
    return found;
  };
  const newLeads = leads.map(number);
  const newOld = sorted.map((way) => ({ ...way, page: number(way.page) }));
  return { leads: newLeads, values: [...numbers.keys()].map((page) => values[page]!), old: newOld };
}

function discarded({ leads, values, old }: Memory, location: number, by: number): Memory {
  const ways = [...old, { by, location, page: leads[location]! }];
  return renumbered(leads.with(location, values.length), [...values, 0], ways);
}

function moved({ leads, values, old }: Memory, { location, to, number }: Operation): Memory {
  const page = leads[location]!;
  const ways = [...old, { by: number, location, page }, { by: number, location: to, page: leads[to]! }];
  return renumbered(leads.with(to, page).with(location, values.length), [...values, 0], ways);
}

function after(memory: Memory, operation: Operation): readonly Memory[] {
  const { event, location, to, number, forgets } = operation;
  const { leads, values, old } = memory;
  if (forgets)
    return [
      renumbered(
        leads,
        values,
        old.filter(({ by }) => by !== number),
      ),
    ];
  const pages = [...pagesAt(memory, location)];
  const stored = (page: number, value: number): Memory => ({ leads, values: values.with(page, value), old });
  switch (event.kind) {
    case 'load':
      return pages.some((page) => values[page] === event.value) ? [memory] : [];
    case 'store':
      return pages.map((page) => stored(page, event.value));
    case 'add':
      return pages.filter((page) => values[page] === event.value).map((page) => stored(page, event.stored ?? 0));
    case 'discard': {
      const gone = discarded(memory, location, number);
      return event.failed === true ? [gone, memory] : [gone];
    }
    case 'move': {
      const done = moved(memory, operation);
      return event.failed === true ? [done, discarded(memory, to, number), memory] : [done];
    }
    default:
      throw new Error(`searchMoved: what becomes of a moved word by '${event.kind}' is not known`);
  }
}

/** Searches for an order that explains every load of a group's locations, all of which start as 0. */
export function searchMoved(group: Group, budget: number = searchBudget(group.events.length)): RegisterSearch {
  const places = group.locations.map((_, i) => i);
  const specification: Specification<Operation, Memory> = {
    initial: { leads: places, values: places.map(() => 0), old: [] },
    key: ({ leads, values, old }) =>
      `${leads.join()};${values.join()};${old.map(({ by, location, page }) => `${String(by)}:${String(location)}=${String(page)}`).join()}`,
    onlyReads: ({ event }) => event.kind === 'load',
    after,
  };
  const result = linearize(operationsOf(group), specification, budget);
  return result.kind === 'violated'
    ? { kind: 'violated', visited: result.visited, load: result.operation.event }
    : result;
}
