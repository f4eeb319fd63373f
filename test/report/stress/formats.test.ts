// One report in four formats: the same figures in all of them, and each as its readers expect it.
import fc from 'fast-check';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { analyse } from '../../../src/report/stress/analysis.ts';
import { renderCsv } from '../../../src/report/stress/csv.ts';
import { reportDocument } from '../../../src/report/stress/document.ts';
import type { DocumentPoint, ReportDocument } from '../../../src/report/stress/document.ts';
import { quartersOf } from '../../../src/report/stress/histogram.ts';
import { renderPage } from '../../../src/report/stress/page.ts';
import { parseJson } from '../../../src/report/stress/fields.ts';
import { checkResults } from '../../../src/report/stress/schema.ts';
import { renderText } from '../../../src/report/stress/text.ts';
import { grouped } from '../../../src/report/text.ts';
import type { StressResults } from '../../../src/stress/results.ts';
import { expectGolden, golden } from '../../support/golden.ts';
import { csvRows, pageTables, parseCsv } from '../../support/read-report.ts';
import type { PageCell, PageTable } from '../../support/read-report.ts';
import { stressResults } from '../../support/stress-results.ts';

const parseResults = (content: string, file: string): StressResults => checkResults(parseJson(content, file), file);

const report = (...results: StressResults[]): ReturnType<typeof analyse> =>
  analyse({
    sweeps: results.map((one, i) => ({ file: i === 0 ? 'sweep.json' : `sweep-${String(i + 1)}.json`, results: one })),
    benches: [],
  });

/** A small host, a large one, and both together. */
const REPORTS = {
  'two cores': report(stressResults()),
  'eight cores': report(stressResults({ cores: 8, seed: 7, workloads: ['same-page', 'page_fault1'] })),
  both: report(stressResults(), stressResults({ cores: 8, seed: 7, designs: ['split', 'none'] })),
};

/** A number of a CSV field: absent where it is empty. */
const numberOf = (field: string | undefined): number | undefined =>
  field === undefined || field === '' ? undefined : Number(field);
/** The one value of a cell: absent where it shows none. */
const valueOf = (cell: PageCell | undefined): number | undefined => cell?.values[0];

