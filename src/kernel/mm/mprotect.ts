// mprotect (mm/mprotect.c): new rights for a range, in the VMAs and in every entry that is there.
import type { Cpu } from '../cpu.ts';
import { flush_tlb_mm_range } from '../arch/x86/tlb.ts';
import {
  NO_ENTRY,
  PAGE_SIZE,
  PMD_SIZE,
  _PAGE_SOFT_DIRTY,
  page_align,
  pte_mkwrite,
  pte_modify,
  pte_none,
  pte_present,
  pte_protnone,
  pte_write,
} from '../arch/x86/pgtable.ts';
import { PG_anon_exclusive, VM_OPS_NONE, page, vma as vm_area } from '../layout.ts';
import { READ_ONCE, READ_ONCE_64, WRITE_ONCE_64, read, read_64, read_long, xchg_64 } from '../memory.ts';
import type { Entry, Steps, Word } from '../memory.ts';
import {
  EINVAL,
  ENOMEM,
  PAGE_MAPPING_ANON,
  PROT_EXEC,
  PROT_GROWSDOWN,
  PROT_GROWSUP,
  PROT_READ,
  PROT_SEM,
  PROT_WRITE,
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_LOCKED,
  VM_NORESERVE,
  VM_SHARED,
  VM_SOFTDIRTY,
  VM_WRITE,
} from './flags.ts';
import { populate_vma_page_range } from './gup.ts';
import { find_pmd } from './khugepaged.ts';
import { find_vma } from './maple.ts';
import { calc_vm_prot_bits } from './mmap.ts';
import { mmap_write_lock, mmap_write_unlock, vma_start_write } from './mmap_lock.ts';
import { next_boundary, next_mapped } from './pagewalk.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from './pgtable-generic.ts';
import { find_vma_intersection } from './unmapped_area.ts';
import { vm_flags_reset, vma_isolate, vma_merge } from './vma.ts';
import { vm_normal_page } from './wp.ts';

/**
 * can_change_pte_writable: a private page that is ours alone may be written without another fault, unless that fault is
 * how somebody wants to see that it was.
 */
function* can_change_pte_writable(cpu: Cpu, vm_flags: number, pte: Entry): Steps<boolean> {
  if (pte_protnone(pte)) return false;
  if (cpu.soft_dirty && (vm_flags & VM_SOFTDIRTY) === 0 && (pte.lo & _PAGE_SOFT_DIRTY) === 0) return false;
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
  const vm_flags = yield* read(cpu, vma + vm_area.vm_flags);
  const writable = (vm_flags & VM_WRITE) !== 0;
  let changed = 0;
  for (let at = address; at < end; at += PAGE_SIZE, pte += 2) {
    const old = yield* READ_ONCE_64(cpu, pte);
    if (pte_none(old) || !pte_present(old)) continue;
    // Taken out while it changes, so that the hardware can't set Dirty in an entry that is about to be replaced.
    let entry = pte_modify(yield* xchg_64(cpu, pte, NO_ENTRY), prot);
    if (writable && !pte_write(entry) && (yield* can_change_pte_writable(cpu, vm_flags, entry))) {
      entry = pte_mkwrite(entry);
    }
    yield* WRITE_ONCE_64(cpu, pte, entry);
    changed += 1;
  }
  yield* pte_unmap_unlock(cpu, ptl);
  return changed;
}

/** change_protection: all entries of [start, end) get the VMA's protection, and no TLB keeps an old one. */
function* change_protection(cpu: Cpu, mm: Word, vma: Word, start: number, end: number): Steps<void> {
  let changed = 0;
  for (let at = yield* next_mapped(cpu, mm, start, end); at < end;) {
    const next = Math.min(end, next_boundary(at, PMD_SIZE));
    changed += yield* change_pte_range(cpu, mm, vma, yield* find_pmd(cpu, mm, at), at, next);
    at = yield* next_mapped(cpu, mm, next, end);
  }
  if (changed > 0) yield* flush_tlb_mm_range(cpu, mm, start, end);
}

/** arch_validate_prot: bits that mean something. */
const VALID_PROT: number = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM;
const GROWS: number = PROT_GROWSDOWN | PROT_GROWSUP;

