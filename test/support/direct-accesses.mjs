// The accesses of pagerace/explore as real threads do them: what an erased class imports in their place.
export {
  READ_ONCE as readOnce,
  WRITE_ONCE as writeOnce,
  read as readPlain,
  write as writePlain,
  smp_load_acquire as loadAcquire,
  smp_store_release as storeRelease,
  atomic_fetch_add as xadd,
} from '../../dist/src/kernel-direct/memory.js';

/** Looks before a waiting thread gives its core away. */
const SPINS = 1000;
const NAP_MS = 0.05;

export function waitUntil(cpu, word, predicate) {
  for (let spins = 0; ; spins++) {
    const value = Atomics.load(cpu.words, word);
    if (predicate(value)) return value;
    if (spins >= SPINS) Atomics.wait(cpu.words, word, value, NAP_MS);
  }
}
