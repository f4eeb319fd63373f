// Making, copying and ending an address space: mm_alloc, dup_mm, exit_mmap, check_mm (kernel/fork.c, mm/mmap.c).
import type { Cpu } from '../cpu.ts';
import { PAGE_SIZE, TASK_SIZE } from '../arch/x86/pgtable.ts';
import { flush_tlb_mm } from '../arch/x86/tlb.ts';
import { D_FORK_VMA_LOCK, defended } from '../defences.ts';
import { userfaultfd_ctx_init } from '../fs/userfaultfd.ts';
import { CACHE_MAPLE_NODE, CACHE_MM, NR_MM_COUNTERS, header, mm_struct, vma as vm_area } from '../layout.ts';
import { call_rcu_free } from '../locking/rcu.ts';
import { init_rwsem } from '../locking/rwsem.ts';
import { spin_lock_init } from '../locking/spinlock.ts';
import { atomic_fetch_add, atomic_fetch_or, read, read_long, write, write_long } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { rss_counter } from '../mm/anon.ts';
import { copy_page_range } from '../mm/copy.ts';
import { ENOMEM, MMF_OOM_SKIP, VM_DONTCOPY, VM_LOCKED, VM_UFFD_MISSING, VM_WIPEONFORK } from '../mm/flags.ts';
import { all_vmas, mt_bulk_store, mt_replace } from '../mm/maple.ts';
import {
  mmap_read_lock,
  mmap_read_unlock,
  mmap_write_lock,
  mmap_write_lock_nested,
  mmap_write_unlock,
  vma_start_write,
} from '../mm/mmap_lock.ts';
import { tlb_finish_mmu, tlb_gather_mmu } from '../mm/mmu_gather.ts';
import { percpu_counter_sum } from '../mm/percpu_counter.ts';
import { TABLE_PGD, table_alloc_one, table_free } from '../mm/pgalloc.ts';
import { anon_vma_fork } from '../mm/rmap.ts';
import { kmem_cache_alloc, kmem_cache_free } from '../mm/slab.ts';
import { lru_add_drain } from '../mm/swap.ts';
import { vm_area_dup, vm_area_free, vm_flags_reset, vma_mark_detached } from '../mm/vma.ts';
import { free_pgtables, unmap_page_range } from '../mm/zap.ts';
import { PRINTK_BAD_PGTABLES_BYTES, PRINTK_BAD_RSS, printk } from '../printk.ts';

/** Where mmap starts to look for room, top down: below the stack, as on x86-64. */
const MMAP_BASE: number = TASK_SIZE - 0x40000000;
/** Where the heap of a process begins that did not say. */
const START_BRK = 0x555555560000;

/** mm_alloc: an empty address space charged to `memcg`; 0 when out of memory. */
export function* mm_alloc(cpu: Cpu, memcg: Word): Steps<Word> {
  const mm = yield* kmem_cache_alloc(cpu, CACHE_MM);
  if (mm === 0) return 0;
  yield* write(cpu, mm + mm_struct.mm_users, 1);
  yield* write(cpu, mm + mm_struct.memcg, memcg);
  yield* write(cpu, mm + mm_struct.id, (yield* atomic_fetch_add(cpu, header.mm_ids, 1)) + 1);
  yield* spin_lock_init(cpu, mm + mm_struct.page_table_lock);
  yield* init_rwsem(cpu, mm + mm_struct.mmap_lock);
  yield* userfaultfd_ctx_init(cpu, mm);
  yield* write_long(cpu, mm + mm_struct.mmap_base, MMAP_BASE);
  yield* write_long(cpu, mm + mm_struct.start_brk, START_BRK);
  yield* write_long(cpu, mm + mm_struct.brk, START_BRK);
  const pgd = yield* table_alloc_one(cpu, mm, TABLE_PGD);
  if (pgd === 0 || !(yield* mt_replace(cpu, mm, []))) {
    if (pgd !== 0) yield* table_free(cpu, pgd);
    yield* kmem_cache_free(cpu, CACHE_MM, mm);
    return 0;
  }
  yield* write(cpu, mm + mm_struct.pgd, pgd);
  return mm;
}

