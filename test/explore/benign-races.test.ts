// The races of the kernel that are known and not told: each there is, and would be told if it were not known.
import { describe, expect, it } from 'vitest';
import { BENIGN_RACES, kernelRules } from '../../src/explore/benign-races.ts';
import { exploreSubject } from '../../src/explore/explore.ts';
import { KernelSubject } from '../../src/explore/kernel-subject.ts';
import { scenarioNamed, specOf } from '../../src/explore/scenarios.ts';

/** Where each of them happens, and what it is then called. */
const SHOWN: Readonly<Record<string, readonly [scenario: string, message: RegExp]>> = {
  'pgd, pud, pmd': ['same-table', /^data race on pmd\[\d+\]: /],
  'vma->anon_vma': ['anon-vma', /^data race on vma anon_vma: |anon_vma/],
  'memcg->failcnt': ['memcg-limit', /failcnt/],
};

describe('a race that is known', () => {
  it.each(BENIGN_RACES.map(({ field }) => field))('%s: there is one, which is told where it is not known', (field) => {
    const [name, message] = SHOWN[field]!;
    const subject = new KernelSubject(specOf(scenarioNamed(name)));
    const explored = (known: typeof BENIGN_RACES): ReturnType<typeof exploreSubject> =>
      exploreSubject(
        subject,
        { executions: 200, judges: ['data-race'], shrink: false },
        { rules: kernelRules(subject.machine, known) },
      );
    const told = explored(BENIGN_RACES.filter((race) => race.field !== field));
    expect(told.failure).toMatchObject({ judge: 'data-race' });
    expect(told.failure!.message).toMatch(message);
    expect(explored(BENIGN_RACES).failure).toBeUndefined();
  });
});
