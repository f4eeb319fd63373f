// The enumerator against figures that others published or that an earlier one counted: what it says of these programs
// is what the explorer is held to.
import { describe, expect, it } from 'vitest';
import * as increments from '../../src/explore/programs/increments.ts';
import * as locks from '../../src/explore/programs/locks.ts';
import * as orders from '../../src/explore/programs/orders.ts';
import { pageFault } from '../../src/explore/programs/page-fault.ts';
import * as published from '../../src/explore/programs/published.ts';
import * as queues from '../../src/explore/programs/queues.ts';
import { PROGRAMS } from '../../src/explore/programs/registry.ts';
import type { Program } from '../../src/explore/program.ts';
import { countSchedules, countTraces, endStates, isViolated } from '../support/enumerate.ts';

/** Name, program, schedules, buggy ones, chance of a random walk, fewest preemptions, traces (where they are known). */
type Row = readonly [string, Program, bigint, bigint, number, number | undefined, number?];

const { lostUpdate, lostUpdateTwice } = increments;
const { reorder, tokenRing, dinPhil } = orders;
const rows: readonly Row[] = [
  ['lost2', lostUpdate(2), 6n, 4n, 0.5, 1, 4],
  ['lost3', lostUpdate(3), 90n, 84n, 0.8333, 1, 36],
  ['lost2x2', lostUpdateTwice(), 70n, 64n, 0.8125, 1, 34],
  ['fault2 without the lock', pageFault(2, { lock: false }), 20n, 12n, 0.375, 1, 6],
  ['fault3 without the lock', pageFault(3, { lock: false }), 1086n, 972n, 0.5185, 1, 42],
  ['fault2 without the re-check', pageFault(2, { recheck: false }), 10n, 6n, 0.75, 1, 4],
  ['fault3 without the re-check', pageFault(3, { recheck: false }), 162n, 144n, 0.8889, 1, 21],
  ['fault2', pageFault(2), 12n, 0n, 0, undefined, 4],
  ['fault3', pageFault(3), 258n, 0n, 0, undefined, 15],
  ['fault4', pageFault(4), 8256n, 0n, 0, undefined, 64],
  ['fault5', pageFault(5), 363_000n, 0n, 0, undefined, 325],
  ['account', locks.account(), 6n, 2n, 0.3333, 0, 6],
  ['lazy01', locks.lazy01(), 6n, 2n, 0.3333, 0, 6],
  ['deadlock01', locks.deadlock01(), 6n, 2n, 0.5, 1, 3],
  ['twostage', locks.twostage(), 22n, 1n, 0.0313, 1, 3],
  ['wronglock', locks.wronglock(1), 199n, 34n, 0.2266, 1, 7],
  ['reorder_2', reorder(2), 7n, 1n, 0.0625, 1, 4],
  ['reorder_3', reorder(3), 162n, 8n, 0.0494, 1, 56],
  ['reorder_5', reorder(5), 400_960n, 424n, 0.0302, 1],
  ['carter01', locks.carter01(), 4n, 2n, 0.5, 1, 4],
  ['token_ring', tokenRing(), 24n, 4n, 0.1667, 0, 24],
  ['din_phil2', dinPhil(2), 20n, 8n, 0.5, 0, 8],
  ['din_phil3', dinPhil(3), 1662n, 150n, 0.1667, 0, 216],
  ['din_phil4', dinPhil(4), 368_256n, 5376n, 0.0417, 0],
  ['circular_buffer(7)', queues.circularBuffer(7), 467n, 339n, 0.9375, 1],
];

/** These take half a minute, so they wait for a long run. */
const longRows: readonly Row[] = [
  ['reorder_10', reorder(10), 20_673_950_465_264_769n, 36_003_969n, 0.0133, 1],
  ['stack(10)', queues.stack(10), 68_677n, 9891n, 0.6239, 1],
];

