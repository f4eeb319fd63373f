// Random programs on real threads, with every defence on: all judges hold.
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { eventsOf, judge, renderVerdict } from '../../src/check/verdict.ts';
import { boot } from '../../src/machine/boot.ts';
import { closeGangs } from '../../src/machine/gang.ts';
import { ARENA, ARENA_PAGES, arenaMap, programs } from '../support/programs.ts';
import type { Op } from '../../src/kernel/program.ts';

afterAll(async () => {
  await closeGangs();
});

/** Loads of every word that programs store to, where it can still be read. */
const readBack: Op[] = Array.from({ length: ARENA_PAGES * 4 }, (_, i) => ({
  op: 'load',
  addr: ARENA + Math.floor(i / 4) * 4096 + (i % 4) * 4,
}));

async function heldOnThreads(ops: Op[][], locking: string, lock: string): Promise<void> {
  const machine = boot({ cpus: ops.length, memory: 4 * 1024 * 1024, maxVmas: 64, locking, lock });
  const first = machine.runHere([arenaMap], 0, true);
  const outcome = await machine.run(ops, { history: true, limitMs: 10_000 });
  const last = machine.runHere(readBack, 0, true);
  const verdict = judge(machine, outcome, { events: eventsOf([first, ...outcome.cpus, last]), exit: true });
  expect(renderVerdict(verdict)[0]).toMatch(/held|not decided/);
}

// The bounds of a run count for each of the three lock algorithms and the two designs that are meant to be right.
const cases: [cpus: number, runs: number, locking: string, lock: string][] = [
  [2, 150, 'split', 'qspinlock'],
  [3, 100, 'split', 'ticket'],
  [4, 100, 'split', 'test-and-set'],
  [2, 80, 'mm', 'qspinlock'],
  [4, 70, 'mm', 'qspinlock'],
];

for (const [cpus, runs, locking, lock] of cases) {
  it(`holds for ${String(runs)} programs on ${String(cpus)} CPUs, ${locking}, ${lock}`, async () => {
    await fc.assert(
      fc.asyncProperty(programs(cpus, 16), async (ops) => {
        await heldOnThreads(ops, locking, lock);
      }),
      { numRuns: runs, endOnFailure: true },
    );
  });
}
