// Random programs of CPUs that fork, go from process to process, end processes, and touch the same few pages in all.
import fc from 'fast-check';
import type { Op } from '../../src/kernel/program.ts';
import type { Machine } from '../../src/machine/boot.ts';
import type { CpuOutcome } from '../../src/machine/gang.ts';
import { A, PAGE, as, clearRefs, exitProcess, fork, map } from './family.ts';

const PAGES = 3;
const WORDS = 3;
/** Processes that programs make: few, so that they meet. */
const CHILDREN = 3;

/** Before programs begin: the pages are mapped, and the first is there. */
export const familySetup: readonly Op[] = [map(0, PAGES), { op: 'store', addr: A, value: 0x7fff }];

const addr = fc.tuple(fc.nat(PAGES - 1), fc.nat(WORDS - 1)).map(([page, word]) => A + page * PAGE + word * 4);
const range = fc
  .tuple(fc.nat(PAGES - 1), fc.integer({ min: 1, max: PAGES }))
  .map(([first, pages]) => ({ addr: A + first * PAGE, length: Math.min(pages, PAGES - first) * PAGE }));
const child = fc.integer({ min: 1, max: CHILDREN });

const operation: fc.Arbitrary<Op> = fc.oneof(
  { weight: 9, arbitrary: addr.map((at): Op => ({ op: 'store', addr: at, value: 0 })) },
  { weight: 5, arbitrary: addr.map((at): Op => ({ op: 'load', addr: at })) },
  { weight: 2, arbitrary: child.map(fork) },
  { weight: 4, arbitrary: fc.nat(CHILDREN).map(as) },
  { weight: 1, arbitrary: child.map(exitProcess) },
  { weight: 1, arbitrary: fc.constant(clearRefs) },
  { weight: 2, arbitrary: range.map((r): Op => ({ op: 'madvise', ...r, advice: 4 })) },
  { weight: 1, arbitrary: range.map((r): Op => ({ op: 'munmap', ...r })) },
  { weight: 1, arbitrary: range.map((r): Op => ({ op: 'mmap', ...r, prot: 3, flags: 0x32 })) },
  { weight: 1, arbitrary: range.map((r): Op => ({ op: 'mprotect', ...r, prot: 1 })) },
);

/** One program per CPU, of `least` to `most` operations; every store has a value of its own. */
export function familyPrograms(cpus: number, least: number, most: number): fc.Arbitrary<Op[][]> {
  const programs = Array.from({ length: cpus }, (_, cpu) =>
    fc
      .array(operation, { minLength: least, maxLength: most })
      .map((ops) => ops.map((op, i) => (op.op === 'store' ? { ...op, value: (cpu + 1) * 0x10000 + i + 1 } : op))),
  );
  return fc.tuple(...programs);
}

/** What every process's memory holds in the end, for the user-memory judge. */
export function readFamily(machine: Machine): CpuOutcome {
  const loads = Array.from({ length: PAGES * WORDS }, (_, i): Op => {
    return { op: 'load', addr: A + Math.floor(i / WORDS) * PAGE + (i % WORDS) * 4 };
  });
  return machine.runHere(
    machine.processes.flatMap((process) => [as(process), ...loads]),
    0,
    true,
  );
}
