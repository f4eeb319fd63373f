// gangProperty: what threads show is explained by a schedule, and the two are shrunk together.
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { closeGangs } from '../../src/machine/gang.ts';
import { RaceFailure, cpuPrograms, gangProperty, replayCase } from '../../src/testing/index.ts';
import type { RaceCase } from '../../src/testing/index.ts';

afterAll(async () => {
  await closeGangs();
});

/** Runs of which nine in ten must be explained; more for a long search. */
const RUNS = Number(process.env.PAGERACE_RUNS ?? 3);
const NEEDED = RUNS < 10 ? RUNS : Math.ceil(0.9 * RUNS);

const ADDR = 0x75e52fdfe000;
const map = { op: 'mmap', addr: ADDR, length: 4096, prot: 3, flags: 0x32 } as const;

it('holds with every defence on', async () => {
  await fc.assert(gangProperty({ programs: cpuPrograms() }, undefined, { rounds: 100 }), { numRuns: 6 });
});

describe('neg: without the recheck', () => {
  it(`is explained in nine of ten runs, of ${String(RUNS)}`, { timeout: 3_600_000 }, async () => {
    let explained = 0;
    for (let seed = 1; seed <= RUNS; seed++) {
      const programs = cpuPrograms({ cpus: 3, weights: { munmap: 0, mprotect: 0 } });
      const property = gangProperty({ programs, without: ['pte_recheck'] }, undefined, { rounds: 300 });
      const { errorInstance: error, counterexample } = await fc.check(property, { seed, numRuns: 100 });
      if (!(error instanceof RaceFailure) || counterexample === null) throw new Error('threads have shown nothing');
      const { failure, sighting, message } = error;
      expect(sighting?.rounds).toBe(300);
      if (failure === undefined) continue;
      const [race] = counterexample;
      expect(race.programs.map((ops) => ops.length)).toEqual([1, 1]);
      expect(failure.preemptions).toBe(1);
      expect(message).toContain(`Seen on threads in`);
      expect(message.replaceAll('\n', ' ')).toContain(`explained by ${failure.token}`);
      expect(replayCase(race, failure.token).complaint?.judge).toBe(failure.judge);
      explained += 1;
    }
    expect(explained).toBeGreaterThanOrEqual(NEEDED);
  });
});

describe('the body', () => {
  const race: RaceCase = {
    setup: [map],
    programs: [
      [{ op: 'store', addr: ADDR, value: 1 }],
      [
        { op: 'store', addr: ADDR + 4, value: 2 },
        { op: 'load', addr: ADDR },
      ],
    ],
  };

  it('sees the end of every round', async () => {
    let rounds = 0;
    const property = gangProperty(
      { programs: race },
      (end) => {
        rounds += 1;
        expect([end.load(ADDR), end.load(ADDR + 4)]).toEqual([1, 2]);
        expect(end.values[0]).toEqual([0]);
        expect(end.values[1]?.[0]).toBe(0);
        expect([0, 1]).toContain(end.values[1]?.[1]);
      },
      { rounds: 50 },
    );
    await fc.assert(property, { numRuns: 1 });
    expect(rounds).toBe(50);
  });

  it('sees fewer rounds of a case that a machine has no room for so often', async () => {
    let rounds = 0;
    const large: RaceCase = {
      setup: [map],
      programs: race.programs.map((ops) => Array.from({ length: 500 }, () => ops).flat()),
    };
    const property = gangProperty({ programs: large }, () => (rounds += 1), { rounds: 1000 });
    await fc.assert(property, { numRuns: 1 });
    expect(rounds).toBeGreaterThan(0);
    expect(rounds).toBeLessThan(1000);
  });

  it('is told with the round, and explained', async () => {
    const property = gangProperty({ programs: race }, (end) => end.load(ADDR) !== 1, { rounds: 5 });
    const { errorInstance: error } = await fc.check(property, { numRuns: 1 });
    expect(error).toBeInstanceOf(RaceFailure);
    const { sighting, failure } = error as RaceFailure;
    expect(sighting).toMatchObject({ round: 1, rounds: 5, finding: { judge: 'body' } });
    expect(failure).toMatchObject({ judge: 'body', preemptions: 0 });
  });

  it('is not explained by schedules that do not show it', async () => {
    // True of threads alone: the explorer's machine is smaller.
    const property = gangProperty({ programs: race }, (end) => end.snapshot().frames < 1000, {
      rounds: 50,
      explanations: 10,
    });
    const { errorInstance: error } = await fc.check(property, { numRuns: 1 });
    const { failure, message } = error as RaceFailure;
    expect(failure).toBeUndefined();
    expect(message).toMatch(/^Seen on threads in round 1 of 50/);
    expect(message.replaceAll('\n', ' ')).toContain('no schedule that explains it was found among 10');
  });
});

it('refuses what can not be repeated on one machine', async () => {
  const programs: RaceCase = { setup: [map], programs: [[{ op: 'barrier' }], [{ op: 'barrier' }]] };
  const { errorInstance } = await fc.check(gangProperty({ programs }), { numRuns: 1 });
  expect(String(errorInstance)).toContain(
    "rounds on threads can't have 'barrier', which can't be repeated at other addresses",
  );
  expect(() => gangProperty({}, undefined, { rounds: 0 })).toThrow('rounds 0: give a whole number from 1 to 5,000');
});
