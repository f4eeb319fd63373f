// mmap, munmap and brk (mm/mmap.c). System calls return a value or a negative error number, as in Linux.
import type { Cpu } from '../cpu.ts';
import { PAGE_SIZE, TASK_SIZE, page_align } from '../arch/x86/pgtable.ts';
import { VM_OPS_FILE, VM_OPS_NONE, VM_OPS_SHMEM, mm_struct, vma as vm_area } from '../layout.ts';
import { read, read_long, write, write_long } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import {
  EEXIST,
  EINVAL,
  ENOMEM,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_SHARED,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  VM_ACCOUNT,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_NORESERVE,
  VM_READ,
  VM_SHARED,
  VM_SOFTDIRTY,
  VM_WRITE,
} from './flags.ts';
import { populate_range } from './madvise.ts';
import { all_vmas } from './maple.ts';
import {
  mmap_read_lock,
  mmap_read_unlock,
  mmap_write_downgrade,
  mmap_write_lock,
  mmap_write_unlock,
  vma_start_write,
} from './mmap_lock.ts';
import { tlb_finish_mmu, tlb_gather_mmu } from './mmu_gather.ts';
import { lru_add_drain } from './swap.ts';
import {
  split_vma,
  vm_area_alloc,
  vm_area_free,
  vm_flags_reset,
  vma_link,
  vma_mark_detached,
  vma_merge,
  vma_relink,
  vma_set_range,
} from './vma.ts';
import { free_pgtables, unmap_page_range } from './zap.ts';

/** VM_* of PROT_* (calc_vm_prot_bits). */
export function calc_vm_prot_bits(prot: number): number {
  return (
    ((prot & PROT_READ) !== 0 ? VM_READ : 0) |
    ((prot & PROT_WRITE) !== 0 ? VM_WRITE : 0) |
    ((prot & PROT_EXEC) !== 0 ? VM_EXEC : 0)
  );
}

/** The VM_* flags of a new mapping. */
function flags_of_mapping(cpu: Cpu, prot: number, flags: number): number {
  let vm_flags = calc_vm_prot_bits(prot) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if ((flags & MAP_SHARED) !== 0) vm_flags |= VM_SHARED | VM_MAYSHARE;
  else if ((flags & MAP_NORESERVE) !== 0) vm_flags |= VM_NORESERVE;
  else if ((prot & PROT_WRITE) !== 0) vm_flags |= VM_ACCOUNT;
  if ((flags & MAP_GROWSDOWN) !== 0) vm_flags |= VM_GROWSDOWN;
  return cpu.soft_dirty ? vm_flags | VM_SOFTDIRTY : vm_flags;
}

/** vm_unmapped_area, top down: the highest free range of `length` below mmap_base; 0 if there is none. */
function* get_unmapped_area(cpu: Cpu, mm: Word, length: number): Steps<number> {
  let top = yield* read_long(cpu, mm + mm_struct.mmap_base);
  const vmas = yield* all_vmas(cpu, mm);
  for (const vma of vmas.reverse()) {
    if (top - length >= (yield* read_long(cpu, vma + vm_area.vm_end))) return top - length;
    top = Math.min(top, yield* read_long(cpu, vma + vm_area.vm_start));
  }
  return top - length >= PAGE_SIZE ? top - length : 0;
}

/** Whether no VMA touches [start, end). */
function* range_is_free(cpu: Cpu, mm: Word, start: number, end: number): Steps<boolean> {
  for (const vma of yield* all_vmas(cpu, mm)) {
    const vm_end = yield* read_long(cpu, vma + vm_area.vm_end);
    if (vm_end > start && (yield* read_long(cpu, vma + vm_area.vm_start)) < end) return false;
  }
  return true;
}