describe.each(Object.entries(REPORTS))('the figures of %s', (_name, told) => {
  const page = renderPage(told);
  const tables = pageTables(page);
  const rows = csvRows(renderCsv(told));
  const { series: all, losses } = JSON.parse(JSON.stringify(reportDocument(told))) as ReportDocument;
  const points = all.flatMap((series) => series.points.map((point) => ({ series, point })));

  const tableOf = (name: string, series: string): PageTable => {
    const found = tables.filter((table) => table.name === name && table.series === series);
    expect(found).toHaveLength(1);
    return found[0]!;
  };
  const rowOf = (table: PageTable, cpus: number): readonly PageCell[] =>
    table.rows.find(([cell]) => valueOf(cell) === cpus)!;
  const csvOf = (record: string, series: string, point: DocumentPoint): Record<string, string>[] =>
    rows.filter((row) => row.record === record && row.series === series && Number(row.cpus) === point.cpus);

  it('are of every point in CSV, JSON and the page: rates, spreads, speed-ups', () => {
    expect(rows.filter(({ record }) => record === 'point')).toHaveLength(points.length);
    for (const { series, point } of points) {
      const [row, ...more] = csvOf('point', series.id, point);
      expect(more).toEqual([]);
      const expected = [point.rate, point.spread, point.speedup, point.ofLinear];
      expect([row!.faults_per_second, row!.spread, row!.speedup, row!.of_linear].map(numberOf)).toEqual(expected);
      const cells = rowOf(tableOf('scaling', series.id), point.cpus);
      expect(cells.slice(1, 5).map(valueOf)).toEqual(expected);
      expect(cells[1]!.text).toBe(grouped(point.rate!));
      expect(cells[5]!.text).toBe(row!.beyond_cores === 'true' ? 'yes' : 'no');
      expect(row!.beyond_cores).toBe(String(point.cpus > series.cores));
    }
  });

  it('are of every round', () => {
    for (const { series, point } of points) {
      const rates = point.rounds.map(({ faultsPerSecond }) => faultsPerSecond);
      expect(csvOf('round', series.id, point).map((row) => Number(row.faults_per_second))).toEqual(rates);
      expect(rowOf(tableOf('scaling', series.id), point.cpus)[6]!.values).toEqual(rates);
    }
  });

  it('are of every verdict', () => {
    const verdicts = tables.find(({ name }) => name === 'verdicts')!;
    const counts = verdicts.head.slice(1).map((text) => Number.parseInt(text, 10));
    all.forEach((series, i) => {
      counts.forEach((cpus, column) => {
        const point = series.points.find((one) => one.cpus === cpus);
        const shown = verdicts.rows[i]![column + 1]!.text;
        expect(shown).toBe(
          point === undefined
            ? '–'
            : `${{ held: '✓', violated: '✗', 'not decided': '?' }[point.verdict]} ${point.verdict}`,
        );
        if (point !== undefined) expect(csvOf('point', series.id, point)[0]!.verdict).toBe(point.verdict);
      });
    });
  });

  it('are of every loss', () => {
    expect(losses.length).toBeGreaterThan(0);
    for (const { series, cpus, lostPerMillion, beside } of losses) {
      const cells = rowOf(tableOf('losses', series), cpus);
      expect([valueOf(cells[1]), valueOf(cells[3])]).toEqual([lostPerMillion, beside?.ratio]);
      const point = all.find(({ id }) => id === series)!.points.find((one) => one.cpus === cpus)!;
      expect(numberOf(csvOf('point', series, point)[0]!.lost_per_million)).toBe(point.lostPerMillion);
      if (point.verdict === 'violated') expect(lostPerMillion).toBe(point.lostPerMillion);
    }
  });

  it('are of every lock', () => {
    for (const { series, point } of points) {
      const row = csvOf('point', series.id, point)[0]!;
      const total = point.locks.reduce((sum, { waitTotalNs }) => sum + waitTotalNs, 0);
      expect(Number(row.lock_wait_total_ns)).toBe(total);
    }
    const waited = all.filter(({ points: some }) =>
      some.some(({ locks }) => locks.some(({ waitTotalNs }) => waitTotalNs > 0)),
    );
    expect(tables.filter(({ name }) => name === 'locks').map(({ series }) => series)).toEqual(
      waited.map(({ id }) => id),
    );
    for (const series of waited) {
      const uses = series.points.flatMap((point) => point.locks.map((lock) => ({ cpus: point.cpus, lock })));
      expect(
        tableOf('locks', series.id).rows.map((cells) => [
          cells[6]!.text,
          ...[0, 1, 2, 3, 4, 7, 8, 9].map((i) => valueOf(cells[i])),
        ]),
      ).toEqual(
        uses.map(({ cpus, lock }) => [
          lock.lock,
          cpus,
          lock.contended,
          lock.waitTotalNs,
          lock.waitMaxNs,
          lock.waitMeanNs,
          lock.acquisitions,
          lock.holdMeanNs,
          lock.holdMaxNs,
        ]),
      );
    }
  });

  it('are of every latency, and every timed fault is in a bar', () => {
    const latencies = tables.filter(({ name }) => name === 'latency').flatMap((table) => table.rows);
    expect(latencies.map((cells) => cells.slice(1).map(valueOf))).toEqual(
      points.map(({ point: { cpus, latency } }) => [
        cpus,
        latency!.p50Ns,
        latency!.p99Ns,
        latency!.p999Ns,
        latency!.maxNs,
        latency!.timed,
      ]),
    );
    for (const series of all) {
      const table = tableOf('histogram', series.id);
      series.points.forEach(({ latency }, i) => {
        expect(table.rows.reduce((sum, cells) => sum + valueOf(cells[2 + i])!, 0)).toBe(latency!.timed);
      });
      for (const point of series.points) {
        const row = csvOf('point', series.id, point)[0]!;
        expect(Number(row.latency_p99_ns)).toBe(point.latency!.p99Ns);
      }
    }
  });

  it('are of every fit', () => {
    const shown = tables.filter(({ name }) => name === 'fits').flatMap(({ rows: some }) => some);
    const workloads = [...new Set(all.map(({ workload }) => workload))];
    const tabled = workloads
      .map((workload) => all.filter((series) => series.workload === workload))
      .filter((group) => group.some(({ fit }) => fit.kind === 'fitted'))
      .flat();
    expect(shown.map((cells) => cells.slice(1, 5).map(valueOf))).toEqual(
      tabled.map(({ fit }) =>
        fit.kind === 'refused'
          ? [undefined, undefined, undefined, undefined]
          : [fit.fit.lambda, fit.fit.sigma, fit.fit.kappa, fit.fit.residual],
      ),
    );
    for (const { fit } of all) if (fit.kind === 'refused') expect(page).toContain(fit.why.replaceAll("'", '&#39;'));
  });

  it('are in the text as well, as people read them', () => {
    const text = renderText(told);
    for (const { point } of points) expect(text).toContain(` ${grouped(point.rate!)} `);
  });

  it('are the same again when they are written again', () => {
    expect(renderPage(told)).toBe(page);
  });
});

