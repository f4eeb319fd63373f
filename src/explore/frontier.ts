// A search cut into jobs that know nothing of each other, so that a pool of workers, or a later day, can go on with it.
//
// The state between jobs is the stack of the depth-first search: the points of one path, each with what sleeps there and
// the branches left. A job is the next branch: it explores below it, for a bounded number of executions. What it did not
// get to becomes the top of the stack; reversals that start above it go into the points below. A branch may be explored
// ahead of its turn, by somebody else: what came of it counts if, when its turn comes, it is still the same job. So
// what is explored, and what is found first, is what one search that runs through explores and finds.
import { Dpor, TooManyProcsError } from './dpor.ts';
import type { Above, OpenPoint, Order, Root } from './dpor.ts';
import type { Execution } from './execution.ts';
import type { Footprint } from './footprint.ts';
import { failureOf } from './shrink.ts';
import type { FailingSchedule } from './shrink.ts';
import type { Complaint } from './subject.ts';
import { StoredReversal } from './reversal.ts';
import { SleepSets } from './sleep.ts';
import { WakeupTrees } from './wakeup.ts';

/** Executions of one job. */
export const JOB_EXECUTIONS = 500;

/** One piece of a search. */
export type Job = Root;

/** What came of a job. */
export interface JobResult {
  readonly executions: number;
  readonly blocked: number;
  readonly steps: number;
  readonly failure: FailingSchedule | undefined;
  readonly above: readonly Above[];
  /** The order in which procs were chosen. */
  readonly order: Order;
  /** What the last step of the prefix did; undefined for the job that begins a search. */
  readonly root: Footprint | undefined;
  /** What it did not get to; empty if it has finished. */
  readonly open: readonly OpenPoint[];
  /** Words that turned out to be shared: everything must begin again, knowing them. */
  readonly discovered: readonly number[];
}

/** How a job is done. */
export interface JobOptions {
  readonly complain: (execution: Execution) => Complaint | undefined;
  readonly stopAtFailure: boolean;
  /** Called after each execution; true: end now, with what was done. */
  readonly afterExecution: (dpor: Dpor) => boolean;
  /** Entries of clocks. */
  readonly width: number;
  /** Executions at most. */
  readonly limit: number;
}

/** Clock entries that a memory model needs at first; they grow with the words that are buffered. */
export function firstWidth(execution: Execution): number {
  const { cpus, model } = execution;
  return model === 'sc' ? cpus : execution.byWord ? cpus + 16 : 2 * cpus;
}

/** Does one job. Throws TooManyProcsError where the clocks are too narrow. */
export function runJob(execution: Execution, job: Job, options: JobOptions): JobResult {
  const dpor = new Dpor(execution, options.width, job);
  let steps = 0;
  const failures: FailingSchedule[] = [];
  dpor.run(() => {
    steps += execution.steps;
    const complaint = options.complain(execution);
    const failure = failures.length === 0 ? failureOf(execution, complaint) : undefined;
    if (failure !== undefined) failures.push(failure);
    const ends = options.afterExecution(dpor) || (complaint !== undefined && options.stopAtFailure);
    return ends ? 'stop' : 'go on';
  }, options.limit);
  return {
    executions: dpor.executions,
    blocked: dpor.blocked,
    steps,
    failure: failures[0],
    above: dpor.above,
    order: dpor.order,
    root: dpor.rootStep,
    open: dpor.isFinished ? [] : dpor.open(),
    discovered: execution.discovered ? execution.shared.list() : [],
  };
}

/** A point of the path that the search stands on. */
interface Point {
  readonly prefix: readonly number[];
  readonly sleep: Footprint[];
  /** The branch that the next point lies on; undefined at the end of the path. */
  current: Footprint | undefined;
  /** Branches left. */
  tree: number;
}

/** The state of a search between jobs. */
export class Frontier {
  executions = 0;
  blocked = 0;
  steps = 0;
  failure: FailingSchedule | undefined = undefined;
  private points: Point[] = [];
  private readonly trees: WakeupTrees = new WakeupTrees();
  private started = false;
  /** The order in which procs are chosen: the first job finds it, all others keep to it. */
  private order: Order | undefined = undefined;

  /** The next job in the order of the search; undefined if nothing is left. */
  next(): Job | undefined {
    return this.upcoming(1)[0];
  }

  /** The next jobs as they look now, at most `count`; only the first is sure to be one. */
  upcoming(count: number): Job[] {
    const { order, trees } = this;
    if (!this.started) return [{ prefix: [], sleep: [], tree: [], order }];
    const jobs: Job[] = [];
    for (let i = this.points.length - 1; i >= 0 && jobs.length < count; i--) {
      const { prefix, sleep, current, tree } = this.points[i]!;
      const asleep = current === undefined ? [...sleep] : [...sleep, current];
      for (let branch = tree; branch !== 0 && jobs.length < count; branch = trees.beside(branch)) {
        const after = trees.data(trees.after(branch));
        jobs.push({ prefix: [...prefix, trees.procOf(branch)], sleep: [...asleep], tree: after, order });
        asleep.push(trees.footprint(branch));
      }
    }
    return jobs;
  }

  /** Takes in what came of the next job. */
  accept(result: JobResult): void {
    this.executions += result.executions;
    this.blocked += result.blocked;
    this.steps += result.steps;
    this.failure ??= result.failure;
    if (this.started) {
      const parent = this.points[this.points.length - 1]!;
      parent.tree = this.trees.drop(parent.tree);
      parent.current = result.root;
    }
    this.started = true;
    this.order = result.order;
    for (const { depth, reversal } of result.above) {
      const point = this.points[depth]!;
      const stored = new StoredReversal(reversal);
      const sleeping = new SleepSets();
      sleeping.set(0, point.sleep);
      if (!sleeping.covers(0, stored)) point.tree = this.trees.insert(point.tree, stored);
    }
    for (const open of result.open) this.points.push(this.pointOf(open));
    this.closeFinished();
  }

  /** Leaves points behind that have no branch left: what was explored there sleeps from now on in the point before. */
  private closeFinished(): void {
    for (;;) {
      const last = this.points[this.points.length - 1];
      if (last === undefined) return;
      if (last.current !== undefined) {
        last.sleep.push(last.current);
        last.current = undefined;
      }
      if (last.tree !== 0) return;
      this.points.pop();
    }
  }

  /** The search as data. */
  save(): SavedFrontier {
    const { executions, blocked, steps, failure, started, order, trees } = this;
    const points = this.points.map((point) => ({ ...point, tree: trees.data(point.tree) }));
    return { executions, blocked, steps, failure, started, order, points };
  }

  private pointOf({ prefix, sleep, current, tree }: OpenPoint): Point {
    return { prefix, sleep: [...sleep], current, tree: this.trees.adopt(tree) };
  }

  /** Goes on with a saved search. */
  static restore(saved: SavedFrontier): Frontier {
    const frontier = new Frontier();
    frontier.executions = saved.executions;
    frontier.blocked = saved.blocked;
    frontier.steps = saved.steps;
    frontier.failure = saved.failure;
    frontier.started = saved.started;
    frontier.order = saved.order;
    frontier.points = saved.points.map((point) => frontier.pointOf(point));
    return frontier;
  }
}

/** A search as data. */
export interface SavedFrontier {
  readonly executions: number;
  readonly blocked: number;
  readonly steps: number;
  readonly failure: FailingSchedule | undefined;
  readonly started: boolean;
  readonly order: Order | undefined;
  readonly points: readonly OpenPoint[];
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
