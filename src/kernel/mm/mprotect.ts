// mprotect (mm/mprotect.c): new rights for a range, in the VMAs and in every entry that is there.
import type { Cpu } from '../cpu.ts';
import { flush_tlb_mm_range } from '../arch/x86/tlb.ts';
import {
  NO_ENTRY,
  PAGE_SIZE,
  PMD_SIZE,
  TASK_SIZE,
  page_align,
  pmd_index,
  pmd_none,
  pte_mkwrite,
  pte_modify,
  pte_none,
  pte_present,
  pte_protnone,
  pte_write,
  pud_index,
} from '../arch/x86/pgtable.ts';
import { PG_anon_exclusive, mm_struct, page, vma as vm_area } from '../layout.ts';
import { READ_ONCE, READ_ONCE_64, WRITE_ONCE_64, read, read_64, read_long, xchg_64 } from '../memory.ts';
import type { Entry, Steps, Word } from '../memory.ts';
import {
  EINVAL,
  ENOMEM,
  PAGE_MAPPING_ANON,
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_NORESERVE,
  VM_SHARED,
  VM_WRITE,
} from './flags.ts';
import { all_vmas } from './maple.ts';
import { calc_vm_prot_bits, split_at } from './mmap.ts';
import { mmap_write_lock, mmap_write_unlock, vma_start_write } from './mmap_lock.ts';
import { pgd_offset } from './pgalloc.ts';
import { pte_offset_map_lock, pte_unmap_unlock, table_of } from './pgtable-generic.ts';
import { vm_flags_reset, vma_merge } from './vma.ts';
import { vm_normal_page } from './wp.ts';

/** can_change_pte_writable: a private page that is ours alone may be written without another fault. */
function* can_change_pte_writable(cpu: Cpu, pte: Entry): Steps<boolean> {
  if (pte_protnone(pte)) return false;
  const folio = vm_normal_page(cpu, pte);
  if (folio === 0) return false;
  const anonymous = ((yield* READ_ONCE(cpu, folio + page.mapping)) & PAGE_MAPPING_ANON) !== 0;
  return anonymous && ((yield* READ_ONCE(cpu, folio + page.flags)) & (1 << PG_anon_exclusive)) !== 0;
}

/** change_pte_range: the entries of [address, end), all of one PTE table. Returns how many changed. */
function* change_pte_range(cpu: Cpu, mm: Word, vma: Word, pmd: Word, address: number, end: number): Steps<number> {
  const count = (end - address) / PAGE_SIZE;
  let pte = yield* pte_offset_map_lock(cpu, mm, pmd, address, cpu.vmf, count);
  if (pte === 0) return 0;
  const ptl = cpu.vmf.ptl;
  const prot = yield* read_64(cpu, vma + vm_area.vm_page_prot);
  const writable = ((yield* read(cpu, vma + vm_area.vm_flags)) & VM_WRITE) !== 0;
  let changed = 0;
  for (let at = address; at < end; at += PAGE_SIZE, pte += 2) {
    const old = yield* READ_ONCE_64(cpu, pte);
    if (pte_none(old) || !pte_present(old)) continue;
    // Taken out while it changes, so that the hardware can't set Dirty in an entry that is about to be replaced.
    let entry = pte_modify(yield* xchg_64(cpu, pte, NO_ENTRY), prot);
    if (writable && !pte_write(entry) && (yield* can_change_pte_writable(cpu, entry))) entry = pte_mkwrite(entry);
    yield* WRITE_ONCE_64(cpu, pte, entry);
    changed += 1;
  }
  yield* pte_unmap_unlock(cpu, ptl);
  return changed;
}

