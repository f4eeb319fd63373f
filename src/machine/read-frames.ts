// The frames of a snapshot: struct pages in columns, and where each frame is listed (buddy lists, per-CPU lists, LRU).
import {
  FRAME_WORDS,
  FREE_AREA_WORDS,
  LIST_HEAD_WORDS,
  MAX_NR_ZONES,
  MAX_PAGE_ORDER,
  NR_LRU_LISTS,
  PAGEVEC_SIZE,
  PAGE_STRUCT_SHIFT,
  PAGE_TYPE_BUDDY,
  PER_CPU_PAGES_WORDS,
  RCU_CALLBACKS,
  RCU_CALLBACK_WORDS,
  ZONE_WORDS,
  cpu_area,
  folio_batch,
  free_area,
  header,
  lruvec,
  page,
  per_cpu_pages,
  rcu_callback,
  zone as zone_struct,
} from '../kernel/layout.ts';
import { RCU_PAGE_TABLE } from '../kernel/locking/rcu.ts';
import type { Reader } from './reader.ts';
import type { Snapshot, ZoneRecord } from './snapshot.ts';

/** Where a frame is listed as free: nowhere, in a buddy block, on a CPU's list. */
export const FREE_NOT = 0;
export const FREE_BUDDY = 1;
export const FREE_PCP = 2;

/** The part of a snapshot that is about frames. */
export type Frames = Pick<
  Snapshot,
  | 'refcount'
  | 'mapcount'
  | 'flags'
  | 'mapping'
  | 'memcgData'
  | 'pageType'
  | 'level'
  | 'ptMm'
  | 'allocated'
  | 'tail'
  | 'index'
  | 'mappedBy'
  | 'free'
  | 'batched'
  | 'onLru'
  | 'pendingTable'
  | 'zeroFrame'
  | 'zeroPageDirt'
  | 'zones'
  | 'lruSize'
  | 'lruListed'
>;

export const ZONE_NAMES: readonly string[] = ['DMA', 'DMA32', 'Normal'];

/** Decodes all frames. `mappedBy` is left at 0: the walk of the page tables counts. */
export function readFrames(m: Reader): Frames {
  const count = m.at.frames;
  const column = (): Int32Array => new Int32Array(count);
  const frames: Frames = {
    refcount: column(),
    mapcount: column(),
    flags: column(),
    mapping: column(),
    memcgData: column(),
    pageType: column(),
    level: column(),
    ptMm: column(),
    allocated: column(),
    tail: new Uint8Array(count),
    index: new Float64Array(count),
    mappedBy: column(),
    free: new Uint8Array(count),
    batched: new Uint8Array(count),
    onLru: new Uint8Array(count),
    pendingTable: new Uint8Array(count),
    zeroFrame: m.frameOf(m.word(header.zero_page)),
    zeroPageDirt: 0,
    zones: [],
    lruSize: 0,
    lruListed: 0,
  };
  readPages(m, frames);
  markTails(frames);
  frames.zeroPageDirt = dirt(m, frames.zeroFrame);
  for (let number = 0; number < MAX_NR_ZONES; number++) readZone(m, frames, number);
  for (let list = 0; list < NR_LRU_LISTS; list++) readLru(m, frames, list);
  for (let cpu = 0; cpu < m.at.cpus; cpu++) {
    readBatch(m, frames, cpu);
    readPendingTables(m, frames, cpu);
  }
  return frames;
}

function readPages(m: Reader, f: Frames): void {
  const { words } = m;
  for (let frame = 0, at = m.at.mem_map; frame < m.at.frames; frame++, at += 1 << PAGE_STRUCT_SHIFT) {
    f.flags[frame] = words[at + page.flags]!;
    f.refcount[frame] = words[at + page._refcount]!;
    f.mapcount[frame] = words[at + page._mapcount]!;
    f.mapping[frame] = words[at + page.mapping]!;
    f.level[frame] = words[at + page.private]!;
    f.memcgData[frame] = words[at + page.memcg_data]!;
    f.pageType[frame] = words[at + page.page_type]!;
    f.ptMm[frame] = words[at + page.pt_mm]!;
    f.allocated[frame] = words[at + page.allocated]!;
    f.index[frame] = m.doubles[(at + page.index) >> 1]!;
  }
}

