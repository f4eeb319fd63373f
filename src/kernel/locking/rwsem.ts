// Reader-writer semaphores: mmap_lock, the per-VMA locks, anon_vma->rwsem.
//
// The word is Linux's: bit 0 a writer, bit 1 writers wait (new readers queue behind them), readers counted above bit 8.
import type { Cpu } from '../cpu.ts';
import { count_lock } from '../cpu.ts';
import { lock_stat, rwsem } from '../layout.ts';
import {
  READ_ONCE,
  STEPPED,
  atomic_fetch_add,
  atomic_fetch_and,
  atomic_fetch_or,
  cmpxchg,
  control_add,
  control_read,
  control_write,
  local_write,
  write,
} from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { begin_hold, begin_wait, end_hold, end_wait } from '../meter.ts';
import { handle_interrupts, interrupt_word, smp_cond_load, wake_waiters } from '../smp.ts';
import { LCB_F_READ, LCB_F_WRITE, trace_contention_begin, trace_contention_end } from '../trace.ts';

export const RWSEM_WRITER_LOCKED = 1;
export const RWSEM_FLAG_WAITERS = 2;
export const RWSEM_READER_BIAS = 0x100;
const RWSEM_READ_FAILED_MASK = RWSEM_WRITER_LOCKED | RWSEM_FLAG_WAITERS;

// Under the explorer a semaphore is taken in one step, for which the CPU is disabled while it can't be: nobody waits in
// memory, so the waiters bit is never set.

function readable(count: number): boolean {
  return (count & RWSEM_READ_FAILED_MASK) === 0;
}

function writable(count: number): boolean {
  return count === 0;
}

/** The step that may take a semaphore: the CPU is disabled while it can't be taken, but for interrupts. */
function* wait_for_semaphore(
  cpu: Cpu,
  kind: 'read-lock' | 'write-lock',
  sem: Word,
  ready: (count: number) => boolean,
  lock_class: number,
): Steps<void> {
  for (;;) {
    if (cpu.about_lock(kind, sem, ready, lock_class, sem + rwsem.owner, interrupt_word(cpu))) yield cpu.step;
    if (ready(control_read(cpu, sem))) return;
    yield* handle_interrupts(cpu);
  }
}

/** init_rwsem. */
export function* init_rwsem(cpu: Cpu, sem: Word): Steps<void> {
  yield* write(cpu, sem + rwsem.count, 0);
  yield* write(cpu, sem + rwsem.owner, 0);
}

/** down_read. */
export function* down_read(cpu: Cpu, sem: Word, lock_class: number): Steps<void> {
  count_lock(cpu, lock_class, lock_stat.acquisitions, 1);
  if (STEPPED && cpu.explored) {
    yield* wait_for_semaphore(cpu, 'read-lock', sem, readable, lock_class);
    control_add(cpu, sem, RWSEM_READER_BIAS);
    return;
  }
  let contended = false;
  let since = 0;
  while (((yield* atomic_fetch_add(cpu, sem, RWSEM_READER_BIAS)) & RWSEM_READ_FAILED_MASK) !== 0) {
    if (!contended) {
      count_lock(cpu, lock_class, lock_stat.contentions, 1);
      since = begin_wait(cpu, lock_class, sem + rwsem.owner);
      if (cpu.tracing) trace_contention_begin(cpu, sem, LCB_F_READ);
    }
    contended = true;
    yield* atomic_fetch_add(cpu, sem, -RWSEM_READER_BIAS);
    wake_waiters(cpu, sem);
    yield* smp_cond_load(cpu, sem, (v) => (v & RWSEM_READ_FAILED_MASK) === 0, lock_class, sem + rwsem.owner);
  }
  end_wait(cpu, lock_class, since);
  if (cpu.tracing && contended) trace_contention_end(cpu, sem);
  if (!STEPPED && --cpu.hold_countdown === 0) begin_hold(cpu, sem, lock_class);
}

