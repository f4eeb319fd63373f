// What real threads show lies inside what the memory model allows: x86-64 is tso, and JavaScript's atomics are sc.
import { describe, expect, it } from 'vitest';
import { LITMUS_TESTS } from '../../src/explore/litmus/catalogue.ts';
import { litmusProgram } from '../../src/explore/litmus/test.ts';
import { runLitmus } from '../../src/stress/litmus.ts';
import { endKey, endStates } from '../support/enumerate.ts';

/** Other machines than x86-64 may reorder more than tso does. */
const PLAIN_MODEL = process.arch === 'x64' ? 'tso' : undefined;

describe('litmus tests on real threads', () => {
  for (const name of ['SB', 'MP', 'LB', 'S', 'R', '2+2W']) {
    const test = LITMUS_TESTS.find((each) => each.name === name)!;
    for (const accesses of ['plain', 'atomics'] as const) {
      const model = accesses === 'plain' ? PLAIN_MODEL : 'sc';
      if (model === undefined) continue;
      it(`${name} with ${accesses === 'plain' ? 'plain accesses' : 'atomics'} shows what ${model} allows`, async () => {
        const run = await runLitmus(test, accesses, { rounds: 100, seconds: 0.5 });
        expect(run.failure).toBeUndefined();
        expect(run.instances).toBeGreaterThan(0);
        const allowed = endStates(litmusProgram(test), model);
        const seen = run.outcomes.map(({ memory, registers }) => endKey(memory, registers));
        expect(seen.filter((outcome) => !allowed.has(outcome))).toEqual([]);
      });
    }
  }

  it('ends after its rounds', async () => {
    const run = await runLitmus(LITMUS_TESTS[0]!, 'plain', { rounds: 2, seconds: 20 });
    expect(run.instances).toBe(512);
  });
});
