// Finding and locking the PTE of an address while the tables change under us (mm/pgtable-generic.c).
//
// A pmd entry is read once; the lock that belongs to *that* value is taken; the entry is read again. Only if it is the
// same does the lock we hold guard the table we found.
import type { Cpu } from '../cpu.ts';
import { count_vm_event, page_to_pfn, virt_to_page } from '../cpu.ts';
import { _PAGE_TABLE, pmd_bad, pmd_none, pte_index, pte_pfn, pte_same } from '../arch/x86/pgtable.ts';
import { D_PMD_RECHECK, D_PTL, D_UPTODATE_BARRIER, defended } from '../defences.ts';
import { FRAME_SHIFT, LOCK_PAGE_TABLE, LOCK_PMD, LOCK_PTL, LOST_RACE_PMD, mm_struct, page } from '../layout.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { rcu_read_lock, rcu_read_unlock } from '../locking/rcu.ts';
import { READ_ONCE_64, WRITE_ONCE_64, try_cmpxchg_64 } from '../memory.ts';
import type { Entry, Steps, Word } from '../memory.ts';
import { PRINTK_BAD_PMD, printk } from '../printk.ts';
import { design_lock, design_unlock } from './design.ts';
import { LOCKING_CMPXCHG, LOCKING_MM, LOCKING_SPLIT } from './flags.ts';
import { drain_store_buffer } from './page_alloc.ts';
import type { VmFault } from './vmf.ts';

/** Word of the table that a pmd, pud or pgd entry points to; 0 if the frame is not of this machine. */
export function table_of(cpu: Cpu, entry: Entry): Word {
  const frame = pte_pfn(entry) - cpu.base_pfn;
  return frame >= 0 && frame < cpu.layout.frames ? cpu.ram + (frame << FRAME_SHIFT) : 0;
}

/** The entry that points to the table at word `table`: __pa(table) | _PAGE_TABLE. */
export function table_entry(cpu: Cpu, table: Word): Entry {
  const pfn = page_to_pfn(cpu, virt_to_page(cpu, table));
  return { lo: (pfn << 12) | _PAGE_TABLE, hi: pfn >>> 20 };
}

/** pte_lockptr: the spinlock of the PTE table at word `table`; 0 where the design, or the missing defence, has none. */
export function pte_lockptr(cpu: Cpu, mm: Word, table: Word): Word {
  if (!defended(cpu, D_PTL)) return 0;
  if (cpu.locking === LOCKING_SPLIT) return virt_to_page(cpu, table) + page.ptl;
  return cpu.locking === LOCKING_MM ? mm + mm_struct.page_table_lock : 0;
}

/** Takes a lock found by pte_lockptr, or the user's own design's of `count` entries from the one at word `pte`. */
export function* ptl_lock(cpu: Cpu, ptl: Word, mm: Word, pte: Word, count: number): Steps<void> {
  if (ptl !== 0) yield* spin_lock(cpu, ptl, LOCK_PTL);
  else if (cpu.design !== undefined) yield* design_lock(cpu, cpu.design, mm, pte, count);
}

/** Releases what ptl_lock took. */
export function* ptl_unlock(cpu: Cpu, ptl: Word): Steps<void> {
  if (ptl !== 0) yield* spin_unlock(cpu, ptl);
  else if (cpu.design !== undefined) yield* design_unlock(cpu, cpu.design);
}

/** The recheck: whether the entry at word `pte`, looked at once more under its lock, is not `entry` any more. */
export function* pte_changed(cpu: Cpu, pte: Word, entry: Entry): Steps<boolean> {
  if (cpu.design?.changed !== undefined) return yield* cpu.design.changed(cpu, pte, entry);
  return !pte_same(yield* READ_ONCE_64(cpu, pte), entry);
}

/** pmd_lock: takes and returns the lock that guards the pmd entry at word `pmd`; 0 where the design has none. */
export function* pmd_lock(cpu: Cpu, mm: Word, pmd: Word): Steps<Word> {
  if (cpu.locking <= LOCKING_SPLIT) {
    const lock = virt_to_page(cpu, pmd) + page.ptl;
    yield* spin_lock(cpu, lock, LOCK_PMD);
    return lock;
  }
  return yield* page_table_lock(cpu, mm);
}

