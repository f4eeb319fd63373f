// A report for a terminal: 80 columns, verdicts first, and what is wrong said before what is fast.
import type { StressPoint } from '../../stress/results.ts';
import { WIDTH, bad, bold, grouped, table, timeText, wrapText } from '../text.ts';
import { allSeries, commonRefusal, cpuListText, listText, pointName, summaryText } from './analysis.ts';
import type { Series, SeriesPoint, StressReport, SweepFacts } from './analysis.ts';
import { benchLines } from './bench-text.ts';
import { lockType, locksOf } from './locks.ts';
import { threeDigits } from './numbers.ts';

/** Rows of a series' table of locks: the longest waits. */
const LOCK_ROWS = 3;
/** Points that a warning names; of more it says how many. */
const POINTS_NAMED = 3;

const percent = (share: number | undefined): string => (share === undefined ? '-' : `${(100 * share).toFixed(0)}%`);

/** The numbers of CPUs of a series' points, those beyond the cores with a star. */
const starred = ({ measured, beyondCores }: SeriesPoint): string => `${String(measured.cpus)}${beyondCores ? '*' : ''}`;

function verdictLines(report: StressReport): string[] {
  const lines = [bold('Verdicts'), ...wrapText(summaryText(report), '  ')];
  for (const verdict of ['violated', 'not decided'] satisfies StressPoint['verdict'][]) {
    for (const series of allSeries(report)) {
      const points = series.points.filter(({ measured }) => measured.verdict === verdict);
      if (points.length === 0) continue;
      const last = points.at(-1)?.measured.cpus === 1 ? 'CPU' : 'CPUs';
      const wrong = verdict === 'violated' ? ': fast and wrong' : '';
      const text = `${verdict}: ${series.workload}, ${series.label}, ${listText(points.map(starred))} ${last}${wrong}`;
      lines.push(...wrapText(text, '  ', '    ').map(verdict === 'violated' ? bad : (line) => line));
    }
  }
  if (allSeries(report).some(({ points }) => points.some(({ beyondCores }) => beyondCores))) {
    lines.push(...wrapText('* more CPUs than the host has cores: rates are no statement on scaling', '  ', '    '));
  }
  return lines;
}

const HEAD = ['CPUs', 'faults/s', '+-', 'x 1 CPU', 'linear', 'p50', 'p99', 'waits', 'verdict'];

function pointRow(point: SeriesPoint): string[] {
  const { measured, rate, speedup, ofLinear, waitShare } = point;
  const { latency } = measured;
  return [
    starred(point),
    rate === undefined ? '-' : grouped(rate),
    rate === undefined ? '-' : percent(measured.spread / rate),
    speedup === undefined ? '-' : speedup.toFixed(2),
    percent(ofLinear),
    ...[latency?.p50Ns, latency?.p99Ns].map((ns) => (ns === undefined ? '-' : timeText(ns))),
    percent(waitShare),
    measured.verdict,
  ];
}

/** Greek letters spelt out. */
const asciiText = (text: string): string => text.replace('λ', 'lambda');

function fitText({ fit }: Series): string {
  if (fit.kind === 'refused') return `no fit: ${asciiText(fit.why)}`;
  const { lambda, sigma, kappa, cpus, residual, peak } = fit.fit;
  const most = peak === undefined ? '' : `, most at ${threeDigits(peak)} CPUs`;
  return `fit over ${cpuListText(cpus)}: lambda ${grouped(lambda)}, sigma ${threeDigits(sigma)} (contention), kappa ${threeDigits(kappa)} (coherency), off by ${(100 * residual).toFixed(1)}%${most}`;
}

const LOCK_HEAD = ['CPUs', 'contended', 'total wait', 'max wait', 'avg wait', 'type', 'lock'];

/** The longest waits of a series, in the columns of `perf lock contention`. */
function lockLines(series: Series): string[] {
  const rows = locksOf(series)
    .filter(({ lock }) => lock.contended > 0)
    .sort((a, b) => b.lock.waitTotalNs - a.lock.waitTotalNs)
    .slice(0, LOCK_ROWS)
    .map(({ point, lock }) => [
      starred(point),
      grouped(lock.contended),
      timeText(lock.waitTotalNs),
      timeText(lock.waitMaxNs),
      timeText(lock.waitMeanNs),
      lockType(lock.lock, point.measured.lock),
      lock.lock,
    ]);
  // The name of a lock may be long: it stands last, and is cut there.
  return rows.length === 0
    ? []
    : table([LOCK_HEAD, ...rows], '    ').map((line) =>
        line.length > WIDTH ? `${line.slice(0, WIDTH - 3)}...` : line,
      );
}

