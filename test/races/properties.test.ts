// Generated programs in every locking design under schedules: all hold; without a defence, or in a design that only looks
// right, they come down to a few operations that break under a named schedule.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RaceFailure, cpuPrograms, exploreCase, machineConfig, raceProperty } from '../../src/testing/index.ts';
import type { RaceArbitraries } from '../../src/testing/index.ts';
import '../../src/testing/vitest.ts';
import { RIGHT_DESIGNS, exampleDesign } from '../support/designs.ts';

/** Programs per design; more for a long search. */
const RUNS = Number(process.env.PAGERACE_RUNS ?? 5);

const programs = cpuPrograms({ cpus: 3 });

for (const { name, locking } of RIGHT_DESIGNS) {
  it(`holds for ${String(RUNS)} programs, ${name}`, { timeout: 3_600_000 }, () => {
    fc.assert(raceProperty({ programs, config: machineConfig({ locking: [locking] }) }), { numRuns: RUNS });
  });
}

describe('neg: without a defence', () => {
  const names = ['ptl', 'pte_recheck', 'pmd_install_recheck', 'anon_vma_recheck', 'cow_recheck', 'vma_write_lock'];
  const broken: [name: string, arbitraries: RaceArbitraries][] = [
    ...names.map((name): (typeof broken)[number] => [name, { programs, without: [name] }]),
    ['locks, none', { programs, config: { locking: 'none' } }],
    ['write locks, reader-writer', { programs, config: { locking: exampleDesign('reader-writer') } }],
  ];

  it.each(broken)('neg_%s: a few operations of two CPUs break, and hold with it', (_, arbitraries) => {
    const { errorInstance, counterexample } = fc.check(raceProperty(arbitraries), { seed: 1, numRuns: 200 });
    if (!(errorInstance instanceof RaceFailure)) throw new Error('it has not failed');
    const { failure, race } = errorInstance;
    expect(counterexample).toEqual([race]);
    expect(race.programs).toHaveLength(2);
    expect(race.programs.flat().length).toBeLessThanOrEqual(3);
    expect(race).toReplay(failure?.token ?? '', failure?.judge);
    const { setup, programs: ops } = race;
    expect(exploreCase({ setup, programs: ops }, { schedules: 100 })).not.toBeViolated();
  });
});
