// The smallest failure of every scenario without each of its defences: its token leads back to the same end and the same
// complaint, and it is something that threads can do: gated step by step on real ones it comes to the same end.
import { describe, expect, it } from 'vitest';
import { exploreSubject } from '../../src/explore/explore.ts';
import type { Failure } from '../../src/explore/explore.ts';
import type { MemoryModel } from '../../src/explore/index.ts';
import { SCENARIOS } from '../../src/explore/scenarios.ts';
import { subjectOf } from '../../src/explore/subject-spec.ts';
import type { SubjectSpec } from '../../src/explore/subject-spec.ts';
import { exploreTarget, replayTarget, targetNamed } from '../../src/explore/target.ts';
import { replayOnThreads } from '../../src/explore/threads.ts';

async function sameOnThreads(spec: SubjectSpec, failure: Failure | undefined, memoryModel: MemoryModel): Promise<void> {
  expect(failure).toBeDefined();
  if (failure === undefined) return;
  const replay = await replayOnThreads(spec, failure.token, { memoryModel });
  expect(replay).toEqual({ steps: failure.steps, same: true, differs: undefined, errors: [] });
}

describe('on real threads', () => {
  const pairs = SCENARIOS.flatMap((scenario) =>
    Object.keys(scenario.defences).map((defence) => [scenario.name, defence] as const),
  );

  it.each(pairs)('%s without %s fails in the same way, there and byte for byte in a replay', async (name, defence) => {
    const target = targetNamed(name, { without: [defence] });
    const { failure, memoryModel } = exploreTarget(target);
    expect(failure!.token).toMatch(/^[0-9w:,]+\.[0-9a-z]{5}$/);
    const first = replayTarget(target, failure!.token, { memoryModel });
    const second = replayTarget(target, failure!.token, { memoryModel });
    expect(first.complaint).toEqual({ judge: failure!.judge, message: failure!.message });
    expect(Buffer.from(first.memory.buffer).equals(Buffer.from(second.memory.buffer))).toBe(true);
    expect(first.record.steps.length).toBe(failure!.steps);
    await sameOnThreads({ name, options: { without: [defence] } }, failure, memoryModel);
  });

  it.each<[SubjectSpec, MemoryModel]>([
    [{ name: 'deadlock01' }, 'sc'],
    [{ name: 'lost-update', size: 4 }, 'sc'],
    [{ name: 'store-buffering' }, 'tso'],
    [{ name: 'store-buffering' }, 'pso'],
  ])('%j under %s fails in the same way', async (spec, memoryModel) => {
    await sameOnThreads(spec, exploreSubject(subjectOf(spec), { memoryModel }).failure, memoryModel);
  });

  it('refuse a token that was made for something else', async () => {
    await expect(replayOnThreads({ name: 'lost-update', size: 2 }, '0:9,1:2')).rejects.toThrow(/can't be followed/);
  });
});
