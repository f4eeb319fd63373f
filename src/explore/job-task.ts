// A job of a search as a task for another thread: data both ways, with procs by the order in which both know them.
import { adoptDesign } from '../machine/design.ts';
import type { DesignSource } from '../machine/design.ts';
import { complaintOf } from './complaint.ts';
import type { Execution } from './execution.ts';
import { runJob, withWidth } from './frontier.ts';
import type { Job, JobResult } from './frontier.ts';
import { JobReport } from './findings.ts';
import type { JobFindings } from './findings.ts';
import { ExecutionJudges } from './judges.ts';
import type { Settings } from './options.ts';
import type { MemoryModel } from './program.ts';
import { executionFor } from './rewinding-execution.ts';
import type { Subject } from './subject.ts';
import { aboutOf, loadSubject } from './subject-spec.ts';
import type { SubjectSpec } from './subject-spec.ts';

/** A job, and all that its thread must know. */
export interface JobTask {
  readonly spec: SubjectSpec;
  /** The locking design where it is of a file: all threads run what the first has read. */
  readonly design: DesignSource | undefined;
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
  /** What the judges said of it. */
  readonly findings: JobFindings;
}

/** Names of all procs of an execution, in the order of their numbers. */
export function procNames(execution: Execution): string[] {
  return Array.from({ length: execution.procs }, (_, proc) => execution.procName(proc));
}

/** The last subject made in this thread, for the next task that is about the same. */
let kept: { text: string; subject: Subject } | undefined;

async function subjectFor(spec: SubjectSpec): Promise<Subject> {
  const text = JSON.stringify(spec);
  if (kept?.text !== text) kept = { text, subject: await loadSubject(spec) };
  return kept.subject;
}

/** Does a job in this thread. */
export async function doJobTask(task: JobTask): Promise<JobAnswer> {
  adoptDesign(task.design);
  const subject = await subjectFor(task.spec);
  const execution = executionFor(subject, task.memoryModel, false);
  execution.maxSteps = task.steps;
  for (const word of task.shared) execution.shared.add(word);
  for (const name of task.procs) execution.procByName(name);
  const { rules = {} } = aboutOf(task.spec, subject, task.memoryModel);
  const judges = new ExecutionJudges(execution, task.judges, rules);
  let report = new JobReport();
  let width = task.width;
  const result = withWidth(execution, task.width, (entries) => {
    width = entries;
    // Where the clocks were too narrow, the job begins again.
    judges.restart();
    report = new JobReport();
    let done = 0;
    return runJob(execution, task.job, {
      complain: (ended) => {
        const complaint = complaintOf(ended);
        report.take(ended, ++done, complaint, judges.judge());
        return complaint;
      },
      stopAtFailure: task.stopAtFailure,
      afterExecution: () => false,
      width: entries,
      limit: task.limit,
    });
  });
  return { result, procs: procNames(execution), width, findings: report };
}
