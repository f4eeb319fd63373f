// raceProperty: holds with every defence on, and without one comes down to the smallest program and schedule.
import fc from 'fast-check';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { exploreTarget } from '../../src/explore/target.ts';
import { targetFrom } from '../../src/explore/target-file.ts';
import {
  RaceFailure,
  cpuPrograms,
  defences,
  exploreCase,
  machineConfig,
  raceProperty,
  replayCase,
} from '../../src/testing/index.ts';
import type { CaseOptions, RaceArbitraries, RaceBody, RaceCase } from '../../src/testing/index.ts';
import '../../src/testing/vitest.ts';
import { expectGolden } from '../support/golden.ts';

/** Seeds that each must come down to the smallest failure; more for a long search. */
const SEEDS = Number(process.env.PAGERACE_RUNS ?? 3);
/** The share of them that must. */
const SHARE = SEEDS < 20 ? 1 : 0.95;

const broken: RaceArbitraries = { programs: cpuPrograms({ cpus: 3 }), without: ['pte_recheck'] };

/** How a property that fails fails. */
function failing(
  arbitraries: RaceArbitraries,
  parameters: fc.Parameters<[RaceCase]>,
  body?: RaceBody,
  options?: CaseOptions,
): { error: RaceFailure; race: RaceCase; details: fc.RunDetails<[RaceCase]> } {
  const details = fc.check(raceProperty(arbitraries, body, options), parameters);
  const { errorInstance, counterexample } = details;
  if (!(errorInstance instanceof RaceFailure) || counterexample === null) throw new Error('it has not failed');
  return { error: errorInstance, race: counterexample[0], details };
}

/** The token of a failure, as it is printed. */
function printedToken({ message }: RaceFailure): string {
  return /toReplay\('([^']+)'/.exec(message)?.[1] ?? '';
}

describe('with every defence on', () => {
  it('holds for programs and machines of all kinds', { timeout: 600_000 }, () => {
    const numRuns = SEEDS < 20 ? 15 : 10 * SEEDS;
    fc.assert(raceProperty({ programs: cpuPrograms({ cpus: 3 }), config: machineConfig() }), { numRuns });
  });

  it('holds in every schedule, where there are not too many', () => {
    const programs = cpuPrograms({
      operations: 1,
      pages: 1,
      regions: 1,
      weights: { madvise: 0, retract_page_table: 0 },
    });
    fc.assert(raceProperty({ programs }, undefined, { schedules: 'all', executions: 100 }), { numRuns: 5 });
  });
});

describe('neg: without the recheck', () => {
  it(
    `comes down to two CPUs, one page, one operation each and one preemption, from ${String(SEEDS)} seeds`,
    { timeout: 3_600_000 },
    () => {
      let small = 0;
      for (let seed = 1; seed <= SEEDS; seed++) {
        const { error, race } = failing(broken, { seed, numRuns: 200 });
        const pages = new Set(race.programs.flat().map((op) => ('addr' in op ? Math.floor(op.addr / 4096) : -1)));
        const isSmall =
          race.programs.length === 2 &&
          race.programs.every((ops) => ops.length === 1) &&
          pages.size === 1 &&
          error.failure?.preemptions === 1;
        if (isSmall) small += 1;
        const token = printedToken(error);
        expect(token).toBe(error.failure?.token);
        const { complaint } = replayCase(race, token);
        expect([seed, complaint?.judge, complaint?.message]).toEqual([
          seed,
          error.failure?.judge,
          error.failure?.message,
        ]);
      }
      expect(small / SEEDS).toBeGreaterThanOrEqual(SHARE);
    },
  );

  it('tells what broke, the programs, the steps, and what to keep', async () => {
    const { error } = failing(broken, { seed: 1 });
    await expectGolden(error.message, 'race-property');
  });

  it('prints lines that do what they say when they are pasted', () => {
    const { error, race } = failing(broken, { seed: 2 });
    const [, literal = ''] = /const found: RaceCase = (\{.*?\n\});/s.exec(error.message) ?? [];
    // It is what a reader would paste.
    // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
    const found = new Function(`return ${literal}`)() as RaceCase;
    expect(found).toEqual(race);
    const again = fc.check(raceProperty(broken), { examples: [[found]], numRuns: 1 });
    expect(again.failed).toBe(true);
    expect(again.numRuns).toBe(1);
    // What is saved is what commands take.
    const target = targetFrom(JSON.parse(JSON.stringify(found)), 'case.json');
    expect(exploreTarget(target, { strategy: 'bounded', judges: [] }).failure?.token).toBe(printedToken(error));
  });

  it('prints its message, and nothing of what it keeps', () => {
    const { error } = failing(broken, { seed: 1 });
    expect(JSON.parse(JSON.stringify(error))).toEqual({ name: 'RaceFailure', message: error.message });
    expect(Object.keys(error)).toEqual([]);
    // Node prints the stack, which begins with the message.
    expect(inspect(error)).toMatch(/^RaceFailure: I13: /);
    expect(inspect(error)).not.toContain('record:');
  });

  it('comes out the same from the seed and the path that fast-check prints', () => {
    const { error, race, details } = failing(broken, { seed: 3 });
    const { seed, counterexamplePath } = details;
    const again = failing(broken, { seed, path: counterexamplePath ?? '', endOnFailure: true });
    expect(again.race).toEqual(race);
    expect(again.error.message).toBe(error.message);
    expect(() => {
      fc.assert(raceProperty(broken), { seed });
    }).toThrow(`{ seed: ${String(seed)}, path: "${counterexamplePath ?? ''}", endOnFailure: true }`);
  });

  it('finds which of several defences is the one', () => {
    const { race } = failing(
      { programs: cpuPrograms(), without: defences(['pte_recheck', 'uptodate_barrier', 'memcg_unwind']) },
      { seed: 1, numRuns: 300 },
    );
    expect(race.config).toEqual({ without: ['pte_recheck'] });
  });
});

