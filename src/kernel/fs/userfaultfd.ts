// userfaultfd: faults on missing pages that a monitor of the process answers, and their queues (fs/userfaultfd.c).
//
// A process has one userfaultfd, which is part of its mm. A fault that the monitor is to answer waits in the first queue
// until the monitor reads it, then in the second until it is woken; the same lock guards both. Between the look at the
// entry, under the PTL, and the sleep the page may be filled and everybody woken: so, once it is in the queue, the fault
// looks at the entry again. Whoever fills a page stores the entry first and looks at the queues afterwards.
import type { Cpu } from '../cpu.ts';
import { cpu_area_of } from '../cpu.ts';
import { pte_none } from '../arch/x86/pgtable.ts';
import { D_UFFD_MUST_WAIT, defended } from '../defences.ts';
import {
  CPU_ONLINE,
  LOCK_FAULT_PENDING,
  LOCK_USERFAULT,
  LOCK_USERFAULT_READ,
  UWQ_PENDING,
  UWQ_READ,
  cpu_area,
  mm_struct,
  userfaultfd_wait_queue as uwq_struct,
  vma as vm_area,
} from '../layout.ts';
import { INIT_LIST_HEAD, list_add, list_del, list_first, list_last } from '../list.ts';
import { spin_lock, spin_lock_init, spin_unlock } from '../locking/spinlock.ts';
import {
  READ_ONCE,
  READ_ONCE_64,
  STEPPED,
  WRITE_ONCE,
  control_read,
  read,
  read_long,
  smp_load_acquire,
  smp_mb,
  smp_store_release,
  write,
  write_long,
} from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import {
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_VMA_LOCK,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_UFFD_MISSING,
} from '../mm/flags.ts';
import { mmap_read_unlock, vma_end_read, vma_start_write } from '../mm/mmap_lock.ts';
import { fatal_signal_pending } from '../mm/oom_kill.ts';
import { pte_offset_map, pte_unmap } from '../mm/pgtable-generic.ts';
import { vm_flags_reset } from '../mm/vma.ts';
import type { VmFault } from '../mm/vmf.ts';
import { idle_until, smp_cond_load, wake_waiters } from '../smp.ts';

/** Addresses from `start` up to `end`. */
export interface AddressRange {
  readonly start: number;
  readonly end: number;
}

/** userfaultfd_ctx: empty queues, for an mm that nobody else knows. */
export function* userfaultfd_ctx_init(cpu: Cpu, mm: Word): Steps<void> {
  yield* spin_lock_init(cpu, mm + mm_struct.fault_pending_wqh_lock);
  yield* INIT_LIST_HEAD(cpu, mm + mm_struct.fault_pending_wqh);
  yield* INIT_LIST_HEAD(cpu, mm + mm_struct.fault_wqh);
}

/**
 * mremap_userfaultfd_prep: nobody watches what a mapping has become that moved, all of the VMA that it is part of now;
 * its addresses are added to `unwatched`. Under mmap_lock for write.
 */
export function* mremap_userfaultfd_prep(cpu: Cpu, mm: Word, vma: Word, unwatched: AddressRange[]): Steps<void> {
  const vm_flags = yield* read(cpu, vma + vm_area.vm_flags);
  if ((vm_flags & VM_UFFD_MISSING) === 0) return;
  yield* vma_start_write(cpu, mm, vma);
  yield* vm_flags_reset(cpu, vma, vm_flags & ~VM_UFFD_MISSING);
  const start = yield* read_long(cpu, vma + vm_area.vm_start);
  unwatched.push({ start, end: yield* read_long(cpu, vma + vm_area.vm_end) });
}

function* lock_queues(cpu: Cpu, mm: Word): Steps<void> {
  yield* spin_lock(cpu, mm + mm_struct.fault_pending_wqh_lock, LOCK_FAULT_PENDING);
}
function* unlock_queues(cpu: Cpu, mm: Word): Steps<void> {
  yield* spin_unlock(cpu, mm + mm_struct.fault_pending_wqh_lock);
}