/** set_brk: where this process's heap begins. */
export function* mm_set_start_brk(cpu: Cpu, mm: Word, start_brk: number): Steps<void> {
  yield* write_long(cpu, mm + mm_struct.start_brk, start_brk);
  yield* write_long(cpu, mm + mm_struct.brk, start_brk);
}

/** Addresses from `start` up to `end` of which a child does not have what its parent has. */
export interface LeftOut {
  readonly start: number;
  readonly end: number;
  /** False: only of those pages that a monitor of the parent's has not filled yet. */
  readonly whole: boolean;
}

/**
 * dup_mm: a copy of an address space, charged to the same memory group; 0 when out of memory, with nothing left behind.
 * What it does not have of the old one (VM_DONTCOPY, VM_WIPEONFORK, VM_UFFD_MISSING) is added to `left_out`.
 */
export function* dup_mm(cpu: Cpu, oldmm: Word, left_out: LeftOut[]): Steps<Word> {
  const mm = yield* mm_alloc(cpu, yield* read(cpu, oldmm + mm_struct.memcg));
  if (mm === 0) return 0;
  if ((yield* dup_mmap(cpu, mm, oldmm, left_out)) === 0) return mm;
  yield* mmput(cpu, mm);
  return 0;
}

/** dup_mmap: the VMAs of `oldmm`, with what they map, become `mm`'s. 0 or -ENOMEM: what was copied so far is `mm`'s. */
function* dup_mmap(cpu: Cpu, mm: Word, oldmm: Word, left_out: LeftOut[]): Steps<number> {
  yield* mmap_write_lock(cpu, oldmm);
  // Nobody can wait for this one while holding that one: nobody knows it.
  yield* mmap_write_lock_nested(cpu, mm);
  for (const field of [mm_struct.brk, mm_struct.start_brk, mm_struct.mmap_base]) {
    yield* write_long(cpu, mm + field, yield* read_long(cpu, oldmm + field));
  }
  let error = 0;
  for (const mpnt of yield* all_vmas(cpu, oldmm)) {
    // Until the parent's TLBs are flushed, faults are kept out: one that copied a page now would leave behind what other
    // CPUs, whose TLBs still let them, write to the page that it was (R17).
    if (defended(cpu, D_FORK_VMA_LOCK)) yield* vma_start_write(cpu, oldmm, mpnt);
    error = yield* dup_vma(cpu, mm, mpnt, left_out);
    if (error !== 0) break;
  }
  yield* mmap_write_unlock(cpu, mm);
  yield* flush_tlb_mm(cpu, oldmm);
  yield* mmap_write_unlock(cpu, oldmm);
  return error;
}

/** The body of dup_mmap's loop: one VMA. 0 or -ENOMEM. */
function* dup_vma(cpu: Cpu, mm: Word, mpnt: Word, left_out: LeftOut[]): Steps<number> {
  const vm_flags = yield* read(cpu, mpnt + vm_area.vm_flags);
  const start = yield* read_long(cpu, mpnt + vm_area.vm_start);
  const end = yield* read_long(cpu, mpnt + vm_area.vm_end);
  const wiped = (vm_flags & VM_WIPEONFORK) !== 0;
  const left = wiped || (vm_flags & VM_DONTCOPY) !== 0;
  const watched = (vm_flags & VM_UFFD_MISSING) !== 0;
  if (left || watched) left_out.push({ start, end, whole: left });
  if ((vm_flags & VM_DONTCOPY) !== 0) return 0;
  const vma = yield* vm_area_dup(cpu, mm, mpnt);
  if (vma === 0) return -ENOMEM;
  if (!wiped && (yield* anon_vma_fork(cpu, vma, mpnt)) !== 0) {
    yield* vm_area_free(cpu, vma);
    return -ENOMEM;
  }
  // Memory that the parent has locked is not locked in the child, and no monitor watches it there.
  const kept = vm_flags & ~(VM_LOCKED | VM_UFFD_MISSING);
  if (kept !== vm_flags) yield* vm_flags_reset(cpu, vma, kept);
  yield* vma_mark_detached(cpu, vma, false);
  mt_bulk_store(cpu, mm, vma);
  yield* write(cpu, mm + mm_struct.map_count, (yield* read(cpu, mm + mm_struct.map_count)) + 1);
  const pages = (end - start) / PAGE_SIZE;
  yield* write(cpu, mm + mm_struct.total_vm, (yield* read(cpu, mm + mm_struct.total_vm)) + pages);
  return wiped ? 0 : yield* copy_page_range(cpu, vma, mpnt);
}

