// The user-memory judge: never wrong about a memory that is atomic, never fooled by one that loses a store.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { searchRegister } from '../../src/check/register-search.ts';
import { checkDistinct, hasDistinctStores } from '../../src/check/register.ts';
import { decodeHistory, encodeHistory, judgeUserMemory } from '../../src/check/user-memory.ts';
import { MISSING } from '../../src/check/history.ts';
import type { MemoryEvent } from '../../src/check/user-memory.ts';

const ADDR = 0x75e52fc77004;
const PAGE = 0x75e52fc77000;

function load(cpu: number, value: number, invoked: number, returned = invoked + 1, addr = ADDR): MemoryEvent {
  return { cpu, kind: 'load', addr, length: 4, value, invoked, returned };
}
function store(cpu: number, value: number, invoked: number, returned = invoked + 1, addr = ADDR): MemoryEvent {
  return { cpu, kind: 'store', addr, length: 4, value, invoked, returned };
}
function discard(cpu: number, invoked: number, returned = invoked + 1, failed = false): MemoryEvent {
  return { cpu, kind: 'discard', addr: PAGE, length: 4096, value: 0, invoked, returned, failed };
}

function verdict(events: readonly MemoryEvent[]): string {
  const { findings, undecided } = judgeUserMemory(events);
  return (
    findings.map((f) => [f.message, ...f.details].join('\n')).join('\n') || (undecided > 0 ? 'not decided' : 'held')
  );
}

/** One step of a simulated run: which CPU goes on, and what it does if it is between two operations. */
const step = fc.record({
  cpu: fc.nat(3),
  kind: fc.constantFrom('load', 'load', 'store', 'store', 'discard'),
  word: fc.nat(1),
  value: fc.integer({ min: 1, max: 3 }),
});
interface SimulatedStep {
  cpu: number;
  kind: string;
  word: number;
  value: number;
}

/** The pages that an address can mean: the mapped one, and, while a discard runs, the one it takes away. */
class Page {
  words = [0, 0];
}

/** A CPU in the middle of an operation. */
interface Running {
  event: MemoryEvent;
  word: number;
  took: boolean;
  /** For a discard that took effect: the page it took away. */
  old: Page | undefined;
}

/**
 * A memory that is atomic: every operation begins, takes effect and ends, each a step of its own, interleaved as the
 * steps say. Loads and stores during a discard go to the new page or to the old one, by the parity of `value`.
 */
function simulate(steps: readonly SimulatedStep[], distinct: boolean): MemoryEvent[] {
  let page = new Page();
  const running = new Map<number, Running>();
  const done: MemoryEvent[] = [];
  let clock = 0;
  const advance = (cpu: number, parity: number): boolean => {
    const mine = running.get(cpu);
    if (mine === undefined) return false;
    const { event } = mine;
    if (mine.took) {
      event.returned = clock++;
      done.push(event);
      running.delete(cpu);
      return true;
    }
    mine.took = true;
    const old = [...running.values()].find((other) => other.old !== undefined)?.old;
    const target = old !== undefined && parity % 2 === 1 ? old : page;
    if (event.kind === 'load') event.value = target.words[mine.word]!;
    else if (event.kind === 'store') target.words[mine.word] = event.value;
    else {
      mine.old = page;
      page = new Page();
    }
    return true;
  };
  for (const { cpu, kind, word, value } of steps) {
    if (advance(cpu, value)) continue;
    const invoked = clock++;
    const event =
      kind === 'discard'
        ? discard(cpu, invoked)
        : { ...load(cpu, 0, invoked, invoked, PAGE + 4 * word), kind: kind as 'load' | 'store' };
    if (kind === 'store') event.value = distinct ? invoked + 100 : value;
    running.set(cpu, { event, word, took: false, old: undefined });
  }
  for (const cpu of [...running.keys()]) while (advance(cpu, 0));
  return done;
}

