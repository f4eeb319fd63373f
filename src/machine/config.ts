// What a machine can be configured to be, and the words of the header that say so.
import { availableParallelism } from 'node:os';
import { DEFENCES } from '../kernel/defences.ts';
import { MAGIC, MAX_CPUS, NR_PROCESSES, RCU_MAPLE_NODES, VERSION, header, layout } from '../kernel/layout.ts';
import type { Layout } from '../kernel/layout.ts';
import { LOCK_ALGORITHMS } from '../kernel/locking/spinlock.ts';
import { LOCKING_DESIGNS, LOCKING_OWN } from '../kernel/mm/flags.ts';
import { TRACE_EVENT_SHIFT, trace_buffer_of, trace_header } from '../kernel/trace-layout.ts';
import { designOf } from './design.ts';
import { UsageError, indexOfName } from './usage-error.ts';

/** Fault injection in the allocator, in the spirit of the kernel's fail_page_alloc. */
export interface FailAlloc {
  /** Chance that one allocation fails, 0 to 1. */
  probability?: number;
  /** Every n-th allocation fails. */
  interval?: number;
  /** At most so many failures. */
  times?: number;
  /** Only at these sites (see FAIL_SITES); all if left out. */
  sites?: readonly string[];
}

/** Names of the allocation sites, in the order of the SITE_* numbers. */
export const FAIL_SITES: readonly string[] = ['folio', 'pte', 'pmd', 'pud', 'slab', 'pgd'];

/** A machine's configuration. Everything has a default. */
export interface MachineConfig {
  /** 1 to 64. */
  cpus: number;
  /** Bytes of RAM: 1 MiB to 2 GiB. */
  memory: number;
  /** Page frame number of the first frame. */
  basePfn: number;
  /** CONFIG_MEM_SOFT_DIRTY. */
  softDirty: boolean;
  /** One of LOCKING_DESIGNS, or the path of a module with a design of one's own (see LockingDesign). */
  locking: string;
  /** One of LOCK_ALGORITHMS. */
  lock: string;
  /** Defences that are off. */
  without: readonly string[];
  /** Limits in pages of nested memory groups, outermost first; the process lives in the innermost. */
  memcgLimits: readonly number[];
  failAlloc: FailAlloc;
  seed: number;
  /** How long one wait may last before the machine is called stuck, in milliseconds. */
  stuckMs: number;
  /** VMAs that one process can have. */
  maxVmas: number;
  /** Measure how long faults, waits and holds last. */
  metered: boolean;
  /** Bytes of the buffer in which each CPU traces what it does, up to 1 GiB for all; 0: it does not. */
  traceBuffer: number;
}

const MIB = 1024 * 1024;
const PAGE = 4096;
const TRACE_EVENT_BYTES: number = 4 << TRACE_EVENT_SHIFT;
/** For all CPUs together: with the most RAM, the machine stays below the 4 GiB of a WebAssembly memory. */
const MAX_TRACE_BUFFERS: number = 1024 * MIB;
const MIN_MEMORY: number = MIB;
export const MAX_MEMORY: number = 2048 * MIB;
/**
 * Spins before a waiting CPU halts (Linux under paravirt: 1 << 15). A CPU that shares its core with others gives it up
 * soon: the one it waits for may need it.
 */
const SPINS_WITH_A_CORE_EACH = 4000;
const SPINS_WHEN_SHARING = 200;
/** Granularity of WebAssembly memories. */
const WASM_PAGE = 65536;
/** Frame 0 of a machine that does not say: above 4 GiB, so that all its RAM is ZONE_NORMAL. */
const DEFAULT_BASE_PFN = 0x100000;
/** Frame numbers stay below 2^31, so that they fit a word. */
const MAX_PFN = 0x7fffffff;

export const DEFAULT_CONFIG: MachineConfig = {
  cpus: 2,
  memory: 256 * MIB,
  basePfn: DEFAULT_BASE_PFN,
  softDirty: true,
  locking: 'split',
  lock: 'qspinlock',
  without: [],
  memcgLimits: [],
  failAlloc: {},
  seed: 1,
  stuckMs: 3000,
  maxVmas: 1024,
  metered: false,
  traceBuffer: 0,
};

function checkRange(what: string, value: number, low: number, high: number, example: string): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new UsageError(
    `${what} ${String(value)} is not possible: use a whole number from ${String(low)} to ${String(high)}, for example ${example}.`,
  );
}

function checkTraceBuffer({ traceBuffer, cpus }: MachineConfig): void {
  const possible = Number.isInteger(traceBuffer) && traceBuffer * cpus <= MAX_TRACE_BUFFERS;
  if (possible && (traceBuffer === 0 || traceBuffer >= PAGE)) return;
  throw new UsageError(
    `A trace buffer of ${String(traceBuffer)} bytes on each of ${String(cpus)} CPUs is not possible: use 4K or more, and up to 1G for all CPUs together, for example --trace-buffer 8M.`,
  );
}

