// A snapshot: what a quiescent machine is in, decoded for those who judge or show it.
//
// It reads plain words and trusts none of them: every walk is bounded and every pointer checked, since the machine may
// have been broken on purpose. What a walk stumbles over is a problem in the snapshot, never an error.
import { DMESG_RECORDS, DMESG_RECORD_WORDS, header } from '../kernel/layout.ts';
import type { VmEvent } from '../kernel/layout.ts';
import { DMESG_VALUES, PRINTK_IS_BUG, format_printk } from '../kernel/printk.ts';
import { readFrames } from './read-frames.ts';
import { heldLocks, readAnonVmas, readCpus, readEvents, readMemcgs, readObjects } from './read-objects.ts';
import { readMms } from './read-process.ts';
import { Reader } from './reader.ts';
import type { Problem } from './reader.ts';

export type { Problem } from './reader.ts';
export { FREE_BUDDY, FREE_NOT } from './read-frames.ts';

/** One present PTE. */
export interface Mapping {
  address: number;
  /** Halves of the entry. */
  lo: number;
  hi: number;
  pfn: number;
  /** Frame index, -1 if the frame is not of this machine. */
  frame: number;
}

/** One VMA. */
export interface VmaRecord {
  word: number;
  start: number;
  end: number;
  flags: number;
  pgoff: number;
  anonVma: number;
  /** anon_vmas in its chain. */
  chain: number[];
  ops: number;
  /** Marked as taken out of the tree. */
  detached: boolean;
}

/** A page table as the walk from the pgd came to it. */
export interface TableRecord {
  frame: number;
  /** 1 pte … 4 pgd: what it is used as. */
  level: number;
  /** First address it translates. */
  address: number;
}

/** One address space. */
export interface MmRecord {
  word: number;
  id: number;
  /** Number of the process that it is of, -1 if it is no process's. */
  process: number;
  /** mm_users: the process itself, and CPUs that run it. */
  users: number;
  /** Exact sums of the RSS counters, by MM_* number. */
  rss: number[];
  /** Their global parts alone: what /proc shows. */
  rssGlobal: number[];
  pgtablesBytes: number;
  memcg: number;
  flags: number;
  mapCount: number;
  totalVm: number;
  /** Pages that are locked. */
  lockedVm: number;
  startBrk: number;
  brk: number;
  vmas: VmaRecord[];
  mappings: Mapping[];
  /** Its page tables, the pgd first; a frame appears once per way that leads to it. */
  tables: TableRecord[];
}

/** One memory group; counts in pages. */
export interface MemcgRecord {
  word: number;
  id: number;
  parent: number;
  usage: number;
  max: number;
  watermark: number;
  events: { low: number; high: number; max: number; oom: number; oomKill: number };
  /** Pages that carry its name, and CPU stocks charged to it. */
  charged: number;
  stock: number;
}

/** One anon_vma. */
export interface AnonVmaRecord {
  word: number;
  root: number;
  parent: number;
  refcount: number;
  numChildren: number;
  numActiveVmas: number;
  /** VMAs of the chain entries in its list. */
  vmas: number[];
}

/** One zone that has frames. */
export interface ZoneRecord {
  number: number;
  name: string;
  firstFrame: number;
  spanned: number;
  managed: number;
  watermarks: { min: number; low: number; high: number };
  /** Pages kept from allocations that could have used a higher zone, by that zone. */
  lowmemReserve: number[];
  /** What a CPU may count for itself before the zone is told. */
  statThreshold: number;
  /** NR_FREE_PAGES with every CPU's difference: exact at rest. */
  nrFreePages: number;
  /** Per order: blocks that the zone counts, and blocks on the list. */
  nrFree: number[];
  listed: number[];
}

/** What one CPU holds privately. */
export interface CpuRecord {
  cpu: number;
  state: number;
  stockMemcg: number;
  stockPages: number;
  /** Frames in its LRU batch. */
  batch: number[];
  /** Pages on its free lists by zone: as counted and as listed; how many are too many, how many go at once. */
  pcp: { zone: number; count: number; listed: number; high: number; batch: number }[];
  /** Its translations: address of the page, and the halves of the entry it was filled with. */
  tlb: { address: number; lo: number; hi: number }[];
}

