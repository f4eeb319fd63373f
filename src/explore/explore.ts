// explore(): tries schedules of a program by a strategy, within a budget, and says what it found and what it covered.
import { canonicalForm } from './audit.ts';
import { complaintOf, waitingCpus } from './complaint.ts';
import { Execution } from './execution.ts';
import { Frontier, JOB_EXECUTIONS, firstWidth, runJob, withWidth } from './frontier.ts';
import type { JobOptions } from './frontier.ts';
import { checkOptions, checkProgram } from './options.ts';
import type { ExploreOptions, Settings, Strategy } from './options.ts';
import type { EndState, MemoryModel, Program } from './program.ts';
import { ProgramSubject } from './program-subject.ts';
import { Random } from './random.ts';
import type { ExecutionRecord } from './record.ts';
import { record } from './recorder.ts';
import { failureOf, shrink } from './shrink.ts';
import type { FailingSchedule } from './shrink.ts';
import { Bounded, Exhaustive, pctRun, randomWalk } from './strategies.ts';
import type { Complaint, Subject } from './subject.ts';
import { checkFingerprint, parseToken, tokenOf } from './token.ts';

/** The smallest failure found. */
export interface Failure {
  /** The schedule in one line: `replay` takes it. */
  readonly token: string;
  /** How many steps it takes, and how many of its turns preempt a CPU that could have gone on. */
  readonly steps: number;
  readonly preemptions: number;
  readonly message: string;
  readonly judge: string;
  /** The execution, step by step. */
  readonly record: ExecutionRecord;
}

/** What explore() found. */
export interface Exploration {
  readonly verdict: 'held' | 'violated' | 'not decided';
  readonly strategy: Strategy;
  readonly memoryModel: MemoryModel;
  /** Complete executions explored. */
  readonly executions: number;
  /** Executions abandoned because they were redundant. */
  readonly blocked: number;
  /** Steps of all of them. */
  readonly steps: number;
  readonly failure: Failure | undefined;
  /** What was covered, for people. */
  readonly bounds: string;
  /** pct: the length that was measured, and the chance one run has at least to find a bug of the depth. */
  readonly pct: { readonly length: number; readonly depth: number; readonly bound: number } | undefined;
  /** Where an audit was asked for: executions whose behaviour had been explored before, and behaviours missed. */
  readonly audit: { readonly duplicates: number; readonly missed: number | undefined } | undefined;
}

/** How often progress is told, in milliseconds. */
const PROGRESS_MS = 500;

/** Totals of a search under way, and when it must end. */
export class Search {
  executions = 0;
  blocked = 0;
  steps = 0;
  failure: FailingSchedule | undefined = undefined;
  /** The budget ended it. */
  cut = false;
  readonly settings: Settings;
  readonly execution: Execution;
  readonly complain: (execution: Execution) => Complaint | undefined;
  private readonly started = performance.now();
  private told = 0;

  constructor(
    execution: Execution,
    settings: Settings,
    complain: (execution: Execution) => Complaint | undefined = complaintOf,
  ) {
    this.execution = execution;
    this.settings = settings;
    this.complain = complain;
    execution.maxSteps = settings.steps;
  }

  get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  /** Whether the budget is used up by `executions`; tells of progress on the way. */
  isCut(executions: number, share: number | undefined): boolean {
    const { settings } = this;
    if (settings.onProgress !== undefined || settings.seconds !== Infinity) {
      const { seconds } = this;
      if (settings.onProgress !== undefined && seconds * 1000 - this.told >= PROGRESS_MS) {
        this.told = seconds * 1000;
        settings.onProgress({ executions, seconds, share });
      }
      if (seconds >= settings.seconds) this.cut = true;
    }
    if (executions >= settings.executions) this.cut = true;
    return this.cut;
  }

