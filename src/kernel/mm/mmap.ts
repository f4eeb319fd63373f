// mmap, munmap and brk (mm/mmap.c). System calls return a value or a negative error number, as in Linux.
import type { Cpu } from '../cpu.ts';
import { PAGE_SIZE, TASK_SIZE, page_align } from '../arch/x86/pgtable.ts';
import { VM_OPS_FILE, VM_OPS_NONE, VM_OPS_SHMEM, mm_struct, vma as vm_area } from '../layout.ts';
import { read, read_long, write, write_long } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import {
  EAGAIN,
  EEXIST,
  EINVAL,
  ENOMEM,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_STACK,
  MAP_TYPE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  VM_ACCOUNT,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_NOHUGEPAGE,
  VM_NORESERVE,
  VM_READ,
  VM_SHARED,
  VM_SOFTDIRTY,
  VM_WRITE,
} from './flags.ts';
import { mm_populate } from './gup.ts';
import { all_vmas } from './maple.ts';
import { account_locked_vm, mlock_future_ok } from './mlock.ts';
import {
  mmap_read_unlock,
  mmap_write_downgrade,
  mmap_write_lock,
  mmap_write_unlock,
  vma_start_write,
} from './mmap_lock.ts';
import { tlb_finish_mmu, tlb_gather_mmu } from './mmu_gather.ts';
import { lru_add_drain } from './swap.ts';
import {
  MMAP_MIN_ADDR,
  STACK_GUARD_GAP,
  find_vma_intersection,
  get_unmapped_area,
  vm_start_gap,
} from './unmapped_area.ts';
import {
  can_vma_merge_after,
  can_vma_merge_before,
  merge_two,
  range_of_vma,
  split_vma,
  vm_area_alloc,
  vm_area_free,
  vm_flags_reset,
  vma_link,
  vma_mark_detached,
  vma_neighbours,
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

/** calc_vm_flag_bits. A stack is no place for huge pages. */
function calc_vm_flag_bits(flags: number): number {
  return (
    ((flags & MAP_GROWSDOWN) !== 0 ? VM_GROWSDOWN : 0) |
    ((flags & MAP_LOCKED) !== 0 ? VM_LOCKED : 0) |
    ((flags & MAP_STACK) !== 0 ? VM_NOHUGEPAGE : 0)
  );
}

/** The VM_* flags of a new mapping. */
function flags_of_mapping(cpu: Cpu, prot: number, flags: number): number {
  let vm_flags = calc_vm_prot_bits(prot) | calc_vm_flag_bits(flags) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
  if ((flags & MAP_TYPE) === MAP_SHARED) vm_flags |= VM_SHARED | VM_MAYSHARE;
  if ((flags & MAP_NORESERVE) !== 0) vm_flags |= VM_NORESERVE;
  // accountable_mapping.
  if ((vm_flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) === VM_WRITE) vm_flags |= VM_ACCOUNT;
  return cpu.soft_dirty ? vm_flags | VM_SOFTDIRTY : vm_flags;
}

/** Makes the VMA at [start, start + length), whose range is free, and puts it into the tree. 0 when out of memory. */
function* new_vma(cpu: Cpu, mm: Word, start: number, length: number, vm_flags: number, ops: number): Steps<Word> {
  const vma = yield* vm_area_alloc(cpu, mm);
  if (vma === 0) return 0;
  yield* vma_set_range(cpu, vma, start, start + length, start / PAGE_SIZE);
  yield* vm_flags_reset(cpu, vma, vm_flags);
  yield* write(cpu, vma + vm_area.vm_ops, ops);
  yield* vma_start_write(cpu, mm, vma);
  if ((yield* vma_link(cpu, mm, vma)) === 0) return vma;
  yield* vm_area_free(cpu, vma);
  return 0;
}

/** What a mapping that has become part of the address space counts for. */
function* account_mapping(cpu: Cpu, mm: Word, vma: Word, length: number, vm_flags: number): Steps<void> {
  const pages = length / PAGE_SIZE;
  yield* write(cpu, mm + mm_struct.total_vm, (yield* read(cpu, mm + mm_struct.total_vm)) + pages);
  if ((vm_flags & VM_LOCKED) !== 0) yield* account_locked_vm(cpu, mm, pages);
  // What was merged into an older VMA makes all of it new to who tracks soft-dirty pages.
  const has = yield* read(cpu, vma + vm_area.vm_flags);
  if (cpu.soft_dirty && (has & VM_SOFTDIRTY) === 0) yield* vm_flags_reset(cpu, vma, has | VM_SOFTDIRTY);
}

/**
 * mmap_region: the mapping at [start, start + length), whose range is free; it becomes part of the next VMA and of the
 * previous one, where nothing tells them apart. 0 or a negative error.
 */
function* mmap_region(cpu: Cpu, mm: Word, start: number, length: number, vm_flags: number, ops: number): Steps<number> {
  let vma = yield* new_vma(cpu, mm, start, length, vm_flags, ops);
  if (vma === 0) return -ENOMEM;
  const { prev, next } = yield* vma_neighbours(cpu, mm, vma);
  const range = yield* range_of_vma(cpu, vma);
  const with_next = yield* can_vma_merge_before(cpu, next, range);
  // Next to a VMA that it joins it has that one's anon_vma.
  const anon_vma = with_next ? yield* read(cpu, next + vm_area.anon_vma) : 0;
  const with_prev = yield* can_vma_merge_after(cpu, prev, range, anon_vma);
  if (with_prev) vma = (yield* merge_two(cpu, mm, prev, vma)) || vma;
  if (with_next) vma = (yield* merge_two(cpu, mm, vma, next)) || vma;
  yield* account_mapping(cpu, mm, vma, length, vm_flags);
  return 0;
}

/** Whether MAP_TYPE says what a mapping of this kind can be: private or shared, and no stack is shared. */
function is_mapping_type(flags: number, file: boolean): boolean {
  const type = flags & MAP_TYPE;
  if (type === MAP_PRIVATE) return true;
  return (type === MAP_SHARED || (file && type === MAP_SHARED_VALIDATE)) && (flags & MAP_GROWSDOWN) === 0;
}

/** do_mmap, with mmap_lock held for write: the address, or a negative error. */
function* do_mmap(
  cpu: Cpu,
  mm: Word,
  hint: number,
  bytes: number,
  prot: number,
  flags: number,
  ops: number,
): Steps<number> {
  const how = (flags & MAP_FIXED_NOREPLACE) !== 0 ? flags | MAP_FIXED : flags;
  // round_hint_to_min.
  const low = (how & MAP_FIXED) === 0 && hint >= PAGE_SIZE && hint < MMAP_MIN_ADDR;
  const address = yield* get_unmapped_area(cpu, mm, low ? MMAP_MIN_ADDR : hint, bytes, how);
  if (address < 0) return address;
  const end = address + bytes;
  if ((flags & MAP_FIXED_NOREPLACE) !== 0 && (yield* find_vma_intersection(cpu, mm, address, end)) !== 0)
    return -EEXIST;
  const vm_flags = flags_of_mapping(cpu, prot, flags);
  if (!(yield* mlock_future_ok(cpu, mm, vm_flags, bytes))) return -EAGAIN;
  if (!is_mapping_type(flags, ops === VM_OPS_FILE)) return -EINVAL;
  // What stands there goes first, also where there is no memory for what is to come.
  if ((yield* do_vmi_align_munmap(cpu, mm, address, end, false)) !== 0) return -ENOMEM;
  const error = yield* mmap_region(cpu, mm, address, bytes, vm_flags, ops);
  return error === 0 ? address : error;
}

/**
 * mmap: the address, or a negative error. `file`: not anonymous memory; its faults are counted and skipped. As with
 * vm.overcommit_memory 1, no mapping is too large for the machine's memory.
 */
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
  const ops = file ? VM_OPS_FILE : (flags & MAP_TYPE) === MAP_SHARED ? VM_OPS_SHMEM : VM_OPS_NONE;
  yield* mmap_write_lock(cpu, mm);
  const at = yield* do_mmap(cpu, mm, address, bytes, prot, flags, ops);
  yield* mmap_write_unlock(cpu, mm);
  const populate = (flags & MAP_LOCKED) !== 0 || (flags & (MAP_POPULATE | MAP_NONBLOCK)) === MAP_POPULATE;
  if (at >= 0 && populate) yield* mm_populate(cpu, mm, at, at + bytes, true);
  return at;
}

