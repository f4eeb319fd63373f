// What can still happen from a point of an execution: for each CPU that can go, how many of the ways on end badly.
//
// The search is the explorer's own, rooted at the point: one execution for each behaviour that differs, to the end of a
// budget. It runs in a thread of its own, so that the page never waits for it.
import { Dpor } from '../../explore/dpor.ts';
import { complaintOf } from '../../explore/complaint.ts';
import { Execution } from '../../explore/execution.ts';
import { firstWidth, withWidth } from '../../explore/frontier.ts';
import { KernelSubject } from '../../explore/kernel-subject.ts';
import { tokenOf } from '../../explore/token.ts';
import { targetOf } from './plan.ts';
import type { Plan } from './plan.ts';

/** A point of an execution, and how much may be spent on it. */
export interface ContinuationsRequest {
  readonly plan: Plan;
  /** The schedule up to there, run-length, by the names of tokens. */
  readonly turns: readonly { readonly proc: string; readonly steps: number }[];
  /** The choices to be counted, by name. */
  readonly choices: readonly string[];
  /** Executions that are tried for each of them, at most. */
  readonly executions: number;
  /** Milliseconds for all of them together. */
  readonly milliseconds: number;
}

/** What was counted of one choice. */
export interface ChoiceCount {
  readonly choice: string;
  readonly executions: number;
  readonly failing: number;
  /** Whether every way on was tried. */
  readonly complete: boolean;
  /** A way on that fails: the rest of the schedule as a token, the choice included. */
  readonly example: string | undefined;
}

/** All choices of a point. */
export interface Continuations {
  readonly counts: readonly ChoiceCount[];
}

/** A subject and its execution, kept for the next point of the same plan: booting takes longer than most searches. */
export interface Ground {
  readonly key: string;
  readonly subject: KernelSubject;
  readonly execution: Execution;
}

let ground: Ground | undefined;

/** What searches of a plan run on. */
export function groundOf(plan: Plan): Ground {
  const key = JSON.stringify(plan);
  if (ground?.key !== key) {
    const subject = new KernelSubject(targetOf(plan).spec);
    ground = { key, subject, execution: new Execution(subject, plan.memoryModel) };
  }
  return ground;
}

/** Counts the ways on from a point. Throws a UsageError for a plan that is not possible. */
export function continuations(request: ContinuationsRequest): Continuations {
  const { execution } = groundOf(request.plan);
  const end = performance.now() + request.milliseconds;
  const counts = request.choices.map((choice, i) => {
    // Each gets its share of what is left: one that is large does not leave the others without.
    const left = Math.max(end - performance.now(), 0) / (request.choices.length - i);
    return countChoice(execution, request, choice, performance.now() + left);
  });
  return { counts };
}

function countChoice(
  execution: Execution,
  { turns, executions: most }: ContinuationsRequest,
  choice: string,
  deadline: number,
): ChoiceCount {
  for (;;) {
    const prefix = [...procsOf(execution, turns), execution.procByName(choice)];
    let failing = 0;
    let example: string | undefined;
    const dpor = withWidth(execution, firstWidth(execution), (width) => {
      failing = 0;
      example = undefined;
      const search = new Dpor(execution, width, { prefix, sleep: [], tree: [] });
      search.run(() => {
        if (complaintOf(execution) !== undefined) {
          failing += 1;
          example ??= tokenOf(execution);
        }
        return performance.now() >= deadline ? 'stop' : 'go on';
      }, most);
      return search;
    });
    // Words turned out to be shared that did not seem to be: choices were passed by.
    if (execution.discovered) continue;
    return { choice, executions: dpor.executions, failing, complete: dpor.isFinished, example };
  }
}

/**
 * A schedule as the explorer's choices. It counts every step, the explorer those that others may see: a turn that ends
 * between two of them is led on to the next, as nobody can tell the difference.
 */
export function procsOf(execution: Execution, turns: ContinuationsRequest['turns']): number[] {
  execution.restart();
  const procs: number[] = [];
  const ahead = new Map<number, number>();
  for (const { proc: name, steps } of turns) {
    const proc = execution.procByName(name);
    let left = steps - (ahead.get(proc) ?? 0);
    while (left > 0 && execution.isEnabled(proc)) {
      const before = execution.steps;
      execution.take(proc);
      procs.push(proc);
      left -= execution.steps - before;
    }
    ahead.set(proc, -left);
  }
  return procs;
}
