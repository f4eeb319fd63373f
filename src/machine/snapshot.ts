// A snapshot: what a quiescent machine is in, decoded for those who judge or show it.
//
// It reads plain words and trusts none of them: every walk is bounded and every pointer checked, since the machine may
// have been broken on purpose.
import {
  CACHE_MM,
  CACHE_MEM_CGROUP,
  DMESG_RECORDS,
  DMESG_RECORD_WORDS,
  FRAME_WORDS,
  KMEM_CACHE_WORDS,
  LIST_HEAD_WORDS,
  LRU_INACTIVE_ANON,
  MAGIC,
  MAPLE_SLOT_WORDS,
  MAX_NR_ZONES,
  MAX_PAGE_ORDER,
  FREE_AREA_WORDS,
  NR_MM_COUNTERS,
  PAGE_STRUCT_SHIFT,
  PER_CPU_PAGES_WORDS,
  ZONE_WORDS,
  cpu_area,
  folio_batch,
  free_area,
  header,
  kmem_cache,
  layout,
  lruvec,
  maple_node,
  maple_slot,
  mem_cgroup,
  mm_struct,
  page,
  per_cpu_pages,
  percpu_counter,
  vma as vm_area,
  zone as zone_struct,
} from '../kernel/layout.ts';
import type { Layout } from '../kernel/layout.ts';
import { sizes_of } from '../kernel/cpu.ts';
import { DMESG_VALUES, PRINTK_IS_BUG, format_printk } from '../kernel/printk.ts';

/** One present PTE. */
export interface Mapping {
  address: number;
  /** Halves of the entry. */
  lo: number;
  hi: number;
  pfn: number;
  /** Frame index, -1 if the frame is not of this machine. */
  frame: number;
}

/** One VMA. */
export interface VmaRecord {
  word: number;
  start: number;
  end: number;
  flags: number;
  pgoff: number;
  anonVma: number;
  /** anon_vmas in its chain. */
  chain: number[];
  ops: number;
}

/** One address space. */
export interface MmRecord {
  word: number;
  id: number;
  /** Exact sums of the RSS counters, by MM_* number. */
  rss: number[];
  pgtablesBytes: number;
  memcg: number;
  vmas: VmaRecord[];
  mappings: Mapping[];
  /** Frames of its page tables with their level (1 pte … 4 pgd); a frame appears once per way that leads to it. */
  tables: { frame: number; level: number }[];
}

/** One memory group. */
export interface MemcgRecord {
  word: number;
  id: number;
  parent: number;
  usage: number;
  max: number;
  events: { max: number; oom: number };
  /** Pages that carry its name, and CPU stocks charged to it. */
  charged: number;
  stock: number;
}

/** One line of the kernel log. */
export interface DmesgLine {
  cpu: number;
  text: string;
  isBug: boolean;
}

/** Where a frame is listed as free: nowhere, in a buddy block, on a CPU's list. */
export const FREE_NOT = 0;
export const FREE_BUDDY = 1;
export const FREE_PCP = 2;

/** All of a machine that judges look at. Arrays are indexed by frame. */
export interface Snapshot {
  cpus: number;
  frames: number;
  basePfn: number;
  softDirty: boolean;
  without: number;
  refcount: Int32Array;
  mapcount: Int32Array;
  flags: Int32Array;
  mapping: Int32Array;
  memcgData: Int32Array;
  pageType: Int32Array;
  allocated: Int32Array;
  index: Float64Array;
  /** Present PTEs that map the frame (the zero page excepted). */
  mappedBy: Int32Array;
  free: Uint8Array;
  /** References held by LRU batches. */
  batched: Uint8Array;
  onLru: Uint8Array;
  /** Frames that a free list names twice, or whose list is torn. */
  freeListProblems: string[];
  /** NR_FREE_PAGES: the zones' counts with every CPU's difference. */
  nrFreePages: number;
  mms: MmRecord[];
  memcgs: MemcgRecord[];
  dmesg: DmesgLine[];
}