function markTails(f: Frames): void {
  for (let frame = 0; frame < f.allocated.length; frame++) {
    const order = f.allocated[frame]! - 1;
    if (order >= 1 && order <= MAX_PAGE_ORDER) f.tail.fill(1, frame + 1, frame + (1 << order));
  }
}

/** Words of a frame that are not zero. */
function dirt(m: Reader, frame: number): number {
  if (frame < 0) return 0;
  let count = 0;
  const start = m.at.ram + frame * FRAME_WORDS;
  for (let at = start; at < start + FRAME_WORDS; at++) if (m.words[at] !== 0) count += 1;
  return count;
}

function readZone(m: Reader, f: Frames, number: number): void {
  const at = m.at.zones + number * ZONE_WORDS;
  if (m.word(at + zone_struct.spanned_pages) === 0) return;
  const zone: ZoneRecord = {
    number,
    name: ZONE_NAMES[number] ?? '?',
    firstFrame: m.word(at + zone_struct.start_frame),
    spanned: m.word(at + zone_struct.spanned_pages),
    managed: m.word(at + zone_struct.managed_pages),
    watermarks: {
      min: m.word(at + zone_struct.watermark_min),
      low: m.word(at + zone_struct.watermark_low),
      high: m.word(at + zone_struct.watermark_high),
    },
    lowmemReserve: Array.from({ length: MAX_NR_ZONES }, (_, i) => m.word(at + zone_struct.lowmem_reserve + i)),
    statThreshold: m.word(at + zone_struct.stat_threshold),
    nrFreePages: m.word(at + zone_struct.nr_free_pages),
    nrFree: [],
    listed: [],
  };
  for (let cpu = 0; cpu < m.at.cpus; cpu++) zone.nrFreePages += m.word(m.area(cpu) + cpu_area.zone_diff + number);
  for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
    const area = at + zone_struct.free_area + order * FREE_AREA_WORDS;
    zone.nrFree.push(m.word(area + free_area.nr_free));
    zone.listed.push(walkBuddyList(m, f, zone, order, area + free_area.free_list));
  }
  f.zones.push(zone);
}

/** Marks the blocks of one buddy list as free; returns how many it has. */
function walkBuddyList(m: Reader, f: Frames, zone: ZoneRecord, order: number, head: number): number {
  const name = `zone ${zone.name}, order ${String(order)}`;
  const size = 1 << order;
  return walkFreeList(m, f, head, name, FREE_BUDDY, size, (frame) => {
    const pfn = m.basePfn + frame;
    if (pfn % size !== 0) return 'is not aligned to its order';
    if (frame < zone.firstFrame || frame + size > zone.firstFrame + zone.spanned) return 'is of another zone';
    if (f.pageType[frame] !== PAGE_TYPE_BUDDY) return 'is not PageBuddy';
    return f.level[frame] === order ? undefined : `says it has order ${String(f.level[frame])}`;
  });
}

/** Marks the frames of a CPU's list for one zone as free; returns how many it has. */
export function walkPcpList(m: Reader, f: Frames, cpu: number, number: number): number {
  const head = m.area(cpu) + m.at.pcp + number * PER_CPU_PAGES_WORDS + per_cpu_pages.list;
  if (m.word(head) === 0) return 0;
  const name = `CPU ${String(cpu)}'s list, zone ${ZONE_NAMES[number] ?? '?'}`;
  return walkFreeList(m, f, head, name, FREE_PCP, 1, () => undefined);
}

/**
 * Walks a free list of blocks of `size` pages. A list that comes to a frame which is free already, on this list or
 * another, is left there: from then on it is the other one.
 */
