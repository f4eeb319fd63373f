// Strategies that sample or bound: held to exact chances, fewest preemptions and PCT's guarantee.
import { describe, expect, it } from 'vitest';
import { explore } from '../../src/explore/index.ts';
import type { ExploreOptions, Program } from '../../src/explore/index.ts';
import { pctRows, rows } from '../support/micro-benchmarks.ts';

const RUNS = 4000;

/** The share of runs that fail. */
function share(program: Program, options: ExploreOptions): number {
  let failed = 0;
  explore(program, {
    ...options,
    executions: RUNS,
    stopAtFailure: false,
    shrink: false,
    judges: [],
    onExecution: (report) => {
      if (report.failed) failed += 1;
    },
  });
  return failed / RUNS;
}

/** Five standard deviations of a share of RUNS runs: one test in two million errs. */
const error = (p: number): number => 5 * Math.sqrt((p * (1 - p)) / RUNS);

describe('a random walk', () => {
  it.each(rows.map(([name, program, , , walk]) => [name, program, walk] as const))(
    'finds %s as often as it must',
    (_, program, walk) => {
      expect(Math.abs(share(program, { strategy: 'random', seed: 7 }) - walk)).toBeLessThanOrEqual(
        error(walk) + 0.0001,
      );
    },
  );
});

describe('bounded search', () => {
  it.each(rows.map(([name, program, , , , preemptions]) => [name, program, preemptions] as const))(
    'needs the fewest preemptions for %s',
    (name, program, preemptions) => {
      if (preemptions === undefined) {
        // Nothing to be found: with one preemption less than one that would do, and with two.
        expect(explore(program, { strategy: 'bounded', preemptions: 2, judges: [] }).failure).toBeUndefined();
        return;
      }
      const { failure } = explore(program, { strategy: 'bounded', preemptions, judges: [] });
      expect([name, failure?.preemptions]).toEqual([name, preemptions]);
      if (preemptions > 0) {
        expect(explore(program, { strategy: 'bounded', preemptions: preemptions - 1, judges: [] }).verdict).toBe(
          'not decided',
        );
      }
    },
  );
});

describe('PCT', () => {
  const programs = new Map(rows.map(([name, program]) => [name, program]));
  for (const [name, length, chances, constraints] of pctRows) {
    const program = programs.get(name)!;
    const needed = constraints ?? 1 + chances.findIndex((chance) => chance > 0);
    it(`finds ${name} as often as it promises`, () => {
      chances.forEach((chance, i) => {
        const depth = i + 1;
        const found = share(program, { strategy: 'pct', depth, seed: 11 });
        const { pct } = explore(program, {
          strategy: 'pct',
          depth,
          executions: 200,
          stopAtFailure: false,
          shrink: false,
        });
        // The table's chances are sampled as well, from 20,000 runs.
        if (pct?.length === length) expect(Math.abs(found - chance)).toBeLessThanOrEqual(error(chance) + 0.015);
        // A bug of at most this depth is found with the promised chance at least.
        if (depth >= needed) expect(found + error(found) + 0.001).toBeGreaterThanOrEqual(pct!.bound);
        else if (chance === 0) expect(found).toBe(0);
      });
    });
  }
});
