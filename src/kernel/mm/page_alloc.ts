// The page allocator's front: zones and watermarks, the per-CPU lists first, the buddy lists behind them, and the
// checks on pages that come and go (mm/page_alloc.c, v6.8). Out of memory is a value: 0.
import type { Cpu } from '../cpu.ts';
import { count_vm_event, count_vm_events, page_address, page_to_pfn, pfn_to_page } from '../cpu.ts';
import { D_UPTODATE_BARRIER, defended } from '../defences.ts';
import {
  ALLOCSTALL,
  FRAME_WORDS,
  MAX_NR_ZONES,
  MAX_PAGE_ORDER,
  PAGE_STRUCT_SHIFT,
  PAGE_TYPE_BUDDY,
  PAGE_TYPE_NONE,
  PG_active,
  PG_locked,
  PG_lru,
  PGALLOC,
  PGFREE,
  ZONE_NORMAL,
  cpu_area,
  page,
  per_cpu_pages,
  zone as zone_struct,
} from '../layout.ts';
import { list_add } from '../list.ts';
import { READ_ONCE, STEPPED, clear_words, local_read, local_write, read, write } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import {
  BAD_FLAGS,
  BAD_MAPCOUNT,
  BAD_MAPPING,
  BAD_MEMCG,
  BAD_REFCOUNT,
  PRINTK_ALLOCATION_FAILURE,
  PRINTK_BAD_PAGE_STATE,
  printk,
} from '../printk.ts';
import { trace_mm_page_alloc, trace_mm_page_free } from '../trace.ts';
import {
  __free_one_page,
  __rmqueue_smallest,
  del_page_from_free_list,
  expand,
  lock_zone,
  mod_nr_free_pages,
  unlock_zone,
  zone_number,
  zone_word,
} from './buddy.ts';
import { should_fail } from './fail_page_alloc.ts';
import { PAGE_MAPPING_ANON } from './flags.ts';
import { drain_pages, pcp_add_pages, pcp_of, pcp_trylock, pcp_unlock, rmqueue_pcplist } from './pcp.ts';

const __GFP_ZERO = 0x100;
export const GFP_HIGHUSER_MOVABLE = 0x100cca;
export const GFP_HIGHUSER_MOVABLE_ZERO: number = GFP_HIGHUSER_MOVABLE | __GFP_ZERO;
export const GFP_PGTABLE_USER = 0x400dc0;

/** PAGE_FLAGS_CHECK_AT_FREE, as far as these flags exist here. */
const CHECK_AT_FREE: number = (1 << PG_locked) | (1 << PG_lru) | (1 << PG_active);

/**
 * Without the uptodate barrier the zeroes of a new page may stay in the CPU's store buffer while later stores go out:
 * x86 never does that, so it is modelled here. This lets them out.
 */
export function* drain_store_buffer(cpu: Cpu): Steps<void> {
  const pending = local_read(cpu, cpu.area + cpu_area.pending_clear);
  if (pending === 0) return;
  local_write(cpu, cpu.area + cpu_area.pending_clear, 0);
  yield* clear_words(cpu, page_address(cpu, pending), FRAME_WORDS);
}

/** clear_highpage for a page that was asked for zeroed. */
function* clear_page(cpu: Cpu, page_word: Word, gfp: number): Steps<void> {
  if (defended(cpu, D_UPTODATE_BARRIER) || gfp !== GFP_HIGHUSER_MOVABLE_ZERO || (STEPPED && cpu.explored)) {
    yield* clear_words(cpu, page_address(cpu, page_word), FRAME_WORDS);
    return;
  }
  yield* drain_store_buffer(cpu);
  local_write(cpu, cpu.area + cpu_area.pending_clear, page_word);
}

/** bad_page: reports, in the kernel's words, what is wrong with a page. */
function* bad_page(cpu: Cpu, page_word: Word, reason: number): Steps<void> {
  const refcount = yield* read(cpu, page_word + page._refcount);
  const mapcount = yield* read(cpu, page_word + page._mapcount);
  const mapping = yield* read(cpu, page_word + page.mapping);
  printk(cpu, PRINTK_BAD_PAGE_STATE, page_to_pfn(cpu, page_word), reason, refcount, mapcount, mapping);
}

/** What is wrong with a page that should be nobody's; -1 if nothing is. */
function* page_bad_reason(cpu: Cpu, page_word: Word): Steps<number> {
  if ((yield* read(cpu, page_word + page._mapcount)) !== -1) return BAD_MAPCOUNT;
  if ((yield* read(cpu, page_word + page.mapping)) !== 0) return BAD_MAPPING;
  if ((yield* read(cpu, page_word + page._refcount)) !== 0) return BAD_REFCOUNT;
  if ((yield* read(cpu, page_word + page.memcg_data)) !== 0) return BAD_MEMCG;
  return ((yield* read(cpu, page_word + page.flags)) & CHECK_AT_FREE) !== 0 ? BAD_FLAGS : -1;
}

