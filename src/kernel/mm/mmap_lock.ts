// mmap_lock, and the per-VMA locks that let a fault do without it (include/linux/mm.h, include/linux/mmap_lock.h).
//
// A VMA is write-locked while its sequence number equals the mm's. Releasing mmap_lock moves the mm's number on and so
// releases every VMA at once. A reader that can't be sure gives up and takes mmap_lock instead: it may fail without
// need, it never succeeds wrongly.
import type { Cpu } from '../cpu.ts';
import { count_vm_event } from '../cpu.ts';
import { D_VMA_LOCK, defended } from '../defences.ts';
import {
  LOCK_MMAP,
  LOCK_MMAP_NESTED,
  LOCK_VMA,
  VMA_LOCK_ABORT,
  VMA_LOCK_MISS,
  VM_OPS_NONE,
  mm_struct,
  vma as vm_area,
} from '../layout.ts';
import { rcu_read_lock, rcu_read_unlock } from '../locking/rcu.ts';
import { down_read, down_read_trylock, down_write, downgrade_write, up_read, up_write } from '../locking/rwsem.ts';
import { READ_ONCE, WRITE_ONCE, read, read_long, smp_load_acquire, smp_store_release } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { trace_mmap_lock_acquire_returned, trace_mmap_lock_released, trace_mmap_lock_start_locking } from '../trace.ts';
import { mt_walk } from './maple.ts';

export function* mmap_read_lock(cpu: Cpu, mm: Word): Steps<void> {
  if (cpu.tracing) trace_mmap_lock_start_locking(cpu, mm, false);
  yield* down_read(cpu, mm + mm_struct.mmap_lock, LOCK_MMAP);
  if (cpu.tracing) trace_mmap_lock_acquire_returned(cpu, mm, false, true);
}
export function* mmap_read_trylock(cpu: Cpu, mm: Word): Steps<boolean> {
  const success = yield* down_read_trylock(cpu, mm + mm_struct.mmap_lock, LOCK_MMAP);
  if (cpu.tracing) trace_mmap_lock_acquire_returned(cpu, mm, false, success);
  return success;
}
export function* mmap_read_unlock(cpu: Cpu, mm: Word): Steps<void> {
  if (cpu.tracing) trace_mmap_lock_released(cpu, mm, false);
  yield* up_read(cpu, mm + mm_struct.mmap_lock);
}
export function* mmap_write_lock(cpu: Cpu, mm: Word): Steps<void> {
  if (cpu.tracing) trace_mmap_lock_start_locking(cpu, mm, true);
  yield* down_write(cpu, mm + mm_struct.mmap_lock, LOCK_MMAP);
  if (cpu.tracing) trace_mmap_lock_acquire_returned(cpu, mm, true, true);
}
/** mmap_write_lock_nested with SINGLE_DEPTH_NESTING: of an mm that nobody else knows, while another's is held. */
export function* mmap_write_lock_nested(cpu: Cpu, mm: Word): Steps<void> {
  if (cpu.tracing) trace_mmap_lock_start_locking(cpu, mm, true);
  yield* down_write(cpu, mm + mm_struct.mmap_lock, LOCK_MMAP_NESTED);
  if (cpu.tracing) trace_mmap_lock_acquire_returned(cpu, mm, true, true);
}
export function* mmap_write_unlock(cpu: Cpu, mm: Word): Steps<void> {
  if (cpu.tracing) trace_mmap_lock_released(cpu, mm, true);
  yield* vma_end_write_all(cpu, mm);
  yield* up_write(cpu, mm + mm_struct.mmap_lock);
}
export function* mmap_write_downgrade(cpu: Cpu, mm: Word): Steps<void> {
  yield* vma_end_write_all(cpu, mm);
  if (cpu.tracing) trace_mmap_lock_acquire_returned(cpu, mm, false, true);
  yield* downgrade_write(cpu, mm + mm_struct.mmap_lock);
}

/** vma_end_write_all: all VMAs are unlocked at once. */
function* vma_end_write_all(cpu: Cpu, mm: Word): Steps<void> {
  const seq = yield* read(cpu, mm + mm_struct.mm_lock_seq);
  // Release: who sees the new number sees what was done to the VMAs under the old one (R15).
  yield* smp_store_release(cpu, mm + mm_struct.mm_lock_seq, (seq + 1) | 0);
}

/** vma_start_read: tries to lock the VMA against being changed or unmapped. */
export function* vma_start_read(cpu: Cpu, mm: Word, vma: Word): Steps<boolean> {
  const seq = yield* READ_ONCE(cpu, vma + vm_area.vm_lock_seq);
  if (seq === (yield* READ_ONCE(cpu, mm + mm_struct.mm_lock_seq))) return false;
  if (!(yield* down_read_trylock(cpu, vma + vm_area.vm_lock, LOCK_VMA))) return false;
  // A writer may have come and gone since the first look; now that it can't, look again.
  const locked = yield* read(cpu, vma + vm_area.vm_lock_seq);
  if (locked === (yield* smp_load_acquire(cpu, mm + mm_struct.mm_lock_seq))) {
    yield* up_read(cpu, vma + vm_area.vm_lock);
    return false;
  }
  return true;
}

/** vma_end_read. */
export function* vma_end_read(cpu: Cpu, vma: Word): Steps<void> {
  yield* up_read(cpu, vma + vm_area.vm_lock);
}

/** vma_start_write, under mmap_lock for write: waits for the readers of this VMA, keeps new ones out. */
export function* vma_start_write(cpu: Cpu, mm: Word, vma: Word): Steps<void> {
  if (!defended(cpu, D_VMA_LOCK)) return;
  const seq = yield* read(cpu, mm + mm_struct.mm_lock_seq);
  if ((yield* read(cpu, vma + vm_area.vm_lock_seq)) === seq) return;
  yield* down_write(cpu, vma + vm_area.vm_lock, LOCK_VMA);
  yield* WRITE_ONCE(cpu, vma + vm_area.vm_lock_seq, seq);
  yield* up_write(cpu, vma + vm_area.vm_lock);
}

/** lock_vma_under_rcu: the VMA of `address`, read-locked; 0 where the caller must take mmap_lock instead. */
export function* lock_vma_under_rcu(cpu: Cpu, mm: Word, address: number): Steps<Word> {
  rcu_read_lock(cpu);
  for (;;) {
    const vma = yield* mt_walk(cpu, yield* READ_ONCE(cpu, mm + mm_struct.mm_mt), address);
    if (vma === 0 || !(yield* vma_start_read(cpu, mm, vma))) break;
    // Making an anon_vma looks at the neighbours, which this lock does not cover (R11).
    const anonymous = (yield* read(cpu, vma + vm_area.vm_ops)) === VM_OPS_NONE;
    if (
      (anonymous && (yield* read(cpu, vma + vm_area.anon_vma)) === 0) ||
      address < (yield* read_long(cpu, vma + vm_area.vm_start)) ||
      address >= (yield* read_long(cpu, vma + vm_area.vm_end))
    ) {
      yield* vma_end_read(cpu, vma);
      break;
    }
    if ((yield* read(cpu, vma + vm_area.detached)) === 0) {
      rcu_read_unlock(cpu);
      return vma;
    }
    yield* vma_end_read(cpu, vma);
    count_vm_event(cpu, VMA_LOCK_MISS);
  }
  rcu_read_unlock(cpu);
  count_vm_event(cpu, VMA_LOCK_ABORT);
  return 0;
}
