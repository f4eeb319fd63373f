// Folio references and the LRU lists (mm/swap.c).
//
// A new folio waits in its CPU's batch of 15, which holds a reference, before it goes on the list under lru_lock; so a
// freshly faulted page has two references and no PG_lru until the batch is drained.
import type { Cpu } from '../cpu.ts';
import { cpu_area_of } from '../cpu.ts';
import {
  CPU_ONLINE,
  LIST_HEAD_WORDS,
  LOCK_LRU,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  PAGEVEC_SIZE,
  PG_locked,
  PG_lru,
  PG_swapbacked,
  cpu_area,
  folio_batch,
  lruvec,
  page,
} from '../layout.ts';
import { list_add, list_del } from '../list.ts';
import { spin_lock_irqsave, spin_unlock_irqrestore } from '../locking/spinlock.ts';
import {
  READ_ONCE,
  atomic_add,
  atomic_fetch_add,
  atomic_fetch_and,
  atomic_fetch_or,
  cmpxchg,
  control_read,
  local_read,
  local_write,
  read,
  write,
} from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { trace_mm_lru_insertion } from '../trace.ts';
import { mem_cgroup_uncharge, mem_cgroup_uncharge_list } from './memcontrol.ts';
import { free_page, free_unref_page_list } from './page_alloc.ts';

const LRU_MASK: number = 1 << PG_lru;
const SWAPBACKED_MASK: number = 1 << PG_swapbacked;

/** folio_get. */
export function* folio_get(cpu: Cpu, folio: Word): Steps<void> {
  yield* atomic_add(cpu, folio + page._refcount, 1);
}

/** folio_try_get: a reference, unless the folio has none left, so that it is being freed. */
export function* folio_try_get(cpu: Cpu, folio: Word): Steps<boolean> {
  for (;;) {
    const count = yield* READ_ONCE(cpu, folio + page._refcount);
    if (count <= 0) return false;
    if ((yield* cmpxchg(cpu, folio + page._refcount, count, count + 1)) === count) return true;
  }
}

/** folio_trylock. */
export function* folio_trylock(cpu: Cpu, folio: Word): Steps<boolean> {
  return ((yield* atomic_fetch_or(cpu, folio + page.flags, 1 << PG_locked)) & (1 << PG_locked)) === 0;
}

/** folio_unlock. Nobody waits for a folio's lock here. */
export function* folio_unlock(cpu: Cpu, folio: Word): Steps<void> {
  yield* atomic_fetch_and(cpu, folio + page.flags, ~(1 << PG_locked));
}

/** folio_put_testzero. */
function* folio_put_testzero(cpu: Cpu, folio: Word): Steps<boolean> {
  return (yield* atomic_fetch_add(cpu, folio + page._refcount, -1)) === 1;
}

/** folio_put: gives up a reference; the last one frees the folio. */
export function* folio_put(cpu: Cpu, folio: Word): Steps<void> {
  if (!(yield* folio_put_testzero(cpu, folio))) return;
  if (((yield* READ_ONCE(cpu, folio + page.flags)) & LRU_MASK) !== 0) {
    yield* lock_lru(cpu);
    yield* lruvec_del_folio(cpu, folio);
    yield* unlock_lru(cpu);
  }
  yield* mem_cgroup_uncharge(cpu, folio);
  yield* free_page(cpu, folio);
}

function* lock_lru(cpu: Cpu): Steps<void> {
  yield* spin_lock_irqsave(cpu, cpu.layout.lruvec + lruvec.lru_lock, LOCK_LRU);
}
function* unlock_lru(cpu: Cpu): Steps<void> {
  yield* spin_unlock_irqrestore(cpu, cpu.layout.lruvec + lruvec.lru_lock);
}

function* change_lru_size(cpu: Cpu, list: number, delta: number): Steps<void> {
  const size = cpu.layout.lruvec + lruvec.sizes + list;
  yield* write(cpu, size, (yield* read(cpu, size)) + delta);
}

/** lruvec_del_folio, under lru_lock. */
function* lruvec_del_folio(cpu: Cpu, folio: Word): Steps<void> {
  const flags = yield* atomic_fetch_and(cpu, folio + page.flags, ~LRU_MASK);
  yield* list_del(cpu, folio + page.lru);
  yield* change_lru_size(cpu, folio_lru_list(flags), -1);
}

/** folio_lru_list: what is not backed by swap is on the file list. */
function folio_lru_list(flags: number): number {
  return (flags & SWAPBACKED_MASK) === 0 ? LRU_INACTIVE_FILE : LRU_INACTIVE_ANON;
}

