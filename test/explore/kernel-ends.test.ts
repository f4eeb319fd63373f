// The reduction against schedules that know nothing of it: the same ends, from the same beginning.
import { beforeAll, describe, expect, it } from 'vitest';
import { Execution } from '../../src/explore/execution.ts';
import type { KernelSubject } from '../../src/explore/kernel-subject.ts';
import { SCENARIOS } from '../../src/explore/scenarios.ts';
import { exploreAll, randomEnds, subjectOf } from '../support/kernel-explorer.ts';
import type { Found } from '../support/kernel-explorer.ts';

/** Scenarios that a search decides soon. */
const SMALL = SCENARIOS.map(({ name }) => name).filter((name) => name !== 'memcg-limit');

describe.each(SMALL)('%s', (name) => {
  let found: Found;
  beforeAll(() => {
    found = exploreAll(subjectOf(name));
  });

  it('random schedules reach nothing that the search did not', () => {
    const { subject, execution, ends } = found;
    expect([...randomEnds(subject, execution, 200, 1)].filter((end) => !ends.has(end))).toEqual([]);
  });

  it('nor do they where every access is a choice, known to be shared or not', () => {
    const { subject, ends } = found;
    const every = new Execution(subject, 'sc');
    for (let word = 0; word < subject.words.length; word++) every.shared.add(word);
    expect([...randomEnds(subject, every, 100, 2)].filter((end) => !ends.has(end))).toEqual([]);
  });
});

it.each(['ptl', 'pte_recheck'])('first-touch without %s: nor where much can go wrong', (defence) => {
  const { subject, execution, ends } = exploreAll(subjectOf('first-touch', { without: [defence] }));
  expect([...randomEnds(subject, execution, 300, 3)].filter((end) => !ends.has(end))).toEqual([]);
});

/** Every schedule, depth first: the ends of all, and how many there are. */
function exhaust(subject: KernelSubject, execution: Execution, most: number): { ends: Set<string>; schedules: number } {
  const ends = new Set<string>();
  const path: { choices: number[]; at: number }[] = [];
  for (let schedules = 1; schedules <= most; schedules++) {
    execution.restart();
    for (let depth = 0; ; depth++) {
      if (depth === path.length) {
        const choices = Array.from({ length: execution.cpus }, (_, cpu) => cpu).filter((cpu) =>
          execution.isEnabled(cpu),
        );
        if (choices.length === 0) break;
        path.push({ choices, at: 0 });
      }
      const { choices, at } = path[depth]!;
      execution.take(choices[at]!);
    }
    ends.add(subject.endDigest());
    while (path.length > 0 && ++path[path.length - 1]!.at === path[path.length - 1]!.choices.length) path.pop();
    if (path.length === 0) return { ends, schedules };
  }
  throw new Error(`exhaust: there are more than ${String(most)} schedules`);
}

it.each([
  ['first-touch', {}],
  ['first-touch', { without: ['ptl'] }],
  ['oom-reaper', {}],
])('%s %o: all schedules together reach what the search did, and no more', (name, options) => {
  const { subject, execution, ends, executions } = exploreAll(subjectOf(name, options));
  const all = exhaust(subject, execution, 60_000);
  expect([...all.ends].sort()).toEqual([...ends].sort());
  expect(executions).toBeLessThan(all.schedules / 10);
});

/** Whether a word is a CPU's mmu_gather's: each gather begins by forgetting what the last left there. */
function isGather({ machine: { layout } }: KernelSubject, word: number): boolean {
  const at = (word - layout.cpu_areas) % layout.cpu_area_words;
  return word >= layout.cpu_areas && word < layout.mem_map && at >= layout.gather && at < layout.rcu_callbacks;
}

it.each(SMALL)('%s: every execution begins with the memory of the first', (name) => {
  const subject = subjectOf(name);
  const first = Int32Array.from(subject.words);
  for (const model of ['sc', 'pso'] as const) {
    randomEnds(subject, new Execution(subject, model), 20, 4);
    subject.verdict();
    subject.restart();
    expect(subject.words.findIndex((word, i) => word !== first[i] && !isGather(subject, i))).toBe(-1);
  }
});

it('names the words that CPUs share', () => {
  const { subject, execution } = exploreAll(subjectOf('first-touch'));
  const names = new Set(execution.shared.list().map((word) => subject.nameOf(word)));
  expect([...names]).toEqual(expect.arrayContaining(['ptl of the table', 'pte[119]', 'user word 0x75e52fc77000']));
  expect(names.size).toBeLessThan(8);
});
