// The figures of a page: each a chart with its caption, and below it the table of what it shows.
import { cpusText } from './analysis.ts';
import type { Loss, RatePoint, Series, SeriesPoint, StressReport } from './analysis.ts';
import { latencyChart, lossChart, scalingChart, waitChart } from './charts.ts';
import { timedPoints } from './figures.ts';
import type { Figure, FigureKind } from './figures.ts';
import { quartersOf } from './histogram.ts';
import { lockType, locksOf } from './locks.ts';
import type { PointLock } from './locks.ts';
import { figure, markup } from './markup.ts';
import type { Markup, Part } from './markup.ts';
import { grouped } from '../text.ts';
import type { ChartName } from './plot.ts';
import { NOTHING, count, dataTable, digits, left, percent, prose, right, time, times } from './tables.ts';
import type { Column } from './tables.ts';
import {
  beyondWords,
  fitWords,
  latencyWords,
  lossWords,
  moreLocksWords,
  ratesWords,
  scalingWords,
  waitWords,
} from './words.ts';

/** Rounds that a table lists one by one. */
const ROUNDS_LISTED = 40;

/** What every figure of wrong results says. */
export const WRONG: Markup = markup`<span class="wrong">fast and wrong</span>`;

/** Every rate, or how far they go where they are many. */
export function ratesCell(rounds: RatePoint['measured']['rounds']): Part {
  const rates = rounds.map(({ faultsPerSecond }) => faultsPerSecond);
  if (rates.length === 0) return NOTHING;
  if (rates.length <= ROUNDS_LISTED)
    return rates.map((rate, i) => markup`${i === 0 ? '' : ', '}${figure(rate, grouped(rate))}`);
  return `${grouped(rates.length)} rounds, from ${grouped(Math.min(...rates))} to ${grouped(Math.max(...rates))}`;
}

const RATE_COLUMNS: readonly Column[] = [
  right('CPUs'),
  right('faults/s, median'),
  right('spread'),
  right('× 1 CPU'),
  right('of linear'),
  left('beyond the cores'),
  prose('each round, faults/s'),
];

function rateRow(point: SeriesPoint): Part[] {
  const { measured, rate, speedup, ofLinear, beyondCores } = point;
  return [
    figure(measured.cpus, String(measured.cpus)),
    count(rate),
    rate === undefined ? NOTHING : count(measured.spread),
    times(speedup),
    percent(ofLinear),
    beyondCores ? 'yes' : 'no',
    ratesCell(measured.rounds),
  ];
}

/** The columns of `perf lock contention`, and after them how long the lock was held, and by whom. */
export const LOCK_COLUMNS: readonly Column[] = [
  right('contended'),
  right('total wait'),
  right('max wait'),
  right('avg wait'),
  left('type'),
  left('lock'),
  right('acquired'),
  right('avg hold'),
  right('max hold'),
  left('waited for most'),
];

/** What only the data of one figure has room for. */
const MORE_LOCK_COLUMNS: readonly Column[] = [right('holds timed'), right('spins'), right('parks')];

export function lockCells({ point, lock }: PointLock): Part[] {
  const { holder } = lock;
  return [
    count(lock.contended),
    time(lock.waitTotalNs),
    time(lock.waitMaxNs),
    time(lock.waitMeanNs),
    lockType(lock.lock, point.measured.lock),
    lock.lock,
    count(lock.acquisitions),
    time(lock.holdMeanNs),
    time(lock.holdMaxNs),
    holder === undefined ? NOTHING : markup`CPU${holder.cpu}, ${figure(holder.times, `${grouped(holder.times)} ×`)}`,
  ];
}

function moreLockCells({ lock }: PointLock): Part[] {
  return [count(lock.holdsTimed), count(lock.spins), count(lock.parks)];
}

export const LOSS_COLUMNS: readonly Column[] = [
  right('lost in 10⁶ faults'),
  right('faults/s'),
  right('beside'),
  left('the best that held'),
];

export function lossCells({ point, lostPerMillion, beside }: Loss): Part[] {
  const lost = lostPerMillion === 0 ? figure(0, 'none seen') : digits(lostPerMillion);
  return [lost, count(point.rate), times(beside?.ratio), beside?.label ?? NOTHING];
}

