// The enumerator against figures that others published or that an earlier one counted: what it says of these programs
// is what the explorer is held to.
import { describe, expect, it } from 'vitest';
import * as increments from '../../src/explore/programs/increments.ts';
import * as orders from '../../src/explore/programs/orders.ts';
import * as published from '../../src/explore/programs/published.ts';
import { PROGRAMS } from '../../src/explore/programs/registry.ts';
import type { Program } from '../../src/explore/program.ts';
import { countSchedules, countTraces, endStates, isViolated } from '../support/enumerate.ts';
import { longRows, rows } from '../support/micro-benchmarks.ts';

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
  const { binc, cinc, lostUpdate, mutexIncrement, xaddIncrement, addIncrement, wainc, rw, writers } = increments;
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
