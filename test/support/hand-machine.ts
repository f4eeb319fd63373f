// A small machine written by hand, word by word, without any of the kernel's code: what the judges call healthy is
// said here a second time.
//
// Two CPUs, 64 frames from pfn 0x389440. One process with one VMA of eight pages at 0x75e52fc77000: the first page is
// pfn 0x38944c and waits in CPU 0's LRU batch, the second is on the LRU list, the third is the zero page.
import {
  CACHE_ANON_VMA,
  CACHE_ANON_VMA_CHAIN,
  CACHE_MAPLE_NODE,
  CACHE_MEM_CGROUP,
  CACHE_MM,
  CACHE_VMA,
  FRAME_WORDS,
  FREE_AREA_WORDS,
  KMEM_CACHE_WORDS,
  LIST_HEAD_WORDS,
  LRU_INACTIVE_ANON,
  MAGIC,
  MAX_NR_ZONES,
  MAX_PAGE_ORDER,
  NR_CACHES,
  NR_LRU_LISTS,
  PAGE_TYPE_BUDDY,
  PAGE_TYPE_RESERVED,
  PAGE_TYPE_TABLE,
  PER_CPU_PAGES_WORDS,
  PG_anon_exclusive,
  PG_lru,
  PG_swapbacked,
  PG_uptodate,
  VERSION,
  ZONE_NORMAL,
  ZONE_WORDS,
  anon_vma,
  anon_vma_chain,
  cpu_area,
  folio_batch,
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
  vma,
  zone,
} from '../../src/kernel/layout.ts';
import type { Layout } from '../../src/kernel/layout.ts';

export const BASE_PFN = 0x389440;
export const ADDRESS = 0x75e52fc77000;
export const PAGES = 8;
const FRAMES = 64;
const CPUS = 2;
export const VM_FLAGS = 0x8100073;

export const ZERO_FRAME = 0;
export const PGD = 1;
export const PUD = 2;
export const PMD = 3;
export const PTE = 4;
/** Waits in CPU 0's LRU batch. */
export const QUEUED = 12;
/** On the LRU list. */
export const LISTED = 13;
/** On CPU 0's and CPU 1's free lists. */
export const PCP: readonly (readonly number[])[] = [
  [5, 6, 7, 8, 9, 10, 11],
  [14, 15, 16, 17, 18, 19],
];
/** First frame and order of the free blocks. */
export const BLOCKS: readonly (readonly [number, number])[] = [
  [20, 2],
  [24, 3],
  [32, 5],
];

export class HandMachine {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly at: Layout;
  readonly mm: number;
  readonly vma: number;
  readonly anonVma: number;
  readonly avc: number;
  readonly node: number;
  readonly root: number;
  readonly group: number;

  constructor() {
    const sizes = {
      cpus: CPUS,
      frames: FRAMES,
      max_vmas: 4,
      max_mms: 2,
      max_memcgs: 4,
      maple_nodes: 4,
      design_words: 0,
    };
    this.at = layout(sizes);
    this.buffer = new SharedArrayBuffer(this.at.words * 4);
    this.words = new Int32Array(this.buffer);
    this.doubles = new Float64Array(this.buffer);
    this.fill(0, header, { magic: MAGIC, version: VERSION, base_pfn: BASE_PFN, soft_dirty: 1, ...sizes });
    this.caches();
    this.mm = this.take(CACHE_MM);
    this.vma = this.take(CACHE_VMA);
    this.anonVma = this.take(CACHE_ANON_VMA);
    this.avc = this.take(CACHE_ANON_VMA_CHAIN);
    this.node = this.take(CACHE_MAPLE_NODE);
    this.root = this.take(CACHE_MEM_CGROUP);
    this.group = this.take(CACHE_MEM_CGROUP);
    this.frames();
    this.tables();
    this.process();
    this.groups();
  }

