// The buddy allocator: free blocks of 2^0 to 2^10 pages in one list per order (mm/page_alloc.c). Under zone->lock.
//
// A block's buddy is the block whose number differs in the bit of its order; two free buddies become one block of the
// next order. Where the zone lock was taken away, lists may be torn: then a request fails, and the log says so.
import type { Cpu } from '../cpu.ts';
import { page_to_pfn } from '../cpu.ts';
import { D_ZONE_LOCK, defended } from '../defences.ts';
import {
  FREE_AREA_WORDS,
  LOCK_ZONE,
  MAX_NR_ZONES,
  MAX_PAGE_ORDER,
  PAGE_STRUCT_SHIFT,
  PAGE_TYPE_BUDDY,
  PAGE_TYPE_NONE,
  ZONE_WORDS,
  cpu_area,
  free_area,
  page,
  zone as zone_struct,
} from '../layout.ts';
import { list_add, list_add_tail, list_del, list_first } from '../list.ts';
import { spin_lock_irqsave, spin_unlock_irqrestore } from '../locking/spinlock.ts';
import { atomic_add, local_read, local_write, read, write } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { trace_mm_page_alloc_zone_locked } from '../trace.ts';

/** First pfn of ZONE_DMA32 (16 MiB) and of ZONE_NORMAL (4 GiB). */
const DMA_END_PFN = 0x1000;
const DMA32_END_PFN = 0x100000;

/** page_zonenum: the zone a frame belongs to, by its address. */
export function zone_number(cpu: Cpu, page_word: Word): number {
  const pfn = page_to_pfn(cpu, page_word);
  return pfn < DMA_END_PFN ? 0 : pfn < DMA32_END_PFN ? 1 : MAX_NR_ZONES - 1;
}

/** The struct zone of that number. */
export function zone_word(cpu: Cpu, number: number): Word {
  return cpu.layout.zones + number * ZONE_WORDS;
}

export function* lock_zone(cpu: Cpu, zone: Word): Steps<void> {
  if (defended(cpu, D_ZONE_LOCK)) yield* spin_lock_irqsave(cpu, zone + zone_struct.lock, LOCK_ZONE);
}
export function* unlock_zone(cpu: Cpu, zone: Word): Steps<void> {
  if (defended(cpu, D_ZONE_LOCK)) yield* spin_unlock_irqrestore(cpu, zone + zone_struct.lock);
}

function area_of(zone: Word, order: number): Word {
  return zone + zone_struct.free_area + order * FREE_AREA_WORDS;
}

/** Whether a pointer is that of a struct page of this machine. */
export function is_page(cpu: Cpu, page_word: Word): boolean {
  const offset = page_word - cpu.mem_map;
  return offset >= 0 && offset >> PAGE_STRUCT_SHIFT < cpu.layout.frames && (offset & 15) === 0;
}

/** __mod_zone_freepage_state: this CPU's difference, folded into the zone's count when it passes the threshold. */
export function* mod_nr_free_pages(cpu: Cpu, number: number, pages: number): Steps<void> {
  const zone = zone_word(cpu, number);
  const local = cpu.area + cpu_area.zone_diff + number;
  const diff = local_read(cpu, local) + pages;
  const threshold = local_read(cpu, zone + zone_struct.stat_threshold);
  if (diff > threshold || diff < -threshold) {
    yield* atomic_add(cpu, zone + zone_struct.nr_free_pages, diff);
    local_write(cpu, local, 0);
  } else local_write(cpu, local, diff);
}

function* add_to_free_list(cpu: Cpu, block: Word, zone: Word, order: number, tail: boolean): Steps<void> {
  const area = area_of(zone, order);
  yield* write(cpu, block + page.private, order);
  yield* write(cpu, block + page.page_type, PAGE_TYPE_BUDDY);
  if (tail) yield* list_add_tail(cpu, block + page.lru, area + free_area.free_list);
  else yield* list_add(cpu, block + page.lru, area + free_area.free_list);
  yield* write(cpu, area + free_area.nr_free, (yield* read(cpu, area + free_area.nr_free)) + 1);
}

