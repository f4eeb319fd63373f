// What a report says of sweeps, whatever it is written as: points joined to series, speed-ups, fits, losses, warnings.
//
// Points are joined to a series only where nothing but the number of CPUs differs: one host, one version of pagerace.
// Rates at more CPUs than the host has cores are shown, and no statement on scaling is made of them.
import type { StressHost, StressPoint, StressRound } from '../../stress/results.ts';
import { benchOf } from './bench-analysis.ts';
import type { Bench } from './bench-analysis.ts';
import type { Loaded } from './load.ts';
import { USL_TERMS, fitUsl } from './usl.ts';
import type { UslFit } from './usl.ts';

/** One file's sweep, without its points. */
export interface SweepFacts {
  /** From 1, in the order of the files. */
  readonly number: number;
  readonly file: string;
  readonly pagerace: string;
  readonly started: string;
  readonly seconds: number;
  readonly command: string;
  readonly seed: number;
  readonly host: StressHost;
}

/** Rates at one number of CPUs. */
export interface RatePoint {
  readonly measured: { readonly cpus: number; readonly rounds: readonly Pick<StressRound, 'faultsPerSecond'>[] };
  /** Whether it has more CPUs than its host has cores. */
  readonly beyondCores: boolean;
  /** Median faults a second; absent where no round ran. */
  readonly rate?: number;
  /** How many times the rate of one CPU, and the share of linear scaling that is; absent beyond the cores. */
  readonly speedup?: number;
  readonly ofLinear?: number;
}

/** Rates that differ in the number of CPUs alone, in ascending order of it. */
export interface RateSeries {
  /** Cores of its host. */
  readonly cores: number;
  /** Whether any of its points was violated: its rates are those of wrong results. */
  readonly wrong: boolean;
  readonly points: readonly RatePoint[];
  readonly fit: FitOutcome;
}

/** A point in its series. */
export interface SeriesPoint extends RatePoint {
  /** The sweep it is of. */
  readonly sweep: number;
  readonly measured: StressPoint;
  /** Time that all CPUs together waited for locks, as a share of the time that they had. */
  readonly waitShare?: number;
}

/** Beyond it a share of linear scaling is no noise of rounds: CPUs do not help each other. */
const MORE_THAN_LINEAR = 1.2;

/** A fit, or why there is none. */
export type FitOutcome =
  { readonly kind: 'fitted'; readonly fit: UslFit } | { readonly kind: 'refused'; readonly why: string };

/** The points of a sweep that differ in the number of CPUs alone. */
export interface Series extends RateSeries {
  /** Its name in the report's links, and in JSON. */
  readonly id: string;
  readonly workload: string;
  readonly locking: string;
  readonly lock: string;
  readonly without: readonly string[];
  /** What tells it from the others of its workload. */
  readonly label: string;
  readonly points: readonly SeriesPoint[];
}

/** The series of one workload. */
export interface WorkloadSeries {
  readonly name: string;
  readonly series: readonly Series[];
}

/** Losses at one point of a series that is wrong. */
export interface Loss {
  readonly series: Series;
  readonly point: SeriesPoint;
  /** Folios lost in a million faults: 0 where the point held, absent where it was not measured. */
  readonly lostPerMillion?: number;
  /** Its rate beside the best that held with as many CPUs, and whose that is; absent where none did. */
  readonly beside?: { readonly label: string; readonly ratio: number };
}

/** A remark on some points (or, where it names none, on the whole). */
export interface Warning {
  readonly text: string;
  readonly points: readonly string[];
}

/** Everything that a report says. */
export interface StressReport {
  readonly sweeps: readonly SweepFacts[];
  readonly workloads: readonly WorkloadSeries[];
  readonly verdicts: Readonly<Record<StressPoint['verdict'], number>>;
  readonly losses: readonly Loss[];
  readonly warnings: readonly Warning[];
  /** Simulated machines beside running kernels. */
  readonly benches: readonly Bench[];
}

/** `1 CPU`, `4 CPUs`. */
export function cpusText(cpus: number): string {
  return cpus === 1 ? '1 CPU' : `${String(cpus)} CPUs`;
}

/** `1`, `1 and 2`, `1, 2 and 4`. */
export function listText(values: readonly (string | number)[]): string {
  const texts = values.map(String);
  const last = texts.pop() ?? 'none';
  return texts.length === 0 ? last : `${texts.join(', ')} and ${last}`;
}

/** `1 CPU`, `1 and 2 CPUs`. */
export function cpuListText(counts: readonly number[]): string {
  return `${listText(counts)} ${counts.at(-1) === 1 ? 'CPU' : 'CPUs'}`;
}

/** The computers that results are of. */
function hostsText(measured: readonly { readonly host: StressHost }[]): string {
  const texts = measured.map(
    ({ host: { processor, cores } }) => `${processor}, ${cores === 1 ? '1 core' : `${String(cores)} cores`}`,
  );
  return listText([...new Set(texts)]);
}

