// mremap (mm/mremap.c): a mapping shrinks, grows where it is, or moves: its entries go elsewhere, its pages stay.
//
// All of it runs under mmap_lock for write, with both VMAs locked against faults; how entries move is in
// move_page_tables.ts.
import type { Cpu } from '../cpu.ts';
import { PAGE_SIZE, TASK_SIZE, page_align } from '../arch/x86/pgtable.ts';
import { mremap_userfaultfd_prep } from '../fs/userfaultfd.ts';
import type { AddressRange } from '../fs/userfaultfd.ts';
import { VM_OPS_NONE, mm_struct, vma as vm_area } from '../layout.ts';
import { read, read_long, write } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import {
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOMEM,
  MAP_FIXED,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  VM_LOCKED,
  VM_MAYSHARE,
} from './flags.ts';
import { mm_populate } from './gup.ts';
import { all_vmas, find_vma, mt_has_room } from './maple.ts';
import { account_locked_vm, mlock_future_ok } from './mlock.ts';
import { do_vmi_align_munmap, is_user_range } from './mmap.ts';
import { mmap_write_lock, mmap_write_unlock, vma_start_write } from './mmap_lock.ts';
import { move_page_tables } from './move_page_tables.ts';
import { anon_vma_clone, unlink_anon_vmas } from './rmap.ts';
import { find_vma_intersection, get_unmapped_area } from './unmapped_area.ts';
import {
  can_vma_merge_before,
  merge_two,
  range_of_vma,
  vm_area_alloc,
  vm_area_free,
  vm_flags_reset,
  vma_link,
  vma_merge,
  vma_neighbours,
  vma_relink,
  vma_set_range,
  vma_set_range_locked,
} from './vma.ts';

/** VMAs that a move may add before it takes others away. */
const MOVE_ROOM = 3;

/** What is asked of mremap, lengths in whole pages, and what it tells of. */
interface Request {
  readonly addr: number;
  readonly old_len: number;
  readonly new_len: number;
  readonly flags: number;
  readonly new_addr: number;
  readonly unwatched: AddressRange[];
}

/**
 * mremap: the address that the mapping has afterwards, or a negative error. Where nothing is mapped at `addr` v6.8 says
 * so (-EFAULT) before it looks at the new address; since v6.16 what is wrong with that comes first (-EINVAL). What no
 * monitor watches any more is added to `unwatched`.
 */
export function* sys_mremap(
  cpu: Cpu,
  mm: Word,
  addr: number,
  old_length: number,
  new_length: number,
  flags: number,
  new_addr: number,
  unwatched: AddressRange[],
): Steps<number> {
  const fixed = (flags & MREMAP_FIXED) !== 0;
  const dontunmap = (flags & MREMAP_DONTUNMAP) !== 0;
  const may_move = (flags & MREMAP_MAYMOVE) !== 0;
  if ((flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)) !== 0) return -EINVAL;
  if (!may_move && (fixed || dontunmap)) return -EINVAL;
  // It is a move, and never changes the size.
  if (dontunmap && old_length !== new_length) return -EINVAL;
  if (addr % PAGE_SIZE !== 0 || new_length <= 0 || old_length < 0) return -EINVAL;
  const request: Request = {
    addr,
    old_len: page_align(old_length),
    new_len: page_align(new_length),
    flags,
    new_addr,
    unwatched,
  };
  yield* mmap_write_lock(cpu, mm);
  let at = -EFAULT;
  let locked = false;
  const vma = yield* vma_lookup(cpu, mm, addr);
  if (vma !== 0) {
    locked = ((yield* read(cpu, vma + vm_area.vm_flags)) & VM_LOCKED) !== 0;
    at = yield* mremap_vma(cpu, mm, vma, request);
  }
  yield* mmap_write_unlock(cpu, mm);
  const { old_len, new_len } = request;
  if (at >= 0 && locked && new_len > old_len) yield* mm_populate(cpu, mm, at + old_len, at + new_len, true);
  return at;
}

/** vma_lookup: the VMA that covers `address`, or 0. */
function* vma_lookup(cpu: Cpu, mm: Word, address: number): Steps<Word> {
  const vma = yield* find_vma(cpu, mm, address);
  return vma !== 0 && (yield* read_long(cpu, vma + vm_area.vm_start)) <= address ? vma : 0;
}

/** do_munmap, the lock kept. */
function* do_munmap(cpu: Cpu, mm: Word, address: number, length: number): Steps<number> {
  if (!is_user_range(address, length)) return -EINVAL;
  return yield* do_vmi_align_munmap(cpu, mm, address, address + length, false);
}