function walkFreeList(
  m: Reader,
  f: Frames,
  head: number,
  name: string,
  kind: number,
  size: number,
  wrong: (frame: number) => string | undefined,
): number {
  let blocks = 0;
  const torn = m.walkList(head, m.at.frames, (link) => {
    const frame = m.frameOf(link - page.lru);
    if (frame < 0) {
      m.problem('I7', `${name}: an entry that is no page`);
      return false;
    }
    const what = wrong(frame);
    if (what !== undefined) m.problem('I7', `${name}: pfn ${m.pfn(frame)} ${what}`);
    const end = Math.min(frame + size, m.at.frames);
    for (let i = frame; i < end; i++) {
      if (f.free[i] === FREE_NOT) continue;
      m.problem('I7', `pfn ${m.pfn(i)} is free twice (${name})`);
      return false;
    }
    f.free.fill(kind, frame, end);
    blocks += 1;
    return true;
  });
  if (torn !== undefined) m.problem('I7', `list_del corruption: ${name}: ${torn}`);
  return blocks;
}

function readLru(m: Reader, f: Frames, list: number): void {
  const head = m.at.lruvec + lruvec.lists + list * LIST_HEAD_WORDS;
  f.lruSize += m.word(m.at.lruvec + lruvec.sizes + list);
  if (m.word(head) === 0) return;
  const torn = m.walkList(head, m.at.frames, (link) => {
    const frame = m.frameOf(link - page.lru);
    if (frame < 0) {
      m.problem('I11', 'the LRU list has an entry that is no page');
      return false;
    }
    f.onLru[frame]! += 1;
    if (f.onLru[frame]! > 1) return false;
    f.lruListed += 1;
    return true;
  });
  if (torn !== undefined) m.problem('I11', `list_del corruption: LRU list: ${torn}`);
}

/** Frames in a CPU's LRU batch. */
export function batchOf(m: Reader, cpu: number): number[] {
  const batch = m.area(cpu) + cpu_area.lru_add;
  const nr = Math.min(Math.max(m.word(batch + folio_batch.nr), 0), PAGEVEC_SIZE);
  return Array.from({ length: nr }, (_, i) => m.frameOf(m.word(batch + folio_batch.folios + i)));
}

function readBatch(m: Reader, f: Frames, cpu: number): void {
  const nr = m.word(m.area(cpu) + cpu_area.lru_add + folio_batch.nr);
  if (nr < 0 || nr > PAGEVEC_SIZE)
    m.problem('I11', `CPU ${String(cpu)}'s LRU batch says it holds ${String(nr)} folios`);
  for (const frame of batchOf(m, cpu)) {
    if (frame < 0) m.problem('I11', `CPU ${String(cpu)}'s LRU batch holds something that is no page`);
    else f.batched[frame]! += 1;
  }
}

/** What a CPU has given to RCU and nobody has freed yet: the cache (or RCU_PAGE_TABLE) and the object. */
export function rcuPending(m: Reader, cpu: number): { cache: number; object: number }[] {
  const area = m.area(cpu);
  const head = m.word(area + cpu_area.rcu_head);
  const tail = m.word(area + cpu_area.rcu_tail);
  const pending: { cache: number; object: number }[] = [];
  for (let n = Math.max(head, tail - RCU_CALLBACKS, 0); n < tail; n++) {
    const slot = area + m.at.rcu_callbacks + (n % RCU_CALLBACKS) * RCU_CALLBACK_WORDS;
    pending.push({ cache: m.word(slot + rcu_callback.cache), object: m.word(slot + rcu_callback.object) });
  }
  return pending;
}

function readPendingTables(m: Reader, f: Frames, cpu: number): void {
  for (const { cache, object } of rcuPending(m, cpu)) {
    const frame = cache === RCU_PAGE_TABLE ? m.frameOfRam(object) : -1;
    if (frame >= 0) f.pendingTable[frame] = 1;
  }
}