/** Where a mapping goes: the address, or a negative error. */
function* place_mapping(cpu: Cpu, mm: Word, address: number, length: number, flags: number): Steps<number> {
  const fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
  if (address % PAGE_SIZE !== 0 && fixed) return -EINVAL;
  const hint = page_align(address);
  if (fixed && (hint < PAGE_SIZE || hint + length > TASK_SIZE)) return -ENOMEM;
  if ((flags & MAP_FIXED) !== 0) return hint;
  if (hint >= PAGE_SIZE && hint + length <= TASK_SIZE && (yield* range_is_free(cpu, mm, hint, hint + length))) {
    return hint;
  }
  if ((flags & MAP_FIXED_NOREPLACE) !== 0) return -EEXIST;
  const found = yield* get_unmapped_area(cpu, mm, length);
  return found === 0 ? -ENOMEM : found;
}

/** mmap_region: the VMA at [start, start + length), whose range is free. 0 or a negative error. */
function* mmap_region(cpu: Cpu, mm: Word, start: number, length: number, vm_flags: number, ops: number): Steps<number> {
  const vma = yield* vm_area_alloc(cpu, mm);
  if (vma === 0) return -ENOMEM;
  yield* vma_set_range(cpu, vma, start, start + length, start / PAGE_SIZE);
  yield* vm_flags_reset(cpu, vma, vm_flags);
  yield* write(cpu, vma + vm_area.vm_ops, ops);
  yield* vma_start_write(cpu, mm, vma);
  if ((yield* vma_link(cpu, mm, vma)) !== 0) {
    yield* vm_area_free(cpu, vma);
    return -ENOMEM;
  }
  yield* vma_merge(cpu, mm, vma);
  const pages = length / PAGE_SIZE;
  yield* write(cpu, mm + mm_struct.total_vm, (yield* read(cpu, mm + mm_struct.total_vm)) + pages);
  return 0;
}

/** mmap: the address, or a negative error. `file`: not anonymous memory; its faults are counted and skipped. */
export function* sys_mmap(
  cpu: Cpu,
  mm: Word,
  address: number,
  length: number,
  prot: number,
  flags: number,
  file: boolean,
): Steps<number> {
  if (length <= 0 || !Number.isSafeInteger(address) || address < 0) return -EINVAL;
  const bytes = page_align(length);
  if (bytes > TASK_SIZE) return -ENOMEM;
  const ops = file ? VM_OPS_FILE : (flags & MAP_SHARED) !== 0 ? VM_OPS_SHMEM : VM_OPS_NONE;
  yield* mmap_write_lock(cpu, mm);
  const at = yield* place_mapping(cpu, mm, address, bytes, flags);
  let error = Math.min(at, 0);
  if (error === 0 && (flags & MAP_FIXED) !== 0) {
    error = yield* do_vmi_align_munmap(cpu, mm, at, at + bytes, false);
  }
  if (error === 0) error = yield* mmap_region(cpu, mm, at, bytes, flags_of_mapping(cpu, prot, flags), ops);
  yield* mmap_write_unlock(cpu, mm);
  if (error === 0 && (flags & MAP_POPULATE) !== 0 && (flags & MAP_ANONYMOUS) !== 0) {
    yield* mmap_read_lock(cpu, mm);
    yield* populate_range(cpu, mm, at, at + bytes, (prot & PROT_WRITE) !== 0);
    yield* mmap_read_unlock(cpu, mm);
  }
  return error === 0 ? at : error;
}

/** munmap. 0 or a negative error. */
export function* sys_munmap(cpu: Cpu, mm: Word, address: number, length: number): Steps<number> {
  if (address % PAGE_SIZE !== 0 || length <= 0 || address + length > TASK_SIZE) return -EINVAL;
  yield* mmap_write_lock(cpu, mm);
  return yield* do_vmi_align_munmap(cpu, mm, address, address + page_align(length), true);
}

/**
 * do_vmi_align_munmap: splits at both ends, detaches the VMAs in between, then unmaps their pages. Entered with
 * mmap_lock held for write. With `unlock` the pages are unmapped under the read lock only, and no lock is held at the
 * end; else the write lock stays.
 */
