// What a sweep warns of, from rounds that are made up: the same on any machine.
import { describe, expect, it } from 'vitest';
import { nothingMeasured } from '../../src/stress/point.ts';
import { pointResult } from '../../src/stress/sweep.ts';
import { workload } from '../../src/stress/workloads.ts';

/** The warnings of a point of one CPU whose rounds had these rates. */
function warningsOf(rates: readonly number[], cpus = 1): readonly string[] {
  const point = {
    work: workload('same-table'),
    cpus,
    locking: 'split',
    lock: 'qspinlock',
    without: [],
    pages: 512,
    metered: true,
  };
  const measured = nothingMeasured(cpus);
  for (const rate of rates) {
    measured.rounds.push({ seconds: 1, faults: rate, faultsPerSecond: rate, perCpu: [rate] });
  }
  const explains = (): void => {
    throw new Error('nothing was violated');
  };
  return pointResult(point, measured, { seconds: 1, rounds: undefined }, { explains }).warnings;
}

describe('the warnings of a point', () => {
  it.each([
    ['rounds that are alike', [100, 101, 99, 100, 102], undefined],
    ['one round', [100], /^too short: .*--seconds or --rounds/],
    ['two rounds', [100, 100], /^too short: /],
    ['rounds all over', [100, 40, 170, 60, 140], /^rounds differ much: .*--repeat/],
    ['one round that was disturbed', [100, 101, 99, 100, 20], /^outliers among the rounds/],
    ['one round that is twice as fast', [100, 101, 99, 100, 220], /^outliers among the rounds/],
  ] as const)('for %s', (_what, rates, says) => {
    const told = warningsOf(rates);
    if (says === undefined) expect(told).toEqual([]);
    else expect(told).toEqual([expect.stringMatching(says)]);
  });

  it('say that CPUs did not meet', () => {
    expect(warningsOf([100, 100, 100], 2)).toContainEqual(
      expect.stringMatching(/^nobody ever waited for a lock: use /),
    );
  });
});
