// What the bench says of the explorer: its counts beside published ones, other explorers beside it, and its speed.
import { median } from '../stress/bench.ts';
import type { EarlierFigures, ExploreBench, ExplorePoint } from '../stress/explore-bench.ts';
import { isPeerProgram } from '../stress/peers/peers.ts';
import type { PeerResult } from '../stress/peers/peer.ts';
import { grouped, table, wrapText } from './text.ts';

const nameOf = ({ name, size }: ExplorePoint): string => (size === undefined ? name : `${name}(${String(size)})`);

/** Digits behind the point that tell seconds to two digits. */
function digitsOf(seconds: number): number {
  return seconds >= 10 ? 0 : Math.max(1, 1 - Math.floor(Math.log10(seconds)));
}

const secondsText = (seconds: number): string => seconds.toFixed(digitsOf(seconds));

function countLines(programs: readonly ExplorePoint[]): string[] {
  const rows = programs.map((point) => [
    nameOf(point),
    grouped(point.executions),
    grouped(point.optimal),
    secondsText(point.seconds),
    grouped(point.executions / point.seconds),
  ]);
  return [
    'executions that a search takes beside published optimal counts, and its speed',
    ...table([['program', 'ours', 'optimal', 'seconds', 'a second'], ...rows]),
  ];
}

/** A column of another explorer. */
interface Column {
  /** Its name in results. */
  readonly peer: string;
  readonly heading: string;
  /** What it counts. */
  readonly counts: string;
  /** Where it is not run, its earlier figures are shown. */
  readonly earlier?: keyof EarlierFigures;
}

const COLUMNS: readonly Column[] = [
  {
    peer: 'loom',
    heading: 'loom',
    counts: 'executions; starts of threads and loads of old values make more of them',
    earlier: 'loom',
  },
  {
    peer: 'relacy',
    heading: 'relacy',
    counts: 'executions, one for each schedule; to start and to find a lock taken are steps',
    earlier: 'relacy',
  },
  { peer: 'relacy, 2 switches', heading: '2 switches', counts: 'of those, the ones with at most two preemptions' },
  {
    peer: 'Spin',
    heading: 'Spin',
    counts:
      'states, each visited once however many executions lead to it: a state is not an execution, and many lie on one',
  },
  { peer: 'Spin, no reduction', heading: 'no reduction', counts: 'states without partial-order reduction' },
];

function countText({ ended, count, seconds }: PeerResult): string {
  if (count === undefined) return `> ${secondsText(seconds)} s`;
  return `${ended ? '' : '> '}${grouped(count)}`;
}

function timeText({ ended, seconds, tick }: PeerResult): string {
  if (seconds < tick) return `< ${String(tick)}`;
  const ticks = Math.round(-Math.log10(tick));
  return `${ended ? '' : '> '}${seconds.toFixed(Math.min(ticks, digitsOf(seconds)))}`;
}

function captionLines(columns: readonly Column[]): string[] {
  return [
    'ours: executions, one for each behaviour, from the start of the program to its end',
    ...columns.map(({ heading, counts }) => `${heading}: ${counts}`),
  ].flatMap((text) => wrapText(text, '  ', '    '));
}

function peerLines({ programs, peers }: ExploreBench): string[] {
  const points = programs.filter(({ name }) => isPeerProgram(name));
  const ran = (column: Column): boolean => peers.results.some(({ peer }) => peer === column.peer);
  const resultOf = (column: Column, { name, size }: ExplorePoint): PeerResult | undefined =>
    peers.results.find((result) => result.peer === column.peer && result.program === name && result.size === size);
  const earlierOf = ({ earlier }: Column, point: ExplorePoint): string | undefined =>
    earlier === undefined ? undefined : point.earlier?.[earlier];

  const counted = COLUMNS.filter((column) => ran(column) || column.earlier !== undefined);
  const counts = points.map((point) => [
    nameOf(point),
    grouped(point.executions),
    ...counted.map((column) => {
      const result = resultOf(column, point);
      if (result !== undefined) return countText(result);
      return (ran(column) ? undefined : earlierOf(column, point)) ?? '-';
    }),
  ]);
  const headings = counted.map((column) => `${column.heading}${ran(column) ? '' : '*'}`);

  const timed = COLUMNS.filter(ran);
  const times = points.map((point) => [
    nameOf(point),
    secondsText(point.seconds),
    ...timed.map((column) => {
      const result = resultOf(column, point);
      return result === undefined ? '-' : timeText(result);
    }),
  ]);
  return [
    'other explorers on the same programs: executions, for Spin states',
    ...table([['program', 'ours', ...headings], ...counts]),
    ...captionLines(counted),
    ...(counted.every(ran) ? [] : ['*: figures of an earlier run, not of this one']),
    ...peers.missing.flatMap(({ name, missing }) => wrapText(`${name}: ${missing}`)),
    ...(timed.length === 0
      ? []
      : [
          '',
          'seconds of the search alone, all measured in this run',
          ...table([['program', 'ours', ...timed.map(({ heading }) => heading)], ...times]),
        ]),
  ];
}

/** The text of the bench's part on the explorer. */
export function exploreBenchLines(bench: ExploreBench): string[] {
  return [
    ...countLines(bench.programs),
    '',
    ...peerLines(bench),
    '',
    ...bench.kernel.map(
      ({ cpus, executions, seconds }) =>
        `first-touch on ${String(cpus)} CPUs: decided in ${grouped(executions)} executions, ${seconds.toFixed(2)} s`,
    ),
    `random schedules of first-touch: ${grouped(Math.round(median(bench.randomSteps)))} steps a second`,
  ];
}
