// The catalogue of kernel scenarios: each a race of the fault path, as small as it can be and still happen.
//
// Data, so that commands, tests, tokens and reports mean the same by a name. Every scenario says which defences it puts
// to the test and which judges speak when one of them is gone.
import { MADV_DONTNEED, MADV_POPULATE_WRITE, MREMAP_FIXED, MREMAP_MAYMOVE } from '../kernel/mm/flags.ts';
import type { Op } from '../kernel/program.ts';
import type { MachineConfig } from '../machine/config.ts';
import { UsageError, indexOfName } from '../machine/usage-error.ts';
import type { KernelSpec } from './kernel-setup.ts';
import type { MemoryModel } from './program.ts';

/** One scenario. */
export interface Scenario {
  readonly name: string;
  /** One line: what it shows. */
  readonly shows: string;
  /** Defences it exercises: the judges of which at least one speaks when the defence is gone. */
  readonly defences: Readonly<Record<string, readonly string[]>>;
  /** The weakest memory model that it needs to show something; sc if left out. */
  readonly memoryModel?: MemoryModel;
  /** Numbers of CPUs that it makes sense for, the default first. */
  readonly cpus: readonly [number, ...number[]];
  readonly setup: readonly Op[];
  readonly programs: (cpus: number) => readonly (readonly Op[])[];
  readonly config?: Partial<MachineConfig>;
  /** See KernelSpec. */
  readonly room?: readonly number[];
}

/** How a scenario is run. */
export interface ScenarioOptions {
  readonly cpus?: number;
  readonly locking?: string;
  readonly lock?: string;
  readonly without?: readonly string[];
}

const PAGE = 4096;
/** The address of the recorded fault that the project starts from. */
const A = 0x75e52fc77000;
/** In another PTE table. */
const B: number = A + 0x400000;
const RW = { prot: 3, flags: 0x32 };

const map = (addr: number, pages: number): Op => ({ op: 'mmap', addr, length: pages * PAGE, ...RW });
const unmap = (addr: number, pages: number): Op => ({ op: 'munmap', addr, length: pages * PAGE });
const store = (addr: number, value: number): Op => ({ op: 'store', addr, value });
const load = (addr: number): Op => ({ op: 'load', addr });
const zap = (addr: number, pages: number): Op => ({ op: 'madvise', addr, length: pages * PAGE, advice: MADV_DONTNEED });

/** One page moves to another address. */
const move = (addr: number, to: number): Op => {
  const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  return { op: 'mremap', addr, old_length: PAGE, new_length: PAGE, flags, new_addr: to };
};

const populate = (addr: number): Op => ({ op: 'madvise', addr, length: PAGE, advice: MADV_POPULATE_WRITE });

/** The monitor of the process is to fill what is missing of so many pages. */
const watch = (addr: number, pages: number): Op => ({ op: 'uffd_register', addr, length: pages * PAGE });
/** It answers so many faults with pages full of 7. */
const serve = (faults: number): Op => ({ op: 'uffd_serve', faults, how: 'copy', value: 7 });
const fill = (addr: number): Op => ({ op: 'uffd_copy', addr, length: PAGE, value: 7 });

const fork = (child: number): Op => ({ op: 'fork', child });
/** Waits for another CPU to have come so far. */
const wait = (value: number): Op => ({ op: 'await', counter: 0, value });
const advance: Op = { op: 'advance', counter: 0 };

