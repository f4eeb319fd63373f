// Schedules as lists of preemptions: they replay what tokens name, and shrink to the preemptions that matter.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { scenarioNamed, specOf } from '../../src/explore/scenarios.ts';
import { exploreCase, replayCase, runSchedule, schedule, scheduleOf } from '../../src/testing/index.ts';
import type { RaceCase, Schedule } from '../../src/testing/index.ts';

const { setup, programs } = specOf(scenarioNamed('first-touch'));
const right: RaceCase = { setup, programs };
const broken: RaceCase = { setup, programs, config: { without: ['pte_recheck'] } };

const isSmallFirst = (a: { at: number }, b: { at: number }): number => a.at - b.at;

it('generates few preemptions, at places of their own, in order', () => {
  fc.assert(
    fc.property(schedule({ cpus: 3, steps: 50, preemptions: 4 }), (preemptions) => {
      expect(preemptions.length).toBeLessThanOrEqual(4);
      expect(new Set(preemptions.map(({ at }) => at)).size).toBe(preemptions.length);
      expect([...preemptions].sort(isSmallFirst)).toEqual(preemptions);
      for (const { at, to } of preemptions) {
        expect(at).toBeGreaterThanOrEqual(0);
        expect(at).toBeLessThan(50);
        expect(to).toBeLessThan(3);
      }
    }),
  );
});

it('runs what a token names, step for step', () => {
  const { failure } = exploreCase(broken);
  const token = failure?.token ?? '';
  expect(scheduleOf(token).length).toBeGreaterThan(0);
  const run = runSchedule(broken, scheduleOf(token));
  expect(run.token).toBe(token);
  expect(run.failure).toMatchObject({ token, judge: failure?.judge, message: failure?.message });
});

it('runs schedules that end where they can be replayed', () => {
  fc.assert(
    fc.property(schedule(), (preemptions) => {
      const run = runSchedule(right, preemptions);
      expect(run.failure).toBeUndefined();
      expect(replayCase(right, run.token).record.steps).toHaveLength(run.steps);
    }),
    { numRuns: 15 },
  );
});

it('shrinks a schedule that was caught elsewhere to its one preemption', () => {
  // A schedule of a random walk: it changes hands all the time.
  const caught = scheduleOf(exploreCase(broken, { strategy: 'random' }).failure?.token ?? '');
  expect(caught.length).toBeGreaterThan(3);
  const holds = (preemptions: Schedule): boolean => runSchedule(broken, preemptions).failure === undefined;
  const { counterexample } = fc.check(fc.property(schedule(), holds), { examples: [[caught]], numRuns: 1 });
  const [small = []] = counterexample ?? [];
  expect(small).toHaveLength(1);
  expect(runSchedule(broken, small)).toMatchObject({ preemptions: 1, failure: {} });
});

it('refuses what is no schedule of CPUs alone', () => {
  expect(() => scheduleOf('0:4,0w:1')).toThrow(
    "the token 0:4,0w:1 has steps of a store buffer ('0w'): a list of preemptions is of CPUs alone, for example 0:4,1:6",
  );
  expect(() => schedule({ cpus: 1 })).toThrow('cpus 1: give a whole number from 2 to 8, for example 2');
  expect(() => scheduleOf('nonsense')).toThrow("'nonsense' is no schedule token");
});
