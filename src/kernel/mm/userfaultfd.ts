// Filling missing pages for a monitor: mfill_atomic and what it calls (mm/userfaultfd.c).
//
// The page is made, filled and charged with no PTL held; then, under the PTL, the entry must still be none: a monitor
// never overwrites what a thread, or another monitor, has put there.
import type { Cpu } from '../cpu.ts';
import { page_address, page_to_pfn } from '../cpu.ts';
import { NO_ENTRY, PAGE_SIZE, pfn_pte, pte_mkdirty, pte_mkspecial, pte_mkwrite } from '../arch/x86/pgtable.ts';
import { FRAME_WORDS, MM_ANONPAGES, header, mm_struct, vma as vm_area } from '../layout.ts';
import { fill_words, local_read, read, read_64, read_long } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { __folio_mark_uptodate, add_mm_counter } from './anon.ts';
import { SITE_FOLIO } from './fail_page_alloc.ts';
import { EAGAIN, EEXIST, EINTR, ENOENT, ENOMEM, VM_UFFD_MISSING, VM_WRITE } from './flags.ts';
import { find_vma } from './maple.ts';
import { mem_cgroup_charge } from './memcontrol.ts';
import { mmap_read_lock, mmap_read_unlock } from './mmap_lock.ts';
import { fatal_signal_pending } from './oom_kill.ts';
import { GFP_HIGHUSER_MOVABLE, alloc_page } from './page_alloc.ts';
import { pgd_offset, pmd_alloc, pte_alloc, pud_alloc } from './pgalloc.ts';
import { pte_changed, pte_offset_map_lock, pte_unmap_unlock, set_pte_from } from './pgtable-generic.ts';
import { anon_vma_prepare, folio_add_new_anon_rmap, folio_remove_rmap_pte } from './rmap.ts';
import { folio_add_lru, folio_put } from './swap.ts';

/** find_dst_vma: the watched VMA that has all of [start, end), or 0. */
function* find_dst_vma(cpu: Cpu, mm: Word, start: number, end: number): Steps<Word> {
  const vma = yield* find_vma(cpu, mm, start);
  if (vma === 0 || (yield* read_long(cpu, vma + vm_area.vm_start)) > start) return 0;
  if ((yield* read_long(cpu, vma + vm_area.vm_end)) < end) return 0;
  return ((yield* read(cpu, vma + vm_area.vm_flags)) & VM_UFFD_MISSING) !== 0 ? vma : 0;
}

/** mm_alloc_pmd and pte_alloc: the pmd entry of an address, with a table behind it; 0 when out of memory. */
function* alloc_tables(cpu: Cpu, mm: Word, address: number): Steps<Word> {
  const pgd = pgd_offset(yield* read(cpu, mm + mm_struct.pgd), address);
  const pud = yield* pud_alloc(cpu, mm, pgd, address);
  const pmd = pud === 0 ? 0 : yield* pmd_alloc(cpu, mm, pud, address);
  return pmd !== 0 && (yield* pte_alloc(cpu, mm, pmd)) === 0 ? pmd : 0;
}

/** mfill_atomic_install_pte: 0, -EEXIST, or -EAGAIN where the table has been taken away. */
function* install_folio(cpu: Cpu, mm: Word, vma: Word, pmd: Word, address: number, folio: Word): Steps<number> {
  const prot = yield* read_64(cpu, vma + vm_area.vm_page_prot);
  let entry = pte_mkdirty(cpu, pfn_pte(page_to_pfn(cpu, folio), prot));
  if (((yield* read(cpu, vma + vm_area.vm_flags)) & VM_WRITE) !== 0) entry = pte_mkwrite(entry);
  const pte = yield* pte_offset_map_lock(cpu, mm, pmd, address, cpu.vmf);
  if (pte === 0) return -EAGAIN;
  const { ptl } = cpu.vmf;
  let error = -EEXIST;
  if (!(yield* pte_changed(cpu, pte, NO_ENTRY))) {
    yield* folio_add_new_anon_rmap(cpu, folio, vma, address);
    yield* folio_add_lru(cpu, folio);
    yield* add_mm_counter(cpu, mm, MM_ANONPAGES, 1);
    if (yield* set_pte_from(cpu, pte, NO_ENTRY, entry)) error = 0;
    else {
      yield* folio_remove_rmap_pte(cpu, folio);
      yield* add_mm_counter(cpu, mm, MM_ANONPAGES, -1);
    }
  }
  yield* pte_unmap_unlock(cpu, ptl);
  return error;
}

