// A race of plain accesses in every execution, of which there are 16,384.
import { readOnce, readPlain, writeOnce, writePlain } from '../../../dist/src/explore/index.js';

const READERS = 13;

const writer = function* (cpu) {
  yield* writePlain(cpu, 0, 1);
  for (let i = 1; i <= READERS; i++) yield* writeOnce(cpu, i, 1);
};

const readers = Array.from(
  { length: READERS },
  (_, i) =>
    function* (cpu) {
      return i === 0 ? yield* readPlain(cpu, 0) : yield* readOnce(cpu, i);
    },
);

const last = function* (cpu) {
  return yield* readOnce(cpu, READERS);
};

export default { words: READERS + 1, threads: [writer, ...readers, last] };
