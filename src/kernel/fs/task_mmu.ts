// clear_refs: which pages a process has written to since somebody asked is told by the Soft-Dirty bits of its entries
// (fs/proc/task_mmu.c, v6.8). Whoever copies a running process bit by bit asks again and again.
import type { Cpu } from '../cpu.ts';
import {
  NO_ENTRY,
  PAGE_SIZE,
  PGDIR_SIZE,
  PMD_SIZE,
  PUD_SIZE,
  addr_end,
  pmd_none,
  pte_clear_soft_dirty,
  pte_none,
  pte_present,
  pte_wrprotect,
} from '../arch/x86/pgtable.ts';
import { flush_tlb_mm } from '../arch/x86/tlb.ts';
import { D_SOFT_DIRTY_FLUSH, defended } from '../defences.ts';
import { mm_struct, vma as vm_area } from '../layout.ts';
import { READ_ONCE_64, WRITE_ONCE_64, read, read_64, read_long, xchg_64 } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { VM_SOFTDIRTY } from '../mm/flags.ts';
import { all_vmas } from '../mm/maple.ts';
import { mmap_write_lock, mmap_write_unlock, vma_start_write } from '../mm/mmap_lock.ts';
import { pgd_offset, pmd_offset, pud_offset } from '../mm/pgalloc.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pgtable-generic.ts';
import { vm_flags_reset } from '../mm/vma.ts';

/** clear_refs_pte_range with clear_soft_dirty: the entries of [address, end), all of one PTE table. */
function* clear_refs_pte_range(cpu: Cpu, mm: Word, pmd: Word, address: number, end: number): Steps<void> {
  let pte = yield* pte_offset_map_lock(cpu, mm, pmd, address, cpu.vmf, (end - address) / PAGE_SIZE);
  if (pte === 0) return;
  const { ptl } = cpu.vmf;
  for (let at = address; at < end; at += PAGE_SIZE, pte += 2) {
    const old = yield* READ_ONCE_64(cpu, pte);
    if (pte_none(old) || !pte_present(old)) continue;
    // Read-only, so that the next write takes a fault, which says so.
    const entry = pte_wrprotect(yield* xchg_64(cpu, pte, NO_ENTRY));
    yield* WRITE_ONCE_64(cpu, pte, pte_clear_soft_dirty(entry));
  }
  yield* pte_unmap_unlock(cpu, ptl);
}

/** walk_page_range with PGWALK_WRLOCK, of one VMA: every PTE table that it has. */
function* clear_refs_vma(cpu: Cpu, mm: Word, vma: Word): Steps<void> {
  yield* vma_start_write(cpu, mm, vma);
  const end = yield* read_long(cpu, vma + vm_area.vm_end);
  const table = yield* read(cpu, mm + mm_struct.pgd);
  let at = yield* read_long(cpu, vma + vm_area.vm_start);
  while (at < end) {
    const pud = pud_offset(cpu, yield* read_64(cpu, pgd_offset(table, at)), at);
    const pmd = pud === 0 ? 0 : pmd_offset(cpu, yield* read_64(cpu, pud), at);
    const next = addr_end(at, end, pud === 0 ? PGDIR_SIZE : pmd === 0 ? PUD_SIZE : PMD_SIZE);
    if (pmd !== 0 && !pmd_none(yield* read_64(cpu, pmd))) yield* clear_refs_pte_range(cpu, mm, pmd, at, next);
    at = next;
  }
}

/** clear_refs_write of 4: nothing in the process is soft-dirty afterwards but what is written from now on. 0. */
export function* clear_refs_write(cpu: Cpu, mm: Word): Steps<number> {
  if (!cpu.soft_dirty) return 0;
  yield* mmap_write_lock(cpu, mm);
  const vmas = yield* all_vmas(cpu, mm);
  for (const vma of vmas) {
    const vm_flags = yield* read(cpu, vma + vm_area.vm_flags);
    if ((vm_flags & VM_SOFTDIRTY) === 0) continue;
    yield* vma_start_write(cpu, mm, vma);
    yield* vm_flags_reset(cpu, vma, vm_flags & ~VM_SOFTDIRTY);
  }
  for (const vma of vmas) yield* clear_refs_vma(cpu, mm, vma);
  // Before faults are let in again: until then a TLB may let a CPU write to a page that no longer says so (R19).
  if (defended(cpu, D_SOFT_DIRTY_FLUSH)) yield* flush_tlb_mm(cpu, mm);
  yield* mmap_write_unlock(cpu, mm);
  return 0;
}
