// Making, splitting and merging VMAs (mm/mmap.c). Everything here runs under mmap_lock for write.
import type { Cpu } from '../cpu.ts';
import { vm_get_page_prot, PAGE_SIZE } from '../arch/x86/pgtable.ts';
import { CACHE_VMA, VM_OPS_NONE, mm_struct, vma as vm_area } from '../layout.ts';
import { INIT_LIST_HEAD } from '../list.ts';
import { call_rcu_free } from '../locking/rcu.ts';
import { init_rwsem } from '../locking/rwsem.ts';
import { WRITE_ONCE_64, read, read_long, write, write_long } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { ENOMEM, VM_SOFTDIRTY } from './flags.ts';
import { all_vmas, mt_has_room, mt_replace } from './maple.ts';
import { vma_start_write } from './mmap_lock.ts';
import {
  anon_vma_clone,
  anon_vma_lock_write,
  anon_vma_unlock_write,
  chain_is_singular,
  unlink_anon_vmas,
} from './rmap.ts';
import { kmem_cache_alloc_wait } from './slab.ts';

/** vm_area_alloc: an empty VMA of the mm; 0 when out of memory. */
export function* vm_area_alloc(cpu: Cpu, mm: Word): Steps<Word> {
  const vma = yield* kmem_cache_alloc_wait(cpu, CACHE_VMA);
  if (vma === 0) return 0;
  yield* init_rwsem(cpu, vma + vm_area.vm_lock);
  yield* write(cpu, vma + vm_area.vm_lock_seq, -1);
  yield* write(cpu, vma + vm_area.detached, 1);
  yield* write(cpu, vma + vm_area.vm_mm, mm);
  yield* write(cpu, vma + vm_area.anon_vma, 0);
  yield* INIT_LIST_HEAD(cpu, vma + vm_area.anon_vma_chain);
  return vma;
}

/** vm_area_dup: a VMA of `mm` with the range, flags and operations of `orig`, and in no anon_vma; 0 when out of memory. */
export function* vm_area_dup(cpu: Cpu, mm: Word, orig: Word): Steps<Word> {
  const vma = yield* vm_area_alloc(cpu, mm);
  if (vma === 0) return 0;
  const start = yield* read_long(cpu, orig + vm_area.vm_start);
  const end = yield* read_long(cpu, orig + vm_area.vm_end);
  yield* vma_set_range(cpu, vma, start, end, yield* read_long(cpu, orig + vm_area.vm_pgoff));
  yield* vm_flags_reset(cpu, vma, yield* read(cpu, orig + vm_area.vm_flags));
  yield* write(cpu, vma + vm_area.vm_ops, yield* read(cpu, orig + vm_area.vm_ops));
  return vma;
}

/** vm_area_free: after a grace period, since lock_vma_under_rcu may look at it meanwhile. */
export function* vm_area_free(cpu: Cpu, vma: Word): Steps<void> {
  yield* call_rcu_free(cpu, CACHE_VMA, vma);
}

/** vma_set_range. */
export function* vma_set_range(cpu: Cpu, vma: Word, start: number, end: number, pgoff: number): Steps<void> {
  yield* write_long(cpu, vma + vm_area.vm_start, start);
  yield* write_long(cpu, vma + vm_area.vm_end, end);
  yield* write_long(cpu, vma + vm_area.vm_pgoff, pgoff);
}

/** vm_flags_reset and vma_set_page_prot. */
export function* vm_flags_reset(cpu: Cpu, vma: Word, vm_flags: number): Steps<void> {
  yield* write(cpu, vma + vm_area.vm_flags, vm_flags);
  yield* WRITE_ONCE_64(cpu, vma + vm_area.vm_page_prot, vm_get_page_prot(vm_flags));
}

/** vma_mark_detached. */
export function* vma_mark_detached(cpu: Cpu, vma: Word, detached: boolean): Steps<void> {
  yield* write(cpu, vma + vm_area.detached, detached ? 1 : 0);
}

/** Inserts a VMA whose range is free into the tree. 0 or -ENOMEM. */
export function* vma_link(cpu: Cpu, mm: Word, vma: Word): Steps<number> {
  const start = yield* read_long(cpu, vma + vm_area.vm_start);
  const vmas: Word[] = [];
  let placed = false;
  for (const other of yield* all_vmas(cpu, mm)) {
    if (!placed && (yield* read_long(cpu, other + vm_area.vm_start)) > start) {
      vmas.push(vma);
      placed = true;
    }
    vmas.push(other);
  }
  if (!placed) vmas.push(vma);
  yield* vma_mark_detached(cpu, vma, false);
  if (!(yield* mt_replace(cpu, mm, vmas))) return -ENOMEM;
  yield* write(cpu, mm + mm_struct.map_count, vmas.length);
  return 0;
}

