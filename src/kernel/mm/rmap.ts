// The reverse map: from a page back to the VMAs that may map it (mm/rmap.c).
//
// A VMA gets an anon_vma at its first anonymous fault; each of its folios points to it. After a fork the child's VMA is
// in its parent's anon_vmas, too, so that a folio leads to all that may map it. Locks in this order: mmap_lock,
// anon_vma->rwsem (the root's), page_table_lock or PTL.
import type { Cpu } from '../cpu.ts';
import { count_vm_event, count_vm_events } from '../cpu.ts';
import { PAGE_SIZE } from '../arch/x86/pgtable.ts';
import { D_ANON_VMA_RECHECK, defended } from '../defences.ts';
import {
  CACHE_ANON_VMA,
  CACHE_ANON_VMA_CHAIN,
  LOCK_ANON_VMA,
  LOCK_PAGE_TABLE,
  LOST_RACE_ANON_VMA,
  NR_ANON_MAPPED,
  PG_anon_exclusive,
  PG_swapbacked,
  anon_vma as anon_vma_struct,
  anon_vma_chain as avc_struct,
  mm_struct,
  page,
  vma as vm_area,
} from '../layout.ts';
import { INIT_LIST_HEAD, list_add, list_del, list_empty, list_first, list_last, list_prev } from '../list.ts';
import { down_write, init_rwsem, up_write } from '../locking/rwsem.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import {
  READ_ONCE,
  WRITE_ONCE,
  atomic_add,
  atomic_fetch_add,
  atomic_fetch_and,
  read,
  read_long,
  write,
  write_long,
} from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { ENOMEM, PAGE_MAPPING_ANON, VM_ACCESS_FLAGS, VM_SOFTDIRTY } from './flags.ts';
import { mt_walk } from './maple.ts';
import { kmem_cache_alloc, kmem_cache_free } from './slab.ts';

/** linear_page_index: index of `address` in the object the VMA maps, in pages. */
export function* linear_page_index(cpu: Cpu, vma: Word, address: number): Steps<number> {
  const start = yield* read_long(cpu, vma + vm_area.vm_start);
  return Math.floor((address - start) / PAGE_SIZE) + (yield* read_long(cpu, vma + vm_area.vm_pgoff));
}

/** anon_vma_alloc: its own root, with the self link counted as a child. */
function* anon_vma_alloc(cpu: Cpu): Steps<Word> {
  const anon_vma = yield* kmem_cache_alloc(cpu, CACHE_ANON_VMA);
  if (anon_vma === 0) return 0;
  yield* init_rwsem(cpu, anon_vma + anon_vma_struct.rwsem);
  yield* write(cpu, anon_vma + anon_vma_struct.root, anon_vma);
  yield* write(cpu, anon_vma + anon_vma_struct.parent, anon_vma);
  yield* write(cpu, anon_vma + anon_vma_struct.refcount, 1);
  yield* write(cpu, anon_vma + anon_vma_struct.num_children, 1);
  yield* write(cpu, anon_vma + anon_vma_struct.num_active_vmas, 0);
  yield* INIT_LIST_HEAD(cpu, anon_vma + anon_vma_struct.rb_root);
  return anon_vma;
}

/** put_anon_vma: frees it where nobody uses it any more, and gives up its use of its root. */
export function* put_anon_vma(cpu: Cpu, anon_vma: Word): Steps<void> {
  if ((yield* atomic_fetch_add(cpu, anon_vma + anon_vma_struct.refcount, -1)) !== 1) return;
  const root = yield* read(cpu, anon_vma + anon_vma_struct.root);
  yield* kmem_cache_free(cpu, CACHE_ANON_VMA, anon_vma);
  if (root !== anon_vma) yield* put_anon_vma(cpu, root);
}

/** anon_vma_lock_write and its end: always the root's semaphore. */
export function* anon_vma_lock_write(cpu: Cpu, anon_vma: Word): Steps<void> {
  const root = yield* read(cpu, anon_vma + anon_vma_struct.root);
  yield* down_write(cpu, root + anon_vma_struct.rwsem, LOCK_ANON_VMA);
}
export function* anon_vma_unlock_write(cpu: Cpu, anon_vma: Word): Steps<void> {
  const root = yield* read(cpu, anon_vma + anon_vma_struct.root);
  yield* up_write(cpu, root + anon_vma_struct.rwsem);
}

/** anon_vma_chain_link. */
function* anon_vma_chain_link(cpu: Cpu, vma: Word, avc: Word, anon_vma: Word): Steps<void> {
  yield* write(cpu, avc + avc_struct.vma, vma);
  yield* write(cpu, avc + avc_struct.anon_vma, anon_vma);
  yield* list_add(cpu, avc + avc_struct.same_vma, vma + vm_area.anon_vma_chain);
  yield* list_add(cpu, avc + avc_struct.rb, anon_vma + anon_vma_struct.rb_root);
}

