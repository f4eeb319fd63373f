// One parallel program of a class on real threads, round after round: a history for each round, each history checked
// against the model.
import { UsageError } from '../machine/usage-error.ts';
import { runRounds } from '../stress/rounds.ts';
import type { Round, RoundsRun } from '../stress/rounds.ts';
import type { Call, ConcurrentObject, ParallelProgram } from './concurrent-object.ts';
import { linearizabilityText, unexplainedSentence } from './history-text.ts';
import { SETUP_THREAD, checkLinearizability } from './linearizability.ts';
import type { Executed, History, Linearizability } from './linearizability.ts';
import type { ProgramFailure } from './program-failure.ts';
import { keyOf } from './value.ts';

/** How a program is run on threads; everything has a default. */
export interface RaceOptions {
  /** Rounds, each from a fresh memory on; default 200. */
  readonly rounds?: number;
  /** Of the random staggering; default 1. */
  readonly seed?: number;
  /** Seconds without any call's end after which a call is called stuck; default 5. */
  readonly stuckSeconds?: number;
}

/** What rounds on threads came to. */
export interface RacedProgram {
  /** `held` is what was seen, never a proof. */
  readonly verdict: 'held' | 'violated' | 'not decided';
  /** Rounds that all threads finished. */
  readonly rounds: number;
  /** Histories that differ. */
  readonly histories: number;
  /** Rounds whose history no order explains. */
  readonly violations: number;
  readonly failure: ProgramFailure | undefined;
}

export const DEFAULT_ROUNDS = 200;
const DEFAULT_STUCK_SECONDS = 5;
const MAX_ROUNDS = 1_000_000;

function atLeast(what: string, value: number, least: number, most: number, example: string): number {
  if (value >= least && value <= most) return value;
  throw new UsageError(
    `${what} ${String(value)}: give a number from ${String(least)} to ${most.toLocaleString('en')}, for example ${example}`,
  );
}

/** Runs a program on real threads, again and again, and checks the history of each round. */
export async function raceProgram(
  object: ConcurrentObject,
  program: ParallelProgram,
  { rounds = DEFAULT_ROUNDS, seed = 1, stuckSeconds = DEFAULT_STUCK_SECONDS }: RaceOptions = {},
): Promise<RacedProgram> {
  const { module } = object;
  if (module === undefined) {
    throw new UsageError(
      `${object.name} has no class for real threads: give module, for example { url: new URL('./ring.js', import.meta.url), export: 'Ring' }`,
    );
  }
  const run = await runRounds({
    target: {
      url: String(module.url),
      export: module.export ?? 'default',
      words: object.words,
      init: object.init ?? [],
    },
    first: program.first,
    threads: program.threads,
    rounds: Math.floor(atLeast('rounds', rounds, 1, MAX_ROUNDS, '200')),
    seed,
    stuckMs: 1000 * atLeast('stuckSeconds', stuckSeconds, 0.1, 3600, '5'),
  });
  return judged(object, program, run);
}

function judged(object: ConcurrentObject, program: ParallelProgram, run: RoundsRun): RacedProgram {
  const verdicts = new Map<string, Linearizability<Call, unknown>>();
  let failure: ProgramFailure | undefined;
  let violations = 0;
  for (const round of run.rounds) {
    const history = historyOf(program, round);
    const key = keyOf(history.map(({ result, invoked, returned }) => [result, invoked, returned]));
    let checked = verdicts.get(key);
    if (checked === undefined) {
      checked = checkLinearizability(history, object.model);
      verdicts.set(key, checked);
    }
    if (checked.verdict !== 'violated') continue;
    violations += 1;
    const message = unexplainedSentence(checked);
    const text = linearizabilityText(history, checked);
    failure ??= { program, judge: 'linearizability', message, token: undefined, text };
  }
  if (run.failure !== undefined) {
    const { kind, message } = run.failure;
    failure ??= { program, judge: kind, message, token: undefined, text: `  ${message}` };
  }
  const undecided = [...verdicts.values()].some(({ verdict }) => verdict === 'not decided');
  const verdict = failure !== undefined ? 'violated' : undecided ? 'not decided' : 'held';
  return { verdict, rounds: run.rounds.length, histories: verdicts.size, violations, failure };
}

function historyOf({ first }: ParallelProgram, round: Round): History<Call, unknown> {
  const before = first.map((operation, i): Executed<Call, unknown> => {
    const invoked = 2 * (i - first.length);
    return { thread: SETUP_THREAD, operation, result: round.first[i], invoked, returned: invoked + 1 };
  });
  const parallel = round.threads.flatMap((calls, thread) =>
    calls.map(({ call, ...seen }): Executed<Call, unknown> => ({ thread, operation: call, ...seen })),
  );
  return [...before, ...parallel];
}
