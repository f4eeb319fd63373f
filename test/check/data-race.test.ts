// The data-race judge: what orders, what does not, and agreement with a judge that follows every path.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccessEvent, AccessKind } from '../../src/check/access-event.ts';
import { AccessTable } from '../../src/check/access-table.ts';
import { DataRaceDetector, findDataRaces } from '../../src/check/data-race.ts';
import type { DataRace, DataRaceRules } from '../../src/check/data-race.ts';
import { access } from '../support/records.ts';
import { racesByPaths } from '../support/races-by-paths.ts';

const X = 10;
const LOCK = 20;
const FLAG = 30;

const pairs = (events: readonly AccessEvent[], rules?: DataRaceRules): string[] =>
  findDataRaces(events, rules).map(({ first, second, word }) => `${String(first)}-${String(second)} @${String(word)}`);

/** Asks one detector about one execution after another, as a search does. */
function asker(detector: DataRaceDetector): (events: readonly AccessEvent[]) => readonly DataRace[] {
  const table = new AccessTable();
  return (events) => {
    table.fill(events);
    detector.keep(table.takeKept());
    return detector.find(table);
  };
}

describe('data races', () => {
  it('none between two increments under one lock', () => {
    const increment = (cpu: number): AccessEvent[] => [
      access(cpu, 'lock', LOCK),
      access(cpu, 'plain-read', X),
      access(cpu, 'plain-write', X),
      access(cpu, 'unlock', LOCK),
    ];
    expect(pairs([...increment(0), ...increment(1)])).toEqual([]);
  });

  it('neg: without the lock the two increments race', () => {
    const increment = (cpu: number): AccessEvent[] => [access(cpu, 'plain-read', X), access(cpu, 'plain-write', X)];
    expect(findDataRaces([...increment(0), ...increment(1)])).toEqual([
      { first: 1, second: 2, word: X, kinds: ['plain-write', 'plain-read'] },
      { first: 0, second: 3, word: X, kinds: ['plain-read', 'plain-write'] },
      { first: 1, second: 3, word: X, kinds: ['plain-write', 'plain-write'] },
    ]);
  });

  it('need a plain side, a write, two CPUs and no hardware or user', () => {
    const quiet: [AccessKind, AccessKind][] = [
      ['write', 'read'],
      ['write', 'write'],
      ['write', 'add'],
      ['plain-read', 'plain-read'],
      ['plain-write', 'hw-read'],
      ['plain-write', 'user-read'],
      ['plain-read', 'user-write'],
      ['plain-write', 'idle'],
    ];
    for (const [a, b] of quiet) expect(pairs([access(0, a, X), access(1, b, X)])).toEqual([]);
    expect(pairs([access(0, 'plain-write', X), access(0, 'plain-write', X)])).toEqual([]);
    const loud: [AccessKind, AccessKind][] = [
      ['plain-write', 'read'],
      ['write', 'plain-read'],
      ['plain-write', 'plain-write'],
      ['plain-read', 'rmw'],
      ['add', 'plain-read'],
      ['lock', 'plain-write'],
    ];
    for (const [a, b] of loud) expect(pairs([access(0, a, X), access(1, b, X)])).toEqual([`0-1 @${String(X)}`]);
  });

  const message = (publish: AccessKind[], find: AccessKind[]): AccessEvent[] => [
    access(0, 'plain-write', X),
    ...publish.map((kind) => access(0, kind, FLAG)),
    ...find.map((kind) => access(1, kind, FLAG)),
    access(1, 'plain-read', X),
  ];

  it('a message is passed by release and acquire, and by barriers with marked accesses', () => {
    const orders: [AccessKind[], AccessKind[]][] = [
      [['release'], ['acquire']],
      [['release'], ['wait']],
      [['rmw'], ['rmw']],
      [['cmpxchg'], ['acquire']],
      [['mb', 'write'], ['acquire']],
      [
        ['wmb', 'write'],
        ['read', 'mb'],
      ],
      [['release', 'add'], ['acquire']],
      [['rmw', 'write'], ['acquire']],
    ];
    for (const [publish, find] of orders) expect(pairs(message(publish, find))).toEqual([]);
  });

  it('neg: half of it passes nothing', () => {
    const halves: [AccessKind[], AccessKind[]][] = [
      [['release'], ['read']],
      [['write'], ['acquire']],
      [['mb'], ['mb']],
      [
        ['write', 'mb'],
        ['read', 'mb'],
      ],
      [['release', 'write'], ['acquire']],
      [
        ['wmb', 'write'],
        ['mb', 'read'],
      ],
      [['add'], ['rmw']],
    ];
    for (const [publish, find] of halves) expect(pairs(message(publish, find))).toHaveLength(1);
  });

  it('a marked read orders what depends on it where dependencies count', () => {
    const events = message(['wmb', 'write'], ['read']);
    expect(pairs(events)).toHaveLength(1);
    expect(pairs(events, { dependencies: true })).toEqual([]);
  });

  it('a plain read of a pointer orders what depends on it where it is said to', () => {
    const events = message(['wmb', 'write'], ['plain-read']);
    const isPointer = (word: number, width: number): boolean => word === FLAG && width === 1;
    // The read of the pointer itself is still one without a mark.
    expect(pairs(events, { pointers: isPointer })).toEqual([`2-3 @${String(FLAG)}`]);
    expect(pairs(events)).toEqual([`2-3 @${String(FLAG)}`, `0-4 @${String(X)}`]);
  });

  it('a cmpxchg or trylock that failed is a marked read', () => {
    const release = [access(0, 'plain-write', X), access(0, 'release', FLAG)];
    expect(pairs([...release, access(1, 'cmpxchg', FLAG), access(1, 'plain-read', X)])).toEqual([]);
    expect(pairs([...release, access(1, 'cmpxchg', FLAG, false), access(1, 'plain-read', X)])).toHaveLength(1);
    expect(pairs([access(0, 'plain-write', X), access(1, 'trylock', X, false)])).toEqual([`0-1 @${String(X)}`]);
  });

  it('readers of a lock are ordered with writers, not with each other', () => {
    const reader = (cpu: number, kind: AccessKind): AccessEvent[] => [
      access(cpu, 'read-lock', LOCK),
      access(cpu, kind, X),
      access(cpu, 'read-unlock', LOCK),
    ];
    const writer = [access(2, 'write-lock', LOCK), access(2, 'plain-write', X), access(2, 'write-unlock', LOCK)];
    expect(pairs([...reader(0, 'plain-read'), ...reader(1, 'plain-read'), ...writer])).toEqual([]);
    expect(pairs([...writer, ...reader(0, 'plain-read')])).toEqual([]);
    expect(pairs([...reader(0, 'plain-write'), ...reader(1, 'plain-write')])).toHaveLength(1);
  });

  it('a buffered release orders from when it drains', () => {
    const stores = [access(0, 'plain-write', X, false), access(0, 'release', FLAG, false)];
    const reads = [access(1, 'acquire', FLAG), access(1, 'plain-read', X)];
    const drains = [access(0, 'drain', X), access(0, 'drain', FLAG)];
    expect(pairs([...stores, ...drains, ...reads])).toEqual([]);
    expect(pairs([...stores, ...reads, ...drains])).toEqual([`0-3 @${String(X)}`]);
    // One that other CPUs can't see yet hides what is in memory from its own CPU.
    const other = [access(1, 'plain-write', X), access(1, 'release', FLAG)];
    const own = [access(0, 'release', FLAG, false), access(0, 'acquire', FLAG), access(0, 'plain-read', X)];
    expect(pairs([...other, ...own])).toHaveLength(1);
  });

  it('a 64-bit entry races once, a page with every word of it', () => {
    expect(pairs([access(0, 'plain-write', 8, true, 2), access(1, 'plain-read', 8, false, 2)])).toEqual(['0-1 @8']);
    expect(pairs([access(0, 'plain-write', 8, true, 2), access(1, 'read', 9)])).toEqual(['0-1 @9']);
    const clear = access(0, 'plain-write', 1024, true, 1024);
    expect(pairs([clear, access(1, 'read', 1500)])).toEqual(['0-1 @1500']);
    expect(pairs([access(1, 'read', 1500), access(1, 'read', 3000), clear])).toEqual(['0-2 @1500']);
    expect(pairs([clear, access(1, 'plain-read', 2046, false, 1024)])).toEqual(['0-1 @2046']);
  });

  it('those known to do no harm are left out, and the limit is kept', () => {
    const events = [0, 1, 2].map((cpu) => access(cpu, 'plain-write', X));
    expect(pairs(events)).toHaveLength(3);
    expect(pairs(events, { limit: 1 })).toHaveLength(1);
    expect(pairs(events, { benign: (first) => first.cpu === 0 })).toEqual([`1-2 @${String(X)}`]);
  });

  it('a detector forgets one execution before the next', () => {
    const find = asker(new DataRaceDetector(2));
    for (let round = 0; round < 3; round++) {
      for (let base = 0; base < 200; base++) {
        const events = [
          access(0, 'plain-write', base),
          access(1, 'plain-write', base + 1),
          access(1, 'read', 1000 + base),
        ];
        expect(find(events)).toEqual([]);
      }
      expect(find([access(0, 'plain-write', 5), access(1, 'plain-write', 5)])).toHaveLength(1);
      const many = Array.from({ length: 300 }, (_, i) => access(0, 'plain-write', 7 * i));
      expect(find([...many, access(1, 'plain-read', 7 * 299)])).toHaveLength(1);
    }
  });
});

