// Properties that a concurrent object is linearizable, for fast-check: over generated programs, explored in every
// schedule or raced on real threads. fast-check shrinks what fails to fewer threads, fewer calls, smaller arguments; a
// failure seen on threads is shrunk by racing again, and then looked for by the explorer, which has a schedule for it.
import fc from 'fast-check';
import { UsageError } from '../machine/usage-error.ts';
import { wrapText } from '../report/text.ts';
import { parallelProgram } from './concurrent-object.ts';
import type { ConcurrentObject, ParallelProgram, ProgramSize } from './concurrent-object.ts';
import { exploreProgram } from './explored.ts';
import type { ExploredProgram, ProgramOptions } from './explored.ts';
import { callText } from './history-text.ts';
import type { ProgramFailure } from './program-failure.ts';
import { raceProgram } from './raced.ts';
import type { RaceOptions, RacedProgram } from './raced.ts';

/** What a property over explored programs takes. */
export interface ExploredOptions extends ProgramSize {
  /** How each program is explored. */
  readonly explore?: ProgramOptions;
  /** Hears of each program that was explored. */
  readonly onProgram?: (explored: ExploredProgram) => void;
}

/** What a property over raced programs takes. */
export interface RacedOptions extends ProgramSize {
  /** How each program is raced. */
  readonly race?: RaceOptions;
  /** Hears of each program that was raced. */
  readonly onProgram?: (raced: RacedProgram) => void;
}

/** Thrown by the properties: a program of which an execution is wrong. */
export class NotLinearizableError extends Error {
  readonly failure: ProgramFailure;

  constructor(failure: ProgramFailure) {
    super(`${failure.message}\n\n${failure.text}`);
    this.name = 'NotLinearizableError';
    this.failure = failure;
  }
}

/**
 * The property that every schedule of every program of the object's stepped form is linearizable, and ends, without
 * exceptions, deadlocks and data races. Programs that are not decided within the budget do not fail it.
 */
export function linearizableProperty(
  object: ConcurrentObject,
  { explore, onProgram, ...size }: ExploredOptions = {},
): fc.IPropertyWithHooks<[ParallelProgram]> {
  return fc.property(parallelProgram(object, size), (program) => {
    const explored = exploreProgram(object, program, explore);
    onProgram?.(explored);
    if (explored.failure !== undefined) throw new NotLinearizableError(explored.failure);
  });
}

/**
 * The property that every round of every program on real threads is linearizable, as far as threads show it. A program
 * that is stuck is not shrunk: each attempt would take as long again.
 */
export function linearizableOnThreads(
  object: ConcurrentObject,
  { race, onProgram, ...size }: RacedOptions = {},
): fc.IAsyncPropertyWithHooks<[ParallelProgram]> {
  let wasStuck = false;
  return fc.asyncProperty(parallelProgram(object, size), async (program) => {
    if (wasStuck) {
      wasStuck = false;
      throw new fc.PreconditionFailure(true);
    }
    const raced = await raceProgram(object, program, race);
    onProgram?.(raced);
    if (raced.failure === undefined) return;
    wasStuck = raced.failure.judge === 'stuck';
    throw new NotLinearizableError(raced.failure);
  });
}

/** What checkLinearizable takes besides the object; everything has a default. */
export interface LinearizableOptions extends ProgramSize {
  /** Programs to explore; default 100. */
  readonly programs?: number;
  /** Programs to race on real threads; default 50. */
  readonly racedPrograms?: number;
  /** Of the programs; default 1. */
  readonly seed?: number;
  readonly explore?: ProgramOptions;
  readonly race?: RaceOptions;
}

/** A failure, made small. */
export interface LinearizableFailure extends ProgramFailure {
  /** Where it was seen. */
  readonly seenBy: 'explorer' | 'threads';
}

/** What checkLinearizable came to. */
export interface LinearizableReport {
  /** `not decided`: nothing was wrong, but some program was too large to be explored whole. */
  readonly verdict: 'held' | 'violated' | 'not decided';
  /** Undefined where the object has no stepped form. */
  readonly explored:
    | { readonly programs: number; readonly undecided: number; readonly executions: number; readonly histories: number }
    | undefined;
  /** Undefined where the object has no class for threads, or where the explorer has found something before. */
  readonly raced: { readonly programs: number; readonly rounds: number; readonly histories: number } | undefined;
  readonly failure: LinearizableFailure | undefined;
  /** The whole for people, in at most 80 columns. */
  readonly text: string;
}

const DEFAULT_PROGRAMS = 100;
const DEFAULT_RACED_PROGRAMS = 50;

/** Explores programs of the object's stepped form, races programs of its class on threads, and says what came of it. */
export async function checkLinearizable(
  object: ConcurrentObject,
  options: LinearizableOptions = {},
): Promise<LinearizableReport> {
  if (object.stepped === undefined && object.module === undefined) {
    throw new UsageError(
      `${object.name} has neither a stepped form nor a class for threads: give stepped, module, or both`,
    );
  }
  const explored = object.stepped === undefined ? undefined : exploreAll(object, options);
  let failure = explored?.failure;
  let raced: Raced | undefined;
  if (failure === undefined && object.module !== undefined) {
    raced = await raceAll(object, options);
    failure = raced.failure;
  }
  const counts = { explored: explored?.counts, raced: raced?.counts };
  const undecided = (explored?.counts.undecided ?? 0) > 0;
  const verdict = failure !== undefined ? 'violated' : undecided ? 'not decided' : 'held';
  return { verdict, ...counts, failure, text: reportText(object, verdict, counts, failure) };
}

