// The kernel log: a ring of records in the machine, and the text that Linux would print for each.
import type { Cpu } from './cpu.ts';
import { DMESG_RECORDS, DMESG_RECORD_WORDS, header } from './layout.ts';
import { control_add, control_write, local_write_long } from './memory.ts';

export const PRINTK_BAD_RSS = 0;
export const PRINTK_BAD_PGTABLES_BYTES = 1;
export const PRINTK_BAD_PAGE_MAP = 2;
export const PRINTK_BAD_PAGE_STATE = 3;
export const PRINTK_BAD_PMD = 4;
export const PRINTK_COUNTER_UNDERFLOW = 5;
export const PRINTK_LIST_CORRUPTION = 6;
export const PRINTK_OOM_KILL = 7;
export const PRINTK_ALLOCATION_FAILURE = 8;
export const PRINTK_SLAB_EXHAUSTED = 9;

/** Why a page is bad, by the number in a BAD_PAGE_STATE record. */
const BAD_PAGE_REASONS: readonly string[] = [
  'nonzero mapcount',
  'non-NULL mapping',
  'nonzero _refcount',
  'page still charged to cgroup',
  'PAGE_FLAGS_CHECK_AT_FREE flag(s) set',
];
export const BAD_MAPCOUNT = 0;
export const BAD_MAPPING = 1;
export const BAD_REFCOUNT = 2;
export const BAD_MEMCG = 3;
export const BAD_FLAGS = 4;

const MM_COUNTER_NAMES: readonly string[] = ['MM_FILEPAGES', 'MM_ANONPAGES', 'MM_SWAPENTS', 'MM_SHMEMPAGES'];
const OBJECT_CACHE_NAMES: readonly string[] = [
  'mm_struct',
  'vm_area_struct',
  'anon_vma',
  'anon_vma_chain',
  'mem_cgroup',
  'maple_node',
];

/** Offset of the values in a record. */
export const DMESG_VALUES = 2;
const MAX_VALUES = 6;

/** Which messages are the kernel's word for something broken; the rest only tell. */
export const PRINTK_IS_BUG: readonly boolean[] = [true, true, true, true, true, true, true, false, false, false];

/** printk: appends a record to the ring; the oldest goes. */
export function printk(cpu: Cpu, message: number, ...values: readonly number[]): void {
  const n = control_add(cpu, header.dmesg_next, 1);
  const record = cpu.layout.dmesg + (n % DMESG_RECORDS) * DMESG_RECORD_WORDS;
  for (let i = 0; i < MAX_VALUES; i++) local_write_long(cpu, record + DMESG_VALUES + i * 2, values[i] ?? 0);
  control_write(cpu, record + 1, cpu.id);
  control_write(cpu, record, message + 1);
}

function hex(value: number | undefined, digits = 0): string {
  return (value ?? 0).toString(16).padStart(digits, '0');
}

function entry_hex(hi: number | undefined, lo: number | undefined): string {
  return hex((hi ?? 0) >>> 0, 8) + hex((lo ?? 0) >>> 0, 8);
}

/** The text of a record, in the kernel's format. */
export function format_printk(message: number, values: readonly number[]): string {
  const [a, b, c, d, e] = values;
  switch (message) {
    case PRINTK_BAD_RSS:
      return `BUG: Bad rss-counter state mm:${hex(a, 8)} type:${MM_COUNTER_NAMES[b ?? 0] ?? '?'} val:${String(c)}`;
    case PRINTK_BAD_PGTABLES_BYTES:
      return `BUG: non-zero pgtables_bytes on freeing mm: ${String(a)}`;
    case PRINTK_BAD_PAGE_MAP:
      return `BUG: Bad page map in process pagerace  pte:${entry_hex(a, b)} addr:${hex(c)}`;
    case PRINTK_BAD_PAGE_STATE:
      return `BUG: Bad page state in process pagerace  pfn:${hex(a, 5)} refcount:${String(c)} mapcount:${String((d ?? 0) + 1)} mapping:${hex(e)}: ${BAD_PAGE_REASONS[b ?? 0] ?? '?'}`;
    case PRINTK_BAD_PMD:
      return `mm/pgtable-generic.c: bad pmd ${hex(a, 8)}(${entry_hex(b, c)})`;
    case PRINTK_COUNTER_UNDERFLOW:
      return `page_counter underflow: ${String(a)} nr_pages=${String(b)}`;
    case PRINTK_LIST_CORRUPTION:
      return `list_del corruption. entry:${hex(a)} prev:${hex(b)} next:${hex(c)}`;
    case PRINTK_OOM_KILL:
      return `Out of memory: Killed process (pagerace) on CPU ${String(a)}`;
    case PRINTK_ALLOCATION_FAILURE:
      return `page allocation failure: order:${String(a)}, mode:0x${hex(b)}`;
    case PRINTK_SLAB_EXHAUSTED:
      return `SLUB: Unable to allocate memory on node -1, cache: ${OBJECT_CACHE_NAMES[a ?? 0] ?? '?'}`;
    default:
      return `unknown message ${String(message)}`;
  }
}