/** Reads a machine's words. */
class Reader {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly at: Layout;

  constructor(buffer: SharedArrayBuffer) {
    const words = new Int32Array(buffer);
    if (words[header.magic] !== MAGIC) throw new Error('snapshot: this buffer holds no machine');
    this.words = words;
    this.doubles = new Float64Array(buffer);
    this.at = layout(sizes_of(words));
  }
  word(at: number): number {
    return this.words[at] ?? 0;
  }
  long(at: number): number {
    return this.doubles[at >> 1] ?? 0;
  }
  basePfn(): number {
    return this.word(header.base_pfn);
  }
  /** Frame index of a struct page pointer, -1 if it is none. */
  frameOf(pageWord: number): number {
    const offset = pageWord - this.at.mem_map;
    const frame = offset >> PAGE_STRUCT_SHIFT;
    return offset >= 0 && (offset & 15) === 0 && frame < this.at.frames ? frame : -1;
  }
  /** Frame index of a pfn, -1 if it is not of this machine. */
  frameOfPfn(pfn: number): number {
    const frame = pfn - this.basePfn();
    return frame >= 0 && frame < this.at.frames ? frame : -1;
  }
}

/** Decodes a quiescent machine. */
export function snapshot(buffer: SharedArrayBuffer): Snapshot {
  const m = new Reader(buffer);
  const frames = m.at.frames;
  const result: Snapshot = {
    cpus: m.at.cpus,
    frames,
    basePfn: m.basePfn(),
    softDirty: m.word(header.soft_dirty) === 1,
    without: m.word(header.without),
    refcount: new Int32Array(frames),
    mapcount: new Int32Array(frames),
    flags: new Int32Array(frames),
    mapping: new Int32Array(frames),
    memcgData: new Int32Array(frames),
    pageType: new Int32Array(frames),
    allocated: new Int32Array(frames),
    index: new Float64Array(frames),
    mappedBy: new Int32Array(frames),
    free: new Uint8Array(frames),
    batched: new Uint8Array(frames),
    onLru: new Uint8Array(frames),
    freeListProblems: [],
    nrFreePages: 0,
    mms: [],
    memcgs: [],
    dmesg: readDmesg(m),
  };
  readPages(m, result);
  readFreeLists(m, result);
  readLru(m, result);
  for (const mm of liveObjects(m, CACHE_MM)) {
    if (m.word(mm + mm_struct.pgd) !== 0) result.mms.push(readMm(m, mm, result));
  }
  result.memcgs = liveObjects(m, CACHE_MEM_CGROUP).map((memcg) => readMemcg(m, memcg, result));
  return result;
}

function readPages(m: Reader, s: Snapshot): void {
  for (let frame = 0; frame < s.frames; frame++) {
    const at = m.at.mem_map + (frame << PAGE_STRUCT_SHIFT);
    s.flags[frame] = m.word(at + page.flags);
    s.refcount[frame] = m.word(at + page._refcount);
    s.mapcount[frame] = m.word(at + page._mapcount);
    s.mapping[frame] = m.word(at + page.mapping);
    s.memcgData[frame] = m.word(at + page.memcg_data);
    s.pageType[frame] = m.word(at + page.page_type);
    s.allocated[frame] = m.word(at + page.allocated);
    s.index[frame] = m.long(at + page.index);
  }
}

/** Marks the frames on a free list whose blocks have 2^order pages. */
function walkFreeList(m: Reader, s: Snapshot, head: number, order: number, kind: number, name: string): void {
  let link = m.word(head);
  for (let walked = 0; link !== head; walked++) {
    const frame = m.frameOf(link - page.lru);
    if (frame < 0 || walked > s.frames) {
      s.freeListProblems.push(`${name}: the list is torn`);
      return;
    }
    for (let i = frame; i < frame + (1 << order); i++) {
      if (s.free[i] !== FREE_NOT) s.freeListProblems.push(`pfn 0x${(s.basePfn + i).toString(16)} is free twice (${name})`);
      s.free[i] = kind;
    }
    link = m.word(link);
  }
}