function histogramTable(series: Series, caption: string): Markup {
  const timed = timedPoints(series).map(({ point, latency }) => ({ point, bars: quartersOf(latency.histogram) }));
  const ends = new Map(timed.flatMap(({ bars }) => bars.map(({ fromNs, belowNs }) => [fromNs, belowNs] as const)));
  return dataTable({
    caption,
    name: 'histogram',
    series: series.id,
    columns: [right('from'), right('below'), ...timed.map(({ point }) => right(cpusText(point.measured.cpus)))],
    rows: [...ends]
      .sort(([a], [b]) => a - b)
      .map(([from, below]) => [
        time(from),
        time(below),
        ...timed.map(({ bars }) => count(bars.find(({ fromNs }) => fromNs === from)?.count ?? 0)),
      ]),
  });
}

interface Drawn {
  readonly chart: (name: ChartName) => Markup;
  /** What the caption says, and what the description says besides. */
  readonly caption: readonly string[];
  readonly description: readonly string[];
  readonly table: (caption: string) => Markup;
}

const cpusCell = ({ measured }: SeriesPoint): Markup => figure(measured.cpus, String(measured.cpus));

/** How each kind is drawn, told and tabled. */
const DRAWN: Readonly<Record<FigureKind, (series: Series, all: readonly Series[], report: StressReport) => Drawn>> = {
  scaling: (series, all) => ({
    chart: (name) => scalingChart(series, all, name),
    caption: [scalingWords(series), ...(series.fit.kind === 'fitted' ? [fitWords(series)] : [])],
    description: [ratesWords(series), beyondWords(series)],
    table: (caption) =>
      dataTable({
        caption,
        name: 'scaling',
        series: series.id,
        columns: RATE_COLUMNS,
        rows: series.points.map(rateRow),
      }),
  }),
  losses: (series, _all, { losses }) => {
    const mine = losses.filter((loss) => loss.series === series);
    return {
      chart: (name) => lossChart(mine, losses, name),
      caption: [],
      description: [lossWords(mine), beyondWords(series)],
      table: (caption) =>
        dataTable({
          caption,
          name: 'losses',
          series: series.id,
          columns: [right('CPUs'), ...LOSS_COLUMNS],
          rows: mine.map((loss) => [cpusCell(loss.point), ...lossCells(loss)]),
        }),
    };
  },
  waits: (series, all) => ({
    chart: (name) => waitChart(series, all, name),
    caption: [moreLocksWords(series)],
    description: [waitWords(series), beyondWords(series)],
    table: (caption) =>
      dataTable({
        caption,
        name: 'locks',
        series: series.id,
        columns: [right('CPUs'), ...LOCK_COLUMNS, ...MORE_LOCK_COLUMNS],
        rows: locksOf(series).map((use) => [cpusCell(use.point), ...lockCells(use), ...moreLockCells(use)]),
      }),
  }),
  latency: (series, all) => ({
    chart: (name) => latencyChart(series, all, name),
    caption: [],
    description: [latencyWords(series), beyondWords(series)],
    table: (caption) => histogramTable(series, caption),
  }),
};

const TITLES: Readonly<Record<FigureKind, string>> = {
  scaling: 'faults a second',
  losses: 'losses',
  waits: 'total wait for locks',
  latency: 'time of a fault',
};

/** One figure. `all`: the series whose scale it shares. */
export function panel({ id, number, kind, series }: Figure, all: readonly Series[], report: StressReport): Markup {
  const { chart, caption, description, table } = DRAWN[kind](series, all, report);
  const told = caption.filter((text) => text !== '');
  const described = [...description, ...told].filter((text) => text !== '').join(' ');
  const name = `Figure ${String(number)}`;
  const title = `${name}: ${TITLES[kind]}, ${series.workload}, ${series.label}${series.wrong ? ', fast and wrong' : ''}`;
  return markup`<figure id="${id}">
<figcaption><div><strong>${series.label}</strong> ${series.wrong ? WRONG : undefined} <span class="soft">${name}</span></div>
${told.map((text) => markup`<p>${text}</p>`)}</figcaption>
${chart({ id, title, description: described })}
<details><summary>Data of figure ${number}</summary>
${table(title)}
</details>
</figure>`;
}
