// A stress sweep: every combination of workload, CPUs, locking design and lock algorithm, measured in random order.
//
// The order is random so that what drifts (heat, neighbours, memory) is nobody's advantage; every point may be measured
// several times, in different places of the order.
import { availableParallelism } from 'node:os';
import { Random } from '../explore/random.ts';
import { exploreTarget, optionText, targetNamed } from '../explore/target.ts';
import { median } from './bench.ts';
import { host, ownVersion } from './host.ts';
import { latencyOf, locksOf } from './meters.ts';
import { PointRun, nothingMeasured } from './point.ts';
import type { Measured, PointSpec } from './point.ts';
import { RESULTS_KIND, RESULTS_VERSION } from './results.ts';
import type { StressCounterexample, StressPoint, StressResults, StressRound } from './results.ts';
import type { Workload } from './workloads.ts';

/** What is swept. */
export interface SweepSpec {
  readonly workloads: readonly Workload[];
  readonly cpus: readonly number[];
  readonly locking: readonly string[];
  readonly locks: readonly string[];
  readonly without: readonly string[];
  readonly pages: number;
  /** How long each point is measured, each time: by seconds, or by rounds. */
  readonly seconds: number;
  readonly rounds: number | undefined;
  /** Times that each point is measured. */
  readonly repeat: number;
  readonly seed: number;
  readonly metered: boolean;
  /** The command that was typed. */
  readonly command: string;
}

/** Told of progress. */
export interface SweepListener {
  /** A measurement begins: the `done + 1`-th of `all`. */
  begins(point: PointSpec, done: number, all: number): void;
  /** The explorer looks for a schedule that explains what was found. */
  explains(point: PointSpec, scenario: string): void;
}

/** A round's length: long enough to be many milliseconds, short enough that judges look often. */
const ROUND_SECONDS = 0.5;
const WARM_UP_SECONDS = 0.3;
/** Time that the explorer may take to explain one point's violation. */
const EXPLAIN_SECONDS = 20;
/** Rounds that are too few to say how far they differ. */
const FEW_ROUNDS = 3;
/** A spread, as a share of the median, from which figures are called unsteady. */
const WIDE_SPREAD = 0.15;
/** A round is an outlier where it has so many times the rate of the median, or the median of it. */
const OUTLIER = 2;

/** The points of a sweep, in the order of its flags. */
export function pointsOf(spec: SweepSpec): PointSpec[] {
  const { pages, without, metered } = spec;
  return spec.workloads.flatMap((work) =>
    spec.locking.flatMap((locking) =>
      spec.locks.flatMap((lock) =>
        spec.cpus.map((cpus): PointSpec => ({ work, cpus, locking, lock, without, pages, metered })),
      ),
    ),
  );
}

/** Measures one point once. */
async function measure(point: PointSpec, measured: Measured, spec: SweepSpec): Promise<void> {
  const run = new PointRun(point, measured);
  await run.warmUp(Math.min(WARM_UP_SECONDS, spec.seconds / 4));
  const roundSeconds = Math.min(ROUND_SECONDS, spec.seconds / 4);
  let seconds = 0;
  for (let round = 0; spec.rounds === undefined ? seconds < spec.seconds : round < spec.rounds; round++) {
    await run.round(roundSeconds);
    // A round that could not run takes its time as well: a sweep always ends.
    seconds += Math.max(measured.rounds.at(-1)?.seconds ?? 0, roundSeconds / 4);
  }
  run.end();
}

/** Runs a sweep. */
export async function sweep(spec: SweepSpec, listener: SweepListener): Promise<StressResults> {
  const started = new Date();
  const begin = performance.now();
  const points = pointsOf(spec).map((point) => ({ point, measured: nothingMeasured(point.cpus) }));
  const order = shuffled(Array.from({ length: spec.repeat }, () => points).flat(), new Random(spec.seed));
  for (const [done, { point, measured }] of order.entries()) {
    listener.begins(point, done, order.length);
    await measure(point, measured, spec);
  }
  const told = points.map(({ point, measured }) => pointResult(point, measured, spec, listener));
  return {
    kind: RESULTS_KIND,
    version: RESULTS_VERSION,
    pagerace: ownVersion(),
    started: started.toISOString(),
    seconds: (performance.now() - begin) / 1000,
    command: spec.command,
    seed: spec.seed,
    host: host(),
    points: told,
  };
}

function shuffled<T>(values: readonly T[], random: Random): T[] {
  const left = [...values];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(random.below(left.length), 1));
  return order;
}

