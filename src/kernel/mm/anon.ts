// do_anonymous_page: a fault on an address of anonymous memory that has no page yet (mm/memory.c:4242, v6.8).
//
// The VMA is held still by mmap_lock or its own lock; everything else moves. All that may sleep (tables, anon_vma,
// folio, charge) is done first, with no lock held; then the page-table lock is taken, everything that was believed is
// looked at once more, and the entry is stored. Whoever finds the entry taken frees its folio and returns 0: the
// program touches the address again and finds the winner's page.
import type { Cpu } from '../cpu.ts';
import { count_vm_event, page_to_pfn } from '../cpu.ts';
import {
  NO_ENTRY,
  pfn_pte,
  pte_mkdirty,
  pte_mkspecial,
  pte_mkwrite,
  pte_none,
  pte_same,
  pte_sw_mkyoung,
} from '../arch/x86/pgtable.ts';
import { D_MMF_UNSTABLE, D_PTE_RECHECK, D_UFFD_MISSING, D_UPTODATE_BARRIER, defended } from '../defences.ts';
import { handle_userfault } from '../fs/userfaultfd.ts';
import {
  LOST_RACE_ANON,
  MM_ANONPAGES,
  PG_uptodate,
  ZERO_PAGE_MAPPED,
  header,
  mm_struct,
  page,
  vma as vm_area,
} from '../layout.ts';
import { READ_ONCE, READ_ONCE_64, local_read, read, read_64, smp_wmb, write } from '../memory.ts';
import type { Entry, Steps, Word } from '../memory.ts';
import { SITE_FOLIO } from './fail_page_alloc.ts';
import {
  FAULT_FLAG_ORIG_PTE_VALID,
  FAULT_FLAG_WRITE,
  LOCKING_CMPXCHG,
  MMF_UNSTABLE,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  VM_SHARED,
  VM_UFFD_MISSING,
  VM_WRITE,
} from './flags.ts';
import { mem_cgroup_charge } from './memcontrol.ts';
import { GFP_HIGHUSER_MOVABLE_ZERO, alloc_page, drain_store_buffer } from './page_alloc.ts';
import { percpu_counter_add } from './percpu_counter.ts';
import { pte_alloc } from './pgalloc.ts';
import { pte_offset_map_lock, pte_unmap_unlock, set_pte_from } from './pgtable-generic.ts';
import { anon_vma_prepare, folio_add_new_anon_rmap, folio_remove_rmap_pte } from './rmap.ts';
import { folio_add_lru, folio_put } from './swap.ts';
import { trace_rss_stat } from '../trace.ts';
import type { VmFault } from './vmf.ts';

/** The rss_stat counter of an mm for one kind of page. */
export function rss_counter(cpu: Cpu, mm: Word, member: number): Word {
  return mm + mm_struct.rss_stat + member * cpu.layout.percpu_counter_words;
}

/** add_mm_counter. */
export function* add_mm_counter(cpu: Cpu, mm: Word, member: number, value: number): Steps<void> {
  yield* percpu_counter_add(cpu, rss_counter(cpu, mm, member), value);
  if (cpu.tracing) trace_rss_stat(cpu, mm, member);
}

/** vmf_pte_changed: whether the entry, read under the PTL, is not what the fault was taken for. */
export function* vmf_pte_changed(cpu: Cpu, vmf: VmFault): Steps<boolean> {
  if (cpu.design?.changed !== undefined) {
    const entry = (vmf.flags & FAULT_FLAG_ORIG_PTE_VALID) !== 0 ? vmf.orig_pte : NO_ENTRY;
    return yield* cpu.design.changed(cpu, vmf.pte, entry);
  }
  const pte = yield* READ_ONCE_64(cpu, vmf.pte);
  if ((vmf.flags & FAULT_FLAG_ORIG_PTE_VALID) !== 0) return !pte_same(pte, vmf.orig_pte);
  return !pte_none(pte);
}

/** check_stable_address_space: VM_FAULT_SIGBUS once the OOM reaper may have taken pages of this mm away. */
export function* check_stable_address_space(cpu: Cpu, mm: Word): Steps<number> {
  if (!defended(cpu, D_MMF_UNSTABLE)) return 0;
  return ((yield* READ_ONCE(cpu, mm + mm_struct.flags)) & (1 << MMF_UNSTABLE)) !== 0 ? VM_FAULT_SIGBUS : 0;
}

/** __folio_mark_uptodate: the page's contents are visible before anything that is stored after this. */
export function* __folio_mark_uptodate(cpu: Cpu, folio: Word): Steps<void> {
  if (defended(cpu, D_UPTODATE_BARRIER)) yield* smp_wmb(cpu);
  const flags = yield* read(cpu, folio + page.flags);
  yield* write(cpu, folio + page.flags, flags | (1 << PG_uptodate));
}

