// Faulting pages in before anybody touches them (mm/gup.c): MAP_POPULATE, mlock, MADV_POPULATE_READ and _WRITE.
import type { Cpu } from '../cpu.ts';
import { PAGE_SIZE, pte_present, pte_protnone, pte_write } from '../arch/x86/pgtable.ts';
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
  VM_ACCESS_FLAGS,
  VM_FAULT_ERROR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
} from './flags.ts';
import { find_pmd } from './khugepaged.ts';
import { find_vma } from './maple.ts';
import { handle_mm_fault } from './memory.ts';
import { mmap_read_lock, mmap_read_unlock } from './mmap_lock.ts';
import { fatal_signal_pending } from './oom_kill.ts';
import { pte_offset_map, pte_unmap } from './pgtable-generic.ts';
import { lru_add_drain } from './swap.ts';
import { find_vma_intersection } from './unmapped_area.ts';

/** Faults that one page may take: a lost race is tried again, not for ever. */
const MAX_TRIES = 1000;

/** follow_page_mask, as far as it is asked whether there is an entry that fits. */
function* page_is_there(cpu: Cpu, mm: Word, address: number, write: boolean): Steps<boolean> {
  const pmd = yield* find_pmd(cpu, mm, address);
  const pte = pmd === 0 ? 0 : yield* pte_offset_map(cpu, pmd, address);
  if (pte === 0) return false;
  const entry = yield* READ_ONCE_64(cpu, pte);
  pte_unmap(cpu);
  return pte_present(entry) && !pte_protnone(entry) && (!write || pte_write(entry));
}

/**
 * __get_user_pages over [start, end) of one VMA, under mmap_lock: how far it came, or a negative error. A fault that waits
 * for a monitor gives the lock up, where it may (FOLL_UNLOCKABLE): what is left is then to be gone on with under a new one,
 * and what came back is less than `end`. Where it may not, it is -EFAULT.
 */
function* get_user_pages(
  cpu: Cpu,
  vma: Word,
  start: number,
  end: number,
  write: boolean,
  unlockable: boolean,
): Steps<number> {
  // The faults of what is not anonymous memory are counted and skipped; here there is nothing to count.
  if ((yield* read(cpu, vma + vm_area.vm_ops)) !== VM_OPS_NONE) return end;
  const may_wait = unlockable ? FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE : 0;
  const flags = may_wait | (write ? FAULT_FLAG_WRITE : 0);
  const mm = yield* read(cpu, vma + vm_area.vm_mm);
  for (let at = start; at < end; at += PAGE_SIZE) {
    if (fatal_signal_pending(cpu)) return -EINTR;
    for (let tries = 0; !(yield* page_is_there(cpu, mm, at, write)); tries++) {
      const fault = yield* handle_mm_fault(cpu, vma, at, flags);
      if ((fault & VM_FAULT_RETRY) !== 0) return at;
      if ((fault & VM_FAULT_OOM) !== 0 || tries >= MAX_TRIES) return -ENOMEM;
      if ((fault & VM_FAULT_ERROR) !== 0) return -EFAULT;
    }
  }
  yield* lru_add_drain(cpu);
  return end;
}

/**
 * faultin_vma_page_range for each VMA of [start, end): 0, or a negative error, with what comes before it done. Under
 * mmap_lock for read, which may have been given up and taken again. Rights that are missing are -EINVAL, a hole is
 * -ENOMEM.
 */
export function* madvise_populate(cpu: Cpu, mm: Word, start: number, end: number, write: boolean): Steps<number> {
  for (let at = start; at < end;) {
    const vma = yield* find_vma(cpu, mm, at);
    if (vma === 0 || (yield* read_long(cpu, vma + vm_area.vm_start)) > at) return -ENOMEM;
    const vm_flags = yield* read(cpu, vma + vm_area.vm_flags);
    if ((vm_flags & (write ? VM_WRITE : VM_READ)) === 0) return -EINVAL;
    const until = Math.min(end, yield* read_long(cpu, vma + vm_area.vm_end));
    const reached = yield* get_user_pages(cpu, vma, at, until, write, true);
    if (reached < 0) return reached;
    if (reached < until) yield* mmap_read_lock(cpu, mm);
    at = reached;
  }
  return 0;
}

/**
 * populate_vma_page_range: what may be written is faulted in for writing, so that no copy is left to be made; what may
 * be used at all, for reading (FOLL_FORCE); PROT_NONE is -EFAULT. Returns as get_user_pages does.
 */
export function* populate_vma_page_range(
  cpu: Cpu,
  vma: Word,
  start: number,
  end: number,
  unlockable: boolean,
): Steps<number> {
  const vm_flags = yield* read(cpu, vma + vm_area.vm_flags);
  if ((vm_flags & VM_ACCESS_FLAGS) === 0) return -EFAULT;
  const write = (vm_flags & (VM_WRITE | VM_SHARED)) === VM_WRITE;
  return yield* get_user_pages(cpu, vma, start, end, write, unlockable);
}

/** __mm_populate: faults in what is mapped of [start, end), each VMA as it may be used. 0 or a negative error. */
export function* mm_populate(cpu: Cpu, mm: Word, start: number, end: number, ignore_errors: boolean): Steps<number> {
  let error = 0;
  yield* mmap_read_lock(cpu, mm);
  for (let at = start; at < end && error === 0;) {
    const vma = yield* find_vma_intersection(cpu, mm, at, end);
    if (vma === 0) break;
    const from = Math.max(at, yield* read_long(cpu, vma + vm_area.vm_start));
    const until = Math.min(end, yield* read_long(cpu, vma + vm_area.vm_end));
    const reached = yield* populate_vma_page_range(cpu, vma, from, until, true);
    if (reached < 0 && !ignore_errors) error = reached;
    at = reached < 0 ? until : reached;
    if (at < until) yield* mmap_read_lock(cpu, mm);
  }
  yield* mmap_read_unlock(cpu, mm);
  return error;
}