/** How much there is, and how it ended. */
export function summaryText({ sweeps, workloads, verdicts, benches }: StressReport): string {
  const many = (n: number, one: string): string => `${String(n)} ${n === 1 ? one : `${one}s`}`;
  const told: string[] = [];
  if (sweeps.length > 0) {
    const points = verdicts.held + verdicts.violated + verdicts['not decided'];
    const ends = (['held', 'violated', 'not decided'] as const).map(
      (verdict) => `${String(verdicts[verdict])} ${verdict}`,
    );
    told.push(
      `${many(points, 'point')} of ${many(workloads.length, 'workload')} in ${many(sweeps.length, 'sweep')} on ${hostsText(sweeps)}: ${listText(ends)}.`,
    );
  }
  if (benches.length > 0) {
    const what = benches.length === 1 ? '1 bench' : `${String(benches.length)} benches`;
    told.push(`${what} beside the running kernel on ${hostsText(benches)}.`);
  }
  return told.join(' ');
}

/** A point by what it measured. */
export function pointName(series: Series, point: SeriesPoint): string {
  return `${series.workload}, ${series.label}, ${cpusText(point.measured.cpus)}`;
}

/** All series, workload by workload. */
export function allSeries(report: StressReport): Series[] {
  return report.workloads.flatMap(({ series }) => series);
}

/** Why none of these has a fit, where it is one reason for all. */
export function commonRefusal(series: readonly Series[]): string | undefined {
  const reasons = new Set(series.map(({ fit }) => (fit.kind === 'refused' ? fit.why : undefined)));
  const [why] = reasons;
  return reasons.size === 1 ? why : undefined;
}

interface Entry {
  readonly sweep: SweepFacts;
  readonly measured: StressPoint;
}

function grouped<T>(values: readonly T[], keyOf: (value: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return [...groups.values()];
}

const designKey = ({ measured: { workload, locking, lock, without } }: Entry): string =>
  JSON.stringify([workload, locking, lock, without]);
const hostKey = ({ host, pagerace }: SweepFacts): string => JSON.stringify([host, pagerace]);

/** Joins what differs in CPUs alone; where two sweeps measured the same point, each keeps its own series. */
function joined(entries: readonly Entry[]): Entry[][] {
  return grouped(entries, (entry) => designKey(entry) + hostKey(entry.sweep)).flatMap((group) => {
    const counts = new Set(group.map(({ measured }) => measured.cpus));
    return counts.size === group.length ? [group] : grouped(group, ({ sweep }) => String(sweep.number));
  });
}

function rateOf({ rounds, faultsPerSecond }: StressPoint): number | undefined {
  return rounds.length === 0 || faultsPerSecond === 0 ? undefined : faultsPerSecond;
}

function waitShareOf({ rounds, locks, cpus }: StressPoint): number | undefined {
  const seconds = rounds.reduce((sum, round) => sum + round.seconds, 0);
  if (seconds === 0 || locks.length === 0) return undefined;
  return locks.reduce((sum, lock) => sum + lock.waitTotalNs, 0) / (seconds * 1e9 * cpus);
}

function seriesPoint({ sweep, measured }: Entry, one: number | undefined): SeriesPoint {
  const beyondCores = measured.cpus > sweep.host.cores;
  const rate = rateOf(measured);
  const waitShare = waitShareOf(measured);
  const speedup = rate === undefined || one === undefined || beyondCores ? undefined : rate / one;
  return {
    sweep: sweep.number,
    measured,
    beyondCores,
    ...(rate === undefined ? {} : { rate }),
    ...(speedup === undefined ? {} : { speedup, ofLinear: speedup / measured.cpus }),
    ...(waitShare === undefined ? {} : { waitShare }),
  };
}

/** Fits medians at CPU counts within the cores: beyond them the cores set the rate, not the design. */
export function fitOf(points: readonly RatePoint[], cores: number): FitOutcome {
  const samples = points.flatMap(({ measured, rate, beyondCores }) =>
    rate === undefined || beyondCores ? [] : [{ cpus: measured.cpus, rate }],
  );
  const counts = samples.map(({ cpus }) => cpus);
  if (counts.length < USL_TERMS) {
    const have = counts.length === 1 ? '1 CPU count' : `${String(counts.length)} CPU counts`;
    const within = cores === 1 ? "the host's 1 core" : `the host's ${String(cores)} cores`;
    const which = counts.length === 0 ? '' : ` (${listText(counts)})`;
    return { kind: 'refused', why: `${have} within ${within}${which}; ${String(USL_TERMS)} are needed` };
  }
  if (counts[0] !== 1) return { kind: 'refused', why: '1 CPU was not measured, and λ is its rate' };
  const fit = fitUsl(samples);
  return fit === undefined ? { kind: 'refused', why: 'no rate of 1 CPU fits these rates' } : { kind: 'fitted', fit };
}

/** A name of letters, digits and dashes, for links. */
function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}

function labelOf({ locking, lock, without }: StressPoint, severalLocks: boolean): string {
  const taken = without.length === 0 ? '' : ` without ${without.join(', ')}`;
  return `${locking}${severalLocks ? `, ${lock}` : ''}${taken}`;
}