/** Completes and checks a configuration. Throws a UsageError. */
export function checkConfig(partial: Partial<MachineConfig>): MachineConfig {
  const config = { ...DEFAULT_CONFIG, ...partial };
  checkRange('The number of CPUs', config.cpus, 1, MAX_CPUS, '--cpus 2');
  if (!(config.memory >= MIN_MEMORY && config.memory <= MAX_MEMORY)) {
    throw new UsageError(
      `Memory of ${String(config.memory)} bytes is not possible: use 1M to 2G, for example --memory 256M.`,
    );
  }
  const frames = Math.floor(config.memory / PAGE);
  checkRange('The base frame number', config.basePfn, 0, MAX_PFN - frames, '--base-pfn 0x100000');
  checkRange('The number of VMAs', config.maxVmas, 16, 65530, '1024');
  checkRange('The time a wait may last', config.stuckMs, 50, 3_600_000, '3000');
  checkTraceBuffer(config);
  designOf(config.locking);
  indexOfName(
    'Lock',
    config.lock,
    LOCK_ALGORITHMS.map((d) => d.name),
  );
  for (const name of config.without)
    indexOfName(
      'Defence',
      name,
      DEFENCES.map((d) => d.name),
    );
  for (const site of config.failAlloc.sites ?? []) indexOfName('Allocation site', site, FAIL_SITES);
  for (const limit of config.memcgLimits) checkRange('The memory limit', limit, 0, 0x7fffffff, '1024 (pages)');
  return config;
}

/** Number of maple nodes: each process's, those in a grace period of each CPU, and some to spare. */
function mapleNodes(cpus: number): number {
  return NR_PROCESSES + 7 + (RCU_MAPLE_NODES + 2) * cpus;
}

function allocate(pages: number, wanted: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(
      `Memory of ${String(wanted)} bytes can't be had on this computer: use less, for example --memory 64M.`,
    );
  }
}

/** Memory of the right size (a fixed SharedArrayBuffer) with its header filled; everything else is zero. */
export function createMemory(config: MachineConfig): { memory: WebAssembly.Memory; layout: Layout } {
  const design = designOf(config.locking);
  const sizes = {
    cpus: config.cpus,
    frames: Math.floor(config.memory / PAGE),
    max_vmas: config.maxVmas,
    max_mms: NR_PROCESSES,
    max_memcgs: 16,
    maple_nodes: mapleNodes(config.cpus),
    design_words: design?.words ?? 0,
  };
  const at = layout(sizes);
  const events = Math.floor(config.traceBuffer / TRACE_EVENT_BYTES);
  // Where the buffer of one CPU more would begin.
  const pages = Math.ceil((trace_buffer_of(at, events, config.cpus) * 4) / WASM_PAGE);
  const memory = allocate(pages, config.memory);
  const buffer = memory.buffer as unknown as SharedArrayBuffer;
  const words = new Int32Array(buffer);
  words[header.magic] = MAGIC;
  words[header.version] = VERSION;
  words[header.cpus] = sizes.cpus;
  words[header.frames] = sizes.frames;
  words[header.base_pfn] = config.basePfn;
  words[header.max_vmas] = sizes.max_vmas;
  words[header.max_mms] = sizes.max_mms;
  words[header.max_memcgs] = sizes.max_memcgs;
  words[header.maple_nodes] = sizes.maple_nodes;
  words[header.soft_dirty] = config.softDirty ? 1 : 0;
  words[header.metered] = config.metered ? 1 : 0;
  words[header.stuck_ms] = config.stuckMs;
  words[header.seed] = config.seed | 0;
  words[trace_header.events] = events;
  words[header.design_words] = sizes.design_words;
  words[header.locking] =
    design === undefined ? LOCKING_DESIGNS.findIndex((d) => d.name === config.locking) : LOCKING_OWN;
  words[header.lock] = LOCK_ALGORITHMS.findIndex((d) => d.name === config.lock);
  words[header.without] = config.without.reduce(
    (mask, name) => mask | (1 << DEFENCES.findIndex((d) => d.name === name)),
    0,
  );
  words[header.pv_lock_spins] = config.cpus <= availableParallelism() ? SPINS_WITH_A_CORE_EACH : SPINS_WHEN_SHARING;
  fillFailAlloc(words, config.failAlloc);
  return { memory, layout: at };
}

function fillFailAlloc(words: Int32Array, fail: FailAlloc): void {
  words[header.fail_probability] = Math.round((fail.probability ?? 0) * 0x7fffffff);
  words[header.fail_interval] = fail.interval ?? 0;
  words[header.fail_times] = fail.times ?? -1;
  const sites = fail.sites ?? FAIL_SITES;
  words[header.fail_sites] = sites.reduce((mask, site) => mask | (1 << FAIL_SITES.indexOf(site)), 0);
}
