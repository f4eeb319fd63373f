// Random programs of two CPUs that fork, under schedules: all judges hold.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { exploreCase } from '../../src/testing/index.ts';
import '../../src/testing/vitest.ts';
import { familyPrograms, familySetup } from '../support/family-programs.ts';

/** Programs per design; more for a long search. */
const RUNS = Number(process.env.PAGERACE_RUNS ?? 12);
/** Schedules of each strategy. */
const SCHEDULES = 60;
const OPERATIONS = 5;

for (const locking of ['split', 'mm', 'cmpxchg']) {
  it(`holds for ${String(RUNS)} programs, ${locking}`, { timeout: 3_600_000 }, () => {
    fc.assert(
      fc.property(familyPrograms(2, 1, OPERATIONS), (programs) => {
        const race = { setup: familySetup, programs, config: { locking } };
        for (const strategy of ['mixed', 'bounded'] as const) {
          expect(exploreCase(race, { schedules: SCHEDULES, strategy })).not.toBeViolated();
        }
      }),
      { numRuns: RUNS },
    );
  });
}
