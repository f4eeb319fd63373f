// Taking mappings away: zap_pte_range and the walk above it, and free_pgtables (mm/memory.c).
import type { Cpu } from '../cpu.ts';
import {
  NO_ENTRY,
  PAGE_SIZE,
  PGDIR_SIZE,
  PMD_SIZE,
  PUD_SIZE,
  pmd_index,
  pmd_none,
  pte_none,
  pte_present,
  pud_index,
} from '../arch/x86/pgtable.ts';
import { MM_ANONPAGES, mm_struct, vma as vm_area } from '../layout.ts';
import { READ_ONCE_64, WRITE_ONCE_64, read, read_64, read_long, xchg_64 } from '../memory.ts';
import type { Entry, Steps, Word } from '../memory.ts';
import { virt_to_page } from '../cpu.ts';
import { PRINTK_BAD_PAGE_MAP, printk } from '../printk.ts';
import { add_mm_counter } from './anon.ts';
import { tlb_flush_mmu, tlb_flush_range, tlb_remove_page } from './mmu_gather.ts';
import { next_boundary } from './pagewalk.ts';
import { mm_add_pgtables, pagetable_dtor, pgd_offset } from './pgalloc.ts';
import { pte_offset_map_lock, pte_unmap_unlock, table_of } from './pgtable-generic.ts';
import { folio_remove_rmap_pte, unlink_anon_vmas } from './rmap.ts';
import { vm_normal_page } from './wp.ts';

/** Clears one entry that is present. Returns its page, which has lost this mapping; 0 for the zero page. */
function* zap_present_pte(cpu: Cpu, pte: Word, address: number): Steps<Word> {
  // xchg, so that a Dirty bit the hardware sets at this very moment is not lost (R31).
  const entry = yield* xchg_64(cpu, pte, NO_ENTRY);
  const folio = vm_normal_page(cpu, entry);
  if (folio !== 0 && (yield* folio_remove_rmap_pte(cpu, folio)) < 0) {
    printk(cpu, PRINTK_BAD_PAGE_MAP, entry.hi, entry.lo, address);
  }
  return folio;
}

/** zap_pte_range: clears the entries of [address, end), all of one PTE table. */
function* zap_pte_range(cpu: Cpu, mm: Word, pmd: Word, address: number, end: number): Steps<void> {
  let at = address;
  while (at < end) {
    let pte = yield* pte_offset_map_lock(cpu, mm, pmd, at, cpu.vmf, (end - at) / PAGE_SIZE);
    if (pte === 0) return;
    const ptl = cpu.vmf.ptl;
    const first = at;
    let cleared = false;
    let removed = 0;
    let full = false;
    for (; at < end && !full; at += PAGE_SIZE, pte += 2) {
      const entry = yield* READ_ONCE_64(cpu, pte);
      if (pte_none(entry) || !pte_present(entry)) continue;
      const folio = yield* zap_present_pte(cpu, pte, at);
      cleared = true;
      if (folio === 0) continue;
      removed += 1;
      full = tlb_remove_page(cpu, folio);
    }
    if (cleared) tlb_flush_range(cpu, first, at);
    // The counter moves before the lock is dropped, so that nobody sees fewer pages than are counted gone.
    if (removed !== 0) yield* add_mm_counter(cpu, mm, MM_ANONPAGES, -removed);
    yield* pte_unmap_unlock(cpu, ptl);
    if (full) yield* tlb_flush_mmu(cpu);
  }
}

/** unmap_page_range: clears every entry of [start, end). The caller has begun a gather. */
export function* unmap_page_range(cpu: Cpu, mm: Word, start: number, end: number): Steps<void> {
  const pgd = yield* read(cpu, mm + mm_struct.pgd);
  let at = start;
  while (at < end) {
    const pgdval = yield* read_64(cpu, pgd_offset(pgd, at));
    const puds = pmd_none(pgdval) ? 0 : table_of(cpu, pgdval);
    if (puds === 0) {
      at = next_boundary(at, PGDIR_SIZE);
      continue;
    }
    const pudval = yield* read_64(cpu, puds + (pud_index(at) << 1));
    const pmds = pmd_none(pudval) ? 0 : table_of(cpu, pudval);
    if (pmds === 0) {
      at = next_boundary(at, PUD_SIZE);
      continue;
    }
    const next = Math.min(end, next_boundary(at, PMD_SIZE));
    const pmd = pmds + (pmd_index(at) << 1);
    if (!pmd_none(yield* read_64(cpu, pmd))) yield* zap_pte_range(cpu, mm, pmd, at, next);
    at = next;
  }
}

function align_down(address: number, size: number): number {
  return Math.floor(address / size) * size;
}