  /** Writes fields of a structure at `at`. */
  fill<F extends Record<string, number>>(at: number, struct: F, values: Partial<Record<keyof F, number>>): void {
    for (const [name, value] of Object.entries(values)) this.words[at + struct[name]!] = value as number;
  }
  long(at: number, value: number): void {
    this.doubles[at >> 1] = value;
  }
  /** struct page of a frame. */
  page(frame: number): number {
    return this.at.mem_map + frame * 16;
  }
  area(cpu: number): number {
    return this.at.cpu_areas + cpu * this.at.cpu_area_words;
  }
  pcp(cpu: number): number {
    return this.area(cpu) + this.at.pcp + ZONE_NORMAL * PER_CPU_PAGES_WORDS;
  }
  zone(): number {
    return this.at.zones + ZONE_NORMAL * ZONE_WORDS;
  }
  cache(cache: number): number {
    return this.at.caches + cache * KMEM_CACHE_WORDS;
  }
  rss(member: number): number {
    return this.mm + mm_struct.rss_stat + member * this.at.percpu_counter_words;
  }
  /** Word of entry `index` of the table in `frame`. */
  entryWord(frame: number, index: number): number {
    return this.at.ram + frame * FRAME_WORDS + 2 * index;
  }
  entry(frame: number, index: number, value: bigint): void {
    this.words[this.entryWord(frame, index)] = Number(BigInt.asIntN(32, value));
    this.words[this.entryWord(frame, index) + 1] = Number(BigInt.asIntN(32, value >> 32n));
  }
  /** The PTE of page `n` of the VMA. */
  pte(n: number, value: bigint): void {
    this.entry(PTE, 0x77 + n, value);
  }
  /** An entry for a frame with flag bits. */
  static value(frame: number, bits: bigint): bigint {
    return (BigInt(BASE_PFN + frame) << 12n) | bits;
  }
  /** Links a circular list: the head, then the entries in order. */
  list(head: number, entries: readonly number[]): void {
    const all = [head, ...entries];
    all.forEach((link, i) => {
      const next = all[(i + 1) % all.length]!;
      this.words[link] = next;
      this.words[next + 1] = link;
    });
  }

  private caches(): void {
    for (let cache = 0; cache < NR_CACHES; cache++) {
      const start = this.at.objects[cache]!;
      const objectWords = this.at.object_words[cache]!;
      const objects = this.at.object_counts[cache]!;
      this.fill(this.cache(cache), kmem_cache, { object_words: objectWords, objects, start, free: start });
      for (let i = 0; i + 1 < objects; i++) this.words[start + i * objectWords] = start + (i + 1) * objectWords;
    }
  }

  private take(cache: number): number {
    const at = this.cache(cache);
    const object = this.words[at + kmem_cache.free]!;
    this.words[at + kmem_cache.free] = this.words[object]!;
    this.words[at + kmem_cache.in_use]! += 1;
    this.words.fill(0, object, object + this.at.object_words[cache]!);
    return object;
  }