/** free_pages_prepare: false if the page is bad, and then it is never used again. */
function* free_pages_prepare(cpu: Cpu, page_word: Word): Steps<boolean> {
  if (cpu.tracing) trace_mm_page_free(cpu, page_word);
  if (((yield* read(cpu, page_word + page.mapping)) & PAGE_MAPPING_ANON) !== 0) {
    yield* write(cpu, page_word + page.mapping, 0);
  }
  const reason = yield* page_bad_reason(cpu, page_word);
  if (reason >= 0) {
    yield* bad_page(cpu, page_word, reason);
    return false;
  }
  yield* write(cpu, page_word + page.flags, 0);
  yield* write(cpu, page_word + page.allocated, 0);
  return true;
}

/** check_new_pages and prep_new_page: the page is the caller's, or bad and left where nobody takes it again. */
function* prep_new_page(cpu: Cpu, page_word: Word, gfp: number, order: number): Steps<boolean> {
  const reason = yield* page_bad_reason(cpu, page_word);
  if (reason >= 0) {
    yield* bad_page(cpu, page_word, reason);
    return false;
  }
  yield* write(cpu, page_word + page.flags, 0);
  yield* write(cpu, page_word + page.private, 0);
  yield* write(cpu, page_word + page._refcount, 1);
  yield* write(cpu, page_word + page.allocated, order + 1);
  if ((gfp & __GFP_ZERO) !== 0) {
    for (let i = 0; i < 1 << order; i++) yield* clear_page(cpu, page_word + (i << PAGE_STRUCT_SHIFT), gfp);
  }
  return true;
}

/**
 * zone_watermark_ok: enough is left above `mark` and above what the zone keeps for those that need it. The count is an
 * atomic_long_t, and an estimate: CPUs keep back what they have not told the zone yet.
 */
function* zone_watermark_ok(cpu: Cpu, zone: Word, order: number, mark: number): Steps<boolean> {
  const free = (yield* READ_ONCE(cpu, zone + zone_struct.nr_free_pages)) - ((1 << order) - 1);
  return free > mark + local_read(cpu, zone + zone_struct.lowmem_reserve + ZONE_NORMAL);
}

/** rmqueue_buddy: straight from the buddy lists. */
function* rmqueue_buddy(cpu: Cpu, number: number, order: number): Steps<Word> {
  const zone = zone_word(cpu, number);
  yield* lock_zone(cpu, zone);
  const block = yield* __rmqueue_smallest(cpu, zone, order);
  if (block !== 0) yield* mod_nr_free_pages(cpu, number, -(1 << order));
  yield* unlock_zone(cpu, zone);
  return block;
}

/** Times that a bad page is put aside and another taken. */
const BAD_PAGE_TRIES = 16;

/** get_page_from_freelist: the first zone, from Normal down, that has enough above the watermark at `mark_field`. */
function* get_page_from_freelist(cpu: Cpu, gfp: number, order: number, mark_field: number): Steps<Word> {
  for (let number = MAX_NR_ZONES - 1; number >= 0; number--) {
    const zone = zone_word(cpu, number);
    if (local_read(cpu, zone + zone_struct.managed_pages) === 0) continue;
    if (!(yield* zone_watermark_ok(cpu, zone, order, local_read(cpu, zone + mark_field)))) continue;
    for (let tries = 0; tries < BAD_PAGE_TRIES; tries++) {
      let block = order === 0 ? yield* rmqueue_pcplist(cpu, number) : 0;
      if (block === 0) block = yield* rmqueue_buddy(cpu, number, order);
      if (block === 0) break;
      if (yield* prep_new_page(cpu, block, gfp, order)) {
        count_vm_events(cpu, PGALLOC, 1 << order);
        return block;
      }
    }
  }
  return 0;
}

/** __alloc_pages: the first of 2^order pages, with one reference; 0 when out of memory or made to fail. */
export function* alloc_pages(cpu: Cpu, gfp: number, order: number, site: number): Steps<Word> {
  if (yield* should_fail(cpu, site)) return 0;
  let block = yield* get_page_from_freelist(cpu, gfp, order, zone_struct.watermark_low);
  if (block === 0) block = yield* __alloc_pages_slowpath(cpu, gfp, order);
  if (cpu.tracing) trace_mm_page_alloc(cpu, block, order, gfp);
  return block;
}

/** alloc_page. */
export function* alloc_page(cpu: Cpu, gfp: number, site: number): Steps<Word> {
  return yield* alloc_pages(cpu, gfp, 0, site);
}

/** __alloc_pages_slowpath: down to the min watermark; nothing can be reclaimed here but the CPUs' own lists. */
function* __alloc_pages_slowpath(cpu: Cpu, gfp: number, order: number): Steps<Word> {
  let block = yield* get_page_from_freelist(cpu, gfp, order, zone_struct.watermark_min);
  if (block !== 0) return block;
  count_vm_event(cpu, ALLOCSTALL);
  yield* drain_all_pages(cpu);
  block = yield* get_page_from_freelist(cpu, gfp, order, zone_struct.watermark_min);
  if (block === 0) printk(cpu, PRINTK_ALLOCATION_FAILURE, order, gfp);
  return block;
}

