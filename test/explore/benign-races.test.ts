// The kernel's data races: those that are known are there, and would be told if they were not known; others are none.
import { describe, expect, it } from 'vitest';
import { BENIGN_RACES, kernelRules } from '../../src/explore/benign-races.ts';
import type { BenignRace } from '../../src/explore/benign-races.ts';
import { exploreSubject } from '../../src/explore/explore.ts';
import type { Exploration } from '../../src/explore/index.ts';
import { KernelSubject } from '../../src/explore/kernel-subject.ts';
import { scenarioNamed, specOf } from '../../src/explore/scenarios.ts';
import { exploreTarget } from '../../src/explore/target.ts';
import { targetFrom } from '../../src/explore/target-file.ts';

/** Where each of them happens, and what the word is called. */
const SHOWN: Readonly<Record<string, readonly [scenario: string, word: RegExp]>> = {
  'pgd, pud, pmd': ['same-table', /^data race on pmd\[\d+\]:/],
  'vma->anon_vma': ['anon-vma', /^data race on vma \S+->anon_vma:/],
  'memcg->failcnt': ['memcg-limit', /^data race on memcg\S+->failcnt:/],
};

function explored(scenario: string, known: readonly BenignRace[]): Exploration {
  const subject = new KernelSubject(specOf(scenarioNamed(scenario)));
  const options = { executions: 200, judges: ['data-race'] as const, shrink: false };
  return exploreSubject(subject, options, { rules: kernelRules(subject.machine, known) });
}

describe('a race that is known', () => {
  it.each(BENIGN_RACES.map(({ field }) => field))('%s: happens, and is told where it is not known', (field) => {
    const [scenario, word] = SHOWN[field]!;
    const others = BENIGN_RACES.filter((race) => race.field !== field);
    const { failure } = explored(scenario, others);
    expect(failure).toMatchObject({ judge: 'data-race' });
    expect(failure!.message).toMatch(word);
    expect(explored(scenario, BENIGN_RACES).failure).toBeUndefined();
  });
});

describe('a region without tables', () => {
  const PUD_SIZE = 0x40_0000_0000;

  it.each([
    ['has tables of every level made by whoever comes first', 3 * 2 * PUD_SIZE],
    ['shares the uppermost with others', PUD_SIZE],
  ])('%s, and nobody races', (_, addr) => {
    const setup = [{ op: 'mmap', addr, length: 2 * 4096, prot: 3, flags: 0x32 }];
    const programs = [[{ op: 'load', addr }], [{ op: 'store', addr: addr + 4096, value: 2 }]];
    const { verdict, failure } = exploreTarget(targetFrom({ setup, programs }, 'cold.json'));
    expect(failure?.message).toBeUndefined();
    expect(verdict).toBe('held');
  });
});
