// The charts of a report: one panel for each series, the panels of a workload on one scale.
import * as Plot from '@observablehq/plot';
import { cpusText } from './analysis.ts';
import type { Loss, RatePoint, RateSeries, Series } from './analysis.ts';
import { timedPoints } from './figures.ts';
import { quartersOf } from './histogram.ts';
import { locksOf, shownLocks } from './locks.ts';
import type { Markup } from './markup.ts';
import {
  INK,
  MARGINS,
  PAPER,
  RULE,
  SOFT,
  WIDTH,
  beyondMarks,
  colourOf,
  compactText,
  cpuAxis,
  cpuDomain,
  cpusOf,
  seriesLine,
} from './panel.ts';
import { timeWords } from './numbers.ts';
import { drawChart } from './plot.ts';
import type { ChartName } from './plot.ts';
import { uslRate } from './usl.ts';

const SCALING_HEIGHT = 230;
const LOSS_HEIGHT = 190;
const GRID = { stroke: RULE, strokeOpacity: 1 };
/** Room above the highest dot. */
const HEADROOM = 1.12;
/** Pixels from a median to its rounds, which it would hide. */
const ROUNDS_BESIDE = 8;
/** Steps in which the curve of a fit is drawn. */
const CURVE_STEPS = 60;

interface Dot {
  readonly x: number;
  readonly y: number;
  readonly hollow: boolean;
}

function medians(series: RateSeries): Dot[] {
  return series.points.flatMap(({ measured, rate, beyondCores }) =>
    rate === undefined ? [] : [{ x: measured.cpus, y: rate, hollow: beyondCores }],
  );
}

/** A dot for each round; of those that fall on one another to the pixel, one. */
function roundDots(points: readonly RatePoint[], perPixel: number): Dot[] {
  return points.flatMap(({ measured, beyondCores }) => {
    const rates = measured.rounds.map(({ faultsPerSecond }) => faultsPerSecond);
    const apart = new Map(rates.map((rate) => [Math.round(rate / perPixel), rate]));
    return [...apart.values()].map((y) => ({ x: measured.cpus, y, hollow: beyondCores }));
  });
}

/** The line from the rate of one CPU along which nothing is lost, as far as the panel shows it. */
function linearMarks(one: number, to: number, top: number): Plot.Markish[] {
  const end = Math.min(to, top / one);
  const line = [1, end].map((x) => ({ x, y: x * one }));
  return [
    Plot.line(line, { x: 'x', y: 'y', stroke: SOFT, strokeDasharray: '2 3', strokeWidth: 1.25 }),
    Plot.text(line.slice(-1), {
      x: 'x',
      y: 'y',
      text: ['linear'],
      textAnchor: end === to ? 'end' : 'middle',
      lineAnchor: 'bottom',
      dy: -3,
      fill: SOFT,
    }),
  ];
}

function fitMarks({ fit }: RateSeries): Plot.Markish[] {
  if (fit.kind === 'refused') return [];
  const { cpus } = fit.fit;
  const [from = 1, to = 1] = [cpus[0], cpus.at(-1)];
  const curve = Array.from({ length: CURVE_STEPS + 1 }, (_, i) => from + ((to - from) * i) / CURVE_STEPS);
  return [
    Plot.line(
      curve.map((x) => ({ x, y: uslRate(fit.fit, x) })),
      { x: 'x', y: 'y', stroke: INK, strokeWidth: 1.25, strokeDasharray: '6 3' },
    ),
  ];
}

/** Faults a second against CPUs: rounds, their median, the linear line, the fit, and the other series in the back. */
export function scalingChart(series: RateSeries, all: readonly RateSeries[], name: ChartName): Markup {
  const domain = cpuDomain(all);
  const rates = all.flatMap(({ points }) =>
    points.flatMap(({ measured, rate }) => [...measured.rounds.map((round) => round.faultsPerSecond), rate ?? 0]),
  );
  const top = HEADROOM * Math.max(1, ...rates.map((rate) => rate));
  const stroke = colourOf(series);
  const middle = medians(series);
  const one = middle.find(({ x }) => x === 1)?.y;
  const pixel = top / (SCALING_HEIGHT - MARGINS.marginTop - MARGINS.marginBottom);
  const hollow = ({ hollow: is }: Dot): string => (is ? PAPER : stroke);
  const options: Plot.PlotOptions = {
    ...MARGINS,
    width: WIDTH,
    height: SCALING_HEIGHT,
    x: cpuAxis(domain),
    y: { domain: [0, top], ticks: 4, tickFormat: compactText, tickSize: 0, label: 'faults/s', labelArrow: 'none' },
    marks: [
      ...beyondMarks(series.cores, domain, 0, top),
      Plot.gridY({ ticks: 4, ...GRID }),
      Plot.ruleY([0], { stroke: SOFT }),
      ...all
        .filter((other) => other !== series)
        .map((other) => Plot.line(medians(other), { x: 'x', y: 'y', stroke: 'var(--other)', strokeWidth: 1 })),
      ...(one === undefined ? [] : linearMarks(one, domain.to, top)),
      ...seriesLine(middle, stroke),
      ...fitMarks(series),
      Plot.dot(roundDots(series.points, pixel), {
        x: 'x',
        y: 'y',
        r: 2,
        dx: ROUNDS_BESIDE,
        fill: hollow,
        stroke,
        strokeWidth: 0.75,
      }),
      Plot.dot(middle, { x: 'x', y: 'y', r: 4, fill: hollow, stroke, strokeWidth: 1.75 }),
    ],
  };
  return drawChart(options, name);
}

