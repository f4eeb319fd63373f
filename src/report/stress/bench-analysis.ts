// What a report says of a bench: the simulated machine and the running kernel on the same loop, side by side.
import { BENCH_LOOPS, median, medianRatio } from '../../stress/bench.ts';
import type { BenchLoop } from '../../stress/bench.ts';
import type { BenchHeader } from '../../stress/bench-results.ts';
import { fitOf } from './analysis.ts';
import type { RatePoint, RateSeries } from './analysis.ts';
import type { BenchFaults } from './bench-schema.ts';
import type { NamedBench } from './load.ts';

type BenchPoint = BenchFaults['points'][number];

/** Whose rates a series has. */
export type BenchSide = 'simulated' | 'this kernel';

/** One side of one loop. */
export interface BenchSeries extends RateSeries {
  readonly side: BenchSide;
}

/** Both sides at one number of CPUs. */
export interface BenchPair {
  readonly cpus: number;
  readonly beyondCores: boolean;
  /** Medians of faults a second; the kernel's are absent where it was not measured. */
  readonly simulated: number;
  readonly kernel?: number;
  /** Median of simulated / kernel, run by run. */
  readonly ratio?: number;
  /** Times that a CPU of the simulated machine waited for a lock, in one run. */
  readonly contended: number;
}

/** One loop: the series to plot, and the same pair by pair. */
export interface BenchLoopReport {
  readonly loop: BenchLoop;
  /** What each CPU does. */
  readonly what: string;
  readonly series: readonly BenchSeries[];
  readonly pairs: readonly BenchPair[];
}

/** One bench. */
export interface Bench extends BenchHeader {
  /** From 1, in the order of the files. */
  readonly number: number;
  readonly file: string;
  readonly loops: readonly BenchLoopReport[];
}

function seriesOf(side: BenchSide, points: readonly BenchPoint[], cores: number): BenchSeries[] {
  const measured = points.flatMap(({ cpus, simulated, kernel }) => {
    const rates = side === 'simulated' ? simulated : kernel;
    return rates.length === 0 ? [] : [{ cpus, rates }];
  });
  const [first] = measured;
  if (first === undefined) return [];
  const one = first.cpus === 1 ? median(first.rates) : undefined;
  const told = measured.map(({ cpus, rates }): RatePoint => {
    const rate = median(rates);
    const beyondCores = cpus > cores;
    const speedup = one === undefined || beyondCores ? undefined : rate / one;
    return {
      measured: { cpus, rounds: rates.map((faultsPerSecond) => ({ faultsPerSecond })) },
      beyondCores,
      rate,
      ...(speedup === undefined ? {} : { speedup, ofLinear: speedup / cpus }),
    };
  });
  return [{ side, cores, wrong: false, points: told, fit: fitOf(told, cores) }];
}

function pairOf({ cpus, simulated, kernel, contended }: BenchPoint, cores: number): BenchPair {
  const sides = kernel.length === 0 ? {} : { kernel: median(kernel), ratio: medianRatio(simulated, kernel) };
  return { cpus, beyondCores: cpus > cores, simulated: median(simulated), ...sides, contended };
}

/** What there is to say of one bench, the `index`-th from 0. */
export function benchOf({ file, results }: NamedBench, index: number): Bench {
  const { points, ...header } = results;
  const { cores } = header.host;
  const loops = BENCH_LOOPS.flatMap(({ name: loop, what }): BenchLoopReport[] => {
    const mine = points.filter((point) => point.loop === loop).sort((a, b) => a.cpus - b.cpus);
    if (mine.length === 0) return [];
    const series = (['simulated', 'this kernel'] as const).flatMap((side) => seriesOf(side, mine, cores));
    return [{ loop, what, series, pairs: mine.map((point) => pairOf(point, cores)) }];
  });
  return { ...header, number: index + 1, file, loops };
}
