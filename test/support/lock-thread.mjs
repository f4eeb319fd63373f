// One thread that, for each task it is sent, takes a lock of a machine again and again and counts, without any atomics,
// in what the lock protects.
import { parentPort } from 'node:worker_threads';

const { Cpu } = await import(new URL('../../dist/src/kernel-direct/cpu.js', import.meta.url).href);
const { spin_lock, spin_unlock, spin_trylock } = await import(
  new URL('../../dist/src/kernel-direct/locking/spinlock.js', import.meta.url).href
);

parentPort.on('message', (task) => {
  const { memory, id, cpus, lock, lockClass, counters, rounds, how } = task;
  const cpu = new Cpu(memory, id);
  const { words } = cpu;
  const arrived = counters + 3;
  let refused = 0;
  try {
    // Nobody begins before all are there.
    Atomics.add(words, arrived, 1);
    Atomics.notify(words, arrived);
    for (let n = Atomics.load(words, arrived); n < cpus; n = Atomics.load(words, arrived))
      Atomics.wait(words, arrived, n);
    for (let round = 0; round < rounds; round++) {
      if (how === 'try') {
        while (!spin_trylock(cpu, lock, lockClass)) refused += 1;
      } else if (how === 'lock') spin_lock(cpu, lock, lockClass);
      // Two words that only stay equal, and only sum up, if nobody else is in here.
      const before = words[counters];
      words[counters] = before + 1;
      if (words[counters + 1] !== before) words[counters + 2] += 1;
      words[counters + 1] = before + 1;
      if (how !== 'none') spin_unlock(cpu, lock);
    }
    parentPort.postMessage({ refused });
  } catch (error) {
    parentPort.postMessage({ error: String(error) });
  }
});
