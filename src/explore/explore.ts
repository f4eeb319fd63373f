// explore(): tries schedules of a program by a strategy, within a budget, and says what it found and what it covered.
import { audit, auditOfPart, canonicalForm } from './audit.ts';
import type { Audit } from './audit.ts';
import { complaintOf, waitingCpus } from './complaint.ts';
import { Execution } from './execution.ts';
import { Frontier, firstWidth, runJob, withWidth } from './frontier.ts';
import type { JobOptions } from './frontier.ts';
import { Findings } from './findings.ts';
import type { FailureCounts, LockOrderFinding, SavedFindings } from './findings.ts';
import { ExecutionJudges } from './judges.ts';
import type { JudgeRules } from './judges.ts';
import { checkOptions, checkProgram } from './options.ts';
import { NondeterminismError } from './nondeterminism.ts';
import type { ExploreOptions, Settings, Strategy } from './options.ts';
import type { EndState, MemoryModel, Program } from './program.ts';
import { ProgramSubject } from './program-subject.ts';
import { Random } from './random.ts';
import type { ExecutionRecord } from './record.ts';
import { RewindingExecution, executionFor } from './rewinding-execution.ts';
import { record } from './recorder.ts';
import type { Watch } from './recorder.ts';
import { failureOf, shrink } from './shrink.ts';
import type { FailingSchedule } from './shrink.ts';
import { Bounded, Exhaustive, pctRun, randomWalk } from './strategies.ts';
import type { Complaint, Subject } from './subject.ts';
import { checkFingerprint, fingerprint, follow, parseToken, tokenOf } from './token.ts';
import type { Schedule } from './token.ts';

/** The smallest failure found. */
export interface Failure {
  /** The schedule in one line: `replay` takes it. */
  readonly token: string;
  /** How many steps it takes, and how many of its turns preempt a CPU that could have gone on. */
  readonly steps: number;
  readonly preemptions: number;
  readonly message: string;
  readonly judge: string;
  /** The execution, step by step; run once more when it is first asked for. */
  readonly record: ExecutionRecord;
  /** For the judge `lock-order`: the circle, which may take several executions to show. */
  readonly lockOrder?: LockOrderFinding;
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
  /** How many executions each judge complained of; more than one only where the first does not end the search. */
  readonly failures: FailureCounts;
  /** What was covered, for people. */
  readonly bounds: string;
  /** pct: the length that was measured, and the chance one run has at least to find a bug of the depth. */
  readonly pct: { readonly length: number; readonly depth: number; readonly bound: number } | undefined;
  /** Where one was asked for. */
  readonly audit: Audit | undefined;
}

/** The share that is done of a search that does not know how much there is. */
export const UNKNOWN = (): undefined => undefined;
/** Made once: making one takes as long as a small search. */
const ENGLISH = new Intl.NumberFormat('en');
/** How often progress is told, in milliseconds. */
const PROGRESS_MS = 500;
/** Executions in which something worse is still looked for after a data race or a circle of locks was found. */
const MAX_AFTER_SUSPICION = 10_000;

/** Totals of a search under way, and when it must end. */
export class Search {
  executions = 0;
  blocked = 0;
  steps = 0;
  failure: FailingSchedule | undefined = undefined;
  /** What the judges said; the suspicion of those of whole executions is the failure if there is no worse one. */
  findings: Findings;
  /** The budget ended it. */
  cut = false;
  /** Nothing worse was found for long enough. */
  private enough = false;
  readonly settings: Settings;
  readonly execution: Execution;
  readonly judges: ExecutionJudges;
  readonly rules: JudgeRules | undefined;
  private readonly started = performance.now();
  private told = 0;
  /** Executions before the job under way, and what was found in them. */
  private job: { readonly before: number; readonly found: SavedFindings } | undefined = undefined;

  constructor(execution: Execution, settings: Settings, rules: JudgeRules | undefined) {
    this.execution = execution;
    this.settings = settings;
    this.rules = rules;
    this.judges = judgesFor(execution, settings, rules);
    this.findings = new Findings(this.judges.rules);
    execution.maxSteps = settings.steps;
  }

