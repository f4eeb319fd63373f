// The catalogue of defences: every lock, recheck, barrier and flush on the fault path that can be taken away.
//
// The kernel code asks `defended(cpu, D_…)` exactly where Linux has the defence and nowhere else. Which race each one
// closes, and what a user and the kernel see without it, stands here once, for every command and every page.
import type { Cpu } from './cpu.ts';

/** One defence. */
export interface Defence {
  /** Name on the command line. */
  readonly name: string;
  /** Where it stands in v6.8. */
  readonly where: string;
  /** The race it closes. */
  readonly closes: string;
  /** What shows when it is gone. */
  readonly without: string;
  /** Commit, CVE or source comment that tells of it. */
  readonly evidence: string;
}

export const D_PTL = 0;
export const D_PTE_RECHECK = 1;
export const D_PMD_RECHECK = 2;
export const D_PMD_INSTALL_RECHECK = 3;
export const D_ANON_VMA_RECHECK = 4;
export const D_MMF_UNSTABLE = 5;
export const D_UPTODATE_BARRIER = 6;
export const D_TLB_FLUSH = 7;
export const D_ZONE_LOCK = 8;
export const D_PCP_LOCK = 9;
export const D_MEMCG_ADD_THEN_CHECK = 10;
export const D_MEMCG_UNWIND = 11;
export const D_RSS_ATOMIC = 12;
export const D_COW_RECHECK = 13;
export const D_VMA_LOCK = 14;
export const D_FORK_VMA_LOCK = 15;
export const D_COW_FLUSH = 16;
export const D_SOFT_DIRTY_FLUSH = 17;
export const D_MREMAP_FLUSH = 18;
export const D_UFFD_MISSING = 19;
export const D_UFFD_MUST_WAIT = 20;

