// The TLB of each CPU, and shooting down entries in the others' (arch/x86/mm/tlb.c).
//
// A TLB may go on using a translation after the page table has changed. Whoever removes or weakens an entry interrupts
// every CPU that runs the mm and waits for the answers; only then may the page be freed.
import type { Cpu } from '../../cpu.ts';
import { count_vm_event, cpu_area_of } from '../../cpu.ts';
import { D_TLB_FLUSH, defended } from '../../defences.ts';
import {
  IPI_SLOT_WORDS,
  NR_TLB_LOCAL_FLUSH,
  NR_TLB_REMOTE_FLUSH,
  TLB_ENTRIES,
  TLB_ENTRY_WORDS,
  ipi_slot,
  mm_struct,
} from '../../layout.ts';
import {
  READ_ONCE,
  atomic_fetch_and,
  atomic_fetch_or,
  local_write_long,
  local_write,
  smp_store_release,
} from '../../memory.ts';
import type { Steps, Word } from '../../memory.ts';
import { cpu_online, raise_interrupt, wait_for_answer } from '../../smp.ts';
import {
  TLB_FLUSH_ALL_PAGES,
  TLB_FLUSH_ON_TASK_SWITCH,
  TLB_LOCAL_MM_SHOOTDOWN,
  TLB_REMOTE_SEND_IPI,
  trace_tlb_flush,
} from '../../trace.ts';
import { PAGE_SIZE } from './pgtable.ts';
import { flush_tlb_local, pages_flushed } from './tlbflush.ts';

/** An end of a range that means "everything". */
export const TLB_FLUSH_ALL = 0x1000000000000;

/** Where CPU `target` finds a request of CPU `from`. */
function request_slot(cpu: Cpu, target: number, from: number): Word {
  return cpu_area_of(cpu, target) + cpu.layout.ipi_slots + from * IPI_SLOT_WORDS;
}

/** Remembers a translation in this CPU's TLB. */
export function tlb_insert(cpu: Cpu, page_number: number, lo: number, hi: number): void {
  const slot = cpu.tlb + (page_number & (TLB_ENTRIES - 1)) * TLB_ENTRY_WORDS;
  local_write_long(cpu, slot, page_number + 1);
  local_write(cpu, slot + 2, lo);
  local_write(cpu, slot + 3, hi);
}

/** The mm's cpumask word and bit of a CPU. */
function cpumask_word(mm: Word, id: number): Word {
  return mm + mm_struct.cpu_bitmap + (id >> 5);
}

/** This CPU starts to run in the mm: from now on it may hold its translations. */
export function* cpumask_set_cpu(cpu: Cpu, mm: Word): Steps<void> {
  yield* atomic_fetch_or(cpu, cpumask_word(mm, cpu.id), 1 << (cpu.id & 31));
}

/** This CPU leaves the mm: it holds no translation of it that it would use. */
export function* cpumask_clear_cpu(cpu: Cpu, mm: Word): Steps<void> {
  yield* atomic_fetch_and(cpu, cpumask_word(mm, cpu.id), ~(1 << (cpu.id & 31)));
}

/**
 * switch_mm_irqs_off: this CPU leaves the tables of `prev` for those of `next`. Its TLB does not say whose translations it
 * has (no PCID), so all go; those of `next` come in only after the CPU can be asked to drop them.
 */
export function* switch_mm(cpu: Cpu, prev: Word, next: Word): Steps<void> {
  yield* cpumask_clear_cpu(cpu, prev);
  yield* cpumask_set_cpu(cpu, next);
  flush_tlb_local(cpu, 0, TLB_FLUSH_ALL);
  if (cpu.tracing) trace_tlb_flush(cpu, TLB_FLUSH_ON_TASK_SWITCH, TLB_FLUSH_ALL_PAGES);
}

/** flush_tlb_mm: the whole address space. */
export function* flush_tlb_mm(cpu: Cpu, mm: Word): Steps<void> {
  yield* flush_tlb_mm_range(cpu, mm, 0, TLB_FLUSH_ALL);
}

/** flush_tlb_mm_range: no CPU uses a translation of [start, end) from before this call once it returns. */
export function* flush_tlb_mm_range(cpu: Cpu, mm: Word, start: number, end: number): Steps<void> {
  if (!defended(cpu, D_TLB_FLUSH)) return;
  flush_tlb_local(cpu, start, end);
  count_vm_event(cpu, NR_TLB_LOCAL_FLUSH);
  if (cpu.tracing) trace_tlb_flush(cpu, TLB_LOCAL_MM_SHOOTDOWN, pages_flushed(start, end));
  let asked = false;
  for (let target = 0; target < cpu.cpus; target++) {
    if (target === cpu.id) continue;
    const mask = yield* READ_ONCE(cpu, cpumask_word(mm, target));
    if ((mask & (1 << (target & 31))) === 0 || !cpu_online(cpu, target)) continue;
    const slot = request_slot(cpu, target, cpu.id);
    local_write(cpu, slot + ipi_slot.mm, mm);
    local_write_long(cpu, slot + ipi_slot.start, start);
    local_write_long(cpu, slot + ipi_slot.end, end);
    yield* smp_store_release(cpu, slot + ipi_slot.state, 1);
    yield* raise_interrupt(cpu, target);
    asked = true;
  }
  if (!asked) return;
  count_vm_event(cpu, NR_TLB_REMOTE_FLUSH);
  if (cpu.tracing) trace_tlb_flush(cpu, TLB_REMOTE_SEND_IPI, pages_flushed(start, end));
  for (let target = 0; target < cpu.cpus; target++) {
    if (target !== cpu.id) yield* wait_for_answer(cpu, request_slot(cpu, target, cpu.id), target);
  }
}

/** flush_tlb_page. */
export function* flush_tlb_page(cpu: Cpu, mm: Word, address: number): Steps<void> {
  yield* flush_tlb_mm_range(cpu, mm, address, address + PAGE_SIZE);
}
