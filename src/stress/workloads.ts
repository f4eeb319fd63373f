// Workloads: what each CPU does, as programs. Addresses are the seed's region and gigabytes apart from it.
import type { Op } from '../kernel/program.ts';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../kernel/mm/flags.ts';

const PAGE = 4096;
/** The seed's address: where shared regions begin. */
const SHARED = 0x75e52fc77000;
/** First address of CPU 0's own region; each CPU's is 64 GiB further. */
const OWN = 0x700000000000;
const OWN_SPACING = 0x1000000000;

/** A workload: set-up done by CPU 0 before the gang starts, one program per CPU, and the loads that check it afterwards. */
export interface Workload {
  name: string;
  what: string;
  make(cpus: number, pages: number): { setup: Op[]; programs: Op[][]; verify: Op[] };
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
  make: (cpus, pages) => ({
    setup: [mmapOp(SHARED, pages)],
    programs: perCpu(cpus, (cpu) =>
      inStep(pages, (first, count) => ({
        op: 'touch',
        addr: SHARED + first * PAGE + cpu * 4,
        pages: count,
        write: true,
        value: cpu + 1,
      })),
    ),
    verify: perCpu(cpus, (cpu) => ({ op: 'touch', addr: SHARED + cpu * 4, pages, write: false, value: 0 })),
  }),
};

/** As same-page, but however many CPUs there are, exactly two meet on each page: they move through parts of their own. */
const pairs: Workload = {
  name: 'pairs',
  what: 'the CPUs in pairs, each pair storing to the same fresh pages: two CPUs on every page',
  make: (cpus, pages) => {
    const part = Math.floor(pages / Math.ceil(cpus / 2));
    const start = (cpu: number): number => SHARED + Math.floor(cpu / 2) * part * PAGE + cpu * 4;
    return {
      setup: [mmapOp(SHARED, pages)],
      programs: perCpu(cpus, (cpu) => [{ op: 'touch', addr: start(cpu), pages: part, write: true, value: cpu + 1 }]),
      verify: perCpu(cpus, (cpu) => ({ op: 'touch', addr: start(cpu), pages: part, write: false, value: 0 })),
    };
  },
};

/** The loop of will-it-scale's page_fault1. */
const pageFault1: Workload = {
  name: 'page_fault1',
  what: 'each CPU maps a region of its own, writes a word of every page, unmaps it',
  make: (cpus, pages) => ({
    setup: [],
    programs: perCpu(cpus, (cpu) => {
      const addr = OWN + cpu * OWN_SPACING;
      return [
        mmapOp(addr, pages),
        { op: 'touch', addr, pages, write: true, value: 1 },
        { op: 'munmap', addr, length: pages * PAGE },
      ];
    }),
    verify: [],
  }),
};

/** All CPUs read first, then write: the zero page, then the copy from it. */
const readThenWrite: Workload = {
  name: 'read-then-write',
  what: 'every CPU reads the same fresh pages, then stores to its own word of each',
  make: (cpus, pages) => ({
    setup: [mmapOp(SHARED, pages)],
    programs: perCpu(cpus, (cpu) => [
      { op: 'touch', addr: SHARED + cpu * 4, pages, write: false, value: 0 },
      { op: 'touch', addr: SHARED + cpu * 4, pages, write: true, value: cpu + 1 },
    ]),
    verify: perCpu(cpus, (cpu) => ({ op: 'touch', addr: SHARED + cpu * 4, pages, write: false, value: 0 })),
  }),
};

export const WORKLOADS: readonly Workload[] = [pageFault1, samePage, pairs, readThenWrite];

/** The workload of that name. */
export function workload(name: string): Workload {
  const found = WORKLOADS.find((w) => w.name === name);
  if (found === undefined) throw new Error(`workload: there is no workload '${name}'`);
  return found;
}
