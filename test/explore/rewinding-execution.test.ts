// Executions that go back instead of beginning again: the same as those of threads that really run, and programs that
// take something from elsewhere than their words are refused.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explore, readOnce, smpMb, spinLock, spinUnlock, writeOnce, xadd } from '../../src/explore/index.ts';
import type { Exploration, ExploreOptions, Program, Thread } from '../../src/explore/index.ts';
import { buildProgram, randomPrograms } from '../support/random-program.ts';

interface Told {
  readonly ends: string[];
  readonly exploration: Exploration;
}

/** Every execution, in order, as its listener heard of it. */
function told(program: Program, options: ExploreOptions): Told {
  const ends: string[] = [];
  const exploration = explore(program, {
    stopAtFailure: false,
    shrink: false,
    ...options,
    onExecution: ({ memory, returns, token, waiting, failed }) => {
      ends.push(JSON.stringify([[...memory], returns, token, waiting, failed]));
    },
  });
  return { ends, exploration };
}

describe('an execution that goes back', () => {
  it('explores the same executions, in the same order, as one whose threads always run', () => {
    fc.assert(
      fc.property(randomPrograms(), (data) => {
        const program = buildProgram(data);
        const fast = told(program, {});
        const real = told(program, { audit: true });
        expect(fast.ends).toEqual(real.ends);
        const { executions, steps, blocked, verdict, failures } = fast.exploration;
        expect({ executions, steps, blocked, verdict, failures }).toEqual({
          executions: real.exploration.executions,
          steps: real.exploration.steps,
          blocked: real.exploration.blocked,
          verdict: real.exploration.verdict,
          failures: real.exploration.failures,
        });
        expect(fast.exploration.failure).toEqual(real.exploration.failure);
      }),
      { numRuns: 200, seed: 31 },
    );
  });

  it('runs the threads in few of its executions', () => {
    let started = 0;
    const increments: Thread = function* (cpu) {
      started += 1;
      yield* xadd(cpu, 0, 1);
      yield* xadd(cpu, 0, 1);
    };
    const { executions } = explore({ words: 1, threads: [increments, increments, increments, increments] });
    expect(executions).toBe(2520);
    // Four threads; the executions that are run for real, and once for each new history.
    expect(started).toBeLessThan(executions);
  });
});

describe('a program is refused that takes something', () => {
  const other: Thread = function* (cpu) {
    yield* writeOnce(cpu, 0, 1);
    yield* writeOnce(cpu, 0, 2);
  };
  const refused = (thread: Thread): void => {
    expect(() => explore({ words: 2, threads: [thread, other, other] })).toThrow(/^step \d+ was another one/);
  };

  it('from a variable that it changes itself', () => {
    let runs = 0;
    refused(function* (cpu) {
      runs += 1;
      yield* readOnce(cpu, 0);
      yield* writeOnce(cpu, runs > 2 ? 1 : 0, 5);
    });
  });

  it('from a variable that another thread changes', () => {
    let stores = 0;
    const setter: Thread = function* (cpu) {
      yield* writeOnce(cpu, 0, 1);
      stores += 1;
    };
    const reader: Thread = function* (cpu) {
      yield* readOnce(cpu, 0);
      if (stores % 2 === 1) yield* writeOnce(cpu, 0, 7);
      else yield* readOnce(cpu, 0);
    };
    expect(() => explore({ words: 2, threads: [setter, reader, setter] })).toThrow(/^step \d+ was another one/);
  });

  it('from the time, once in many runs', () => {
    let calls = 0;
    refused(function* (cpu) {
      yield* readOnce(cpu, 0);
      calls += 1;
      yield* writeOnce(cpu, 0, calls % 7 === 0 ? 9 : 3);
    });
  });

  it('and ends early where it did not before', () => {
    let runs = 0;
    refused(function* (cpu) {
      runs += 1;
      yield* readOnce(cpu, 0);
      if (runs < 3) yield* writeOnce(cpu, 1, 5);
    });
  });
});

describe('what threads do between steps', () => {
  it('counts barriers that nobody sees, so that a token says the same wherever it is followed', () => {
    const program: Program = {
      words: 2,
      threads: [
        function* (cpu) {
          yield* writeOnce(cpu, 0, 1);
          yield* smpMb(cpu);
          yield* smpMb(cpu);
          return yield* readOnce(cpu, 1);
        },
        function* (cpu) {
          yield* smpMb(cpu);
          yield* writeOnce(cpu, 1, 1);
          return yield* readOnce(cpu, 0);
        },
      ],
    };
    expect(told(program, {}).ends).toEqual(told(program, { audit: true }).ends);
    expect(told(program, {}).ends).toHaveLength(3);
  });

  it('is a livelock where they go on without a step that anybody sees', () => {
    const spin: Thread = function* (cpu) {
      yield* readOnce(cpu, 0);
      for (;;) yield* smpMb(cpu);
    };
    const exploration = explore({ words: 1, threads: [spin, spin] }, { steps: 500 });
    expect(exploration.failure?.judge).toBe('livelock');
  });

  it('may throw, after one value and not after another', () => {
    const program: Program = {
      words: 1,
      threads: [
        function* (cpu) {
          yield* spinLock(cpu, 0);
          yield* spinUnlock(cpu, 0);
        },
        function* (cpu) {
          const held = yield* readOnce(cpu, 0);
          if (held !== 0) throw new Error(`saw ${String(held)}`);
        },
      ],
    };
    const { ends, exploration } = told(program, { judges: [] });
    expect(exploration.failures).toEqual({ exception: 1 });
    expect(exploration.failure?.message).toBe('CPU 1: saw 1');
    expect(ends).toEqual(told(program, { judges: [], audit: true }).ends);
  });
});
