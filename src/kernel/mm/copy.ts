// Copying page tables into a child: copy_page_range and what it calls (mm/memory.c, v6.8).
//
// No page is copied, only entries: both processes map the page from now on, neither may write to it, and whoever writes
// first takes a fault that copies it (wp.ts). The child's tables are made on the way; nobody else can reach them yet.
import type { Cpu } from '../cpu.ts';
import {
  NO_ENTRY,
  PAGE_SIZE,
  PGDIR_SIZE,
  PMD_SIZE,
  PUD_SIZE,
  addr_end,
  pmd_none,
  pte_mkold,
  pte_none,
  pte_present,
  pte_write,
  pte_wrprotect,
} from '../arch/x86/pgtable.ts';
import { LOCK_PTL_NESTED, MM_ANONPAGES, mm_struct, vma as vm_area } from '../layout.ts';
import { spin_lock } from '../locking/spinlock.ts';
import { READ_ONCE_64, WRITE_ONCE_64, read, read_64, read_long, try_cmpxchg_64 } from '../memory.ts';
import type { Entry, Steps, Word } from '../memory.ts';
import { add_mm_counter } from './anon.ts';
import { design_lock } from './design.ts';
import { ENOMEM } from './flags.ts';
import { pgd_offset, pmd_alloc, pmd_offset, pte_alloc, pud_alloc, pud_offset } from './pgalloc.ts';
import {
  pte_offset_map,
  pte_offset_map_lock,
  pte_offset_map_nolock,
  pte_unmap,
  pte_unmap_unlock,
} from './pgtable-generic.ts';
import { folio_dup_anon_rmap_pte } from './rmap.ts';
import { folio_get } from './swap.ts';
import { vm_normal_page } from './wp.ts';

/** ptep_set_wrprotect: the hardware may set Dirty at this very moment, so by compare-and-exchange (R31). */
export function* ptep_set_wrprotect(cpu: Cpu, pte: Word): Steps<void> {
  let old: Entry;
  do old = yield* READ_ONCE_64(cpu, pte);
  while (!(yield* try_cmpxchg_64(cpu, pte, old, pte_wrprotect(old))));
}

/** copy_present_pte: the child maps what `entry`, at `src_pte`, maps. Returns how many pages it has more: 1, or 0. */
function* copy_present_pte(cpu: Cpu, dst_pte: Word, src_pte: Word, entry: Entry): Steps<number> {
  const folio = vm_normal_page(cpu, entry);
  if (folio !== 0) {
    yield* folio_get(cpu, folio);
    yield* folio_dup_anon_rmap_pte(cpu, folio);
  }
  // A private mapping: nobody may write to what both have.
  let copied = entry;
  if (pte_write(entry)) {
    yield* ptep_set_wrprotect(cpu, src_pte);
    copied = pte_wrprotect(entry);
  }
  yield* WRITE_ONCE_64(cpu, dst_pte, pte_mkold(copied));
  return folio === 0 ? 0 : 1;
}

/** Where a range is copied from, and to. */
interface Copy {
  readonly dst_mm: Word;
  readonly src_mm: Word;
}

