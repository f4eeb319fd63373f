// Why an event stands in one of two traces alone: what is known to differ between a kernel and the replay of its faults.
import type { TraceLine } from './kernel-trace.ts';

const FILE = 'files and special mappings are not replayed';
const LARGE = 'a large folio or huge page (order > 0) took faults of its pages';
const LISTS = 'per-CPU lists and batches were in another state';
const LATE = 'pages that wait in a batch for the LRU lists are freed when it drains, in newer kernels after munmap';
const OWN = 'pages that the kernel allocated for itself (slabs, page tables of exec)';
const LOCK = 'the kernel took the VMA lock, or took mmap_lock for calls that are not replayed';
const RACE = 'threads wait for each other when they happen to meet';
const TLB = 'whose TLB is flushed, and how far, is up to where threads run';
const EXIT = 'the end of the process is not traced in a replay';
const SYSCALL = 'a fault that the kernel took in a system call, which the program takes in a replay';

/** Where an event stands that only one trace has. */
export interface Place {
  /** It is the kernel's. */
  readonly kernels: boolean;
  /** Of a fault that only one trace has. */
  readonly lone: boolean;
  /** After the thread's last fault. */
  readonly last: boolean;
  /** Of a fault in a page that the kernel had in a large folio already. */
  readonly large: boolean;
  /** Of a fault that was not the program's own on the kernel. */
  readonly inKernel: boolean;
  /** Both free pages there, ours no more than a batch of them. */
  readonly late: boolean;
}

/** Why one trace alone has an event; undefined where nothing known explains it. */
export function reasonOf({ name, fields }: TraceLine, place: Place): string | undefined {
  const { kernels, lone, last, large, inKernel, late } = place;
  if (inKernel) return SYSCALL;
  if (kernels && name === 'rss_stat' && !fields.includes('MM_ANONPAGES')) return FILE;
  if (kernels && name === 'mm_page_alloc' && /order=[1-9].*(MOVABLE|TRANSHUGE)/.test(fields)) return LARGE;
  if (name === 'mm_page_alloc_zone_locked' || name === 'mm_page_pcpu_drain' || name === 'mm_lru_insertion')
    return LISTS;
  if (name.startsWith('mmap_lock')) return LOCK;
  if (name.startsWith('contention')) return RACE;
  if (name === 'tlb_flush') return TLB;
  if (large) return LARGE;
  if (kernels && lone) return FILE;
  if (kernels && last) return EXIT;
  if (name === 'mm_page_alloc' && !fields.includes('MOVABLE')) return OWN;
  if (kernels && name === 'mm_page_free') return OWN;
  return late && name === 'mm_page_free' ? LATE : undefined;
}