describe('the text', () => {
  it.each([
    ['stress-report-two-cores', REPORTS['two cores']],
    ['stress-report-eight-cores', REPORTS['eight cores']],
  ])('is as in the golden file %s', async (name, told) => {
    await expectGolden(renderText(told), name);
  });

  it('stays within 80 columns, whatever the names', () => {
    const long = stressResults({ workloads: ['pairs'], designs: ['none'], cpus: [1, 64] });
    const points = long.points.map((point) => ({
      ...point,
      workload: 'a-recording/of/a-program-with-a-long-name.perf.txt.gz and more words than a line has room for',
      lock: 'test-and-set',
      without: ['pte_recheck', 'memcg_add_then_check', 'pmd_install_recheck', 'percpu_counter'],
      locks: point.locks.map((lock) => ({ ...lock, lock: 'percpu_counter->lock', contended: 1e12, waitTotalNs: 1e15 })),
    }));
    const lines = renderText(report({ ...long, points })).split('\n');
    expect(lines.filter((line) => line.length > 80 && line.includes(' ', 12))).toEqual([]);
  });
});

describe('the CSV', () => {
  it('is as in the golden file', async () => {
    const small = report(
      stressResults({ workloads: ['same-page'], designs: ['split', 'none'], cpus: [1, 2, 4], rounds: 2 }),
    );
    await expect(renderCsv(small)).toMatchFileSnapshot(golden('stress-report', 'csv'));
  });

  it('keeps every text, whatever it has in it', () => {
    const results = stressResults({ workloads: ['pairs'], designs: ['split'], cpus: [1] });
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (workload) => {
        const points = results.points.map((point) => ({ ...point, workload }));
        const [row] = csvRows(renderCsv(report({ ...results, points })));
        expect(row!.workload).toBe(workload);
      }),
    );
  });

  it('is told apart from what is no CSV', () => {
    expect(() => parseCsv('a,b"c\r\n')).toThrow('no field');
    expect(() => parseCsv('a,b')).toThrow();
  });
});