/** drain_all_pages. */
export function* drain_all_pages(cpu: Cpu): Steps<void> {
  for (let id = 0; id < cpu.cpus; id++) yield* drain_pages(cpu, id);
}

/** free_unref_page: a page whose reference count has reached 0. */
export function* free_page(cpu: Cpu, page_word: Word): Steps<void> {
  const buffer = cpu.area + cpu_area.free_scratch;
  local_write(cpu, buffer, page_word);
  yield* free_unref_page_list(cpu, buffer, 1);
}

/** __free_pages for 2^order pages whose reference count has reached 0. */
export function* free_pages(cpu: Cpu, page_word: Word, order: number): Steps<void> {
  if (order === 0) {
    yield* free_page(cpu, page_word);
    return;
  }
  if (!(yield* free_pages_prepare(cpu, page_word))) return;
  const number = zone_number(cpu, page_word);
  const zone = zone_word(cpu, number);
  yield* lock_zone(cpu, zone);
  yield* __free_one_page(cpu, page_word, zone, order);
  yield* mod_nr_free_pages(cpu, number, 1 << order);
  yield* unlock_zone(cpu, zone);
  count_vm_events(cpu, PGFREE, 1 << order);
}

/** free_unref_page_list: frees the `count` pages in `buffer`, which it overwrites, with one hold of the list's lock. */
export function* free_unref_page_list(cpu: Cpu, buffer: Word, count: number): Steps<void> {
  let good = 0;
  for (let i = 0; i < count; i++) {
    const page_word = local_read(cpu, buffer + i);
    if (!(yield* free_pages_prepare(cpu, page_word))) continue;
    local_write(cpu, buffer + good, page_word);
    good += 1;
  }
  count_vm_events(cpu, PGFREE, good);
  let from = 0;
  while (from < good) {
    const number = zone_number(cpu, local_read(cpu, buffer + from));
    let to = from + 1;
    while (to < good && zone_number(cpu, local_read(cpu, buffer + to)) === number) to += 1;
    yield* free_run(cpu, number, buffer + from, to - from);
    from = to;
  }
}

/** A run of pages of one zone: to the CPU's list, or, where that is being drained, straight to the buddy lists. */
function* free_run(cpu: Cpu, number: number, buffer: Word, count: number): Steps<void> {
  const pcp = pcp_of(cpu, cpu.id, number);
  if (yield* pcp_trylock(cpu, pcp)) {
    yield* pcp_add_pages(cpu, number, pcp, buffer, count);
    yield* pcp_unlock(cpu, pcp);
    return;
  }
  const zone = zone_word(cpu, number);
  yield* lock_zone(cpu, zone);
  for (let i = 0; i < count; i++) yield* __free_one_page(cpu, local_read(cpu, buffer + i), zone, 0);
  yield* mod_nr_free_pages(cpu, number, count);
  yield* unlock_zone(cpu, zone);
}

/**
 * At boot: makes `pfn` the page that CPU 0 takes next, by taking it out of the buddy lists as an allocation would and
 * putting it at the head of that CPU's list. False if the frame is not free.
 */
export function* take_pfn_next(cpu: Cpu, pfn: number): Steps<boolean> {
  const wanted = pfn_to_page(cpu, pfn);
  const number = zone_number(cpu, wanted);
  const zone = zone_word(cpu, number);
  for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
    const block = pfn_to_page(cpu, pfn & ~((1 << order) - 1));
    if (block < cpu.mem_map || (yield* read(cpu, block + page.page_type)) !== PAGE_TYPE_BUDDY) continue;
    if ((yield* read(cpu, block + page.private)) !== order) continue;
    yield* lock_zone(cpu, zone);
    yield* del_page_from_free_list(cpu, block, zone, order);
    let half = block;
    for (let down = order - 1; down >= 0; down--) {
      const middle = half + ((1 << down) << PAGE_STRUCT_SHIFT);
      if (wanted >= middle) {
        yield* __free_one_page(cpu, half, zone, down);
        half = middle;
      } else yield* expand(cpu, half, zone, down, down + 1);
    }
    yield* write(cpu, wanted + page.page_type, PAGE_TYPE_NONE);
    yield* mod_nr_free_pages(cpu, number, -1);
    yield* unlock_zone(cpu, zone);
    const pcp = pcp_of(cpu, 0, number);
    yield* list_add(cpu, wanted + page.lru, pcp + per_cpu_pages.list);
    yield* write(cpu, pcp + per_cpu_pages.count, (yield* read(cpu, pcp + per_cpu_pages.count)) + 1);
    return true;
  }
  return false;
}
