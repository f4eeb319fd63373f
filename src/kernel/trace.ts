// Tracepoints: what Linux's tracepoints of these names say, written down by each CPU in a ring of its own.
//
// Nobody but the CPU writes there, and nobody reads it before the machine is at rest, so that tracing is no step: no
// schedule changes for it. When the ring is full the oldest events go, as in tracefs. A caller asks cpu.tracing first,
// which is all that a machine without tracing pays. Direct execution has time; a stepped machine's events are all at 0.
import type { Cpu } from './cpu.ts';
import { page_to_pfn } from './cpu.ts';
import { PG_anon_exclusive, PG_swapbacked, cpu_area, mem_cgroup, mm_struct, page, percpu_counter } from './layout.ts';
import { STEPPED, control_read, local_read, local_read_long, local_write, local_write_long } from './memory.ts';
import type { Word } from './memory.ts';
import { PAGE_MAPPING_ANON } from './mm/flags.ts';
import { TRACE_EVENT_SHIFT, trace_buffer, trace_event } from './trace-layout.ts';

/** The events by their TRACE_* numbers. The last is none of Linux's: where a fault ends, for those who draw it. */
export const TRACE_EVENTS = [
  'page_fault_user',
  'mm_page_alloc',
  'mm_page_free',
  'mm_page_alloc_zone_locked',
  'mm_page_pcpu_drain',
  'rss_stat',
  'mm_lru_insertion',
  'mmap_lock_start_locking',
  'mmap_lock_acquire_returned',
  'mmap_lock_released',
  'contention_begin',
  'contention_end',
  'tlb_flush',
  'page_fault_end',
] as const;
const TRACE_PAGE_FAULT_USER = 0;
const TRACE_MM_PAGE_ALLOC = 1;
const TRACE_MM_PAGE_FREE = 2;
const TRACE_MM_PAGE_ALLOC_ZONE_LOCKED = 3;
const TRACE_MM_PAGE_PCPU_DRAIN = 4;
const TRACE_RSS_STAT = 5;
const TRACE_MM_LRU_INSERTION = 6;
const TRACE_MMAP_LOCK_START_LOCKING = 7;
const TRACE_MMAP_LOCK_ACQUIRE_RETURNED = 8;
const TRACE_MMAP_LOCK_RELEASED = 9;
const TRACE_CONTENTION_BEGIN = 10;
const TRACE_CONTENTION_END = 11;
const TRACE_TLB_FLUSH = 12;
const TRACE_PAGE_FAULT_END = 13;
/** Beside an event's number, which has 8 bits: the CPU answered no interrupts, and the number of its process above. */
export const TRACE_IRQS_OFF = 0x100;
export const TRACE_PROCESS_SHIFT = 16;

/** LCB_F_*: what contention_begin says of a lock. */
export const LCB_F_SPIN = 1;
export const LCB_F_READ = 2;
export const LCB_F_WRITE = 4;

/** PAGEMAP_*: what mm_lru_insertion says of a folio; PG_anon_exclusive is the bit of PG_mappedtodisk. */
const PAGEMAP_MAPPED = 1;
const PAGEMAP_ANONYMOUS = 2;
const PAGEMAP_FILE = 4;
const PAGEMAP_SWAPBACKED = 0x10;
const PAGEMAP_MAPPEDDISK = 0x20;

/** Pages of a tlb_flush that leaves nothing. */
export const TLB_FLUSH_ALL_PAGES = -1;
/** Reasons of tlb_flush. */
export const TLB_FLUSH_ON_TASK_SWITCH = 0;
export const TLB_REMOTE_SHOOTDOWN = 1;
export const TLB_LOCAL_MM_SHOOTDOWN = 3;
export const TLB_REMOTE_SEND_IPI = 4;

/** Begins an event: the word of its fields. */
function reserve(cpu: Cpu, what: number): Word {
  const written = local_read_long(cpu, cpu.trace + trace_buffer.written);
  local_write_long(cpu, cpu.trace + trace_buffer.written, written + 1);
  const slot = written % cpu.trace_events;
  const at = cpu.trace + trace_buffer.events + (slot << TRACE_EVENT_SHIFT);
  const process = local_read(cpu, cpu.area + cpu_area.current_process) << TRACE_PROCESS_SHIFT;
  local_write(cpu, at + trace_event.what, what | process | (cpu.irqs_off > 0 ? TRACE_IRQS_OFF : 0));
  local_write(cpu, at + trace_event.op, cpu.op);
  local_write_long(cpu, at + trace_event.time, STEPPED ? 0 : Math.round(performance.now() * 1e6 + cpu.clock_offset));
  return at + trace_event.fields;
}

/** An event with up to four numbers of 32 bits. */
function write_event(cpu: Cpu, what: number, a: number, b = 0, c = 0, d = 0): void {
  const fields = reserve(cpu, what);
  local_write(cpu, fields, a);
  local_write(cpu, fields + 1, b);
  local_write(cpu, fields + 2, c);
  local_write(cpu, fields + 3, d);
}

/** Fields: the address (long), the error code. */
export function trace_page_fault_user(cpu: Cpu, address: number): void {
  const fields = reserve(cpu, TRACE_PAGE_FAULT_USER);
  local_write_long(cpu, fields, address);
  local_write(cpu, fields + 2, cpu.error_code);
}