/**
 * folio_mark_lazyfree: reclaim could drop the folio instead of writing it out. Linux keeps it in a batch of the CPU's
 * before it does this (lru_lazyfree_fn); nobody can see the difference but in the reference that a batch holds.
 */
export function* folio_mark_lazyfree(cpu: Cpu, folio: Word): Steps<void> {
  const wanted = LRU_MASK | SWAPBACKED_MASK;
  if (((yield* READ_ONCE(cpu, folio + page.flags)) & wanted) !== wanted) return;
  yield* lock_lru(cpu);
  yield* lruvec_del_folio(cpu, folio);
  yield* atomic_fetch_and(cpu, folio + page.flags, ~SWAPBACKED_MASK);
  yield* list_add(cpu, folio + page.lru, cpu.layout.lruvec + lruvec.lists + LRU_INACTIVE_FILE * LIST_HEAD_WORDS);
  yield* atomic_fetch_or(cpu, folio + page.flags, LRU_MASK);
  yield* change_lru_size(cpu, LRU_INACTIVE_FILE, 1);
  yield* unlock_lru(cpu);
}

/** folio_add_lru: takes a reference for the batch and puts the folio in it; a full batch is moved to the list. */
export function* folio_add_lru(cpu: Cpu, folio: Word): Steps<void> {
  yield* folio_get(cpu, folio);
  const batch = cpu.area + cpu_area.lru_add;
  const nr = local_read(cpu, batch + folio_batch.nr);
  local_write(cpu, batch + folio_batch.folios + nr, folio);
  local_write(cpu, batch + folio_batch.nr, nr + 1);
  if (nr + 1 === PAGEVEC_SIZE) yield* folio_batch_move_lru(cpu, batch);
}

/** folio_batch_move_lru with lru_add_fn: the batch's folios go on the list, its references are dropped. */
function* folio_batch_move_lru(cpu: Cpu, batch: Word): Steps<void> {
  const nr = local_read(cpu, batch + folio_batch.nr);
  const head = cpu.layout.lruvec + lruvec.lists + LRU_INACTIVE_ANON * LIST_HEAD_WORDS;
  yield* lock_lru(cpu);
  for (let i = 0; i < nr; i++) {
    const folio = local_read(cpu, batch + folio_batch.folios + i);
    yield* list_add(cpu, folio + page.lru, head);
    yield* atomic_fetch_or(cpu, folio + page.flags, LRU_MASK);
    if (cpu.tracing) trace_mm_lru_insertion(cpu, folio, LRU_INACTIVE_ANON);
  }
  yield* change_lru_size(cpu, LRU_INACTIVE_ANON, nr);
  yield* unlock_lru(cpu);
  local_write(cpu, batch + folio_batch.nr, 0);
  yield* release_pages(cpu, batch + folio_batch.folios, nr);
}

/** lru_add_drain: this CPU's batch. */
export function* lru_add_drain(cpu: Cpu): Steps<void> {
  const batch = cpu.area + cpu_area.lru_add;
  if (local_read(cpu, batch + folio_batch.nr) > 0) yield* folio_batch_move_lru(cpu, batch);
}

/** lru_add_drain_all: this CPU's batch, and on their behalf those of CPUs that run nothing. */
export function* lru_add_drain_all(cpu: Cpu): Steps<void> {
  yield* lru_add_drain(cpu);
  for (let id = 0; id < cpu.cpus; id++) {
    const area = cpu_area_of(cpu, id);
    if (control_read(cpu, area + cpu_area.state) === CPU_ONLINE) continue;
    const batch = area + cpu_area.lru_add;
    if (local_read(cpu, batch + folio_batch.nr) > 0) yield* folio_batch_move_lru(cpu, batch);
  }
}

/** release_pages: gives up one reference of each of `count` pages in `buffer`, which it overwrites; frees the last ones. */
export function* release_pages(cpu: Cpu, buffer: Word, count: number): Steps<void> {
  let locked = false;
  let freed = 0;
  for (let i = 0; i < count; i++) {
    const folio = local_read(cpu, buffer + i);
    if (!(yield* folio_put_testzero(cpu, folio))) continue;
    if (((yield* read(cpu, folio + page.flags)) & LRU_MASK) !== 0) {
      if (!locked) yield* lock_lru(cpu);
      locked = true;
      yield* lruvec_del_folio(cpu, folio);
    }
    local_write(cpu, buffer + freed, folio);
    freed += 1;
  }
  if (locked) yield* unlock_lru(cpu);
  if (freed === 0) return;
  yield* mem_cgroup_uncharge_list(cpu, buffer, freed);
  yield* free_unref_page_list(cpu, buffer, freed);
}