/** Adds to a count of queued faults, under the lock of the queues; others look at it without. */
function* count_faults(cpu: Cpu, counter: Word, delta: number): Steps<void> {
  yield* WRITE_ONCE(cpu, counter, (yield* read(cpu, counter)) + delta);
}

/** __add_wait_queue: this CPU's fault into the first queue. */
function* add_fault(cpu: Cpu, mm: Word, uwq: Word, address: number): Steps<void> {
  yield* lock_queues(cpu, mm);
  yield* write_long(cpu, uwq + uwq_struct.address, address);
  yield* write(cpu, uwq + uwq_struct.waken, 0);
  yield* write(cpu, uwq + uwq_struct.queued, UWQ_PENDING);
  yield* list_add(cpu, uwq + uwq_struct.entry, mm + mm_struct.fault_pending_wqh);
  yield* count_faults(cpu, mm + mm_struct.nr_faults, 1);
  yield* count_faults(cpu, mm + mm_struct.nr_faults_pending, 1);
  // set_current_state: that the fault is queued is seen before its second look at the entry.
  yield* smp_mb(cpu);
  yield* unlock_queues(cpu, mm);
}

/** list_del_init of a queued fault, under the lock of the queues. */
function* remove_fault(cpu: Cpu, mm: Word, uwq: Word): Steps<void> {
  if ((yield* read(cpu, uwq + uwq_struct.queued)) === UWQ_PENDING) {
    yield* count_faults(cpu, mm + mm_struct.nr_faults_pending, -1);
  }
  yield* count_faults(cpu, mm + mm_struct.nr_faults, -1);
  yield* list_del(cpu, uwq + uwq_struct.entry);
  yield* smp_store_release(cpu, uwq + uwq_struct.queued, 0);
}

/** userfaultfd_must_wait: whether the page is still missing. The VMA is locked, so the tables above the PTE stay. */
function* userfaultfd_must_wait(cpu: Cpu, vmf: VmFault): Steps<boolean> {
  const pte = yield* pte_offset_map(cpu, vmf.pmd, vmf.address);
  if (pte === 0) return true;
  const entry = yield* READ_ONCE_64(cpu, pte);
  pte_unmap(cpu);
  return pte_none(entry);
}

/** release_fault_lock: the lock that the fault holds its VMA by. */
function* release_fault_lock(cpu: Cpu, vmf: VmFault): Steps<void> {
  if ((vmf.flags & FAULT_FLAG_VMA_LOCK) !== 0) yield* vma_end_read(cpu, vmf.vma);
  else yield* mmap_read_unlock(cpu, vmf.mm);
}

/**
 * handle_userfault: waits until a monitor has answered the fault. VM_FAULT_RETRY, with the lock of the fault given up: the
 * page is there, or the fault is to be taken again, or the process was killed; VM_FAULT_SIGBUS, with the lock held, for a
 * fault that may not wait. No PTL is held.
 */
export function* handle_userfault(cpu: Cpu, vmf: VmFault): Steps<number> {
  if ((vmf.flags & FAULT_FLAG_ALLOW_RETRY) === 0) return VM_FAULT_SIGBUS;
  const mm = vmf.mm;
  const uwq = cpu.area + cpu_area.uwq;
  yield* add_fault(cpu, mm, uwq, vmf.address);
  const must_wait = !defended(cpu, D_UFFD_MUST_WAIT) || (yield* userfaultfd_must_wait(cpu, vmf));
  if (cpu.note('handle_userfault', vmf, must_wait)) yield cpu.step;
  yield* release_fault_lock(cpu, vmf);
  if (must_wait) {
    wake_waiters(cpu, mm + mm_struct.nr_faults_pending);
    yield* smp_cond_load(
      cpu,
      uwq + uwq_struct.waken,
      (waken) => waken !== 0 || fatal_signal_pending(cpu),
      LOCK_USERFAULT,
    );
  }
  // Nobody has woken it who had to take it out; who is about to holds the lock.
  if ((yield* smp_load_acquire(cpu, uwq + uwq_struct.queued)) !== 0) {
    yield* lock_queues(cpu, mm);
    if ((yield* read(cpu, uwq + uwq_struct.queued)) !== 0) yield* remove_fault(cpu, mm, uwq);
    yield* unlock_queues(cpu, mm);
  }
  return VM_FAULT_RETRY;
}

