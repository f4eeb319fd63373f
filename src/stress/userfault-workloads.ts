// Workloads of processes with a monitor: how threads show what a fault owes to the look under the lock, and to the one
// after it is queued. Each watches a region of its own and is run once on a machine.
import type { Op } from '../kernel/program.ts';
import { mmapOp } from './workloads.ts';
import type { Workload } from './workloads.ts';

const SHARED = 0x75e52fc77000;
const PAGE = 4096;
/** Pages that are raced for one by one, with a barrier before each. */
const RACED_PAGES = 2000;
/** What the monitor fills pages with. */
const FILL = 7;
const BARRIER: Op = { op: 'barrier' };

/** The monitor says itself what it watches, so that the history of the run knows it. */
const watch = (pages: number): Op => ({ op: 'uffd_register', addr: SHARED, length: pages * PAGE });

/** One CPU is the monitor of what all others read. */
export const userfault: Workload = {
  name: 'userfault',
  what: 'CPUs read pages that a monitor on another CPU fills when they fault',
  even: false,
  scenario: 'userfault',
  make(cpus, pages) {
    const reader: Op[] = [BARRIER, { op: 'touch', addr: SHARED, pages, write: false, value: 0 }];
    // More than there can be: it ends when the others have.
    const faults = pages * cpus;
    const monitor: Op[] = [watch(pages), BARRIER, { op: 'uffd_serve', faults, how: 'copy', value: FILL }];
    return {
      setup: [mmapOp(SHARED, pages)],
      programs: Array.from({ length: cpus }, (_, cpu) => (cpu === cpus - 1 ? monitor : reader)),
      verify: [],
      reset: Array.from({ length: cpus }, () => []),
    };
  },
};

/** A monitor fills each page at the moment in which another CPU reads it. */
export const userfaultCopy: Workload = {
  name: 'userfault-copy',
  what: 'a monitor fills each page while others fault on it, and is not asked',
  even: false,
  scenario: 'userfault-vs-copy',
  make(cpus, pages) {
    const count = Math.min(pages, RACED_PAGES);
    const each = (make: (addr: number) => Op): Op[] => {
      return Array.from({ length: count }, (_, i) => [BARRIER, make(SHARED + i * PAGE)]).flat();
    };
    const reader = each((addr) => ({ op: 'load', addr }));
    const monitor = [watch(count), ...each((addr) => ({ op: 'uffd_copy', addr, length: PAGE, value: FILL }))];
    return {
      setup: [mmapOp(SHARED, count)],
      programs: Array.from({ length: cpus }, (_, cpu) => (cpu === cpus - 1 ? monitor : reader)),
      verify: [],
      reset: Array.from({ length: cpus }, () => []),
    };
  },
};
