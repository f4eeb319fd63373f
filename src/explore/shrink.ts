// Makes a failure small: fewest preemptions first, then fewest steps.
//
// The smallest is searched for, not derived: schedules by number of preemptions from 0, up to what the found failure
// has. Where that costs too much, preemptions are left out of the found schedule one by one as long as it still fails.
// Every schedule that is called a failure was run.
import type { Execution } from './execution.ts';
import { Bounded } from './strategies.ts';
import type { Complaint } from './subject.ts';
import { finish, tokenOf } from './token.ts';

/** How an execution went. */
export interface FoundSchedule {
  /** The schedule in one line. */
  readonly token: string;
  readonly preemptions: number;
  readonly steps: number;
  /** Run-length schedule by procs of the execution it was found in. */
  readonly schedule: readonly number[];
}

/** A schedule that fails. */
export interface FailingSchedule extends Complaint, FoundSchedule {}

/** Executions that the search for the smallest failure may take in all, and after the first at its bound. */
const MAX_EXECUTIONS = 20_000;
const MAX_AFTER_FIRST = 2_000;

/** The failure of the execution that has just ended, if there is one. */
export function failureOf(execution: Execution, complaint: Complaint | undefined): FailingSchedule | undefined {
  return complaint === undefined ? undefined : { ...complaint, ...scheduleOf(execution) };
}

/** How the execution that has just ended went. */
export function scheduleOf(execution: Execution): FoundSchedule {
  const { preemptions, steps } = execution;
  return { token: tokenOf(execution), preemptions, steps, schedule: [...execution.schedule] };
}

/** Whether `a` is a smaller failure than `b`: fewer preemptions, fewer steps, or a token that sorts first. */
function isSmaller(a: FailingSchedule, b: FailingSchedule): boolean {
  if (a.preemptions !== b.preemptions) return a.preemptions < b.preemptions;
  if (a.steps !== b.steps) return a.steps < b.steps;
  return a.token < b.token;
}

/** The smallest failure that can be found near a found one. Failures of other judges count: they are smaller ones. */
export function shrink(
  execution: Execution,
  found: FailingSchedule,
  complain: (execution: Execution) => Complaint | undefined,
): FailingSchedule {
  for (;;) {
    const smallest = smallestOf(execution, found.preemptions, complain);
    // Once more where words turned out to be shared: choices were passed by, and stores are buffered from now on.
    if (!execution.discovered) return smallest ?? withoutPreemptions(execution, found, complain);
  }
}

/** The smallest failure with so many preemptions at most; undefined where there is none, or something was discovered. */
function smallestOf(
  execution: Execution,
  preemptions: number,
  complain: (execution: Execution) => Complaint | undefined,
): FailingSchedule | undefined {
  let smallest: FailingSchedule | undefined;
  let after = 0;
  const search = new Bounded(execution, preemptions);
  search.run(() => {
    if (execution.discovered) return 'stop';
    if (smallest !== undefined && execution.preemptions > smallest.preemptions) return 'stop';
    const failure = failureOf(execution, complain(execution));
    if (failure !== undefined && (smallest === undefined || isSmaller(failure, smallest))) smallest = failure;
    if (smallest !== undefined) after += 1;
    return search.executions >= MAX_EXECUTIONS || after > MAX_AFTER_FIRST ? 'stop' : 'go on';
  });
  return smallest;
}

/** A turn of a schedule, in whatever its proc does until it stops: how often it is chosen. */
interface Choice {
  readonly proc: number;
  readonly steps: number;
}

/** Leaves out turns, one by one, as long as the schedule still fails. */
export function withoutPreemptions(
  execution: Execution,
  found: FailingSchedule,
  complain: (execution: Execution) => Complaint | undefined,
): FailingSchedule {
  let best = found;
  for (let again = true; again;) {
    again = false;
    const choices = choicesOf(best.schedule);
    for (let i = 0; i < choices.length && !again; i++) {
      runLoosely(execution, [...choices.slice(0, i), ...choices.slice(i + 1)]);
      const failure = failureOf(execution, complain(execution));
      if (failure !== undefined && isSmaller(failure, best)) {
        best = failure;
        again = true;
      }
    }
  }
  return best;
}

function choicesOf(schedule: readonly number[]): Choice[] {
  const choices: Choice[] = [];
  for (let i = 0; i < schedule.length; i += 2) choices.push({ proc: schedule[i]!, steps: schedule[i + 1]! });
  return choices;
}

/** Follows a schedule as far as it goes, skipping what can't be done, and then goes on without preempting anybody. */
export function runLoosely(execution: Execution, choices: readonly Choice[]): void {
  execution.restart();
  for (const { proc, steps } of choices) execution.takeCounted(proc, steps);
  finish(execution);
}