describe('against a judge that follows every path', () => {
  const kinds: AccessKind[] = [
    ...(['plain-read', 'plain-write', 'read', 'write', 'acquire', 'release', 'rmw', 'cmpxchg', 'add', 'mb'] as const),
    ...([
      'wmb',
      'wait',
      'lock',
      'unlock',
      'trylock',
      'read-lock',
      'read-unlock',
      'write-lock',
      'write-unlock',
    ] as const),
    ...(['user-write', 'hw-read', 'drain', 'drain'] as const),
  ];
  const unbuffered = fc.record({
    cpu: fc.nat({ max: 2 }),
    kind: fc.constantFrom(...kinds),
    word: fc.nat({ max: 4 }),
    width: fc.constantFrom(1, 1, 1, 2, 4),
    fails: fc.boolean(),
  });
  /** Makes what was drawn possible: only plain stores are long, only what may fail fails, only what waits drains. */
  const possible = (drawn: { cpu: number; kind: AccessKind; word: number; width: number; fails: boolean }[]) => {
    const events: AccessEvent[] = [];
    const buffered: AccessEvent[] = [];
    for (const { cpu, kind, word, width, fails } of drawn) {
      if (kind === 'drain') {
        const place = buffered.findIndex((store) => store.cpu === cpu);
        if (place < 0) continue;
        const [store] = buffered.splice(place, 1);
        events.push({ ...store!, kind: 'drain', stored: true });
        continue;
      }
      const long = kind === 'plain-write' || kind === 'plain-read' ? width : kind === 'read' ? Math.min(width, 2) : 1;
      const event = access(cpu, kind, word, undefined, kind === 'mb' || kind === 'wmb' ? 0 : long);
      const mayFail = ['cmpxchg', 'trylock', 'plain-write', 'write', 'release', 'user-write'].includes(kind);
      const done = mayFail && fails ? { ...event, stored: false } : event;
      if (!done.stored && event.stored && !['cmpxchg', 'trylock'].includes(kind)) buffered.push(done);
      events.push(done);
    }
    return events;
  };

  it('goes on from where an execution differs from the one before, as if it had begun anew', () => {
    const rules = { dependencies: true, limit: Infinity };
    let racing = 0;
    let common = 0;
    const change = fc.record({ keeps: fc.nat({ max: 24 }), then: fc.array(unbuffered, { maxLength: 12 }) });
    fc.assert(
      fc.property(fc.array(unbuffered, { maxLength: 24 }), fc.array(change, { maxLength: 6 }), (first, changes) => {
        const find = asker(new DataRaceDetector(3, rules));
        let drawn = first;
        for (const { keeps, then } of [{ keeps: first.length, then: [] }, ...changes]) {
          drawn = [...drawn.slice(0, keeps), ...then];
          const events = possible(drawn);
          const found = find(events);
          expect(found).toEqual(findDataRaces(events, rules));
          if (found.length > 0) racing += 1;
          if (keeps > 0 && then.length > 0) common += 1;
        }
      }),
      { numRuns: 500 },
    );
    expect(racing).toBeGreaterThan(100);
    expect(common).toBeGreaterThan(100);
  });

  it.each([false, true])('finds the same races, dependencies %s', { timeout: 600_000 }, (dependencies) => {
    const find = asker(new DataRaceDetector(3, { dependencies, limit: Infinity }));
    let racing = 0;
    fc.assert(
      fc.property(fc.array(unbuffered, { maxLength: 24 }), (drawn) => {
        const events = possible(drawn);
        const found = find(events);
        const all = racesByPaths(events, dependencies);
        const key = (race: { first: number; second: number }): string => `${String(race.first)}-${String(race.second)}`;
        const known = new Map(all.map((race) => [key(race), race.words]));
        for (const race of found) expect(known.get(key(race))).toContain(race.word);
        expect(new Set(found.map(key)).size).toBe(found.length);
        // Of the accesses of one kind and CPU that race with a second one, the last at least is told.
        for (const race of all) {
          const { cpu, kind } = events[race.first]!;
          const alike = all.filter((other) => {
            const first = events[other.first]!;
            return other.second === race.second && first.cpu === cpu && first.kind === kind;
          });
          const last = Math.max(...alike.map(({ first }) => first));
          if (last === race.first && !laterOfSameClass(events, race.first, all, race.second)) {
            expect(found.map(key)).toContain(key(race));
          }
        }
        expect(found.length > 0).toBe(all.length > 0);
        if (all.length > 0) racing += 1;
      }),
      { numRuns: Number(process.env.PAGERACE_RUNS ?? 2000) },
    );
    expect(racing).toBeGreaterThan(200);
  });
});

/** Whether another racing access of the CPU of `first` came after it: it may then stand for this one. */
function laterOfSameClass(
  events: readonly AccessEvent[],
  first: number,
  all: readonly { first: number; second: number }[],
  second: number,
): boolean {
  return all.some(
    (other) => other.second === second && other.first > first && events[other.first]!.cpu === events[first]!.cpu,
  );
}
