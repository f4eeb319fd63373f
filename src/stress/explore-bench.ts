// How many executions the explorer needs, and how many it does in a second, beside published figures of other tools.
//
// Counts are facts about programs: those of an optimal search are the same everywhere. Other tools' counts include what
// they explore besides (spawn and join orders, stale reads of weaker models); they are costs, not traces.
import { exploreSubject } from '../explore/explore.ts';
import { Execution } from '../explore/execution.ts';
import { Random } from '../explore/random.ts';
import { randomWalk } from '../explore/strategies.ts';
import { subjectOf } from '../explore/subject-spec.ts';
import type { SubjectSpec } from '../explore/subject-spec.ts';

/** Published figures: executions until a search is done; undefined: not published, `> 60 s`: it did not end. */
interface Published {
  readonly optimal: number;
  readonly loom?: string;
  readonly relacy?: string;
}

const PROGRAMS: readonly (SubjectSpec & { readonly published: Published })[] = [
  { name: 'lost-update', size: 2, published: { optimal: 4, loom: '18', relacy: '20' } },
  { name: 'lost-update', size: 3, published: { optimal: 36, loom: '4,219', relacy: '1,680' } },
  { name: 'lost-update', size: 4, published: { optimal: 576, loom: '> 60 s', relacy: '369,600' } },
  { name: 'xadd', size: 3, published: { optimal: 6, loom: '414' } },
  { name: 'mutex', size: 4, published: { optimal: 24, loom: '227,948' } },
  { name: 'page-fault', size: 2, published: { optimal: 4, loom: '21', relacy: '136' } },
  { name: 'page-fault', size: 3, published: { optimal: 15, loom: '2,477', relacy: '79,020' } },
  { name: 'page-fault', size: 4, published: { optimal: 64, loom: '> 60 s', relacy: '> 60 s' } },
  { name: 'page-fault', size: 5, published: { optimal: 325 } },
  { name: 'readers', size: 8, published: { optimal: 256 } },
  { name: 'readers', size: 13, published: { optimal: 8192 } },
  { name: 'lastzero', size: 10, published: { optimal: 3328 } },
  { name: 'indexer', size: 13, published: { optimal: 64 } },
  { name: 'filesystem', size: 18, published: { optimal: 32 } },
];

/** One program's figures. */
export interface ExplorePoint {
  readonly name: string;
  readonly size: number;
  readonly executions: number;
  readonly blocked: number;
  readonly perSecond: number;
  readonly published: Published;
}

/** The kernel's figures. */
export interface KernelPoint {
  readonly cpus: number;
  readonly executions: number;
  readonly seconds: number;
}

export interface ExploreBench {
  readonly programs: readonly ExplorePoint[];
  readonly kernel: readonly KernelPoint[];
  /** Steps a second of random schedules of the kernel's first touch, setting the machine back included; per run. */
  readonly randomSteps: readonly number[];
}

/** Time for one program, in milliseconds: the search is repeated until it is over. */
const PROGRAM_MS = 300;
const RANDOM_MS = 1000;
const RANDOM_RUNS = 5;

function measure(spec: SubjectSpec & { readonly published: Published }): ExplorePoint {
  const subject = subjectOf(spec);
  const search = (): { executions: number; blocked: number } =>
    exploreSubject(subject, { stopAtFailure: false, shrink: false, judges: [] });
  search();
  const started = performance.now();
  let executions = 0;
  let last = search();
  do {
    executions += last.executions;
    last = search();
  } while (performance.now() - started < PROGRAM_MS);
  executions += last.executions;
  const perSecond = (executions / (performance.now() - started)) * 1000;
  const { name, size = 0, published } = spec;
  return { name, size, executions: last.executions, blocked: last.blocked, perSecond, published };
}

function randomSteps(): number[] {
  const execution = new Execution(subjectOf({ name: 'first-touch' }), 'sc');
  const random = new Random(1);
  return Array.from({ length: RANDOM_RUNS + 1 }, () => {
    let steps = 0;
    const started = performance.now();
    do {
      randomWalk(execution, random);
      steps += execution.steps;
    } while (performance.now() - started < RANDOM_MS);
    return (steps / (performance.now() - started)) * 1000;
  }).slice(1);
}

/** Measures it all; takes about fifteen seconds. */
export function exploreBench(progress: (text: string) => void): ExploreBench {
  const programs = PROGRAMS.map((spec) => {
    progress(`explore ${spec.name}(${String(spec.size)})`);
    return measure(spec);
  });
  const kernel = [2, 3].map((cpus): KernelPoint => {
    progress(`explore first-touch on ${String(cpus)} CPUs`);
    const subject = subjectOf({ name: 'first-touch', options: { cpus } });
    const started = performance.now();
    const { executions } = exploreSubject(subject, {});
    return { cpus, executions, seconds: (performance.now() - started) / 1000 };
  });
  progress('random schedules of first-touch');
  return { programs, kernel, randomSteps: randomSteps() };
}