  /** A job begins after `before` executions; or once more, where its clocks were too narrow. */
  beginJob(before: number): void {
    if (this.job?.before === before) {
      this.findings = Findings.restore(this.job.found, this.judges.rules);
      this.judges.restart();
    } else this.job = { before, found: this.findings.save() };
  }

  /** What ends the search: what is wrong with the end of the execution. Judges of whole executions are asked on the way. */
  complain(executions: number): Complaint | undefined {
    const { execution, judges, findings } = this;
    const complaint = complaintOf(execution);
    const judge = findings.take(execution, executions, complaint, judges.judge());
    this.tell(judge !== undefined);
    return complaint;
  }

  /** Executions after which the search ends, whatever they show; Infinity: there is no such number. */
  get most(): number {
    const { executions, stopAtFailure } = this.settings;
    return Math.min(executions, stopAtFailure ? this.findings.suspectedAt + MAX_AFTER_SUSPICION : Infinity);
  }

  get isCutShort(): boolean {
    return this.cut || this.enough;
  }

  get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  /** Whether the budget is used up by `executions`; tells of progress on the way. */
  isCut(executions: number, share: () => number | undefined): boolean {
    const { settings } = this;
    if (settings.onProgress !== undefined || settings.seconds !== Infinity) {
      const { seconds } = this;
      if (settings.onProgress !== undefined && seconds * 1000 - this.told >= PROGRESS_MS) {
        this.told = seconds * 1000;
        settings.onProgress({ executions, seconds, share: share() });
      }
      if (seconds >= settings.seconds) this.cut = true;
    }
    if (executions >= settings.executions) this.cut = true;
    if (executions >= this.most) this.enough = true;
    return this.isCutShort;
  }

  /** Nothing that was found so far counts; the time does. */
  restart(): void {
    this.executions = 0;
    this.steps = 0;
    this.failure = undefined;
    this.job = undefined;
    this.judges.restart();
    this.findings = new Findings(this.judges.rules);
  }

  /** Tells whoever listens of an execution that has ended. */
  private tell(failed: boolean): void {
    const { execution, settings } = this;
    if (settings.onExecution === undefined) return;
    const { subject } = execution;
    const memory = subject instanceof ProgramSubject ? subject.memory() : Int32Array.from(subject.words);
    const waiting = waitingCpus(execution).map(({ cpu }) => cpu);
    settings.onExecution({ memory, returns: execution.end().returns, token: tokenOf(execution), failed, waiting });
  }

  /** Judges an execution that has ended and counts it. True: the search ends here. */
  took(share: () => number | undefined): boolean {
    this.executions += 1;
    this.steps += this.execution.steps;
    const complaint = this.complain(this.executions);
    this.failure ??= failureOf(this.execution, complaint);
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
      search.restart();
      seen?.clear();
      continue;
    }
    frontier.accept(result);
    search.executions = frontier.executions;
    search.blocked = frontier.blocked;
    search.steps = frontier.steps;
    search.failure = frontier.failure;
    if (search.isCutShort || (search.failure !== undefined && settings.stopAtFailure)) break;
  }
  return frontier.next() === undefined;
}

/** How a job of a search is done here, where `before` executions were done already. */
function jobOptions(search: Search, before: number, width: number, seen: Set<string> | undefined): JobOptions {
  let done = 0;
  search.beginJob(before);
  return {
    width,
    limit: Infinity,
    stopAtFailure: search.settings.stopAtFailure,
    complain: () => search.complain(before + done + 1),
    afterExecution: (dpor) => {
      done += 1;
      seen?.add(canonicalForm(dpor.trace));
      return search.isCut(before + done, () => (before === 0 ? dpor.share : undefined));
    },
  };
}

/**
 * Searches by a strategy that goes through schedules one by one. Steps that nobody seemed to see, and that turn out to
 * be seen, are choices that it has passed by: it then begins again, knowing them.
 */