/** mfill_atomic_pte_copy: a page of its own, every word `value`. 0, -ENOMEM, -EEXIST or -EAGAIN. */
function* fill_copy(cpu: Cpu, mm: Word, vma: Word, pmd: Word, address: number, value: number): Steps<number> {
  const folio = yield* alloc_page(cpu, GFP_HIGHUSER_MOVABLE, SITE_FOLIO);
  if (folio === 0) return -ENOMEM;
  yield* fill_words(cpu, page_address(cpu, folio), FRAME_WORDS, value);
  // What was copied must be seen before the entry that leads to it.
  yield* __folio_mark_uptodate(cpu, folio);
  let error = -ENOMEM;
  if ((yield* mem_cgroup_charge(cpu, folio, yield* read(cpu, mm + mm_struct.memcg))) === 0) {
    error = yield* install_folio(cpu, mm, vma, pmd, address, folio);
  }
  if (error !== 0) yield* folio_put(cpu, folio);
  return error;
}

/** mfill_atomic_pte_zeropage: the one zero page. 0, -EEXIST or -EAGAIN. */
function* fill_zeropage(cpu: Cpu, mm: Word, vma: Word, pmd: Word, address: number): Steps<number> {
  const zero_pfn = page_to_pfn(cpu, local_read(cpu, header.zero_page));
  const entry = pte_mkspecial(pfn_pte(zero_pfn, yield* read_64(cpu, vma + vm_area.vm_page_prot)));
  const pte = yield* pte_offset_map_lock(cpu, mm, pmd, address, cpu.vmf);
  if (pte === 0) return -EAGAIN;
  const { ptl } = cpu.vmf;
  const is_filled = !(yield* pte_changed(cpu, pte, NO_ENTRY)) && (yield* set_pte_from(cpu, pte, NO_ENTRY, entry));
  yield* pte_unmap_unlock(cpu, ptl);
  return is_filled ? 0 : -EEXIST;
}

/**
 * mfill_atomic: fills the pages of [start, start + length), the first that can't be filled excepted, each with a copy of
 * a page whose words are all `value`, or with the zero page where that is undefined. Bytes filled, or a negative error.
 */
export function* mfill_atomic(
  cpu: Cpu,
  mm: Word,
  start: number,
  length: number,
  value: number | undefined,
): Steps<number> {
  yield* mmap_read_lock(cpu, mm);
  const vma = yield* find_dst_vma(cpu, mm, start, start + length);
  let error = vma === 0 ? -ENOENT : 0;
  // Without an anon_vma the reverse map could not find the page.
  if (error === 0 && (yield* anon_vma_prepare(cpu, vma)) !== 0) error = -ENOMEM;
  let filled = 0;
  while (error === 0 && filled < length) {
    const address = start + filled;
    const pmd = yield* alloc_tables(cpu, mm, address);
    if (pmd === 0) error = -ENOMEM;
    else if (value === undefined) error = yield* fill_zeropage(cpu, mm, vma, pmd, address);
    else error = yield* fill_copy(cpu, mm, vma, pmd, address, value);
    if (error !== 0) break;
    filled += PAGE_SIZE;
    if (fatal_signal_pending(cpu)) error = -EINTR;
  }
  yield* mmap_read_unlock(cpu, mm);
  return filled > 0 ? filled : error;
}
