// Generated programs in every locking design on real threads: all hold; without a defence, threads show it, and a
// schedule explains it.
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { RaceFailure, closeGangs, cpuPrograms, gangProperty, machineConfig } from '../../src/testing/index.ts';
import '../../src/testing/vitest.ts';
import { RIGHT_DESIGNS } from '../support/designs.ts';

afterAll(async () => {
  await closeGangs();
});

/** Programs per design; more for a long search. */
const RUNS = Number(process.env.PAGERACE_RUNS ?? 4);
const LIMIT_MS = 3_600_000;

const programs = cpuPrograms({ cpus: 3 });

for (const { name, locking } of RIGHT_DESIGNS) {
  it(`holds for ${String(RUNS)} programs, ${name}`, { timeout: LIMIT_MS }, async () => {
    await fc.assert(gangProperty({ programs, config: machineConfig({ locking: [locking] }) }), { numRuns: RUNS });
  });
}

it('neg_pte_recheck is seen, and explained by a schedule', { timeout: LIMIT_MS }, async () => {
  const property = gangProperty({ programs, without: ['pte_recheck'], config: { locking: 'mm' } });
  const { errorInstance: error, counterexample } = await fc.check(property, { seed: 1, numRuns: 200 });
  if (!(error instanceof RaceFailure)) throw new Error('threads have shown nothing');
  const { failure, sighting } = error;
  expect(sighting?.finding.message).toBeTruthy();
  expect(counterexample?.[0]).toReplay(failure?.token ?? '', failure?.judge);
});