describe('the page', () => {
  const page = renderPage(REPORTS.both);
  const { document } = parseHTML(page);

  it('asks nothing of a network and runs nothing', () => {
    expect(document.querySelectorAll('script, link, img, iframe, object, embed, base, form')).toHaveLength(0);
    const addresses = [...page.matchAll(/(?:https?:)?\/\/[\w.-]+/g)].map(([text]) => text);
    expect(new Set(addresses)).toEqual(new Set(['http://www.w3.org']));
    expect(page).not.toMatch(/@import|url\(|\son\w+=/);
    for (const link of document.querySelectorAll('a')) {
      const to = link.getAttribute('href')!;
      expect(to).toMatch(/^#/);
      expect(document.getElementById(to.slice(1)), to).not.toBeNull();
    }
  });

  it('has its parts in their order', () => {
    expect([...document.querySelectorAll('h2')].map((heading) => heading.textContent)).toEqual([
      'Verdicts',
      'Scaling',
      'Fast and wrong',
      'Locks',
      'Latency',
      'Counterexamples',
      'Host',
      'Warnings',
      'Commands',
    ]);
  });

  it('has for each chart a title, a description and a table, and no name twice', () => {
    const figures = [...document.querySelectorAll('figure')];
    expect(figures.length).toBeGreaterThan(20);
    for (const figure of figures) {
      const [svg, ...more] = figure.querySelectorAll('svg');
      expect(more).toEqual([]);
      for (const id of svg!.getAttribute('aria-labelledby')!.split(' ')) {
        expect(document.getElementById(id)!.textContent).not.toBe('');
      }
      expect(figure.querySelectorAll('details table tbody tr').length).toBeGreaterThan(0);
    }
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('calls what is wrong so wherever it is shown', () => {
    for (const { id } of REPORTS.both.losses.map(({ series }) => series)) {
      for (const table of document.querySelectorAll(`figure table[data-series="${id}"]`)) {
        expect(table.closest('figure')!.querySelector('figcaption')!.textContent).toContain('fast and wrong');
      }
    }
  });

  it('has the command of every figure, and the replay of every counterexample', () => {
    const commands = [...document.querySelectorAll('pre')].flatMap((pre) => pre.textContent.split('\n'));
    for (const { workloads } of [REPORTS.both]) {
      for (const { measured } of workloads.flatMap(({ series }) => series.flatMap(({ points }) => points))) {
        expect(commands).toContain(measured.command);
        if (measured.counterexample !== undefined) expect(commands).toContain(measured.counterexample.command);
      }
    }
  });

  it('shows text as text, whatever it has in it', () => {
    const nasty = '</style><script>alert(1)</script><img src=x onerror=alert(1)> & "quoted" \'too\'';
    const results = stressResults({ workloads: ['pairs'], designs: ['none'], cpus: [1, 2] });
    const host = { ...results.host, processor: nasty, release: nasty };
    const points = results.points.map((point) => ({
      ...point,
      workload: nasty,
      locking: nasty,
      without: [nasty],
      bounds: nasty,
      command: nasty,
      findings: point.findings.map((finding) => ({ ...finding, message: nasty })),
      locks: point.locks.map((lock) => ({ ...lock, lock: nasty })),
      warnings: [nasty],
    }));
    const written = renderPage(report(parseResults(JSON.stringify({ ...results, host, points }), 'sweep.json')));
    const { document: shown } = parseHTML(written);
    expect(shown.querySelectorAll('script, img')).toHaveLength(0);
    expect(written).not.toMatch(/<(?:script|img)/);
    expect(shown.querySelector('dd:nth-of-type(2)')!.textContent).toBe(nasty);
    expect([...shown.querySelectorAll('pre')].map((pre) => pre.textContent)).toContain(`${nasty}\n${nasty}`);
  });

  it('is whole where there is little to show', () => {
    const results = stressResults({ workloads: ['page_fault1'], designs: ['split'], cpus: [1] });
    const points = results.points.map((point) => {
      const { latency, ...rest } = point;
      expect(latency).toBeDefined();
      return { ...rest, locks: [], rounds: [], faultsPerSecond: 0 };
    });
    const bare = renderPage(report({ ...results, points }));
    expect(parseHTML(bare).document.querySelectorAll('figure')).toHaveLength(0);
    for (const text of ['No point was violated', 'Nobody waited for a lock', 'No fault was timed'])
      expect(bare).toContain(text);
    expect(bare).not.toMatch(/NaN|undefined|Infinity/);
    for (const told of Object.values(REPORTS)) expect(renderPage(told)).not.toMatch(/NaN|undefined|Infinity/);
  });
});

it('puts every timed fault into one bar that holds its time', () => {
  const histograms = fc.uniqueArray(fc.integer({ min: 0, max: 2 ** 40 }), { maxLength: 40 }).chain((bounds) =>
    fc.record({
      upToNs: fc.constant([...bounds].sort((a, b) => a - b)),
      counts: fc.array(fc.nat({ max: 1000 }), { minLength: bounds.length, maxLength: bounds.length }),
    }),
  );
  fc.assert(
    fc.property(histograms, ({ upToNs, counts }) => {
      const bars = quartersOf({ upToNs, counts });
      const sum = (values: readonly number[]): number => values.reduce((all, n) => all + n, 0);
      expect(sum(bars.map(({ count }) => count))).toBe(sum(counts));
      for (const { fromNs, belowNs, count } of bars) {
        const inside = counts.filter((_, i) => Math.max(upToNs[i]!, 1) >= fromNs && Math.max(upToNs[i]!, 1) < belowNs);
        expect(sum(inside)).toBe(count);
      }
    }),
  );
});
