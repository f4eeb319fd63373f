// What is said of sweeps: which points are one series, what is a statement on scaling, what is fast and wrong.
import { describe, expect, it } from 'vitest';
import { allSeries, analyse, cpusText, listText } from '../../../src/report/stress/analysis.ts';
import type { Series, StressReport } from '../../../src/report/stress/analysis.ts';
import type { StressPoint, StressResults } from '../../../src/stress/results.ts';
import { stressResults } from '../../support/stress-results.ts';

function report(...results: StressResults[]): StressReport {
  return analyse({ sweeps: results.map((one, i) => ({ file: `${String(i + 1)}.json`, results: one })), benches: [] });
}

function changePoints(results: StressResults, change: (point: StressPoint) => Partial<StressPoint>): StressResults {
  return { ...results, points: results.points.map((point) => ({ ...point, ...change(point) })) };
}

const one = { workloads: ['same-page'], designs: ['split'] };
const labels = (told: StressReport): string[] => allSeries(told).map(({ label }) => label);
const cpusOf = ({ points }: Series): number[] => points.map(({ measured }) => measured.cpus);

describe('series', () => {
  it('have every point once, in ascending order of CPUs, whatever the order of the file', () => {
    const results = stressResults();
    const told = report({ ...results, points: [...results.points].reverse() });
    const points = allSeries(told).flatMap((series) => series.points.map(({ measured }) => measured));
    expect(new Set(points)).toEqual(new Set(results.points));
    expect(points).toHaveLength(results.points.length);
    for (const series of allSeries(told)) expect(cpusOf(series)).toEqual([1, 2, 4, 8]);
    expect(new Set(allSeries(told).map(({ id }) => id)).size).toBe(allSeries(told).length);
  });

  it('join what two sweeps of one host measured at different numbers of CPUs', () => {
    const told = report(stressResults({ ...one, cpus: [1, 4] }), stressResults({ ...one, cpus: [2], seed: 2 }));
    expect(allSeries(told).map(cpusOf)).toEqual([[1, 2, 4]]);
    expect(labels(told)).toEqual(['split']);
    expect(allSeries(told)[0]!.points.map(({ sweep }) => sweep)).toEqual([1, 2, 1]);
  });

  it('stay apart where two sweeps measured the same, hosts differ, or versions do, and say which is which', () => {
    const results = stressResults({ ...one, cpus: [1, 2] });
    const apart = ['split (sweep 1)', 'split (sweep 2)'];
    expect(labels(report(results, stressResults({ ...one, cpus: [2, 4], seed: 2 })))).toEqual(apart);
    const faster = { ...results, host: { ...results.host, processor: 'Another' } };
    expect(labels(report(results, faster))).toEqual(apart);
    expect(labels(report(results, { ...results, pagerace: '9.9.9' }))).toEqual(apart);
  });

  it('are told apart by the lock where there are several, and by what is taken away', () => {
    const results = stressResults({ ...one, cpus: [1, 2] });
    const tickets = changePoints(results, () => ({ lock: 'ticket', without: ['ptl', 'pte_recheck'] }));
    expect(labels(report(results))).toEqual(['split']);
    expect(labels(report({ ...results, points: [...results.points, ...tickets.points] }))).toEqual([
      'split, qspinlock',
      'split, ticket without ptl, pte_recheck',
    ]);
  });
});

describe('scaling', () => {
  it('is stated within the cores alone', () => {
    const [series] = allSeries(report(stressResults({ ...one, cores: 2 })));
    expect(series!.points.map(({ beyondCores }) => beyondCores)).toEqual([false, false, true, true]);
    expect(series!.points.map(({ speedup }) => speedup !== undefined)).toEqual([true, true, false, false]);
    const [first, second] = series!.points;
    expect(second!.speedup).toBe(second!.rate! / first!.rate!);
    expect(second!.ofLinear).toBe(second!.speedup! / 2);
  });

  it('has no speed-up without the rate of one CPU', () => {
    const [series] = allSeries(report(stressResults({ ...one, cores: 8, cpus: [2, 4, 8] })));
    expect(series!.points.map(({ speedup }) => speedup)).toEqual([undefined, undefined, undefined]);
    expect(series!.fit).toEqual({ kind: 'refused', why: '1 CPU was not measured, and λ is its rate' });
  });

  it('is fitted over the CPU counts within the cores, or not at all', () => {
    const fitOf = (cores: number): Series['fit'] => allSeries(report(stressResults({ ...one, cores })))[0]!.fit;
    expect(fitOf(2)).toEqual({
      kind: 'refused',
      why: "2 CPU counts within the host's 2 cores (1 and 2); 3 are needed",
    });
    expect(fitOf(1)).toEqual({ kind: 'refused', why: "1 CPU count within the host's 1 core (1); 3 are needed" });
    expect(fitOf(4)).toMatchObject({ kind: 'fitted', fit: { cpus: [1, 2, 4] } });
    const whole = fitOf(8);
    expect(whole).toMatchObject({ kind: 'fitted', fit: { cpus: [1, 2, 4, 8] } });
    // The rates were made with σ 0.16 and κ 0.008, and scattered by a few percent.
    if (whole.kind === 'fitted') {
      expect(whole.fit.sigma).toBeGreaterThan(0.05);
      expect(whole.fit.sigma).toBeLessThan(0.3);
      expect(whole.fit.residual).toBeLessThan(0.05);
    }
  });

  it('has no rate where no round ran, and none is made up', () => {
    const results = changePoints(stressResults({ ...one, cores: 8 }), ({ cpus }) =>
      cpus === 4 ? { rounds: [], faultsPerSecond: 0, verdict: 'not decided' } : {},
    );
    const [series] = allSeries(report(results));
    expect(series!.points.map(({ rate }) => rate !== undefined)).toEqual([true, true, false, true]);
    expect(series!.fit).toMatchObject({ kind: 'fitted', fit: { cpus: [1, 2, 8] } });
  });
});

