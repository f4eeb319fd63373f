// The random programs that the explorer is compared on: that they run, differ between memory models, and shrink.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { countTraces, countSchedules, endStates } from '../support/enumerate.ts';
import { buildProgram, randomPrograms } from '../support/random-program.ts';

it('has no end state under a stronger memory model that a weaker one has not', () => {
  fc.assert(
    fc.property(randomPrograms({ steps: 8 }), (data) => {
      const program = buildProgram(data);
      const [sc, tso, pso] = [endStates(program, 'sc'), endStates(program, 'tso'), endStates(program, 'pso')];
      expect(sc.size).toBeGreaterThan(0);
      expect([...sc].filter((end) => !tso.has(end))).toEqual([]);
      expect([...tso].filter((end) => !pso.has(end))).toEqual([]);
    }),
    { numRuns: 150 },
  );
});

it('has as many traces as end states at least, and as many schedules as traces', () => {
  fc.assert(
    fc.property(randomPrograms({ steps: 8 }), (data) => {
      const program = buildProgram(data);
      const traces = countTraces(program);
      expect(traces).toBeGreaterThanOrEqual(endStates(program, 'sc').size);
      expect(countSchedules(program).schedules >= BigInt(traces)).toBe(true);
    }),
    { numRuns: 150 },
  );
});

it('shrinks to the smallest program that tells two memory models apart', () => {
  const { counterexample } = fc.check(
    fc.property(randomPrograms(), (data) => {
      const program = buildProgram(data);
      return endStates(program, 'sc').size === endStates(program, 'tso').size;
    }),
    { numRuns: 2000, seed: 1 },
  );
  const [found] = counterexample ?? [];
  // Two threads, each a store and a load of what the other stores.
  expect(found?.threads.map((ops) => ops.length)).toEqual([2, 2]);
});