  private frames(): void {
    for (let frame = 0; frame < FRAMES; frame++) this.words[this.page(frame) + page._mapcount] = -1;
    this.words[header.zero_page] = this.page(ZERO_FRAME);
    this.fill(this.page(ZERO_FRAME), page, { page_type: PAGE_TYPE_RESERVED, _refcount: 1 });
    for (let number = 0; number < MAX_NR_ZONES; number++) {
      const at = this.at.zones + number * ZONE_WORDS;
      for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
        this.list(at + zone.free_area + order * FREE_AREA_WORDS, []);
      }
      for (let cpu = 0; cpu < CPUS; cpu++) {
        this.list(this.area(cpu) + this.at.pcp + number * PER_CPU_PAGES_WORDS + per_cpu_pages.list, []);
      }
    }
    let free = 0;
    for (const [frame, order] of BLOCKS) {
      const area = this.zone() + zone.free_area + order * FREE_AREA_WORDS;
      this.fill(this.page(frame), page, { page_type: PAGE_TYPE_BUDDY, private: order });
      this.list(area, [this.page(frame) + page.lru]);
      this.words[area + 2] = 1;
      free += 1 << order;
    }
    // The zone's own count is behind by what each CPU still has to tell it.
    this.fill(this.zone(), zone, { spanned_pages: FRAMES, managed_pages: FRAMES - 1, nr_free_pages: free + 5 });
    this.words[this.area(0) + cpu_area.zone_diff + ZONE_NORMAL] = -7;
    this.words[this.area(1) + cpu_area.zone_diff + ZONE_NORMAL] = 2;
    PCP.forEach((frames, cpu) => {
      this.list(
        this.pcp(cpu) + per_cpu_pages.list,
        frames.map((frame) => this.page(frame) + page.lru),
      );
      this.words[this.pcp(cpu) + per_cpu_pages.count] = frames.length;
    });
  }

  private tables(): void {
    [PTE, PMD, PUD, PGD].forEach((frame, i) => {
      this.fill(this.page(frame), page, {
        page_type: PAGE_TYPE_TABLE,
        private: i + 1,
        pt_mm: this.mm,
        _refcount: 1,
        allocated: 1,
        memcg_data: this.group,
      });
    });
    this.entry(PGD, 0xeb, HandMachine.value(PUD, 0x67n));
    this.entry(PUD, 0x194, HandMachine.value(PMD, 0x67n));
    this.entry(PMD, 0x17e, HandMachine.value(PTE, 0x67n));
    this.pte(0, 0x800000038944c867n);
    this.pte(1, HandMachine.value(LISTED, 0x8000000000000867n));
    this.pte(2, HandMachine.value(ZERO_FRAME, 0x8000000000000225n));
  }

  private process(): void {
    const { mm, vma: area, anonVma, avc, node } = this;
    this.fill(mm, mm_struct, {
      pgd: this.at.ram + PGD * FRAME_WORDS,
      mm_users: 1,
      mm_mt: node,
      map_count: 1,
      pgtables_bytes: 3 * 4096,
      memcg: this.group,
      id: 1,
      total_vm: PAGES,
    });
    this.fill(this.rss(1), percpu_counter, { count: -1 });
    this.words[this.rss(1) + percpu_counter.counters] = 2;
    this.words[this.rss(1) + percpu_counter.counters + 1] = 1;
    this.words[node + maple_node.count] = 1;
    this.long(node + maple_node.slots + maple_slot.start, ADDRESS);
    this.long(node + maple_node.slots + maple_slot.end, ADDRESS + PAGES * 4096);
    this.words[node + maple_node.slots + maple_slot.vma] = area;
    this.long(area + vma.vm_start, ADDRESS);
    this.long(area + vma.vm_end, ADDRESS + PAGES * 4096);
    this.long(area + vma.vm_pgoff, ADDRESS / 4096);
    this.fill(area, vma, { vm_flags: VM_FLAGS, vm_mm: mm, anon_vma: anonVma });
    this.fill(anonVma, anon_vma, { root: anonVma, parent: anonVma, refcount: 1, num_children: 1, num_active_vmas: 1 });
    this.fill(avc, anon_vma_chain, { vma: area, anon_vma: anonVma });
    this.list(area + vma.anon_vma_chain, [avc + anon_vma_chain.same_vma]);
    this.list(anonVma + anon_vma.rb_root, [avc + anon_vma_chain.rb]);
    const flags = (1 << PG_uptodate) | (1 << PG_swapbacked) | (1 << PG_anon_exclusive);
    [QUEUED, LISTED].forEach((frame, n) => {
      const at = this.page(frame);
      this.fill(at, page, { flags, _refcount: 1, _mapcount: 0, mapping: anonVma + 1, allocated: 1 });
      this.words[at + page.memcg_data] = this.group;
      this.long(at + page.index, ADDRESS / 4096 + n);
    });
    this.words[this.page(QUEUED) + page._refcount] = 2;
    this.fill(this.area(0) + cpu_area.lru_add, folio_batch, { nr: 1, folios: this.page(QUEUED) });
    for (let n = 0; n < NR_LRU_LISTS; n++) this.list(this.at.lruvec + lruvec.lists + n * LIST_HEAD_WORDS, []);
    this.list(this.at.lruvec + lruvec.lists + LRU_INACTIVE_ANON * LIST_HEAD_WORDS, [this.page(LISTED) + page.lru]);
    this.words[this.at.lruvec + lruvec.sizes + LRU_INACTIVE_ANON] = 1;
    this.words[this.page(LISTED) + page.flags]! |= 1 << PG_lru;
  }

  /** Six pages are charged, and CPU 1 has five more in stock. */
  private groups(): void {
    this.fill(this.root, mem_cgroup, { id: 1, usage: 11, max: 0x7fffffff });
    this.fill(this.group, mem_cgroup, { id: 2, parent: this.root, usage: 11, max: 20 });
    this.words[this.area(1) + cpu_area.stock_memcg] = this.group;
    this.words[this.area(1) + cpu_area.stock_pages] = 5;
  }
}
