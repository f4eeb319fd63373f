// A job of a search as a task for another thread: data both ways, with procs by the order in which both know them.
import { complaintOf } from './complaint.ts';
import type { Execution } from './execution.ts';
import { runJob, withWidth } from './frontier.ts';
import type { Job, JobResult } from './frontier.ts';
import { ExecutionJudges } from './judges.ts';
import type { LockOrderFinding } from './judges.ts';
import type { Settings } from './options.ts';
import type { MemoryModel } from './program.ts';
import { executionFor } from './rewinding-execution.ts';
import { failureOf } from './shrink.ts';
import type { FailingSchedule } from './shrink.ts';
import type { Subject } from './subject.ts';
import { aboutOf, specText, subjectOf } from './subject-spec.ts';
import type { SubjectSpec } from './subject-spec.ts';

/** A job, and all that its thread must know. */
export interface JobTask {
  readonly spec: SubjectSpec;
  readonly memoryModel: MemoryModel;
  /** Steps that one execution may take. */
  readonly steps: number;
  readonly stopAtFailure: boolean;
  /** Judges of whole executions. */
  readonly judges: Settings['judges'];
  readonly job: Job;
  readonly width: number;
  readonly limit: number;
  /** Names of the procs that the job's numbers stand for. */
  readonly procs: readonly string[];
  /** Words known to be shared. */
  readonly shared: readonly number[];
}

/** What came of it; its numbers of procs go on where the task's end. */
export interface JobAnswer {
  readonly result: JobResult;
  readonly procs: readonly string[];
  /** Entries of clocks that were needed. */
  readonly width: number;
  /** The first execution that only judges of whole executions complain of. */
  readonly suspicion: FailingSchedule | undefined;
  readonly lockOrder: LockOrderFinding | undefined;
}

/** Names of all procs of an execution, in the order of their numbers. */
export function procNames(execution: Execution): string[] {
  return Array.from({ length: execution.procs }, (_, proc) => execution.procName(proc));
}

/** The last subject made in this thread, for the next task that is about the same. */
let kept: { text: string; subject: Subject } | undefined;

function subjectFor(spec: SubjectSpec): Subject {
  const text = specText(spec);
  if (kept?.text !== text) kept = { text, subject: subjectOf(spec) };
  return kept.subject;
}

/** Does a job in this thread. */
export function doJobTask(task: JobTask): JobAnswer {
  const subject = subjectFor(task.spec);
  const execution = executionFor(subject, task.memoryModel, false);
  execution.maxSteps = task.steps;
  for (const word of task.shared) execution.shared.add(word);
  for (const name of task.procs) execution.procByName(name);
  const { rules = {} } = aboutOf(task.spec, subject, task.memoryModel);
  const judges = new ExecutionJudges(execution, task.judges, rules);
  const suspicions: FailingSchedule[] = [];
  let width = task.width;
  const result = withWidth(execution, task.width, (entries) => {
    width = entries;
    return runJob(execution, task.job, {
      complain: (ended) => {
        const suspicion = failureOf(ended, judges.judge());
        if (suspicion !== undefined) suspicions.push(suspicion);
        return complaintOf(ended);
      },
      stopAtFailure: task.stopAtFailure,
      afterExecution: () => false,
      width: entries,
      limit: task.limit,
    });
  });
  const [suspicion] = suspicions;
  return { result, procs: procNames(execution), width, suspicion, lockOrder: judges.lockOrder };
}