/** All orders, tried one after the other: small histories without discards only. */
function bruteForce(events: readonly MemoryEvent[], value = 0): boolean {
  if (events.length === 0) return true;
  const firstReturn = Math.min(...events.map((event) => event.returned));
  return events.some((event, i) => {
    if (event.invoked > firstReturn || (event.kind === 'load' && event.value !== value)) return false;
    return bruteForce([...events.slice(0, i), ...events.slice(i + 1)], event.kind === 'store' ? event.value : value);
  });
}

function fork(parent: number, child: number, invoked: number, returned: number): MemoryEvent {
  return { cpu: 0, kind: 'fork', process: parent, child, addr: 0, length: 0, value: 0, invoked, returned };
}
function inProcess(process: number, event: MemoryEvent): MemoryEvent {
  return { ...event, process };
}

/** As bruteForce, for processes that each have a word of their own: `values` by process. */
function bruteForceFamily(events: readonly MemoryEvent[], values: readonly number[]): boolean {
  if (events.length === 0) return true;
  const firstReturn = Math.min(...events.map((event) => event.returned));
  return events.some((event, i) => {
    const { kind, process = 0, child = 0, value } = event;
    const here = values[process] ?? 0;
    if (event.invoked > firstReturn || (kind === 'load' && value !== here)) return false;
    const after = [...values];
    if (kind === 'store') after[process] = value;
    if (kind === 'fork') after[child] = here;
    return bruteForceFamily([...events.slice(0, i), ...events.slice(i + 1)], after);
  });
}

/** Any small history of one address in up to three processes, that fork in any order. */
const anyFamily = fc
  .array(
    fc.record({
      kind: fc.constantFrom('load', 'load', 'store', 'fork'),
      process: fc.nat(2),
      child: fc.integer({ min: 1, max: 2 }),
      value: fc.nat(2),
      from: fc.nat(10),
      length: fc.nat(4),
    }),
    { maxLength: 6 },
  )
  .map((all) =>
    all.map(({ kind, process, child, value, from, length }) => {
      if (kind === 'fork') return fork(process, child, from, from + length);
      return inProcess(process, (kind === 'store' ? store : load)(process, value, from, from + length));
    }),
  );

/** Any small history of one word, most of them not explainable. */
const anyHistory = fc
  .array(fc.record({ cpu: fc.nat(3), isStore: fc.boolean(), value: fc.nat(2), from: fc.nat(12), length: fc.nat(5) }), {
    maxLength: 6,
  })
  .map((all) => all.map((e) => (e.isStore ? store : load)(e.cpu, e.value, e.from, e.from + e.length)));

/** Any small history of one word with discards, in which nothing happens at the same ticket. */
const anyDiscards = fc
  .array(fc.record({ cpu: fc.nat(2), kind: fc.nat(6), value: fc.integer({ min: 1, max: 2 }) }), {
    maxLength: 6,
  })
  .chain((all) => {
    // Beginnings and ends in any order, each operation's own in theirs.
    const tickets = fc.shuffledSubarray([...all.keys(), ...all.keys()], { minLength: 2 * all.length });
    return tickets.map((order) =>
      all.map(({ cpu, kind, value }, i) => {
        const [invoked, returned] = [order.indexOf(i), order.lastIndexOf(i)];
        if (kind < 3) return load(cpu, kind === 0 ? 0 : value, invoked, returned);
        return kind < 5 ? store(cpu, value, invoked, returned) : discard(cpu, invoked, returned, kind === 6);
      }),
    );
  });

/** All that can happen, ticket by ticket: between two of them running operations take effect, in any order. */
function explainable(events: readonly MemoryEvent[]): boolean {
  type Pages = ReadonlyMap<MemoryEvent | undefined, number>;
  const tickets = events.flatMap((event) => [event.invoked, event.returned]).sort((a, b) => a - b);
  const effects = (event: MemoryEvent, pages: Pages): Pages[] => {
    if (event.kind === 'load') return [...pages.values()].includes(event.value) ? [pages] : [];
    if (event.kind === 'store') return [...pages.keys()].map((page) => new Map(pages).set(page, event.value));
    const taken = new Map(pages).set(event, pages.get(undefined)!).set(undefined, 0);
    return event.failed === true ? [taken, pages] : [taken];
  };
  const goOn = (at: number, waiting: readonly MemoryEvent[], pages: Pages): boolean => {
    const takes = waiting.some((event) =>
      effects(event, pages).some((next) =>
        goOn(
          at,
          waiting.filter((other) => other !== event),
          next,
        ),
      ),
    );
    if (takes || at === tickets.length) return takes || waiting.length === 0;
    const begun = events.filter((event) => event.invoked === tickets[at]);
    const ended = events.filter((event) => event.returned === tickets[at]);
    if (ended.some((event) => waiting.includes(event))) return false;
    const left = new Map([...pages].filter(([page]) => page === undefined || !ended.includes(page)));
    return goOn(at + 1, [...waiting, ...begun], left);
  };
  return goOn(0, [], new Map([[undefined, 0]]));
}

