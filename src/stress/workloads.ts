// Workloads: what each CPU does, as programs. Addresses are the seed's region and gigabytes apart from it.
import type { Op } from '../kernel/program.ts';
import { UsageError, nearest } from '../machine/usage-error.ts';
import {
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../kernel/mm/flags.ts';

const PAGE = 4096;
/** The seed's address: where shared regions begin. */
const SHARED = 0x75e52fc77000;
/** First address of CPU 0's own region; each CPU's is 64 GiB further. */
const OWN = 0x700000000000;
const OWN_SPACING = 0x1000000000;

/** What CPUs do in a workload. */
export interface WorkloadOps {
  /** Done by CPU 0 before the gang starts. */
  setup: Op[];
  /** One pass: a program for each CPU. */
  programs: Op[][];
  /** Loads that look at what a pass left behind, by one CPU. */
  verify: Op[];
  /** What each CPU does so that the next pass finds everything as the first did; nothing where a pass leaves it so. */
  reset: Op[][];
}

/** A workload. */
export interface Workload {
  name: string;
  what: string;
  /** Whether all CPUs do the same amount of work. */
  even: boolean;
  /** The scenario of the explorer in which the same race happens. */
  scenario?: string;
  /** Its programs can't be run again: every round has a machine of its own, with room for its VMAs and its heap. */
  once?: { readonly maxVmas: number; readonly startBrk: number | undefined };
  make(cpus: number, pages: number): WorkloadOps;
}

export function mmapOp(addr: number, pages: number): Op {
  return {
    op: 'mmap',
    addr,
    length: pages * PAGE,
    prot: PROT_READ | PROT_WRITE,
    flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
  };
}

function dontneed(addr: number, pages: number): Op {
  return { op: 'madvise', addr, length: pages * PAGE, advice: MADV_DONTNEED };
}

function touch(addr: number, pages: number, write: boolean, value = 1): Op {
  return { op: 'touch', addr, pages, write, value };
}

/** CPU 0 empties a region that all have touched. */
function emptied(cpus: number, addr: number, pages: number): Op[][] {
  return perCpu(cpus, (cpu) => (cpu === 0 ? [dontneed(addr, pages)] : []));
}

const nothing = (cpus: number): Op[][] => perCpu(cpus, () => []);

function perCpu<T>(cpus: number, make: (cpu: number) => T): T[] {
  return Array.from({ length: cpus }, (_, cpu) => make(cpu));
}

/** Pages between two barriers: no CPU gets so far ahead that there is nobody left to race. */
const IN_STEP = 1000;

/** Operations on all pages, a thousand at a time, with a barrier of all CPUs before each. */
function inStep(pages: number, make: (first: number, count: number) => Op): Op[] {
  const ops: Op[] = [];
  for (let first = 0; first < pages; first += IN_STEP) {
    ops.push({ op: 'barrier' }, make(first, Math.min(IN_STEP, pages - first)));
  }
  return ops;
}

/** Each CPU its own word of the same fresh pages: the race that the PTL and the recheck close. */
const samePage: Workload = {
  name: 'same-page',
  what: 'every CPU stores to a word of its own in the same fresh pages',
  even: true,
  scenario: 'first-touch',
  make: (cpus, pages) => ({
    setup: [mmapOp(SHARED, pages)],
    programs: perCpu(cpus, (cpu) =>
      inStep(pages, (first, count) => touch(SHARED + first * PAGE + cpu * 4, count, true, cpu + 1)),
    ),
    verify: perCpu(cpus, (cpu) => touch(SHARED + cpu * 4, pages, false, 0)),
    reset: emptied(cpus, SHARED, pages),
  }),
};

/** As same-page, but however many CPUs there are, exactly two meet on each page: they move through parts of their own. */
const pairs: Workload = {
  name: 'pairs',
  what: 'the CPUs in pairs, each pair storing to the same fresh pages: two CPUs on every page',
  even: true,
  scenario: 'first-touch',
  make: (cpus, pages) => {
    const part = Math.floor(pages / Math.ceil(cpus / 2));
    const start = (cpu: number): number => SHARED + Math.floor(cpu / 2) * part * PAGE + cpu * 4;
    return {
      setup: [mmapOp(SHARED, pages)],
      programs: perCpu(cpus, (cpu) => [touch(start(cpu), part, true, cpu + 1)]),
      verify: perCpu(cpus, (cpu) => touch(start(cpu), part, false, 0)),
      reset: emptied(cpus, SHARED, pages),
    };
  },
};

/** The loop of will-it-scale's page_fault1. */
const pageFault1: Workload = {
  name: 'page_fault1',
  what: 'each CPU maps a region of its own, writes a word of every page, unmaps it',
  even: true,
  scenario: 'allocator',
  make: (cpus, pages) => ({
    setup: [],
    programs: perCpu(cpus, (cpu) => {
      const addr = OWN + cpu * OWN_SPACING;
      return [mmapOp(addr, pages), touch(addr, pages, true), { op: 'munmap', addr, length: pages * PAGE }];
    }),
    verify: [],
    reset: nothing(cpus),
  }),
};

/** Pages that one page-table page maps. */
const TABLE_PAGES = 512;
/** A region that begins with a page-table page of its own. */
const TABLES: number = OWN - 0x40000000;

/** Pages of each CPU's own in the same page-table page: everybody takes the same PTL, and nobody meets on a page. */
const sameTable: Workload = {
  name: 'same-table',
  what: 'each CPU fills and empties pages of its own, all under one page-table lock',
  even: true,
  scenario: 'same-table',
  make: (cpus, pages) => {
    const part = Math.max(1, Math.floor(Math.min(pages, TABLE_PAGES) / cpus));
    const start = (cpu: number): number => TABLES + cpu * part * PAGE;
    return {
      setup: [mmapOp(TABLES, TABLE_PAGES)],
      programs: perCpu(cpus, (cpu) => [touch(start(cpu), part, true, cpu + 1)]),
      verify: perCpu(cpus, (cpu) => touch(start(cpu), part, false, 0)),
      reset: perCpu(cpus, (cpu) => [dontneed(start(cpu), part)]),
    };
  },
};

/** The same, with a page-table page for each CPU: with split locks nobody waits for a PTL. */
const ownTable: Workload = {
  name: 'own-table',
  what: 'each CPU fills and empties pages of its own, each under a page-table lock of its own',
  even: true,
  scenario: 'same-table',
  make: (cpus, pages) => {
    const part = Math.max(1, Math.floor(Math.min(pages, TABLE_PAGES) / cpus));
    const start = (cpu: number): number => TABLES + cpu * TABLE_PAGES * PAGE;
    return {
      setup: [mmapOp(TABLES, cpus * TABLE_PAGES)],
      programs: perCpu(cpus, (cpu) => [touch(start(cpu), part, true, cpu + 1)]),
      verify: perCpu(cpus, (cpu) => touch(start(cpu), part, false, 0)),
      reset: perCpu(cpus, (cpu) => [dontneed(start(cpu), part)]),
    };
  },
};

/** All CPUs read first, then write: the zero page, then the copy from it. */
const readThenWrite: Workload = {
  name: 'read-then-write',
  what: 'every CPU reads the same fresh pages, then stores to its own word of each',
  even: true,
  scenario: 'read-then-write',
  make: (cpus, pages) => ({
    setup: [mmapOp(SHARED, pages)],
    programs: perCpu(cpus, (cpu) => [
      touch(SHARED + cpu * 4, pages, false, 0),
      touch(SHARED + cpu * 4, pages, true, cpu + 1),
    ]),
    verify: perCpu(cpus, (cpu) => touch(SHARED + cpu * 4, pages, false, 0)),
    reset: emptied(cpus, SHARED, pages),
  }),
};

/** Times that the CPU which takes pages away does so while the others go through them once. */
const TAKEN_AWAY = 8;

/** One CPU takes away what the others fault in; alone, it does both. */
function against(cpus: number, pages: number, take: readonly Op[]): Op[][] {
  const fill = (cpu: number): Op => touch(SHARED + cpu * 4, pages, true, cpu + 1);
  return perCpu(cpus, (cpu) => {
    if (cpus === 1) return [fill(cpu), ...take];
    return cpu === 0 ? [{ op: 'repeat', times: TAKEN_AWAY, ops: [...take] }] : [fill(cpu)];
  });
}

const faultVsDontneed: Workload = {
  name: 'fault-vs-dontneed',
  what: 'one CPU empties a region (MADV_DONTNEED) while the others store to its pages',
  even: false,
  scenario: 'fault-vs-dontneed',
  make: (cpus, pages) => ({
    setup: [mmapOp(SHARED, pages)],
    programs: against(cpus, pages, [dontneed(SHARED, pages)]),
    verify: [],
    reset: emptied(cpus, SHARED, pages),
  }),
};

const faultVsMunmap: Workload = {
  name: 'fault-vs-munmap',
  what: 'one CPU unmaps a region and maps it again while the others store to its pages',
  even: false,
  scenario: 'fault-vs-munmap',
  make: (cpus, pages) => ({
    setup: [mmapOp(SHARED, pages)],
    programs: against(cpus, pages, [{ op: 'munmap', addr: SHARED, length: pages * PAGE }, mmapOp(SHARED, pages)]),
    verify: [],
    reset: emptied(cpus, SHARED, pages),
  }),
};

/** A part of the mixed workload: what a CPU does with some pages of the region that all share, or of its own. */
function mixture(cpu: number, pages: number): Op[] {
  const own = OWN + cpu * OWN_SPACING;
  const quarter = Math.max(1, pages >> 2);
  const part = (n: number): number => SHARED + (n & 3) * quarter * PAGE;
  const rights = (prot: number): Op => ({ op: 'mprotect', addr: own, length: quarter * PAGE, prot });
  return [
    touch(part(cpu) + cpu * 4, quarter, true, cpu + 1),
    mmapOp(own, quarter),
    touch(own, quarter, false, 0),
    touch(part(cpu + 1) + cpu * 4, quarter, false, 0),
    touch(own, quarter, true, cpu + 1),
    dontneed(part(cpu + 2), quarter),
    touch(part(cpu + 2) + cpu * 4, quarter, true, cpu + 1),
    rights(PROT_NONE),
    touch(part(cpu + 3) + cpu * 4, quarter, true, cpu + 1),
    rights(PROT_READ | PROT_WRITE),
    { op: 'munmap', addr: own, length: quarter * PAGE },
    touch(part(cpu + 1) + cpu * 4, quarter, true, cpu + 1),
    { op: 'drain_pages', cpu },
  ];
}

const mixed: Workload = {
  name: 'mixed',
  what: 'all of it at once: shared and own pages, reads, writes, DONTNEED, mprotect, munmap',
  even: false,
  scenario: 'fault-vs-dontneed',
  make: (cpus, pages) => ({
    setup: [mmapOp(SHARED, pages)],
    programs: perCpu(cpus, (cpu) => mixture(cpu, pages)),
    verify: [],
    reset: emptied(cpus, SHARED, pages),
  }),
};

export const WORKLOADS: readonly Workload[] = [
  pageFault1,
  samePage,
  pairs,
  sameTable,
  ownTable,
  readThenWrite,
  faultVsDontneed,
  faultVsMunmap,
  mixed,
];

/** The workload of that name. Throws a UsageError where there is none. */
export function workload(name: string): Workload {
  const found = WORKLOADS.find((work) => work.name === name);
  if (found !== undefined) return found;
  const names = WORKLOADS.map((work) => work.name);
  throw new UsageError(
    `Workload '${name}' is not known: use ${names.join(', ')}, for example ${nearest(name, names)}.`,
  );
}