/** Bit number i of a machine's `without` mask is entry i. */
export const DEFENCES: readonly Defence[] = [
  {
    name: 'ptl',
    where: 'pte_offset_map_lock, mm/pgtable-generic.c',
    closes: 'two CPUs between the recheck and the store of one PTE',
    without: 'a user store is lost, a folio leaks, Bad rss-counter state',
    evidence: 'do_anonymous_page: "can safely check later on"; 3.3 of Documentation/mm/split_page_table_lock',
  },
  {
    name: 'pte_recheck',
    where: 'vmf_pte_changed under the PTL, do_anonymous_page, mm/memory.c:4320',
    closes: 'two first-touch faults on one page: both saw pte_none before the lock',
    without: 'a user store is lost, a folio leaks, Bad rss-counter state',
    evidence: 'v6.8 mm/memory.c:2811 and 4555',
  },
  {
    name: 'pmd_recheck',
    where: 'pmd_same after the lock, __pte_offset_map_lock, mm/pgtable-generic.c:361',
    closes: 'the page table is retracted between finding it and locking it',
    without: 'the PTE goes into a table that nobody can reach: a user store is lost, a folio leaks',
    evidence: '0d940a9b270b "mm/pgtable: allow pte_offset_map[_lock]() to fail"; ad33bb04b2a6',
  },
  {
    name: 'pmd_install_recheck',
    where: 'pmd_none under the pmd lock, pmd_install, mm/memory.c:416',
    closes: 'two CPUs install a page table for one pmd entry',
    without: 'the first table and all its pages become unreachable: non-zero pgtables_bytes on freeing mm',
    evidence: 'v6.8 mm/memory.c:416 "Has another populated it ?"',
  },
  {
    name: 'anon_vma_recheck',
    where: 'vma->anon_vma under page_table_lock, __anon_vma_prepare, mm/rmap.c:211',
    closes: 'two first faults in one VMA both make an anon_vma',
    without: 'folios carry a mapping that the VMA is not linked to: the reverse map cannot find them',
    evidence: 'v6.8 mm/rmap.c:211; d9d332e0874f',
  },
  {
    name: 'mmf_unstable',
    where: 'check_stable_address_space under the PTL, do_anonymous_page, mm/memory.c:4328',
    closes: 'the OOM reaper zaps a page that a surviving thread then faults in afresh',
    without: 'a thread reads zeroes where it had stored data',
    evidence: '6b31d5955cb2 "mm, oom: fix potential data corruption when oom_reaper races with writer"',
  },
  {
    name: 'uptodate_barrier',
    where: 'smp_wmb in __folio_mark_uptodate, include/linux/page-flags.h',
    closes: 'the PTE becomes visible before the zeroes of the page',
    without: "another thread reads the frame's previous contents",
    evidence: '0ed361dec369 "mm: fix PageUptodate data race"',
  },
  {
    name: 'tlb_flush',
    where: 'tlb_flush_mmu before pages are freed, mm/mmu_gather.c',
    closes: 'a CPU still holds a translation to a page that is freed and given to somebody else',
    without: "a store lands in another owner's page",
    evidence: 'CVE-2018-18281; 3ea277194daa',
  },
  {
    name: 'zone_lock',
    where: 'zone->lock around the buddy lists, mm/page_alloc.c',
    closes: 'two CPUs take or merge the same free block',
    without: 'one frame has two owners, free lists are torn: Bad page state',
    evidence: 'v6.8 mm/page_alloc.c rmqueue_bulk',
  },
  {
    name: 'pcp_lock',
    where: 'pcp->lock (trylock) around the per-CPU list, mm/page_alloc.c:2838',
    closes: 'the owner takes a page while another CPU drains the list',
    without: 'one frame has two owners: Bad page state',
    evidence: 'v6.8 mm/page_alloc.c:2847 "parallel drain or IRQ reentrancy"',
  },
  {
    name: 'memcg_add_then_check',
    where: 'page_counter_try_charge, mm/page_counter.c',
    closes: 'two CPUs both see room below the limit',
    without: 'usage stands above memory.max',
    evidence: 'v6.8 mm/page_counter.c comment on speculative charges',
  },
  {
    name: 'memcg_unwind',
    where: 'the failure path of page_counter_try_charge, mm/page_counter.c',
    closes: 'a charge that fails at the parent has already been added to the child',
    without: 'usage leaks until the group is unusable',
    evidence: 'v6.8 mm/page_counter.c',
  },
  {
    name: 'rss_atomic',
    where: 'percpu_counter_add, lib/percpu_counter.c',
    closes: 'two CPUs add to one RSS counter',
    without: 'updates are lost: Bad rss-counter state',
    evidence: 'v6.8 lib/percpu_counter.c; check_mm in kernel/fork.c',
  },
  {
    name: 'cow_recheck',
    where: 'pte_same under the PTL, wp_page_copy, mm/memory.c:3180',
    closes: 'two write faults on one zero-page PTE both copy',
    without: 'a user store is lost, a folio leaks, Bad rss-counter state',
    evidence: 'v6.8 mm/memory.c wp_page_copy',
  },
  {
    name: 'vma_write_lock',
    where: 'vma_start_write, include/linux/mm.h:700',
    closes: 'a fault under the VMA lock while the VMA is unmapped or its protection changed',
    without: 'a PTE is installed in a range that is no longer mapped',
    evidence: 'v6.8 mm/mmap.c do_vmi_align_munmap; 49b0638502da',
  },
  {
    name: 'fork_vma_lock',
    where: 'vma_start_write on every VMA of the parent, dup_mmap, kernel/fork.c',
    closes: 'a write fault copies a page of the parent between its write-protection and the TLB flush',
    without: "a user store is lost: it goes to the old page, which is the child's now",
    evidence: 'fb49c455323f "fork: lock VMAs of the parent process when forking"; bug 217624',
  },
  {
    name: 'cow_flush',
    where: 'ptep_clear_flush before the new entry is set, wp_page_copy, mm/memory.c',
    closes: 'one CPU writes to the copy while others still read the old page',
    without: 'a thread reads what was there before, or what another process writes',
    evidence: 'v6.8 mm/memory.c:3197 "to keep TLBs on different CPUs in sync"',
  },
  {
    name: 'soft_dirty_flush',
    where: 'flush_tlb_mm before mmap_lock is dropped, clear_refs_write, fs/proc/task_mmu.c',
    closes: 'a TLB still lets a CPU write to a page that was write-protected to see who writes to it',
    without: 'a page that was written to does not say so: an incremental copy of the process lacks a store',
    evidence: 'v6.8 fs/proc/task_mmu.c inc_tlb_flush_pending; 29a951dfb3c3 "mm: fix clear_refs_write locking"',
  },
  {
    name: 'mremap_flush',
    where: 'flush_tlb_range under both page-table locks, move_ptes, mm/mremap.c',
    closes: 'a CPU still holds a translation to a page that has moved, and reaches it by its old address',
    without: 'a store to an address that is no longer mapped lands in what was moved, or in what came after it',
    evidence: 'CVE-2018-18281; eb66ae030829 "mremap: properly flush TLB before releasing the page"',
  },
  {
    name: 'uffd_missing',
    where: 'userfaultfd_missing under the PTL, do_anonymous_page, mm/memory.c:4333',
    closes: 'a fault fills a page that is still missing, and that a monitor is about to fill',
    without: "a thread reads zeroes in place of the monitor's data, whose copy then fails with EEXIST",
    evidence: 'v6.8 mm/memory.c:4333 "Deliver the page fault to userland, check inside PT lock"',
  },
  {
    name: 'uffd_must_wait',
    where: 'userfaultfd_must_wait once the fault is queued, handle_userfault, fs/userfaultfd.c:322',
    closes: 'the page is filled after the fault has found it missing and before the fault is in the queue',
    without: 'the wake-up comes before the sleep: the thread waits for a page that is there, for ever',
    evidence: 'v6.8 fs/userfaultfd.c:322 "Verify the pagetables are still not ok"',
  },
];

/** Whether the defence of that number is on. @inline */
export function defended(cpu: Cpu, defence: number): boolean {
  return (cpu.without & (1 << defence)) === 0;
}
