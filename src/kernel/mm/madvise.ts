// madvise (mm/madvise.c): DONTNEED, POPULATE_READ, POPULATE_WRITE; advice about huge pages and dumps is accepted.
import type { Cpu } from '../cpu.ts';
import { PAGE_SIZE, page_align, pte_present, pte_write } from '../arch/x86/pgtable.ts';
import { VM_OPS_NONE, vma as vm_area } from '../layout.ts';
import { READ_ONCE_64, read, read_long } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import {
  EFAULT,
  EINTR,
  EINVAL,
  ENOMEM,
  FAULT_FLAG_ALLOW_RETRY,
  FAULT_FLAG_KILLABLE,
  FAULT_FLAG_WRITE,
  MADV_DODUMP,
  MADV_DONTDUMP,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  VM_ACCESS_FLAGS,
  VM_FAULT_ERROR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_WRITE,
} from './flags.ts';
import { all_vmas } from './maple.ts';
import { handle_mm_fault } from './memory.ts';
import { mmap_read_lock, mmap_read_unlock } from './mmap_lock.ts';
import { fatal_signal_pending } from './oom_kill.ts';
import { tlb_finish_mmu, tlb_gather_mmu } from './mmu_gather.ts';
import { pte_offset_map, pte_unmap } from './pgtable-generic.ts';
import { lru_add_drain } from './swap.ts';
import { unmap_page_range } from './zap.ts';

/** Advice that changes nothing a fault can see here. MADV_FREE only matters to reclaim, of which there is none. */
const ACCEPTED: readonly number[] = [
  MADV_NORMAL,
  1,
  2,
  3,
  10,
  11,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_NOHUGEPAGE,
  MADV_DONTDUMP,
  MADV_DODUMP,
];

/** zap_page_range_single: under mmap_lock for read. */
function* zap_page_range_single(cpu: Cpu, mm: Word, start: number, end: number): Steps<void> {
  yield* lru_add_drain(cpu);
  tlb_gather_mmu(cpu, mm);
  yield* unmap_page_range(cpu, mm, start, end);
  yield* tlb_finish_mmu(cpu);
}

/** madvise. 0 or a negative error; what is mapped of a range with holes is advised, and -ENOMEM returned (as Linux). */
export function* sys_madvise(cpu: Cpu, mm: Word, address: number, length: number, advice: number): Steps<number> {
  if (address % PAGE_SIZE !== 0 || length < 0) return -EINVAL;
  const end = address + page_align(length);
  if (advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE) {
    yield* mmap_read_lock(cpu, mm);
    const error = yield* populate_range(cpu, mm, address, end, advice === MADV_POPULATE_WRITE);
    yield* mmap_read_unlock(cpu, mm);
    return error;
  }
  if (advice !== MADV_DONTNEED) return ACCEPTED.includes(advice) ? 0 : -EINVAL;
  yield* mmap_read_lock(cpu, mm);
  let reached = address;
  let hole = false;
  for (const vma of yield* all_vmas(cpu, mm)) {
    const vm_start = yield* read_long(cpu, vma + vm_area.vm_start);
    const vm_end = yield* read_long(cpu, vma + vm_area.vm_end);
    if (vm_end <= address || vm_start >= end) continue;
    if (vm_start > reached) hole = true;
    reached = vm_end;
    yield* zap_page_range_single(cpu, mm, Math.max(address, vm_start), Math.min(end, vm_end));
  }
  yield* mmap_read_unlock(cpu, mm);
  return hole || reached < end ? -ENOMEM : 0;
}

/** Faults that one page of a populate may take: a lost race is tried again, not for ever. */
const POPULATE_TRIES = 1000;

/**
 * faultin_page_range: makes every page of [start, end) present. Under mmap_lock for read, which is given up and taken
 * again where a fault waits for a monitor. 0 or a negative error.
 */
export function* populate_range(cpu: Cpu, mm: Word, start: number, end: number, write: boolean): Steps<number> {
  let at = start;
  for (;;) {
    const reached = yield* populate_vmas(cpu, mm, at, end, write);
    if (reached <= 0) return reached;
    yield* mmap_read_lock(cpu, mm);
    if (fatal_signal_pending(cpu)) return -EINTR;
    at = reached;
  }
}

/** As populate_range; or the address of a page whose fault has given mmap_lock up, where it is to be gone on. */
function* populate_vmas(cpu: Cpu, mm: Word, start: number, end: number, write: boolean): Steps<number> {
  let reached = start;
  for (const vma of yield* all_vmas(cpu, mm)) {
    const vm_start = yield* read_long(cpu, vma + vm_area.vm_start);
    const vm_end = yield* read_long(cpu, vma + vm_area.vm_end);
    if (vm_end <= start || vm_start >= end) continue;
    if (vm_start > reached) return -ENOMEM;
    if ((yield* read(cpu, vma + vm_area.vm_ops)) === VM_OPS_NONE) {
      const vm_flags = yield* read(cpu, vma + vm_area.vm_flags);
      if ((vm_flags & (write ? VM_WRITE : VM_ACCESS_FLAGS)) === 0) return -EINVAL;
      const error = yield* populate_vma(cpu, vma, Math.max(start, vm_start), Math.min(end, vm_end), write);
      if (error !== 0) return error;
    }
    reached = vm_end;
  }
  return reached < end ? -ENOMEM : 0;
}

/** As populate_vmas, within one VMA. */
function* populate_vma(cpu: Cpu, vma: Word, start: number, end: number, write: boolean): Steps<number> {
  const flags = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE | (write ? FAULT_FLAG_WRITE : 0);
  for (let at = start; at < end; at += PAGE_SIZE) {
    let fault = VM_FAULT_OOM;
    for (let tries = 0; tries < POPULATE_TRIES; tries++) {
      fault = yield* handle_mm_fault(cpu, vma, at, flags);
      if ((fault & VM_FAULT_RETRY) !== 0) return at;
      if ((fault & VM_FAULT_ERROR) !== 0 || (yield* page_is_there(cpu, at, write))) break;
    }
    if ((fault & VM_FAULT_OOM) !== 0) return -ENOMEM;
    if ((fault & (VM_FAULT_ERROR | VM_FAULT_SIGBUS)) !== 0) return -EFAULT;
  }
  return 0;
}

/** follow_page_mask, as far as populate needs it: whether the fault just handled has left a fitting entry. */
function* page_is_there(cpu: Cpu, address: number, write: boolean): Steps<boolean> {
  const vmf = cpu.vmf;
  const pte = yield* pte_offset_map(cpu, vmf.pmd, address);
  if (pte === 0) return false;
  const entry = yield* READ_ONCE_64(cpu, pte);
  pte_unmap(cpu);
  return pte_present(entry) && (!write || pte_write(entry));
}