describe('what the judge says', () => {
  it('names a lost store', () => {
    expect(verdict([store(1, 2, 1), load(0, 0, 5)])).toBe(
      'lost store: CPU 1 stored 0x2 at 0x75e52fc77004, later load by CPU 0 returned 0x0; no order of the stores explains it',
    );
  });
  it('names the store that was overwritten by nothing', () => {
    expect(verdict([store(0, 1, 1), store(1, 2, 3), load(0, 1, 5)])).toMatch(
      /^lost store: CPU 1 stored 0x2 .* returned 0x1/,
    );
  });
  it('names a value from nowhere, and where it was stored', () => {
    expect(verdict([load(0, 7, 5)])).toBe(
      'load by CPU 0 at 0x75e52fc77004 returned 0x7, which nobody had stored there',
    );
    expect(verdict([store(2, 7, 1, 2, 0x1000), load(0, 7, 5)])).toMatch(
      /nobody had stored there \(CPU 2 stored it at 0x1000\)$/,
    );
  });
  it('names a page that outlived its discard', () => {
    expect(verdict([store(0, 5, 1), discard(1, 3), load(0, 5, 6)])).toMatch(
      /^stale load: CPU 1 discarded 0x75e52fc77004, later load by CPU 0 returned 0x5/,
    );
  });
  it('counts the words when there are several', () => {
    const lost = [0, 4, 8, 12, 16, 20].flatMap((n) => [store(1, 2, 1, 2, PAGE + n), load(0, 0, 5, 6, PAGE + n)]);
    const { findings } = judgeUserMemory(lost);
    expect(findings).toHaveLength(1);
    expect(findings[0]?.message).toBe('6 words of user memory hold what no order of their stores explains');
    expect(findings[0]?.details).toHaveLength(5);
    expect(findings[0]?.details[4]).toBe('and 2 more');
  });
  it('does not care about the sign of a value', () => {
    const history = encodeHistory([store(0, 0xdeadbeef, 1), load(0, 0xdeadbeef | 0, 3)]);
    expect(verdict(decodeHistory(0, history))).toBe('held');
  });
});

describe('discards', () => {
  it('zero the word', () => {
    expect(verdict([store(0, 5, 1), discard(1, 3), load(0, 0, 6), store(0, 6, 8), load(1, 6, 10)])).toBe('held');
  });
  it('may be late for a load, or early', () => {
    expect(verdict([store(0, 5, 1), discard(1, 3, 9), load(0, 5, 4), load(0, 0, 6), load(2, 0, 11)])).toBe('held');
    expect(verdict([store(0, 5, 1), discard(1, 3, 9), load(0, 0, 4), load(2, 5, 6), load(2, 0, 11)])).toBe('held');
  });
  it('may take a store with them, or not', () => {
    expect(verdict([discard(1, 3, 9), store(0, 5, 4), load(2, 0, 11)])).toBe('held');
    expect(verdict([discard(1, 3, 9), store(0, 5, 4), load(2, 5, 11)])).toBe('held');
  });
  it('leave room for a late store to the old page, though a store to the new one came first', () => {
    expect(verdict([discard(1, 1, 9), store(0, 3, 3), store(0, 1, 6, 12), load(2, 3, 14)])).toBe('held');
  });
  it('leave nothing old behind once they have returned', () => {
    expect(verdict([store(0, 5, 1), discard(1, 3, 9), load(0, 5, 4), load(2, 5, 11)])).not.toBe('held');
  });
  it('that failed may have done nothing', () => {
    expect(verdict([store(0, 5, 1), discard(1, 3, 4, true), load(0, 5, 6)])).toBe('held');
    expect(verdict([store(0, 5, 1), discard(1, 3, 4, true), load(0, 0, 6)])).toBe('held');
    expect(verdict([store(0, 5, 1), discard(1, 3, 4, true), load(0, 5, 6), load(0, 0, 8)])).not.toBe('held');
  });
});

