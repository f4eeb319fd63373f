// How many executions the explorer needs, and how many it does in a second: beside published counts, and beside other
// explorers that are built here and run on the same programs.
//
// Counts are facts about programs: those of an optimal search are the same everywhere. What others explore besides
// (starts of threads, stale reads of weaker models) is what their searches cost, and not a number of traces.
import { exploreSubject } from '../explore/explore.ts';
import type { Exploration } from '../explore/explore.ts';
import { ProgramSubject } from '../explore/program-subject.ts';
import { Piscina } from 'piscina';
import { programOf, subjectOf } from '../explore/subject-spec.ts';
import { median } from './bench.ts';
import { isPeerProgram, runPeers } from './peers/peers.ts';
import type { PeerReport } from './peers/peers.ts';

/** What peers came to that are not run here, as text: `> 60 s`: the search did not end. */
export interface EarlierFigures {
  readonly loom?: string;
  readonly relacy?: string;
}

interface BenchProgram {
  readonly name: string;
  readonly size?: number;
  /** How many traces it has. */
  readonly optimal: number;
  readonly earlier?: EarlierFigures;
}

const PROGRAMS: readonly BenchProgram[] = [
  { name: 'lost-update', size: 2, optimal: 4, earlier: { loom: '18', relacy: '20' } },
  { name: 'lost-update', size: 3, optimal: 36, earlier: { loom: '4,219', relacy: '1,680' } },
  { name: 'lost-update', size: 4, optimal: 576, earlier: { loom: '> 60 s', relacy: '369,600' } },
  { name: 'lost-update', size: 5, optimal: 14_400 },
  { name: 'page-fault', size: 2, optimal: 4, earlier: { loom: '21', relacy: '136' } },
  { name: 'page-fault', size: 3, optimal: 15, earlier: { loom: '2,477', relacy: '79,020' } },
  { name: 'page-fault', size: 4, optimal: 64, earlier: { loom: '> 60 s', relacy: '> 60 s' } },
  { name: 'page-fault', size: 5, optimal: 325 },
  { name: 'page-fault', size: 6, optimal: 1956 },
  { name: 'page-fault', size: 7, optimal: 13_699 },
  { name: 'mutex', size: 2, optimal: 2, earlier: { loom: '12' } },
  { name: 'mutex', size: 3, optimal: 6, earlier: { loom: '920' } },
  { name: 'mutex', size: 4, optimal: 24, earlier: { loom: '227,948' } },
  { name: 'mutex', size: 5, optimal: 120 },
  { name: 'xadd', size: 2, optimal: 2, earlier: { loom: '9' } },
  { name: 'xadd', size: 3, optimal: 6, earlier: { loom: '414' } },
  { name: 'xadd', size: 4, optimal: 24 },
  { name: 'xadd', size: 5, optimal: 120 },
  { name: 'readers', size: 2, optimal: 4 },
  { name: 'readers', size: 8, optimal: 256 },
  { name: 'readers', size: 13, optimal: 8192 },
  { name: 'lastzero', size: 5, optimal: 64 },
  { name: 'lastzero', size: 10, optimal: 3328 },
  { name: 'lastzero', size: 15, optimal: 147_456 },
  { name: 'indexer', size: 11, optimal: 1 },
  { name: 'indexer', size: 12, optimal: 8 },
  { name: 'indexer', size: 13, optimal: 64 },
  { name: 'indexer', size: 15, optimal: 4096 },
  { name: 'filesystem', size: 14, optimal: 2 },
  { name: 'filesystem', size: 16, optimal: 8 },
  { name: 'filesystem', size: 18, optimal: 32 },
  { name: 'filesystem', size: 19, optimal: 64 },
  { name: 'paper-example', optimal: 5 },
];

/** One program's figures. */
export interface ExplorePoint extends BenchProgram {
  readonly executions: number;
  /** Executions that the search began and gave up: an optimal one gives up none. */
  readonly blocked: number;
  /** Of one search, the median. */
  readonly seconds: number;
}

/** The kernel's figures. */
export interface KernelPoint {
  readonly cpus: number;
  readonly executions: number;
  readonly seconds: number;
}

export interface ExploreBench {
  readonly programs: readonly ExplorePoint[];
  readonly peers: PeerReport;
  readonly kernel: readonly KernelPoint[];
  /** Steps a second of random schedules of the kernel's first touch, setting the machine back included; per run. */
  readonly randomSteps: readonly number[];
}

/** Time for one program, in milliseconds: the search is repeated until it is over, all that it sets up included. */
const PROGRAM_MS = 300;
/** Time before that, in which searches find their code cold and are not measured. */
const WARM_UP_MS = 150;
const randomFile = new URL('../../workers/random-steps.js', import.meta.url).href;

/** What is measured is the search, not what a failed check costs: an exception, with its stack. */
function uncheckedSubject(program: BenchProgram): ProgramSubject {
  return new ProgramSubject({ ...programOf(program), check: () => undefined }, program.name);
}

function measure(program: BenchProgram): ExplorePoint {
  const subject = uncheckedSubject(program);
  const search = (): Exploration => exploreSubject(subject, { stopAtFailure: false, shrink: false, judges: [] });
  const warm = performance.now() + WARM_UP_MS;
  let found = search();
  while (performance.now() < warm) found = search();
  const times: number[] = [];
  const over = performance.now() + PROGRAM_MS;
  do {
    const started = performance.now();
    found = search();
    times.push((performance.now() - started) / 1000);
  } while (performance.now() < over);
  // Some are interrupted.
  const seconds = median(times);
  return { ...program, executions: found.executions, blocked: found.blocked, seconds };
}

/** In a thread of its own, whose machine code nothing else has had a part in. */
async function randomSteps(): Promise<number[]> {
  const pool = new Piscina<undefined, number[]>({ filename: randomFile, maxThreads: 1 });
  try {
    return await pool.run(undefined);
  } finally {
    await pool.destroy();
  }
}

/** Measures it all; takes under a minute. */
export async function exploreBench(progress: (text: string) => void): Promise<ExploreBench> {
  const programs = PROGRAMS.map((program) => {
    progress(`explore ${program.name}${program.size === undefined ? '' : `(${String(program.size)})`}`);
    return measure(program);
  });
  const points = PROGRAMS.flatMap(({ name, size }) =>
    size !== undefined && isPeerProgram(name) ? [{ program: name, size }] : [],
  );
  const peers = await runPeers(points, progress);
  const kernel = [2, 3].map((cpus): KernelPoint => {
    progress(`explore first-touch on ${String(cpus)} CPUs`);
    const subject = subjectOf({ name: 'first-touch', options: { cpus } });
    const started = performance.now();
    const { executions } = exploreSubject(subject, {});
    return { cpus, executions, seconds: (performance.now() - started) / 1000 };
  });
  progress('random schedules of first-touch');
  return { programs, peers, kernel, randomSteps: await randomSteps() };
}
