// The litmus catalogue against the enumerator: verdicts, traces and outcome counts are those that were published.
import { describe, expect, it } from 'vitest';
import { LITMUS_TESTS } from '../../src/explore/litmus/catalogue.ts';
import { litmusProgram, parseThread } from '../../src/explore/litmus/test.ts';
import { MEMORY_MODELS } from '../../src/explore/program.ts';
import { countSchedules, countTraces, endStates, isViolated } from '../support/enumerate.ts';

describe('litmus tests', () => {
  for (const test of LITMUS_TESTS) {
    it(`${test.name}: ${test.text.join(' || ')}`, () => {
      const program = litmusProgram(test);
      for (const model of MEMORY_MODELS) {
        expect(isViolated(program, model), model).toBe(test.allowed[model]);
        if (test.outcomes !== undefined) expect(endStates(program, model).size, model).toBe(test.outcomes[model]);
      }
      expect(countTraces(program)).toBe(test.traces);
      if (test.interleavings !== undefined) {
        expect(countSchedules(program).schedules).toBe(BigInt(test.interleavings));
      }
    });
  }
});

it('refuses what is no operation', () => {
  expect(() => parseThread('W x=1; Q y')).toThrow('parseThread: Q y is no operation');
});