/** Publishes the VMAs that are left after some changed or went. 0 or -ENOMEM. */
export function* vma_relink(cpu: Cpu, mm: Word, vmas: readonly Word[]): Steps<number> {
  if (!(yield* mt_replace(cpu, mm, vmas))) return -ENOMEM;
  yield* write(cpu, mm + mm_struct.map_count, vmas.length);
  return 0;
}

/** __split_vma: [start, address) stays in `vma`, the rest becomes a new VMA. Returns it, or 0 when out of memory. */
export function* split_vma(cpu: Cpu, mm: Word, vma: Word, address: number): Steps<Word> {
  if (!(yield* mt_has_room(cpu, mm, 1))) return 0;
  const upper = yield* vm_area_alloc(cpu, mm);
  if (upper === 0) return 0;
  const start = yield* read_long(cpu, vma + vm_area.vm_start);
  const end = yield* read_long(cpu, vma + vm_area.vm_end);
  const pgoff = yield* read_long(cpu, vma + vm_area.vm_pgoff);
  yield* vma_set_range(cpu, upper, address, end, pgoff + (address - start) / PAGE_SIZE);
  yield* vm_flags_reset(cpu, upper, yield* read(cpu, vma + vm_area.vm_flags));
  yield* write(cpu, upper + vm_area.vm_ops, yield* read(cpu, vma + vm_area.vm_ops));
  if ((yield* anon_vma_clone(cpu, upper, vma)) !== 0) {
    yield* unlink_anon_vmas(cpu, upper);
    yield* vm_area_free(cpu, upper);
    return 0;
  }
  // Both halves are locked against faults until mmap_lock is released: pages move from one VMA to the other.
  yield* vma_start_write(cpu, mm, vma);
  yield* vma_start_write(cpu, mm, upper);
  yield* vma_set_range_locked(cpu, vma, start, address, pgoff);
  if ((yield* vma_link(cpu, mm, upper)) === 0) return upper;
  yield* vma_set_range_locked(cpu, vma, start, end, pgoff);
  yield* unlink_anon_vmas(cpu, upper);
  yield* vm_area_free(cpu, upper);
  return 0;
}

/** What is to become part of a VMA, or is one: where, with which flags and which anon_vma (0: none). */
export interface VmaRange {
  readonly start: number;
  readonly end: number;
  readonly pgoff: number;
  readonly vm_flags: number;
  readonly anon_vma: Word;
  readonly vm_ops: number;
}

/** A VMA as such a range. */
export function* range_of_vma(cpu: Cpu, vma: Word): Steps<VmaRange> {
  return {
    start: yield* read_long(cpu, vma + vm_area.vm_start),
    end: yield* read_long(cpu, vma + vm_area.vm_end),
    pgoff: yield* read_long(cpu, vma + vm_area.vm_pgoff),
    vm_flags: yield* read(cpu, vma + vm_area.vm_flags),
    anon_vma: yield* read(cpu, vma + vm_area.anon_vma),
    vm_ops: yield* read(cpu, vma + vm_area.vm_ops),
  };
}

/**
 * is_mergeable_anon_vma: they are the same, or one has none and `neighbour` (0: nobody is asked) was never forked. A
 * neighbour that has none itself counts as forked, so that a range with pages does not go into a VMA without: so it is
 * from v2.6.39 to v6.15; later kernels merge them.
 */
function* is_mergeable_anon_vma(cpu: Cpu, a: Word, b: Word, neighbour: Word): Steps<boolean> {
  if ((a === 0 || b === 0) && (neighbour === 0 || (yield* chain_is_singular(cpu, neighbour)))) return true;
  return a === b;
}

/** is_mergeable_vma: nothing but the place tells them apart. */
function is_mergeable_vma(a: VmaRange, b: VmaRange): boolean {
  const differ = a.vm_flags ^ b.vm_flags;
  return a.vm_ops === VM_OPS_NONE && b.vm_ops === VM_OPS_NONE && (differ & ~VM_SOFTDIRTY) === 0;
}

/** can_vma_merge_after: whether the range, with this anon_vma, could be the end of `prev` (0: there is none). */
export function* can_vma_merge_after(cpu: Cpu, prev: Word, range: VmaRange, anon_vma: Word): Steps<boolean> {
  if (prev === 0) return false;
  const before = yield* range_of_vma(cpu, prev);
  if (before.end !== range.start || !is_mergeable_vma(before, range)) return false;
  if (before.pgoff + (before.end - before.start) / PAGE_SIZE !== range.pgoff) return false;
  return yield* is_mergeable_anon_vma(cpu, anon_vma, before.anon_vma, prev);
}

