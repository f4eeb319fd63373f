// Moving entries from one place of an address space to another (move_page_tables, mm/mremap.c).
//
// Entries move under both page-table locks, and the TLBs are flushed before either is given back: the old lock keeps
// away who looks for the old entry through the reverse map, the new one keeps the page from being freed while some CPU
// can still reach it by its old address (R20). Which of the two is the lower address does not matter: whoever holds
// both holds mmap_lock for write. PTE tables that move as a whole do so by their pmd entry (move_normal_pmd); v6.8 moves
// pmd tables by their pud entry, and starts early where that makes a table whole: here neither is done.
import type { Cpu } from '../cpu.ts';
import { virt_to_page } from '../cpu.ts';
import { flush_tlb_mm_range } from '../arch/x86/tlb.ts';
import {
  NO_ENTRY,
  PAGE_SIZE,
  PMD_SIZE,
  _PAGE_SOFT_DIRTY,
  pmd_none,
  pte_none,
  pte_present,
} from '../arch/x86/pgtable.ts';
import { D_MREMAP_FLUSH, defended } from '../defences.ts';
import { mm_struct, vma as vm_area } from '../layout.ts';
import { READ_ONCE_64, WRITE_ONCE_64, read, read_64, xchg_64 } from '../memory.ts';
import type { Entry, Steps, Word } from '../memory.ts';
import { LOCKING_OWN, LOCKING_SPLIT } from './flags.ts';
import { find_pmd } from './khugepaged.ts';
import { next_boundary, next_mapped } from './pagewalk.ts';
import { pgd_offset, pmd_alloc, pte_alloc, pud_alloc } from './pgalloc.ts';
import {
  pmd_lock,
  pte_lockptr,
  pte_offset_map,
  pte_offset_map_lock,
  pte_unmap,
  pte_unmap_unlock,
  ptl_lock,
  ptl_unlock,
  table_unlock,
} from './pgtable-generic.ts';
import { anon_vma_lock_write, anon_vma_unlock_write } from './rmap.ts';

/** Which entries move: `length` bytes from one address to the other, of one PTE table each. */
interface Move {
  readonly mm: Word;
  readonly old_pmd: Word;
  readonly old_addr: number;
  readonly new_pmd: Word;
  readonly new_addr: number;
  readonly length: number;
}

/** take_rmap_locks: who looks for the pages through the anon_vma finds them at the old place or at the new one. */
function* take_rmap_locks(cpu: Cpu, vma: Word): Steps<Word> {
  const anon_vma = yield* read(cpu, vma + vm_area.anon_vma);
  if (anon_vma !== 0) yield* anon_vma_lock_write(cpu, anon_vma);
  return anon_vma;
}

function* drop_rmap_locks(cpu: Cpu, anon_vma: Word): Steps<void> {
  if (anon_vma !== 0) yield* anon_vma_unlock_write(cpu, anon_vma);
}

/** Word of the pmd entry of `address`, whose tables are made; 0 when out of memory. */
function* alloc_new_pmd(cpu: Cpu, mm: Word, address: number): Steps<Word> {
  const pud = yield* pud_alloc(cpu, mm, pgd_offset(yield* read(cpu, mm + mm_struct.pgd), address), address);
  return pud === 0 ? 0 : yield* pmd_alloc(cpu, mm, pud, address);
}

/**
 * move_page_tables: moves the entries of `length` bytes of a VMA, all of them locked against faults. Returns how many
 * bytes were dealt with before memory was out.
 */
export function* move_page_tables(
  cpu: Cpu,
  mm: Word,
  vma: Word,
  old_addr: number,
  new_addr: number,
  length: number,
  need_rmap_locks: boolean,
): Steps<number> {
  const old_end = old_addr + length;
  let at = yield* next_mapped(cpu, mm, old_addr, old_end);
  while (at < old_end) {
    const to = new_addr + (at - old_addr);
    const extent = Math.min(next_boundary(at, PMD_SIZE) - at, old_end - at, next_boundary(to, PMD_SIZE) - to);
    const new_pmd = yield* alloc_new_pmd(cpu, mm, to);
    if (new_pmd === 0) break;
    const move = { mm, old_pmd: yield* find_pmd(cpu, mm, at), old_addr: at, new_pmd, new_addr: to, length: extent };
    const whole = extent === PMD_SIZE && (yield* move_normal_pmd(cpu, vma, move));
    if (!whole) {
      if ((yield* pte_alloc(cpu, mm, new_pmd)) !== 0) break;
      // Where a table is gone by now, it is looked for again.
      if (!(yield* move_ptes(cpu, vma, move, need_rmap_locks))) continue;
    }
    at = yield* next_mapped(cpu, mm, at + extent, old_end);
  }
  return at - old_addr;
}