function* mremap_vma(cpu: Cpu, mm: Word, vma: Word, request: Request): Steps<number> {
  const { addr, old_len, new_len, flags } = request;
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return yield* mremap_to(cpu, mm, request);
  if (old_len >= new_len) {
    const error = old_len === new_len ? 0 : yield* do_munmap(cpu, mm, addr + new_len, old_len - new_len);
    return error === 0 ? addr : error;
  }
  const error = yield* vma_to_resize(cpu, mm, request);
  if (error !== 0) return error;
  const vm_end = yield* read_long(cpu, vma + vm_area.vm_end);
  if (old_len === vm_end - addr && (yield* vma_expandable(cpu, mm, vma, new_len - old_len))) {
    return (yield* vma_merge_extend(cpu, mm, vma, new_len - old_len)) ? addr : -ENOMEM;
  }
  if ((flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
  const new_addr = yield* get_unmapped_area(cpu, mm, 0, new_len, 0);
  return new_addr < 0 ? new_addr : yield* move_vma(cpu, mm, vma, { ...request, new_addr });
}

/** mremap_to: a move to an address that is given, or with MREMAP_DONTUNMAP alone to one that is only suggested. */
function* mremap_to(cpu: Cpu, mm: Word, request: Request): Steps<number> {
  const { addr, new_len, flags } = request;
  const suggested = request.new_addr;
  let { old_len } = request;
  if (suggested % PAGE_SIZE !== 0 || suggested < 0 || suggested > TASK_SIZE - new_len) return -EINVAL;
  if (addr + old_len > suggested && suggested + new_len > addr) return -EINVAL;
  if (!(yield* mt_has_room(cpu, mm, MOVE_ROOM + 2))) return -ENOMEM;
  const fixed = (flags & MREMAP_FIXED) !== 0;
  let error = fixed ? yield* do_munmap(cpu, mm, suggested, new_len) : 0;
  if (error === 0 && old_len > new_len) {
    error = yield* do_munmap(cpu, mm, addr + new_len, old_len - new_len);
    old_len = new_len;
  }
  if (error === 0) error = yield* vma_to_resize(cpu, mm, { ...request, old_len });
  if (error !== 0) return error;
  const vma = yield* vma_lookup(cpu, mm, addr);
  const new_addr = yield* get_unmapped_area(cpu, mm, suggested, new_len, fixed ? MAP_FIXED : 0);
  return new_addr < 0 ? new_addr : yield* move_vma(cpu, mm, vma, { ...request, old_len, new_addr });
}

/** vma_to_resize: what is wrong with a change of size; 0 for nothing. */
function* vma_to_resize(cpu: Cpu, mm: Word, { addr, old_len, new_len }: Request): Steps<number> {
  const vma = yield* vma_lookup(cpu, mm, addr);
  if (vma === 0) return -EFAULT;
  const vm_flags = yield* read(cpu, vma + vm_area.vm_flags);
  // Private memory can't be duplicated, which is what a length of 0 asks for.
  if (old_len === 0 && (vm_flags & VM_MAYSHARE) === 0) return -EINVAL;
  if (old_len > (yield* read_long(cpu, vma + vm_area.vm_end)) - addr) return -EFAULT;
  if (new_len === old_len) return 0;
  return (yield* mlock_future_ok(cpu, mm, vm_flags, new_len - old_len)) ? 0 : -EAGAIN;
}

/** vma_expandable: whether nothing is in the way of `delta` bytes more. */
function* vma_expandable(cpu: Cpu, mm: Word, vma: Word, delta: number): Steps<boolean> {
  const end = yield* read_long(cpu, vma + vm_area.vm_end);
  return end + delta <= TASK_SIZE && (yield* find_vma_intersection(cpu, mm, end, end + delta)) === 0;
}

/** vma_merge_extend: the VMA has `delta` bytes more, and reaches the next one, which it joins if it can. */
function* vma_merge_extend(cpu: Cpu, mm: Word, vma: Word, delta: number): Steps<boolean> {
  const { start, end, pgoff, vm_flags } = yield* range_of_vma(cpu, vma);
  yield* vma_start_write(cpu, mm, vma);
  yield* vma_set_range_locked(cpu, vma, start, end + delta, pgoff);
  if ((yield* vma_relink(cpu, mm, yield* all_vmas(cpu, mm))) !== 0) {
    yield* vma_set_range_locked(cpu, vma, start, end, pgoff);
    return false;
  }
  const { next } = yield* vma_neighbours(cpu, mm, vma);
  if (yield* can_vma_merge_before(cpu, next, yield* range_of_vma(cpu, vma))) yield* merge_two(cpu, mm, vma, next);
  yield* account_vm(cpu, mm, delta);
  if ((vm_flags & VM_LOCKED) !== 0) yield* account_locked_vm(cpu, mm, delta / PAGE_SIZE);
  return true;
}

/** vm_stat_account. */
function* account_vm(cpu: Cpu, mm: Word, bytes: number): Steps<void> {
  yield* write(cpu, mm + mm_struct.total_vm, (yield* read(cpu, mm + mm_struct.total_vm)) + bytes / PAGE_SIZE);
}

/** What copy_vma made: where it lies, and whether those who look through the anon_vma might miss what moves there. */
interface Copy {
  readonly new_vma: Word;
  readonly need_rmap_locks: boolean;
}

/**
 * copy_vma: a VMA like `vma` at the new address, with its anon_vmas, or part of one that lies there. Undefined when out
 * of memory. `vma` may have become part of it, if it has no pages.
 */
function* copy_vma(cpu: Cpu, mm: Word, vma: Word, { addr, new_len, new_addr }: Request): Steps<Copy | undefined> {
  const source = yield* range_of_vma(cpu, vma);
  const untouched = source.vm_ops === VM_OPS_NONE && source.anon_vma === 0;
  // What has no pages yet may as well be numbered by its new place, which makes it easier to merge.
  const pgoff = untouched ? new_addr / PAGE_SIZE : source.pgoff + (addr - source.start) / PAGE_SIZE;
  const copy = yield* vm_area_alloc(cpu, mm);
  if (copy === 0) return undefined;
  yield* vma_set_range(cpu, copy, new_addr, new_addr + new_len, pgoff);
  yield* vm_flags_reset(cpu, copy, source.vm_flags);
  yield* write(cpu, copy + vm_area.vm_ops, source.vm_ops);
  yield* vma_start_write(cpu, mm, copy);
  if ((yield* anon_vma_clone(cpu, copy, vma)) !== 0 || (yield* vma_link(cpu, mm, copy)) !== 0) {
    yield* unlink_anon_vmas(cpu, copy);
    yield* vm_area_free(cpu, copy);
    return undefined;
  }
  const new_vma = yield* vma_merge(cpu, mm, copy);
  if (new_vma === copy) return { new_vma, need_rmap_locks: false };
  return { new_vma, need_rmap_locks: (yield* read_long(cpu, new_vma + vm_area.vm_pgoff)) <= source.pgoff };
}

/** move_vma: the mapping goes to `new_addr`, where nothing is. Returns it, or a negative error with all as it was. */
function* move_vma(cpu: Cpu, mm: Word, from: Word, request: Request): Steps<number> {
  const { addr, old_len, new_len, flags, new_addr } = request;
  if (!(yield* mt_has_room(cpu, mm, MOVE_ROOM))) return -ENOMEM;
  const vm_flags = yield* read(cpu, from + vm_area.vm_flags);
  yield* vma_start_write(cpu, mm, from);
  const copy = yield* copy_vma(cpu, mm, from, request);
  if (copy === undefined) return -ENOMEM;
  const { new_vma, need_rmap_locks } = copy;
  const vma = yield* vma_lookup(cpu, mm, addr);
  const moved = yield* move_page_tables(cpu, mm, vma, addr, new_addr, old_len, need_rmap_locks);
  yield* account_vm(cpu, mm, new_len);
  const done = moved >= old_len;
  if (done) yield* mremap_userfaultfd_prep(cpu, mm, new_vma, request.unwatched);
  if (done && (flags & MREMAP_DONTUNMAP) !== 0) {
    yield* leave_empty(cpu, vma, new_vma, addr, addr + old_len);
    return new_addr;
  }
  // What was moved goes back, for which all tables are there; then the new place is given up, not the old one.
  if (!done) yield* move_page_tables(cpu, mm, new_vma, new_addr, addr, moved, true);
  yield* do_munmap(cpu, mm, done ? addr : new_addr, done ? old_len : new_len);
  if ((vm_flags & VM_LOCKED) !== 0) yield* account_locked_vm(cpu, mm, new_len / PAGE_SIZE);
  return done ? new_addr : -ENOMEM;
}

/** MREMAP_DONTUNMAP: the old mapping stays, without pages; all of it is no longer locked, nor linked to the anon_vmas. */
function* leave_empty(cpu: Cpu, vma: Word, new_vma: Word, start: number, end: number): Steps<void> {
  const { vm_flags, ...range } = yield* range_of_vma(cpu, vma);
  if ((vm_flags & VM_LOCKED) !== 0) yield* vm_flags_reset(cpu, vma, vm_flags & ~VM_LOCKED);
  if (new_vma !== vma && range.start === start && range.end === end) yield* unlink_anon_vmas(cpu, vma);
}