describe('the body', () => {
  const programs: RaceCase = {
    setup: [{ op: 'mmap', addr: 0x75e52fdfe000, length: 4096, prot: 3, flags: 0x32 }],
    programs: [
      [
        { op: 'store', addr: 0x75e52fdfe000, value: 1 },
        { op: 'load', addr: 0x75e52fdfe000 },
      ],
      [
        { op: 'store', addr: 0x75e52fdfe004, value: 2 },
        { op: 'mprotect', addr: 0x75e52fdfe004, length: 4096, prot: 1 },
        { op: 'load', addr: 0x75e52fdff000 },
      ],
    ],
  };

  it('sees what programs observed and what memory holds', () => {
    const { verdict } = exploreCase(programs, {}, (end) => {
      expect(end.race).toBe(programs);
      expect(end.values[0]).toEqual([0, 1]);
      expect(end.faults[0]?.[0]).toBeGreaterThanOrEqual(0);
      expect(end.faults[0]?.[1]).toBe(0);
      expect(end.values[1]?.[1]).toBe(-22);
      expect(end.signals).toEqual([
        [0, 0],
        [0, 0, 11],
      ]);
      expect([0, 4, 8].map((word) => end.load(0x75e52fdfe000 + word))).toEqual([1, 2, 0]);
      expect(end.load(0x75e52fdff000)).toBeUndefined();
      expect(end.snapshot().mms).toHaveLength(1);
    });
    expect(verdict).toBe('not decided');
  });

  it('fails a property by throwing or by false, and is told', () => {
    const throwing = failing({ programs }, { seed: 1 }, (end) => {
      if (end.load(0x75e52fdfe000) === 1) throw new Error('CPU 0 has stored');
    });
    expect(throwing.error.failure).toMatchObject({ judge: 'body', message: 'CPU 0 has stored', preemptions: 0 });
    expect(throwing.error.message).toMatch(/^body: CPU 0 has stored\n/);
    const refusing = failing({ programs }, { seed: 1 }, () => false);
    expect(refusing.error.failure?.message).toBe('the body of the property returned false');
  });

  it('is asked again by the lines that keep its failure', () => {
    const body: RaceBody = (end) => end.load(0x75e52fdfe000) !== 1;
    const { error, race } = failing({ programs }, { seed: 1 }, body);
    const token = printedToken(error);
    expect(error.message).toContain(`expect(found).toReplay('${token}', 'body', { body });`);
    expect(race).toReplay(token, 'body', { body });
    expect(race).not.toReplay(token, 'body');
  });

  it('may refuse a case', () => {
    const { numSkips, failed } = fc.check(
      raceProperty({ programs }, () => {
        fc.pre(false);
      }),
      { numRuns: 2, maxSkipsPerRun: 1 },
    );
    expect(failed).toBe(true);
    expect(numSkips).toBeGreaterThan(0);
  });
});

describe('mistakes', () => {
  it.each([
    [{ schedules: 0 }, 'schedules 0: give a whole number from 1 to 10,000,000, for example 20'],
    [
      { strategy: 'dpor' as 'pct' },
      "strategy 'dpor' is not known: use mixed, random, pct, bounded, or schedules: 'all', for example strategy: 'pct'",
    ],
  ])('are told in one sentence (%#)', (options, sentence) => {
    expect(() => raceProperty({}, undefined, options)).toThrow(sentence);
  });

  it('of cases are told, too', () => {
    expect(() => exploreCase({ setup: [], programs: [] })).toThrow('case has 0 programs: give 1 to 8');
    const race = { setup: [], programs: [[{ op: 'lode', addr: 4096 }]] } as unknown as RaceCase;
    expect(() => exploreCase(race)).toThrow("operation 0 of program 0 of case: 'lode' is not one");
  });
});
