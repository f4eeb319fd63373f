// What the explorer finds is something that threads can do: each smallest failure, gated step by step on real threads,
// comes to the same end, word for word.
import { describe, expect, it } from 'vitest';
import { exploreSubject } from '../../src/explore/explore.ts';
import type { MemoryModel } from '../../src/explore/index.ts';
import { SCENARIOS } from '../../src/explore/scenarios.ts';
import { subjectOf } from '../../src/explore/subject-spec.ts';
import type { SubjectSpec } from '../../src/explore/subject-spec.ts';
import { replayOnThreads } from '../../src/explore/threads.ts';

async function replaySmallest(spec: SubjectSpec, memoryModel: MemoryModel = 'sc'): Promise<void> {
  const { failure } = exploreSubject(subjectOf(spec), { memoryModel });
  expect(failure).toBeDefined();
  if (failure === undefined) return;
  const replay = await replayOnThreads(spec, failure.token, { memoryModel });
  expect(replay).toEqual({ steps: failure.steps, same: true, differs: undefined, errors: [] });
}

describe('on real threads', () => {
  const pairs = SCENARIOS.flatMap((scenario) =>
    Object.keys(scenario.defences).map((defence) => [scenario.name, defence, scenario.memoryModel ?? 'sc'] as const),
  );

  it.each(pairs)('%s without %s fails in the same way', async (name, defence, memoryModel) => {
    await replaySmallest({ name, options: { without: [defence] } }, memoryModel);
  });

  it.each<[SubjectSpec, MemoryModel]>([
    [{ name: 'deadlock01' }, 'sc'],
    [{ name: 'lost-update', size: 4 }, 'sc'],
    [{ name: 'store-buffering' }, 'tso'],
    [{ name: 'store-buffering' }, 'pso'],
  ])('%j under %s fails in the same way', async (spec, memoryModel) => {
    await replaySmallest(spec, memoryModel);
  });

  it('refuse a token that was made for something else', async () => {
    await expect(replayOnThreads({ name: 'lost-update', size: 2 }, '0:9,1:2')).rejects.toThrow(/can't be followed/);
  });
});