describe('schedules', () => {
  const all = process.env.PAGERACE_RUNS === undefined ? rows : [...rows, ...longRows];
  for (const [name, program, schedules, buggy, walk, preemptions, traces] of all) {
    it(name, { timeout: 120_000 }, () => {
      const counted = countSchedules(program);
      expect(counted).toMatchObject({ schedules, buggy, preemptions });
      // The figures have four digits.
      expect(Math.abs(counted.walk - walk)).toBeLessThan(0.000051);
      if (traces !== undefined) expect(countTraces(program)).toBe(traces);
    });
  }
});

describe('traces', () => {
  const { binc, cinc, mutexIncrement, xaddIncrement, addIncrement, wainc, rw, writers } = increments;
  const { readers, lastzero, paperExample } = published;
  it.each<readonly [string, (n: number) => Program, readonly (readonly [n: number, traces: number])[]]>([
    [
      'lost update',
      lostUpdate,
      [
        [2, 4],
        [3, 36],
        [4, 576],
      ],
    ],
    [
      'xadd',
      xaddIncrement,
      [
        [2, 2],
        [3, 6],
        [4, 24],
        [5, 120],
      ],
    ],
    [
      'add',
      addIncrement,
      [
        [2, 1],
        [5, 1],
      ],
    ],
    [
      'mutex',
      mutexIncrement,
      [
        [2, 2],
        [3, 6],
        [4, 24],
        [5, 120],
      ],
    ],
    [
      'binc',
      binc,
      [
        [2, 4],
        [3, 36],
        [4, 576],
      ],
    ],
    [
      'cinc',
      cinc,
      [
        [2, 8],
        [3, 216],
      ],
    ],
    [
      'writers',
      writers,
      [
        [3, 6],
        [6, 720],
      ],
    ],
    [
      'wainc',
      wainc,
      [
        [2, 6],
        [3, 24],
        [4, 120],
      ],
    ],
    [
      'rw',
      rw,
      [
        [2, 4],
        [3, 36],
        [4, 576],
      ],
    ],
    [
      'readers',
      readers,
      [
        [2, 4],
        [6, 64],
      ],
    ],
    [
      'lastzero',
      lastzero,
      [
        [1, 2],
        [2, 5],
        [3, 12],
        [4, 28],
        [5, 64],
        [6, 144],
      ],
    ],
    ['paper example', paperExample, [[0, 5]]],
  ])('%s', (_, make, counts) => {
    expect(counts.map(([n]) => [n, countTraces(make(n))])).toEqual(counts);
  });
});

describe('programs by name', () => {
  const countable = PROGRAMS.filter(({ name }) => !['indexer', 'filesystem', 'readers'].includes(name));
  it.each(countable.map((entry) => [entry.name, entry] as const))('%s is violated where it says so', (_, entry) => {
    expect(isViolated(entry.make(), 'sc')).toBe(entry.violated);
  });

  it('have names of their own and defaults within their limits', () => {
    expect(new Set(PROGRAMS.map(({ name }) => name)).size).toBe(PROGRAMS.length);
    for (const { make, parameter } of PROGRAMS) {
      expect(make().threads.length).toBeGreaterThan(0);
      if (parameter === undefined) continue;
      expect(make(parameter.most).threads.length).toBeLessThanOrEqual(64);
      expect(parameter.default).toBeGreaterThanOrEqual(parameter.least);
      expect(parameter.default).toBeLessThanOrEqual(parameter.most);
    }
  });
});

it('finds store buffering under tso and pso only', () => {
  const program = orders.storeBuffering();
  expect([isViolated(program, 'sc'), isViolated(program, 'tso'), isViolated(program, 'pso')]).toEqual([
    false,
    true,
    true,
  ]);
  expect([...endStates(program, 'tso')].sort()).toEqual(['1,1 [0,0]', '1,1 [0,1]', '1,1 [1,0]', '1,1 [1,1]']);
});
