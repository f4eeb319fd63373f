// What a fault's time is made of: the profile of a CPU that runs page_fault1's loop, summed by parts of the machine.
import type { SelfTime } from '../machine/profile.ts';

/** One part of the machine, and the sources that are its. */
interface Part {
  readonly name: string;
  /** Paths in the kernel, without extension. */
  readonly sources: readonly string[];
}

const PARTS: readonly Part[] = [
  { name: 'the fault path', sources: ['arch/x86/fault', 'mm/memory', 'mm/anon', 'mm/vmf', 'mm/wp', 'mm/design'] },
  { name: 'page tables', sources: ['arch/x86/pgtable', 'mm/pgtable-generic', 'mm/pgalloc'] },
  { name: 'page allocator', sources: ['mm/page_alloc', 'mm/pcp', 'mm/buddy'] },
  {
    name: 'reverse map, LRU, accounts',
    sources: ['mm/rmap', 'mm/swap', 'mm/memcontrol', 'mm/page_counter', 'mm/percpu_counter', 'counters', 'mm/slab'],
  },
  { name: 'regions and their locks', sources: ['mm/vma', 'mm/maple', 'mm/mmap', 'mm/mmap_lock', 'locking/rwsem'] },
  { name: 'unmapping', sources: ['mm/zap', 'mm/mmu_gather', 'arch/x86/tlbflush', 'mm/madvise'] },
  { name: 'spinlocks, RCU, waiting', sources: ['locking/spinlock', 'locking/rcu', 'smp'] },
  { name: 'the CPU: walks, TLB, stores', sources: ['arch/x86/mmu', 'arch/x86/tlb', 'program'] },
  { name: 'words of shared memory', sources: ['memory', 'list', 'cpu', 'layout'] },
];
const ZEROING = 'zeroing pages';
const REST = 'all else';

/** A part's share of a profile. */
export interface PartTime {
  readonly part: string;
  /** Of all samples, 0 to 1. */
  readonly share: number;
  /** Nanoseconds a fault. */
  readonly nsPerFault: number;
}

function partOf({ name, url }: SelfTime): string {
  // The one function of the one WebAssembly module is its memory.fill.
  if (name.startsWith('wasm-')) return ZEROING;
  const [, source = ''] = /kernel-direct\/(.+)\.js$/.exec(url) ?? [];
  return PARTS.find(({ sources }) => sources.includes(source))?.name ?? REST;
}

/** What `faults` faults were spent on, the largest part first. */
export function faultParts(times: readonly SelfTime[], faults: number): PartTime[] {
  const total = times.reduce((sum, { microseconds }) => sum + microseconds, 0);
  const sums = new Map<string, number>();
  for (const time of times) {
    const part = partOf(time);
    sums.set(part, (sums.get(part) ?? 0) + time.microseconds);
  }
  return [...sums]
    .map(([part, microseconds]) => ({ part, share: microseconds / total, nsPerFault: (microseconds * 1000) / faults }))
    .sort((a, b) => b.nsPerFault - a.nsPerFault);
}