function seriesOf(entries: readonly Entry[]): Series[] {
  const severalLocks = new Set(entries.map(({ measured }) => measured.lock)).size > 1;
  const groups = joined(entries);
  const ofDesign = new Map<string, number>();
  for (const [entry] of groups)
    if (entry !== undefined) ofDesign.set(designKey(entry), (ofDesign.get(designKey(entry)) ?? 0) + 1);
  return groups.flatMap((group, index): Series[] => {
    const sorted = [...group].sort((a, b) => a.measured.cpus - b.measured.cpus);
    const [first] = sorted;
    if (first === undefined) return [];
    const { workload, locking, lock, without } = first.measured;
    const sweeps = [...new Set(group.map(({ sweep }) => sweep.number))];
    const which = (ofDesign.get(designKey(first)) ?? 0) > 1 ? ` (sweep ${listText(sweeps)})` : '';
    const label = labelOf(first.measured, severalLocks) + which;
    const one = first.measured.cpus === 1 ? rateOf(first.measured) : undefined;
    const points = sorted.map((entry) => seriesPoint(entry, one));
    return [
      {
        id: `${String(index + 1)}-${slug(`${workload} ${label}`)}`,
        workload,
        locking,
        lock,
        without,
        label,
        cores: first.sweep.host.cores,
        wrong: points.some(({ measured }) => measured.verdict === 'violated'),
        points,
        fit: fitOf(points, first.sweep.host.cores),
      },
    ];
  });
}

/** The best of the workload that held with as many CPUs on a host with as many cores. */
function besideOf(series: Series, point: SeriesPoint, others: readonly Series[]): Loss['beside'] {
  const safe = others.flatMap((other) =>
    other.wrong || other.cores !== series.cores
      ? []
      : other.points.flatMap(({ measured, rate }) =>
          measured.cpus === point.measured.cpus && measured.verdict === 'held' && rate !== undefined
            ? [{ label: other.label, rate }]
            : [],
        ),
  );
  const [best] = safe.sort((a, b) => b.rate - a.rate);
  return best === undefined || point.rate === undefined
    ? undefined
    : { label: best.label, ratio: point.rate / best.rate };
}

function lossesOf(workloads: readonly WorkloadSeries[]): Loss[] {
  return workloads.flatMap(({ series }) =>
    series
      .filter(({ wrong }) => wrong)
      .flatMap((one) =>
        one.points.map((point): Loss => {
          const { verdict, lostPerMillion } = point.measured;
          const lost = verdict === 'held' ? 0 : lostPerMillion;
          const beside = besideOf(one, point, series);
          return {
            series: one,
            point,
            ...(lost === undefined ? {} : { lostPerMillion: lost }),
            ...(beside === undefined ? {} : { beside }),
          };
        }),
      ),
  );
}

function warningsOf(sweeps: readonly SweepFacts[], series: readonly Series[]): Warning[] {
  const warnings: Warning[] = [];
  if (new Set(sweeps.map(({ host }) => JSON.stringify(host))).size > 1) {
    warnings.push({ text: 'the sweeps are of different hosts: compare within a host, not between them', points: [] });
  }
  if (new Set(sweeps.map(({ pagerace }) => pagerace)).size > 1) {
    warnings.push({
      text: 'the sweeps are of different versions of pagerace: measure again with one of them',
      points: [],
    });
  }
  const named = series.flatMap((one) => one.points.map((point) => ({ name: pointName(one, point), point })));
  const faster = named.filter(({ point: { ofLinear = 0 } }) => ofLinear > MORE_THAN_LINEAR);
  if (faster.length > 0) {
    warnings.push({
      text: 'more than linear: the rate of 1 CPU was disturbed, so measure it again, with --repeat',
      points: faster.map(({ name }) => name),
    });
  }
  const texts = new Set(named.flatMap(({ point }) => point.measured.warnings));
  for (const text of texts) {
    const about = named.filter(({ point }) => point.measured.warnings.includes(text));
    warnings.push({ text, points: about.map(({ name }) => name) });
  }
  return warnings;
}

/** What there is to say of these results. */
export function analyse({ sweeps: read, benches }: Loaded): StressReport {
  const sweeps = read.map(({ file, results }, i): SweepFacts => {
    const { pagerace, started, seconds, command, seed, host } = results;
    return { number: i + 1, file, pagerace, started, seconds, command, seed, host };
  });
  const entries = read.flatMap(({ results }, i) => {
    const sweep = sweeps[i];
    return sweep === undefined ? [] : results.points.map((measured): Entry => ({ sweep, measured }));
  });
  const series = seriesOf(entries);
  const workloads = grouped(series, ({ workload }) => workload).map((group): WorkloadSeries => ({
    name: group[0]?.workload ?? '',
    series: group,
  }));
  const verdicts = { held: 0, violated: 0, 'not decided': 0 };
  for (const { measured } of entries) verdicts[measured.verdict] += 1;
  return {
    sweeps,
    workloads,
    verdicts,
    losses: lossesOf(workloads),
    warnings: warningsOf(sweeps, series),
    benches: benches.map(benchOf),
  };
}