describe('properties', () => {
  it.each([true, false])('an atomic memory is held (distinct values: %s)', (distinct) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        expect(verdict(simulate(steps, distinct))).toBe('held');
      }),
      { numRuns: 500 },
    );
  });

  it('a store whose effect is gone is found', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(), (steps, choice) => {
        const quiet = steps.filter((s) => s.kind !== 'discard').map((s) => ({ ...s, word: 0 }));
        const events = simulate(quiet, true);
        const stores = events.filter((event) => event.kind === 'store');
        fc.pre(stores.length > 0);
        // After all else, everybody agrees on a value; then a store ends and is not seen.
        const before = stores[choice % stores.length]!.value;
        const late = [store(0, before, 1000), store(1, 77, 1002), load(2, before, 1004)];
        const addr = PAGE;
        expect(verdict([...events.filter((e) => e.value !== before), ...late.map((e) => ({ ...e, addr }))])).toMatch(
          /^lost store|nobody/,
        );
      }),
      { numRuns: 200 },
    );
  });

  it('agrees with all orders tried one after the other', () => {
    fc.assert(
      fc.property(anyHistory, (events) => {
        const expected = bruteForce(events);
        expect(searchRegister(events).kind).toBe(expected ? 'held' : 'violated');
        if (hasDistinctStores(events)) expect(checkDistinct(events) === undefined).toBe(expected);
        expect(verdict(events) === 'held').toBe(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('agrees with all that can happen while pages are discarded', () => {
    let held = 0;
    fc.assert(
      fc.property(anyDiscards, (events) => {
        const expected = explainable(events);
        if (expected) held += 1;
        expect(searchRegister(events).kind).toBe(expected ? 'held' : 'violated');
      }),
      { numRuns: 2000 },
    );
    expect(held).toBeGreaterThan(300);
    expect(held).toBeLessThan(1700);
  });

  it('histories survive their encoding', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const mine = simulate(steps, true).filter((event) => event.cpu === 1);
        const all = [
          ...mine,
          { ...fork(1, 2, 3, 98), cpu: 1, leftOut: [{ addr: PAGE, length: 8192 }] },
          { ...fork(0, 0, 1, 99), cpu: 1, kind: 'clear' as const },
        ];
        const back = decodeHistory(1, encodeHistory(all));
        const told = ({ process = 0, child = 0, failed = false, ...rest }: MemoryEvent): object => ({
          ...rest,
          process,
          child: rest.kind === 'fork' ? child : 0,
          failed,
        });
        expect(back.map(told)).toEqual(all.map(told));
      }),
    );
  });

  it('agrees with all orders of what processes of a family did', () => {
    let held = 0;
    fc.assert(
      fc.property(anyFamily, (events) => {
        const expected = bruteForceFamily(events, [0]);
        if (expected) held += 1;
        expect(searchRegister(events).kind).toBe(expected ? 'held' : 'violated');
        expect(verdict(events) === 'held').toBe(expected);
      }),
      { numRuns: 3000 },
    );
    expect(held).toBeGreaterThan(300);
    expect(held).toBeLessThan(2700);
  });
});

