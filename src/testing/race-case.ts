// One case of a race: programs, the machine they run on, and how it is explored and replayed.
//
// A case is data: it can be generated, printed, pasted into a test, saved as JSON and given to `pagerace replay`. Under
// which schedules it is run follows from the case alone, so that the same case always comes out the same.
import type { Finding } from '../check/finding.ts';
import { exploreSubject, replaySubject } from '../explore/explore.ts';
import type { About, Exploration, Replay } from '../explore/explore.ts';
import type { JudgeName } from '../explore/judges.ts';
import { KernelSubject } from '../explore/kernel-subject.ts';
import type { MemoryModel } from '../explore/program.ts';
import type { Complaint } from '../explore/subject.ts';
import { kernelAbout } from '../explore/target.ts';
import type { KernelTarget } from '../explore/target.ts';
import { targetFrom } from '../explore/target-file.ts';
import type { MachineConfig } from '../machine/config.ts';
import { UsageError, nearest } from '../machine/usage-error.ts';
import { wholeIn } from './operations.ts';
import { judgeEnd } from './race-end.ts';
import type { RaceBody } from './race-end.ts';
import type { RacePrograms } from './smaller-programs.ts';

/** What is raced. */
export interface RaceCase extends RacePrograms {
  /** The machine; how many CPUs it has follows from the programs. */
  readonly config?: Partial<MachineConfig>;
}

/** How schedules of a case are chosen. */
export type CaseStrategy = 'mixed' | 'random' | 'pct' | 'bounded';
const CASE_STRATEGIES: readonly CaseStrategy[] = ['mixed', 'random', 'pct', 'bounded'];

/** How a case is explored; everything has a default. */
export interface CaseOptions {
  /**
   * How many schedules it is run under, default 20; or `all`: one for each behaviour that differs, as far as the budget
   * goes.
   */
  readonly schedules?: number | 'all';
  /** How so many are chosen, default `mixed`: half at random, half by random priorities (PCT). */
  readonly strategy?: CaseStrategy;
  /** Default sc. */
  readonly memoryModel?: MemoryModel;
  /** Judges of whole executions; default: all of them. */
  readonly judges?: readonly JudgeName[];
  /** With `all`: executions at most, default 10,000. */
  readonly executions?: number;
  /** With `all`: seconds at most. */
  readonly seconds?: number;
}

export const DEFAULT_SCHEDULES = 20;
const DEFAULT_EXECUTIONS = 10_000;
const MAX_SCHEDULES = 10_000_000;
/** Changes of priority beyond the first choice: a race of this path needs one or two. */
const PCT_DEPTH = 2;
/** What tokens of cases are made for; a case that is saved as case.json is called so by `pagerace replay`, too. */
const CASE_NAME = 'case';

/** A case as what commands and reports take. Throws a UsageError for one that makes no sense. */
export function caseTarget(race: RaceCase): KernelTarget {
  const target = targetFrom(race, CASE_NAME);
  if (target.kind === 'kernel') return target;
  throw new UsageError(
    'a program over words is no case of the kernel: give { setup, programs }, for example { setup: [], programs: [[], []] }',
  );
}

/** Options with their defaults. Throws a UsageError for options that make no sense. */
export function checkCaseOptions(
  options: CaseOptions,
): CaseOptions & Required<Pick<CaseOptions, 'schedules' | 'strategy'>> {
  const { schedules = DEFAULT_SCHEDULES, strategy = 'mixed' } = options;
  if (!CASE_STRATEGIES.includes(strategy)) {
    const example = nearest(strategy, CASE_STRATEGIES);
    throw new UsageError(
      `strategy '${strategy as string}' is not known: use ${CASE_STRATEGIES.join(', ')}, or schedules: 'all', for example strategy: '${example}'`,
    );
  }
  if (schedules !== 'all') wholeIn('schedules', schedules, 1, MAX_SCHEDULES, DEFAULT_SCHEDULES);
  return { ...options, schedules, strategy };
}

/** The kernel with a case's programs, judged by all its judges and then by whoever wrote a property of it. */
export class CaseSubject extends KernelSubject {
  readonly about: About;
  private readonly race: RaceCase;
  private readonly body: RaceBody | undefined;

  constructor(race: RaceCase, body: RaceBody | undefined, memoryModel: MemoryModel) {
    const { spec } = caseTarget(race);
    super(spec);
    this.race = race;
    this.body = body;
    this.about = kernelAbout(this, spec, memoryModel);
  }

  override judge(): Complaint | undefined {
    const complaint = super.judge();
    if (complaint !== undefined || this.body === undefined) return complaint;
    return judgeEnd(this.body, { race: this.race, machine: this.machine, seen: this.observations, shift: 0 });
  }
}

/** A number that follows from a case: the seed of its schedules. */
function seedOf({ setup, programs, config }: RaceCase): number {
  let hash = 0x811c9dc5;
  const text = JSON.stringify([setup, programs, config]);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * Explores a case. Its failure's schedule is as it was found; `smallestFailure` makes it small. Throws a UsageError for
 * a case or options that make no sense.
 */
export function exploreCase(race: RaceCase, options: CaseOptions = {}, body?: RaceBody): Exploration {
  const { schedules, strategy, memoryModel = 'sc', judges, executions, seconds } = checkCaseOptions(options);
  const subject = new CaseSubject(race, body, memoryModel);
  const common = { memoryModel, shrink: false, ...(judges === undefined ? {} : { judges }) };
  if (schedules === 'all') {
    const budget = { executions: executions ?? DEFAULT_EXECUTIONS, ...(seconds === undefined ? {} : { seconds }) };
    return exploreSubject(subject, { ...common, ...budget, strategy: 'dpor' }, subject.about);
  }
  const seed = seedOf(race);
  const run = (chosen: 'random' | 'pct' | 'bounded', count: number): Exploration =>
    exploreSubject(subject, { ...common, strategy: chosen, executions: count, seed, depth: PCT_DEPTH }, subject.about);
  if (strategy !== 'mixed') return run(strategy, schedules);
  const first = run('random', Math.ceil(schedules / 2));
  if (first.failure !== undefined || schedules < 2) return first;
  const second = run('pct', Math.floor(schedules / 2));
  const total = { executions: first.executions + second.executions, steps: first.steps + second.steps };
  return { ...second, ...total, bounds: `${first.bounds}; ${second.bounds}` };
}

/** One schedule of a case, replayed. */
export interface CaseReplay extends Replay {
  /** All that the machine's judges say. */
  readonly findings: readonly Finding[];
}

/** Replays a schedule of a case. Throws a UsageError for a token that is none, or that was made for something else. */
export function replayCase(
  race: RaceCase,
  token: string,
  options: Pick<CaseOptions, 'memoryModel' | 'judges'> = {},
  body?: RaceBody,
): CaseReplay {
  const { memoryModel = 'sc' } = options;
  const subject = new CaseSubject(race, body, memoryModel);
  const replayed = replaySubject(subject, token, options, subject.about);
  const { end, errors } = replayed.record;
  return { ...replayed, findings: end === 'complete' && errors.length === 0 ? subject.verdict().findings : [] };
}