/** list_is_singular of a VMA's chain: it was never forked. */
export function* chain_is_singular(cpu: Cpu, vma: Word): Steps<boolean> {
  const head = vma + vm_area.anon_vma_chain;
  const first = yield* list_first(cpu, head);
  return first !== head && (yield* read(cpu, first)) === head;
}

/** anon_vma_compatible: `a` ends where `b` starts, and nothing but their access rights may differ. */
function* anon_vma_compatible(cpu: Cpu, a: Word, b: Word): Steps<boolean> {
  const a_start = yield* read_long(cpu, a + vm_area.vm_start);
  const a_end = yield* read_long(cpu, a + vm_area.vm_end);
  const a_pgoff = yield* read_long(cpu, a + vm_area.vm_pgoff);
  const differ = (yield* read(cpu, a + vm_area.vm_flags)) ^ (yield* read(cpu, b + vm_area.vm_flags));
  return (
    a_end === (yield* read_long(cpu, b + vm_area.vm_start)) &&
    (yield* read(cpu, a + vm_area.vm_ops)) === (yield* read(cpu, b + vm_area.vm_ops)) &&
    (differ & ~(VM_ACCESS_FLAGS | VM_SOFTDIRTY)) === 0 &&
    (yield* read_long(cpu, b + vm_area.vm_pgoff)) === a_pgoff + (a_end - a_start) / PAGE_SIZE
  );
}

/** reusable_anon_vma: the neighbour's anon_vma, if `a` and `b` (in address order) could share it. */
function* reusable_anon_vma(cpu: Cpu, neighbour: Word, a: Word, b: Word): Steps<Word> {
  if (neighbour === 0 || !(yield* anon_vma_compatible(cpu, a, b))) return 0;
  const anon_vma = yield* READ_ONCE(cpu, neighbour + vm_area.anon_vma);
  return anon_vma !== 0 && (yield* chain_is_singular(cpu, neighbour)) ? anon_vma : 0;
}

/** find_mergeable_anon_vma: the next VMA's, else the previous one's. Needs mmap_lock, since it looks at neighbours. */
function* find_mergeable_anon_vma(cpu: Cpu, vma: Word): Steps<Word> {
  const mm = yield* read(cpu, vma + vm_area.vm_mm);
  const node = yield* read(cpu, mm + mm_struct.mm_mt);
  const next = yield* mt_walk(cpu, node, yield* read_long(cpu, vma + vm_area.vm_end));
  const shared = yield* reusable_anon_vma(cpu, next, vma, next);
  if (shared !== 0) return shared;
  const prev = yield* mt_walk(cpu, node, (yield* read_long(cpu, vma + vm_area.vm_start)) - 1);
  return yield* reusable_anon_vma(cpu, prev, prev, vma);
}

/** anon_vma_prepare: the VMA has an anon_vma afterwards. 0 (also when another CPU was faster), or -ENOMEM. */
export function* anon_vma_prepare(cpu: Cpu, vma: Word): Steps<number> {
  if ((yield* read(cpu, vma + vm_area.anon_vma)) !== 0) return 0;
  return yield* __anon_vma_prepare(cpu, vma);
}

/** __anon_vma_prepare. */
export function* __anon_vma_prepare(cpu: Cpu, vma: Word): Steps<number> {
  const mm = yield* read(cpu, vma + vm_area.vm_mm);
  let avc = yield* kmem_cache_alloc(cpu, CACHE_ANON_VMA_CHAIN);
  if (avc === 0) return -ENOMEM;
  let anon_vma = yield* find_mergeable_anon_vma(cpu, vma);
  let allocated = 0;
  if (anon_vma === 0) {
    anon_vma = yield* anon_vma_alloc(cpu);
    if (anon_vma === 0) {
      yield* kmem_cache_free(cpu, CACHE_ANON_VMA_CHAIN, avc);
      return -ENOMEM;
    }
    allocated = anon_vma;
  }
  yield* anon_vma_lock_write(cpu, anon_vma);
  // mmap_lock is held for read only: page_table_lock guards against the other threads of this mm.
  yield* spin_lock(cpu, mm + mm_struct.page_table_lock, LOCK_PAGE_TABLE);
  if (!defended(cpu, D_ANON_VMA_RECHECK) || (yield* read(cpu, vma + vm_area.anon_vma)) === 0) {
    yield* write(cpu, vma + vm_area.anon_vma, anon_vma);
    yield* anon_vma_chain_link(cpu, vma, avc, anon_vma);
    yield* add_active_vmas(cpu, anon_vma, 1);
    allocated = 0;
    avc = 0;
  }
  yield* spin_unlock(cpu, mm + mm_struct.page_table_lock);
  yield* anon_vma_unlock_write(cpu, anon_vma);
  if (avc !== 0) {
    count_vm_event(cpu, LOST_RACE_ANON_VMA);
    if (allocated !== 0) yield* put_anon_vma(cpu, allocated);
    yield* kmem_cache_free(cpu, CACHE_ANON_VMA_CHAIN, avc);
  }
  return 0;
}