  /** Tells whoever listens of an execution that has ended. */
  tell(failed: boolean): void {
    const { execution, settings } = this;
    if (settings.onExecution === undefined) return;
    const { subject } = execution;
    const memory = subject instanceof ProgramSubject ? subject.memory() : Int32Array.from(subject.words);
    const waiting = waitingCpus(execution).map(({ cpu }) => cpu);
    settings.onExecution({ memory, returns: execution.end().returns, token: tokenOf(execution), failed, waiting });
  }

  /** Judges an execution that has ended and counts it. True: the search ends here. */
  took(share: number | undefined): boolean {
    this.executions += 1;
    this.steps += this.execution.steps;
    const complaint = this.complain(this.execution);
    this.failure ??= failureOf(this.execution, complaint);
    this.tell(complaint !== undefined);
    if (this.failure !== undefined && this.settings.stopAtFailure) return true;
    return this.isCut(this.executions, share);
  }
}

/** One job after another, done here. True if nothing is left. */
function searchByDpor(search: Search, seen: Set<string> | undefined): boolean {
  const { execution, settings } = search;
  let frontier = new Frontier();
  let width = firstWidth(execution);
  for (let job = frontier.next(); job !== undefined; job = frontier.next()) {
    const result = withWidth(execution, width, (entries) => {
      width = entries;
      return runJob(execution, job, jobOptions(search, frontier.executions, width, seen));
    });
    if (result.discovered.length > 0) {
      // Steps that nobody seemed to see are seen: from the beginning, knowing that.
      frontier = new Frontier();
      seen?.clear();
      continue;
    }
    frontier.accept(result);
    search.executions = frontier.executions;
    search.blocked = frontier.blocked;
    search.steps = frontier.steps;
    search.failure = frontier.failure;
    if (search.cut || (search.failure !== undefined && settings.stopAtFailure)) break;
  }
  return frontier.next() === undefined;
}

/** How a job of a search is done here, where `before` executions were done already. */
function jobOptions(search: Search, before: number, width: number, seen: Set<string> | undefined): JobOptions {
  let done = 0;
  return {
    width,
    limit: JOB_EXECUTIONS,
    stopAtFailure: search.settings.stopAtFailure,
    complain: (ended) => {
      const complaint = search.complain(ended);
      search.tell(complaint !== undefined);
      return complaint;
    },
    afterExecution: (dpor) => {
      done += 1;
      seen?.add(canonicalForm(dpor.trace));
      return search.isCut(before + done, before === 0 ? dpor.share : undefined);
    },
  };
}

/** Searches by any strategy. True if everything was covered. */
function searchAll(search: Search, seen: Set<string> | undefined): { complete: boolean; pctLength: number } {
  const { execution, settings } = search;
  const random = new Random(settings.seed);
  let complete = false;
  let pctLength = 0;
  switch (settings.strategy) {
    case 'dpor':
      complete = searchByDpor(search, seen);
      break;
    case 'exhaustive': {
      const all = new Exhaustive(execution);
      all.run(() => (search.took(undefined) ? 'stop' : 'go on'));
      complete = all.finished;
      break;
    }
    case 'bounded': {
      const bounded = new Bounded(execution, settings.preemptions);
      bounded.run(() => (search.took(undefined) ? 'stop' : 'go on'));
      complete = bounded.finished;
      break;
    }
    case 'random':
      do randomWalk(execution, random);
      while (!search.took(undefined));
      break;
    case 'pct':
      // The first run only measures how long the program is; a longer run lengthens what changes are drawn from.
      pctLength = pctRun(execution, random, 1, 0);
      do pctLength = Math.max(pctLength, pctRun(execution, random, settings.depth, pctLength));
      while (!search.took(undefined));
  }
  return { complete, pctLength };
}

function boundsOf(search: Search, complete: boolean): string {
  const { settings, execution } = search;
  const cpus = `${String(execution.cpus)} CPU${execution.cpus === 1 ? '' : 's'}`;
  const model = settings.memoryModel;
  const count = `${search.executions.toLocaleString('en')} execution${search.executions === 1 ? '' : 's'}`;
  if (complete) return `${cpus}, ${model}, every schedule: ${count}`;
  const how = {
    dpor: 'of those that differ',
    exhaustive: 'of all schedules',
    bounded: 'by number of preemptions, from 0',
    pct: `by random priorities, seed ${String(settings.seed)}`,
    random: `at random, seed ${String(settings.seed)}`,
  }[settings.strategy];
  return `${cpus}, ${model}, ${count} ${how}${search.cut ? ', then the budget was used up' : ''}`;
}

