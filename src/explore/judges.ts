// Judges of whole executions: data races and lock order, asked after every execution of a search.
//
// Neither needs a schedule in which something breaks: a race or a circle of locks shows in executions that end well. So
// they do not end a search, and are told only where nothing worse was found.
import { DataRaceDetector } from '../check/data-race.ts';
import type { DataRace, DataRaceRules } from '../check/data-race.ts';
import { LockOrder } from '../check/lock-order.ts';
import type { LockOrderProblem, LockOrderRules } from '../check/lock-order.ts';
import { UsageError, nearest } from '../machine/usage-error.ts';
import { AccessLog } from './access-log.ts';
import { waitingCpus } from './complaint.ts';
import type { Execution } from './execution.ts';
import type { Complaint, Subject } from './subject.ts';
import { tokenOf } from './token.ts';

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

/** A circle of locks, and where each of its links was seen. */
export interface LockOrderFinding {
  readonly problem: LockOrderProblem;
  /** The schedules of the executions that the links' examples name, by their number. */
  readonly tokens: ReadonlyMap<number, string>;
}

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
  /** The circle found last, for reports. */
  lockOrder: LockOrderFinding | undefined = undefined;
  private readonly execution: Execution;
  private readonly rules: JudgeRules;
  private readonly log: AccessLog;
  private readonly races: DataRaceDetector | undefined;
  private readonly locks: LockOrder | undefined;
  private readonly tokens = new Map<number, string>();
  private executions = 0;
  private links = 0;

  constructor(execution: Execution, names: readonly JudgeName[] = ALL_JUDGES, rules: JudgeRules = {}) {
    this.execution = execution;
    this.rules = rules;
    this.log = new AccessLog(execution.cpus, execution.subject.everyStep ? undefined : execution.shared.is);
    this.races = names.includes('data-race') ? new DataRaceDetector(execution.cpus, rules.races) : undefined;
    this.locks = names.includes('lock-order') ? new LockOrder(rules.locks) : undefined;
    if (names.length > 0) execution.log = this.log;
  }

  /** What is wrong with the execution that has just ended, seen together with all before it. */
  judge(): Complaint | undefined {
    if (!this.canJudge) return undefined;
    return this.findRace() ?? this.findCircle();
  }

  /** What is wrong with the execution that has just ended, by itself. */
  judgeAlone(): Complaint | undefined {
    if (!this.canJudge) return undefined;
    return this.findRace() ?? this.circleAlone();
  }

  /** Of an execution that found more words to be shared, accesses are missing; it is run once more. */
  private get canJudge(): boolean {
    return this.execution.log === this.log && this.log.isComplete && !this.execution.discovered;
  }

  private findRace(): Complaint | undefined {
    const { log, races, execution } = this;
    if (races === undefined || !log.hasPlain) return undefined;
    const [race] = races.find(log.events, log.count);
    return race === undefined ? undefined : { judge: 'data-race', message: raceSentence(race, log, execution.subject) };
  }

  private findCircle(): Complaint | undefined {
    const { log, locks, execution } = this;
    if (locks === undefined) return undefined;
    const stuck = execution.isOver() ? [] : waitingCpus(execution);
    if (!log.hasNesting && stuck.length === 0) return undefined;
    const found = locks.add(log.events, stuck, log.count);
    if (locks.edges.length > this.links) {
      this.links = locks.edges.length;
      this.tokens.set(this.executions, tokenOf(execution));
    }
    this.executions += 1;
    const problem = found > 0 ? locks.problems.at(-1) : undefined;
    return problem === undefined ? undefined : this.toldCircle(problem, this.tokens);
  }

  private circleAlone(): Complaint | undefined {
    const { log, locks, execution, rules } = this;
    if (locks === undefined || !log.hasNesting) return undefined;
    const alone = new LockOrder(rules.locks);
    alone.add(log.events, execution.isOver() ? [] : waitingCpus(execution), log.count);
    const [problem] = alone.problems;
    return problem === undefined ? undefined : this.toldCircle(problem, new Map([[0, tokenOf(execution)]]));
  }

  private toldCircle(problem: LockOrderProblem, tokens: ReadonlyMap<number, string>): Complaint {
    this.lockOrder = { problem, tokens };
    return { judge: 'lock-order', message: circleSentence(problem, this.execution.subject) };
  }
}

function raceSentence(race: DataRace, log: AccessLog, subject: Subject): string {
  const side = (index: number): string => {
    const { kind, cpu } = log.events[index]!;
    return `${kind} by CPU ${String(cpu)}`;
  };
  return `data race on ${subject.nameOf(race.word)}: ${side(race.first)} and ${side(race.second)}, which nothing orders`;
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
