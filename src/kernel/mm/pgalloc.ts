// Page-table pages: made outside any lock, installed under one with a recheck, counted, and given back.
//
// Each level is the same dance: look without a lock whether the entry is empty; make a zeroed page where one may
// sleep; take the lock; if somebody else was faster, free ours; else a write barrier, then the entry.
import type { Cpu } from '../cpu.ts';
import { count_vm_event, count_vm_events, page_address, virt_to_page } from '../cpu.ts';
import { NO_ENTRY, pgd_index, pmd_index, pmd_none, pud_index } from '../arch/x86/pgtable.ts';
import { D_PMD_INSTALL_RECHECK, defended } from '../defences.ts';
import {
  LOST_RACE_PTE_ALLOC,
  NR_PAGE_TABLE_PAGES,
  PAGE_TYPE_NONE,
  PAGE_TYPE_TABLE,
  mm_struct,
  page,
} from '../layout.ts';
import { spin_lock_init } from '../locking/spinlock.ts';
import { WRITE_ONCE_64, atomic_add, read, read_64, smp_wmb, try_cmpxchg_64, write } from '../memory.ts';
import type { Entry, Steps, Word } from '../memory.ts';
import { SITE_PGD, SITE_PMD_TABLE, SITE_PTE_TABLE, SITE_PUD_TABLE } from './fail_page_alloc.ts';
import { ENOMEM, LOCKING_CMPXCHG } from './flags.ts';
import { memcg_kmem_charge_page, memcg_kmem_uncharge_page } from './memcontrol.ts';
import { GFP_PGTABLE_USER, alloc_page, drain_store_buffer, free_page } from './page_alloc.ts';
import { page_table_lock, pmd_lock, table_entry, table_of, table_unlock } from './pgtable-generic.ts';

export const TABLE_PTE = 1;
export const TABLE_PMD = 2;
export const TABLE_PUD = 3;
export const TABLE_PGD = 4;
const PAGE_BYTES = 4096;

/** pte_alloc_one and its like for upper levels: a zeroed table of the given level, charged; 0 where none is to be had. */
export function* table_alloc_one(cpu: Cpu, mm: Word, level: number): Steps<Word> {
  const site =
    level === TABLE_PTE
      ? SITE_PTE_TABLE
      : level === TABLE_PMD
        ? SITE_PMD_TABLE
        : level === TABLE_PUD
          ? SITE_PUD_TABLE
          : SITE_PGD;
  const table_page = yield* alloc_page(cpu, GFP_PGTABLE_USER, site);
  if (table_page === 0) return 0;
  if ((yield* memcg_kmem_charge_page(cpu, table_page, yield* read(cpu, mm + mm_struct.memcg))) !== 0) {
    yield* write(cpu, table_page + page._refcount, 0);
    yield* free_page(cpu, table_page);
    return 0;
  }
  yield* write(cpu, table_page + page.page_type, PAGE_TYPE_TABLE);
  yield* write(cpu, table_page + page.private, level);
  yield* write(cpu, table_page + page.pt_mm, mm);
  yield* spin_lock_init(cpu, table_page + page.ptl);
  count_vm_event(cpu, NR_PAGE_TABLE_PAGES);
  return page_address(cpu, table_page);
}

/** The destructor of a page-table page (pagetable_pte_dtor): what must be undone before the page can be freed. */
export function* pagetable_dtor(cpu: Cpu, table_page: Word): Steps<void> {
  yield* write(cpu, table_page + page.page_type, PAGE_TYPE_NONE);
  yield* write(cpu, table_page + page.private, 0);
  yield* write(cpu, table_page + page.pt_mm, 0);
  yield* memcg_kmem_uncharge_page(cpu, table_page);
  count_vm_events(cpu, NR_PAGE_TABLE_PAGES, -1);
}

/** pte_free and its like: frees a table that nobody can reach any more, or never could. */
export function* table_free(cpu: Cpu, table: Word): Steps<void> {
  const table_page = virt_to_page(cpu, table);
  yield* pagetable_dtor(cpu, table_page);
  yield* write(cpu, table_page + page._refcount, 0);
  yield* free_page(cpu, table_page);
}

/** mm_inc_nr_ptes and its like. */
export function* mm_add_pgtables(cpu: Cpu, mm: Word, tables: number): Steps<void> {
  yield* atomic_add(cpu, mm + mm_struct.pgtables_bytes, tables * PAGE_BYTES);
}

/**
 * Puts `table` into the empty entry at `slot`, whose lock is held. False if the entry was taken meanwhile, so that the
 * caller frees the table. Without a lock the cmpxchg design finds out by compare-and-exchange.
 */
