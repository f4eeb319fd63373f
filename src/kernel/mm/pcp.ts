// Per-CPU page lists: most allocations and frees touch only these (struct per_cpu_pages, mm/page_alloc.c).
//
// The owner takes the list's lock by trylock: another CPU may be draining the list, and waiting for it would cost more
// than going to the buddy lists. Pages are taken from the head, most recently freed first; bulk frees come from the
// tail.
import type { Cpu } from '../cpu.ts';
import { cpu_area_of } from '../cpu.ts';
import { D_PCP_LOCK, defended } from '../defences.ts';
import { LOCK_PCP, MAX_NR_ZONES, PER_CPU_PAGES_WORDS, page, per_cpu_pages, zone as zone_struct } from '../layout.ts';
import { list_add, list_add_tail, list_del, list_first, list_last } from '../list.ts';
import { spin_lock, spin_trylock, spin_unlock } from '../locking/spinlock.ts';
import { local_read, read, write } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { trace_mm_page_pcpu_drain } from '../trace.ts';
import {
  __free_one_page,
  __rmqueue_smallest,
  is_page,
  lock_zone,
  mod_nr_free_pages,
  unlock_zone,
  zone_word,
} from './buddy.ts';

/** CONFIG_PCP_BATCH_SCALE_MAX: a batch grows at most 2^5-fold. */
const PCP_BATCH_SCALE_MAX = 5;

/** The list of CPU `id` for a zone. */
export function pcp_of(cpu: Cpu, id: number, zone_number: number): Word {
  return cpu_area_of(cpu, id) + cpu.layout.pcp + zone_number * PER_CPU_PAGES_WORDS;
}

/** pcp_spin_trylock by the owner. */
export function* pcp_trylock(cpu: Cpu, pcp: Word): Steps<boolean> {
  return !defended(cpu, D_PCP_LOCK) || (yield* spin_trylock(cpu, pcp + per_cpu_pages.lock, LOCK_PCP));
}
export function* pcp_unlock(cpu: Cpu, pcp: Word): Steps<void> {
  if (defended(cpu, D_PCP_LOCK)) yield* spin_unlock(cpu, pcp + per_cpu_pages.lock);
}

/** nr_pcp_alloc: how many pages to fetch; doubles while nothing is freed. */
function* nr_pcp_alloc(cpu: Cpu, pcp: Word): Steps<number> {
  const base = yield* read(cpu, pcp + per_cpu_pages.batch);
  if (base === 1) return 1;
  const high_max = yield* read(cpu, pcp + per_cpu_pages.high_max);
  const high = Math.min((yield* read(cpu, pcp + per_cpu_pages.high)) + base, high_max);
  yield* write(cpu, pcp + per_cpu_pages.high, high);
  const count = yield* read(cpu, pcp + per_cpu_pages.count);
  const limit = Math.max(high - count - base, base);
  const factor = yield* read(cpu, pcp + per_cpu_pages.alloc_factor);
  const batch = base << factor;
  if (batch <= limit && factor < PCP_BATCH_SCALE_MAX) yield* write(cpu, pcp + per_cpu_pages.alloc_factor, factor + 1);
  return Math.min(batch, limit);
}

/** rmqueue_bulk: fetches pages from the buddy lists, in physical order. Returns how many it got. */
function* rmqueue_bulk(cpu: Cpu, zone_number: number, pcp: Word, wanted: number): Steps<number> {
  const zone = zone_word(cpu, zone_number);
  let got = 0;
  yield* lock_zone(cpu, zone);
  for (; got < wanted; got++) {
    const page_word = yield* __rmqueue_smallest(cpu, zone, 0);
    if (page_word === 0) break;
    yield* list_add_tail(cpu, page_word + page.lru, pcp + per_cpu_pages.list);
  }
  yield* mod_nr_free_pages(cpu, zone_number, -got);
  yield* unlock_zone(cpu, zone);
  return got;
}

