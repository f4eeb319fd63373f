// A report as CSV (RFC 4180): a row for each point, and below it one for each of its rounds. Numbers as they were read.
import { allSeries } from './analysis.ts';
import type { Series, SeriesPoint, StressReport } from './analysis.ts';
import type { Bench } from './bench-analysis.ts';

type Cell = string | number | boolean | undefined;

/** The columns: those of a round are empty in a point's row, and the other way round. */
const COLUMNS = [
  'record',
  'sweep',
  'series',
  'workload',
  'locking',
  'lock',
  'without',
  'cpus',
  'cores',
  'beyond_cores',
  'round',
  'seconds',
  'faults',
  'faults_per_second',
  'spread',
  'speedup',
  'of_linear',
  'verdict',
  'lost_per_million',
  'fairness',
  'latency_p50_ns',
  'latency_p99_ns',
  'latency_p999_ns',
  'latency_max_ns',
  'lock_contended',
  'lock_wait_total_ns',
  'lock_wait_share',
  'parks',
  'command',
] as const;
type Row = Partial<Record<(typeof COLUMNS)[number], Cell>>;

/** One field: quoted where it has what would end it. */
function field(cell: Cell): string {
  const text = cell === undefined ? '' : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function pointRows(series: Series, point: SeriesPoint): Row[] {
  const { measured } = point;
  const { workload, locking, lock, cpus, latency, locks, rounds } = measured;
  const common: Row = {
    sweep: point.sweep,
    series: series.id,
    workload,
    locking,
    lock,
    without: measured.without.join(' '),
    cpus,
    cores: series.cores,
    beyond_cores: point.beyondCores,
  };
  const sum = (of: (round: (typeof rounds)[number]) => number): number =>
    rounds.reduce((all, round) => all + of(round), 0);
  return [
    {
      ...common,
      record: 'point',
      seconds: sum((round) => round.seconds),
      faults: sum((round) => round.faults),
      faults_per_second: point.rate,
      spread: point.rate === undefined ? undefined : measured.spread,
      speedup: point.speedup,
      of_linear: point.ofLinear,
      verdict: measured.verdict,
      lost_per_million: measured.lostPerMillion,
      fairness: measured.fairness,
      latency_p50_ns: latency?.p50Ns,
      latency_p99_ns: latency?.p99Ns,
      latency_p999_ns: latency?.p999Ns,
      latency_max_ns: latency?.maxNs,
      lock_contended: locks.reduce((all, one) => all + one.contended, 0),
      lock_wait_total_ns: locks.reduce((all, one) => all + one.waitTotalNs, 0),
      lock_wait_share: point.waitShare,
      parks: measured.parks,
      command: measured.command,
    },
    ...rounds.map((round, i): Row => ({
      ...common,
      record: 'round',
      round: i + 1,
      seconds: round.seconds,
      faults: round.faults,
      faults_per_second: round.faultsPerSecond,
    })),
  ];
}

/** Both sides of a bench, in the columns that they have in common with sweeps. */
function benchRows({ number, loops, host, command }: Bench): Row[] {
  return loops.flatMap(({ loop, series, pairs }) =>
    series.flatMap(({ side, points }) =>
      points.flatMap(({ measured: { cpus, rounds }, beyondCores, rate, speedup, ofLinear }): Row[] => {
        const common: Row = {
          sweep: number,
          series: side,
          workload: loop,
          cpus,
          cores: host.cores,
          beyond_cores: beyondCores,
        };
        const contended = pairs.find((pair) => pair.cpus === cpus)?.contended;
        return [
          {
            ...common,
            record: 'bench',
            faults_per_second: rate,
            speedup,
            of_linear: ofLinear,
            lock_contended: side === 'simulated' ? contended : undefined,
            command,
          },
          ...rounds.map(({ faultsPerSecond }, i): Row => ({
            ...common,
            record: 'bench run',
            round: i + 1,
            faults_per_second: faultsPerSecond,
          })),
        ];
      }),
    ),
  );
}

/** The rows, with a header, each ended as the standard has it. */
export function renderCsv(report: StressReport): string {
  const rows = [
    ...allSeries(report).flatMap((series) => series.points.flatMap((point) => pointRows(series, point))),
    ...report.benches.flatMap(benchRows),
  ];
  return [COLUMNS.join(','), ...rows.map((row) => COLUMNS.map((column) => field(row[column])).join(','))]
    .map((line) => `${line}\r\n`)
    .join('');
}
