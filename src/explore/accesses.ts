// The kernel's marked accesses under TypeScript names, and locks and waits as single steps, for programs of one's own.
//
// Each is a stepped function: `yield*` it. A failed attempt to take a lock is no step at all: the CPU is disabled
// until the lock is free.
import type { Processor, Steps, Word } from '../kernel/memory.ts';
import { control_add, control_cmpxchg, control_read, control_write } from '../kernel/memory.ts';

export {
  READ_ONCE as readOnce,
  WRITE_ONCE as writeOnce,
  read as readPlain,
  write as writePlain,
  smp_load_acquire as loadAcquire,
  smp_store_release as storeRelease,
  cmpxchg,
  xchg,
  atomic_fetch_add as xadd,
  atomic_fetch_or as fetchOr,
  atomic_fetch_and as fetchAnd,
  atomic_add as atomicAdd,
  smp_mb as smpMb,
  smp_wmb as smpWmb,
  READ_ONCE_64 as readOnce64,
  WRITE_ONCE_64 as writeOnce64,
  try_cmpxchg_64 as tryCmpxchg64,
} from '../kernel/memory.ts';

const isZero = (value: number): boolean => value === 0;

/** Takes the lock in `word` (0: free, else the holder's number plus one). The CPU is disabled while it is held. */
export function* spinLock(cpu: Processor, word: Word): Steps<void> {
  if (cpu.about_wait('lock', word, isZero)) yield cpu.step;
  control_write(cpu, word, cpu.id + 1);
}

/** Takes the lock in `word` if it is free; says whether it did. */
export function* spinTryLock(cpu: Processor, word: Word): Steps<boolean> {
  if (cpu.about('trylock', word)) yield cpu.step;
  return control_cmpxchg(cpu, word, 0, cpu.id + 1) === 0;
}

/** Releases the lock in `word`. */
export function* spinUnlock(cpu: Processor, word: Word): Steps<void> {
  if (cpu.about('unlock', word)) yield cpu.step;
  control_write(cpu, word, 0);
}

/** Waits until `predicate` holds for the value of `word`, and returns that value. The CPU is disabled meanwhile. */
export function* waitUntil(cpu: Processor, word: Word, predicate: (value: number) => boolean): Steps<number> {
  if (cpu.about_wait('wait', word, predicate)) yield cpu.step;
  return control_read(cpu, word);
}

/** Adds and returns the new value (the kernel's atomic_add_return). */
export function* addReturn(cpu: Processor, word: Word, delta: number): Steps<number> {
  if (cpu.about('rmw', word)) yield cpu.step;
  return control_add(cpu, word, delta) + delta;
}