/** copy_pte_range: the entries of [address, end), all of one PTE table. 0 or -ENOMEM. */
function* copy_pte_range(
  cpu: Cpu,
  { dst_mm, src_mm }: Copy,
  dst_pmd: Word,
  src_pmd: Word,
  address: number,
  end: number,
): Steps<number> {
  if ((yield* pte_alloc(cpu, dst_mm, dst_pmd)) !== 0) return -ENOMEM;
  const count = (end - address) / PAGE_SIZE;
  const { vmf } = cpu;
  // A locking design of the user's own guards one range at a time. The child's does not need it: nobody sees it yet.
  const apart = cpu.design === undefined;
  let dst_pte = apart
    ? yield* pte_offset_map_lock(cpu, dst_mm, dst_pmd, address, vmf, count)
    : yield* pte_offset_map(cpu, dst_pmd, address);
  const dst_ptl = vmf.ptl;
  let src_pte = yield* pte_offset_map_nolock(cpu, src_mm, src_pmd, address, vmf);
  const src_ptl = vmf.ptl;
  if (src_pte !== 0) {
    if (src_ptl !== 0) yield* spin_lock(cpu, src_ptl, LOCK_PTL_NESTED);
    else if (cpu.design !== undefined) yield* design_lock(cpu, cpu.design, src_mm, src_pte, count);
    let rss = 0;
    for (let at = address; at < end; at += PAGE_SIZE, dst_pte += 2, src_pte += 2) {
      const entry = yield* READ_ONCE_64(cpu, src_pte);
      if (pte_none(entry) || !pte_present(entry)) continue;
      rss += yield* copy_present_pte(cpu, dst_pte, src_pte, entry);
    }
    yield* pte_unmap_unlock(cpu, src_ptl);
    if (rss !== 0) yield* add_mm_counter(cpu, dst_mm, MM_ANONPAGES, rss);
  }
  if (apart) yield* pte_unmap_unlock(cpu, dst_ptl);
  else pte_unmap(cpu);
  return 0;
}

/** copy_pud_range and copy_pmd_range: what lies below one entry of the top table. 0 or -ENOMEM. */
function* copy_pud_range(cpu: Cpu, copy: Copy, address: number, end: number): Steps<number> {
  const dst_pgd = pgd_offset(yield* read(cpu, copy.dst_mm + mm_struct.pgd), address);
  const src_pgd = pgd_offset(yield* read(cpu, copy.src_mm + mm_struct.pgd), address);
  // As Linux, tables of the child are made wherever the parent has the entry above, whether a page follows or not.
  if ((yield* pud_alloc(cpu, copy.dst_mm, dst_pgd, address)) === 0) return -ENOMEM;
  for (let at = address; at < end;) {
    const pud_end = addr_end(at, end, PUD_SIZE);
    const src_pud = pud_offset(cpu, yield* read_64(cpu, src_pgd), at);
    const pudval = src_pud === 0 ? NO_ENTRY : yield* read_64(cpu, src_pud);
    for (let low = at; low < pud_end && !pmd_none(pudval); low = addr_end(low, pud_end, PMD_SIZE)) {
      const dst_pud = yield* pud_alloc(cpu, copy.dst_mm, dst_pgd, low);
      const dst_pmd = dst_pud === 0 ? 0 : yield* pmd_alloc(cpu, copy.dst_mm, dst_pud, low);
      if (dst_pmd === 0) return -ENOMEM;
      const src_pmd = pmd_offset(cpu, pudval, low);
      if (src_pmd === 0 || pmd_none(yield* read_64(cpu, src_pmd))) continue;
      const error = yield* copy_pte_range(cpu, copy, dst_pmd, src_pmd, low, addr_end(low, pud_end, PMD_SIZE));
      if (error !== 0) return error;
    }
    at = pud_end;
  }
  return 0;
}

/**
 * copy_page_range: the child's VMA `dst_vma` maps what the parent's `src_vma` maps. A VMA without an anon_vma has no page
 * but the zero page, which faults bring back. 0 or -ENOMEM: what is copied so far is the child's, and ends with it.
 */
export function* copy_page_range(cpu: Cpu, dst_vma: Word, src_vma: Word): Steps<number> {
  if ((yield* read(cpu, src_vma + vm_area.anon_vma)) === 0) return 0;
  const copy = {
    dst_mm: yield* read(cpu, dst_vma + vm_area.vm_mm),
    src_mm: yield* read(cpu, src_vma + vm_area.vm_mm),
  };
  const end = yield* read_long(cpu, src_vma + vm_area.vm_end);
  for (let at = yield* read_long(cpu, src_vma + vm_area.vm_start); at < end; at = addr_end(at, end, PGDIR_SIZE)) {
    const src_pgd = pgd_offset(yield* read(cpu, copy.src_mm + mm_struct.pgd), at);
    if (pmd_none(yield* read_64(cpu, src_pgd))) continue;
    const error = yield* copy_pud_range(cpu, copy, at, addr_end(at, end, PGDIR_SIZE));
    if (error !== 0) return error;
  }
  return 0;
}