/** Counts the VMAs whose own anon_vma this is. Under its lock. */
function* add_active_vmas(cpu: Cpu, anon_vma: Word, vmas: number): Steps<void> {
  const active = anon_vma + anon_vma_struct.num_active_vmas;
  yield* write(cpu, active, (yield* read(cpu, active)) + vmas);
}

/** Counts the anon_vmas that were made below this one by forks, and itself if it is a root. Under its lock. */
function* add_children(cpu: Cpu, anon_vma: Word, children: number): Steps<void> {
  const count = anon_vma + anon_vma_struct.num_children;
  yield* write(cpu, count, (yield* read(cpu, count)) + children);
}

/**
 * `to` joins every anon_vma of `from`, in the same order. Where it has no anon_vma of its own yet, it takes one that no
 * VMA calls its own and that has no other anon_vma below it. 0; -ENOMEM: it has joined some, and unlink_anon_vmas undoes
 * it.
 */
function* clone_chain(cpu: Cpu, to: Word, from: Word): Steps<number> {
  const head = from + vm_area.anon_vma_chain;
  let own = yield* read(cpu, to + vm_area.anon_vma);
  for (let link = yield* list_last(cpu, head); link !== head; link = yield* list_prev(cpu, link)) {
    const avc = yield* kmem_cache_alloc(cpu, CACHE_ANON_VMA_CHAIN);
    if (avc === 0) return -ENOMEM;
    const anon_vma = yield* read(cpu, link - avc_struct.same_vma + avc_struct.anon_vma);
    yield* anon_vma_lock_write(cpu, anon_vma);
    yield* anon_vma_chain_link(cpu, to, avc, anon_vma);
    // Without reuse the chains of a family in which each child forks and each parent ends would grow for ever.
    if (own === 0 && (yield* is_reusable(cpu, anon_vma))) {
      own = anon_vma;
      yield* write(cpu, to + vm_area.anon_vma, own);
    }
    if (own === anon_vma) yield* add_active_vmas(cpu, anon_vma, 1);
    yield* anon_vma_unlock_write(cpu, anon_vma);
  }
  return 0;
}

function* is_reusable(cpu: Cpu, anon_vma: Word): Steps<boolean> {
  if ((yield* read(cpu, anon_vma + anon_vma_struct.num_children)) >= 2) return false;
  return (yield* read(cpu, anon_vma + anon_vma_struct.num_active_vmas)) === 0;
}

/** anon_vma_clone: `to`, a VMA split off or merged, is in the anon_vmas that `from` is in. 0 or -ENOMEM. */
export function* anon_vma_clone(cpu: Cpu, to: Word, from: Word): Steps<number> {
  yield* write(cpu, to + vm_area.anon_vma, yield* read(cpu, from + vm_area.anon_vma));
  return yield* clone_chain(cpu, to, from);
}

/**
 * anon_vma_fork: the child's VMA joins every anon_vma of the parent's, which its pages point to so far, and gets one of
 * its own for pages to come, so that a search for those does not look at the parent. 0 or -ENOMEM: it is in none.
 */
export function* anon_vma_fork(cpu: Cpu, vma: Word, pvma: Word): Steps<number> {
  const above = yield* read(cpu, pvma + vm_area.anon_vma);
  if (above === 0) return 0;
  let error = yield* clone_chain(cpu, vma, pvma);
  if (error === 0 && (yield* read(cpu, vma + vm_area.anon_vma)) === 0) error = yield* fork_own(cpu, vma, above);
  if (error !== 0) yield* unlink_anon_vmas(cpu, vma);
  return error;
}