/** What is told of a point. */
export function pointResult(
  point: PointSpec,
  measured: Measured,
  spec: Pick<SweepSpec, 'seconds' | 'rounds'>,
  listener: Pick<SweepListener, 'explains'>,
): StressPoint {
  const { rounds, findings, verdict } = measured;
  const rates = rounds.map(({ faultsPerSecond }) => faultsPerSecond);
  const middle = median(rates);
  const spread = median(rates.map((rate) => Math.abs(rate - middle)));
  const faults = rounds.reduce((sum, round) => sum + round.faults, 0);
  const latency = latencyOf(measured.latencies);
  const locks = locksOf(measured.locks);
  const violated = verdict === 'violated' || verdict === 'stuck';
  const counterexample = violated ? explain(point, listener) : undefined;
  return {
    workload: point.work.name,
    cpus: point.cpus,
    locking: point.locking,
    lock: point.lock,
    without: point.without,
    command: commandOf(point, spec),
    verdict: violated ? 'violated' : verdict === 'held' ? 'held' : 'not decided',
    bounds: `${rounds.length === 1 ? '1 round, every judge after it' : `${String(rounds.length)} rounds, every judge after each`}, leaks after exit`,
    findings,
    ...(counterexample === undefined ? {} : { counterexample }),
    rounds,
    faultsPerSecond: middle,
    spread,
    ...(latency === undefined ? {} : { latency }),
    locks,
    ...(point.work.even ? { fairness: jain(rounds) } : {}),
    lostRaces: measured.lostRaces,
    ...(violated && faults > 0 ? { lostPerMillion: (measured.lostFolios / faults) * 1e6 } : {}),
    parks: locks.reduce((sum, lock) => sum + lock.parks, 0),
    warnings: warningsOf(point, measured, middle, spread),
  };
}

/** Jain's index of the CPUs' faults over all rounds. */
function jain(rounds: readonly StressRound[]): number {
  const sums: number[] = [];
  for (const { perCpu } of rounds) perCpu.forEach((faults, cpu) => (sums[cpu] = (sums[cpu] ?? 0) + faults));
  const total = sums.reduce((sum, n) => sum + n, 0);
  const squares = sums.reduce((sum, n) => sum + n * n, 0);
  return squares === 0 ? 1 : (total * total) / (sums.length * squares);
}

function warningsOf(point: PointSpec, measured: Measured, middle: number, spread: number): string[] {
  const cores = availableParallelism();
  const warnings: string[] = [];
  if (point.cpus > cores) {
    warnings.push(
      `${String(point.cpus)} CPUs on ${String(cores)} cores: rates beyond the cores say how threads share them`,
    );
  }
  if (point.cpus > 1 && measured.locks.every(({ contended }) => contended === 0)) {
    warnings.push('nobody ever waited for a lock: use more CPUs, or a workload in which they meet, such as same-table');
  }
  const { rounds } = measured;
  if (rounds.length < FEW_ROUNDS) {
    warnings.push(
      `too short: fewer than ${String(FEW_ROUNDS)} rounds say nothing about how far they differ: use more --seconds or --rounds`,
    );
  } else if (spread > WIDE_SPREAD * middle) {
    warnings.push('rounds differ much: close what else runs here, or use --repeat');
  } else if (rounds.some(({ faultsPerSecond: rate }) => rate > OUTLIER * middle || rate * OUTLIER < middle)) {
    warnings.push('outliers among the rounds, which the median leaves aside: something else ran here at times');
  }
  return warnings;
}

/** A schedule of the scenario in which the same race happens that goes wrong, too. */
export function explain(point: PointSpec, listener: Pick<SweepListener, 'explains'>): StressCounterexample | undefined {
  const { scenario } = point.work;
  if (scenario === undefined) return undefined;
  listener.explains(point, scenario);
  const options = { locking: point.locking, without: point.without };
  const { failure, memoryModel } = exploreTarget(targetNamed(scenario, options), { seconds: EXPLAIN_SECONDS });
  if (failure === undefined) return undefined;
  const { token, steps, preemptions, judge, message } = failure;
  const flags = optionText({ ...options, ...(memoryModel === 'sc' ? {} : { memoryModel }) });
  const command = `pagerace replay ${token} --scenario ${scenario}${flags === '' ? '' : ` ${flags}`}`;
  return { scenario, token, steps, preemptions, judge, message, command };
}

/** The command that measures a point alone. */
function commandOf(point: PointSpec, spec: Pick<SweepSpec, 'seconds' | 'rounds'>): string {
  const flags = optionText({ cpus: point.cpus, locking: point.locking, lock: point.lock, without: point.without });
  const length = spec.rounds === undefined ? `--seconds ${String(spec.seconds)}` : `--rounds ${String(spec.rounds)}`;
  return `pagerace stress ${point.work.name} ${flags} --pages ${String(point.pages)} ${length}`;
}
