// Two threads take two locks in opposite orders, but only one of them in each execution: the circle is in no execution
// alone. The others make so many executions that those of the one order and those of the other are in different jobs.
import { cmpxchg, readOnce, spinLock, spinUnlock, writeOnce } from '../../../dist/src/explore/index.js';

const A = 0;
const B = 1;
const TURN = 2;
const FIRST = 3;
const READERS = 9;

const nestsIfFirst = (first, second) =>
  function* (cpu) {
    if ((yield* cmpxchg(cpu, TURN, 0, 1)) !== 0) return;
    yield* spinLock(cpu, first);
    yield* spinLock(cpu, second);
    yield* spinUnlock(cpu, second);
    yield* spinUnlock(cpu, first);
  };

const writer = function* (cpu) {
  for (let i = 0; i < READERS; i++) yield* writeOnce(cpu, FIRST + i, 1);
};

const readers = Array.from(
  { length: READERS },
  (_, i) =>
    function* (cpu) {
      return yield* readOnce(cpu, FIRST + i);
    },
);

export default { words: FIRST + READERS, threads: [nestsIfFirst(A, B), nestsIfFirst(B, A), writer, ...readers] };