/** Clears the entry at `slot` and collects the table it pointed to. No page-table lock: nobody else can get here. */
function* free_table(cpu: Cpu, mm: Word, slot: Word, entry: Entry, address: number): Steps<void> {
  yield* WRITE_ONCE_64(cpu, slot, NO_ENTRY);
  // A walk that goes on in another CPU must end before the table's page is freed.
  tlb_flush_range(cpu, address, address + PAGE_SIZE);
  const table = table_of(cpu, entry);
  if (table === 0) return;
  yield* pagetable_dtor(cpu, virt_to_page(cpu, table));
  yield* mm_add_pgtables(cpu, mm, -1);
  if (tlb_remove_page(cpu, virt_to_page(cpu, table))) yield* tlb_flush_mmu(cpu);
}

/** Whether the whole aligned block of `size` around `address` lies between its neighbours, so that its table can go. */
function block_is_free(address: number, end: number, size: number, floor: number, ceiling: number): boolean {
  const top = ceiling === Infinity ? Infinity : align_down(ceiling, size);
  return align_down(address, size) >= floor && top !== 0 && end <= top;
}

/** free_pmd_range: PTE tables of [address, end) in one pmd table, then that table itself if nothing else needs it. */
function* free_pmd_range(
  cpu: Cpu,
  mm: Word,
  pud: Word,
  range: { address: number; end: number },
  limits: { floor: number; ceiling: number },
): Steps<void> {
  const pudval = yield* read_64(cpu, pud);
  const pmds = table_of(cpu, pudval);
  for (let at = range.address; at < range.end; at = next_boundary(at, PMD_SIZE)) {
    const pmd = pmds + (pmd_index(at) << 1);
    const pmdval = yield* read_64(cpu, pmd);
    if (!pmd_none(pmdval)) yield* free_table(cpu, mm, pmd, pmdval, at);
  }
  if (block_is_free(range.address, range.end, PUD_SIZE, limits.floor, limits.ceiling)) {
    yield* free_table(cpu, mm, pud, pudval, range.address);
  }
}

/**
 * free_pgd_range: the tables of [address, end) that no address in [floor, address) or [end, ceiling) could need. A
 * neighbour's table survives even where our range ends inside it.
 */
export function* free_pgd_range(
  cpu: Cpu,
  mm: Word,
  address: number,
  end: number,
  floor: number,
  ceiling: number,
): Steps<void> {
  let first = align_down(address, PMD_SIZE);
  if (first < floor) first += PMD_SIZE;
  const top = ceiling === Infinity ? Infinity : align_down(ceiling, PMD_SIZE);
  if (top === 0) return;
  let last = end;
  if (last > top) last -= PMD_SIZE;
  if (first >= last) return;
  const limits = { floor, ceiling: top };
  const table = yield* read(cpu, mm + mm_struct.pgd);
  for (let at = first; at < last; at = next_boundary(at, PGDIR_SIZE)) {
    const pgd = pgd_offset(table, at);
    const pgdval = yield* read_64(cpu, pgd);
    if (pmd_none(pgdval)) continue;
    const pgd_end = Math.min(last, next_boundary(at, PGDIR_SIZE));
    const puds = table_of(cpu, pgdval);
    for (let low = at; low < pgd_end; low = next_boundary(low, PUD_SIZE)) {
      const pud = puds + (pud_index(low) << 1);
      if (pmd_none(yield* read_64(cpu, pud))) continue;
      const range = { address: low, end: Math.min(pgd_end, next_boundary(low, PUD_SIZE)) };
      yield* free_pmd_range(cpu, mm, pud, range, limits);
    }
    if (block_is_free(at, pgd_end, PGDIR_SIZE, limits.floor, limits.ceiling)) {
      yield* free_table(cpu, mm, pgd, pgdval, at);
    }
  }
}

/**
 * free_pgtables: for VMAs (in address order) that are detached and zapped: leaves their anon_vmas, then frees tables
 * down to what the neighbours need. `floor` is the end of the VMA below, `ceiling` the start of the one above.
 */
export function* free_pgtables(cpu: Cpu, mm: Word, vmas: readonly Word[], floor: number, ceiling: number): Steps<void> {
  for (const [i, vma] of vmas.entries()) {
    yield* unlink_anon_vmas(cpu, vma);
    const next = vmas[i + 1];
    const start = yield* read_long(cpu, vma + vm_area.vm_start);
    const end = yield* read_long(cpu, vma + vm_area.vm_end);
    const above = next === undefined ? ceiling : yield* read_long(cpu, next + vm_area.vm_start);
    yield* free_pgd_range(cpu, mm, start, end, floor, above);
  }
}