/** One program for each CPU. */
const each =
  (program: (cpu: number) => Op[]) =>
  (cpus: number): Op[][] =>
    Array.from({ length: cpus }, (_, cpu) => program(cpu));

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'first-touch',
    shows: 'CPUs store to different words of one page that nobody has touched: one folio wins, no store is lost',
    defences: { ptl: ['I13', 'I2', 'I3'], pte_recheck: ['I13', 'I2', 'I3'] },
    cpus: [2, 3, 4],
    setup: [map(A, 4), store(A + PAGE, 9)],
    programs: each((cpu) => [store(A + 4 * cpu, cpu + 1)]),
  },
  {
    name: 'same-table',
    shows: 'CPUs touch two pages whose PTE table is yet to be made: one table is installed, the other freed',
    defences: { pmd_install_recheck: ['I13', 'I4', 'I5'] },
    cpus: [2, 3],
    // A VMA that has an anon_vma already, two tables long: only the second table is missing.
    setup: [map(A, 1024), store(A + 512 * PAGE, 9), store(A, 9), zap(A, 1), { op: 'retract_page_table', addr: A }],
    programs: each((cpu) => [store(A + cpu * PAGE, cpu + 1)]),
  },
  {
    name: 'read-then-write',
    shows: 'one CPU maps the zero page by a load while another stores: the store is not covered by zeroes',
    defences: { ptl: ['I13', 'I2', 'I3'], pte_recheck: ['I13', 'I2', 'I3'] },
    cpus: [2, 3],
    setup: [map(A, 4), store(A + PAGE, 9)],
    programs: each((cpu) => (cpu === 0 ? [load(A)] : [store(A + 4 * cpu, cpu)])),
  },
  {
    name: 'cow',
    shows: 'CPUs store to a page that maps the zero page: one copy is made and kept',
    defences: { cow_recheck: ['I13', 'I2', 'I3'], ptl: ['I13', 'I2', 'I3'] },
    cpus: [2, 3],
    setup: [map(A, 4), store(A + PAGE, 9), load(A)],
    programs: each((cpu) => [store(A + 4 * cpu, cpu + 1)]),
  },
  {
    name: 'fault-vs-dontneed',
    shows: 'an entry is zapped and filled anew while another CPU replaces what it saw there: the newer page stays',
    defences: { ptl: ['I13', 'I1', 'I2', 'I3'] },
    cpus: [2],
    setup: [map(A, 4), store(A + PAGE, 9), load(A)],
    programs: () => [[store(A, 1)], [zap(A, 1), store(A + 4, 2)]],
  },
  {
    name: 'fault-vs-munmap',
    shows: 'a region is unmapped while another CPU faults in it: nothing is mapped afterwards, nothing leaks',
    defences: { vma_write_lock: ['I12', 'I2', 'I5', 'leak'] },
    cpus: [2],
    setup: [map(A, 4), store(A + PAGE, 9)],
    programs: () => [[store(A, 1)], [unmap(A, 4)]],
  },
  {
    name: 'anon-vma',
    shows: 'first faults in one VMA: it gets one anon_vma, and the reverse map finds every page',
    defences: { anon_vma_recheck: ['I8'] },
    cpus: [2],
    // The tables are there: another region beside it lies in them.
    setup: [map(A, 2), map(A + 8 * PAGE, 1), store(A + 8 * PAGE, 9)],
    programs: each((cpu) => [store(A + cpu * PAGE, cpu + 1)]),
  },
  {
    name: 'oom-reaper',
    shows: 'a dying process is reaped while a thread of it reads: the thread sees its data or SIGBUS, never zeroes',
    defences: { mmf_unstable: ['I13'] },
    cpus: [2],
    setup: [map(A, 1), store(A, 7)],
    programs: () => [[load(A)], [{ op: 'oom_reap' }]],
  },
  {
    name: 'memcg-limit',
    shows: 'CPUs charge the last pages of a memory group: it never stands above its limit, and gets back what failed',
    defences: { memcg_add_then_check: ['I6'], memcg_unwind: ['I6'] },
    cpus: [2],
    setup: [map(A, 4), store(A + 3 * PAGE, 1)],
    // A populate that finds no room fails at once; a fault would be tried again until the process is killed.
    programs: each((cpu) => [populate(A + cpu * PAGE)]),
    config: { memcgLimits: [100_000, 100_000] },
    room: [1, 1000],
  },
  {
    name: 'allocator',
    shows: 'a CPU takes pages while another drains its list: no page has two owners, no free list is torn',
    defences: { pcp_lock: ['I7', 'dmesg', 'I9'], zone_lock: ['I7', 'dmesg', 'I9', 'I13', 'I1'] },
    cpus: [2],
    setup: [map(A, 8), store(A + 7 * PAGE, 1)],
    programs: () => [[store(A, 1)], [{ op: 'drain_pages', cpu: 0 }, { op: 'drain_pages', cpu: 1 }, store(A + PAGE, 2)]],
  },
  {
    name: 'uptodate',
    shows: "a CPU reads through a new PTE: it finds the page's zeroes, not what its frame held before",
    defences: { uptodate_barrier: ['I13'] },
    memoryModel: 'pso',
    cpus: [2],
    setup: [map(A, 4), store(A + PAGE, 9)],
    // Frames come warm from a CPU's list: their first word is what set-up left there.
    programs: () => [[store(A + 4, 1)], [load(A)]],
  },
  {
    name: 'stale-tlb',
    shows: 'a page is given back and gets a new owner while another CPU still has its translation',
    defences: { tlb_flush: ['I13'] },
    cpus: [2],
    setup: [map(A, 4), store(A, 7)],
    programs: () => [
      [store(A, 1), store(A, 2)],
      [zap(A, 1), store(A + PAGE, 5)],
    ],
  },
  {
    name: 'mremap',
    shows: 'a page moves while another CPU stores to it: by its old address nobody reaches it afterwards',
    defences: { mremap_flush: ['I13'] },
    cpus: [2],
    setup: [map(A, 1), store(A, 7), map(B, 1), store(B, 9)],
    programs: () => [
      [store(A, 1), store(A, 2)],
      [move(A, B + PAGE), store(B + PAGE, 5)],
    ],
  },
  {
    name: 'rss',
    shows: 'CPUs count pages of one process under different page-table locks: no count is lost',
    defences: { rss_atomic: ['I3'] },
    cpus: [2, 3],
    setup: [map(A, 4), store(A + PAGE, 1), map(B, 4), store(B + PAGE, 1), map(B + 0x400000, 4), store(B + 0x401000, 1)],
    programs: each((cpu) => [store(A + cpu * 0x400000, cpu + 1)]),
  },
  {
    name: 'retract',
    shows: 'an empty PTE table is taken away while a fault is about to use it: the PTE goes where it can be found',
    defences: { pmd_recheck: ['I13', 'I2'] },
    cpus: [2],
    setup: [map(A, 4), store(A, 9), zap(A, 4)],
    programs: () => [[store(A, 1)], [{ op: 'retract_page_table', addr: A }]],
  },
  {
    name: 'fork-vs-fault',
    shows: 'a process forks while one thread of it copies a page that another still writes to through its TLB',
    defences: { fork_vma_lock: ['I13'] },
    cpus: [3],
    setup: [map(A, 1), store(A, 7)],
    programs: () => [
      [wait(1), fork(1)],
      [wait(1), store(A + 4, 2)],
      [store(A, 1), advance, store(A, 3)],
    ],
  },
  {
    name: 'fork-cow',
    shows: 'after a fork one thread stores to a page that another thread has in its TLB: both see the copy',
    defences: { cow_flush: ['I13'] },
    cpus: [2],
    setup: [map(A, 1), store(A, 7), fork(1)],
    programs: () => [
      [load(A), wait(1), load(A)],
      [store(A, 1), advance],
    ],
  },
  {
    name: 'soft-dirty',
    shows: 'soft-dirty bits are cleared while another CPU stores: what it stores afterwards is told',
    defences: { soft_dirty_flush: ['soft-dirty'] },
    cpus: [2],
    setup: [map(A, 1), store(A, 7)],
    programs: () => [
      [store(A, 1), wait(1), store(A, 2)],
      [{ op: 'clear_refs' }, advance],
    ],
  },
  {
    name: 'userfault',
    shows: 'a thread faults on a page that a monitor is to fill: it waits for it, and finds what the monitor put there',
    defences: { uffd_missing: ['I13'] },
    cpus: [2, 3],
    setup: [map(A, 4), store(A + PAGE, 9), watch(A, 4)],
    programs: (cpus) => [...each(() => [load(A)])(cpus - 1), [serve(cpus - 1)]],
  },
  {
    name: 'userfault-vs-copy',
    shows: 'a monitor fills a page while another CPU faults on it: the fault ends, whichever comes first',
    defences: { uffd_missing: ['I13'], uffd_must_wait: ['deadlock'] },
    cpus: [2],
    setup: [map(A, 4), store(A + PAGE, 9), watch(A, 4)],
    programs: () => [[store(A, 1), load(A + 4)], [fill(A)]],
  },
];

