// Executions that fail, executions that only race, and executions that do neither, hundreds of each.
import { readOnce, readPlain, writeOnce, writePlain, xadd } from '../../../dist/src/explore/index.js';

const COUNT = 0;
const FLAG = 1;
const DATA = 2;

const increment = function* (cpu) {
  const seen = yield* readOnce(cpu, COUNT);
  yield* writeOnce(cpu, COUNT, seen + 1);
  yield* xadd(cpu, FLAG, 1);
};

const looker = function* (cpu) {
  // Only where the others are at a certain point does it touch the data without a mark.
  if ((yield* readOnce(cpu, FLAG)) === 1) yield* writePlain(cpu, DATA, 1);
  return yield* readPlain(cpu, DATA);
};

const stores = function* (cpu) {
  if ((yield* readOnce(cpu, FLAG)) === 2) yield* writePlain(cpu, DATA, 2);
};

export default {
  words: 3,
  threads: [increment, increment, increment, looker, stores],
  check({ memory }) {
    if (memory[COUNT] === 1) throw new Error('two updates were lost');
  },
};