function seriesLines(series: Series, { losses }: StressReport, refused: string | undefined): string[] {
  const lost = losses.filter((loss) => loss.series === series);
  const told = lost.flatMap(({ point, lostPerMillion, beside }) => {
    if (lostPerMillion === undefined || lostPerMillion === 0) return [];
    const ratio = beside === undefined ? '' : ` (${beside.ratio.toFixed(2)} x the rate of ${beside.label})`;
    return [`${threeDigits(lostPerMillion)} at ${starred(point)}${ratio}`];
  });
  return [
    '',
    ...wrapText(series.label + (series.wrong ? ', fast and wrong' : ''), '  '),
    ...table([HEAD, ...series.points.map(pointRow)], '    '),
    ...(refused === undefined ? wrapText(fitText(series), '    ') : []),
    ...(told.length === 0 ? [] : wrapText(`folios lost in a million faults, at CPUs: ${told.join(', ')}`, '    ')),
    ...lockLines(series),
  ];
}

/** Counterexamples, each with all points that it explains. */
function counterexampleLines(report: StressReport): string[] {
  const named = new Map<string, string[]>();
  for (const series of allSeries(report)) {
    for (const point of series.points) {
      const { counterexample } = point.measured;
      if (counterexample === undefined) continue;
      const { scenario, preemptions, message, command } = counterexample;
      const turns = preemptions === 1 ? '1 preemption' : `${String(preemptions)} preemptions`;
      const key = JSON.stringify([`${scenario}, ${turns}: ${message}`, command]);
      named.set(key, [...(named.get(key) ?? []), pointName(series, point)]);
    }
  }
  if (named.size === 0) return [];
  const told = [...named].flatMap(([key, points]) => {
    const [text = '', command = ''] = JSON.parse(key) as string[];
    return [
      '',
      ...wrapText(points.join('; '), '  '),
      ...wrapText(text, '    '),
      ...wrapText(command, '    ', '      '),
    ];
  });
  return ['', bold('Counterexamples'), ...told];
}

function sweepLines(kind: string, sweep: Omit<SweepFacts, 'seed'> & { readonly seed?: number }): string[] {
  const { number, file, host, pagerace, started, seconds, seed, command } = sweep;
  const cores = host.cores === 1 ? '1 core' : `${String(host.cores)} cores`;
  const where = `${file}: ${host.processor}, ${cores}, ${(host.memoryBytes / 2 ** 30).toFixed(1)} GiB, ${host.platform} ${host.release}, Node ${host.node}, pagerace ${pagerace}`;
  const when = `${started}, ${grouped(seconds)} s${seed === undefined ? '' : `, seed ${String(seed)}`}`;
  return [
    '',
    bold(`${kind} ${String(number)}`),
    ...wrapText(where, '  ', '    '),
    ...wrapText(when, '  ', '    '),
    ...wrapText(command, '  ', '    '),
  ];
}

function warningLines({ warnings }: StressReport): string[] {
  if (warnings.length === 0) return [];
  const lines = warnings.flatMap(({ text, points }) => {
    const where = points.length > POINTS_NAMED ? `${String(points.length)} points` : points.join('; ');
    return wrapText(`${text}${where === '' ? '' : ` (${where})`}`, '  - ', '    ');
  });
  return ['', bold('Warnings'), ...lines];
}

/** What the columns are. */
const LEGEND =
  '+-: how far rounds are from their median; linear: share of the rate of 1 CPU times CPUs; waits: share of the time of all CPUs that they waited for locks';

function sweepParts(report: StressReport): string[] {
  const refused = commonRefusal(allSeries(report));
  return [
    ...verdictLines(report),
    ...report.workloads.flatMap((workload) => [
      '',
      ...wrapText(workload.name).map(bold),
      ...workload.series.flatMap((series) => seriesLines(series, report, refused)).slice(1),
    ]),
    '',
    ...wrapText(LEGEND, '  ', '    '),
    ...(refused === undefined
      ? []
      : wrapText(`no fit of the universal scalability law: ${asciiText(refused)}`, '  ', '    ')),
    ...counterexampleLines(report),
  ];
}

/** The report, at 80 columns. */
export function renderText(report: StressReport): string {
  const lines = [
    ...(report.sweeps.length === 0 ? [] : sweepParts(report)),
    ...report.benches.flatMap(benchLines),
    ...warningLines(report),
    ...report.sweeps.flatMap((sweep) => sweepLines('Sweep', sweep)),
    ...report.benches.flatMap((bench) => sweepLines('Bench', bench)),
  ];
  return lines.slice(lines[0] === '' ? 1 : 0).join('\n');
}