function searchInOrder(search: Search, begin: () => Exhaustive | Bounded): boolean {
  for (;;) {
    const strategy = begin();
    strategy.run(() => (search.execution.discovered || search.took(UNKNOWN) ? 'stop' : 'go on'));
    if (!search.execution.discovered) return strategy.finished;
    search.restart();
  }
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
    case 'exhaustive':
      complete = searchInOrder(search, () => new Exhaustive(execution));
      break;
    case 'bounded':
      complete = searchInOrder(search, () => new Bounded(execution, settings.preemptions));
      break;
    case 'random':
      do randomWalk(execution, random);
      while (!search.took(UNKNOWN));
      break;
    case 'pct':
      // The first run only measures how long the program is; a longer run lengthens what changes are drawn from.
      pctLength = pctRun(execution, random, 1, 0);
      do pctLength = Math.max(pctLength, pctRun(execution, random, settings.depth, pctLength));
      while (!search.took(UNKNOWN));
  }
  return { complete, pctLength };
}

function english(count: number): string {
  return count < 1000 ? String(count) : ENGLISH.format(count);
}

function boundsOf(search: Search, complete: boolean): string {
  const { settings, execution } = search;
  const cpus = `${String(execution.cpus)} CPU${execution.cpus === 1 ? '' : 's'}`;
  const model = settings.memoryModel;
  const count = `${english(search.executions)} execution${search.executions === 1 ? '' : 's'}`;
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

/** What is known of a subject that is explored or replayed, besides what it is. */
export interface About {
  /** How its words and locks are judged; undefined: by no judge of whole executions. */
  readonly rules?: JudgeRules | undefined;
  /** What its tokens are made for: they then say so, and others are refused. */
  readonly identity?: string | undefined;
}

/** Programs over words: every word may be a lock of its own, and plain accesses must be ordered. */
const PROGRAM: About = { rules: {} };

function aboutOf(subject: Subject, about: About | undefined): About {
  return about ?? (subject.everyStep ? PROGRAM : {});
}

/** The judges of whole executions that settings ask for; none where there are no rules to judge by. */
function judgesFor(execution: Execution, settings: Settings, rules: JudgeRules | undefined): ExecutionJudges {
  return new ExecutionJudges(execution, rules === undefined ? [] : settings.judges, rules);
}

/** Explores a subject. What explore() does for programs, for anything that can be driven. */
export function exploreSubject(subject: Subject, options: ExploreOptions, about?: About): Exploration {
  const settings = checkOptions(options);
  const { rules, identity } = aboutOf(subject, about);
  const { memoryModel, strategy } = settings;
  const execution =
    strategy === 'dpor' ? executionFor(subject, memoryModel, settings.audit) : new Execution(subject, memoryModel);
  const search = new Search(execution, settings, rules);
  const seen = settings.audit ? new Set<string>() : undefined;
  const { complete, pctLength } = searchAll(search, seen);
  const audited = seen === undefined ? undefined : auditSearch(search, complete, seen);
  return conclude(search, complete, pctLength, audited, identity);
}

function auditSearch(search: Search, complete: boolean, seen: ReadonlySet<string>): Audit {
  const { executions, settings } = search;
  if (!complete) return auditOfPart(seen, executions);
  return audit(seen, executions, runningExecution(search), settings.auditSchedules);
}

/** The search's execution, or, where its threads are known and do not run, one whose threads do. */
function runningExecution({ execution, settings }: Search): Execution {
  if (!(execution instanceof RewindingExecution)) return execution;
  const running = new Execution(execution.subject, settings.memoryModel);
  running.maxSteps = settings.steps;
  return running;
}

/** What came of a search: shrinks its failure, records it, and says what was covered. */
export function conclude(
  search: Search,
  complete: boolean,
  pctLength: number,
  audited: Audit | undefined,
  identity: string | undefined,
): Exploration {
  const { settings, execution } = search;
  const found = search.failure ?? search.findings.suspicion;
  const failure = found === undefined ? undefined : toFailure(search, found, identity);
  const n = execution.cpus;
  return {
    verdict: failure !== undefined ? 'violated' : complete && !((audited?.missed ?? 0) > 0) ? 'held' : 'not decided',
    strategy: settings.strategy,
    memoryModel: settings.memoryModel,
    executions: search.executions,
    blocked: search.blocked,
    steps: search.steps,
    failure,
    failures: search.findings.failures,
    bounds: boundsOf(search, complete),
    pct:
      settings.strategy === 'pct'
        ? { length: pctLength, depth: settings.depth, bound: 1 / (n * Math.max(pctLength, 1) ** (settings.depth - 1)) }
        : undefined,
    audit: audited,
  };
}

/**
 * What a schedule is recorded on. Under weak memory, one that knows no more shared words than the schedule names: those
 * that were found since would have stores buffered that were not, when it was found.
 */
function replayingExecution(execution: Execution, settings: Settings, schedule: Schedule): Execution {
  if (settings.memoryModel === 'sc' || execution.subject.everyStep) return execution;
  const knowing = new Execution(execution.subject, settings.memoryModel);
  knowing.maxSteps = settings.steps;
  follow(knowing, schedule);
  knowing.shared.freeze();
  return knowing;
}

function toFailure(search: Search, found: FailingSchedule, identity: string | undefined): Failure {
  const { settings, rules } = search;
  const { lockOrder } = search.findings;
  // What was found on threads that are known is told of threads that run.
  const execution = runningExecution(search);
  const judges = execution === search.execution ? search.judges : judgesFor(execution, settings, rules);
  const isSuspicion = search.failure === undefined;
  const complain = isSuspicion
    ? (): Complaint | undefined => complaintOf(execution) ?? judges.judgeAlone()
    : (): Complaint | undefined => complaintOf(execution);
  // A circle that several executions make is in none of them alone.
  const small = settings.shrink && found.judge !== 'lock-order' ? shrink(execution, found, complain) : found;
  const { steps, preemptions, message, judge } = small;
  const token = identity === undefined ? small.token : `${small.token}.${fingerprint(identity)}`;
  const schedule = parseToken(token);
  const replayed = replayingExecution(execution, settings, schedule);
  follow(replayed, schedule);
  if (!isSuspicion && complaintOf(replayed) === undefined) throw new NondeterminismError(steps - 1);
  let recorded: ExecutionRecord | undefined;
  return {
    token,
    steps,
    preemptions,
    message,
    judge,
    // To say where every step stands takes longer than many a search.
    get record() {
      return (recorded ??= record(replayed, schedule));
    },
    ...(judge === 'lock-order' && lockOrder !== undefined ? { lockOrder } : {}),
  };
}

/** Tries schedules of a program. Throws a UsageError for a program or options that make no sense. */
export function explore(program: Program, options: ExploreOptions = {}): Exploration {
  checkProgram(program);
  return exploreSubject(new ProgramSubject(program, 'program'), options);
}

/** What a replay takes; everything has a default. */
export type ReplayOptions = Pick<ExploreOptions, 'memoryModel' | 'judges' | 'steps'>;

/** One execution, replayed. */
export interface Replay extends EndState {
  readonly record: ExecutionRecord;
  /** What is wrong with it; undefined if nothing is. */
  readonly complaint: Complaint | undefined;
  /** Steps that the token says. What it leaves open goes on without preempting anybody, and the record has that, too. */
  readonly given: number;
}

/** Replays a schedule of a program. Throws a UsageError for a token that is none, or that can't be followed. */
export function replay(program: Program, token: string, options: ReplayOptions = {}): Replay {
  checkProgram(program);
  return replaySubject(new ProgramSubject(program, 'program'), token, options);
}

/** Replays a schedule of a subject. */
export function replaySubject(
  subject: Subject,
  token: string,
  options: ReplayOptions = {},
  about?: About,
  watches: readonly Watch[] = [],
): Replay {
  const schedule = parseToken(token);
  const { rules, identity } = aboutOf(subject, about);
  checkFingerprint(schedule, identity ?? subject.name, token);
  const settings = checkOptions(options);
  const execution = new Execution(subject, settings.memoryModel);
  execution.maxSteps = settings.steps;
  const judges = judgesFor(execution, settings, rules);
  // Which words are shared is known after a run; judges then see all accesses to them.
  if (!subject.everyStep) {
    follow(execution, schedule);
    execution.shared.freeze();
  }
  const recorded = record(execution, schedule, watches);
  const memory = subject instanceof ProgramSubject ? subject.memory() : Int32Array.from(subject.words);
  const { returns } = execution.end();
  const given = schedule.turns.reduce((sum, { steps }) => sum + steps, 0);
  return { record: recorded, complaint: complaintOf(execution) ?? judges.judgeAlone(), given, memory, returns };
}
