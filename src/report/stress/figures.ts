// Which figures a report has, in their order and with their numbers, so that the text can point to them.
import { allSeries } from './analysis.ts';
import type { Series, SeriesPoint, StressReport } from './analysis.ts';
import type { FaultLatency } from '../../stress/results.ts';
import { waitedLocks } from './locks.ts';

export type FigureKind = 'scaling' | 'losses' | 'waits' | 'latency';
const KINDS: readonly FigureKind[] = ['scaling', 'losses', 'waits', 'latency'];

/** One chart of one series. */
export interface Figure {
  readonly number: number;
  readonly id: string;
  readonly kind: FigureKind;
  readonly series: Series;
}

/** A point whose faults were timed. */
export interface TimedPoint {
  readonly point: SeriesPoint;
  readonly latency: FaultLatency;
}

export function timedPoints(series: Series): TimedPoint[] {
  return series.points.flatMap((point) => {
    const { latency } = point.measured;
    return latency === undefined || latency.timed === 0 ? [] : [{ point, latency }];
  });
}

const IS_SHOWN: Readonly<Record<FigureKind, (series: Series) => boolean>> = {
  scaling: ({ points }) => points.some(({ rate }) => rate !== undefined),
  losses: ({ wrong }) => wrong,
  waits: (series) => waitedLocks(series).length > 0,
  latency: (series) => timedPoints(series).length > 0,
};

/** Every figure of a report, in the order of the page. */
export function figuresOf(report: StressReport): Figure[] {
  return KINDS.flatMap((kind) =>
    allSeries(report)
      .filter(IS_SHOWN[kind])
      .map((series) => ({ kind, series })),
  ).map(({ kind, series }, i) => ({ number: i + 1, id: `figure-${String(i + 1)}`, kind, series }));
}
