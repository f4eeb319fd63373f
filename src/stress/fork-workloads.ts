// Workloads of forking processes: how threads show what fork, copy-on-write and clear_refs owe to the TLB. Each makes a
// process of its own and is run once on a machine.
import type { Op } from '../kernel/program.ts';
import { mmapOp } from './workloads.ts';
import type { Workload, WorkloadOps } from './workloads.ts';

const SHARED = 0x75e52fc77000;
/** Pages that a CPU's TLB has room for beside what else it touches. */
const TLB_PAGES = 200;
/** Stores of each writer for one fork: forks go on for about as long. */
const STORES_PER_FORK = 16;
const BARRIER: Op = { op: 'barrier' };

/** CPU 0 and CPU 1 do as they are told, in turns; any others wait. */
function inTurns(cpus: number, first: readonly Op[], then: readonly Op[], last: readonly Op[]): WorkloadOps {
  return {
    setup: [],
    programs: Array.from({ length: cpus }, (_, cpu) => {
      return [...(cpu === 0 ? first : []), BARRIER, ...(cpu === 1 ? then : []), BARRIER, ...(cpu === 0 ? last : [])];
    }),
    verify: [],
    reset: Array.from({ length: cpus }, () => []),
  };
}

const touch = (pages: number, write: boolean, value: number): Op => ({
  op: 'touch',
  addr: SHARED,
  pages,
  write,
  value,
});

/** A thread has pages in its TLB that another, after a fork, stores to. */
export const forkCow: Workload = {
  name: 'fork-cow',
  what: 'after a fork one CPU stores to pages that another has in its TLB, and reads again',
  even: false,
  scenario: 'fork-cow',
  make(cpus, pages) {
    const count = Math.min(pages, TLB_PAGES);
    const first: Op[] = [
      mmapOp(SHARED, count),
      touch(count, true, 1),
      { op: 'fork', child: 1 },
      touch(count, false, 0),
    ];
    return inTurns(cpus, first, [touch(count, true, 2)], [touch(count, false, 0)]);
  },
};

/** A thread has pages in its TLB whose soft-dirty bits another clears. */
export const softDirty: Workload = {
  name: 'soft-dirty',
  what: 'one CPU clears soft-dirty bits of pages that another has in its TLB, and stores to again',
  even: false,
  scenario: 'soft-dirty',
  make(cpus, pages) {
    const count = Math.min(pages, TLB_PAGES);
    return inTurns(
      cpus,
      [mmapOp(SHARED, count), touch(count, true, 1)],
      [{ op: 'clear_refs' }],
      [touch(count, true, 2)],
    );
  },
};

/** CPU 0 forks again and again; each of the others stores to a word of its own of one page, and looks whether it is there. */
export const forkStorm: Workload = {
  name: 'fork-storm',
  what: 'a process forks again and again, while its other CPUs store to one page',
  even: false,
  scenario: 'fork-vs-fault',
  make(cpus, pages) {
    const stores = pages * 4;
    const writer = (cpu: number): Op[] => {
      return Array.from({ length: stores }, (_, i): Op[] => {
        const addr = SHARED + cpu * 4;
        return [
          { op: 'store', addr, value: cpu * stores + i + 1 },
          { op: 'load', addr },
        ];
      }).flat();
    };
    const round: Op[] = [
      { op: 'fork', child: 1 },
      { op: 'exit_process', process: 1 },
    ];
    const forker: Op = { op: 'repeat', times: Math.ceil(stores / STORES_PER_FORK), ops: round };
    return {
      setup: [mmapOp(SHARED, 1)],
      programs: Array.from({ length: cpus }, (_, cpu) => [BARRIER, ...(cpu === 0 ? [forker] : writer(cpu))]),
      verify: [],
      reset: Array.from({ length: cpus }, () => []),
    };
  },
};
