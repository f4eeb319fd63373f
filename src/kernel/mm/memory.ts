// handle_mm_fault and what it calls, down to the two ends of the anonymous path (mm/memory.c, v6.8).
import type { Cpu } from '../cpu.ts';
import { count_vm_event } from '../cpu.ts';
import {
  NO_ENTRY,
  page_align_down,
  pmd_none,
  pte_mkdirty,
  pte_mkyoung,
  pte_none,
  pte_present,
  pte_protnone,
  pte_write,
  pte_young,
  pte_dirty,
} from '../arch/x86/pgtable.ts';
import { FAULT_SKIPPED, MAJ_FLT, MIN_FLT, PGFAULT, VM_OPS_NONE, mm_struct, vma as vm_area } from '../layout.ts';
import { READ_ONCE_64, read, read_64 } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { do_anonymous_page } from './anon.ts';
import {
  FAULT_FLAG_ORIG_PTE_VALID,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_UNSHARE,
  FAULT_FLAG_WRITE,
  VM_FAULT_ERROR,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_FAULT_SIGSEGV,
  VM_MAYSHARE,
  VM_MAYWRITE,
  VM_SHARED,
  VM_WRITE,
} from './flags.ts';
import { pgd_offset, pmd_alloc, pud_alloc } from './pgalloc.ts';
import {
  pte_changed,
  pte_lockptr,
  pte_offset_map_nolock,
  pte_unmap,
  pte_unmap_unlock,
  ptl_lock,
  set_pte_from,
} from './pgtable-generic.ts';
import type { VmFault } from './vmf.ts';
import { do_wp_page } from './wp.ts';

/** sanitize_fault_flags: faults that no VMA of these flags can have. */
function sanitize_fault_flags(vm_flags: number, flags: number): number {
  if ((flags & FAULT_FLAG_UNSHARE) !== 0 && (flags & FAULT_FLAG_WRITE) !== 0) return VM_FAULT_SIGSEGV;
  if ((flags & FAULT_FLAG_WRITE) !== 0) {
    if ((vm_flags & VM_MAYWRITE) === 0) return VM_FAULT_SIGSEGV;
    const is_cow = (vm_flags & (VM_SHARED | VM_MAYSHARE | VM_MAYWRITE)) === VM_MAYWRITE;
    if ((vm_flags & VM_WRITE) === 0 && !is_cow) return VM_FAULT_SIGSEGV;
  }
  return 0;
}

/** handle_mm_fault: the caller holds mmap_lock for read, or the VMA's lock (FAULT_FLAG_VMA_LOCK). VM_FAULT_* bits. */
export function* handle_mm_fault(cpu: Cpu, vma: Word, address: number, flags: number): Steps<number> {
  let ret = sanitize_fault_flags(yield* read(cpu, vma + vm_area.vm_flags), flags);
  if (ret === 0) ret = yield* __handle_mm_fault(cpu, vma, address, flags);
  mm_account_fault(cpu, ret, flags);
  if (cpu.note('handle_mm_fault', flags, ret)) yield cpu.step;
  return ret;
}

/**
 * mm_account_fault: what will be retried counts later; errors count as faults but neither as minor nor major. Pages that
 * a system call faults in (gup.ts) count like those that a program touches.
 */
function mm_account_fault(cpu: Cpu, ret: number, flags: number): void {
  if ((ret & VM_FAULT_RETRY) !== 0) return;
  count_vm_event(cpu, PGFAULT);
  if ((ret & VM_FAULT_ERROR) !== 0) return;
  count_vm_event(cpu, (ret & VM_FAULT_MAJOR) !== 0 || (flags & FAULT_FLAG_TRIED) !== 0 ? MAJ_FLT : MIN_FLT);
}

