// A search cut into jobs that know nothing of each other, so that a pool of workers, or a later day, can go on with it.
//
// A job is a prefix and what sleeps there; it explores below its prefix, for a bounded number of executions. What it did
// not get to comes back as open points, whose branches are jobs of the next round; reversals that start above its
// prefix come back too and are inserted here. Results are merged in the order of the jobs, so that what is explored,
// and what is found first, does not depend on who did which job when.
import { Dpor, TooManyProcsError } from './dpor.ts';
import type { Above, OpenPoint } from './dpor.ts';
import type { Execution } from './execution.ts';
import { failureOf } from './shrink.ts';
import type { FailingSchedule } from './shrink.ts';
import type { Complaint } from './subject.ts';
import type { Footprint } from './trace.ts';
import { StoredReversal, insert, isCovered } from './wakeup.ts';
import type { WakeNode } from './wakeup.ts';

/** Executions of one job. Part of what makes a search the same everywhere: changing it changes who finds what first. */
export const JOB_EXECUTIONS = 1000;

/** One piece of a search. */
export interface Job {
  readonly prefix: readonly number[];
  readonly sleep: readonly Footprint[];
  readonly tree: readonly WakeNode[];
}

/** What came of a job. */
export interface JobResult {
  readonly executions: number;
  readonly blocked: number;
  readonly steps: number;
  readonly failure: FailingSchedule | undefined;
  readonly above: readonly Above[];
  /** What it did not get to; empty if it has finished. */
  readonly open: readonly OpenPoint[];
  /** Words that turned out to be shared: everything must begin again, knowing them. */
  readonly discovered: readonly number[];
  /** It was told to end before its share was done: it counts for nothing. */
  readonly abandoned: boolean;
}

/** How a job is done. */
export interface JobOptions {
  readonly complain: (execution: Execution) => Complaint | undefined;
  readonly stopAtFailure: boolean;
  /** Called after each execution; true: end now. */
  readonly afterExecution: (dpor: Dpor) => boolean;
  readonly width: number;
}

/** Clock entries that a memory model needs at first; pso's grow with the words that are stored to. */
export function firstWidth(execution: Execution): number {
  const { cpus, model } = execution;
  return model === 'sc' ? cpus : model === 'tso' ? 2 * cpus : cpus + 16;
}

/** Does one job. Throws TooManyProcsError where the clocks are too narrow. */
export function runJob(execution: Execution, job: Job, options: JobOptions): JobResult {
  const dpor = new Dpor(execution, options.width, job);
  let steps = 0;
  const failures: FailingSchedule[] = [];
  const told = { toEnd: false };
  dpor.run(() => {
    steps += execution.steps;
    const failure = failureOf(execution, options.complain(execution));
    if (failure !== undefined) failures.push(failure);
    if (failure !== undefined && options.stopAtFailure) return 'stop';
    told.toEnd = options.afterExecution(dpor);
    return told.toEnd ? 'stop' : 'go on';
  }, JOB_EXECUTIONS);
  const discovered: number[] = [];
  if (execution.discovered) execution.shared.forEach((is, word) => is !== 0 && discovered.push(word));
  const [failure] = failures;
  const stopped = failure !== undefined && options.stopAtFailure;
  return {
    executions: dpor.executions,
    blocked: dpor.blocked,
    steps,
    failure,
    above: dpor.above,
    open: dpor.isFinished || stopped ? [] : dpor.open(),
    discovered,
    abandoned: told.toEnd && !dpor.isFinished,
  };
}

/** A point above or between jobs. */
interface Point {
  readonly prefix: readonly number[];
  readonly sleep: Footprint[];
  /** Branches that no job has yet. */
  readonly tree: WakeNode[];
}

/** The state of a search between jobs: plain data, but for how points are found. */
export class Frontier {
  executions = 0;
  blocked = 0;
  steps = 0;
  failure: FailingSchedule | undefined = undefined;
  private readonly points = new Map<string, Point>();
  private started = false;

  /** Whether nothing is left to explore. */
  get isFinished(): boolean {
    return this.started && this.jobsLeft === 0;
  }

  /** Branches that wait to be jobs. */
  get jobsLeft(): number {
    let left = 0;
    for (const point of this.points.values()) left += point.tree.length;
    return left;
  }

  /** The next round's jobs, in order. Each must be answered by `merge`, in the same order. */
  round(): Job[] {
    if (!this.started) {
      this.started = true;
      return [{ prefix: [], sleep: [], tree: [] }];
    }
    const jobs: Job[] = [];
    for (const point of this.points.values()) {
      for (const branch of point.tree.splice(0)) {
        jobs.push({ prefix: [...point.prefix, branch.proc], sleep: [...point.sleep], tree: branch.children });
        const { proc, cls, word, width, also } = branch;
        point.sleep.push({ proc, cls, word, width, also });
      }
    }
    return jobs;
  }

  /** Takes a job's result in. */
  merge(job: Job, result: JobResult): void {
    this.executions += result.executions;
    this.blocked += result.blocked;
    this.steps += result.steps;
    this.failure ??= result.failure;
    for (const open of result.open) this.addPoint(open);
    for (const { depth, reversal } of result.above) {
      const point = this.points.get(keyOf(job.prefix.slice(0, depth)));
      if (point === undefined) throw new Error('Frontier.merge: a reversal starts at a point that nobody left open');
      const stored = new StoredReversal(reversal);
      if (!isCovered(point.sleep, stored)) insert(point.tree, 0, stored);
    }
  }

  private addPoint(open: OpenPoint): void {
    const key = keyOf(open.prefix);
    const point = this.points.get(key) ?? { prefix: open.prefix, sleep: [...open.sleep], tree: [] };
    if (open.current !== undefined) point.sleep.push(open.current);
    point.tree.push(...open.tree);
    this.points.set(key, point);
  }

  /** The search as data, for a file. */
  save(): SavedFrontier {
    return {
      executions: this.executions,
      blocked: this.blocked,
      steps: this.steps,
      started: this.started,
      points: [...this.points.values()],
    };
  }

  /** Goes on with a saved search. */
  static restore(saved: SavedFrontier): Frontier {
    const frontier = new Frontier();
    frontier.executions = saved.executions;
    frontier.blocked = saved.blocked;
    frontier.steps = saved.steps;
    frontier.started = saved.started;
    for (const { prefix, sleep, tree } of saved.points) {
      frontier.points.set(keyOf(prefix), { prefix, sleep: [...sleep], tree: [...tree] });
    }
    return frontier;
  }
}

/** A search as data. */
export interface SavedFrontier {
  readonly executions: number;
  readonly blocked: number;
  readonly steps: number;
  readonly started: boolean;
  readonly points: readonly {
    readonly prefix: readonly number[];
    readonly sleep: readonly Footprint[];
    readonly tree: readonly WakeNode[];
  }[];
}

function keyOf(prefix: readonly number[]): string {
  return prefix.join(' ');
}

/** Does what `body` does, with clocks as wide as it turns out to need. */
export function withWidth<T>(execution: Execution, width: number, body: (width: number) => T): T {
  for (let entries = width; ;) {
    try {
      return body(entries);
    } catch (error) {
      if (!(error instanceof TooManyProcsError)) throw error;
      entries = Math.max(entries * 2, execution.procs + 8);
    }
  }
}