function readFreeLists(m: Reader, s: Snapshot): void {
  for (let number = 0; number < MAX_NR_ZONES; number++) {
    const zone = m.at.zones + number * ZONE_WORDS;
    if (m.word(zone + zone_struct.spanned_pages) === 0) continue;
    s.nrFreePages += m.word(zone + zone_struct.nr_free_pages);
    for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
      const head = zone + zone_struct.free_area + order * FREE_AREA_WORDS + free_area.free_list;
      walkFreeList(m, s, head, order, FREE_BUDDY, `buddy list of order ${String(order)}`);
    }
    for (let cpu = 0; cpu < s.cpus; cpu++) {
      const area = m.at.cpu_areas + cpu * m.at.cpu_area_words;
      s.nrFreePages += m.word(area + cpu_area.zone_diff + number);
      const pcp = area + m.at.pcp + number * PER_CPU_PAGES_WORDS;
      walkFreeList(m, s, pcp + per_cpu_pages.list, 0, FREE_PCP, `pages of CPU ${String(cpu)}`);
    }
  }
}

function readLru(m: Reader, s: Snapshot): void {
  const head = m.at.lruvec + lruvec.lists + LRU_INACTIVE_ANON * LIST_HEAD_WORDS;
  let link = m.word(head);
  for (let walked = 0; link !== head && walked <= s.frames; walked++) {
    const frame = m.frameOf(link - page.lru);
    if (frame < 0) break;
    s.onLru[frame]! += 1;
    link = m.word(link);
  }
  for (let cpu = 0; cpu < s.cpus; cpu++) {
    const batch = m.at.cpu_areas + cpu * m.at.cpu_area_words + cpu_area.lru_add;
    for (let i = 0; i < m.word(batch + folio_batch.nr); i++) {
      const frame = m.frameOf(m.word(batch + folio_batch.folios + i));
      if (frame >= 0) s.batched[frame]! += 1;
    }
  }
}

/** Objects of a cache that are not on its free list. */
function liveObjects(m: Reader, cache: number): number[] {
  const at = m.at.caches + cache * KMEM_CACHE_WORDS;
  const count = m.word(at + kmem_cache.objects);
  const words = m.word(at + kmem_cache.object_words);
  const start = m.word(at + kmem_cache.start);
  const free = new Set<number>();
  for (let object = m.word(at + kmem_cache.free); object !== 0 && free.size <= count; object = m.word(object)) {
    free.add(object);
  }
  const live: number[] = [];
  for (let i = 0; i < count; i++) if (!free.has(start + i * words)) live.push(start + i * words);
  return live;
}

function readMm(m: Reader, mm: number, s: Snapshot): MmRecord {
  const record: MmRecord = {
    word: mm,
    id: m.word(mm + mm_struct.id),
    rss: [],
    pgtablesBytes: m.word(mm + mm_struct.pgtables_bytes),
    memcg: m.word(mm + mm_struct.memcg),
    vmas: readVmas(m, m.word(mm + mm_struct.mm_mt)),
    mappings: [],
    tables: [],
  };
  for (let member = 0; member < NR_MM_COUNTERS; member++) {
    const counter = mm + mm_struct.rss_stat + member * m.at.percpu_counter_words;
    let sum = m.word(counter + percpu_counter.count);
    for (let cpu = 0; cpu < s.cpus; cpu++) sum += m.word(counter + percpu_counter.counters + cpu);
    record.rss.push(sum);
  }
  const pgd = (m.word(mm + mm_struct.pgd) - m.at.ram) / FRAME_WORDS;
  walkTable(m, s, record, pgd, 4, 0);
  return record;
}

