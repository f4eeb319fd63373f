// mmu_gather: pages on their way out, kept until no TLB can reach them (mm/mmu_gather.c).
//
// Unmapping clears entries and puts the pages here; the flush comes next; only then are the pages freed. Freed any
// earlier, another CPU could go on writing to a page that has a new owner. Each CPU has one gather, in its own area.
import type { Cpu } from '../cpu.ts';
import { TLB_FLUSH_ALL, flush_tlb_mm_range } from '../arch/x86/tlb.ts';
import { MMU_GATHER_PAGES } from '../layout.ts';
import { local_read, local_read_long, local_write, local_write_long } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { release_pages } from './swap.ts';

/** struct mmu_gather, at cpu.area + layout.gather. */
const mmu_gather = {
  mm: 0,
  nr: 1,
  /** long: range whose entries were cleared since the last flush. */
  start: 2,
  /** long */
  end: 4,
  pages: 16,
} as const;

/** Pages released with one hold of the LRU lock (Linux: the size of a gather batch). */
const RELEASE_PAGES = 510;

function gather(cpu: Cpu): Word {
  return cpu.area + cpu.layout.gather;
}

function reset_range(cpu: Cpu, tlb: Word): void {
  local_write_long(cpu, tlb + mmu_gather.start, TLB_FLUSH_ALL);
  local_write_long(cpu, tlb + mmu_gather.end, 0);
}

/** tlb_gather_mmu: begins to collect. */
export function tlb_gather_mmu(cpu: Cpu, mm: Word): void {
  const tlb = gather(cpu);
  local_write(cpu, tlb + mmu_gather.mm, mm);
  local_write(cpu, tlb + mmu_gather.nr, 0);
  reset_range(cpu, tlb);
}

/** tlb_remove_tlb_entry: an entry that maps [start, end) was cleared, so TLBs must be flushed for it. */
export function tlb_flush_range(cpu: Cpu, start: number, end: number): void {
  const tlb = gather(cpu);
  if (start < local_read_long(cpu, tlb + mmu_gather.start)) local_write_long(cpu, tlb + mmu_gather.start, start);
  if (end > local_read_long(cpu, tlb + mmu_gather.end)) local_write_long(cpu, tlb + mmu_gather.end, end);
}

/** tlb_remove_page: collects a page. True when the gather is full and must be flushed before the next. */
export function tlb_remove_page(cpu: Cpu, page: Word): boolean {
  const tlb = gather(cpu);
  const nr = local_read(cpu, tlb + mmu_gather.nr);
  local_write(cpu, tlb + mmu_gather.pages + nr, page);
  local_write(cpu, tlb + mmu_gather.nr, nr + 1);
  return nr + 1 >= MMU_GATHER_PAGES;
}

/** tlb_flush_mmu: flushes, then frees what was collected. */
export function* tlb_flush_mmu(cpu: Cpu): Steps<void> {
  const tlb = gather(cpu);
  const start = local_read_long(cpu, tlb + mmu_gather.start);
  const end = local_read_long(cpu, tlb + mmu_gather.end);
  if (start < end) yield* flush_tlb_mm_range(cpu, local_read(cpu, tlb + mmu_gather.mm), start, end);
  reset_range(cpu, tlb);
  const nr = local_read(cpu, tlb + mmu_gather.nr);
  if (nr === 0) return;
  local_write(cpu, tlb + mmu_gather.nr, 0);
  // In pieces, so that the LRU lock is not held for long.
  for (let from = 0; from < nr; from += RELEASE_PAGES) {
    yield* release_pages(cpu, tlb + mmu_gather.pages + from, Math.min(RELEASE_PAGES, nr - from));
  }
}

/** tlb_finish_mmu. */
export function* tlb_finish_mmu(cpu: Cpu): Steps<void> {
  yield* tlb_flush_mmu(cpu);
}