/** down_read_trylock: never waits. */
export function* down_read_trylock(cpu: Cpu, sem: Word, lock_class: number): Steps<boolean> {
  if (STEPPED && cpu.explored) {
    if (cpu.about_lock('read-trylock', sem, undefined, lock_class, sem + rwsem.owner)) yield cpu.step;
    if (!readable(control_read(cpu, sem))) return false;
    control_add(cpu, sem, RWSEM_READER_BIAS);
    count_lock(cpu, lock_class, lock_stat.acquisitions, 1);
    return true;
  }
  let count = yield* READ_ONCE(cpu, sem);
  while ((count & RWSEM_READ_FAILED_MASK) === 0) {
    const found = yield* cmpxchg(cpu, sem, count, count + RWSEM_READER_BIAS);
    if (found === count) {
      count_lock(cpu, lock_class, lock_stat.acquisitions, 1);
      if (!STEPPED && --cpu.hold_countdown === 0) begin_hold(cpu, sem, lock_class);
      return true;
    }
    count = found;
  }
  return false;
}

/** up_read. */
export function* up_read(cpu: Cpu, sem: Word): Steps<void> {
  if (!STEPPED && cpu.timed_lock === sem) end_hold(cpu);
  if (STEPPED && cpu.explored) {
    if (cpu.about_unlock('read-unlock', sem)) yield cpu.step;
    control_add(cpu, sem, -RWSEM_READER_BIAS);
    return;
  }
  const old = yield* atomic_fetch_add(cpu, sem, -RWSEM_READER_BIAS);
  if ((old & RWSEM_FLAG_WAITERS) !== 0) wake_waiters(cpu, sem);
}

/** down_write. */
export function* down_write(cpu: Cpu, sem: Word, lock_class: number): Steps<void> {
  count_lock(cpu, lock_class, lock_stat.acquisitions, 1);
  if (STEPPED && cpu.explored) {
    yield* wait_for_semaphore(cpu, 'write-lock', sem, writable, lock_class);
    control_write(cpu, sem, RWSEM_WRITER_LOCKED);
  } else if ((yield* cmpxchg(cpu, sem, 0, RWSEM_WRITER_LOCKED)) !== 0) {
    count_lock(cpu, lock_class, lock_stat.contentions, 1);
    const since = begin_wait(cpu, lock_class, sem + rwsem.owner);
    if (cpu.tracing) trace_contention_begin(cpu, sem, LCB_F_WRITE);
    for (;;) {
      yield* atomic_fetch_or(cpu, sem, RWSEM_FLAG_WAITERS);
      const free = yield* smp_cond_load(
        cpu,
        sem,
        (v) => (v & ~RWSEM_FLAG_WAITERS) === 0,
        lock_class,
        sem + rwsem.owner,
      );
      // Taking it clears the waiters bit; another waiting writer sets it again.
      if ((yield* cmpxchg(cpu, sem, free, RWSEM_WRITER_LOCKED)) === free) break;
    }
    end_wait(cpu, lock_class, since);
    if (cpu.tracing) trace_contention_end(cpu, sem);
  }
  local_write(cpu, sem + rwsem.owner, cpu.id + 1);
  if (!STEPPED && --cpu.hold_countdown === 0) begin_hold(cpu, sem, lock_class);
}

/** up_write. */
export function* up_write(cpu: Cpu, sem: Word): Steps<void> {
  if (!STEPPED && cpu.timed_lock === sem) end_hold(cpu);
  local_write(cpu, sem + rwsem.owner, 0);
  if (STEPPED && cpu.explored) {
    if (cpu.about_unlock('write-unlock', sem)) yield cpu.step;
    control_write(cpu, sem, 0);
    return;
  }
  yield* atomic_fetch_and(cpu, sem, ~RWSEM_WRITER_LOCKED);
  wake_waiters(cpu, sem);
}

/** downgrade_write: the writer becomes a reader without letting another writer in between. */
export function* downgrade_write(cpu: Cpu, sem: Word): Steps<void> {
  local_write(cpu, sem + rwsem.owner, 0);
  yield* atomic_fetch_add(cpu, sem, RWSEM_READER_BIAS - RWSEM_WRITER_LOCKED);
  wake_waiters(cpu, sem);
}
