// Random programs of forking processes on real threads, with every defence on: all judges hold. And what threads show
// without those that stand between fork, copy-on-write and the TLB.
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { eventsOf, judge, renderVerdict } from '../../src/check/verdict.ts';
import type { MachineConfig } from '../../src/machine/config.ts';
import type { Op } from '../../src/kernel/program.ts';
import { boot } from '../../src/machine/boot.ts';
import { closeGangs } from '../../src/machine/gang.ts';
import { sightings } from '../../src/stress/sightings.ts';
import { familyPrograms, familySetup, readFamily } from '../support/family-programs.ts';

afterAll(async () => {
  await closeGangs();
});

/** Programs per machine; more for a long search. */
const RUNS = Number(process.env.PAGERACE_RUNS ?? 25);
/** Of a program at least, and half of its most. */
const OPERATIONS = 40;
const LIMIT_MS = 3_600_000;

async function heldOnThreads(programs: Op[][], config: Partial<MachineConfig>): Promise<number> {
  const machine = boot({ memory: 4 * 1024 * 1024, maxVmas: 32, ...config, cpus: programs.length });
  const first = machine.withoutFailures(() => machine.runHere(familySetup, 0, true));
  const outcome = await machine.run(programs, { history: true, limitMs: 20_000 });
  const last = machine.withoutFailures(() => readFamily(machine));
  const verdict = judge(machine, outcome, { events: eventsOf([first, ...outcome.cpus, last]), exit: true });
  expect(renderVerdict(verdict)[0]).toMatch(/held|not decided/);
  return outcome.cpus.reduce((sum, { cpu, values }) => {
    return sum + programs[cpu]!.filter(({ op }, i) => op === 'fork' && values[i] === 0).length;
  }, 0);
}

const cases: [cpus: number, name: string, config: Partial<MachineConfig>][] = [
  [4, 'split', {}],
  [4, 'mm', { locking: 'mm' }],
  [2, 'split, allocations failing', { failAlloc: { probability: 0.03 } }],
];

for (const [cpus, name, config] of cases) {
  it(`holds for ${String(RUNS)} programs on ${String(cpus)} CPUs, ${name}`, { timeout: LIMIT_MS }, async () => {
    let forks = 0;
    await fc.assert(
      fc.asyncProperty(familyPrograms(cpus, OPERATIONS, 2 * OPERATIONS), async (programs) => {
        forks += await heldOnThreads(programs, config);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    expect(forks).toBeGreaterThan(RUNS);
  });
}

it.each(['cow_flush', 'soft_dirty_flush'])('neg_%s shows in every round', { timeout: LIMIT_MS }, async (defence) => {
  const { seen, rounds } = (await sightings(defence))!;
  expect(seen).toBe(rounds);
});