/** Losses in a million faults against CPUs: a logarithmic axis, and below it a band for none. */
export function lossChart(losses: readonly Loss[], all: readonly Loss[], name: ChartName): Markup {
  const [{ series } = { series: undefined }] = losses;
  const domain = cpuDomain([...new Set(all.map((loss) => loss.series))]);
  const lost = all.flatMap(({ lostPerMillion = 0 }) => (lostPerMillion > 0 ? [lostPerMillion] : []));
  const low = 10 ** Math.floor(Math.log10(Math.min(1, ...lost)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(10 * low, ...lost) * 1.2));
  // A tenth of the axis for each step, so that the figures do not touch however many decades there are.
  const tenth = (high / low) ** 0.12;
  const none = low / tenth;
  const bottom = none / tenth;
  const step = Math.ceil(Math.log10(high / low) / 4);
  const ticks = [none];
  for (let tick = low; tick <= high * 1.001; tick *= 10 ** step) ticks.push(tick);
  const stroke = 'var(--bad)';
  const dots = losses.flatMap(({ point, lostPerMillion }) =>
    lostPerMillion === undefined
      ? []
      : [{ x: cpusOf(point), y: lostPerMillion === 0 ? none : lostPerMillion, hollow: point.beyondCores }],
  );
  const options: Plot.PlotOptions = {
    ...MARGINS,
    width: WIDTH,
    height: LOSS_HEIGHT,
    x: cpuAxis(domain),
    y: { type: 'log', domain: [bottom, high], axis: null },
    marks: [
      ...beyondMarks(series?.cores ?? 1, domain, bottom, high),
      Plot.gridY(ticks, GRID),
      Plot.text(ticks, {
        y: (tick: number) => tick,
        text: (tick: number) => (tick === none ? 'none' : compactText(tick)),
        frameAnchor: 'left',
        textAnchor: 'end',
        dx: -6,
      }),
      Plot.text(['folios lost in a million faults'], { frameAnchor: 'top-left', dx: -40, dy: -22 }),
      Plot.ruleY([bottom], { stroke: SOFT }),
      ...seriesLine(dots, stroke),
      Plot.dot(dots, {
        x: 'x',
        y: 'y',
        r: 4,
        stroke,
        strokeWidth: 1.75,
        fill: ({ hollow }: Dot) => (hollow ? PAPER : stroke),
      }),
    ],
  };
  return drawChart(options, name);
}

const WAIT_BAR = 13;
const WAIT_TITLE = 18;

interface Wait {
  readonly lock: string;
  readonly cpus: number;
  readonly ns: number;
  readonly hollow: boolean;
}

function waitsOf(series: Series): Wait[] {
  return locksOf(series).map(({ point, lock }) => ({
    lock: lock.lock,
    cpus: cpusOf(point),
    ns: lock.waitTotalNs,
    hollow: point.beyondCores,
  }));
}

