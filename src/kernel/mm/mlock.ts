// mlock and munlock (mm/mlock.c): VM_LOCKED, and pages that are there.
//
// Without reclaim a page needs no mark of its own that keeps it in memory: the flag of the VMA is all that is kept, with
// the count of pages that the limit is held against. The process has no CAP_IPC_LOCK.
import type { Cpu } from '../cpu.ts';
import { PAGE_SIZE, page_align, page_align_down } from '../arch/x86/pgtable.ts';
import { mm_struct, vma as vm_area } from '../layout.ts';
import { read, read_long, write } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { EAGAIN, EFAULT, EINVAL, ENOMEM, VM_LOCKED } from './flags.ts';
import { mm_populate } from './gup.ts';
import { all_vmas, find_vma } from './maple.ts';
import { mmap_write_lock, mmap_write_unlock, vma_start_write } from './mmap_lock.ts';
import { vm_flags_reset, vma_isolate, vma_merge } from './vma.ts';

/** RLIMIT_MEMLOCK: 8 MiB. */
const MEMLOCK_LIMIT_PAGES: number = 0x800000 / PAGE_SIZE;
/** Addresses end here: what is added up beyond is an overflow in Linux. */
const ADDRESS_SPACE = 2 ** 64;

/** mlock_future_ok: whether `bytes` more may be locked, if they are to be. */
export function* mlock_future_ok(cpu: Cpu, mm: Word, vm_flags: number, bytes: number): Steps<boolean> {
  if ((vm_flags & VM_LOCKED) === 0) return true;
  return bytes / PAGE_SIZE + (yield* read(cpu, mm + mm_struct.locked_vm)) <= MEMLOCK_LIMIT_PAGES;
}

/** mm->locked_vm += pages. */
export function* account_locked_vm(cpu: Cpu, mm: Word, pages: number): Steps<void> {
  if (pages === 0) return;
  yield* write(cpu, mm + mm_struct.locked_vm, (yield* read(cpu, mm + mm_struct.locked_vm)) + pages);
}

/** count_mm_mlocked_page_nr: pages of [start, end) that are locked already. */
function* count_mm_mlocked_page_nr(cpu: Cpu, mm: Word, start: number, end: number): Steps<number> {
  let bytes = 0;
  for (const vma of yield* all_vmas(cpu, mm)) {
    if (((yield* read(cpu, vma + vm_area.vm_flags)) & VM_LOCKED) === 0) continue;
    const from = Math.max(start, yield* read_long(cpu, vma + vm_area.vm_start));
    bytes += Math.max(0, Math.min(end, yield* read_long(cpu, vma + vm_area.vm_end)) - from);
  }
  return bytes / PAGE_SIZE;
}

/** mlock_fixup: [start, end) of one VMA is locked, or not locked. Returns where the VMA that it is in ends, or an error. */
function* mlock_fixup(cpu: Cpu, mm: Word, vma: Word, start: number, end: number, locked: boolean): Steps<number> {
  const old = yield* read(cpu, vma + vm_area.vm_flags);
  const vm_flags = locked ? old | VM_LOCKED : old & ~VM_LOCKED;
  if (vm_flags === old) return yield* read_long(cpu, vma + vm_area.vm_end);
  const inside = yield* vma_isolate(cpu, mm, vma, start, end);
  if (inside === 0) return -ENOMEM;
  const pages = (end - start) / PAGE_SIZE;
  yield* account_locked_vm(cpu, mm, locked ? pages : -pages);
  yield* vma_start_write(cpu, mm, inside);
  yield* vm_flags_reset(cpu, inside, vm_flags);
  return yield* read_long(cpu, (yield* vma_merge(cpu, mm, inside)) + vm_area.vm_end);
}

/** apply_vma_lock_flags: what comes before a hole is done, then it is -ENOMEM. */
function* apply_vma_lock_flags(cpu: Cpu, mm: Word, start: number, end: number, locked: boolean): Steps<number> {
  if (end > ADDRESS_SPACE) return -EINVAL;
  for (let at = start; at < end;) {
    const vma = yield* find_vma(cpu, mm, at);
    if (vma === 0 || (yield* read_long(cpu, vma + vm_area.vm_start)) > at) return -ENOMEM;
    const until = Math.min(end, yield* read_long(cpu, vma + vm_area.vm_end));
    const reached = yield* mlock_fixup(cpu, mm, vma, at, until, locked);
    if (reached < 0) return reached;
    at = reached;
  }
  return 0;
}

/** mlock. 0 or a negative error; the range is locked also where it could not be made present (-ENOMEM, -EAGAIN). */
export function* sys_mlock(cpu: Cpu, mm: Word, address: number, length: number): Steps<number> {
  const start = page_align_down(address);
  const end = start + page_align(length + (address - start));
  yield* mmap_write_lock(cpu, mm);
  const pages = (end - start) / PAGE_SIZE + (yield* read(cpu, mm + mm_struct.locked_vm));
  const twice = pages > MEMLOCK_LIMIT_PAGES ? yield* count_mm_mlocked_page_nr(cpu, mm, start, end) : 0;
  const fits = pages - twice <= MEMLOCK_LIMIT_PAGES;
  const error = fits ? yield* apply_vma_lock_flags(cpu, mm, start, end, true) : -ENOMEM;
  yield* mmap_write_unlock(cpu, mm);
  if (error !== 0) return error;
  // __mlock_posix_error_return.
  const missing = yield* mm_populate(cpu, mm, start, end, false);
  if (missing === -EFAULT) return -ENOMEM;
  return missing === -ENOMEM ? -EAGAIN : missing;
}

/** munlock. 0 or a negative error. */
export function* sys_munlock(cpu: Cpu, mm: Word, address: number, length: number): Steps<number> {
  const start = page_align_down(address);
  const end = start + page_align(length + (address - start));
  yield* mmap_write_lock(cpu, mm);
  const error = yield* apply_vma_lock_flags(cpu, mm, start, end, false);
  yield* mmap_write_unlock(cpu, mm);
  return error;
}
