// The receiving end of a TLB shootdown, apart from tlb.ts because waiting CPUs must answer it.
import type { Cpu } from '../../cpu.ts';
import { count_vm_event } from '../../cpu.ts';
import { NR_TLB_REMOTE_FLUSH_RECEIVED, TLB_ENTRIES, TLB_ENTRY_WORDS, cpu_area, ipi_slot } from '../../layout.ts';
import { local_read, local_read_long, local_write_long } from '../../memory.ts';
import type { Word } from '../../memory.ts';
import { TLB_FLUSH_ALL_PAGES, TLB_REMOTE_SHOOTDOWN, trace_tlb_flush } from '../../trace.ts';

/** A range of more pages than this flushes the whole TLB (tlb_single_page_flush_ceiling). */
const FLUSH_CEILING_PAGES = 33;

/** Drops this CPU's translations of [start, end). */
export function flush_tlb_local(cpu: Cpu, start: number, end: number): void {
  const first = Math.floor(start / 4096);
  const pages = Math.ceil(end / 4096) - first;
  if (pages > FLUSH_CEILING_PAGES) {
    for (let i = 0; i < TLB_ENTRIES; i++) local_write_long(cpu, cpu.tlb + i * TLB_ENTRY_WORDS, 0);
    return;
  }
  for (let n = first; n < first + pages; n++) {
    const entry = cpu.tlb + (n & (TLB_ENTRIES - 1)) * TLB_ENTRY_WORDS;
    if (local_read_long(cpu, entry) === n + 1) local_write_long(cpu, entry, 0);
  }
}

/** How many pages a flush of [start, end) is of; TLB_FLUSH_ALL_PAGES where all go. */
export function pages_flushed(start: number, end: number): number {
  const pages = Math.ceil(end / 4096) - Math.floor(start / 4096);
  return pages > FLUSH_CEILING_PAGES ? TLB_FLUSH_ALL_PAGES : pages;
}

/** flush_tlb_func: does what the request in `slot` asks of this CPU; nothing, if it has left that mm meanwhile. */
export function flush_tlb_func(cpu: Cpu, slot: Word): void {
  count_vm_event(cpu, NR_TLB_REMOTE_FLUSH_RECEIVED);
  if (local_read(cpu, slot + ipi_slot.mm) !== local_read(cpu, cpu.area + cpu_area.current_mm)) return;
  const start = local_read_long(cpu, slot + ipi_slot.start);
  const end = local_read_long(cpu, slot + ipi_slot.end);
  flush_tlb_local(cpu, start, end);
  if (cpu.tracing) trace_tlb_flush(cpu, TLB_REMOTE_SHOOTDOWN, pages_flushed(start, end));
}
