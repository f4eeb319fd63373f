// Programs on real threads: what is run, what is seen, and that nothing that a class does can hang a test.
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { checkLinearizable, closeRounds, linearizableOnThreads, raceProgram } from '../../src/testing/index.ts';
import type { Call, ConcurrentObject, ParallelProgram } from '../../src/testing/index.ts';
import { runRounds } from '../../src/stress/rounds.ts';

afterAll(() => closeRounds());

const call = (method: string, ...args: unknown[]): Call => ({ method, args });

/** A class of that body in a module of its own. */
function moduleOf(body: string): string {
  const source = `export default class Counter {
    constructor(memory, thread) { this.words = new Int32Array(memory); this.thread = thread; }
    ${body}
  }`;
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

/** A counter in word 0, which `body` has the methods of. */
function counter(body: string): ConcurrentObject<number, number> {
  return {
    name: 'counter',
    words: 2,
    operations: { next: [] },
    model: { init: () => 0, next: (count) => ({ state: count + 1, result: count }) },
    module: { url: moduleOf(body) },
  };
}
const atomic = counter('next() { return Atomics.add(this.words, 0, 1); }');
const racy = counter(`next() {
  const count = Atomics.load(this.words, 0);
  Atomics.store(this.words, 0, count + 1);
  return count;
}`);
const calls = (each: number, threads = 2): ParallelProgram => ({
  first: [],
  threads: Array.from({ length: threads }, () => Array<Call>(each).fill(call('next'))),
});

describe('rounds', () => {
  it('each begin with a fresh memory, set up by one thread, and are timed by one clock', async () => {
    const echo = moduleOf('get(word) { return [this.thread, word, Atomics.add(this.words, word, 1)]; }');
    const threads = [[call('get', 0), call('get', 1)], [call('get', 1)], []];
    const { rounds, failure } = await runRounds({
      target: { url: echo, export: 'default', words: 2, init: [10, 20] },
      first: [call('get', 0)],
      threads,
      rounds: 50,
      seed: 1,
      stuckMs: 5000,
    });
    expect(failure).toBeUndefined();
    expect(rounds).toHaveLength(50);
    for (const { first, threads: seen } of rounds) {
      expect(first).toEqual([[0, 0, 10]]);
      expect(seen.map((own) => own.length)).toEqual([2, 1, 0]);
      const [[a, b], [c]] = seen as [[(typeof seen)[0][0], (typeof seen)[0][0]], [(typeof seen)[0][0]]];
      expect(a.result).toEqual([0, 0, 11]);
      expect([b.result, c.result].map((result) => (result as number[])[2]).sort()).toEqual([20, 21]);
      const stamps = [a, b, c].flatMap(({ invoked, returned }) => [invoked, returned]);
      expect(stamps.toSorted((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5]);
      for (const { invoked, returned } of [a, b, c]) expect(invoked).toBeLessThan(returned);
      expect(a.returned).toBeLessThan(b.invoked);
    }
  });

  it('hold an atomic counter, with more threads than cores as well', async () => {
    expect(await raceProgram(atomic, calls(3), { rounds: 200 })).toMatchObject({
      verdict: 'held',
      rounds: 200,
      violations: 0,
    });
    expect(await raceProgram(atomic, calls(2, 5), { rounds: 50 })).toMatchObject({ verdict: 'held', rounds: 50 });
  });

  it('neg_ see that a counter loses counts', async () => {
    let violations = 0;
    for (let seed = 1; violations === 0 && seed <= 20; seed++) {
      ({ violations } = await raceProgram(racy, calls(3), { rounds: 500, seed }));
    }
    expect(violations).toBeGreaterThan(0);
  });
});

describe('a class that', () => {
  it('does not return is stuck, and the next one runs on other threads', async () => {
    const stuck = counter(`next() {
      const count = Atomics.add(this.words, 0, 1);
      while (count === 3);
      return count;
    }`);
    const { verdict, failure, rounds } = await raceProgram(stuck, calls(2), { rounds: 100, stuckSeconds: 0.5 });
    expect({ verdict, rounds }).toEqual({ verdict: 'violated', rounds: 0 });
    expect(failure?.judge).toBe('stuck');
    expect(failure?.message).toMatch(/^stuck for 0.5 seconds: thread [01] in next, round 1$/);
    expect(await raceProgram(atomic, calls(2), { rounds: 10 })).toMatchObject({ verdict: 'held', rounds: 10 });
  });

  it('is stuck fails a property at once, without shrinking', async () => {
    const stuck = counter('next() { for (;;); }');
    let programs = 0;
    const race = { rounds: 10, stuckSeconds: 0.5 };
    const property = linearizableOnThreads(stuck, {
      race,
      onProgram: ({ verdict }) => (programs += Number(verdict !== 'held')),
    });
    const details = await fc.check(property);
    expect(details).toMatchObject({ failed: true, numShrinks: 0 });
    expect(programs).toBe(1);
    expect((details.errorInstance as Error).message).toMatch(/^stuck for 0.5 seconds: thread [01] in next/);
  });

  it('waits for what never comes is stuck', async () => {
    const waiting = counter('next() { Atomics.wait(this.words, 1, 0); return 0; }');
    const { failure } = await raceProgram(waiting, calls(1), { rounds: 1, stuckSeconds: 0.5 });
    expect(failure?.message).toBe('stuck for 0.5 seconds: thread 0 in next, round 1; thread 1 in next, round 1');
  });

  it('throws fails with what it threw', async () => {
    const throwing = counter(`next() {
      const count = Atomics.add(this.words, 0, 1);
      if (count === 1) throw new RangeError('one too many');
      return count;
    }`);
    const { failure } = await raceProgram(throwing, calls(1), { rounds: 10 });
    expect(failure?.judge).toBe('threw');
    expect(failure?.message).toMatch(/^thread [01] threw in next, round 1: one too many$/);
    const first = await raceProgram(
      throwing,
      { first: [call('next'), call('next')], threads: [[], []] },
      { rounds: 10 },
    );
    expect(first.failure?.message).toBe('thread 0 threw in next, round 1: one too many');
    const made = counter(
      'static { this.prototype.next = () => 0; } #word = (() => { throw new Error("not made"); })();',
    );
    expect((await raceProgram(made, calls(1), { rounds: 1 })).failure?.message).toMatch(
      /^thread [01] threw in its constructor, round 1: not made$/,
    );
  });

  it('ends its thread fails', async () => {
    const ending = counter('next() { process.exit(3); }');
    const { failure } = await raceProgram(ending, calls(1), { rounds: 1 });
    expect(failure?.judge).toBe('died');
    expect(failure?.message).toMatch(/^thread [01] died: /);
    expect(await raceProgram(atomic, calls(2), { rounds: 10 })).toMatchObject({ verdict: 'held', rounds: 10 });
  });
});

describe('a mistake is told in a sentence', () => {
  const mistakes: [string, ConcurrentObject, RegExp][] = [
    [
      'no class',
      { ...atomic, module: { url: 'data:text/javascript,export const Ring = 1' } },
      /exports no class 'default': it exports Ring$/,
    ],
    [
      'no module',
      { ...atomic, module: { url: new URL('./nowhere.js', import.meta.url) } },
      /nowhere\.js can't be loaded: Cannot find module/,
    ],
    [
      'a result that stays',
      counter('next() { return () => 0; }'),
      /^a result of the class Counter can't be sent to another thread \(.* could not be cloned\.\): return numbers/,
    ],
    ['no method', counter('previous() {}'), /^the class Counter has no method next, which its operations name/],
  ];
  it.each(mistakes)('%s', async (_, object, message) => {
    await expect(raceProgram(object, calls(1))).rejects.toThrow(message);
    await expect(checkLinearizable(object)).rejects.toThrow(message);
  });

  it('in the options', async () => {
    await expect(raceProgram(atomic, calls(1), { rounds: 0 })).rejects.toThrow(
      'rounds 0: give a number from 1 to 1,000,000',
    );
    await expect(raceProgram(atomic, calls(1), { stuckSeconds: -1 })).rejects.toThrow('stuckSeconds -1: give a number');
    await expect(raceProgram({ ...atomic, module: undefined } as never, calls(1))).rejects.toThrow(
      /^counter has no class for real threads: give module/,
    );
    expect(() => linearizableOnThreads({ ...atomic, operations: {} })).toThrow(/^counter has no operations to try/);
  });
});
