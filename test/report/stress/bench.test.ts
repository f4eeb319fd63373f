// A bench in a report: the same figures in every format, beside sweeps or alone, and bad documents in one sentence.
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/machine/usage-error.ts';
import { analyse } from '../../../src/report/stress/analysis.ts';
import type { StressReport } from '../../../src/report/stress/analysis.ts';
import { checkBench } from '../../../src/report/stress/bench-schema.ts';
import type { BenchFaults } from '../../../src/report/stress/bench-schema.ts';
import { renderCsv } from '../../../src/report/stress/csv.ts';
import { reportDocument } from '../../../src/report/stress/document.ts';
import type { ReportDocument } from '../../../src/report/stress/document.ts';
import { renderPage } from '../../../src/report/stress/page.ts';
import { renderText } from '../../../src/report/stress/text.ts';
import { grouped } from '../../../src/report/text.ts';
import { median, medianRatio } from '../../../src/stress/bench.ts';
import { benchResults } from '../../support/bench-results.ts';
import { expectGolden } from '../../support/golden.ts';
import { csvRows, pageTables } from '../../support/read-report.ts';
import { stressResults } from '../../support/stress-results.ts';

const report = (results: BenchFaults): StressReport =>
  analyse({ sweeps: [], benches: [{ file: 'bench.json', results }] });

describe.each([
  ['with the kernel', benchResults()],
  ['without a C compiler', benchResults({ kernel: false })],
])('the figures of a bench %s', (_name, results) => {
  const told = report(results);
  const rows = csvRows(renderCsv(told));
  const tables = pageTables(renderPage(told)).filter(({ name }) => name === 'bench');
  const { benches } = JSON.parse(JSON.stringify(reportDocument(told))) as ReportDocument;
  const sides = [
    ['simulated', 'simulated'],
    ['this kernel', 'kernel'],
  ] as const;

  it('are of every run and every median in CSV', () => {
    for (const { loop, cpus, ...point } of results.points) {
      for (const [series, side] of sides) {
        const mine = rows.filter((row) => row.workload === loop && row.cpus === String(cpus) && row.series === series);
        const rates = (record: string): number[] =>
          mine.filter((row) => row.record === record).map((row) => Number(row.faults_per_second));
        expect(rates('bench run')).toEqual(point[side]);
        expect(rates('bench')).toEqual(point[side].length === 0 ? [] : [median(point[side])]);
      }
    }
    const ran = results.points
      .flatMap(({ simulated, kernel }) => [simulated, kernel])
      .filter((runs) => runs.length > 0);
    expect(rows).toHaveLength(ran.reduce((sum, runs) => sum + 1 + runs.length, 0));
  });

  it('are the same in JSON and on the page', () => {
    for (const { loop, cpus, simulated, kernel, contended } of results.points) {
      const pair = benches[0]!.loops.find((one) => one.loop === loop)!.pairs.find((one) => one.cpus === cpus)!;
      const measured = kernel.length > 0;
      expect([pair.simulated, pair.kernel, pair.ratio, pair.contended]).toEqual([
        median(simulated),
        measured ? median(kernel) : undefined,
        measured ? medianRatio(simulated, kernel) : undefined,
        contended,
      ]);
      const cells = tables
        .find(({ series }) => series === `bench-1-${loop}`)!
        .rows.find(([cell]) => cell!.values[0] === cpus)!;
      expect(cells.slice(1, 5).map(({ values }) => values[0])).toEqual([
        pair.simulated,
        pair.kernel,
        pair.ratio,
        pair.contended,
      ]);
      expect([cells[6]!.values, cells[7]!.values]).toEqual([simulated, kernel]);
      expect(renderText(told)).toContain(grouped(pair.simulated));
    }
  });
});

it('is told at 80 columns', async () => {
  await expectGolden(renderText(report(benchResults())), 'bench-report');
});

it('stands beside sweeps, or alone, and no part is there of what there is not', () => {
  const sweeps = [
    { file: 'sweep.json', results: stressResults({ workloads: ['pairs'], designs: ['split'], cpus: [1] }) },
  ];
  const benches = [{ file: 'bench.json', results: benchResults() }];
  const parts = (page: string): string[] => [...page.matchAll(/<h2 id="([^"]+)"/g)].map(([, id = '']) => id);
  const last = ['host', 'warnings', 'commands'];
  const measured = ['verdicts', 'scaling', 'losses', 'locks', 'latency', 'counterexamples'];
  expect(parts(renderPage(analyse({ sweeps: [], benches })))).toEqual(['bench', ...last]);
  expect(parts(renderPage(analyse({ sweeps, benches: [] })))).toEqual([...measured, ...last]);
  const both = renderPage(analyse({ sweeps, benches }));
  expect(parts(both)).toEqual([...measured, 'bench', ...last]);
  expect(both).toContain('pagerace bench --only faults --json');
});

describe('checkBench', () => {
  const complaint = (document: unknown): string => {
    try {
      checkBench(document, 'bench.json');
    } catch (error) {
      expect(error).toBeInstanceOf(UsageError);
      return (error as UsageError).message;
    }
    throw new Error('nothing was wrong with it');
  };
  const good = benchResults();
  const [first, ...others] = good.points;

  it('takes what a bench writes, and leaves out what it does not know', () => {
    expect(checkBench({ ...good, zeroing: [1], explore: {} }, 'bench.json')).toEqual(good);
  });

  it.each([
    ['no faults', { ...good, points: undefined }, /without faults a second.*pagerace bench --only faults --json\.$/],
    ['no points', { ...good, points: [] }, /points is empty/],
    [
      'a rate below 0',
      { ...good, points: [{ ...first, simulated: [-1] }, ...others] },
      /points\[0\]\.simulated\[0\] is negative/,
    ],
    ['no run', { ...good, points: [{ ...first, simulated: [] }] }, /simulated is empty/],
    ['a loop that is none', { ...good, points: [{ ...first, loop: 'x' }] }, /points\[0\]\.loop is "x"/],
    ['a point twice', { ...good, points: [first, first] }, /points measures the same twice/],
    ['another version', { ...good, version: 2 }, /version 2, and this pagerace reads version 1/],
    ['no host', { ...good, host: undefined }, /host is missing/],
  ])('refuses %s', (_what, document, says) => {
    expect(complaint(document)).toMatch(says);
    expect(complaint(document)).toMatch(/^bench\.json .*\.$/);
  });
});