describe('forks', () => {
  it("a child's memory begins as its parent's was", () => {
    expect(verdict([store(0, 5, 0), fork(0, 1, 2, 3), inProcess(1, load(0, 5, 4))])).toBe('held');
    expect(verdict([store(0, 5, 0), fork(0, 1, 2, 3), inProcess(1, load(0, 0, 4))])).toBe(
      'load by CPU 0 at 0x75e52fc77004 of process 1 returned 0x0; no order of the stores explains it',
    );
  });
  it('a store that overlaps the fork may be in the child or not, and is in the parent', () => {
    for (const seen of [0, 7]) {
      const events = [store(1, 7, 1, 4), fork(0, 1, 2, 3), inProcess(1, load(0, seen, 5)), load(1, 7, 6)];
      expect(verdict(events)).toBe('held');
    }
    expect(verdict([store(1, 7, 1, 4), fork(0, 1, 2, 3), inProcess(1, load(0, 7, 5)), load(1, 0, 6)])).toMatch(
      /^lost store: CPU 1 stored 0x7 at 0x75e52fc77004, later load by CPU 1 returned 0x0/,
    );
  });
  it('what one process stores afterwards is not in the other', () => {
    const family = [store(0, 5, 0), fork(0, 1, 2, 3), store(0, 6, 4), inProcess(1, store(1, 8, 5))];
    expect(verdict([...family, load(0, 6, 7), inProcess(1, load(1, 8, 9))])).toBe('held');
    expect(verdict([...family, load(0, 8, 7), inProcess(1, load(1, 8, 9))])).toMatch(/returned 0x8/);
    expect(verdict([...family, load(0, 6, 7), inProcess(1, load(1, 6, 9))])).toMatch(
      /^lost store: CPU 1 stored 0x8 at 0x75e52fc77004 of process 1/,
    );
  });
  it('what a fork leaves out begins as zeroes', () => {
    const leftOut = [{ addr: PAGE, length: 4096 }];
    const wiped = [store(0, 5, 0), { ...fork(0, 1, 2, 3), leftOut }];
    expect(verdict([...wiped, inProcess(1, load(0, 0, 4)), load(0, 5, 6)])).toBe('held');
    expect(verdict([...wiped, inProcess(1, load(0, 5, 4)), load(0, 5, 6)])).not.toBe('held');
    const elsewhere = [store(0, 5, 0), { ...fork(0, 1, 2, 3), leftOut: [{ addr: PAGE + 4096, length: 4096 }] }];
    expect(verdict([...elsewhere, inProcess(1, load(0, 5, 4))])).toBe('held');
  });
  it('a number that is used again begins anew, and a discard is of one process', () => {
    const before = [store(0, 5, 0), fork(0, 1, 2, 3), inProcess(1, store(0, 6, 4)), fork(0, 1, 6, 7)];
    expect(verdict([...before, inProcess(1, load(0, 5, 8))])).toBe('held');
    expect(verdict([...before, inProcess(1, load(0, 6, 8))])).not.toBe('held');
    expect(verdict([...before, inProcess(1, discard(0, 8)), load(1, 5, 10), inProcess(1, load(0, 0, 10))])).toBe(
      'held',
    );
  });
});

describe('bounds', () => {
  it('drops accesses that ended in a signal', () => {
    const history = Float64Array.of(1, ADDR, 5, 1, 2, 11, 0, 4, 0, ADDR, 0, 3, 4, 0, 0, 4);
    expect(decodeHistory(0, history)).toEqual([{ ...load(0, 0, 3, 4), process: 0 }]);
  });
  it('decides what runs at once, however much it is, where an order is easy to find', () => {
    const stores = Array.from({ length: 40 }, (_, cpu) => store(cpu, 1 + (cpu % 2), 1, 100));
    expect(verdict([...stores, load(0, 1, 200)])).toBe('held');
  });
  it('says that it does not know when the search grows too large', () => {
    const stores = Array.from({ length: 24 }, (_, cpu) => store(cpu, 1 + (cpu >> 1), 1, 100 + cpu));
    expect(verdict([...stores, load(0, 99, 200)])).toBe('not decided');
  });
  it('decides a long history of one word, though it stores the same values again and again', () => {
    const events: MemoryEvent[] = [];
    for (let n = 0; n < 40_000; n++) {
      const at = n * 10;
      events.push(
        store(0, n % 3, at, at + 5),
        store(1, (n + 1) % 3, at + 1, at + 6),
        load(2, (n + (n % 2)) % 3, at + 7),
      );
    }
    expect(verdict(events)).toBe('held');
    expect(verdict([...events, load(2, 9, 400_001)])).toMatch(/nobody/);
  });
  it('judges many words that many CPUs store to', () => {
    const events: MemoryEvent[] = [];
    let clock = 0;
    for (let word = 0; word < 20_000; word++) {
      const addr = PAGE + word * 4;
      const at = clock;
      for (let cpu = 0; cpu < 8; cpu++) events.push(store(cpu, cpu + 1, at + cpu, at + 16 + cpu, addr));
      clock += 32;
    }
    for (let word = 0; word < 20_000; word++) events.push(load(0, 1 + (word % 8), clock++, clock++, PAGE + word * 4));
    expect(judgeUserMemory(events)).toEqual({ findings: [], locations: 20_000, undecided: 0 });
  });
});

