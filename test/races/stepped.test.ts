// Random programs under random schedules, step by step: what threads seldom do, schedules do often.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { eventsOf, judge, renderVerdict } from '../../src/check/verdict.ts';
import { boot } from '../../src/machine/boot.ts';
import { randomChooser } from '../../src/machine/stepped.ts';
import { ARENA, ARENA_PAGES, arenaMap, programs } from '../support/programs.ts';
import type { Op } from '../../src/kernel/program.ts';

const readBack: Op[] = Array.from({ length: ARENA_PAGES * 4 }, (_, i) => ({
  op: 'load',
  addr: ARENA + Math.floor(i / 4) * 4096 + (i % 4) * 4,
}));

/** Runs per design; more for a long search. */
const RUNS = Number(process.env.PAGERACE_RUNS ?? 150);

for (const locking of ['split', 'mm', 'cmpxchg']) {
  it(`holds under random schedules, ${locking}`, { timeout: 600_000 }, () => {
    fc.assert(
      fc.property(programs(3, 10), fc.integer({ min: 1 }), fc.constantFrom(2, 5, 20), (ops, seed, run) => {
        const machine = boot({ cpus: 3, memory: 2 * 1024 * 1024, maxVmas: 64, locking });
        const first = machine.runHere([arenaMap], 0, true);
        const outcome = machine.runStepped(ops, randomChooser(seed, run), true);
        const last = machine.runHere(readBack, 0, true);
        const verdict = judge(machine, outcome, { events: eventsOf([first, ...outcome.cpus, last]), exit: true });
        expect(renderVerdict(verdict).join('\n')).toMatch(/^verdict: (held|not decided)/);
      }),
      { numRuns: RUNS },
    );
  });
}