/** __handle_mm_fault: makes the upper tables. Huge pages are not modelled, so every fault ends at a PTE. */
export function* __handle_mm_fault(cpu: Cpu, vma: Word, address: number, flags: number): Steps<number> {
  const vmf = cpu.vmf;
  vmf.vma = vma;
  vmf.mm = yield* read(cpu, vma + vm_area.vm_mm);
  vmf.flags = flags;
  vmf.real_address = address;
  vmf.address = page_align_down(address);
  vmf.pte = 0;
  vmf.ptl = 0;
  vmf.orig_pte = NO_ENTRY;
  vmf.pgd = pgd_offset(yield* read(cpu, vmf.mm + mm_struct.pgd), address);
  vmf.pud = yield* pud_alloc(cpu, vmf.mm, vmf.pgd, address);
  if (vmf.pud === 0) return VM_FAULT_OOM;
  vmf.pmd = yield* pmd_alloc(cpu, vmf.mm, vmf.pud, address);
  if (vmf.pmd === 0) return VM_FAULT_OOM;
  return yield* handle_pte_fault(cpu, vmf);
}

/** handle_pte_fault: looks at the entry without a lock, and decides which fault this is. */
function* handle_pte_fault(cpu: Cpu, vmf: VmFault): Steps<number> {
  if (pmd_none(yield* read_64(cpu, vmf.pmd))) {
    // No table yet, and none is made here: a huge page might still go in its place.
    vmf.pte = 0;
    vmf.flags &= ~FAULT_FLAG_ORIG_PTE_VALID;
  } else {
    vmf.pte = yield* pte_offset_map_nolock(cpu, vmf.mm, vmf.pmd, vmf.address, vmf);
    if (vmf.pte === 0) return 0;
    vmf.orig_pte = yield* READ_ONCE_64(cpu, vmf.pte);
    vmf.flags |= FAULT_FLAG_ORIG_PTE_VALID;
    if (pte_none(vmf.orig_pte)) {
      pte_unmap(cpu);
      vmf.pte = 0;
    }
  }
  if (vmf.pte === 0) return yield* do_pte_missing(cpu, vmf);
  return yield* handle_present_pte(cpu, vmf);
}

/** do_pte_missing. Of the regions with vm_ops only the existence is modelled: their faults are counted and skipped. */
function* do_pte_missing(cpu: Cpu, vmf: VmFault): Steps<number> {
  if ((yield* read(cpu, vmf.vma + vm_area.vm_ops)) === VM_OPS_NONE) return yield* do_anonymous_page(cpu, vmf);
  count_vm_event(cpu, FAULT_SKIPPED);
  return VM_FAULT_SIGBUS;
}

/** The second half of handle_pte_fault: the entry is there. The PTE is mapped (RCU), not locked. */
function* handle_present_pte(cpu: Cpu, vmf: VmFault): Steps<number> {
  if (!pte_present(vmf.orig_pte) || pte_protnone(vmf.orig_pte)) {
    // There is no swap here, and access_error has refused PROT_NONE: only a torn table leads here.
    pte_unmap(cpu);
    return VM_FAULT_SIGBUS;
  }
  vmf.ptl = pte_lockptr(cpu, vmf.mm, vmf.pte);
  yield* ptl_lock(cpu, vmf.ptl, vmf.mm, vmf.pte, 1);
  if (yield* pte_changed(cpu, vmf.pte, vmf.orig_pte)) {
    yield* pte_unmap_unlock(cpu, vmf.ptl);
    return 0;
  }
  let entry = vmf.orig_pte;
  if ((vmf.flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE)) !== 0) {
    if (!pte_write(entry)) return yield* do_wp_page(cpu, vmf);
    if ((vmf.flags & FAULT_FLAG_WRITE) !== 0) entry = pte_mkdirty(cpu, entry);
  }
  entry = pte_mkyoung(entry);
  // ptep_set_access_flags writes only what changed; if nothing did, another CPU mapped the page and this CPU's TLB
  // did not know yet: a spurious fault, which x86 needs no flush for.
  if (pte_young(vmf.orig_pte) !== pte_young(entry) || pte_dirty(vmf.orig_pte) !== pte_dirty(entry)) {
    yield* set_pte_from(cpu, vmf.pte, vmf.orig_pte, entry);
  }
  yield* pte_unmap_unlock(cpu, vmf.ptl);
  return 0;
}