/**
 * Scenarios that teach: no defence is put to the test by them. They explore and replay as the others do, by name, and
 * are no part of what tests and tables run through.
 */
export const LESSONS: readonly Scenario[] = [
  {
    name: 'one-cpu',
    shows: 'one CPU stores to a page that nobody has touched: there is one order of its steps, and nothing to lose',
    defences: {},
    cpus: [1],
    setup: [map(A, 4), store(A + PAGE, 9)],
    programs: () => [[store(A, 1)]],
  },
  {
    name: 'two-readers',
    shows: 'CPUs load from one page that nobody has touched: each may map the zero page, and no folio is made',
    defences: {},
    cpus: [2, 3],
    setup: [map(A, 4), store(A + PAGE, 9)],
    programs: each(() => [load(A)]),
  },
  {
    name: 'lock-inversion',
    shows: 'CPUs take two page-table locks in opposite orders, with nothing held around them: they can stop each other',
    defences: {},
    cpus: [2],
    setup: [map(A, 4), store(A, 9), map(B, 4), store(B, 9)],
    programs: () => [
      [{ op: 'lock_two_tables', first: A, second: B }],
      [{ op: 'lock_two_tables', first: B, second: A }],
    ],
  },
];

/** Defences that a locking design does not need in these scenarios, because something else of it closes the race. */
export const NEEDLESS: Readonly<Record<string, readonly string[]>> = {
  split: [],
  // All PTEs of the process are behind one lock, and its counters with them.
  mm: ['rss_atomic'],
  // The compare-and-exchange is recheck and full barrier in one, and whoever retracts a table keeps faults out.
  cmpxchg: ['ptl', 'pte_recheck', 'cow_recheck', 'pmd_recheck', 'uptodate_barrier'],
};

/** The scenario of that name. Throws a UsageError that names those there are. */
export function scenarioNamed(name: string): Scenario {
  const all = [...SCENARIOS, ...LESSONS];
  return all[
    indexOfName(
      'Scenario',
      name,
      all.map((scenario) => scenario.name),
    )
  ]!;
}

/** What the explorer runs for a scenario under these options. Throws a UsageError for options that are not possible. */
export function specOf(scenario: Scenario, options: ScenarioOptions = {}): KernelSpec {
  const cpus = options.cpus ?? scenario.cpus[0];
  if (!scenario.cpus.includes(cpus)) {
    throw new UsageError(
      `Scenario ${scenario.name} is not for ${String(cpus)} CPUs: use --cpus ${scenario.cpus.join(' or ')}.`,
    );
  }
  const { locking = 'split', lock = 'qspinlock', without = [] } = options;
  const spec: KernelSpec = {
    name: scenario.name,
    config: { ...scenario.config, locking, lock, without },
    setup: scenario.setup,
    programs: scenario.programs(cpus),
  };
  return {
    ...spec,
    ...(scenario.room === undefined ? {} : { room: scenario.room }),
  };
}