/** can_vma_merge_before: whether the range could be the beginning of `next` (0: there is none). */
export function* can_vma_merge_before(cpu: Cpu, next: Word, range: VmaRange): Steps<boolean> {
  if (next === 0) return false;
  const behind = yield* range_of_vma(cpu, next);
  if (behind.start !== range.end || !is_mergeable_vma(range, behind)) return false;
  if (range.pgoff + (range.end - range.start) / PAGE_SIZE !== behind.pgoff) return false;
  return yield* is_mergeable_anon_vma(cpu, range.anon_vma, behind.anon_vma, next);
}

/** The VMAs before and behind one that is in the tree; 0 where there is none. */
export function* vma_neighbours(cpu: Cpu, mm: Word, vma: Word): Steps<{ prev: Word; next: Word }> {
  const vmas = yield* all_vmas(cpu, mm);
  const at = vmas.indexOf(vma);
  return { prev: vmas[at - 1] ?? 0, next: vmas[at + 1] ?? 0 };
}

/**
 * Merges `b` into `a`, or `a` into `b` where only `b` has the anon_vma that the pages point to. Returns what is left, 0
 * where memory is out and nothing changed.
 */
export function* merge_two(cpu: Cpu, mm: Word, a: Word, b: Word): Steps<Word> {
  const keep_b = (yield* read(cpu, a + vm_area.anon_vma)) === 0 && (yield* read(cpu, b + vm_area.anon_vma)) !== 0;
  const kept = keep_b ? b : a;
  const gone = keep_b ? a : b;
  yield* vma_start_write(cpu, mm, kept);
  yield* vma_start_write(cpu, mm, gone);
  const start = yield* read_long(cpu, a + vm_area.vm_start);
  const pgoff = yield* read_long(cpu, a + vm_area.vm_pgoff);
  const end = yield* read_long(cpu, b + vm_area.vm_end);
  const before = yield* range_of_vma(cpu, kept);
  yield* vma_set_range_locked(cpu, kept, start, end, pgoff);
  const vmas = (yield* all_vmas(cpu, mm)).filter((vma) => vma !== gone);
  if ((yield* vma_relink(cpu, mm, vmas)) !== 0) {
    yield* vma_set_range_locked(cpu, kept, before.start, before.end, before.pgoff);
    return 0;
  }
  yield* vma_mark_detached(cpu, gone, true);
  yield* unlink_anon_vmas(cpu, gone);
  yield* vm_area_free(cpu, gone);
  return kept;
}

/** vma_set_range of a VMA that pages may point to: what looks for them through the anon_vma waits (vma_prepare). */
export function* vma_set_range_locked(cpu: Cpu, vma: Word, start: number, end: number, pgoff: number): Steps<void> {
  const anon_vma = yield* read(cpu, vma + vm_area.anon_vma);
  if (anon_vma !== 0) yield* anon_vma_lock_write(cpu, anon_vma);
  yield* vma_set_range(cpu, vma, start, end, pgoff);
  if (anon_vma !== 0) yield* anon_vma_unlock_write(cpu, anon_vma);
}

/** vma_merge: joins `vma` with the VMAs that touch it, where nothing tells them apart. Returns the VMA it is now in. */
export function* vma_merge(cpu: Cpu, mm: Word, vma: Word): Steps<Word> {
  const { prev, next } = yield* vma_neighbours(cpu, mm, vma);
  const range = yield* range_of_vma(cpu, vma);
  const with_prev = yield* can_vma_merge_after(cpu, prev, range, range.anon_vma);
  let with_next = yield* can_vma_merge_before(cpu, next, range);
  if (with_prev && with_next) {
    const of_prev = yield* read(cpu, prev + vm_area.anon_vma);
    with_next = yield* is_mergeable_anon_vma(cpu, of_prev, yield* read(cpu, next + vm_area.anon_vma), 0);
  }
  let current = vma;
  if (with_prev) current = (yield* merge_two(cpu, mm, prev, vma)) || current;
  if (with_next) current = (yield* merge_two(cpu, mm, current, next)) || current;
  return current;
}

/** What vma_modify has split off: [start, end) of `vma` as a VMA of its own; 0 when out of memory. */
export function* vma_isolate(cpu: Cpu, mm: Word, vma: Word, start: number, end: number): Steps<Word> {
  let inside = vma;
  if ((yield* read_long(cpu, vma + vm_area.vm_start)) < start) {
    inside = yield* split_vma(cpu, mm, vma, start);
    if (inside === 0) return 0;
  }
  if ((yield* read_long(cpu, inside + vm_area.vm_end)) > end && (yield* split_vma(cpu, mm, inside, end)) === 0)
    return 0;
  return inside;
}
