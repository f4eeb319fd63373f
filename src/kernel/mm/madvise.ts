// madvise (mm/madvise.c): each VMA of a range is given the advice; where the range has holes, -ENOMEM is the answer all
// the same.
//
// Pages are given back (DONTNEED), may be taken away (FREE) or are thought to be unused (COLD, PAGEOUT); the rest sets
// flags of VMAs. There is no reclaim: what may be taken away stays, clean, until it is written to again.
import type { Cpu } from '../cpu.ts';
import {
  NO_ENTRY,
  PAGE_SIZE,
  PMD_SIZE,
  page_align,
  pte_dirty,
  pte_mkclean,
  pte_mkold,
  pte_none,
  pte_present,
  pte_young,
} from '../arch/x86/pgtable.ts';
import { PG_lru, VM_OPS_NONE, page, vma as vm_area } from '../layout.ts';
import { READ_ONCE, READ_ONCE_64, WRITE_ONCE_64, read, read_long, xchg_64 } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import {
  EAGAIN,
  EINVAL,
  ENOMEM,
  MADV_COLD,
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_KEEPONFORK,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_REMOVE,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  VM_DONTCOPY,
  VM_DONTDUMP,
  VM_HUGEPAGE,
  VM_LOCKED,
  VM_NOHUGEPAGE,
  VM_RAND_READ,
  VM_SEQ_READ,
  VM_SHARED,
  VM_WIPEONFORK,
} from './flags.ts';
import { madvise_populate } from './gup.ts';
import { find_pmd } from './khugepaged.ts';
import { find_vma } from './maple.ts';
import { mmap_read_lock, mmap_read_unlock, mmap_write_lock, mmap_write_unlock, vma_start_write } from './mmap_lock.ts';
import { tlb_finish_mmu, tlb_flush_range, tlb_gather_mmu } from './mmu_gather.ts';
import { next_boundary, next_mapped } from './pagewalk.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from './pgtable-generic.ts';
import { folio_mark_lazyfree, lru_add_drain } from './swap.ts';
import { vm_flags_reset, vma_isolate, vma_merge } from './vma.ts';
import { vm_normal_page } from './wp.ts';
import { unmap_page_range } from './zap.ts';

/** Advice that is a change of flags: what goes, and what comes. */
const FLAGS: Readonly<Record<number, readonly [clear: number, set: number]>> = {
  [MADV_NORMAL]: [VM_RAND_READ | VM_SEQ_READ, 0],
  [MADV_RANDOM]: [VM_SEQ_READ, VM_RAND_READ],
  [MADV_SEQUENTIAL]: [VM_RAND_READ, VM_SEQ_READ],
  [MADV_DONTFORK]: [0, VM_DONTCOPY],
  [MADV_DOFORK]: [VM_DONTCOPY, 0],
  [MADV_HUGEPAGE]: [VM_NOHUGEPAGE, VM_HUGEPAGE],
  [MADV_NOHUGEPAGE]: [VM_HUGEPAGE, VM_NOHUGEPAGE],
  [MADV_DONTDUMP]: [0, VM_DONTDUMP],
  [MADV_DODUMP]: [VM_DONTDUMP, 0],
  [MADV_WIPEONFORK]: [0, VM_WIPEONFORK],
  [MADV_KEEPONFORK]: [VM_WIPEONFORK, 0],
};

/** Advice that mmap_lock for read is enough for (madvise_need_mmap_write). */
const READS: readonly number[] = [
  MADV_WILLNEED,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_REMOVE,
  MADV_COLD,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
];

/** madvise. 0 or a negative error; what is mapped of a range with holes is advised, and -ENOMEM returned. */
export function* sys_madvise(cpu: Cpu, mm: Word, address: number, length: number, advice: number): Steps<number> {
  const reads = READS.includes(advice);
  if (!reads && FLAGS[advice] === undefined) return -EINVAL;
  if (address % PAGE_SIZE !== 0 || address < 0 || length < 0) return -EINVAL;
  const end = address + page_align(length);
  if (end === address) return 0;
  if (!reads) yield* mmap_write_lock(cpu, mm);
  else yield* mmap_read_lock(cpu, mm);
  const error = yield* madvise_range(cpu, mm, address, end, advice);
  if (!reads) yield* mmap_write_unlock(cpu, mm);
  else yield* mmap_read_unlock(cpu, mm);
  return error;
}

function* madvise_range(cpu: Cpu, mm: Word, start: number, end: number, advice: number): Steps<number> {
  if (advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE) {
    return yield* madvise_populate(cpu, mm, start, end, advice === MADV_POPULATE_WRITE);
  }
  return yield* madvise_walk_vmas(cpu, mm, start, end, advice);
}

function* madvise_walk_vmas(cpu: Cpu, mm: Word, start: number, end: number, advice: number): Steps<number> {
  let unmapped_error = 0;
  for (let at = start; at < end;) {
    const vma = yield* find_vma(cpu, mm, at);
    const vm_start = vma === 0 ? Infinity : yield* read_long(cpu, vma + vm_area.vm_start);
    if (at < vm_start) unmapped_error = -ENOMEM;
    if (vm_start >= end) break;
    const from = Math.max(at, vm_start);
    at = Math.min(end, yield* read_long(cpu, vma + vm_area.vm_end));
    const error = yield* madvise_vma_behavior(cpu, mm, vma, from, at, advice);
    if (error !== 0) return error;
  }
  return unmapped_error;
}

