// Schedules as sparse lists of preemptions: every CPU goes on until it has to wait or has ended, but for those.
//
// The shape in which schedules shrink well: a schedule from a token, of a search or of a colleague, shrinks as one that
// was generated does, and what is left over says which preemptions matter.
import type fc from 'fast-check';
import { complaintOf } from '../explore/complaint.ts';
import { Execution } from '../explore/execution.ts';
import { fingerprint, parseToken, tokenOf } from '../explore/token.ts';
import { UsageError } from '../machine/usage-error.ts';
import type { Preemption } from '../machine/stepped.ts';
import { MAX_PROGRAM_CPUS } from './arbitraries.ts';
import { wholeIn } from './operations.ts';
import { CaseSubject } from './race-case.ts';
import type { CaseOptions, RaceCase } from './race-case.ts';
import type { RaceBody } from './race-end.ts';
import type { FoundFailure } from './smallest-failure.ts';
import { ValueArbitrary, weighted } from './value-arbitrary.ts';

export type { Preemption } from '../machine/stepped.ts';

/**
 * Changes of CPU: before step `at` (counted from 0 over all CPUs, as tokens count them) CPU `to` goes on, if it can. In
 * ascending order of `at`. CPU 0 begins.
 */
export type Schedule = readonly Preemption[];

/** What schedules are for. */
export interface ScheduleOptions {
  /** CPUs: 2 to 8, default 2. */
  readonly cpus?: number;
  /** Steps of an execution, about: 1 to 1,000,000, default 400. */
  readonly steps?: number;
  /** Preemptions at most: 0 to 100, default 3. */
  readonly preemptions?: number;
}

const DEFAULT_STEPS = 400;
const MAX_STEPS = 1_000_000;
const MAX_PREEMPTIONS = 100;

function isSchedule(value: unknown): value is Schedule {
  const isPreemption = (part: unknown): boolean =>
    typeof part === 'object' &&
    part !== null &&
    'at' in part &&
    'to' in part &&
    Number.isSafeInteger(part.at) &&
    Number.isSafeInteger(part.to);
  return Array.isArray(value) && value.every(isPreemption);
}

/** Schedules of few preemptions. Throws a UsageError for options that make no sense. */
export function schedule(options: ScheduleOptions = {}): fc.Arbitrary<Schedule> {
  const cpus = wholeIn('cpus', options.cpus ?? 2, 2, MAX_PROGRAM_CPUS, 2);
  const steps = wholeIn('steps', options.steps ?? DEFAULT_STEPS, 1, MAX_STEPS, DEFAULT_STEPS);
  const most = wholeIn('preemptions', options.preemptions ?? 3, 0, MAX_PREEMPTIONS, 3);
  const counts = Array.from({ length: most + 1 }, (_, count) => [count === 0 ? 1 : 1 + most - count, count] as const);
  return new ValueArbitrary<Schedule>({
    generate: (random) => {
      const places = new Map<number, number>();
      const count = weighted(random, counts);
      for (let i = 0; i < count; i++) places.set(random.nextInt(0, steps - 1), random.nextInt(0, cpus - 1));
      return [...places].map(([at, to]) => ({ at, to })).sort((a, b) => a.at - b.at);
    },
    smaller: smallerSchedules,
    is: isSchedule,
  });
}

/** Halves, then one preemption less, then lower CPUs, then earlier steps. */
function smallerSchedules(given: Schedule): Schedule[] {
  const half = Math.ceil(given.length / 2);
  const halves = given.length < 2 ? [] : [given.slice(0, half), given.slice(half)];
  const oneLess = given.length === 2 ? [] : given.map((_, i) => given.toSpliced(i, 1));
  const changed = (change: (preemption: Preemption, before: number) => Preemption[]): Schedule[] =>
    given.flatMap((preemption, i) =>
      change(preemption, given[i - 1]?.at ?? -1).map((other) => given.map((old, j) => (i === j ? other : old))),
    );
  const lower = changed(({ at, to }) => (to > 0 ? [{ at, to: to - 1 }] : []));
  const earlier = changed(({ at, to }, before) => earlierThan(at, before).map((step) => ({ at: step, to })));
  return [...halves, ...oneLess, ...lower, ...earlier];
}

/** Steps before `at` and after `before`: the first, then nearer ones. */
function earlierThan(at: number, before: number): number[] {
  const steps: number[] = [];
  for (let gap = at - before - 1; gap > 0; gap = Math.floor(gap / 2)) steps.push(at - gap);
  return steps;
}

/** The schedule that a token names. Throws a UsageError where it is none, or one of a memory model's buffered stores. */
export function scheduleOf(token: string): Schedule {
  let at = 0;
  const turns = parseToken(token).turns.map(({ proc, steps }) => {
    const to = Number(proc);
    if (!Number.isInteger(to)) {
      throw new UsageError(
        `the token ${token} has steps of a store buffer ('${proc}'): a list of preemptions is of CPUs alone, for example 0:4,1:6`,
      );
    }
    const turn = { at, to };
    at += steps;
    return turn;
  });
  const [first, ...rest] = turns;
  return first === undefined || first.to === 0 ? rest : turns;
}

/** One execution of a case. */
export interface ScheduledRun {
  /** Its schedule in one line; replayCase takes it. */
  readonly token: string;
  readonly steps: number;
  readonly preemptions: number;
  /** What is wrong with it; undefined if nothing is. */
  readonly failure: FoundFailure | undefined;
}

/** Runs a case under a schedule, as far as it can be followed. */
export function runSchedule(
  race: RaceCase,
  preemptions: Schedule,
  options: Pick<CaseOptions, 'memoryModel'> = {},
  body?: RaceBody,
): ScheduledRun {
  const { memoryModel = 'sc' } = options;
  const subject = new CaseSubject(race, body, memoryModel);
  const execution = new Execution(subject, memoryModel);
  // What CPUs share is found out on the way: once more, knowing it.
  do follow(execution, preemptions);
  while (execution.discovered);
  const complaint = complaintOf(execution);
  const { identity } = subject.about;
  const token = `${tokenOf(execution)}${identity === undefined ? '' : `.${fingerprint(identity)}`}`;
  const { steps, preemptions: count } = execution;
  return {
    token,
    steps,
    preemptions: count,
    failure: complaint === undefined ? undefined : { ...complaint, token, steps, preemptions: count },
  };
}

function follow(execution: Execution, preemptions: Schedule): void {
  execution.restart();
  let current = 0;
  for (const { at, to } of [...preemptions, { at: Infinity, to: 0 }]) {
    while (execution.steps < at && execution.errors.length === 0 && !execution.overran) {
      if (!execution.isEnabled(current)) {
        current = firstEnabled(execution);
        if (current < 0) return;
      }
      if (at === Infinity) execution.take(current);
      else execution.takeCounted(current, at - execution.steps);
    }
    if (execution.isEnabled(to)) current = to;
  }
}

function firstEnabled(execution: Execution): number {
  for (let proc = 0; proc < execution.procs; proc++) if (execution.isEnabled(proc)) return proc;
  return -1;
}