/** Fields: the signal that the fault ended with, 0 for none. */
export function trace_page_fault_end(cpu: Cpu, signal: number): void {
  write_event(cpu, TRACE_PAGE_FAULT_END, signal);
}

/** Fields: pfn (-1: there was no page), order, gfp flags. */
export function trace_mm_page_alloc(cpu: Cpu, page_word: Word, order: number, gfp: number): void {
  write_event(cpu, TRACE_MM_PAGE_ALLOC, page_word === 0 ? -1 : page_to_pfn(cpu, page_word), order, gfp);
}

/** Fields: pfn, order. */
export function trace_mm_page_free(cpu: Cpu, page_word: Word): void {
  const order = Math.max(0, local_read(cpu, page_word + page.allocated) - 1);
  write_event(cpu, TRACE_MM_PAGE_FREE, page_to_pfn(cpu, page_word), order);
}

/** Fields: pfn, order. */
export function trace_mm_page_alloc_zone_locked(cpu: Cpu, page_word: Word, order: number): void {
  write_event(cpu, TRACE_MM_PAGE_ALLOC_ZONE_LOCKED, page_to_pfn(cpu, page_word), order);
}

/** Fields: pfn. */
export function trace_mm_page_pcpu_drain(cpu: Cpu, page_word: Word): void {
  write_event(cpu, TRACE_MM_PAGE_PCPU_DRAIN, page_to_pfn(cpu, page_word));
}

/** Fields: number of the mm, whether it is the CPU's own, the kind of page, pages in all, as a sum over all CPUs. */
export function trace_rss_stat(cpu: Cpu, mm: Word, member: number): void {
  const counter = mm + mm_struct.rss_stat + member * cpu.layout.percpu_counter_words;
  let sum = control_read(cpu, counter + percpu_counter.count);
  for (let id = 0; id < cpu.cpus; id++) sum += control_read(cpu, counter + percpu_counter.counters + id);
  const mine = local_read(cpu, cpu.area + cpu_area.current_mm) === mm ? 1 : 0;
  write_event(cpu, TRACE_RSS_STAT, local_read(cpu, mm + mm_struct.id), mine, member, Math.max(0, sum));
}

/** Fields: pfn, the list, PAGEMAP_*. */
export function trace_mm_lru_insertion(cpu: Cpu, folio: Word, lru: number): void {
  const flags = control_read(cpu, folio + page.flags);
  const mapped = control_read(cpu, folio + page._mapcount) >= 0 ? PAGEMAP_MAPPED : 0;
  const anon = (control_read(cpu, folio + page.mapping) & PAGE_MAPPING_ANON) !== 0 ? PAGEMAP_ANONYMOUS : PAGEMAP_FILE;
  const swapbacked = (flags & (1 << PG_swapbacked)) !== 0 ? PAGEMAP_SWAPBACKED : 0;
  const disk = (flags & (1 << PG_anon_exclusive)) !== 0 ? PAGEMAP_MAPPEDDISK : 0;
  write_event(cpu, TRACE_MM_LRU_INSERTION, page_to_pfn(cpu, folio), lru, mapped | anon | swapbacked | disk);
}

function write_mmap_lock_event(cpu: Cpu, what: number, mm: Word, write: boolean, success: boolean): void {
  const memcg = control_read(cpu, mm + mm_struct.memcg);
  const id = memcg === 0 ? 0 : local_read(cpu, memcg + mem_cgroup.id);
  write_event(cpu, what, mm, id, write ? 1 : 0, success ? 1 : 0);
}

/** Fields: the mm, number of its memory group, whether it is for write. */
export function trace_mmap_lock_start_locking(cpu: Cpu, mm: Word, write: boolean): void {
  write_mmap_lock_event(cpu, TRACE_MMAP_LOCK_START_LOCKING, mm, write, true);
}

/** Fields: as trace_mmap_lock_start_locking, and whether the lock was taken. */
export function trace_mmap_lock_acquire_returned(cpu: Cpu, mm: Word, write: boolean, success: boolean): void {
  write_mmap_lock_event(cpu, TRACE_MMAP_LOCK_ACQUIRE_RETURNED, mm, write, success);
}

/** Fields: as trace_mmap_lock_start_locking. */
export function trace_mmap_lock_released(cpu: Cpu, mm: Word, write: boolean): void {
  write_mmap_lock_event(cpu, TRACE_MMAP_LOCK_RELEASED, mm, write, true);
}

/** Fields: the lock's word, LCB_F_*. As under paravirt, where whoever finds the lock taken queues for it. */
export function trace_contention_begin(cpu: Cpu, lock: Word, flags: number): void {
  write_event(cpu, TRACE_CONTENTION_BEGIN, lock, flags);
}

/** Fields: the lock's word. */
export function trace_contention_end(cpu: Cpu, lock: Word): void {
  write_event(cpu, TRACE_CONTENTION_END, lock);
}

/** Fields: the reason, pages (-1: all). */
export function trace_tlb_flush(cpu: Cpu, reason: number, pages: number): void {
  write_event(cpu, TRACE_TLB_FLUSH, reason, pages);
}