/** Takes and returns mm->page_table_lock, which guards the levels above the pmd; 0 where the design has no locks. */
export function* page_table_lock(cpu: Cpu, mm: Word): Steps<Word> {
  if (cpu.locking > LOCKING_MM) return 0;
  yield* spin_lock(cpu, mm + mm_struct.page_table_lock, LOCK_PAGE_TABLE);
  return mm + mm_struct.page_table_lock;
}

/** Releases what pmd_lock or page_table_lock took. */
export function* table_unlock(cpu: Cpu, lock: Word): Steps<void> {
  if (lock !== 0) yield* spin_unlock(cpu, lock);
}

/** The table behind a pmd value that was just read, or 0 (none, or bad: reported). Inside an RCU reader. */
function table_of_pmd(cpu: Cpu, pmd: Word, pmdval: Entry): Word {
  if (pmd_none(pmdval)) return 0;
  const table = table_of(cpu, pmdval);
  if (pmd_bad(pmdval) || table === 0) {
    printk(cpu, PRINTK_BAD_PMD, pmd, pmdval.hi, pmdval.lo);
    return 0;
  }
  return table;
}

/** pte_offset_map: enters RCU and returns the PTE's word, or 0 with RCU left. Ends with pte_unmap. */
export function* pte_offset_map(cpu: Cpu, pmd: Word, address: number): Steps<Word> {
  rcu_read_lock(cpu);
  const pmdval = yield* READ_ONCE_64(cpu, pmd);
  const table = table_of_pmd(cpu, pmd, pmdval);
  if (table === 0) {
    rcu_read_unlock(cpu);
    return 0;
  }
  return table + (pte_index(address) << 1);
}

/** pte_offset_map_nolock: as pte_offset_map, and vmf.ptl becomes the lock that belongs to the pmd value it read. */
export function* pte_offset_map_nolock(cpu: Cpu, mm: Word, pmd: Word, address: number, vmf: VmFault): Steps<Word> {
  const pte = yield* pte_offset_map(cpu, pmd, address);
  if (pte !== 0) vmf.ptl = pte_lockptr(cpu, mm, pte);
  return pte;
}

/**
 * pte_offset_map_lock (__pte_offset_map_lock): the PTE's word, mapped and locked, with vmf.ptl its lock; 0 if there is
 * no table. Ends with pte_unmap_unlock. `count` entries from there, all of one table, are about to be looked at.
 */
export function* pte_offset_map_lock(
  cpu: Cpu,
  mm: Word,
  pmd: Word,
  address: number,
  vmf: VmFault,
  count = 1,
): Steps<Word> {
  for (;;) {
    rcu_read_lock(cpu);
    const pmdval = yield* READ_ONCE_64(cpu, pmd);
    const table = table_of_pmd(cpu, pmd, pmdval);
    if (table === 0) {
      rcu_read_unlock(cpu);
      return 0;
    }
    const ptl = pte_lockptr(cpu, mm, table);
    const pte = table + (pte_index(address) << 1);
    yield* ptl_lock(cpu, ptl, mm, pte, count);
    vmf.ptl = ptl;
    // The table may have been taken away while we waited for its lock: then this lock guards nothing.
    if (!defended(cpu, D_PMD_RECHECK) || pte_same(pmdval, yield* READ_ONCE_64(cpu, pmd))) {
      return pte;
    }
    count_vm_event(cpu, LOST_RACE_PMD);
    yield* ptl_unlock(cpu, ptl);
    rcu_read_unlock(cpu);
  }
}

/** pte_unmap. */
export function pte_unmap(cpu: Cpu): void {
  rcu_read_unlock(cpu);
}

/** pte_unmap_unlock. Without the uptodate barrier it is this release, at the latest, that lets the zeroes out. */
export function* pte_unmap_unlock(cpu: Cpu, ptl: Word): Steps<void> {
  if (!defended(cpu, D_UPTODATE_BARRIER)) yield* drain_store_buffer(cpu);
  yield* ptl_unlock(cpu, ptl);
  rcu_read_unlock(cpu);
}

/**
 * Replaces `old`, which was read under the lock, by `entry`. Under a lock this is a WRITE_ONCE and always succeeds;
 * in the cmpxchg design it is the recheck as well, and false means that the race is lost.
 */
export function* set_pte_from(cpu: Cpu, pte: Word, old: Entry, entry: Entry): Steps<boolean> {
  if (cpu.locking === LOCKING_CMPXCHG) return yield* try_cmpxchg_64(cpu, pte, old, entry);
  yield* WRITE_ONCE_64(cpu, pte, entry);
  return true;
}
