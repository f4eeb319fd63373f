// Latency histograms as they are shown: four bars to each doubling of time, the same for every file.
import type { LatencyHistogram } from '../../stress/results.ts';

/** Times from `fromNs`, below `belowNs`: a quarter of the values between two powers of two. */
export interface QuarterBar {
  readonly fromNs: number;
  readonly belowNs: number;
  readonly count: number;
}

/** Bars between two powers of two. */
const QUARTERS = 4;

/** Where the bar begins that a time falls into. A time below 1 ns counts as 1, which a logarithmic axis can show. */
function barOf(ns: number): QuarterBar {
  const octave = 2 ** Math.floor(Math.log2(Math.max(ns, 1)));
  const width = octave / QUARTERS;
  const fromNs = octave + width * Math.floor((Math.max(ns, 1) - octave) / width);
  return { fromNs, belowNs: fromNs + width, count: 0 };
}

/** The bars that hold something, in ascending order. A bucket counts where its upper bound lies. */
export function quartersOf({ upToNs, counts }: LatencyHistogram): QuarterBar[] {
  const bars = new Map<number, QuarterBar>();
  upToNs.forEach((upTo, i) => {
    const count = counts[i] ?? 0;
    if (count === 0) return;
    const bar = barOf(upTo);
    bars.set(bar.fromNs, { ...bar, count: (bars.get(bar.fromNs)?.count ?? 0) + count });
  });
  return [...bars.values()].sort((a, b) => a.fromNs - b.fromNs);
}