/** Walks a page table of the given level, whose first entry covers `base`. */
function walkTable(m: Reader, s: Snapshot, record: MmRecord, frame: number, level: number, base: number): void {
  if (!Number.isInteger(frame) || frame < 0 || frame >= s.frames) return;
  // A table that several entries lead to is walked once more for each, so that what it maps is counted as it is seen.
  if (record.tables.length > s.frames) return;
  record.tables.push({ frame, level });
  const table = m.at.ram + frame * FRAME_WORDS;
  const span = 4096 * 512 ** (level - 1);
  for (let i = 0; i < 512; i++) {
    const lo = m.word(table + 2 * i);
    const hi = m.word(table + 2 * i + 1);
    if ((lo & 0x101) === 0) continue;
    const pfn = (hi & 0xfffff) * 0x100000 + (lo >>> 12);
    const target = m.frameOfPfn(pfn);
    const address = base + i * span;
    if (level > 1) walkTable(m, s, record, target, level - 1, address);
    else {
      record.mappings.push({ address, lo, hi, pfn, frame: target });
      if (target >= 0 && (lo & 0x200) === 0) s.mappedBy[target]! += 1;
    }
  }
}

function readVmas(m: Reader, node: number): VmaRecord[] {
  const vmas: VmaRecord[] = [];
  const count = node === 0 ? 0 : Math.min(m.word(node + maple_node.count), m.at.max_vmas);
  for (let i = 0; i < count; i++) {
    const slot = node + maple_node.slots + i * MAPLE_SLOT_WORDS;
    const word = m.word(slot + maple_slot.vma);
    vmas.push({
      word,
      start: m.long(slot + maple_slot.start),
      end: m.long(slot + maple_slot.end),
      flags: m.word(word + vm_area.vm_flags),
      pgoff: m.long(word + vm_area.vm_pgoff),
      anonVma: m.word(word + vm_area.anon_vma),
      chain: readChain(m, word + vm_area.anon_vma_chain),
      ops: m.word(word + vm_area.vm_ops),
    });
  }
  return vmas;
}

/** The anon_vmas of a VMA's chain. */
function readChain(m: Reader, head: number): number[] {
  const chain: number[] = [];
  for (let link = m.word(head); link !== head && link !== 0 && chain.length < 1000; link = m.word(link)) {
    chain.push(m.word(link - 2 + 1));
  }
  return chain;
}

function readMemcg(m: Reader, memcg: number, s: Snapshot): MemcgRecord {
  let charged = 0;
  for (const data of s.memcgData) if (data === memcg) charged += 1;
  let stock = 0;
  for (let cpu = 0; cpu < s.cpus; cpu++) {
    const area = m.at.cpu_areas + cpu * m.at.cpu_area_words;
    if (m.word(area + cpu_area.stock_memcg) === memcg) stock += m.word(area + cpu_area.stock_pages);
  }
  return {
    word: memcg,
    id: m.word(memcg + mem_cgroup.id),
    parent: m.word(memcg + mem_cgroup.parent),
    usage: m.word(memcg + mem_cgroup.usage),
    max: m.word(memcg + mem_cgroup.max),
    events: { max: m.word(memcg + mem_cgroup.events_max), oom: m.word(memcg + mem_cgroup.events_oom) },
    charged,
    stock,
  };
}

function readDmesg(m: Reader): DmesgLine[] {
  const total = m.word(header.dmesg_next);
  const lines: DmesgLine[] = [];
  for (let n = Math.max(0, total - DMESG_RECORDS); n < total; n++) {
    const record = m.at.dmesg + (n % DMESG_RECORDS) * DMESG_RECORD_WORDS;
    const message = m.word(record) - 1;
    const values = Array.from({ length: 6 }, (_, i) => m.long(record + DMESG_VALUES + i * 2));
    lines.push({ cpu: m.word(record + 1), text: format_printk(message, values), isBug: PRINTK_IS_BUG[message] ?? true });
  }
  return lines;
}
