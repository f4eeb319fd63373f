// Random programs of a process whose memory a monitor watches: CPUs touch, discard, map anew, move, lock, watch and unwatch
// pages of one region, while the last CPU answers.
import fc from 'fast-check';
import type { Op } from '../../src/kernel/program.ts';
import { A, PAGE, load, map } from './family.ts';

const PAGES = 8;
const MADV_DONTNEED = 4;
const MADV_POPULATE_WRITE = 23;
const MREMAP_MAYMOVE_FIXED = 3;
const MREMAP_DONTUNMAP = 4;

const watch: Op = { op: 'uffd_register', addr: A, length: PAGES * PAGE };

/** What is common to all of them. */
export const MonitoredPrograms: { readonly setup: readonly Op[]; readonly readAll: readonly Op[] } = {
  setup: [map(0, PAGES), watch],
  readAll: [{ op: 'uffd_close' }, ...Array.from({ length: PAGES }, (_, page) => load(page))],
};

/** A range of the region: its first byte and its length. */
const range = fc
  .tuple(fc.integer({ min: 0, max: PAGES - 1 }), fc.integer({ min: 1, max: 3 }))
  .map(([first, pages]) => ({ addr: A + first * PAGE, length: Math.min(pages, PAGES - first) * PAGE }));

/** A word of the region: one of two in each page. */
const word = fc
  .tuple(fc.integer({ min: 0, max: PAGES - 1 }), fc.integer({ min: 0, max: 1 }))
  .map(([page, which]) => A + page * PAGE + which * 8);

const value = fc.integer({ min: 1, max: 1_000_000 });

/** A range goes to another page of the region, and its place may stay. */
const moves = fc
  .tuple(range, fc.integer({ min: 0, max: PAGES - 1 }), fc.constantFrom(0, MREMAP_DONTUNMAP))
  .map(([{ addr, length }, page, more]): Op => {
    const flags = MREMAP_MAYMOVE_FIXED | more;
    return { op: 'mremap', addr, old_length: length, new_length: length, flags, new_addr: A + page * PAGE };
  });

const operation: fc.Arbitrary<Op> = fc.oneof(
  { weight: 6, arbitrary: word.map((addr): Op => ({ op: 'load', addr })) },
  { weight: 6, arbitrary: fc.tuple(word, value).map(([addr, stored]): Op => ({ op: 'store', addr, value: stored })) },
  { weight: 1, arbitrary: word.map((addr): Op => ({ op: 'load', addr: addr + 2, size: 1 })) },
  { weight: 1, arbitrary: word.map((addr): Op => ({ op: 'store', addr: addr + 1, value: 5, size: 1 })) },
  {
    weight: 1,
    arbitrary: fc.tuple(word, value).map(([addr, added]): Op => ({ op: 'atomic_add', addr, value: added })),
  },
  { weight: 4, arbitrary: range.map((at): Op => ({ op: 'madvise', ...at, advice: MADV_DONTNEED })) },
  { weight: 2, arbitrary: range.map((at): Op => ({ op: 'uffd_register', ...at })) },
  { weight: 1, arbitrary: range.map((at): Op => ({ op: 'uffd_unregister', ...at })) },
  {
    weight: 2,
    arbitrary: fc.tuple(range, value).map(([at, filled]): Op => ({ op: 'uffd_copy', ...at, value: filled })),
  },
  { weight: 1, arbitrary: range.map((at): Op => ({ op: 'uffd_zeropage', ...at })) },
  { weight: 1, arbitrary: range.map((at): Op => ({ op: 'uffd_wake', ...at })) },
  { weight: 1, arbitrary: range.map((at): Op => ({ op: 'mlock', ...at })) },
  { weight: 1, arbitrary: range.map((at): Op => ({ op: 'madvise', ...at, advice: MADV_POPULATE_WRITE })) },
  {
    weight: 1,
    arbitrary: fc.tuple(range, fc.constantFrom(1, 3)).map(([at, prot]): Op => ({ op: 'mprotect', ...at, prot })),
  },
  { weight: 1, arbitrary: moves },
  { weight: 1, arbitrary: range.map((at): Op => ({ op: 'munmap', ...at })) },
  { weight: 2, arbitrary: range.map((at): Op => ({ op: 'mmap', ...at, prot: 3, flags: 0x32 })) },
);

/** A program for each of so many CPUs, and behind them the monitor's, whose first operation is uffd_serve. */
export function monitoredPrograms(cpus: number): fc.Arbitrary<Op[][]> {
  const program = fc.array(operation, { minLength: 15, maxLength: 40 });
  const monitor: fc.Arbitrary<Op[]> = fc.constantFrom('copy' as const, 'zeropage' as const).map((how) => {
    return [{ op: 'uffd_serve', faults: 10_000, how, value: 77 }];
  });
  return fc
    .tuple(fc.array(program, { minLength: cpus, maxLength: cpus }), monitor)
    .map(([programs, last]) => [...programs, last]);
}
