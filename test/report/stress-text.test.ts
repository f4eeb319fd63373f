// What `pagerace stress` prints, against its golden files.
import { describe, expect, it } from 'vitest';
import { renderSoak, renderStress } from '../../src/report/stress-text.ts';
import { RESULTS_KIND, RESULTS_VERSION } from '../../src/stress/results.ts';
import type { StressPoint, StressResults } from '../../src/stress/results.ts';
import { expectGolden } from '../support/golden.ts';

const held: StressPoint = {
  workload: 'same-page',
  cpus: 2,
  locking: 'split',
  lock: 'qspinlock',
  without: [],
  command: 'pagerace stress same-page --cpus 2 --pages 4096 --seconds 2',
  verdict: 'held',
  bounds: '4 rounds',
  findings: [],
  rounds: [],
  faultsPerSecond: 812_345.6,
  spread: 31_000,
  latency: {
    timed: 100,
    oneIn: 8,
    p50Ns: 640,
    p99Ns: 12_345,
    p999Ns: 1_234_567,
    maxNs: 2_345_678_901,
    histogram: { upToNs: [700], counts: [100] },
  },
  locks: [
    {
      lock: 'ptlock',
      acquisitions: 100_000,
      contended: 1234,
      waitTotalNs: 5_600_000,
      waitMaxNs: 98_000,
      waitMeanNs: 4538,
      holdsTimed: 40,
      holdMaxNs: 9000,
      holdMeanNs: 310,
      holder: { cpu: 1, times: 700 },
      spins: 5,
      parks: 2,
    },
    {
      lock: 'zone->lock',
      acquisitions: 10,
      contended: 0,
      waitTotalNs: 0,
      waitMaxNs: 0,
      waitMeanNs: 0,
      holdsTimed: 0,
      spins: 0,
      parks: 0,
    },
  ],
  fairness: 0.987,
  lostRaces: { pte_recheck: 12 },
  parks: 2,
  warnings: ['rounds differ much: close what else runs here, or use --repeat'],
};

const violated: StressPoint = {
  ...held,
  locking: 'none',
  verdict: 'violated',
  findings: [
    {
      judge: 'I1',
      message: 'BUG: Bad page map: 21 pages with a _mapcount that is not the number of their PTEs',
      round: 0,
    },
  ],
  counterexample: {
    scenario: 'first-touch',
    token: '0:79,1:87,0:8.v49pn',
    steps: 174,
    preemptions: 1,
    judge: 'I13',
    message: 'lost store: CPU 1 stored 0x2 at 0x75e52fc77004, later load by CPU 0 returned 0x0; no order explains it',
    command: 'pagerace replay 0:79,1:87,0:8.v49pn --scenario first-touch --locking none',
  },
  lostPerMillion: 7312,
  locks: [],
};

const results: StressResults = {
  kind: RESULTS_KIND,
  version: RESULTS_VERSION,
  pagerace: '1.0.0',
  started: '2026-01-01T00:00:00.000Z',
  seconds: 12.5,
  command: 'pagerace stress',
  seed: 1,
  host: { processor: 'A Processor', cores: 2, memoryBytes: 8e9, platform: 'linux', release: '6.8', node: 'v20' },
  points: [
    held,
    violated,
    {
      ...held,
      workload: 'mixed',
      warnings: [],
      locks: [],
      latency: undefined,
      fairness: undefined,
    } as unknown as StressPoint,
  ],
};

describe('stress', () => {
  it('prints a sweep', async () => {
    await expectGolden(renderStress(results), 'stress');
  });

  it('prints a line of a soak', () => {
    const totals = {
      seconds: 754.2,
      rounds: 700,
      faults: 123_456_789,
      lostRaces: { a: 3, b: 4 },
      verdict: 'held' as const,
      findings: [],
    };
    expect(renderSoak(totals)).toBe(
      '12 min 34 s: held, 700 rounds, 123,456,789 faults, 163,692 a second, 7 races lost',
    );
    expect(renderSoak({ ...totals, seconds: 0 })).toContain('0 a second');
  });
});