/** A child's VMA gets a new anon_vma below `above`. 0 or -ENOMEM. */
function* fork_own(cpu: Cpu, vma: Word, above: Word): Steps<number> {
  const anon_vma = yield* anon_vma_alloc(cpu);
  if (anon_vma === 0) return -ENOMEM;
  const avc = yield* kmem_cache_alloc(cpu, CACHE_ANON_VMA_CHAIN);
  if (avc === 0) {
    yield* put_anon_vma(cpu, anon_vma);
    return -ENOMEM;
  }
  const root = yield* read(cpu, above + anon_vma_struct.root);
  yield* write(cpu, anon_vma + anon_vma_struct.root, root);
  yield* write(cpu, anon_vma + anon_vma_struct.parent, above);
  yield* write(cpu, anon_vma + anon_vma_struct.num_children, 0);
  // Its lock is the root's.
  yield* atomic_fetch_add(cpu, root + anon_vma_struct.refcount, 1);
  yield* anon_vma_lock_write(cpu, anon_vma);
  yield* anon_vma_chain_link(cpu, vma, avc, anon_vma);
  yield* add_active_vmas(cpu, anon_vma, 1);
  yield* add_children(cpu, above, 1);
  yield* anon_vma_unlock_write(cpu, anon_vma);
  yield* write(cpu, vma + vm_area.anon_vma, anon_vma);
  return 0;
}

/** unlink_anon_vmas: the VMA leaves its anon_vmas; one that no VMA is left in is put. */
export function* unlink_anon_vmas(cpu: Cpu, vma: Word): Steps<void> {
  const head = vma + vm_area.anon_vma_chain;
  const own = yield* read(cpu, vma + vm_area.anon_vma);
  const empty: Word[] = [];
  for (let link = yield* list_first(cpu, head); link !== head; link = yield* list_first(cpu, head)) {
    const avc = link - avc_struct.same_vma;
    const anon_vma = yield* read(cpu, avc + avc_struct.anon_vma);
    yield* anon_vma_lock_write(cpu, anon_vma);
    yield* list_del(cpu, avc + avc_struct.rb);
    if (anon_vma === own) yield* add_active_vmas(cpu, anon_vma, -1);
    if (yield* list_empty(cpu, anon_vma + anon_vma_struct.rb_root)) {
      yield* add_children(cpu, yield* read(cpu, anon_vma + anon_vma_struct.parent), -1);
      empty.push(anon_vma);
    }
    yield* anon_vma_unlock_write(cpu, anon_vma);
    yield* list_del(cpu, link);
    yield* kmem_cache_free(cpu, CACHE_ANON_VMA_CHAIN, avc);
  }
  // The VMA may be looked at for a while by readers that hold it under RCU.
  yield* write(cpu, vma + vm_area.anon_vma, 0);
  // Last, since one may be another's parent.
  for (const anon_vma of empty) yield* put_anon_vma(cpu, anon_vma);
}

/** folio_add_new_anon_rmap: the folio is this VMA's, mapped once and by nobody else. Under the PTL, folio still unseen. */
export function* folio_add_new_anon_rmap(cpu: Cpu, folio: Word, vma: Word, address: number): Steps<void> {
  const anon_vma = yield* read(cpu, vma + vm_area.anon_vma);
  // One store, so that no reader of `mapping` ever sees the pointer without the ANON bit.
  yield* WRITE_ONCE(cpu, folio + page.mapping, anon_vma + PAGE_MAPPING_ANON);
  yield* write_long(cpu, folio + page.index, yield* linear_page_index(cpu, vma, address));
  yield* write(cpu, folio + page._mapcount, 0);
  const flags = yield* read(cpu, folio + page.flags);
  yield* write(cpu, folio + page.flags, flags | (1 << PG_swapbacked) | (1 << PG_anon_exclusive));
  count_vm_event(cpu, NR_ANON_MAPPED);
}

/**
 * folio_try_dup_anon_rmap_pte: one mapping more, in a child: no mapping may write to the folio any more. Under both PTLs.
 * (That it refuses where somebody may have pinned the folio is not modelled, since nobody pins.)
 */
export function* folio_dup_anon_rmap_pte(cpu: Cpu, folio: Word): Steps<void> {
  const exclusive = 1 << PG_anon_exclusive;
  if (((yield* READ_ONCE(cpu, folio + page.flags)) & exclusive) !== 0) {
    yield* atomic_fetch_and(cpu, folio + page.flags, ~exclusive);
  }
  yield* atomic_add(cpu, folio + page._mapcount, 1);
}

/** folio_move_anon_rmap: the folio, which was a family's, is this VMA's alone. Under the PTL and the folio lock. */
export function* folio_move_anon_rmap(cpu: Cpu, folio: Word, vma: Word): Steps<void> {
  const anon_vma = yield* read(cpu, vma + vm_area.anon_vma);
  yield* WRITE_ONCE(cpu, folio + page.mapping, anon_vma + PAGE_MAPPING_ANON);
}

/** folio_remove_rmap_pte: one mapping less; returns how many are left, below 0 if there was none to remove. */
export function* folio_remove_rmap_pte(cpu: Cpu, folio: Word): Steps<number> {
  const left = yield* atomic_fetch_add(cpu, folio + page._mapcount, -1);
  if (left === 0) count_vm_events(cpu, NR_ANON_MAPPED, -1);
  return left;
}