/** wake_userfault: faults on [start, end) that wait go on. Whatever they are to find was stored before. */
export function* wake_userfault(cpu: Cpu, mm: Word, start: number, end: number): Steps<void> {
  // The other half of the barrier in add_fault: what was stored is seen before the look at the queues.
  yield* smp_mb(cpu);
  // Of both queues at once: a fault that moves from one to the other is not missed (refile_seq in Linux).
  if ((yield* READ_ONCE(cpu, mm + mm_struct.nr_faults)) === 0) return;
  yield* lock_queues(cpu, mm);
  for (const head of [mm + mm_struct.fault_pending_wqh, mm + mm_struct.fault_wqh]) {
    let entry = yield* list_first(cpu, head);
    while (entry !== head) {
      const next = yield* list_first(cpu, entry);
      yield* wake_one(cpu, mm, entry - uwq_struct.entry, start, end);
      entry = next;
    }
  }
  yield* unlock_queues(cpu, mm);
}

/** userfaultfd_wake_function: one queued fault, if it is on [start, end). */
function* wake_one(cpu: Cpu, mm: Word, uwq: Word, start: number, end: number): Steps<void> {
  const address = yield* read_long(cpu, uwq + uwq_struct.address);
  if (address < start || address >= end) return;
  yield* WRITE_ONCE(cpu, uwq + uwq_struct.waken, 1);
  yield* remove_fault(cpu, mm, uwq);
  wake_waiters(cpu, uwq + uwq_struct.waken);
}

/**
 * Whether no other CPU can take a fault any more: each is down, or is itself a monitor that waits. Both are seen without
 * a step, so this is for executions that look again and again.
 */
function others_are_done(cpu: Cpu): boolean {
  for (let other = 0; other < cpu.cpus; other++) {
    if (other === cpu.id) continue;
    const area = cpu_area_of(cpu, other);
    if (control_read(cpu, area + cpu_area.state) !== CPU_ONLINE) continue;
    const waits = control_read(cpu, area + cpu_area.waiting_word) !== 0;
    if (!waits || control_read(cpu, area + cpu_area.waiting_class) !== LOCK_USERFAULT_READ) return false;
  }
  return true;
}

/** poll on the userfaultfd: waits until a fault can be read. False where none will come, or the process was killed. */
function* wait_for_fault(cpu: Cpu, mm: Word): Steps<boolean> {
  const pending = mm + mm_struct.nr_faults_pending;
  // An explored execution is over where monitors alone are left: there the wait is no wait for anybody.
  if (STEPPED && cpu.explored) return yield* idle_until(cpu, pending, (faults) => faults > 0);
  const faults = yield* smp_cond_load(
    cpu,
    pending,
    (value) => value > 0 || fatal_signal_pending(cpu) || others_are_done(cpu),
    LOCK_USERFAULT_READ,
  );
  return faults > 0;
}

/**
 * userfaultfd_ctx_read: waits for a fault of this mm and returns the address of its page, the oldest first; -1 where none
 * will come any more. The fault now waits for its answer alone.
 */
export function* userfaultfd_read(cpu: Cpu, mm: Word): Steps<number> {
  while (yield* wait_for_fault(cpu, mm)) {
    yield* lock_queues(cpu, mm);
    const head = mm + mm_struct.fault_pending_wqh;
    const entry = yield* list_last(cpu, head);
    let address = -1;
    if (entry !== head) {
      const uwq = entry - uwq_struct.entry;
      yield* list_del(cpu, entry);
      yield* list_add(cpu, entry, mm + mm_struct.fault_wqh);
      yield* write(cpu, uwq + uwq_struct.queued, UWQ_READ);
      yield* count_faults(cpu, mm + mm_struct.nr_faults_pending, -1);
      address = yield* read_long(cpu, uwq + uwq_struct.address);
    }
    yield* unlock_queues(cpu, mm);
    // Another monitor may have been faster, or the fault may have gone on by itself.
    if (address >= 0) return address;
  }
  return -1;
}