/** userfaultfd_missing. The flags may be those read before the PTL was taken: the VMA is held still. */
function userfaultfd_missing(cpu: Cpu, vm_flags: number): boolean {
  return defended(cpu, D_UFFD_MISSING) && (vm_flags & VM_UFFD_MISSING) !== 0;
}

/** do_anonymous_page. Returns 0, VM_FAULT_OOM, VM_FAULT_SIGBUS, or what handle_userfault does. */
export function* do_anonymous_page(cpu: Cpu, vmf: VmFault): Steps<number> {
  const vma = vmf.vma;
  const mm = vmf.mm;
  const vm_flags = yield* read(cpu, vma + vm_area.vm_flags);
  // 1. CALL: do_anonymous_page(vmf)
  if (cpu.note('call', vmf, vm_flags)) yield cpu.step;
  if ((vm_flags & VM_SHARED) !== 0) return VM_FAULT_SIGBUS;

  // 2. CHECK: pte_alloc (Page Table Existence)
  const no_table = yield* pte_alloc(cpu, mm, vmf.pmd);
  if (cpu.note('pte_alloc', vmf, no_table)) yield cpu.step;
  if (no_table !== 0) return VM_FAULT_OOM;

  // 3. DECISION: Zero Page vs Real Page
  const zero_page = (vmf.flags & FAULT_FLAG_WRITE) === 0;
  if (cpu.note('zero_page', vmf, zero_page)) yield cpu.step;
  if (zero_page) return yield* map_zero_page(cpu, vmf, vm_flags);

  // 4. PREPARATION: Anon VMA (Reverse Map)
  const unprepared = yield* anon_vma_prepare(cpu, vma);
  if (cpu.note('anon_vma_prepare', vmf, unprepared)) yield cpu.step;
  if (unprepared !== 0) return VM_FAULT_OOM;

  // 5. ALLOCATION: The Physical RAM
  const folio = yield* alloc_page(cpu, GFP_HIGHUSER_MOVABLE_ZERO, SITE_FOLIO);
  if (cpu.note('alloc_anon_folio', vmf, folio)) yield cpu.step;
  if (folio === 0) return VM_FAULT_OOM;

  // 6. ACCOUNTING: MemCgroup (Control Groups)
  const refused = yield* mem_cgroup_charge(cpu, folio, yield* read(cpu, mm + mm_struct.memcg));
  if (cpu.note('mem_cgroup_charge', vmf, refused, folio)) yield cpu.step;
  if (refused !== 0) {
    yield* drain_store_buffer(cpu);
    yield* folio_put(cpu, folio);
    return VM_FAULT_OOM;
  }
  // The zeroes must be seen before the entry that leads to them (R6).
  yield* __folio_mark_uptodate(cpu, folio);

  // 7. LOGIC: Make PTE Entry (The Bits)
  const entry = yield* anon_entry(cpu, vmf, folio, vm_flags);
  return yield* install_folio(cpu, vmf, folio, entry, vm_flags);
}

/** Step 7: the entry's value, bit by bit. */
function* anon_entry(cpu: Cpu, vmf: VmFault, folio: Word, vm_flags: number): Steps<Entry> {
  let entry = pfn_pte(page_to_pfn(cpu, folio), yield* read_64(cpu, vmf.vma + vm_area.vm_page_prot));
  if (cpu.note('mk_pte', vmf, entry)) yield cpu.step;
  entry = pte_sw_mkyoung(entry);
  if (cpu.note('pte_sw_mkyoung', vmf, entry)) yield cpu.step;
  if ((vm_flags & VM_WRITE) !== 0) {
    entry = pte_mkdirty(cpu, entry);
    if (cpu.note('pte_mkdirty', vmf, entry)) yield cpu.step;
    entry = pte_mkwrite(entry);
    if (cpu.note('pte_mkwrite', vmf, entry)) yield cpu.step;
  }
  return entry;
}

