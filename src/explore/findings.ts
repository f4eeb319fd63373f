// What the judges said over all executions of a search, in the order of the executions, wherever those were run.
//
// A circle of locks may lie in several executions, and so in several jobs. Whoever runs a job tells each way of nesting
// locks once, and with it the execution that showed it first; the circle is found here, when the job's turn comes. What
// is found, and of which execution, is then the same as if one search had run through.
import { LockOrder } from '../check/lock-order.ts';
import type { LockOrderProblem } from '../check/lock-order.ts';
import type { LockNesting } from '../check/lock-watch.ts';
import type { Execution } from './execution.ts';
import { circleComplaint } from './judges.ts';
import type { JudgeRules, Judged } from './judges.ts';
import { failureOf, scheduleOf } from './shrink.ts';
import type { FailingSchedule, FoundSchedule } from './shrink.ts';
import type { Complaint } from './subject.ts';
import { follow, parseToken, tokenOf } from './token.ts';

/** A circle of locks, and where each of its links was seen. */
export interface LockOrderFinding {
  readonly problem: LockOrderProblem;
  /** The schedules of the executions that the links' examples name, by their number. */
  readonly tokens: ReadonlyMap<number, string>;
}

/** How many executions each judge complained of. */
export type FailureCounts = Readonly<Record<string, number>>;

/** An execution that nested locks in ways that none before it had. */
interface Nesting {
  /** Which of the job's executions, from 1. */
  readonly at: number;
  readonly how: FoundSchedule;
  readonly nestings: readonly LockNesting[];
  /** Whether a data race was found in it, and whether anything else than a circle of locks was. */
  readonly raced: boolean;
  readonly counted: boolean;
}

/** What the judges said of the executions of one job. */
export interface JobFindings {
  /** Circles of locks left aside. */
  readonly counts: FailureCounts;
  /** The first data race, and which of the job's executions it is in, from 1. */
  readonly race: { readonly at: number; readonly found: FailingSchedule } | undefined;
  readonly nestings: readonly Nesting[];
}

/** Collects what the judges say of the executions of one job. */
export class JobReport implements JobFindings {
  readonly counts: Record<string, number> = {};
  race: JobFindings['race'] = undefined;
  readonly nestings: Nesting[] = [];

  /** The job's execution number `at`, from 1, has ended. */
  take(execution: Execution, at: number, complaint: Complaint | undefined, { race, nestings }: Judged): void {
    const judge = (complaint ?? race)?.judge;
    if (judge !== undefined) this.counts[judge] = (this.counts[judge] ?? 0) + 1;
    const found = this.race === undefined ? failureOf(execution, race) : undefined;
    if (found !== undefined) this.race = { at, found };
    if (nestings.length === 0) return;
    this.nestings.push({
      at,
      how: scheduleOf(execution),
      nestings,
      raced: race !== undefined,
      counted: judge !== undefined,
    });
  }
}

/** What a search's judges said so far, as data. */
export interface SavedFindings {
  readonly failures: FailureCounts;
  readonly suspicion: FailingSchedule | undefined;
  readonly suspectedAt: number | undefined;
  readonly circle: LockOrderProblem | undefined;
  readonly shown: readonly Shown[];
}

/** An execution that nested locks in ways that none before it had, for the order of locks. */
interface Shown {
  readonly token: string;
  readonly nestings: readonly LockNesting[];
}

/** What a search's judges said so far. */
export class Findings {
  readonly failures: Record<string, number> = {};
  /** The first execution that only judges of whole executions complain of. */
  suspicion: FailingSchedule | undefined = undefined;
  /** Which execution that is, from 1; Infinity: none yet. */
  suspectedAt: number;
  private circle: LockOrderProblem | undefined = undefined;
  private readonly order: LockOrder;
  /** By the numbers that the order's examples name them by. */
  private readonly shown: Shown[] = [];

  constructor(rules: JudgeRules) {
    this.suspectedAt = Infinity;
    this.order = new LockOrder(rules.locks);
  }

  /** Where the first complaint is about a circle of locks: that. */
  get lockOrder(): LockOrderFinding | undefined {
    const { circle } = this;
    if (circle === undefined) return undefined;
    const executions = [circle.edge, ...circle.chain].map(({ example }) => example.execution);
    const numbers = [...new Set(executions)].sort((a, b) => a - b);
    return { problem: circle, tokens: new Map(numbers.map((n) => [n, this.shown[n]!.token])) };
  }

  /** Execution number `at`, from 1, has ended here. The judge that complains of it, if one does. */
  take(execution: Execution, at: number, complaint: Complaint | undefined, judged: Judged): string | undefined {
    const { race, nestings } = judged;
    const problem = nestings.length === 0 ? undefined : this.nest(nestings, tokenOf(execution));
    const circle = problem === undefined ? undefined : circleComplaint(problem, execution.subject);
    const suspicion = race ?? circle;
    const judge = (complaint ?? suspicion)?.judge;
    if (judge !== undefined) this.count(judge, 1);
    if (this.suspicion === undefined) {
      const found = failureOf(execution, suspicion);
      if (found !== undefined) this.suspect(at, found, race === undefined ? problem : undefined);
    }
    return judge;
  }

  /** A job's turn has come, after `before` executions. On `execution` what is told is run once more, to be named. */
  takeJob(job: JobFindings, before: number, execution: Execution): void {
    for (const [judge, count] of Object.entries(job.counts)) this.count(judge, count);
    for (const { at, how, nestings, raced, counted } of job.nestings) {
      const problem = this.nest(nestings, how.token);
      if (problem === undefined) continue;
      if (!counted) this.count('lock-order', 1);
      const isFirst = this.suspicion === undefined && !raced && (job.race === undefined || at < job.race.at);
      if (!isFirst) continue;
      follow(execution, parseToken(how.token));
      this.suspect(before + at, { ...circleComplaint(problem, execution.subject), ...how }, problem);
    }
    if (this.suspicion === undefined && job.race !== undefined) this.suspect(before + job.race.at, job.race.found);
  }

  save(): SavedFindings {
    const { failures, suspicion, suspectedAt, circle, shown } = this;
    const at = suspicion === undefined ? undefined : suspectedAt;
    return { failures: { ...failures }, suspicion, suspectedAt: at, circle, shown: [...shown] };
  }

  /** What was saved, to go on with. */
  static restore(saved: SavedFindings, rules: JudgeRules): Findings {
    const findings = new Findings(rules);
    Object.assign(findings.failures, saved.failures);
    findings.suspicion = saved.suspicion;
    findings.suspectedAt = saved.suspectedAt ?? Infinity;
    findings.circle = saved.circle;
    for (const { nestings, token } of saved.shown) findings.nest(nestings, token);
    return findings;
  }

  private count(judge: string, executions: number): void {
    this.failures[judge] = (this.failures[judge] ?? 0) + executions;
  }

  private suspect(at: number, found: FailingSchedule, circle?: LockOrderProblem): void {
    this.suspicion = found;
    this.suspectedAt = at;
    this.circle = circle;
  }

  /** One more execution's nestings: what is wrong with the order of locks since then. */
  private nest(nestings: readonly LockNesting[], token: string): LockOrderProblem | undefined {
    const { order } = this;
    const known = order.executions;
    const found = order.add(nestings);
    if (order.executions > known) this.shown.push({ token, nestings });
    return found > 0 ? order.problems.at(-1) : undefined;
  }
}
