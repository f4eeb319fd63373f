// What the charts of a report show, in sentences: captions for everybody, descriptions for who does not see them.
import { grouped } from '../text.ts';
import { cpuListText, cpusText } from './analysis.ts';
import type { Loss, RateSeries, Series } from './analysis.ts';
import { timedPoints } from './figures.ts';
import { locksOf, shownLocks, waitedLocks } from './locks.ts';
import { percentWords, threeDigits, timeWords } from './numbers.ts';

/** Says that series of one host have points which are no statement on scaling; nothing where they have none. */
export function beyondWords(...series: readonly RateSeries[]): string {
  const points = series.flatMap((one) => one.points.filter(({ beyondCores }) => beyondCores));
  const counts = [...new Set(points.map(({ measured }) => measured.cpus))].sort((a, b) => a - b);
  const cores = series[0]?.cores ?? 1;
  if (counts.length === 0) return '';
  return `${cpuListText(counts)}: more than the host's ${cores === 1 ? '1 core' : `${String(cores)} cores`}, hollow, no statement on scaling.`;
}

/** How far a series scales, as far as the cores go. */
export function scalingWords(series: RateSeries): string {
  const last = series.points.filter(({ speedup, measured }) => speedup !== undefined && measured.cpus > 1).at(-1);
  const { speedup, ofLinear, measured } = last ?? {};
  if (speedup === undefined || ofLinear === undefined || measured === undefined) return '';
  return `${cpusText(measured.cpus)}: ${speedup.toFixed(2)} times the rate of 1 CPU, ${percentWords(ofLinear)} of linear.`;
}

/** The fit, or why there is none. */
export function fitWords({ fit }: RateSeries): string {
  if (fit.kind === 'refused') return `No fit: ${fit.why}.`;
  const { sigma, kappa, cpus } = fit.fit;
  return `Fit over ${cpuListText(cpus)}: σ ${threeDigits(sigma)}, κ ${threeDigits(kappa)}.`;
}

/** Medians, point by point. */
export function ratesWords({ points }: RateSeries): string {
  const rates = points.flatMap(({ measured, rate }) =>
    rate === undefined ? [] : [`${grouped(rate)} at ${cpusText(measured.cpus)}`],
  );
  return `Median faults a second: ${rates.join(', ')}.`;
}

export function lossWords(losses: readonly Loss[]): string {
  const told = losses.map(({ point, lostPerMillion }) => {
    const lost =
      lostPerMillion === undefined ? 'not measured' : lostPerMillion === 0 ? 'none seen' : threeDigits(lostPerMillion);
    return `${lost} at ${cpusText(point.measured.cpus)}`;
  });
  return `Folios lost in a million faults: ${told.join(', ')}.`;
}

/** The longest total wait of each lock that a chart shows. */
export function waitWords(series: Series): string {
  const longest = shownLocks(series).map((name) => {
    const [most] = locksOf(series)
      .filter(({ lock }) => lock.lock === name)
      .sort((a, b) => b.lock.waitTotalNs - a.lock.waitTotalNs);
    return most === undefined
      ? ''
      : `${name} ${timeWords(most.lock.waitTotalNs)} at ${cpusText(most.point.measured.cpus)}`;
  });
  return `Longest total waits: ${longest.join(', ')}.`;
}

/** How many locks a chart leaves out; nothing where it has all. */
export function moreLocksWords(series: Series): string {
  const more = waitedLocks(series).length - shownLocks(series).length;
  return more === 0 ? '' : `${String(more)} more with shorter waits: see the data.`;
}

export function latencyWords(series: Series): string {
  const told = timedPoints(series).map(
    ({ point, latency }) =>
      `${cpusText(point.measured.cpus)} ${timeWords(latency.p50Ns)} and ${timeWords(latency.p99Ns)}`,
  );
  return `p50 and p99: ${told.join('; ')}.`;
}
