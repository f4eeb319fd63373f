// Programs of stepped objects under the explorer: every order of returns and invocations is tried, and whatever goes
// wrong is told.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  loadAcquire,
  readOnce,
  spinLock,
  spinUnlock,
  storeRelease,
  waitUntil,
  writeOnce,
  xadd,
} from '../../src/explore/index.ts';
import type { Processor, Steps } from '../../src/explore/index.ts';
import { ReturnClock } from '../../src/testing/clock.ts';
import {
  NotLinearizableError,
  checkLinearizable,
  exploreProgram,
  linearizableProperty,
  parallelProgram,
  replayProgram,
} from '../../src/testing/index.ts';
import type { Call, ConcurrentObject, ParallelProgram } from '../../src/testing/index.ts';
import { dropOldestRing } from '../races/examples/drop-oldest-ring.ts';
import { spscRing } from '../races/examples/spsc-ring.ts';

const call = (method: string, ...args: unknown[]): Call => ({ method, args });

/** A counter whose increment is a read and a write: what each test makes of it is in `methods`. */
function counter(methods: (cpu: Processor) => object, operations: ConcurrentObject['operations'] = { next: [] }) {
  return {
    name: 'counter',
    words: 2,
    wordNames: ['count', 'lock'],
    operations,
    model: { init: () => 0, next: (count: number) => ({ state: count + 1, result: count }) },
    stepped: methods,
  } satisfies ConcurrentObject<number, number>;
}

const racy = counter((cpu) => ({
  *next(): Steps<number> {
    const count = yield* readOnce(cpu, 0);
    yield* writeOnce(cpu, 0, count + 1);
    return count;
  },
}));
const atomic = counter((cpu) => ({
  *next(): Steps<number> {
    return yield* xadd(cpu, 0, 1);
  },
}));
const two = (method = 'next'): ParallelProgram => ({ first: [], threads: [[call(method)], [call(method)]] });

describe('the clock', () => {
  it('gives times in which exactly those are before others that had returned when these were invoked', () => {
    const threads = fc.array(fc.nat(4), { minLength: 1, maxLength: 5 });
    const turns = fc.array(fc.nat(4), { maxLength: 60 });
    fc.assert(
      fc.property(threads, turns, (lengths, order) => {
        const clock = new ReturnClock(lengths);
        let word = 0;
        let now = 0;
        const stamps = lengths.map(
          (): { seen: number; returned: boolean; invokedAt: number; returnedAt: number }[] => [],
        );
        for (const turn of order) {
          const thread = turn % lengths.length;
          const own = stamps[thread]!;
          const last = own.at(-1);
          now += 1;
          if (last?.returned === false) {
            last.returned = true;
            last.returnedAt = now;
            word = (word + clock.tick(thread)) | 0;
          } else if (own.length < lengths[thread]!) {
            own.push({ seen: word, returned: false, invokedAt: now, returnedAt: Infinity });
          }
        }
        const times = clock.times(stamps).flat();
        const real = stamps.flat();
        for (const [i, a] of real.entries()) {
          expect(times[i]!.invoked).toBeLessThanOrEqual(times[i]!.returned);
          expect(times[i]!.returned === Infinity).toBe(!a.returned);
          for (const [j, b] of real.entries()) {
            expect(times[i]!.returned < times[j]!.invoked).toBe(a.returnedAt < b.invokedAt);
          }
        }
      }),
    );
  });

  it('refuses threads with more calls than it can count', () => {
    expect(() => new ReturnClock([3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3])).not.toThrow();
    expect(() => new ReturnClock([5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])).toThrow(
      "a thread with 5 calls among 16 threads can't be explored: give each 3 calls at most",
    );
  });
});