/** Steps 8 to 11: the critical section. */
function* install_folio(cpu: Cpu, vmf: VmFault, folio: Word, entry: Entry, vm_flags: number): Steps<number> {
  const mm = vmf.mm;
  // 8. LOCK: Critical Section
  vmf.pte = yield* pte_offset_map_lock(cpu, mm, vmf.pmd, vmf.address, vmf);
  if (cpu.note('pte_offset_map_lock', vmf)) yield cpu.step;
  if (vmf.pte === 0) {
    yield* drain_store_buffer(cpu);
    yield* folio_put(cpu, folio);
    return 0;
  }
  if (defended(cpu, D_PTE_RECHECK) && (yield* vmf_pte_changed(cpu, vmf))) {
    if (cpu.note('lost', vmf, folio)) yield cpu.step;
    return yield* release_folio(cpu, vmf, folio, 0);
  }
  const unstable = yield* check_stable_address_space(cpu, mm);
  if (unstable !== 0) {
    if (cpu.note('unstable', vmf, folio)) yield cpu.step;
    return yield* release_folio(cpu, vmf, folio, unstable);
  }
  // Only a page that is still missing is the monitor's to fill.
  if (userfaultfd_missing(cpu, vm_flags)) {
    yield* drain_store_buffer(cpu);
    yield* pte_unmap_unlock(cpu, vmf.ptl);
    yield* folio_put(cpu, folio);
    return yield* handle_userfault(cpu, vmf);
  }

  // 9. INSERTION: Link to VMA
  yield* add_mm_counter(cpu, mm, MM_ANONPAGES, 1);
  if (cpu.note('add_mm_counter', vmf, folio)) yield cpu.step;
  yield* folio_add_new_anon_rmap(cpu, folio, vmf.vma, vmf.address);
  if (cpu.note('folio_add_new_anon_rmap', vmf, folio)) yield cpu.step;
  if (cpu.locking === LOCKING_CMPXCHG) return yield* publish_by_cmpxchg(cpu, vmf, folio, entry);
  yield* folio_add_lru(cpu, folio);
  if (cpu.note('folio_add_lru_vma', vmf, folio)) yield cpu.step;

  // 10. WRITE: Update Hardware
  yield* set_pte_from(cpu, vmf.pte, vmf.orig_pte, entry);
  if (cpu.note('set_ptes', vmf, entry)) yield cpu.step;

  // 11. UNLOCK & RETURN
  yield* pte_unmap_unlock(cpu, vmf.ptl);
  if (cpu.note('return', vmf, 0)) yield cpu.step;
  return 0;
}

/** `goto release`: another CPU has filled the entry, or the address space is unstable. The folio goes back. */
function* release_folio(cpu: Cpu, vmf: VmFault, folio: Word, ret: number): Steps<number> {
  if (ret === 0) count_vm_event(cpu, LOST_RACE_ANON);
  yield* drain_store_buffer(cpu);
  yield* folio_put(cpu, folio);
  yield* pte_unmap_unlock(cpu, vmf.ptl);
  if (cpu.note('return', vmf, ret)) yield cpu.step;
  return ret;
}

/** The cmpxchg design's steps 9 to 11: all is accounted before the entry shows, and taken back if it can't be stored. */
function* publish_by_cmpxchg(cpu: Cpu, vmf: VmFault, folio: Word, entry: Entry): Steps<number> {
  const expected = (vmf.flags & FAULT_FLAG_ORIG_PTE_VALID) !== 0 ? vmf.orig_pte : NO_ENTRY;
  yield* folio_add_lru(cpu, folio);
  if (yield* set_pte_from(cpu, vmf.pte, expected, entry)) {
    if (cpu.note('set_ptes', vmf, entry)) yield cpu.step;
    yield* pte_unmap_unlock(cpu, vmf.ptl);
    if (cpu.note('return', vmf, 0)) yield cpu.step;
    return 0;
  }
  if (cpu.note('lost', vmf, folio)) yield cpu.step;
  yield* folio_remove_rmap_pte(cpu, folio);
  yield* add_mm_counter(cpu, vmf.mm, MM_ANONPAGES, -1);
  return yield* release_folio(cpu, vmf, folio, 0);
}

/** The read fault: the one zero page, read-only, without folio, RSS, reverse map, LRU or charge. */
function* map_zero_page(cpu: Cpu, vmf: VmFault, vm_flags: number): Steps<number> {
  const zero_pfn = page_to_pfn(cpu, local_read(cpu, header.zero_page));
  const entry = pte_mkspecial(pfn_pte(zero_pfn, yield* read_64(cpu, vmf.vma + vm_area.vm_page_prot)));
  if (cpu.note('zero_pte', vmf, entry)) yield cpu.step;
  vmf.pte = yield* pte_offset_map_lock(cpu, vmf.mm, vmf.pmd, vmf.address, vmf);
  if (cpu.note('pte_offset_map_lock', vmf)) yield cpu.step;
  if (vmf.pte === 0) return 0;
  let ret = 0;
  if (defended(cpu, D_PTE_RECHECK) && (yield* vmf_pte_changed(cpu, vmf))) {
    if (cpu.note('lost', vmf, 0)) yield cpu.step;
    count_vm_event(cpu, LOST_RACE_ANON);
  } else {
    ret = yield* check_stable_address_space(cpu, vmf.mm);
    if (ret === 0 && userfaultfd_missing(cpu, vm_flags)) {
      yield* pte_unmap_unlock(cpu, vmf.ptl);
      return yield* handle_userfault(cpu, vmf);
    }
    if (ret === 0) {
      const stored = yield* set_pte_from(cpu, vmf.pte, NO_ENTRY, entry);
      count_vm_event(cpu, stored ? ZERO_PAGE_MAPPED : LOST_RACE_ANON);
      if (cpu.note('set_ptes', vmf, entry)) yield cpu.step;
    } else if (cpu.note('unstable', vmf, 0)) yield cpu.step;
  }
  yield* pte_unmap_unlock(cpu, vmf.ptl);
  if (cpu.note('return', vmf, ret)) yield cpu.step;
  return ret;
}