/** rmqueue_pcplist: the page freed last; 0 if the list is being drained or nothing is left in the zone. */
export function* rmqueue_pcplist(cpu: Cpu, zone_number: number): Steps<Word> {
  const pcp = pcp_of(cpu, cpu.id, zone_number);
  if (!(yield* pcp_trylock(cpu, pcp))) return 0;
  yield* write(cpu, pcp + per_cpu_pages.free_count, (yield* read(cpu, pcp + per_cpu_pages.free_count)) >> 1);
  const head = pcp + per_cpu_pages.list;
  let count = yield* read(cpu, pcp + per_cpu_pages.count);
  let link = yield* list_first(cpu, head);
  if (link === head) {
    count += yield* rmqueue_bulk(cpu, zone_number, pcp, yield* nr_pcp_alloc(cpu, pcp));
    link = yield* list_first(cpu, head);
  }
  let taken = 0;
  if (link !== head && is_page(cpu, link - page.lru) && (yield* list_del(cpu, link))) {
    taken = link - page.lru;
    count -= 1;
  }
  yield* write(cpu, pcp + per_cpu_pages.count, count);
  yield* pcp_unlock(cpu, pcp);
  return taken;
}

/** nr_pcp_free: between one batch and all but a batch, the more the longer only frees have come. */
function* nr_pcp_free(cpu: Cpu, pcp: Word, high: number): Steps<number> {
  const batch = yield* read(cpu, pcp + per_cpu_pages.batch);
  const free_count = yield* read(cpu, pcp + per_cpu_pages.free_count);
  return Math.max(batch, Math.min(free_count, high - batch));
}

/** free_unref_page_commit for a run of `count` pages in `buffer`, all of one zone. The list's lock is held. */
export function* pcp_add_pages(cpu: Cpu, zone_number: number, pcp: Word, buffer: Word, count: number): Steps<void> {
  const head = pcp + per_cpu_pages.list;
  const batch = yield* read(cpu, pcp + per_cpu_pages.batch);
  const factor = yield* read(cpu, pcp + per_cpu_pages.alloc_factor);
  if (factor > 0) yield* write(cpu, pcp + per_cpu_pages.alloc_factor, factor >> 1);
  const high = yield* read(cpu, pcp + per_cpu_pages.high);
  let free_count = yield* read(cpu, pcp + per_cpu_pages.free_count);
  let listed = yield* read(cpu, pcp + per_cpu_pages.count);
  for (let i = 0; i < count; i++) {
    yield* list_add(cpu, local_read(cpu, buffer + i) + page.lru, head);
    listed += 1;
    if (free_count < batch << PCP_BATCH_SCALE_MAX) free_count += 1;
    if (listed < high) continue;
    yield* write(cpu, pcp + per_cpu_pages.free_count, free_count);
    listed -= yield* free_pcppages_bulk(cpu, zone_number, pcp, yield* nr_pcp_free(cpu, pcp, high));
  }
  yield* write(cpu, pcp + per_cpu_pages.free_count, free_count);
  yield* write(cpu, pcp + per_cpu_pages.count, listed);
}

/** free_pcppages_bulk: gives up to `wanted` pages, least recently freed first, back to the buddy lists. */
export function* free_pcppages_bulk(cpu: Cpu, zone_number: number, pcp: Word, wanted: number): Steps<number> {
  const zone = zone_word(cpu, zone_number);
  const head = pcp + per_cpu_pages.list;
  let freed = 0;
  yield* lock_zone(cpu, zone);
  for (; freed < wanted; freed++) {
    const link = yield* list_last(cpu, head);
    if (link === head || !is_page(cpu, link - page.lru) || !(yield* list_del(cpu, link))) break;
    if (cpu.tracing) trace_mm_page_pcpu_drain(cpu, link - page.lru);
    yield* __free_one_page(cpu, link - page.lru, zone, 0);
  }
  yield* mod_nr_free_pages(cpu, zone_number, freed);
  yield* unlock_zone(cpu, zone);
  return freed;
}

/** drain_pages: all pages on the lists of CPU `id` go back to the buddy lists. May be done by any CPU. */
export function* drain_pages(cpu: Cpu, id: number): Steps<void> {
  for (let number = 0; number < MAX_NR_ZONES; number++) {
    if (local_read(cpu, zone_word(cpu, number) + zone_struct.managed_pages) === 0) continue;
    const pcp = pcp_of(cpu, id, number);
    if (defended(cpu, D_PCP_LOCK)) yield* spin_lock(cpu, pcp + per_cpu_pages.lock, LOCK_PCP);
    const count = yield* read(cpu, pcp + per_cpu_pages.count);
    if (count > 0) {
      const freed = yield* free_pcppages_bulk(cpu, number, pcp, count);
      yield* write(cpu, pcp + per_cpu_pages.count, (yield* read(cpu, pcp + per_cpu_pages.count)) - freed);
    }
    yield* pcp_unlock(cpu, pcp);
  }
}