/** Total wait for each lock class, a bar for each number of CPUs. */
export function waitChart(series: Series, all: readonly Series[], name: ChartName): Markup {
  const locks = shownLocks(series);
  const waits = waitsOf(series).filter(({ lock }) => locks.includes(lock));
  const counts = series.points.map(cpusOf);
  const most = Math.max(1, ...all.flatMap((other) => waitsOf(other).map(({ ns }) => ns)));
  const stroke = colourOf(series);
  const facet = WAIT_TITLE + WAIT_BAR * counts.length;
  const options: Plot.PlotOptions = {
    width: WIDTH,
    height: locks.length * facet + 8,
    marginLeft: 52,
    marginRight: 64,
    marginTop: 0,
    marginBottom: 0,
    x: { domain: [0, most], axis: null },
    y: { type: 'band', domain: counts, axis: null, insetTop: WAIT_TITLE, padding: 0.15 },
    fy: { domain: locks, axis: null, padding: 0 },
    marks: [
      Plot.text(locks, {
        fy: (lock: string) => lock,
        text: (lock: string) => lock,
        frameAnchor: 'top-left',
        dx: -52,
        dy: 4,
        lineAnchor: 'top',
        fill: INK,
        fontWeight: 'bold',
      }),
      Plot.axisY({ tickSize: 0, tickFormat: cpusText, label: null }),
      Plot.barX(waits, {
        x: 'ns',
        y: 'cpus',
        fy: 'lock',
        stroke,
        strokeWidth: 1,
        fill: ({ hollow }: Wait) => (hollow ? PAPER : stroke),
      }),
      Plot.text(waits, {
        x: 'ns',
        y: 'cpus',
        fy: 'lock',
        text: ({ ns }: Wait) => (ns === 0 ? 'nobody waited' : timeWords(ns)),
        textAnchor: 'start',
        dx: 5,
        fill: INK,
      }),
    ],
  };
  return drawChart(options, name);
}

const LATENCY_FACET = 46;
/** Powers of ten whose names stand beside each other and do not touch. */
const DECADES_NAMED = 5;

interface Bar {
  readonly cpus: number;
  readonly from: number;
  readonly below: number;
  /** Share of the timed faults for each doubling of time that the bar is wide: areas are shares. */
  readonly density: number;
  readonly hollow: boolean;
}

function barsOf(series: Series): Bar[] {
  return timedPoints(series).flatMap(({ point, latency }) =>
    quartersOf(latency.histogram).map(({ fromNs, belowNs, count }) => ({
      cpus: cpusOf(point),
      from: fromNs,
      below: belowNs,
      density: count / latency.timed / Math.log2(belowNs / fromNs),
      hollow: point.beyondCores,
    })),
  );
}

/** How long faults took: a histogram for each number of CPUs, on a logarithmic axis of time, with p50 and p99. */
export function latencyChart(series: Series, all: readonly Series[], name: ChartName): Markup {
  const bars = barsOf(series);
  const times = all.flatMap(barsOf);
  const least = Math.min(...times.map(({ from }) => from));
  const longest = Math.max(...times.map(({ below }) => below));
  const marked = timedPoints(series).map(({ point, latency }) => ({ cpus: cpusOf(point), ...latency }));
  const decades = Array.from({ length: 13 }, (_, i) => 10 ** i).filter((ns) => ns >= least && ns <= longest);
  const every = decades.length > DECADES_NAMED ? 2 : 1;
  const ticks = decades.filter((_, i) => i % every === 0);
  const stroke = colourOf(series);
  const options: Plot.PlotOptions = {
    width: WIDTH,
    height: marked.length * LATENCY_FACET + 44,
    marginLeft: 52,
    marginRight: 12,
    marginTop: 8,
    marginBottom: 34,
    x: { type: 'log', domain: [least, longest], axis: null },
    y: { domain: [0, Math.max(...times.map(({ density }) => density))], axis: null },
    fy: { domain: marked.map(({ cpus }) => cpus), axis: null, padding: 0.12 },
    marks: [
      Plot.axisFy({ anchor: 'left', tickFormat: cpusText, label: null, tickSize: 0 }),
      Plot.axisX(ticks, { tickFormat: decadeText, label: 'time of a fault', labelArrow: 'none', tickSize: 3 }),
      Plot.gridX(decades, GRID),
      Plot.ruleY([0], { stroke: SOFT }),
      Plot.rectY(bars, {
        x1: 'from',
        x2: 'below',
        y: 'density',
        fy: 'cpus',
        stroke,
        strokeWidth: 1,
        insetLeft: 0.25,
        insetRight: 0.25,
        fill: ({ hollow }: Bar) => (hollow ? PAPER : stroke),
      }),
      Plot.tickX(marked, { x: 'p50Ns', fy: 'cpus', stroke: INK, strokeWidth: 2 }),
      Plot.tickX(marked, { x: 'p99Ns', fy: 'cpus', stroke: INK, strokeWidth: 2, strokeDasharray: '3 3' }),
    ],
  };
  return drawChart(options, name);
}

/** 1000 as 1 us: without the zeroes that say how exact a measurement is. */
function decadeText(ns: number): string {
  return timeWords(ns).replace('.00', '').replace('.0', '');
}
