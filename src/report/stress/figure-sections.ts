// The parts of a page that have figures: verdicts, scaling, losses, locks, latency.
import { allSeries, commonRefusal, cpuListText, cpusText, listText, pointName } from './analysis.ts';
import type { Series, SeriesPoint, StressReport, WorkloadSeries } from './analysis.ts';
import { timedPoints } from './figures.ts';
import type { Figure, FigureKind } from './figures.ts';
import { locksOf } from './locks.ts';
import { Markup, figure, markup } from './markup.ts';
import type { Part } from './markup.ts';
import { LOCK_COLUMNS, LOSS_COLUMNS, lockCells, lossCells, panel, WRONG } from './panels.ts';
import { NOTHING, count, dataTable, digits, left, percent, prose, right, time } from './tables.ts';
import { beyondWords } from './words.ts';

/** What a section is made of. */
export interface PageContext {
  readonly report: StressReport;
  readonly figures: readonly Figure[];
}

/** Rows of a workload's table of locks: the longest waits of all. */
const LOCK_ROWS = 12;

/** The panels of one kind for one workload, on one scale. */
function panels({ report, figures }: PageContext, kind: FigureKind, workload: string): Markup {
  const mine = figures.filter((one) => one.kind === kind && one.series.workload === workload);
  if (mine.length === 0) return markup``;
  const all = mine.map(({ series }) => series);
  return markup`<div class="panels">
${mine.map((one) => panel(one, all, report))}
</div>`;
}

/** A section for each workload that has something to show. */
function byWorkload({ report }: PageContext, show: (workload: WorkloadSeries) => Markup | undefined): Part[] {
  return report.workloads.map((workload) => {
    const content = show(workload);
    return content === undefined ? undefined : markup`<h3>${workload.name}</h3>\n${content}\n`;
  });
}

/** Where the findings of a series are told. */
export const findingId = ({ id }: Series): string => `finding-${id}`;

function verdictCell(series: Series, point: SeriesPoint | undefined): Part {
  if (point === undefined) return NOTHING;
  const { verdict } = point.measured;
  if (verdict === 'violated') return markup`<a class="violated" href="#${findingId(series)}">✗ violated</a>`;
  const [kind, mark] = verdict === 'held' ? ['held', '✓'] : ['undecided', '?'];
  return markup`<span class="${kind}">${mark} ${verdict}</span>`;
}

export function verdictsSection({ report }: PageContext): Markup {
  const series = allSeries(report);
  const counts = [...new Set(series.flatMap(({ points }) => points.map(({ measured }) => measured.cpus)))].sort(
    (a, b) => a - b,
  );
  const named = series.flatMap((one) => one.points.map((point) => ({ one, point })));
  const beyond = named.some(({ point }) => point.beyondCores);
  return markup`<p>What the judges found on real threads, after every round. Held means that nothing was found within the bounds,
not that nothing can be: <code>pagerace explore</code> tries every schedule.${beyond ? ' More CPUs than cores take turns: a verdict holds as well, a rate does not.' : ''}</p>
${dataTable({
  caption: 'Verdicts',
  name: 'verdicts',
  columns: [left('design'), ...counts.map((cpus) => left(cpusText(cpus)))],
  rows: report.workloads.map(({ name, series: mine }) => ({
    title: name,
    rows: mine.map((one) => [
      markup`${one.label} ${one.wrong ? WRONG : undefined}`,
      ...counts.map((cpus) =>
        verdictCell(
          one,
          one.points.find(({ measured }) => measured.cpus === cpus),
        ),
      ),
    ]),
  })),
})}
<details><summary>What each verdict covers</summary>
${dataTable({
  caption: 'Bounds of each verdict',
  name: 'bounds',
  columns: [left('point'), left('verdict'), prose('bounds')],
  rows: named.map(({ one, point }) => [pointName(one, point), point.measured.verdict, point.measured.bounds]),
})}
</details>`;
}