/** mprotect. 0 or a negative error: -ENOMEM where part of the range is not mapped. */
export function* sys_mprotect(cpu: Cpu, mm: Word, address: number, length: number, prot: number): Steps<number> {
  const rights = prot & ~GROWS;
  if ((prot & GROWS) === GROWS || address % PAGE_SIZE !== 0) return -EINVAL;
  if (length === 0) return 0;
  const end = address + page_align(length);
  // A length below 0 is one of almost all addresses, which is more than there are.
  if (end <= address || address < 0) return -ENOMEM;
  if ((rights & ~VALID_PROT) !== 0) return -EINVAL;
  yield* mmap_write_lock(cpu, mm);
  const start = yield* start_of(cpu, mm, address, end, prot);
  const error = start < 0 ? start : yield* mprotect_range(cpu, mm, start, end, rights);
  yield* mmap_write_unlock(cpu, mm);
  return error;
}

/** Where mprotect starts: at the address, or with PROT_GROWSDOWN where the stack begins. A negative error for a hole. */
function* start_of(cpu: Cpu, mm: Word, address: number, end: number, prot: number): Steps<number> {
  const vma = yield* find_vma_intersection(cpu, mm, address, end);
  if (vma === 0) return -ENOMEM;
  const vm_start = yield* read_long(cpu, vma + vm_area.vm_start);
  const vm_flags = yield* read(cpu, vma + vm_area.vm_flags);
  if ((prot & PROT_GROWSDOWN) !== 0) return (vm_flags & VM_GROWSDOWN) !== 0 ? vm_start : -EINVAL;
  // No VMA grows up on x86.
  if (vm_start > address) return -ENOMEM;
  return (prot & PROT_GROWSUP) !== 0 ? -EINVAL : address;
}

/** One VMA after the other, each merged with its neighbours before the next: what comes before a hole is done. */
function* mprotect_range(cpu: Cpu, mm: Word, start: number, end: number, prot: number): Steps<number> {
  for (let at = start; at < end;) {
    const vma = yield* find_vma(cpu, mm, at);
    if (vma === 0 || (yield* read_long(cpu, vma + vm_area.vm_start)) > at) return -ENOMEM;
    const until = Math.min(end, yield* read_long(cpu, vma + vm_area.vm_end));
    const reached = yield* mprotect_fixup(cpu, mm, vma, at, until, prot);
    if (reached < 0) return reached;
    at = reached;
  }
  return 0;
}

/** The flags of a VMA with other rights, and with what these are charged against overcommit for. */
function* flags_with_rights(cpu: Cpu, vma: Word, old: number, prot: number): Steps<number> {
  const vm_flags = (old & ~VM_ACCESS_FLAGS) | calc_vm_prot_bits(prot);
  if ((vm_flags & VM_WRITE) !== 0) {
    const charged = (old & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE)) !== 0;
    return charged ? vm_flags : vm_flags | VM_ACCOUNT;
  }
  // Where no page was ever written there is nothing to keep the charge for.
  const unused = (yield* read(cpu, vma + vm_area.anon_vma)) === 0;
  const anonymous = (yield* read(cpu, vma + vm_area.vm_ops)) === VM_OPS_NONE;
  return anonymous && unused ? vm_flags & ~VM_ACCOUNT : vm_flags;
}

/** mprotect_fixup: [start, end) of one VMA. Returns where the VMA that it is in afterwards ends, or -ENOMEM. */
function* mprotect_fixup(cpu: Cpu, mm: Word, vma: Word, start: number, end: number, prot: number): Steps<number> {
  const old = yield* read(cpu, vma + vm_area.vm_flags);
  // Whether the rights are the same is asked before what they are charged for.
  if (((old & ~VM_ACCESS_FLAGS) | calc_vm_prot_bits(prot)) === old) return yield* read_long(cpu, vma + vm_area.vm_end);
  const vm_flags = yield* flags_with_rights(cpu, vma, old, prot);
  const inside = yield* vma_isolate(cpu, mm, vma, start, end);
  if (inside === 0) return -ENOMEM;
  yield* vma_start_write(cpu, mm, inside);
  yield* vm_flags_reset(cpu, inside, vm_flags);
  yield* change_protection(cpu, mm, inside, start, end);
  const merged = yield* vma_merge(cpu, mm, inside);
  if ((old & (VM_WRITE | VM_SHARED | VM_LOCKED)) === VM_LOCKED && (vm_flags & VM_WRITE) !== 0) {
    yield* populate_vma_page_range(cpu, merged, start, end, false);
  }
  return yield* read_long(cpu, merged + vm_area.vm_end);
}