describe('pages that a monitor fills', () => {
  const fill = (value: number, invoked: number, returned = invoked + 1): MemoryEvent => {
    return { cpu: 1, kind: 'fill', addr: PAGE, length: 4096, value, invoked, returned };
  };

  it('hold what they were filled with, and nothing before', () => {
    expect(verdict([fill(MISSING, 1), fill(7, 3), load(0, 7, 5)])).toBe('held');
    expect(verdict([fill(MISSING, 1), load(0, 7, 3, 9), fill(7, 5)])).toBe('held');
    expect(verdict([fill(MISSING, 1), load(0, 0, 3), fill(7, 5)])).toContain('nobody had filled the page');
    expect(verdict([fill(MISSING, 1), fill(7, 3), load(0, 0, 5)])).not.toBe('held');
  });

  it('hold it in each of their bytes, and nothing before', () => {
    const byte = (value: number, invoked: number, offset: number): MemoryEvent => {
      return { ...load(0, value, invoked, invoked + 1, ADDR + offset), length: 1 };
    };
    const filled = [fill(MISSING, 1), fill(0x04030201, 3)];
    for (const offset of [0, 1, 2, 3]) {
      expect(verdict([...filled, byte(1 + offset, 5, offset)])).toBe('held');
      expect(verdict([...filled, byte(0, 5, offset)])).not.toBe('held');
      expect(verdict([fill(MISSING, 1), byte(0, 3, offset)])).toContain('nobody had filled the page');
      expect(verdict([fill(MISSING, 1), byte(0, 3, offset), load(0, 0x04030201, 9), fill(0x04030201, 5)])).not.toBe(
        'held',
      );
    }
  });

  it('take what they hold with them where they move, and are nothing that a load returns there either', () => {
    const target = PAGE + 0x400000;
    const moved: MemoryEvent = { ...discard(0, 5), kind: 'move', to: target };
    const unwatched: MemoryEvent = { ...discard(0, 5, 6, true), addr: target };
    const there = (value: number): MemoryEvent => load(0, value, 9, 10, target + (ADDR - PAGE));
    expect(verdict([fill(MISSING, 1), fill(7, 3), moved, there(7)])).toBe('held');
    expect(verdict([fill(MISSING, 1), fill(7, 3), moved, there(0)])).not.toBe('held');
    expect(verdict([fill(MISSING, 1), moved, there(0)])).not.toBe('held');
    expect(verdict([fill(MISSING, 1), moved, unwatched, there(0)])).toBe('held');
  });

  it('are zeroes once nobody watches them, unless they were filled', () => {
    expect(verdict([fill(MISSING, 1), discard(1, 3, 4, true), load(0, 0, 5)])).toBe('held');
    expect(verdict([fill(MISSING, 1), fill(7, 3), discard(1, 5, 6, true), load(0, 7, 7)])).toBe('held');
    expect(verdict([fill(MISSING, 1), discard(1, 3, 4, true), load(0, 7, 5)])).not.toBe('held');
  });

  it('are the same after a history was sent', () => {
    const events = [fill(MISSING, 1), fill(7, 3), fill(0, 5)];
    expect(decodeHistory(1, encodeHistory(events))).toEqual(events.map((event) => ({ ...event, process: 0 })));
  });
});