/** The marks of the charts of rates, drawn as they are there. */
const LEGEND: readonly (readonly [drawing: string, words: string])[] = [
  [
    '<circle cx="10" cy="6" r="2" fill="var(--accent)"/><circle cx="24" cy="6" r="2" fill="var(--accent)"/>',
    'a round, beside its median',
  ],
  [
    '<path d="M2 6H32" stroke="var(--accent)" stroke-width="2"/><circle cx="17" cy="6" r="4" fill="var(--accent)"/>',
    'the median of the rounds',
  ],
  [
    '<rect width="34" height="12" fill="var(--shade)"/><circle cx="17" cy="6" r="4" fill="var(--paper)" stroke="var(--accent)" stroke-width="1.75"/>',
    'hollow, on grey: more CPUs than cores',
  ],
  [
    '<path d="M2 6H32" stroke="var(--soft)" stroke-dasharray="2 3" stroke-width="1.25"/>',
    'linear: the rate of 1 CPU times CPUs',
  ],
  ['<path d="M2 6H32" stroke="var(--ink)" stroke-dasharray="6 3" stroke-width="1.25"/>', 'the fit'],
  ['<path d="M2 6H32" stroke="var(--other)" stroke-width="1"/>', 'medians of the other designs'],
];

function legend(): Markup {
  return markup`<ul class="legend">${LEGEND.map(
    ([drawing, words]) =>
      markup`<li><svg viewBox="0 0 34 12" aria-hidden="true" fill="none">${new Markup(drawing)}</svg>${words}</li>`,
  )}</ul>`;
}

function fitRow({ label, wrong, fit }: Series): Part[] {
  const name = markup`${label} ${wrong ? WRONG : undefined}`;
  if (fit.kind === 'refused') return [name, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, `no fit: ${fit.why}`];
  const { lambda, sigma, kappa, cpus, residual, peak } = fit.fit;
  const most = peak === undefined ? 'not within these' : markup`${digits(peak)} CPUs`;
  const over = `${cpuListText(cpus)}${cpus.length === 3 ? ': three counts for three terms, no check' : ''}`;
  return [name, count(lambda), digits(sigma), digits(kappa), percent(residual), most, over];
}

/** What there is to say of a workload's fits: a table, or the one reason why there are none. */
function fits({ name, series }: WorkloadSeries): Markup {
  const why = commonRefusal(series);
  if (why !== undefined) return markup`<p>No fit: ${why}.</p>`;
  return dataTable({
    caption: `Fit of the universal scalability law: ${name}`,
    name: 'fits',
    columns: [
      left('design'),
      right('λ, faults/s'),
      right('contention σ'),
      right('coherency κ'),
      right('off by'),
      left('most at'),
      prose('fitted over'),
    ],
    rows: series.map(fitRow),
  });
}

/** Which points are hollow, host by host. */
function beyond({ series }: WorkloadSeries): Markup[] {
  const cores = [...new Set(series.map((one) => one.cores))];
  const told = cores.map((n) => beyondWords(...series.filter((one) => one.cores === n)));
  return told.filter((text) => text !== '').map((text) => markup`<p>${text}</p>\n`);
}

export function scalingSection(context: PageContext): Markup {
  return markup`<p>Faults a second against CPUs, a panel for each locking design, one scale for each workload.</p>
${legend()}
<p>The fit is the universal scalability law, X(N) = λN / (1 + σ(N − 1) + κN(N − 1)): λ is the rate of one CPU, σ the share of
the work that is done by one CPU at a time (contention), κ what each pair of CPUs costs to agree (coherency). It is fitted by
least squares of measured ÷ fitted − 1 to the medians at CPU counts within the host's cores, from 1 CPU on, at least three of
them. Beyond the counts that it was fitted over it says nothing, and nothing is drawn.</p>
${byWorkload(
  context,
  (workload) => markup`${beyond(workload)}${panels(context, 'scaling', workload.name)}
${fits(workload)}`,
)}`;
}