/** Objects of one cache. */
export interface ObjectRecord {
  cache: string;
  /** Neither free nor waiting for a grace period. */
  live: number;
  /** Given to RCU: free once every CPU has been quiescent. */
  pending: number;
}

/** A lock that somebody holds. */
export interface HeldLock {
  lockClass: string;
  word: number;
  /** CPU that holds it, -1 where the lock does not say (readers). */
  holder: number;
}

/** One line of the kernel log. */
export interface DmesgLine {
  cpu: number;
  text: string;
  isBug: boolean;
}

/** All of a machine that judges look at. Arrays are indexed by frame. */
export interface Snapshot {
  cpus: number;
  frames: number;
  basePfn: number;
  softDirty: boolean;
  without: number;
  refcount: Int32Array;
  mapcount: Int32Array;
  flags: Int32Array;
  mapping: Int32Array;
  memcgData: Int32Array;
  pageType: Int32Array;
  /** page.private: order of a free block, level of a page table. */
  level: Int32Array;
  ptMm: Int32Array;
  /** Order it was allocated with, plus one; 0 if it is not the first page of an allocated block. */
  allocated: Int32Array;
  /** 1: a later page of an allocated block. */
  tail: Uint8Array;
  index: Float64Array;
  /** Present PTEs that map the frame (the zero page excepted). */
  mappedBy: Int32Array;
  free: Uint8Array;
  /** References held by LRU batches. */
  batched: Uint8Array;
  onLru: Uint8Array;
  /** 1: a page table that waits for a grace period before it is freed. */
  pendingTable: Uint8Array;
  /** Frame of the zero page, and how many of its words are not zero. */
  zeroFrame: number;
  zeroPageDirt: number;
  zones: ZoneRecord[];
  /** Folios that the LRU lists are said to have, and those that are on them. */
  lruSize: number;
  lruListed: number;
  cpuRecords: CpuRecord[];
  /** Sums over all CPUs of the event counters. */
  events: Record<VmEvent, number>;
  mms: MmRecord[];
  anonVmas: AnonVmaRecord[];
  memcgs: MemcgRecord[];
  objects: ObjectRecord[];
  heldLocks: HeldLock[];
  dmesg: DmesgLine[];
  /** Lines that were written to the log and are no longer in it. */
  dmesgLost: number;
  problems: Problem[];
}

/** Decodes a quiescent machine. Throws only if the buffer holds none. */
export function snapshot(buffer: SharedArrayBuffer): Snapshot {
  const m = new Reader(buffer);
  const frames = readFrames(m);
  const mms = readMms(m, frames);
  return {
    cpus: m.at.cpus,
    frames: m.at.frames,
    basePfn: m.basePfn,
    softDirty: m.word(header.soft_dirty) === 1,
    without: m.word(header.without),
    ...frames,
    mms,
    cpuRecords: readCpus(m, frames),
    events: readEvents(m),
    anonVmas: readAnonVmas(m),
    memcgs: readMemcgs(m, frames.memcgData),
    objects: readObjects(m),
    heldLocks: heldLocks(m, mms, frames.pageType),
    dmesg: readDmesg(m),
    dmesgLost: Math.max(0, m.word(header.dmesg_next) - DMESG_RECORDS),
    problems: m.problems,
  };
}

/** The part of a snapshot that processes show of themselves: for who looks often. */
export type ProcessSnapshot = Pick<Snapshot, 'flags' | 'mapcount' | 'mapping' | 'mms'>;

/** Decodes that part alone. */
export function snapshotProcesses(buffer: SharedArrayBuffer): ProcessSnapshot {
  const m = new Reader(buffer);
  const frames = readFrames(m);
  return { ...frames, mms: readMms(m, frames) };
}

function readDmesg(m: Reader): DmesgLine[] {
  const total = m.word(header.dmesg_next);
  const lines: DmesgLine[] = [];
  for (let n = Math.max(0, total - DMESG_RECORDS); n < total; n++) {
    const record = m.at.dmesg + (n % DMESG_RECORDS) * DMESG_RECORD_WORDS;
    const message = m.word(record) - 1;
    const values = Array.from({ length: 6 }, (_, i) => m.long(record + DMESG_VALUES + i * 2));
    lines.push({
      cpu: m.word(record + 1),
      text: format_printk(message, values),
      isBug: PRINTK_IS_BUG[message] ?? true,
    });
  }
  return lines;
}
