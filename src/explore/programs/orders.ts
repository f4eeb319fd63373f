// Small programs that are wrong in one order of their threads' steps, with no lock in sight.
import { addReturn, readOnce, writeOnce } from '../accesses.ts';
import type { Program, Thread } from '../program.ts';
import { atomically, each } from './atomically.ts';

/** Store buffering: each thread writes its own word and reads the other's. Both read 0 only where stores wait. */
export function storeBuffering(): Program {
  const side = (own: number, other: number): Thread =>
    function* (cpu) {
      yield* writeOnce(cpu, own, 1);
      return yield* readOnce(cpu, other);
    };
  return {
    words: 2,
    names: { words: ['x', 'y'] },
    threads: [side(0, 1), side(1, 0)],
    check({ returns }) {
      if (returns.every((seen) => seen === 0)) throw new Error("neither thread saw the other's store");
    },
  };
}

/** n - 1 threads set a and then b; a checker must find both set or neither. */
export function reorder(n: number): Program {
  const [a, b] = [0, 1];
  return {
    words: 2,
    names: { words: ['a', 'b'], threads: [...each(n - 1, (i) => `setter${String(i)}`), 'checker'] },
    threads: [
      ...each(
        n - 1,
        (): Thread =>
          function* (cpu) {
            yield* writeOnce(cpu, a, 1);
            yield* writeOnce(cpu, b, -1);
          },
      ),
      function* (cpu) {
        if ((yield* readOnce(cpu, a)) === 0 && (yield* readOnce(cpu, b)) === 0) return;
        if ((yield* readOnce(cpu, a)) === 1 && (yield* readOnce(cpu, b)) === -1) return;
        throw new Error('the checker found neither a = 0, b = 0 nor a = 1, b = -1');
      },
    ],
  };
}

/** A driver is stopped while a request comes in (after Qadeer and Wu): the request may run in a stopped driver. */
export function bluetooth(): Program {
  const [pending, stopFlag, stopEvent, stopped] = [0, 1, 2, 3];
  const release: Thread = function* (cpu) {
    if ((yield* addReturn(cpu, pending, -1)) === 0) yield* writeOnce(cpu, stopEvent, 1);
  };
  return {
    words: 4,
    init: [1],
    names: { words: ['pending', 'stopFlag', 'stopEvent', 'stopped'], threads: ['stop', 'add'] },
    threads: [
      function* (cpu) {
        yield* writeOnce(cpu, stopFlag, 1);
        yield* release(cpu);
        if ((yield* readOnce(cpu, stopEvent)) !== 0) yield* writeOnce(cpu, stopped, 1);
      },
      function* (cpu) {
        if ((yield* readOnce(cpu, stopFlag)) === 0) {
          yield* addReturn(cpu, pending, 1);
          if ((yield* readOnce(cpu, stopped)) !== 0) throw new Error('a request runs in a stopped driver');
        }
        yield* release(cpu);
      },
    ],
  };
}

/** Three cells copy from each other, each in one step; only one order of all makes them equal. */
export function tokenRing(): Program {
  const ran = 3;
  const copy = (to: number, from: number, plus: number): Thread =>
    function* (cpu) {
      yield* atomically(cpu, 0, 6, (words) => {
        words[to] = (words[from]! + plus) % 4;
        words[ran + to] = 1;
      });
    };
  return {
    words: 6,
    init: [1, 2, 1],
    names: { words: ['x1', 'x2', 'x3', 'ran1', 'ran2', 'ran3'], threads: ['one', 'two', 'three', 'check'] },
    threads: [
      copy(0, 2, 1),
      copy(1, 0, 0),
      copy(2, 1, 0),
      function* (cpu) {
        const [x1, x2, x3, ...all] = yield* atomically(cpu, 0, 6, (words) => [...words]);
        if (all.every((flag) => flag === 1) && !(x1 === x2 && x2 === x3)) {
          throw new Error(`the ring holds ${[x1, x2, x3].join(', ')} once all have copied`);
        }
      },
    ],
  };
}

/** n philosophers count themselves without a lock and fail where all are counted: as good as every order fails. */
export function dinPhil(n: number): Program {
  const phil = 0;
  return {
    words: 1,
    names: { words: ['phil'] },
    threads: each(
      n,
      () =>
        function* (cpu) {
          const seen = yield* readOnce(cpu, phil);
          yield* writeOnce(cpu, phil, seen + 1);
          if ((yield* readOnce(cpu, phil)) === n) throw new Error(`all ${String(n)} philosophers sit at the table`);
        },
    ),
  };
}