export function lossesSection(context: PageContext): Markup {
  const { report } = context;
  if (report.losses.length === 0)
    return markup`<p>No point was violated, so there is no design to call fast and wrong.</p>`;
  return markup`<p>Designs with a violated point, labelled ${WRONG} everywhere: their rates are those of wrong results. A
loss is a folio that is allocated and that nothing maps; where none was seen, none is shown to be impossible. “Beside” is the
rate beside the best design that held with as many CPUs. Hollow, on grey: more CPUs than cores.</p>
${byWorkload(context, ({ name }) => {
  const losses = report.losses.filter(({ series }) => series.workload === name);
  if (losses.length === 0) return undefined;
  return markup`${dataTable({
    caption: `Fast and wrong: ${name}`,
    name: 'wrong',
    columns: [left('design'), right('CPUs'), left('verdict'), ...LOSS_COLUMNS],
    rows: losses.map((loss) => [
      loss.series.label,
      figure(loss.point.measured.cpus, String(loss.point.measured.cpus)),
      verdictCell(loss.series, loss.point),
      ...lossCells(loss),
    ]),
  })}
${panels(context, 'losses', name)}`;
})}`;
}

export function locksSection(context: PageContext): Markup {
  return markup`<p>How long CPUs waited for each class of locks, and how long they held it, over all rounds of a point. The
charts show total waits, the longest of each series, on one scale for each workload; the tables under them have every class.</p>
${byWorkload(context, ({ name, series }) => {
  const waits = series
    .flatMap((one) => locksOf(one).map((use) => ({ one, use })))
    .filter(({ use }) => use.lock.contended > 0)
    .sort((a, b) => b.use.lock.waitTotalNs - a.use.lock.waitTotalNs);
  if (waits.length === 0) return markup`<p>Nobody waited for a lock.</p>`;
  const shown = waits.slice(0, LOCK_ROWS);
  const which =
    shown.length < waits.length ? `the longest ${String(shown.length)} waits of ${String(waits.length)}` : 'every wait';
  return markup`${dataTable({
    caption: `Lock contention: ${name}, ${which}`,
    name: 'contention',
    columns: [left('design'), right('CPUs'), ...LOCK_COLUMNS],
    rows: shown.map(({ one, use }) => [
      one.label,
      figure(use.point.measured.cpus, String(use.point.measured.cpus)),
      ...lockCells(use),
    ]),
  })}
${panels(context, 'waits', name)}`;
})}`;
}

export function latencySection(context: PageContext): Markup {
  const { report, figures } = context;
  if (!figures.some(({ kind }) => kind === 'latency')) return markup`<p>No fault was timed.</p>`;
  const oneIn = [
    ...new Set(
      allSeries(report)
        .flatMap(timedPoints)
        .map(({ latency }) => latency.oneIn),
    ),
  ];
  return markup`<p>How long a fault takes, of one fault in ${listText(oneIn)}. The histograms have four bars to each doubling of
time, on a logarithmic axis; the area of a bar is its share of the timed faults. A whole line is the median (p50), a broken
one the 99th percentile. Hollow: more CPUs than cores, where a fault may wait for its CPU to run at all.</p>
${byWorkload(context, ({ name, series }) => {
  const timed = series.flatMap((one) => timedPoints(one).map((it) => ({ one, ...it })));
  if (timed.length === 0) return undefined;
  return markup`${dataTable({
    caption: `Time of a fault: ${name}`,
    name: 'latency',
    columns: [left('design'), right('CPUs'), right('p50'), right('p99'), right('p99.9'), right('max'), right('timed')],
    rows: timed.map(({ one, point, latency }) => [
      one.label,
      figure(point.measured.cpus, String(point.measured.cpus)),
      ...[latency.p50Ns, latency.p99Ns, latency.p999Ns, latency.maxNs].map(time),
      count(latency.timed),
    ]),
  })}
${panels(context, 'latency', name)}`;
})}`;
}
