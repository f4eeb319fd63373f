// What `pagerace stress` prints: a line for each point, and what went wrong where something did.
import { basename, extname } from 'node:path';
import type { FaultLatency, LockUse, StressPoint, StressResults } from '../stress/results.ts';
import type { SoakTotals } from '../stress/soak.ts';
import { bad, bold, good, grouped, table, timeText as spacedTime, wrapText } from './text.ts';

/** A time without a space, for narrow tables: 640ns, 12.3us. */
function timeText(ns: number): string {
  return spacedTime(ns).replace(' ', '');
}

function latencyCells(latency: FaultLatency | undefined): string[] {
  if (latency === undefined) return ['-', '-', '-'];
  return [latency.p50Ns, latency.p99Ns, latency.maxNs].map(timeText);
}

/** A locking design in a column: one of a file by the file's name alone. */
function designCell(locking: string): string {
  return basename(locking, extname(locking));
}

function pointRow(point: StressPoint): string[] {
  const share = point.faultsPerSecond === 0 ? 0 : (100 * point.spread) / point.faultsPerSecond;
  return [
    designCell(point.locking),
    String(point.cpus),
    grouped(point.faultsPerSecond),
    `${share.toFixed(0)}%`,
    ...latencyCells(point.latency),
    point.fairness === undefined ? '-' : point.fairness.toFixed(2),
    point.verdict,
  ];
}

const HEAD = ['design', 'CPUs', 'faults/s', '+-', 'p50', 'p99', 'max', 'fair', 'verdict'];

/** The locks that were waited for longest. */
function lockRows(point: StressPoint): string[][] {
  const waited = point.locks.filter(({ contended }) => contended > 0);
  return [...waited]
    .sort((a, b) => b.waitTotalNs - a.waitTotalNs)
    .slice(0, 3)
    .map((lock) => [`${point.locking} ${String(point.cpus)}`, ...lockCells(lock)]);
}

function lockCells(lock: LockUse): string[] {
  return [
    lock.lock,
    grouped(lock.contended),
    timeText(lock.waitTotalNs),
    timeText(lock.waitMaxNs),
    timeText(lock.waitMeanNs),
    lock.holdMeanNs === undefined ? '-' : timeText(lock.holdMeanNs),
    lock.holder === undefined ? '-' : `CPU${String(lock.holder.cpu)}`,
  ];
}

const LOCK_HEAD = ['waits', 'lock', 'contended', 'total', 'max', 'avg', 'hold', 'holder'];

/** Three digits of what is lost. */
function lossText(lost: number): string {
  return lost >= 100 ? grouped(lost) : lost.toPrecision(2);
}

function violatedLines(point: StressPoint): string[] {
  const [first] = point.findings;
  if (first === undefined) return [];
  const lost =
    point.lostPerMillion === undefined ? '' : `, ${lossText(point.lostPerMillion)} folios lost in a million faults`;
  const what = `${point.locking}, ${String(point.cpus)} CPUs: fast and wrong${lost}: ${first.message}`;
  const lines = wrapText(what, '  ', '    ');
  const { counterexample } = point;
  if (counterexample === undefined) return lines;
  lines.push(
    ...wrapText(
      `${counterexample.scenario} in the explorer, ${counterexample.preemptions === 1 ? '1 preemption' : `${String(counterexample.preemptions)} preemptions`}: ${counterexample.message}`,
      '    ',
    ),
    `    ${counterexample.command}`,
  );
  return lines;
}

function workloadLines(name: string, points: readonly StressPoint[]): string[] {
  const lines = [bold(name), ...table([HEAD, ...points.map(pointRow)])];
  const coloured = lines.map((line) =>
    line.replace(/ held$/, ` ${good('held')}`).replace(/ violated$/, ` ${bad('violated')}`),
  );
  const locks = points.flatMap(lockRows);
  if (locks.length > 0) coloured.push('', ...table([LOCK_HEAD, ...locks]));
  const violated = points.flatMap(violatedLines);
  if (violated.length > 0) coloured.push('', ...violated);
  const warnings = [...new Set(points.flatMap((point) => point.warnings))];
  if (warnings.length > 0)
    coloured.push('', ...warnings.flatMap((warning) => wrapText(warning, '  note: ', '        ')));
  return coloured;
}

/** A sweep at 80 columns. */
export function renderStress(results: StressResults): string {
  const names = [...new Set(results.points.map(({ workload }) => workload))];
  const parts = names.map((name) =>
    workloadLines(
      name,
      results.points.filter(({ workload }) => workload === name),
    ).join('\n'),
  );
  const timed = results.points.find(({ latency }) => latency !== undefined)?.latency;
  const { host } = results;
  const about = [
    `medians of rounds, every judge after each round; ${String(host.cores)} cores, ${host.processor}`,
    ...(timed === undefined ? [] : [`latency of one fault in ${String(timed.oneIn)}, by CPUs that time themselves`]),
    `seed ${String(results.seed)}, ${results.seconds.toFixed(0)} s in all`,
  ];
  return [...parts, about.join('\n')].join('\n\n');
}

/** One line of a soak. */
export function renderSoak(totals: SoakTotals): string {
  const lost = Object.values(totals.lostRaces).reduce((sum, n) => sum + n, 0);
  const rate = totals.seconds === 0 ? 0 : totals.faults / totals.seconds;
  const time = `${String(Math.floor(totals.seconds / 60))} min ${(totals.seconds % 60).toFixed(0)} s`;
  return `${time}: ${totals.verdict}, ${grouped(totals.rounds)} rounds, ${grouped(totals.faults)} faults, ${grouped(rate)} a second, ${grouped(lost)} races lost`;
}
