// Random programs of a process with a monitor, step by step under random schedules: all judges hold, and every schedule
// comes to its end.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { eventsOf, judge, renderVerdict } from '../../src/check/verdict.ts';
import { boot } from '../../src/machine/boot.ts';
import { randomChooser } from '../../src/machine/stepped.ts';
import { MonitoredPrograms, monitoredPrograms } from '../support/monitored-programs.ts';

const RUNS = 40;

it.each(['split', 'mm', 'cmpxchg'])('holds for random programs with a monitor, locking %s', (locking) => {
  let answered = 0;
  fc.assert(
    fc.property(
      monitoredPrograms(2),
      fc.integer({ min: 1 }),
      fc.integer({ min: 2, max: 20 }),
      (programs, seed, run) => {
        const machine = boot({ memory: 2 * 1024 * 1024, maxVmas: 64, locking, cpus: programs.length });
        const first = machine.runHere(MonitoredPrograms.setup, 0, true);
        const outcome = machine.runStepped(programs, randomChooser(seed, run), true);
        expect(outcome.deadlock).toEqual([]);
        const last = machine.runHere(MonitoredPrograms.readAll, 0, true);
        const verdict = judge(machine, outcome, { events: eventsOf([first, ...outcome.cpus, last]), exit: true });
        expect(renderVerdict(verdict)[0]).toMatch(/held|not decided/);
        answered += outcome.cpus.at(-1)!.values[0]!;
      },
    ),
    { numRuns: RUNS, endOnFailure: true },
  );
  expect(answered).toBeGreaterThan(RUNS);
});
