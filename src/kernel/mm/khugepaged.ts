// retract_page_tables: taking an empty PTE table away from under running faults (mm/khugepaged.c).
//
// In v6.8 this happens to file mappings; newer kernels do it to anonymous ones after MADV_DONTNEED. Here it is the
// actor against which the pmd recheck stands: beside running faults it holds mmap_lock for read, the pmd lock and the
// PTL. Where a locking design has no PTL nothing of that keeps a fault out, so there it must hold the VMA for write, as
// khugepaged does when it collapses anonymous memory.
import type { Cpu } from '../cpu.ts';
import { flush_tlb_page } from '../arch/x86/tlb.ts';
import { NO_ENTRY, PTRS_PER_PTE, PMD_SIZE, pmd_index, pmd_none, pte_none, pud_index } from '../arch/x86/pgtable.ts';
import { mm_struct } from '../layout.ts';
import { RCU_PAGE_TABLE, call_rcu_free } from '../locking/rcu.ts';
import { READ_ONCE_64, WRITE_ONCE_64, read, read_64 } from '../memory.ts';
import type { Entry, Steps, Word } from '../memory.ts';
import { LOCKING_MM } from './flags.ts';
import { all_vmas, mt_walk } from './maple.ts';
import { mmap_read_lock, mmap_read_unlock, mmap_write_lock, mmap_write_unlock, vma_start_write } from './mmap_lock.ts';
import { mm_add_pgtables, pgd_offset } from './pgalloc.ts';
import {
  pmd_lock,
  pte_lockptr,
  ptl_lock,
  ptl_unlock,
  table_of,
  table_unlock,
  pte_offset_map_lock,
} from './pgtable-generic.ts';

/** Word of the pmd entry of `address`, 0 if there is no pmd table. */
export function* find_pmd(cpu: Cpu, mm: Word, address: number): Steps<Word> {
  const pgdval = yield* read_64(cpu, pgd_offset(yield* read(cpu, mm + mm_struct.pgd), address));
  const puds = pmd_none(pgdval) ? 0 : table_of(cpu, pgdval);
  if (puds === 0) return 0;
  const pudval = yield* read_64(cpu, puds + (pud_index(address) << 1));
  const pmds = pmd_none(pudval) ? 0 : table_of(cpu, pudval);
  return pmds === 0 ? 0 : pmds + (pmd_index(address) << 1);
}

/** Takes the page-table lock of an address, without a way to give it back. False if there is no table. */
export function* lock_pte_table(cpu: Cpu, mm: Word, address: number): Steps<boolean> {
  const pmd = yield* find_pmd(cpu, mm, address);
  return pmd !== 0 && (yield* pte_offset_map_lock(cpu, mm, pmd, address, cpu.vmf)) !== 0;
}

function* table_is_empty(cpu: Cpu, table: Word): Steps<boolean> {
  for (let i = 0; i < PTRS_PER_PTE; i++) {
    if (!pte_none(yield* READ_ONCE_64(cpu, table + (i << 1)))) return false;
  }
  return true;
}

/** Retracts the PTE table of `address` if it is empty. True if it did. The table is freed after a grace period. */
export function* retract_page_table(cpu: Cpu, mm: Word, address: number): Steps<boolean> {
  const alone = cpu.locking > LOCKING_MM;
  if (alone) yield* mmap_write_lock(cpu, mm);
  else yield* mmap_read_lock(cpu, mm);
  // A table that an attached VMA lies in is not freed by anybody's munmap.
  const vma = yield* mt_walk(cpu, yield* read(cpu, mm + mm_struct.mm_mt), address);
  if (vma !== 0 && alone) {
    for (const other of yield* all_vmas(cpu, mm)) yield* vma_start_write(cpu, mm, other);
  }
  const retracted = vma !== 0 && (yield* retract_under_locks(cpu, mm, address));
  if (alone) yield* mmap_write_unlock(cpu, mm);
  else yield* mmap_read_unlock(cpu, mm);
  return retracted;
}

function* retract_under_locks(cpu: Cpu, mm: Word, address: number): Steps<boolean> {
  const pmd = yield* find_pmd(cpu, mm, address);
  if (pmd === 0) return false;
  const pml = yield* pmd_lock(cpu, mm, pmd);
  const pmdval: Entry = yield* READ_ONCE_64(cpu, pmd);
  const table = pmd_none(pmdval) ? 0 : table_of(cpu, pmdval);
  const ptl = table === 0 ? 0 : pte_lockptr(cpu, mm, table);
  // A table that is not there has no lock.
  const apart = table !== 0 && ptl !== pml;
  if (apart) yield* ptl_lock(cpu, ptl, mm, table, PTRS_PER_PTE);
  const retract = table !== 0 && (yield* table_is_empty(cpu, table));
  if (retract) {
    yield* WRITE_ONCE_64(cpu, pmd, NO_ENTRY);
    yield* flush_tlb_page(cpu, mm, Math.floor(address / PMD_SIZE) * PMD_SIZE);
  }
  if (apart) yield* ptl_unlock(cpu, ptl);
  yield* table_unlock(cpu, pml);
  if (!retract) return false;
  yield* mm_add_pgtables(cpu, mm, -1);
  // pte_free_defer: a fault may still be looking at the table, under RCU.
  yield* call_rcu_free(cpu, RCU_PAGE_TABLE, table);
  return true;
}
