// What steps of locks say of their locks: the class of a release is that of its taking.
import { describe, expect, it } from 'vitest';
import type { RecordedStep } from '../../src/explore/record.ts';
import { SCENARIOS } from '../../src/explore/scenarios.ts';
import { exploreTarget, replayTarget, targetNamed } from '../../src/explore/target.ts';

const TAKES = ['lock', 'trylock', 'read-lock', 'read-trylock', 'write-lock'];
const RELEASES = ['unlock', 'read-unlock', 'write-unlock'];

/** The steps of the execution that a search runs first. */
function firstExecution(name: string): readonly RecordedStep[] {
  const target = targetNamed(name);
  const tokens: string[] = [];
  exploreTarget(target, { executions: 1, onExecution: ({ token }) => tokens.push(token) });
  return replayTarget(target, tokens.at(-1)!).record.steps;
}

describe('a step of a lock', () => {
  const seen = new Set<number>();

  it.each(SCENARIOS.map(({ name }) => name))('has its class, in %s', (name) => {
    const steps = firstExecution(name);
    let releases = 0;
    for (const step of steps) {
      if (!RELEASES.includes(step.kind)) continue;
      const isItsTaking = (other: RecordedStep): boolean =>
        TAKES.includes(other.kind) && other.stored && other.cpu === step.cpu && other.word === step.word;
      const taking = steps.slice(0, step.index).findLast(isItsTaking);
      expect([name, step.index, step.lockClass]).toEqual([name, step.index, taking?.lockClass]);
      seen.add(step.lockClass);
      releases += 1;
    }
    expect(releases).toBeGreaterThan(0);
  });

  it('is of one of many classes', () => {
    expect(seen.size).toBeGreaterThan(4);
  });
});