type ExploredCounts = NonNullable<LinearizableReport['explored']>;
type RacedCounts = NonNullable<LinearizableReport['raced']>;

interface Explored {
  readonly counts: ExploredCounts;
  readonly failure: LinearizableFailure | undefined;
}

interface Raced {
  readonly counts: RacedCounts;
  readonly failure: LinearizableFailure | undefined;
}

/** The failure of a run of fast-check. Whatever else a property threw is thrown again. */
function failureIn(details: fc.RunDetails<[ParallelProgram]>): ProgramFailure | undefined {
  if (!details.failed) return undefined;
  const { errorInstance } = details;
  if (errorInstance instanceof NotLinearizableError) return errorInstance.failure;
  throw errorInstance instanceof Error ? errorInstance : new Error(String(errorInstance));
}

function exploreAll(object: ConcurrentObject, options: LinearizableOptions): Explored {
  const { programs = DEFAULT_PROGRAMS, seed = 1, explore, ...size } = options;
  const counts = { programs: 0, undecided: 0, executions: 0, histories: 0 };
  const property = linearizableProperty(object, {
    ...size,
    ...(explore === undefined ? {} : { explore }),
    onProgram({ verdict, executions, histories }) {
      counts.programs += 1;
      if (verdict === 'not decided') counts.undecided += 1;
      counts.executions += executions;
      counts.histories += histories;
    },
  });
  const failure = failureIn(fc.check(property, { numRuns: programs, seed }));
  return { counts, failure: failure === undefined ? undefined : { ...failure, seenBy: 'explorer' } };
}

async function raceAll(object: ConcurrentObject, options: LinearizableOptions): Promise<Raced> {
  const { racedPrograms = DEFAULT_RACED_PROGRAMS, seed = 1, race, ...size } = options;
  const counts = { programs: 0, rounds: 0, histories: 0 };
  const property = linearizableOnThreads(object, {
    ...size,
    ...(race === undefined ? {} : { race }),
    onProgram({ rounds, histories }) {
      counts.programs += 1;
      counts.rounds += rounds;
      counts.histories += histories;
    },
  });
  const failure = failureIn(await fc.check(property, { numRuns: racedPrograms, seed }));
  return { counts, failure: failure === undefined ? undefined : explained(object, failure, options) };
}

/** A failure that threads have shown, with the explorer's schedule for it if it finds one. */
function explained(
  object: ConcurrentObject,
  failure: ProgramFailure,
  { explore }: LinearizableOptions,
): LinearizableFailure {
  const seen = { ...failure, seenBy: 'threads' as const };
  if (object.stepped === undefined) return seen;
  const found = exploreProgram(object, failure.program, explore).failure;
  if (found === undefined) {
    const text = `${failure.text}\n\n  the explorer finds nothing wrong with the stepped form: is it the same algorithm?`;
    return { ...seen, text };
  }
  return { ...seen, token: found.token, text: `${failure.text}\n\n  a schedule that fails:\n\n${found.text}` };
}

/** A program as one reads it: what comes first, and what each thread calls. */
function programText({ first, threads }: ParallelProgram): string {
  const calls = (all: ParallelProgram['first']): string => all.map(callText).join(', ');
  const parallel = threads.flatMap((own, thread) =>
    own.length === 0 ? [] : [`thread ${String(thread)}: ${calls(own)}`],
  );
  return [...(first.length === 0 ? [] : [`first: ${calls(first)}`]), ...parallel].join('; ');
}

function reportText(
  object: ConcurrentObject,
  verdict: LinearizableReport['verdict'],
  { explored, raced }: Pick<LinearizableReport, 'explored' | 'raced'>,
  failure: LinearizableFailure | undefined,
): string {
  const count = (n: number, what: string): string => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
  const lines = [`${object.name}: ${verdict}`];
  if (explored !== undefined) {
    const undecided =
      explored.undecided === 0 ? '' : `, ${explored.undecided.toLocaleString('en')} of them not decided`;
    lines.push(
      `  explored  ${count(explored.programs, 'program')}${undecided}: ${count(explored.executions, 'execution')}`,
    );
  }
  if (raced !== undefined) {
    lines.push(`  raced     ${count(raced.programs, 'program')} on threads: ${count(raced.rounds, 'round')}`);
  }
  if (failure === undefined) return lines.join('\n');
  const labelled = (label: string, text: string): string[] => wrapText(text, `  ${label.padEnd(10)}`, ' '.repeat(12));
  lines.push(...labelled(failure.judge === 'linearizability' ? 'wrong' : failure.judge, failure.message));
  lines.push(...labelled('program', programText(failure.program)));
  if (failure.token !== undefined) lines.push(...labelled('schedule', failure.token));
  return [...lines, '', failure.text].join('\n');
}
