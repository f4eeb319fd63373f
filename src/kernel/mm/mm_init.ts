// Boot of the allocator: which frames are in which zone, watermarks, the sizes of the per-CPU lists (mm/page_alloc.c,
// mm/mm_init.c, v6.8). Runs once, on one CPU, before anybody else sees the machine.
import type { Cpu } from '../cpu.ts';
import { cpu_area_of } from '../cpu.ts';
import {
  FREE_AREA_WORDS,
  LIST_HEAD_WORDS,
  MAX_NR_ZONES,
  MAX_PAGE_ORDER,
  NR_LRU_LISTS,
  PAGE_STRUCT_SHIFT,
  PAGE_TYPE_RESERVED,
  cpu_area,
  free_area,
  header,
  lruvec,
  page,
  per_cpu_pages,
  zone as zone_struct,
} from '../layout.ts';
import { INIT_LIST_HEAD } from '../list.ts';
import { local_write, write } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { __free_one_page, zone_number, zone_word } from './buddy.ts';
import { pcp_of } from './pcp.ts';

/** lowmem_reserve_ratio of DMA and DMA32: one page in 256 of the zones above is kept back. */
const LOWMEM_RESERVE_RATIO = 256;
const KB_PER_PAGE = 4;

/** min_free_kbytes of a machine with so many pages: sqrt(16 kB) of memory, between 128 kB and 256 MB. */
function min_free_kbytes(managed: number): number {
  return Math.max(128, Math.min(262144, Math.floor(Math.sqrt(managed * KB_PER_PAGE * 16))));
}

/** zone_batchsize: how many pages a CPU fetches at a time. */
function zone_batchsize(managed: number): number {
  let batch = Math.max(1, Math.floor(Math.min(managed >> 10, 256) / 4));
  batch += batch >> 1;
  return Math.max(1, (1 << (31 - Math.clz32(batch))) - 1);
}

/** calculate_normal_threshold: how far a CPU's count of free pages may drift. */
function stat_threshold(cpus: number, managed: number): number {
  const memory = managed >> (27 - 12);
  const fls = (n: number): number => 32 - Math.clz32(n);
  return Math.min(125, 2 * fls(cpus) * (1 + fls(memory)));
}

function* init_zone(cpu: Cpu, number: number, first: number, spanned: number, total: number): Steps<void> {
  const zone = zone_word(cpu, number);
  const managed = spanned - (first === 0 && spanned > 0 ? 1 : 0);
  for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
    yield* INIT_LIST_HEAD(cpu, zone + zone_struct.free_area + order * FREE_AREA_WORDS + free_area.free_list);
  }
  local_write(cpu, zone + zone_struct.start_frame, first);
  local_write(cpu, zone + zone_struct.spanned_pages, spanned);
  local_write(cpu, zone + zone_struct.managed_pages, managed);
  const pages_min = min_free_kbytes(total) / KB_PER_PAGE;
  const min = Math.floor((pages_min * managed) / total);
  const delta = Math.max(min >> 2, Math.floor((managed * 10) / 10000));
  local_write(cpu, zone + zone_struct.watermark_min, min);
  local_write(cpu, zone + zone_struct.watermark_low, min + delta);
  local_write(cpu, zone + zone_struct.watermark_high, min + 2 * delta);
  local_write(cpu, zone + zone_struct.stat_threshold, stat_threshold(cpu.cpus, managed));
  for (let id = 0; id < cpu.cpus; id++) yield* init_pcp(cpu, id, number, managed, min + delta);
}

function* init_pcp(cpu: Cpu, id: number, number: number, managed: number, low: number): Steps<void> {
  const pcp = pcp_of(cpu, id, number);
  const batch = zone_batchsize(managed);
  const high_min = Math.max(Math.floor(low / cpu.cpus), 4 * batch);
  yield* INIT_LIST_HEAD(cpu, pcp + per_cpu_pages.list);
  yield* write(cpu, pcp + per_cpu_pages.batch, batch);
  yield* write(cpu, pcp + per_cpu_pages.high, high_min);
  yield* write(cpu, pcp + per_cpu_pages.high_min, high_min);
  yield* write(cpu, pcp + per_cpu_pages.high_max, Math.max(Math.floor((managed >> 3) / cpu.cpus), 4 * batch));
}

/** setup_per_zone_lowmem_reserve: what a zone keeps from requests that could have used a higher one. */
function set_lowmem_reserve(cpu: Cpu, managed: readonly number[]): void {
  for (let low = 0; low < MAX_NR_ZONES - 1; low++) {
    let above = 0;
    for (let high = low + 1; high < MAX_NR_ZONES; high++) {
      above += managed[high] ?? 0;
      const reserve = Math.floor(above / LOWMEM_RESERVE_RATIO);
      local_write(cpu, zone_word(cpu, low) + zone_struct.lowmem_reserve + high, reserve);
    }
  }
}

/** Frees [first, end) as the largest aligned blocks there are. */
function* free_range(cpu: Cpu, zone: Word, first: number, end: number): Steps<void> {
  let frame = first;
  while (frame < end) {
    const pfn = cpu.base_pfn + frame;
    let order = MAX_PAGE_ORDER;
    while ((pfn & ((1 << order) - 1)) !== 0 || frame + (1 << order) > end) order -= 1;
    yield* __free_one_page(cpu, cpu.mem_map + (frame << PAGE_STRUCT_SHIFT), zone, order);
    frame += 1 << order;
  }
}

/** Fills the zones with all frames but the first, which becomes the zero page. */
export function* page_alloc_init(cpu: Cpu): Steps<void> {
  const frames = cpu.layout.frames;
  for (let frame = 0; frame < frames; frame++) {
    local_write(cpu, cpu.mem_map + (frame << PAGE_STRUCT_SHIFT) + page._mapcount, -1);
  }
  const starts: number[] = new Array<number>(MAX_NR_ZONES).fill(0);
  const spans: number[] = new Array<number>(MAX_NR_ZONES).fill(0);
  for (let frame = frames - 1; frame >= 0; frame--) {
    const number = zone_number(cpu, cpu.mem_map + (frame << PAGE_STRUCT_SHIFT));
    starts[number] = frame;
    spans[number]! += 1;
  }
  for (let number = 0; number < MAX_NR_ZONES; number++) {
    yield* init_zone(cpu, number, starts[number]!, spans[number]!, frames);
  }
  set_lowmem_reserve(cpu, spans);
  local_write(cpu, header.zero_page, cpu.mem_map);
  local_write(cpu, cpu.mem_map + page.page_type, PAGE_TYPE_RESERVED);
  local_write(cpu, cpu.mem_map + page._refcount, 1);
  for (let number = 0; number < MAX_NR_ZONES; number++) {
    const zone = zone_word(cpu, number);
    const first = Math.max(1, starts[number]!);
    yield* free_range(cpu, zone, first, starts[number]! + spans[number]!);
    local_write(
      cpu,
      zone + zone_struct.nr_free_pages,
      starts[number]! + spans[number]! - (spans[number]! > 0 ? first : starts[number]!),
    );
  }
  for (let list = 0; list < NR_LRU_LISTS; list++) {
    yield* INIT_LIST_HEAD(cpu, cpu.layout.lruvec + lruvec.lists + list * LIST_HEAD_WORDS);
  }
  for (let id = 0; id < cpu.cpus; id++) local_write(cpu, cpu_area_of(cpu, id) + cpu_area.random, 0);
}
