// Ways to choose schedules other than partial-order reduction: every one, by preemptions, by PCT, at random.
//
// Each runs executions one by one and tells whoever listens when one has ended. A violated check ends an execution
// there, so that counts of schedules are those of the published tables.
import type { Execution } from './execution.ts';
import type { OnExecution } from './dpor.ts';
import type { Random } from './random.ts';

/** Whether nothing more is to happen in this execution: nobody can go, somebody threw, or it takes too long. */
function isEnded(execution: Execution): boolean {
  return execution.errors.length > 0 || execution.overran;
}

/** The procs that can go, in ascending order. */
function enabledProcs(execution: Execution): number[] {
  const enabled: number[] = [];
  for (let proc = 0; proc < execution.procs; proc++) if (execution.isEnabled(proc)) enabled.push(proc);
  return enabled;
}

/** Every schedule, depth first, without reduction. */
export class Exhaustive {
  executions = 0;
  finished = false;
  private readonly execution: Execution;
  /** Per depth: the procs not yet tried, the current one last. */
  private readonly stack: number[][] = [];

  constructor(execution: Execution) {
    this.execution = execution;
  }

  run(onExecution: OnExecution): void {
    while (!this.finished) {
      this.runOnce();
      this.executions += 1;
      const answer = onExecution();
      this.backtrack();
      if (answer === 'stop') return;
    }
  }

  private runOnce(): void {
    const { execution, stack } = this;
    execution.restart();
    for (let depth = 0; !isEnded(execution); depth++) {
      if (depth === stack.length) {
        const enabled = enabledProcs(execution);
        if (enabled.length === 0) return;
        stack.push(enabled.reverse());
      }
      const choices = stack[depth]!;
      execution.take(choices[choices.length - 1]!);
    }
  }

  private backtrack(): void {
    const { stack } = this;
    while (stack.length > 0) {
      const choices = stack[stack.length - 1]!;
      choices.pop();
      if (choices.length > 0) return;
      stack.pop();
    }
    this.finished = true;
  }

  /** The share of the search that is done, by weighing the choices of each point alike; a guess. */
  get share(): number {
    return this.finished ? 1 : 0;
  }
}

/** A way to go on that was not taken: as far as a schedule that was run, and then another proc than it took. */
interface Branch {
  readonly path: readonly number[];
  readonly at: number;
  readonly proc: number;
}

const BEGINNING: Branch = { path: [], at: 0, proc: -1 };

/** Schedules by number of preemptions, fewest first; none is run twice. */
export class Bounded {
  executions = 0;
  finished = false;
  /** The bound that is being explored. */
  bound = 0;
  private readonly execution: Execution;
  private readonly most: number;
  private now: Branch[] = [BEGINNING];
  private next: Branch[] = [];

  constructor(execution: Execution, most: number) {
    this.execution = execution;
    this.most = most;
  }

  run(onExecution: OnExecution): void {
    for (;;) {
      const branch = this.now.pop();
      if (branch === undefined) {
        if (this.next.length === 0 || this.bound >= this.most) {
          this.finished = this.next.length === 0;
          return;
        }
        // Depth first from the front, so that the order within a bound is that of the points of preemption.
        this.now = this.next.reverse();
        this.next = [];
        this.bound += 1;
        continue;
      }
      this.runFrom(branch);
      this.executions += 1;
      if (onExecution() === 'stop') return;
    }
  }

  /** Goes as far as a branch, takes it, and then on without preempting anybody; notes every other way to go on. */
  private runFrom(branch: Branch): void {
    const { execution } = this;
    execution.restart();
    // One array for all branches of a schedule: a copy for each would be most of what a search keeps.
    const path: number[] = [];
    const begun = branch === BEGINNING ? 0 : branch.at + 1;
    let current = -1;
    execution.run(() => {
      const enabled = enabledProcs(execution);
      if (enabled.length === 0) return -1;
      const at = path.length;
      const stays = enabled.includes(current);
      const free = stays ? current : enabled[0]!;
      const proc = at >= begun ? free : at === branch.at ? branch.proc : branch.path[at]!;
      if (at >= begun) {
        for (const other of enabled) {
          if (other === proc) continue;
          // When a buffered store goes out is the memory's choice and preempts nobody.
          const preempts = stays && other < execution.cpus;
          (preempts ? this.next : this.now).push({ path, at, proc: other });
        }
      }
      path.push(proc);
      if (proc < execution.cpus) current = proc;
      return proc;
    });
  }

  get share(): number {
    return this.finished ? 1 : 0;
  }
}

/** A uniformly random choice among those that can go, at every point. */
export function randomWalk(execution: Execution, random: Random): void {
  execution.restart();
  const enabled: number[] = [];
  execution.run(() => {
    let count = 0;
    for (let proc = 0; proc < execution.procs; proc++) if (execution.isEnabled(proc)) enabled[count++] = proc;
    return count === 0 ? -1 : enabled[random.below(count)]!;
  });
}

/**
 * One run of PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010): random priorities, the highest that can go
 * goes; at `depth - 1` random points among the first `length` steps the current one falls below all others. Returns the
 * steps it took.
 */
export function pctRun(execution: Execution, random: Random, depth: number, length: number): number {
  execution.restart();
  const priorities: number[] = [];
  const changes = new Map<number, number>();
  for (let i = 1; i < depth; i++) changes.set(1 + random.below(Math.max(length, 1)), depth - 1 - i);
  let steps = 0;
  let best = -1;
  execution.run(() => {
    const fall = changes.get(steps);
    if (fall !== undefined) priorities[best] = fall;
    best = -1;
    for (let proc = 0; proc < execution.procs; proc++) {
      // Priorities of equal weight in random order; what changes at a point falls below depth.
      priorities[proc] ??= depth + random.fraction();
      if (execution.isEnabled(proc) && (best < 0 || priorities[proc]! > priorities[best]!)) best = proc;
    }
    if (best >= 0) steps += 1;
    return best;
  });
  return steps;
}