/** Whether do_vmi_munmap takes a range: page-aligned, not empty, and of user space. */
export function is_user_range(address: number, length: number): boolean {
  return address % PAGE_SIZE === 0 && address >= 0 && length > 0 && address + page_align(length) <= TASK_SIZE;
}

/** munmap. 0 or a negative error. */
export function* sys_munmap(cpu: Cpu, mm: Word, address: number, length: number): Steps<number> {
  if (!is_user_range(address, length)) return -EINVAL;
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
  let locked = 0;
  for (const vma of inside) {
    const size =
      ((yield* read_long(cpu, vma + vm_area.vm_end)) - (yield* read_long(cpu, vma + vm_area.vm_start))) / PAGE_SIZE;
    pages += size;
    if (((yield* read(cpu, vma + vm_area.vm_flags)) & VM_LOCKED) !== 0) locked += size;
  }
  yield* account_locked_vm(cpu, mm, -locked);
  yield* write(cpu, mm + mm_struct.total_vm, (yield* read(cpu, mm + mm_struct.total_vm)) - pages);
  if (unlock) yield* mmap_write_downgrade(cpu, mm);
  yield* unmap_region(cpu, mm, inside, floor, ceiling);
  if (unlock) yield* mmap_read_unlock(cpu, mm);
  return 0;
}