/** madvise_vma_behavior: [start, end) lies in the VMA. 0 or a negative error. */
function* madvise_vma_behavior(
  cpu: Cpu,
  mm: Word,
  vma: Word,
  start: number,
  end: number,
  advice: number,
): Steps<number> {
  const vm_flags = yield* read(cpu, vma + vm_area.vm_flags);
  const anonymous = (yield* read(cpu, vma + vm_area.vm_ops)) === VM_OPS_NONE;
  const locked = (vm_flags & VM_LOCKED) !== 0;
  switch (advice) {
    case MADV_WILLNEED:
      return 0;
    case MADV_REMOVE:
      // Holes are made in shared memory, of which only the regions exist.
      return locked || anonymous ? -EINVAL : 0;
    case MADV_DONTNEED:
    case MADV_DONTNEED_LOCKED:
      if (locked && advice === MADV_DONTNEED) return -EINVAL;
      yield* zap_page_range_single(cpu, mm, start, end);
      return 0;
    case MADV_FREE:
      if (locked || !anonymous) return -EINVAL;
      yield* age_range(cpu, mm, start, end, true);
      return 0;
    case MADV_COLD:
    case MADV_PAGEOUT:
      // Without swap space an anonymous page that was to go out stays.
      if (locked) return -EINVAL;
      yield* age_range(cpu, mm, start, end, false);
      return 0;
    default:
      if (advice === MADV_WIPEONFORK && (!anonymous || (vm_flags & VM_SHARED) !== 0)) return -EINVAL;
      return yield* madvise_update_vma(cpu, mm, vma, start, end, advice);
  }
}

/** madvise_update_vma: flags of [start, end), which becomes a VMA of its own or part of a neighbour. */
function* madvise_update_vma(cpu: Cpu, mm: Word, vma: Word, start: number, end: number, advice: number): Steps<number> {
  const [clear, set] = FLAGS[advice] ?? [0, 0];
  const old = yield* read(cpu, vma + vm_area.vm_flags);
  const vm_flags = (old & ~clear) | set;
  if (vm_flags === old) return 0;
  const inside = yield* vma_isolate(cpu, mm, vma, start, end);
  // madvise does not tell of a lack of memory from a hole by the same number.
  if (inside === 0) return -EAGAIN;
  yield* vma_start_write(cpu, mm, inside);
  yield* vm_flags_reset(cpu, inside, vm_flags);
  yield* vma_merge(cpu, mm, inside);
  return 0;
}

/** zap_page_range_single: under mmap_lock for read. */
function* zap_page_range_single(cpu: Cpu, mm: Word, start: number, end: number): Steps<void> {
  yield* lru_add_drain(cpu);
  tlb_gather_mmu(cpu, mm);
  yield* unmap_page_range(cpu, mm, start, end);
  yield* tlb_finish_mmu(cpu);
}

/** madvise_free_single_vma, and with `free` false madvise_cold and madvise_pageout: under mmap_lock for read. */
function* age_range(cpu: Cpu, mm: Word, start: number, end: number, free: boolean): Steps<void> {
  yield* lru_add_drain(cpu);
  tlb_gather_mmu(cpu, mm);
  for (let at = yield* next_mapped(cpu, mm, start, end); at < end;) {
    const next = Math.min(end, next_boundary(at, PMD_SIZE));
    yield* age_pte_range(cpu, mm, yield* find_pmd(cpu, mm, at), at, next, free);
    at = yield* next_mapped(cpu, mm, next, end);
  }
  yield* tlb_finish_mmu(cpu);
}

/** Whether a folio is on the LRU list, and mapped once. */
function* can_age(cpu: Cpu, folio: Word): Steps<boolean> {
  if (((yield* READ_ONCE(cpu, folio + page.flags)) & (1 << PG_lru)) === 0) return false;
  return (yield* READ_ONCE(cpu, folio + page._mapcount)) === 0;
}

/**
 * madvise_free_pte_range: pages become clean, so that reclaim could drop them; a write makes them dirty again, and they
 * are kept. Or madvise_cold_or_pageout_pte_range: they only become old, and only those that nobody shares and that have
 * left the batch of the CPU that made them.
 */
function* age_pte_range(cpu: Cpu, mm: Word, pmd: Word, address: number, end: number, free: boolean): Steps<void> {
  let pte = yield* pte_offset_map_lock(cpu, mm, pmd, address, cpu.vmf, (end - address) / PAGE_SIZE);
  if (pte === 0) return;
  const ptl = cpu.vmf.ptl;
  for (let at = address; at < end; at += PAGE_SIZE, pte += 2) {
    const found = yield* READ_ONCE_64(cpu, pte);
    const folio = pte_none(found) || !pte_present(found) ? 0 : vm_normal_page(cpu, found);
    if (folio === 0) continue;
    if (!free && !(yield* can_age(cpu, folio))) continue;
    if (pte_young(found) || (free && pte_dirty(found))) {
      // Taken out while it changes: a Dirty bit that the hardware sets meanwhile is not lost.
      const entry = pte_mkold(yield* xchg_64(cpu, pte, NO_ENTRY));
      yield* WRITE_ONCE_64(cpu, pte, free ? pte_mkclean(entry) : entry);
      tlb_flush_range(cpu, at, at + PAGE_SIZE);
    }
    if (free) yield* folio_mark_lazyfree(cpu, folio);
  }
  yield* pte_unmap_unlock(cpu, ptl);
}
