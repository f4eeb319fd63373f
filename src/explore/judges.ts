// Judges of whole executions: data races and lock order, asked after every execution of a search.
//
// Neither needs a schedule in which something breaks: a race or a circle of locks shows in executions that end well. So
// they do not end a search, and are told only where nothing worse was found.
import { DataRaceDetector } from '../check/data-race.ts';
import type { DataRace, DataRaceRules } from '../check/data-race.ts';
import { LockOrder } from '../check/lock-order.ts';
import type { LockOrderProblem, LockOrderRules } from '../check/lock-order.ts';
import { LockWatch } from '../check/lock-watch.ts';
import type { LockNesting } from '../check/lock-watch.ts';
import { UsageError, nearest } from '../machine/usage-error.ts';
import { AccessLog } from './access-log.ts';
import { waitingCpus } from './complaint.ts';
import type { Execution } from './execution.ts';
import type { Complaint, Subject } from './subject.ts';

export type JudgeName = 'data-race' | 'lock-order';
export const EXECUTION_JUDGES: readonly { readonly name: JudgeName; readonly what: string }[] = [
  { name: 'data-race', what: 'a plain access and another of the same word that nothing orders, as KCSAN sees it' },
  { name: 'lock-order', what: 'locks taken in a circle of orders, as lockdep sees it' },
];
const ALL_JUDGES: readonly JudgeName[] = EXECUTION_JUDGES.map(({ name }) => name);

/** How a subject's words and locks are to be understood. */
export interface JudgeRules {
  readonly races?: DataRaceRules;
  readonly locks?: LockOrderRules;
}

/** What judges of whole executions say of one. */
export interface Judged {
  readonly race: Complaint | undefined;
  /** Ways of nesting locks that no execution before it had: a circle of locks may lie in several executions. */
  readonly nestings: readonly LockNesting[];
}

const NO_NESTINGS: readonly LockNesting[] = [];
const NOTHING: Judged = { race: undefined, nestings: NO_NESTINGS };

/** The names of judges as given. Throws a UsageError for one that is none. */
export function checkJudges(names: readonly string[] = ALL_JUDGES): readonly JudgeName[] {
  for (const name of names) {
    if (ALL_JUDGES.includes(name as JudgeName)) continue;
    throw new UsageError(
      `judge '${name}' is not known: use ${ALL_JUDGES.join(' or ')}, for example ${nearest(name, ALL_JUDGES)}`,
    );
  }
  return names as readonly JudgeName[];
}

/** Judges the executions of one Execution; keeps what it needs of each on the way. */
export class ExecutionJudges {
  readonly rules: JudgeRules;
  private readonly execution: Execution;
  private readonly log: AccessLog | undefined;
  private readonly names: readonly JudgeName[];
  // Made when there is something for them to look at: many searches take less time than making them does.
  private races: DataRaceDetector | undefined = undefined;
  private locks: LockWatch | undefined = undefined;

  constructor(execution: Execution, names: readonly JudgeName[] = ALL_JUDGES, rules: JudgeRules = {}) {
    this.execution = execution;
    this.rules = rules;
    this.names = names;
    const { cpus, subject, shared } = execution;
    this.log = names.length === 0 ? undefined : new AccessLog(cpus, subject.everyStep ? undefined : shared.is);
    if (this.log !== undefined) execution.log = this.log;
  }

  /** What the execution that has just ended shows, which those before it did not. */
  judge(): Judged {
    const log = this.judgeable;
    if (log === undefined) return NOTHING;
    const race = this.findRace(log);
    const nestings = this.findNestings(log);
    return race === undefined && nestings.length === 0 ? NOTHING : { race, nestings };
  }

  /** Forgets the executions so far. */
  restart(): void {
    this.locks = undefined;
  }

  /** What is wrong with the execution that has just ended, by itself. */
  judgeAlone(): Complaint | undefined {
    const log = this.judgeable;
    return log === undefined ? undefined : (this.findRace(log) ?? this.circleAlone(log));
  }

  /**
   * The log, if it has all of the execution that has just ended. Of one that found more words to be shared, accesses are
   * missing; it is run once more.
   */
  private get judgeable(): AccessLog | undefined {
    const { log, execution } = this;
    return execution.log === log && log?.isComplete === true && !execution.discovered ? log : undefined;
  }

  private findRace(log: AccessLog): Complaint | undefined {
    const { execution } = this;
    const kept = log.events.takeKept();
    this.races?.keep(kept);
    if (!log.hasPlain || !this.names.includes('data-race')) return undefined;
    this.races ??= new DataRaceDetector(execution.cpus, this.rules.races);
    const [race] = this.races.find(log.events);
    return race === undefined ? undefined : { judge: 'data-race', message: raceSentence(race, log, execution.subject) };
  }

  private findNestings(log: AccessLog): readonly LockNesting[] {
    const { execution } = this;
    if (!this.names.includes('lock-order')) return NO_NESTINGS;
    const stuck = execution.isOver() ? [] : waitingCpus(execution);
    if (!log.hasNesting && stuck.length === 0) return NO_NESTINGS;
    this.locks ??= new LockWatch(this.rules.locks?.classOf);
    return this.locks.watch(log.events, stuck);
  }

  private circleAlone(log: AccessLog): Complaint | undefined {
    const { rules, execution } = this;
    this.restart();
    const alone = new LockOrder(rules.locks);
    alone.add(this.findNestings(log));
    const [problem] = alone.problems;
    return problem === undefined ? undefined : circleComplaint(problem, execution.subject);
  }
}

function raceSentence(race: DataRace, log: AccessLog, subject: Subject): string {
  const side = (index: number): string => {
    const { kind, cpu } = log.events.event(index);
    return `${kind} by CPU ${String(cpu)}`;
  };
  return `data race on ${subject.nameOf(race.word)}: ${side(race.first)} and ${side(race.second)}, which nothing orders`;
}

/** What is said of locks that are taken in an order that has no end, where the last link of it has just been seen. */
export function circleComplaint(problem: LockOrderProblem, subject: Subject): Complaint {
  return { judge: 'lock-order', message: circleSentence(problem, subject) };
}

function circleSentence(problem: LockOrderProblem, subject: Subject): string {
  const { edge, chain } = problem;
  if (problem.kind === 'recursive') {
    const { heldWord, takenWord, cpu } = edge.example;
    const again = heldWord === takenWord ? 'it again' : subject.nameOf(takenWord);
    return `CPU ${String(cpu)} holds ${subject.nameOf(heldWord)} and takes ${again}`;
  }
  const links = [edge, ...chain].map(
    ({ example }) => `${subject.nameOf(example.takenWord)} is taken with ${subject.nameOf(example.heldWord)} held`,
  );
  return `locks are taken in a circle: ${links.join(', ')}`;
}
