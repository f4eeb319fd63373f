// Tokens of weak memory mean the same to whoever has explored nothing: which stores are buffered follows from the token.
import { describe, expect, it } from 'vitest';
import { Execution } from '../../src/explore/execution.ts';
import { KernelSubject } from '../../src/explore/kernel-subject.ts';
import type { MemoryModel } from '../../src/explore/program.ts';
import { Random } from '../../src/explore/random.ts';
import { SCENARIOS } from '../../src/explore/scenarios.ts';
import { randomWalk } from '../../src/explore/strategies.ts';
import { exploreTarget, replayTarget, targetNamed } from '../../src/explore/target.ts';
import { tokenOf } from '../../src/explore/token.ts';

const MODELS: readonly MemoryModel[] = ['tso', 'pso'];
/** Scenarios whose smallest failure is looked for, which takes seconds; of all where PAGERACE_RUNS is given. */
const SHRUNK = ['first-touch', 'cow', 'stale-tlb', 'uptodate', 'retract', 'fork-cow'];
const isShrunk = (name: string): boolean => process.env.PAGERACE_RUNS !== undefined || SHRUNK.includes(name);

describe.each(MODELS)('under %s', (memoryModel) => {
  it.each(SCENARIOS.map(({ name, defences }) => [name, Object.keys(defences)[0]!] as const))(
    'the failure of %s without %s is replayed step by step, to the same end',
    (name, defence) => {
      const target = targetNamed(name, { without: [defence] });
      const { failure } = exploreTarget(target, { memoryModel, executions: 300, seconds: 5, shrink: isShrunk(name) });
      if (failure === undefined) return;
      const { complaint, given, record } = replayTarget(target, failure.token, { memoryModel });
      expect(complaint?.message).toBe(failure.message);
      expect(record.steps).toHaveLength(given);
    },
  );

  // A walk that fails finds out on its way what is shared; what is recorded buffers no more stores than the walk did.
  it.each([
    ['anon-vma', 'anon_vma_recheck'],
    ['cow', 'cow_recheck'],
    ['oom-reaper', 'mmf_unstable'],
  ])('failures of %s without %s at random are recorded as they were found', (name, defence) => {
    const target = targetNamed(name, { without: [defence] });
    let found = 0;
    for (let seed = 1; seed <= 10; seed++) {
      const options = { memoryModel, strategy: 'random', shrink: false, executions: 20, seed } as const;
      const { failure } = exploreTarget(target, options);
      if (failure === undefined) continue;
      found += 1;
      const { complaint, given, record } = replayTarget(target, failure.token, { memoryModel });
      expect(complaint?.message).toBe(failure.message);
      expect([record.steps.length, failure.record.steps.length]).toEqual([given, given]);
    }
    expect(found).toBeGreaterThan(0);
  });

  it.each(['first-touch', 'fault-vs-dontneed', 'cow'])('schedules of %s at random are, too', (name) => {
    const target = targetNamed(name);
    const execution = new Execution(new KernelSubject(target.spec), memoryModel);
    for (let seed = 0; seed < 12; seed++) {
      randomWalk(execution, new Random(seed));
      const { steps } = execution;
      const { record, given } = replayTarget(target, tokenOf(execution), { memoryModel });
      expect([record.steps.length, given]).toEqual([steps, steps]);
    }
  });
});