export function* do_vmi_align_munmap(cpu: Cpu, mm: Word, start: number, end: number, unlock: boolean): Steps<number> {
  const error = yield* split_at(cpu, mm, start, end);
  const inside: Word[] = [];
  const rest: Word[] = [];
  let floor = 0;
  let ceiling = Infinity;
  for (const vma of yield* all_vmas(cpu, mm)) {
    const vm_start = yield* read_long(cpu, vma + vm_area.vm_start);
    const vm_end = yield* read_long(cpu, vma + vm_area.vm_end);
    const hit = vm_start < end && vm_end > start;
    if (hit) inside.push(vma);
    else rest.push(vma);
    if (vm_end <= start) floor = vm_end;
    else if (vm_start >= end && ceiling === Infinity) ceiling = vm_start;
  }
  let failed = error;
  if (failed === 0 && inside.length > 0) {
    for (const vma of inside) {
      yield* vma_start_write(cpu, mm, vma);
      yield* vma_mark_detached(cpu, vma, true);
    }
    failed = yield* vma_relink(cpu, mm, rest);
    if (failed !== 0) for (const vma of inside) yield* vma_mark_detached(cpu, vma, false);
  }
  if (failed !== 0 || inside.length === 0) {
    if (unlock) yield* mmap_write_unlock(cpu, mm);
    return failed;
  }
  let pages = 0;
  for (const vma of inside) {
    pages +=
      ((yield* read_long(cpu, vma + vm_area.vm_end)) - (yield* read_long(cpu, vma + vm_area.vm_start))) / PAGE_SIZE;
  }
  yield* write(cpu, mm + mm_struct.total_vm, (yield* read(cpu, mm + mm_struct.total_vm)) - pages);
  if (unlock) yield* mmap_write_downgrade(cpu, mm);
  yield* unmap_region(cpu, mm, inside, floor, ceiling);
  if (unlock) yield* mmap_read_unlock(cpu, mm);
  return 0;
}

/** Splits the VMAs that reach over `start` or `end`. 0 or -ENOMEM. */
export function* split_at(cpu: Cpu, mm: Word, start: number, end: number): Steps<number> {
  for (const address of [start, end]) {
    for (const vma of yield* all_vmas(cpu, mm)) {
      const vm_start = yield* read_long(cpu, vma + vm_area.vm_start);
      if (vm_start >= address || (yield* read_long(cpu, vma + vm_area.vm_end)) <= address) continue;
      if ((yield* split_vma(cpu, mm, vma, address)) === 0) return -ENOMEM;
    }
  }
  return 0;
}

/** unmap_region: pages, then tables, then the flush, then the VMAs. They are detached: nobody can find them any more. */
export function* unmap_region(cpu: Cpu, mm: Word, vmas: readonly Word[], floor: number, ceiling: number): Steps<void> {
  yield* lru_add_drain(cpu);
  tlb_gather_mmu(cpu, mm);
  for (const vma of vmas) {
    const start = yield* read_long(cpu, vma + vm_area.vm_start);
    yield* unmap_page_range(cpu, mm, start, yield* read_long(cpu, vma + vm_area.vm_end));
  }
  yield* free_pgtables(cpu, mm, vmas, floor, ceiling);
  yield* tlb_finish_mmu(cpu);
  for (const vma of vmas) yield* vm_area_free(cpu, vma);
}

/** brk: moves the end of the heap; returns where it is now. */
export function* sys_brk(cpu: Cpu, mm: Word, brk: number): Steps<number> {
  yield* mmap_write_lock(cpu, mm);
  const start = yield* read_long(cpu, mm + mm_struct.start_brk);
  const old = yield* read_long(cpu, mm + mm_struct.brk);
  if (brk < start || brk > TASK_SIZE) {
    yield* mmap_write_unlock(cpu, mm);
    return old;
  }
  const from = page_align(old);
  const to = page_align(brk);
  let moved = true;
  if (to < from) {
    moved = (yield* do_vmi_align_munmap(cpu, mm, to, from, false)) === 0;
  } else if (to > from) {
    const flags = flags_of_mapping(cpu, PROT_READ | PROT_WRITE, 0);
    moved = (yield* range_is_free(cpu, mm, from, to)) && (yield* mmap_region(cpu, mm, from, to - from, flags, 0)) === 0;
  }
  if (moved) yield* write_long(cpu, mm + mm_struct.brk, brk);
  yield* mmap_write_unlock(cpu, mm);
  return moved ? brk : old;
}
