// A producer and a consumer under one lock who count on taking turns, which nothing makes them do (SCTBench's
// circular_buffer and stack, in our own words).
import { atomicAdd, spinLock, spinUnlock } from '../accesses.ts';
import type { Program, Thread } from '../program.ts';
import { atomically } from './atomically.ts';

/** A thread of n turns under the lock, each turn one step on the words before the lock. */
function turns(n: number, lock: number, turn: (words: Int32Array, i: number) => void): Thread {
  return function* (cpu) {
    for (let i = 0; i < n; i++) {
      yield* spinLock(cpu, lock);
      yield* atomically(cpu, 0, lock, (words) => {
        turn(words, i);
      });
      yield* spinUnlock(cpu, lock);
    }
  };
}

/** n turns each: the producer leaves the number of its turn if there is room for it, the consumer expects its own. */
export function circularBuffer(n: number): Program {
  const [item, full, lock] = [0, 1, 2];
  return {
    words: 3,
    names: { words: ['item', 'full', 'lock'], threads: ['producer', 'consumer'] },
    threads: [
      turns(n, lock, (words, i) => {
        if (words[full] !== 0) return;
        words[item] = i;
        words[full] = 1;
      }),
      turns(n, lock, (words, i) => {
        if (words[full] === 0) return;
        if (words[item] !== i) throw new Error(`turn ${String(i)} of the consumer finds item ${String(words[item])}`);
        words[full] = 0;
      }),
    ],
  };
}

/** n pushes and n pops; a pop is tried once anything has ever been pushed, and then must find something. */
export function stack(n: number): Program {
  const [pushed, popped, lock] = [0, 1, 2];
  return {
    words: 3,
    names: { words: ['pushed', 'popped', 'lock'], threads: ['producer', 'consumer'] },
    threads: [
      function* (cpu) {
        for (let i = 0; i < n; i++) {
          yield* spinLock(cpu, lock);
          yield* atomicAdd(cpu, pushed, 1);
          yield* spinUnlock(cpu, lock);
        }
      },
      turns(n, lock, (words, i) => {
        if (words[pushed] === 0) return;
        if (words[popped] === words[pushed]) throw new Error(`turn ${String(i)} of the consumer pops an empty stack`);
        words[popped]! += 1;
      }),
    ],
  };
}