/** Explores a subject. What explore() does for programs, for anything that can be driven. */
export function exploreSubject(subject: Subject, options: ExploreOptions, judges: JudgeExecution[] = []): Exploration {
  const settings = checkOptions(options);
  const execution = new Execution(subject, settings.memoryModel);
  const complain = withJudges(judges);
  const search = new Search(execution, settings, complain);
  const seen = settings.audit && settings.strategy === 'dpor' ? new Set<string>() : undefined;
  const { complete, pctLength } = searchAll(search, seen);
  return conclude(search, complete, pctLength, seen);
}

/** A judge of a whole execution, besides the subject's judge of its end. */
export type JudgeExecution = (execution: Execution) => Complaint | undefined;

function withJudges(judges: readonly JudgeExecution[]): JudgeExecution {
  return (execution) => {
    const complaint = complaintOf(execution);
    if (complaint !== undefined) return complaint;
    for (const judge of judges) {
      const found = judge(execution);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** What came of a search: shrinks its failure, records it, and says what was covered. */
export function conclude(
  search: Search,
  complete: boolean,
  pctLength: number,
  seen: Set<string> | undefined,
): Exploration {
  const { settings, execution } = search;
  const found = search.failure;
  const failure = found === undefined ? undefined : toFailure(search, found);
  const n = execution.cpus;
  return {
    verdict: failure !== undefined ? 'violated' : complete ? 'held' : 'not decided',
    strategy: settings.strategy,
    memoryModel: settings.memoryModel,
    executions: search.executions,
    blocked: search.blocked,
    steps: search.steps,
    failure,
    bounds: boundsOf(search, complete),
    pct:
      settings.strategy === 'pct'
        ? { length: pctLength, depth: settings.depth, bound: 1 / (n * Math.max(pctLength, 1) ** (settings.depth - 1)) }
        : undefined,
    audit: seen === undefined ? undefined : { duplicates: search.executions - seen.size, missed: undefined },
  };
}

function toFailure(search: Search, found: FailingSchedule): Failure {
  const { execution, settings, complain } = search;
  const small = settings.shrink ? shrink(execution, found, complain) : found;
  const { token, steps, preemptions, message, judge } = small;
  return { token, steps, preemptions, message, judge, record: record(execution, parseToken(token)) };
}

/** Tries schedules of a program. Throws a UsageError for a program or options that make no sense. */
export function explore(program: Program, options: ExploreOptions = {}): Exploration {
  checkProgram(program);
  return exploreSubject(new ProgramSubject(program, 'program'), options);
}

/** One execution, replayed. */
export interface Replay extends EndState {
  readonly record: ExecutionRecord;
  /** What is wrong with it; undefined if nothing is. */
  readonly complaint: Complaint | undefined;
}

/** Replays a schedule of a program. Throws a UsageError for a token that is none, or that can't be followed. */
export function replay(program: Program, token: string, options: { memoryModel?: MemoryModel } = {}): Replay {
  checkProgram(program);
  return replaySubject(new ProgramSubject(program, 'program'), token, options);
}

/** Replays a schedule of a subject. */
export function replaySubject(subject: Subject, token: string, options: { memoryModel?: MemoryModel } = {}): Replay {
  const schedule = parseToken(token);
  checkFingerprint(schedule, subject.name, token);
  const execution = new Execution(subject, checkOptions(options).memoryModel);
  const recorded = record(execution, schedule);
  const memory = subject instanceof ProgramSubject ? subject.memory() : Int32Array.from(subject.words);
  const { returns } = execution.end();
  return { record: recorded, complaint: complaintOf(execution), memory, returns };
}