describe('losses', () => {
  const told = report(stressResults({ workloads: ['page_fault1', 'same-page'] }));

  it('are of the series that are wrong, every point of them', () => {
    expect(allSeries(told).filter(({ wrong }) => wrong)).toHaveLength(1);
    expect(told.losses.map(({ series, point }) => [series.workload, series.label, point.measured.cpus])).toEqual(
      [1, 2, 4, 8].map((cpus) => ['same-page', 'none', cpus]),
    );
    const [held, ...violated] = told.losses;
    expect(held!.lostPerMillion).toBe(0);
    for (const { lostPerMillion, point } of violated) expect(lostPerMillion).toBe(point.measured.lostPerMillion);
  });

  it('stand beside the best that held with as many CPUs', () => {
    const safe = told.workloads[1]!.series.filter(({ wrong }) => !wrong);
    for (const { point, beside } of told.losses) {
      const rates = safe.map(
        ({ points }) => points.find(({ measured }) => measured.cpus === point.measured.cpus)!.rate!,
      );
      expect(beside!.ratio).toBe(point.rate! / Math.max(...rates));
    }
  });

  it('are not said to be 0 where they were not measured', () => {
    const results = changePoints(stressResults({ ...one, designs: ['none'] }), (point) => {
      const copy: Partial<StressPoint> & { lostPerMillion?: number } = { ...point };
      delete copy.lostPerMillion;
      return copy;
    });
    const bare = results.points.map((point) => {
      const { lostPerMillion, ...rest } = point;
      return lostPerMillion === undefined ? point : rest;
    });
    const { losses } = report({ ...results, points: bare });
    expect(losses.map(({ lostPerMillion }) => lostPerMillion)).toEqual([0, undefined, undefined, undefined]);
    expect(losses.every(({ beside }) => beside === undefined)).toBe(true);
  });
});

describe('warnings', () => {
  it('name the points that they are about, once each', () => {
    const { warnings } = report(stressResults({ ...one, cores: 2 }));
    expect(warnings.map(({ points }) => points)).toEqual([['same-page, split, 4 CPUs'], ['same-page, split, 8 CPUs']]);
  });

  it('say where CPUs are faster than linear, within the cores', () => {
    const results = changePoints(stressResults({ ...one, cores: 2 }), ({ cpus }) => ({
      faultsPerSecond: 100 * cpus * (cpus === 1 ? 1 : 1.5),
      warnings: [],
    }));
    const told = report(results).warnings;
    expect(told).toHaveLength(1);
    expect(told[0]!.text).toMatch(/^more than linear: .*measure it again/);
    expect(told[0]!.points).toEqual(['same-page, split, 2 CPUs']);
    expect(report(changePoints(results, ({ cpus }) => ({ faultsPerSecond: 100 * cpus }))).warnings).toEqual([]);
  });

  it('say when hosts or versions differ', () => {
    const results = stressResults({ ...one, cpus: [1] });
    const texts = report(results, { ...results, pagerace: '9.9.9', host: { ...results.host, cores: 64 } }).warnings;
    expect(texts.map(({ text }) => text)).toEqual([
      'the sweeps are of different hosts: compare within a host, not between them',
      'the sweeps are of different versions of pagerace: measure again with one of them',
    ]);
  });
});

it('counts verdicts', () => {
  const results = stressResults();
  const { verdicts } = report(results);
  for (const verdict of ['held', 'violated', 'not decided'] as const) {
    expect(verdicts[verdict]).toBe(results.points.filter((point) => point.verdict === verdict).length);
    expect(verdicts[verdict]).toBeGreaterThan(0);
  }
});

it('says lists and numbers of CPUs in words', () => {
  expect([[], [1], [1, 2], [1, 2, 4]].map(listText)).toEqual(['none', '1', '1 and 2', '1, 2 and 4']);
  expect([1, 2].map(cpusText)).toEqual(['1 CPU', '2 CPUs']);
});