/** mmput: gives up one use; the last one tears the address space down. */
export function* mmput(cpu: Cpu, mm: Word): Steps<void> {
  if ((yield* atomic_fetch_add(cpu, mm + mm_struct.mm_users, -1)) === 1) yield* __mmput(cpu, mm);
}

/**
 * __mmput: nobody uses the address space any more. Its mm_struct goes with it: there are no kernel threads that could
 * have borrowed it (mm_count).
 */
export function* __mmput(cpu: Cpu, mm: Word): Steps<void> {
  yield* exit_mmap(cpu, mm);
  yield* check_mm(cpu, mm);
  yield* table_free(cpu, yield* read(cpu, mm + mm_struct.pgd));
  yield* kmem_cache_free(cpu, CACHE_MM, mm);
}

/** exit_mmap: unmaps everything, frees every table. */
export function* exit_mmap(cpu: Cpu, mm: Word): Steps<void> {
  yield* mmap_read_lock(cpu, mm);
  yield* lru_add_drain(cpu);
  const vmas = yield* all_vmas(cpu, mm);
  tlb_gather_mmu(cpu, mm);
  for (const vma of vmas) {
    const start = yield* read_long(cpu, vma + vm_area.vm_start);
    yield* unmap_page_range(cpu, mm, start, yield* read_long(cpu, vma + vm_area.vm_end));
  }
  yield* mmap_read_unlock(cpu, mm);
  // Nothing is left that the OOM reaper could take.
  yield* atomic_fetch_or(cpu, mm + mm_struct.flags, 1 << MMF_OOM_SKIP);
  yield* mmap_write_lock(cpu, mm);
  for (const vma of vmas) {
    yield* vma_start_write(cpu, mm, vma);
    yield* vma_mark_detached(cpu, vma, true);
  }
  yield* free_pgtables(cpu, mm, vmas, 0, Infinity);
  yield* tlb_finish_mmu(cpu);
  for (const vma of vmas) yield* vm_area_free(cpu, vma);
  yield* call_rcu_free(cpu, CACHE_MAPLE_NODE, yield* read(cpu, mm + mm_struct.mm_mt));
  yield* write(cpu, mm + mm_struct.mm_mt, 0);
  yield* mmap_write_unlock(cpu, mm);
}

/** check_mm: what the counters say about an address space in which nothing should be left. */
export function* check_mm(cpu: Cpu, mm: Word): Steps<void> {
  const id = yield* read(cpu, mm + mm_struct.id);
  for (let member = 0; member < NR_MM_COUNTERS; member++) {
    const left = yield* percpu_counter_sum(cpu, rss_counter(cpu, mm, member));
    if (left !== 0) printk(cpu, PRINTK_BAD_RSS, id, member, left);
  }
  const bytes = yield* read(cpu, mm + mm_struct.pgtables_bytes);
  if (bytes !== 0) printk(cpu, PRINTK_BAD_PGTABLES_BYTES, bytes);
}