/** Splits the VMAs that reach over `start` or `end`. 0 or -ENOMEM. */
function* split_at(cpu: Cpu, mm: Word, start: number, end: number): Steps<number> {
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

/** do_brk_flags: the heap grows by [start, start + length); it joins what comes before it, never what comes after. */
function* do_brk_flags(cpu: Cpu, mm: Word, start: number, length: number): Steps<number> {
  const vm_flags = flags_of_mapping(cpu, PROT_READ | PROT_WRITE, MAP_PRIVATE);
  let vma = yield* new_vma(cpu, mm, start, length, vm_flags, VM_OPS_NONE);
  if (vma === 0) return -ENOMEM;
  const { prev } = yield* vma_neighbours(cpu, mm, vma);
  const range = yield* range_of_vma(cpu, vma);
  if (yield* can_vma_merge_after(cpu, prev, range, 0)) vma = (yield* merge_two(cpu, mm, prev, vma)) || vma;
  yield* account_mapping(cpu, mm, vma, length, vm_flags);
  return 0;
}

/** Gives up [to, from) of the heap. False, with nothing done, if there is nothing mapped. */
function* shrink_brk(cpu: Cpu, mm: Word, to: number, from: number): Steps<boolean> {
  if ((yield* find_vma_intersection(cpu, mm, to, from)) === 0) return false;
  return (yield* do_vmi_align_munmap(cpu, mm, to, from, false)) === 0;
}

/** Extends the heap over [from, to). False if something is too near: a page stays free above it. */
function* grow_brk(cpu: Cpu, mm: Word, from: number, to: number): Steps<boolean> {
  if (to > TASK_SIZE) return false;
  const next = yield* find_vma_intersection(cpu, mm, from, to + PAGE_SIZE + STACK_GUARD_GAP);
  if (next !== 0 && to + PAGE_SIZE > (yield* vm_start_gap(cpu, next))) return false;
  return (yield* do_brk_flags(cpu, mm, from, to - from)) === 0;
}

/** brk: moves the end of the heap; returns where it is now. */
export function* sys_brk(cpu: Cpu, mm: Word, brk: number): Steps<number> {
  yield* mmap_write_lock(cpu, mm);
  const start = yield* read_long(cpu, mm + mm_struct.start_brk);
  const old = yield* read_long(cpu, mm + mm_struct.brk);
  const from = page_align(old);
  const to = page_align(brk);
  let moved = brk >= start;
  if (moved && to < from) moved = yield* shrink_brk(cpu, mm, to, from);
  else if (moved && to > from) moved = yield* grow_brk(cpu, mm, from, to);
  if (moved) yield* write_long(cpu, mm + mm_struct.brk, brk);
  yield* mmap_write_unlock(cpu, mm);
  return moved ? brk : old;
}