describe('exploring a program', () => {
  it.each([atomic, racy, spscRing, dropOldestRing])('tries every history that any schedule has: $name', (object) => {
    let programs = 0;
    fc.assert(
      fc.property(parallelProgram(object, { calls: 2, first: 2 }), (program) => {
        const common = { shrink: false, judges: [] };
        // With a model that allows everything, no search ends early.
        const any = { ...object, model: { ...object.model, equals: () => true } };
        const reduced = exploreProgram(any, program, common);
        const all = exploreProgram(any, program, { ...common, strategy: 'exhaustive', executions: 2000 });
        expect(reduced.verdict).toBe('held');
        if (all.verdict !== 'held') return;
        programs += 1;
        expect(reduced.histories).toBe(all.histories);
        expect(reduced.executions).toBeLessThanOrEqual(all.executions);
      }),
      { numRuns: 15 },
    );
    expect(programs).toBeGreaterThan(3);
  });

  it('holds an atomic counter and not one that reads and writes', () => {
    expect(exploreProgram(atomic, two())).toMatchObject({ verdict: 'held', failure: undefined });
    const { failure } = exploreProgram(racy, two());
    expect(failure).toMatchObject({
      judge: 'linearizability',
      message: 'no order of the operations explains next() = 0 (thread 1)',
    });
  });

  it('has a token that replays to the same history', () => {
    const { failure } = exploreProgram(racy, two());
    const { history, checked, text } = replayProgram(racy, two(), failure!.token!);
    expect(checked.verdict).toBe('violated');
    expect(history.map(({ result }) => result)).toEqual([0, 0]);
    expect(text).toBe(failure!.text);
    expect(() => replayProgram(racy, two(), '0:999')).toThrow(/can't be followed/);
  });

  it('tells deadlocks, exceptions and endless loops, with the calls that had not returned', () => {
    const stuck = counter((cpu) => ({
      *next(): Steps<number> {
        yield* spinLock(cpu, 1);
        return yield* xadd(cpu, 0, 1);
      },
    }));
    const { failure } = exploreProgram(stuck, two());
    expect(failure).toMatchObject({
      judge: 'deadlock',
      message: expect.stringContaining('waits to take lock') as string,
    });
    expect(failure!.text).toContain('next() = 0');
    const throwing = counter((cpu) => ({
      *next(): Steps<number> {
        if ((yield* xadd(cpu, 0, 1)) === 1) throw new Error('one too many');
        return 0;
      },
    }));
    expect(exploreProgram(throwing, two()).failure).toMatchObject({
      judge: 'exception',
      message: 'CPU 1: one too many',
    });
    const looping = counter((cpu) => ({
      *next(): Steps<number> {
        while ((yield* readOnce(cpu, 0)) === 0);
        return 0;
      },
    }));
    expect(exploreProgram(looping, two(), { steps: 100 }).failure).toMatchObject({ judge: 'livelock' });
  });

  it('tells what is wrong before the threads begin', () => {
    const waits = counter((cpu) => ({
      *next(): Steps<number> {
        return yield* waitUntil(cpu, 0, (count) => count > 0);
      },
    }));
    expect(exploreProgram(waits, { first: [call('next')], threads: [[], []] })).toMatchObject({
      verdict: 'violated',
      failure: {
        judge: 'deadlock',
        token: undefined,
        message: expect.stringMatching(/^before the threads begin: /) as string,
      },
    });
  });

  it('takes a memory model: a slot whose stores are in no order is read too early under pso alone', () => {
    class UnorderedSlot {
      private readonly cpu: Processor;
      constructor(cpu: Processor) {
        this.cpu = cpu;
      }
      *put(value: number): Steps<void> {
        yield* writeOnce(this.cpu, 1, value);
        yield* writeOnce(this.cpu, 0, 1);
      }
      *take(): Steps<number> {
        return (yield* loadAcquire(this.cpu, 0)) === 0 ? 0 : yield* readOnce(this.cpu, 1);
      }
    }
    const slot: ConcurrentObject<number, number | undefined> = {
      name: 'slot',
      words: 2,
      // What lay in the slot before it was first filled.
      init: [0, 5],
      operations: [{ put: [fc.constant(7)] }, { take: [] }],
      model: {
        init: () => 0,
        next: (value, { method, args }) =>
          method === 'put' ? { state: args[0] as number, result: undefined } : { state: value, result: value },
      },
      stepped: (cpu) => new UnorderedSlot(cpu),
    };
    const program = { first: [], threads: [[call('put', 7)], [call('take')]] };
    const under = (memoryModel: 'sc' | 'tso' | 'pso', object = slot) =>
      exploreProgram(object, program, { memoryModel });
    expect(under('sc').verdict).toBe('held');
    expect(under('tso').verdict).toBe('held');
    const { failure } = under('pso');
    expect(failure?.judge).toBe('linearizability');
    expect(replayProgram(slot, program, failure!.token!, { memoryModel: 'pso' }).checked.verdict).toBe('violated');
    class OrderedSlot extends UnorderedSlot {
      override *put(value: number): Steps<void> {
        const { cpu } = this as unknown as { cpu: Processor };
        yield* writeOnce(cpu, 1, value);
        yield* storeRelease(cpu, 0, 1);
      }
    }
    expect(under('pso', { ...slot, stepped: (cpu) => new OrderedSlot(cpu) }).verdict).toBe('held');
  });

  it('says when its budget does not suffice', () => {
    const program = {
      first: [],
      threads: [
        [call('next'), call('next')],
        [call('next'), call('next')],
      ],
    };
    expect(exploreProgram(atomic, program, { executions: 3 })).toMatchObject({ verdict: 'not decided', executions: 3 });
  });
});

describe('mistakes', () => {
  const mistakes: [string, () => unknown, string | RegExp][] = [
    [
      'a method that is not there',
      () => exploreProgram(atomic, two('increment')),
      'counter has no method increment, which its operations name: give it, or leave it out there',
    ],
    [
      'a method that is not there, before the threads begin',
      () => exploreProgram(atomic, { first: [call('increment')], threads: [[], []] }),
      /^counter has no method increment/,
    ],
    [
      'a model that changes its state',
      () =>
        exploreProgram(
          {
            ...atomic,
            model: { init: () => [0], next: (state: number[]) => ({ state, result: state[0]!++ }) },
          },
          two(),
        ),
      /^the model's next\(\) has changed the state it was given/,
    ],
    [
      'no stepped form',
      () => exploreProgram({ ...atomic, stepped: undefined } as never, two()),
      /^counter has no stepped form/,
    ],
    ['no operations', () => parallelProgram({ ...atomic, operations: {} }), /^counter has no operations to try/],
    ['no threads', () => parallelProgram(atomic, { threads: 0 }), /^threads 0: give a whole number from 1 to 16/],
    [
      'more threads than roles',
      () => parallelProgram(spscRing, { threads: 3 }),
      /^SPSC ring has operations for 2 threads, but 3 threads are asked for/,
    ],
  ];
  it.each(mistakes)('are told in a sentence: %s', (_, act, message) => {
    expect(act).toThrow(message);
    try {
      act();
    } catch (error) {
      expect((error as Error).name).toBe('UsageError');
    }
  });

  it('are not taken for failures of the object by a check', async () => {
    await expect(checkLinearizable({ ...atomic, operations: { increment: [] } })).rejects.toThrow(
      /no method increment/,
    );
    await expect(checkLinearizable({ ...atomic, stepped: undefined } as never)).rejects.toThrow(
      'counter has neither a stepped form nor a class for threads: give stepped, module, or both',
    );
  });
});

describe('the property', () => {
  it('holds a correct counter under a lock, and counts what was explored', async () => {
    const locked = counter((cpu) => ({
      *next(): Steps<number> {
        yield* spinLock(cpu, 1);
        const count = yield* readOnce(cpu, 0);
        yield* writeOnce(cpu, 0, count + 1);
        yield* spinUnlock(cpu, 1);
        return count;
      },
    }));
    const report = await checkLinearizable(locked, { programs: 30, calls: 2 });
    expect(report).toMatchObject({ verdict: 'held', failure: undefined, raced: undefined });
    expect(report.explored).toMatchObject({ programs: 30, undecided: 0 });
    expect(report.text).toBe(
      `counter: held\n  explored  30 programs: ${report.explored!.executions.toLocaleString('en')} executions`,
    );
  });

  it('does not call held what it has not decided', async () => {
    const report = await checkLinearizable(atomic, { programs: 5, explore: { executions: 2 } });
    expect(report.verdict).toBe('not decided');
    expect(report.text).toMatch(/of them not decided/);
  });

  it('neg_ shrinks to two threads with one call each, whatever the seed', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const details = fc.check(linearizableProperty(racy, { threads: 3 }), { seed });
        expect(details.errorInstance).toBeInstanceOf(NotLinearizableError);
        const { first, threads } = details.counterexample![0];
        expect(first).toEqual([]);
        expect(threads.map((calls) => calls.length).sort()).toEqual([0, 1, 1]);
      }),
      { numRuns: 5 },
    );
  });
});
