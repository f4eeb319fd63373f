// Every scenario: held with all defences on, violated without one that it is about, under each locking design.
import { describe, expect, it } from 'vitest';
import { DEFENCES } from '../../src/kernel/defences.ts';
import { MEMORY_MODELS } from '../../src/explore/program.ts';
import { NEEDLESS, SCENARIOS, scenarioNamed, specOf } from '../../src/explore/scenarios.ts';
import { exploreSubject } from '../../src/explore/explore.ts';
import { exploreAll, subjectOf } from '../support/kernel-explorer.ts';

const DESIGNS = ['split', 'mm', 'cmpxchg'];
/** Executions after which every scenario but the largest is decided, and what is looked at of that. */
const ENOUGH = 2500;
const LARGEST = 'memcg-limit';
const OF_LARGEST = process.env.PAGERACE_RUNS === undefined ? 700 : ENOUGH;
/** Executions in which the removal of a defence must have shown. */
const SOON = 300;

it('has a scenario for each defence, and no defence that there is not', () => {
  const exercised = new Set(SCENARIOS.flatMap((scenario) => Object.keys(scenario.defences)));
  expect([...exercised].sort()).toEqual(DEFENCES.map((defence) => defence.name).sort());
});

describe.each(DESIGNS)('locking %s', (locking) => {
  it.each(SCENARIOS.map(({ name }) => name))('%s holds', (name) => {
    const model = scenarioNamed(name).memoryModel ?? 'sc';
    const executions = name === LARGEST ? OF_LARGEST : ENOUGH;
    const found = exploreAll(subjectOf(name, { locking }), { model, executions });
    expect([...found.judges, ...found.broken]).toEqual([]);
    expect(found.blocked).toBe(0);
    expect(found.finished || name === LARGEST).toBe(true);
  });

  for (const scenario of SCENARIOS) {
    for (const [defence, judges] of Object.entries(scenario.defences)) {
      const subject = (): ReturnType<typeof subjectOf> => subjectOf(scenario.name, { locking, without: [defence] });
      const model = scenario.memoryModel ?? 'sc';
      if (NEEDLESS[locking]!.includes(defence)) {
        it(`${scenario.name} holds without ${defence}`, () => {
          const found = exploreAll(subject(), { model, executions: ENOUGH });
          expect([...found.judges, ...found.broken]).toEqual([]);
          expect(found.finished).toBe(true);
        });
      } else {
        it(`neg_${scenario.name} without ${defence}: ${judges.join(' or ')}`, () => {
          const found = exploreAll(subject(), { model, executions: SOON, until: judges });
          expect([...found.judges].filter((judge) => judges.includes(judge))).not.toEqual([]);
        });
      }
    }
  }
});

it.each(['first-touch', 'read-then-write', 'cow', 'rss'])('%s holds on three CPUs', (name) => {
  const found = exploreAll(subjectOf(name, { cpus: 3 }), { executions: ENOUGH });
  expect([...found.judges, ...found.broken]).toEqual([]);
  expect(found.finished).toBe(true);
});

describe('without uptodate_barrier', () => {
  it.each(MEMORY_MODELS)('%s', (model) => {
    const found = exploreAll(subjectOf('uptodate', { without: ['uptodate_barrier'] }), { model });
    expect([...found.judges]).toEqual(model === 'pso' ? ['I13'] : []);
    expect(found.finished).toBe(true);
  });
});

it.each(['qspinlock', 'ticket', 'test-and-set'])('%s explores as any lock does', (lock) => {
  const found = exploreAll(subjectOf('first-touch', { lock }));
  expect([found.executions, found.judges.size, found.finished]).toEqual([6, 0, true]);
});

it('decides first-touch in a few executions, and names the smallest failure without the lock', () => {
  expect(exploreSubject(subjectOf('first-touch'), {})).toMatchObject({ verdict: 'held', executions: 6, blocked: 0 });
  expect(exploreSubject(subjectOf('first-touch', { cpus: 3 }), {})).toMatchObject({ verdict: 'held', executions: 39 });
  const { verdict, failure } = exploreSubject(subjectOf('first-touch', { without: ['ptl'] }), {});
  expect([verdict, failure?.judge, failure?.preemptions]).toEqual(['violated', 'I13', 1]);
});

it('a scenario says in one sentence for how many CPUs it is', () => {
  expect(() => specOf(scenarioNamed('retract'), { cpus: 5 })).toThrow('Scenario retract is not for 5 CPUs');
  expect(() => scenarioNamed('first-tuch')).toThrow('for example first-touch');
});
