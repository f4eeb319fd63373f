// Threads that change one word, in every way that keeps or loses an update.
import {
  addReturn,
  atomicAdd,
  cmpxchg,
  readOnce,
  spinLock,
  spinUnlock,
  waitUntil,
  writeOnce,
  xadd,
} from '../accesses.ts';
import type { EndState, Program, Thread } from '../program.ts';
import { each } from './atomically.ts';

/** Rejects an end state in which x is not `expected`. */
function finallyX(expected: number): (end: EndState) => void {
  return ({ memory }) => {
    const [x = 0] = memory;
    if (x !== expected) throw new Error(`x ends as ${String(x)} instead of ${String(expected)}: an update was lost`);
  };
}

const x = 0;

/** Each of n threads reads x and writes it back with a bit of its own set. (n!)^2 traces, and most lose an update. */
export function lostUpdate(n: number): Program {
  return {
    words: 1,
    names: { words: ['x'] },
    threads: each(
      n,
      (i) =>
        function* (cpu) {
          const seen = yield* readOnce(cpu, x);
          yield* writeOnce(cpu, x, seen + 2 ** i);
        },
    ),
    check: finallyX(2 ** n - 1),
  };
}

/** Two threads, two unprotected increments each. */
export function lostUpdateTwice(): Program {
  return {
    words: 1,
    names: { words: ['x'] },
    threads: each(
      2,
      (i) =>
        function* (cpu) {
          for (let turn = 0; turn < 2; turn++) {
            const seen = yield* readOnce(cpu, x);
            yield* writeOnce(cpu, x, seen + 2 ** (2 * i + turn));
          }
        },
    ),
    check: finallyX(15),
  };
}

/** n increments by an atomic addition that returns the old value, so that their order can be seen. n! traces. */
export function xaddIncrement(n: number): Program {
  return {
    words: 1,
    names: { words: ['x'] },
    threads: each(
      n,
      () =>
        function* (cpu) {
          return yield* xadd(cpu, x, 1);
        },
    ),
    check: finallyX(n),
  };
}

/** n increments by an atomic addition that returns nothing: no order of them can be told from another. 1 trace. */
export function addIncrement(n: number): Program {
  return {
    words: 1,
    names: { words: ['x'] },
    threads: each(
      n,
      () =>
        function* (cpu) {
          yield* atomicAdd(cpu, x, 1);
        },
    ),
    check: finallyX(n),
  };
}

/** n increments under one lock. n! traces. */
export function mutexIncrement(n: number): Program {
  const lock = 1;
  return {
    words: 2,
    names: { words: ['x', 'lock'] },
    threads: each(
      n,
      () =>
        function* (cpu) {
          yield* spinLock(cpu, lock);
          const seen = yield* readOnce(cpu, x);
          yield* writeOnce(cpu, x, seen + 1);
          yield* spinUnlock(cpu, lock);
        },
    ),
    check: finallyX(n),
  };
}

/**
 * n increments under a lock written out: compare and exchange, and where that fails wait until the lock is free. The
 * failed attempts are seen as reads, so that there are more traces than the n! of mutexIncrement.
 */
export function casSpinlock(n: number): Program {
  const lock = 1;
  return {
    words: 2,
    names: { words: ['x', 'lock'] },
    threads: each(
      n,
      () =>
        function* (cpu) {
          while ((yield* cmpxchg(cpu, lock, 0, 1)) !== 0) yield* waitUntil(cpu, lock, (value) => value === 0);
          const seen = yield* readOnce(cpu, x);
          yield* writeOnce(cpu, x, seen + 1);
          yield* spinUnlock(cpu, lock);
        },
    ),
    check: finallyX(n),
  };
}

function additions(n: number, names: readonly string[]): Program {
  return {
    words: names.length,
    names: { words: names },
    threads: each(
      n,
      () =>
        function* (cpu) {
          for (let word = 0; word < names.length; word++) yield* addReturn(cpu, word, 1);
        },
    ),
    check({ memory }) {
      const wrong = memory.findIndex((value) => value !== n);
      if (wrong !== -1) throw new Error(`${names[wrong]!} ends as ${String(memory[wrong])} instead of ${String(n)}`);
    },
  };
}

/** n threads add to x and then to y. (n!)^2 traces. */
export function binc(n: number): Program {
  return additions(n, ['x', 'y']);
}

/** n threads add to x, to y and to z. (n!)^3 traces. */
export function cinc(n: number): Program {
  return additions(n, ['x', 'y', 'z']);
}

/** n threads write x, each another value. n! traces. */
export function writers(n: number): Program {
  return {
    words: 1,
    names: { words: ['x'] },
    threads: each(
      n,
      (i) =>
        function* (cpu) {
          yield* writeOnce(cpu, x, i + 1);
        },
    ),
  };
}

/** One thread writes x, n add to it. (n + 1)! traces. */
export function wainc(n: number): Program {
  return {
    words: 1,
    names: { words: ['x'], threads: ['writer', ...each(n, (i) => `adder${String(i)}`)] },
    threads: [
      function* (cpu) {
        yield* writeOnce(cpu, x, 42);
      },
      ...each(
        n,
        (): Thread =>
          function* (cpu) {
            yield* xadd(cpu, x, 1);
          },
      ),
    ],
  };
}

/** n threads read x and then write it, whatever they read. (n!)^2 traces. */
export function rw(n: number): Program {
  return {
    words: 1,
    names: { words: ['x'] },
    threads: each(
      n,
      (i) =>
        function* (cpu) {
          const seen = yield* readOnce(cpu, x);
          yield* writeOnce(cpu, x, i + 1);
          return seen;
        },
    ),
  };
}