/** move_normal_pmd: a whole PTE table, under both pmd locks. False if there is one at the new place already. */
function* move_normal_pmd(cpu: Cpu, vma: Word, move: Move): Steps<boolean> {
  const { mm, old_pmd, old_addr, new_pmd } = move;
  if (!pmd_none(yield* read_64(cpu, new_pmd))) return false;
  const anon_vma = yield* take_rmap_locks(cpu, vma);
  const old_ptl = yield* pmd_lock(cpu, mm, old_pmd);
  const apart = cpu.locking <= LOCKING_SPLIT && virt_to_page(cpu, old_pmd) !== virt_to_page(cpu, new_pmd);
  const new_ptl = apart ? yield* pmd_lock(cpu, mm, new_pmd) : 0;
  const entry = yield* READ_ONCE_64(cpu, old_pmd);
  yield* WRITE_ONCE_64(cpu, old_pmd, NO_ENTRY);
  yield* WRITE_ONCE_64(cpu, new_pmd, entry);
  if (defended(cpu, D_MREMAP_FLUSH)) yield* flush_tlb_mm_range(cpu, mm, old_addr, old_addr + PMD_SIZE);
  yield* table_unlock(cpu, new_ptl);
  yield* table_unlock(cpu, old_ptl);
  yield* drop_rmap_locks(cpu, anon_vma);
  return true;
}

/** move_ptes: the entries of one table that go to one table. False if one of the tables is not there. */
function* move_ptes(cpu: Cpu, vma: Word, move: Move, need_rmap_locks: boolean): Steps<boolean> {
  const anon_vma = need_rmap_locks ? yield* take_rmap_locks(cpu, vma) : 0;
  const moved = cpu.locking === LOCKING_OWN ? yield* move_in_turns(cpu, move) : yield* move_under_both(cpu, move);
  yield* drop_rmap_locks(cpu, anon_vma);
  return moved;
}

function* move_under_both(cpu: Cpu, move: Move): Steps<boolean> {
  const { mm, old_pmd, old_addr, new_pmd, new_addr, length } = move;
  const count = length / PAGE_SIZE;
  const old_pte = yield* pte_offset_map_lock(cpu, mm, old_pmd, old_addr, cpu.vmf, count);
  if (old_pte === 0) return false;
  const old_ptl = cpu.vmf.ptl;
  const new_pte = yield* pte_offset_map(cpu, new_pmd, new_addr);
  if (new_pte === 0) {
    yield* pte_unmap_unlock(cpu, old_ptl);
    return false;
  }
  const new_ptl = pte_lockptr(cpu, mm, new_pte);
  if (new_ptl !== old_ptl) yield* ptl_lock(cpu, new_ptl, mm, new_pte, count);
  let force_flush = false;
  for (let i = 0; i < count; i++) {
    if (pte_none(yield* READ_ONCE_64(cpu, old_pte + 2 * i))) continue;
    // xchg, so that a Dirty bit that the hardware sets at this very moment moves as well.
    const entry = yield* xchg_64(cpu, old_pte + 2 * i, NO_ENTRY);
    force_flush ||= pte_present(entry);
    yield* WRITE_ONCE_64(cpu, new_pte + 2 * i, move_soft_dirty_pte(cpu, entry));
  }
  if (force_flush) yield* flush_old_place(cpu, move);
  if (new_ptl !== old_ptl) yield* ptl_unlock(cpu, new_ptl);
  pte_unmap(cpu);
  yield* pte_unmap_unlock(cpu, old_ptl);
  return true;
}

/**
 * As move_under_both where a locking design of the user's own has one lock at a time: the entries are taken out under
 * the one, and put in under the other. In between nobody can miss them: both VMAs are locked.
 */
function* move_in_turns(cpu: Cpu, move: Move): Steps<boolean> {
  const { mm, old_pmd, old_addr, new_pmd, new_addr, length } = move;
  const count = length / PAGE_SIZE;
  const old_pte = yield* pte_offset_map_lock(cpu, mm, old_pmd, old_addr, cpu.vmf, count);
  if (old_pte === 0) return false;
  const entries: Entry[] = [];
  for (let i = 0; i < count; i++) {
    const none = pte_none(yield* READ_ONCE_64(cpu, old_pte + 2 * i));
    entries.push(none ? NO_ENTRY : yield* xchg_64(cpu, old_pte + 2 * i, NO_ENTRY));
  }
  if (!entries.every(pte_none)) yield* flush_old_place(cpu, move);
  yield* pte_unmap_unlock(cpu, cpu.vmf.ptl);
  const new_pte = yield* pte_offset_map_lock(cpu, mm, new_pmd, new_addr, cpu.vmf, count);
  for (let i = 0; i < count; i++) {
    const entry = entries[i] ?? NO_ENTRY;
    if (!pte_none(entry)) yield* WRITE_ONCE_64(cpu, new_pte + 2 * i, move_soft_dirty_pte(cpu, entry));
  }
  yield* pte_unmap_unlock(cpu, cpu.vmf.ptl);
  return true;
}

/** The flush of move_ptes: no CPU reaches the pages by their old addresses any more. */
function* flush_old_place(cpu: Cpu, { mm, old_addr, length }: Move): Steps<void> {
  if (defended(cpu, D_MREMAP_FLUSH)) yield* flush_tlb_mm_range(cpu, mm, old_addr, old_addr + length);
}

/** move_soft_dirty_pte: at its new address the page is new. */
function move_soft_dirty_pte(cpu: Cpu, entry: Entry): Entry {
  return cpu.soft_dirty && pte_present(entry) ? { lo: entry.lo | _PAGE_SOFT_DIRTY, hi: entry.hi } : entry;
}