/** change_protection: all entries of [start, end) get the VMA's protection, and no TLB keeps an old one. */
function* change_protection(cpu: Cpu, mm: Word, vma: Word, start: number, end: number): Steps<void> {
  const pgd = yield* read(cpu, mm + mm_struct.pgd);
  let changed = 0;
  let at = start;
  while (at < end) {
    const next = Math.min(end, (Math.floor(at / PMD_SIZE) + 1) * PMD_SIZE);
    const pgdval = yield* read_64(cpu, pgd_offset(pgd, at));
    const puds = pmd_none(pgdval) ? 0 : table_of(cpu, pgdval);
    const pudval = puds === 0 ? NO_ENTRY : yield* read_64(cpu, puds + (pud_index(at) << 1));
    const pmds = pmd_none(pudval) ? 0 : table_of(cpu, pudval);
    if (pmds !== 0) {
      const pmd = pmds + (pmd_index(at) << 1);
      if (!pmd_none(yield* read_64(cpu, pmd))) changed += yield* change_pte_range(cpu, mm, vma, pmd, at, next);
      at = next;
    } else at = puds === 0 ? Math.min(end, (Math.floor(at / 0x8000000000) + 1) * 0x8000000000) : next_pud(at, end);
  }
  if (changed > 0) yield* flush_tlb_mm_range(cpu, mm, start, end);
}

function next_pud(address: number, end: number): number {
  return Math.min(end, (Math.floor(address / 0x40000000) + 1) * 0x40000000);
}

/** mprotect. 0 or a negative error: -ENOMEM where part of the range is not mapped. */
export function* sys_mprotect(cpu: Cpu, mm: Word, address: number, length: number, prot: number): Steps<number> {
  const end = address + page_align(length);
  if (address % PAGE_SIZE !== 0 || length < 0 || end > TASK_SIZE) return -EINVAL;
  if (length === 0) return 0;
  yield* mmap_write_lock(cpu, mm);
  const error = yield* mprotect_range(cpu, mm, address, end, prot);
  yield* mmap_write_unlock(cpu, mm);
  return error;
}

/** How far [start, end) is mapped without a hole: what mprotect changes before it fails. */
function* covered_until(cpu: Cpu, mm: Word, start: number, end: number): Steps<number> {
  let reached = start;
  for (const vma of yield* all_vmas(cpu, mm)) {
    const vm_end = yield* read_long(cpu, vma + vm_area.vm_end);
    if (vm_end <= reached) continue;
    if ((yield* read_long(cpu, vma + vm_area.vm_start)) > reached) break;
    reached = vm_end;
    if (reached >= end) break;
  }
  return Math.min(reached, end);
}

function* mprotect_range(cpu: Cpu, mm: Word, start: number, end: number, prot: number): Steps<number> {
  const until = yield* covered_until(cpu, mm, start, end);
  if (until === start) return -ENOMEM;
  if ((yield* split_at(cpu, mm, start, until)) !== 0) return -ENOMEM;
  const inside: Word[] = [];
  for (const vma of yield* all_vmas(cpu, mm)) {
    const vm_start = yield* read_long(cpu, vma + vm_area.vm_start);
    if (vm_start < until && (yield* read_long(cpu, vma + vm_area.vm_end)) > start) inside.push(vma);
  }
  for (const vma of inside) yield* mprotect_fixup(cpu, mm, vma, prot);
  // Merging comes last: it may remove VMAs that are still in the list.
  let merged = 0;
  for (const vma of inside) {
    if (vma !== merged && (yield* read(cpu, vma + vm_area.detached)) === 0) merged = yield* vma_merge(cpu, mm, vma);
  }
  return until < end ? -ENOMEM : 0;
}

/** mprotect_fixup: one whole VMA. */
function* mprotect_fixup(cpu: Cpu, mm: Word, vma: Word, prot: number): Steps<void> {
  const old = yield* read(cpu, vma + vm_area.vm_flags);
  let vm_flags = (old & ~VM_ACCESS_FLAGS) | calc_vm_prot_bits(prot);
  // What becomes writable is charged against overcommit, once.
  if ((vm_flags & VM_WRITE) !== 0 && (vm_flags & (VM_ACCOUNT | VM_NORESERVE | VM_SHARED)) === 0) vm_flags |= VM_ACCOUNT;
  if (vm_flags === old) return;
  yield* vma_start_write(cpu, mm, vma);
  yield* vm_flags_reset(cpu, vma, vm_flags);
  const start = yield* read_long(cpu, vma + vm_area.vm_start);
  yield* change_protection(cpu, mm, vma, start, yield* read_long(cpu, vma + vm_area.vm_end));
}
