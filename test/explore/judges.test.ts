// Judges of whole executions in a search: what they find where nothing breaks, and what they leave alone.
import { describe, expect, it } from 'vitest';
import {
  explore,
  readOnce,
  readPlain,
  replay,
  spinLock,
  spinUnlock,
  writeOnce,
  writePlain,
} from '../../src/explore/index.ts';
import type { Program } from '../../src/explore/index.ts';
import { SCENARIOS } from '../../src/explore/scenarios.ts';
import { exploreTarget, targetNamed } from '../../src/explore/target.ts';

const plain: Program = {
  words: 2,
  threads: [0, 1].map(
    (other) =>
      function* (cpu) {
        yield* writePlain(cpu, cpu.id, 1);
        return yield* readPlain(cpu, other === 0 ? 1 : 0);
      },
  ),
};

const locked: Program = {
  words: 2,
  threads: [0, 1].map(
    () =>
      function* (cpu) {
        yield* spinLock(cpu, 0);
        yield* writePlain(cpu, 1, (yield* readPlain(cpu, 1)) + 1);
        yield* spinUnlock(cpu, 0);
      },
  ),
};

/** Takes two locks in an order of its own, never while the other does: no execution deadlocks. */
const inTurn = (first: number, second: number, turn: number): Program['threads'][number] =>
  function* (cpu) {
    if ((yield* readOnce(cpu, 2)) !== turn) return;
    yield* spinLock(cpu, first);
    yield* spinLock(cpu, second);
    yield* spinUnlock(cpu, second);
    yield* spinUnlock(cpu, first);
    yield* writeOnce(cpu, 2, 1);
  };

describe('judges of whole executions', () => {
  it('find a data race where every end is right', () => {
    const exploration = explore(plain);
    expect(exploration).toMatchObject({ verdict: 'violated', failure: { judge: 'data-race', preemptions: 0 } });
    expect(explore(plain, { judges: [] }).verdict).toBe('held');
    expect(replay(plain, exploration.failure!.token).complaint?.message).toBe(exploration.failure!.message);
  });

  it('neg: a lock orders plain accesses', () => {
    expect(explore(locked).verdict).toBe('held');
  });

  it('find a circle of locks that no execution runs into, from several executions', () => {
    const program: Program = { words: 3, threads: [inTurn(0, 1, 0), inTurn(1, 0, 1)] };
    const exploration = explore(program);
    expect(exploration).toMatchObject({ verdict: 'violated', failure: { judge: 'lock-order' } });
    expect(exploration.failure!.lockOrder!.problem.kind).toBe('circular');
    expect(explore(program, { judges: ['data-race'] }).verdict).toBe('held');
  });

  it('neg: one order is no circle', () => {
    const program: Program = { words: 3, threads: [inTurn(0, 1, 0), inTurn(0, 1, 1)] };
    expect(explore(program).verdict).toBe('held');
  });

  it('count what each judge complained of, in searches that go through everything', () => {
    const target = targetNamed('first-touch', { without: ['ptl'] });
    for (const strategy of ['dpor', 'bounded'] as const) {
      const options = { strategy, preemptions: 1, stopAtFailure: false, shrink: false };
      const { failures } = exploreTarget(target, options);
      expect(failures.I13, strategy).toBeGreaterThan(0);
    }
  });

  it('refuse names that are none', () => {
    expect(() => explore(plain, { judges: ['races' as 'data-race'] })).toThrow(/for example data-race/);
  });
});

describe('the kernel', () => {
  it.each(SCENARIOS.map(({ name }) => name))('%s with all defences on is free of findings', (name) => {
    const { verdict, failure } = exploreTarget(targetNamed(name), { executions: 500 });
    expect(failure?.message).toBeUndefined();
    expect(verdict).not.toBe('violated');
  });
});