function* install_table(cpu: Cpu, mm: Word, slot: Word, table: Word, recheck: boolean): Steps<boolean> {
  if (recheck && !pmd_none(yield* read_64(cpu, slot))) return false;
  // The zeroes and the lock of the new table must be visible before the entry that leads to them (R5).
  yield* drain_store_buffer(cpu);
  yield* smp_wmb(cpu);
  const entry = table_entry(cpu, table);
  if (recheck && cpu.locking === LOCKING_CMPXCHG) {
    if (!(yield* try_cmpxchg_64(cpu, slot, NO_ENTRY, entry))) return false;
  } else yield* WRITE_ONCE_64(cpu, slot, entry);
  yield* mm_add_pgtables(cpu, mm, 1);
  return true;
}

/** __pud_alloc and __pmd_alloc: makes the table below the entry at `slot`. -ENOMEM or 0, also when another CPU won. */
function* alloc_upper(cpu: Cpu, mm: Word, slot: Word, level: number): Steps<number> {
  const table = yield* table_alloc_one(cpu, mm, level);
  if (table === 0) return -ENOMEM;
  const lock = yield* page_table_lock(cpu, mm);
  const installed = yield* install_table(cpu, mm, slot, table, true);
  yield* table_unlock(cpu, lock);
  if (!installed) yield* table_free(cpu, table);
  return 0;
}

/** p4d_alloc and pud_alloc: word of the pud entry of `address`, 0 when out of memory. (4 levels: the p4d is folded.) */
export function* pud_alloc(cpu: Cpu, mm: Word, pgd: Word, address: number): Steps<Word> {
  let entry = yield* read_64(cpu, pgd);
  if (pmd_none(entry)) {
    if ((yield* alloc_upper(cpu, mm, pgd, TABLE_PUD)) !== 0) return 0;
    entry = yield* read_64(cpu, pgd);
  }
  return table_of(cpu, entry) + (pud_index(address) << 1);
}

/** pmd_alloc: word of the pmd entry of `address`, 0 when out of memory. */
export function* pmd_alloc(cpu: Cpu, mm: Word, pud: Word, address: number): Steps<Word> {
  let entry = yield* read_64(cpu, pud);
  if (pmd_none(entry)) {
    if ((yield* alloc_upper(cpu, mm, pud, TABLE_PMD)) !== 0) return 0;
    entry = yield* read_64(cpu, pud);
  }
  return table_of(cpu, entry) + (pmd_index(address) << 1);
}

/** pgd_offset: word of the top-level entry of `address`. */
export function pgd_offset(pgd: Word, address: number): Word {
  return pgd + (pgd_index(address) << 1);
}

/** pud_offset: word of the pud entry of `address` below a pgd entry; 0 if there is no table. */
export function pud_offset(cpu: Cpu, pgdval: Entry, address: number): Word {
  const table = pmd_none(pgdval) ? 0 : table_of(cpu, pgdval);
  return table === 0 ? 0 : table + (pud_index(address) << 1);
}

/** pmd_offset: word of the pmd entry of `address` below a pud entry; 0 if there is no table. */
export function pmd_offset(cpu: Cpu, pudval: Entry, address: number): Word {
  const table = pmd_none(pudval) ? 0 : table_of(cpu, pudval);
  return table === 0 ? 0 : table + (pmd_index(address) << 1);
}

/** pmd_install: under the pmd lock, `table` becomes the PTE table unless there is one by now. True if it did. */
export function* pmd_install(cpu: Cpu, mm: Word, pmd: Word, table: Word): Steps<boolean> {
  const lock = yield* pmd_lock(cpu, mm, pmd);
  const installed = yield* install_table(cpu, mm, pmd, table, defended(cpu, D_PMD_INSTALL_RECHECK));
  yield* table_unlock(cpu, lock);
  return installed;
}

/** pte_alloc: makes sure that there is a PTE table below `pmd`. 0, or -ENOMEM. The first look takes no lock. */
export function* pte_alloc(cpu: Cpu, mm: Word, pmd: Word): Steps<number> {
  if (!pmd_none(yield* read_64(cpu, pmd))) return 0;
  const table = yield* table_alloc_one(cpu, mm, TABLE_PTE);
  if (table === 0) return -ENOMEM;
  if (!(yield* pmd_install(cpu, mm, pmd, table))) {
    count_vm_event(cpu, LOST_RACE_PTE_ALLOC);
    yield* table_free(cpu, table);
  }
  return 0;
}