/** del_page_from_free_list. False if the list is torn. */
export function* del_page_from_free_list(cpu: Cpu, block: Word, zone: Word, order: number): Steps<boolean> {
  const area = area_of(zone, order);
  if (!(yield* list_del(cpu, block + page.lru))) return false;
  yield* write(cpu, block + page.page_type, PAGE_TYPE_NONE);
  yield* write(cpu, block + page.private, 0);
  yield* write(cpu, area + free_area.nr_free, (yield* read(cpu, area + free_area.nr_free)) - 1);
  return true;
}

/** expand: of a block of order `high` only the first 2^low pages are wanted; the upper halves go back. */
export function* expand(cpu: Cpu, block: Word, zone: Word, low: number, high: number): Steps<void> {
  for (let order = high - 1; order >= low; order--) {
    yield* add_to_free_list(cpu, block + ((1 << order) << PAGE_STRUCT_SHIFT), zone, order, false);
  }
}

/** __rmqueue_smallest: a block of 2^order pages from the smallest that will do; 0 if there is none. */
export function* __rmqueue_smallest(cpu: Cpu, zone: Word, order: number): Steps<Word> {
  for (let current = order; current <= MAX_PAGE_ORDER; current++) {
    const head = area_of(zone, current) + free_area.free_list;
    const link = yield* list_first(cpu, head);
    if (link === head) continue;
    const block = link - page.lru;
    if (!is_page(cpu, block) || !(yield* del_page_from_free_list(cpu, block, zone, current))) return 0;
    yield* expand(cpu, block, zone, order, current);
    if (cpu.tracing) trace_mm_page_alloc_zone_locked(cpu, block, order);
    return block;
  }
  return 0;
}

/** The free buddy of a block, 0 if it is not free as a whole, of another order, or outside the zone. */
function* free_buddy(cpu: Cpu, zone: Word, block: Word, order: number): Steps<Word> {
  const pfn = page_to_pfn(cpu, block);
  const buddy = block + (((pfn ^ (1 << order)) - pfn) << PAGE_STRUCT_SHIFT);
  const first = cpu.mem_map + (local_read(cpu, zone + zone_struct.start_frame) << PAGE_STRUCT_SHIFT);
  const spanned = local_read(cpu, zone + zone_struct.spanned_pages);
  if (buddy < first || (buddy - first) >> PAGE_STRUCT_SHIFT >= spanned) return 0;
  if ((yield* read(cpu, buddy + page.page_type)) !== PAGE_TYPE_BUDDY) return 0;
  return (yield* read(cpu, buddy + page.private)) === order ? buddy : 0;
}

/** __free_one_page: puts a block back, merged with its buddies as far as they are free. */
export function* __free_one_page(cpu: Cpu, freed: Word, zone: Word, freed_order: number): Steps<void> {
  let block = freed;
  let order = freed_order;
  for (; order < MAX_PAGE_ORDER; order++) {
    const buddy = yield* free_buddy(cpu, zone, block, order);
    if (buddy === 0 || !(yield* del_page_from_free_list(cpu, buddy, zone, order))) break;
    if (buddy < block) block = buddy;
  }
  // Where the next order's buddy is free, a merge is near: the block goes to the tail, to be taken last.
  const pfn = page_to_pfn(cpu, block);
  const upper = order < MAX_PAGE_ORDER - 1 ? block + (((pfn & ~(1 << order)) - pfn) << PAGE_STRUCT_SHIFT) : 0;
  const tail = upper !== 0 && is_page(cpu, upper) && (yield* free_buddy(cpu, zone, upper, order + 1)) !== 0;
  yield* add_to_free_list(cpu, block, zone, order, tail);
}
