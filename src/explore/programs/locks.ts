// Small programs with locks whose bugs are well known, most of them from the SCTBench collection (Thomson, Donaldson
// and Betts, "Concurrency testing using controlled schedulers", 2016), in our own words.
import { addReturn, readOnce, spinLock, spinUnlock, writeOnce } from '../accesses.ts';
import type { Program, Thread } from '../program.ts';
import { atomically, each } from './atomically.ts';

/** A deposit, a withdrawal and a checker under one lock; the checker expects a balance that never is. */
export function account(): Program {
  const lock = 3;
  const move = (amount: number, mark: number): Thread =>
    function* (cpu) {
      yield* spinLock(cpu, lock);
      yield* atomically(cpu, 0, 3, (words) => {
        words[0]! += amount;
        words[mark] = 1;
      });
      yield* spinUnlock(cpu, lock);
    };
  return {
    words: 4,
    init: [1],
    names: { words: ['balance', 'deposited', 'withdrawn', 'lock'], threads: ['checker', 'deposit', 'withdrawal'] },
    threads: [
      function* (cpu) {
        yield* spinLock(cpu, lock);
        const [balance, ...marks] = yield* atomically(cpu, 0, 3, (words) => [...words]);
        if (marks.every((mark) => mark === 1) && balance !== -5) {
          throw new Error(`the balance is ${String(balance)} after both transfers instead of -5`);
        }
        yield* spinUnlock(cpu, lock);
      },
      move(2, 1),
      move(-4, 2),
    ],
  };
}

/** Two additions and a check under one lock, of which the check must not come last. */
export function lazy01(): Program {
  const [data, lock] = [0, 1];
  const add = (amount: number): Thread =>
    function* (cpu) {
      yield* spinLock(cpu, lock);
      yield* addReturn(cpu, data, amount);
      yield* spinUnlock(cpu, lock);
    };
  return {
    words: 2,
    names: { words: ['data', 'lock'], threads: ['one', 'two', 'check'] },
    threads: [
      add(1),
      add(2),
      function* (cpu) {
        yield* spinLock(cpu, lock);
        const seen = yield* readOnce(cpu, data);
        if (seen >= 3) throw new Error(`data is ${String(seen)}: both additions came before the check`);
        yield* spinUnlock(cpu, lock);
      },
    ],
  };
}

/** Two threads take two locks in opposite orders. */
export function deadlock01(): Program {
  const counter = 2;
  const both = (first: number, second: number): Thread =>
    function* (cpu) {
      yield* spinLock(cpu, first);
      yield* spinLock(cpu, second);
      yield* addReturn(cpu, counter, 1);
      yield* spinUnlock(cpu, second);
      yield* spinUnlock(cpu, first);
    };
  return { words: 3, names: { words: ['a', 'b', 'counter'] }, threads: [both(0, 1), both(1, 0)] };
}

/** A pair is updated in two critical sections, and read in two. */
export function twostage(): Program {
  const [first, second, lock1, lock2] = [0, 1, 2, 3];
  return {
    words: 4,
    names: { words: ['first', 'second', 'lock1', 'lock2'], threads: ['writer', 'reader'] },
    threads: [
      function* (cpu) {
        yield* spinLock(cpu, lock1);
        yield* writeOnce(cpu, first, 1);
        yield* spinUnlock(cpu, lock1);
        yield* spinLock(cpu, lock2);
        yield* writeOnce(cpu, second, 2);
        yield* spinUnlock(cpu, lock2);
      },
      function* (cpu) {
        yield* spinLock(cpu, lock1);
        const one = yield* readOnce(cpu, first);
        yield* spinUnlock(cpu, lock1);
        if (one === 0) return;
        yield* spinLock(cpu, lock2);
        const two = yield* readOnce(cpu, second);
        yield* spinUnlock(cpu, lock2);
        if (two !== one + 1) throw new Error(`second is ${String(two)} where first is ${String(one)}`);
      },
    ],
  };
}

/** One thread updates x under one lock and checks that it kept still, k others update it under another lock. */
export function wronglock(k: number): Program {
  const [x, lock, other] = [0, 1, 2];
  return {
    words: 3,
    names: { words: ['x', 'lock', 'wrongLock'], threads: ['checker', ...each(k, (i) => `other${String(i)}`)] },
    threads: [
      function* (cpu) {
        yield* spinLock(cpu, lock);
        const before = yield* readOnce(cpu, x);
        const seen = yield* readOnce(cpu, x);
        yield* writeOnce(cpu, x, seen + 1);
        const after = yield* readOnce(cpu, x);
        if (after !== before + 1) throw new Error(`x went from ${String(before)} to ${String(after)} under the lock`);
        yield* spinUnlock(cpu, lock);
      },
      ...each(
        k,
        (): Thread =>
          function* (cpu) {
            yield* spinLock(cpu, other);
            const seen = yield* readOnce(cpu, x);
            yield* writeOnce(cpu, x, seen + 1);
            yield* spinUnlock(cpu, other);
          },
      ),
    ],
  };
}

/** The first user of a resource locks it and the last unlocks it, for two resources with one lock between: a deadlock. */
export function carter01(): Program {
  const [users, m, l] = [0, 2, 3];
  const user = (i: number): Thread =>
    function* (cpu) {
      yield* spinLock(cpu, m);
      if ((yield* addReturn(cpu, users + i, 1)) === 1) yield* spinLock(cpu, l);
      yield* spinUnlock(cpu, m);
      yield* spinLock(cpu, m);
      if ((yield* addReturn(cpu, users + i, -1)) === 0) yield* spinUnlock(cpu, l);
      yield* spinUnlock(cpu, m);
    };
  return { words: 4, names: { words: ['usersA', 'usersB', 'm', 'l'] }, threads: [user(0), user(1)] };
}
