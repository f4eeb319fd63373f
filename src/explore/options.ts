// What a search is told: strategy, memory model, budgets; checked once, with one sentence for what can't be.
import { UsageError, nearest } from '../machine/usage-error.ts';
import { MAX_STEPS } from './execution.ts';
import { checkJudges } from './judges.ts';
import type { JudgeName } from './judges.ts';
import { MAX_THREADS, MAX_WORDS, MEMORY_MODELS } from './program.ts';
import type { EndState, MemoryModel, Program } from './program.ts';

/** How schedules are chosen. */
export type Strategy = 'dpor' | 'exhaustive' | 'bounded' | 'pct' | 'random';
export const STRATEGIES: readonly { readonly name: Strategy; readonly what: string }[] = [
  { name: 'dpor', what: 'every behaviour once: optimal dynamic partial-order reduction' },
  { name: 'exhaustive', what: 'every schedule, without reduction' },
  { name: 'bounded', what: 'schedules by number of preemptions, from 0' },
  { name: 'pct', what: 'random priorities that change at a few random steps, with a guaranteed chance' },
  { name: 'random', what: 'a random choice at every step' },
];

/** What a listener hears of an execution that has ended. */
export interface ExecutionReport extends EndState {
  /** Its schedule in one line. */
  readonly token: string;
  /** Whether it failed. */
  readonly failed: boolean;
  /** CPUs that wait for ever. */
  readonly waiting: readonly number[];
}

/** Where a search stands. */
export interface Progress {
  readonly executions: number;
  readonly seconds: number;
  /** A guess at the share that is done, by weighing subtrees alike; undefined where there is no end to compare with. */
  readonly share: number | undefined;
}

/** What explore() takes besides the program; everything has a default. */
export interface ExploreOptions {
  /** Default dpor. */
  readonly strategy?: Strategy;
  /** Default sc. */
  readonly memoryModel?: MemoryModel;
  /** Executions at most; default: no bound, for pct and random 10,000. */
  readonly executions?: number;
  /** Seconds at most. */
  readonly seconds?: number;
  /** Steps that one execution may take before it is called a livelock; default 20,000. */
  readonly steps?: number;
  /** bounded: preemptions at most. */
  readonly preemptions?: number;
  /** pct: how many ordering constraints a bug is thought to have; default 3. */
  readonly depth?: number;
  /** pct, random: default 1. */
  readonly seed?: number;
  /** Whether the first failure ends the search; default true, but false for an audit. */
  readonly stopAtFailure?: boolean;
  /** Whether a failure is made small; default true. */
  readonly shrink?: boolean;
  /** Judges of whole executions besides the program's own check; default: all of them. */
  readonly judges?: readonly JudgeName[];
  /**
   * dpor: checks the search against itself: no behaviour twice, and, where that is feasible, all of them. A failure then
   * does not end it, unless `stopAtFailure` says so.
   */
  readonly audit?: boolean;
  /** Schedules that an audit may run to count the behaviours that were missed; default 100,000. */
  readonly auditSchedules?: number;
  readonly onExecution?: (report: ExecutionReport) => void;
  /** Called about twice a second. */
  readonly onProgress?: (progress: Progress) => void;
}

/** Options with their defaults. */
export type Settings = Required<Omit<ExploreOptions, 'onExecution' | 'onProgress'>> & {
  readonly onExecution: ((report: ExecutionReport) => void) | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
};

const DEFAULT_RANDOM_EXECUTIONS = 10_000;
const AUDIT_SCHEDULES = 100_000;

function whole(what: string, value: number, least: number, most: number, example: string): number {
  const isUnlimited = value === Infinity && most === Infinity;
  if (isUnlimited || (Number.isSafeInteger(value) && value >= least && value <= most)) return value;
  const range = most === Infinity ? `from ${String(least)}` : `from ${String(least)} to ${most.toLocaleString('en')}`;
  throw new UsageError(`${what} ${String(value)}: give a whole number ${range}, for example ${example}`);
}

/** Defaults filled in, mistakes refused. */
export function checkOptions(options: ExploreOptions): Settings {
  const names = STRATEGIES.map(({ name }) => name as string);
  const { strategy = 'dpor', memoryModel = 'sc' } = options;
  if (!names.includes(strategy)) {
    throw new UsageError(
      `strategy '${strategy}' is not known: use one of ${names.join(', ')}, for example ${nearest(strategy, names)}`,
    );
  }
  if (!MEMORY_MODELS.includes(memoryModel)) {
    throw new UsageError(`memory model '${memoryModel as string}' is not known: use sc, tso or pso, for example tso`);
  }
  const isRandom = strategy === 'pct' || strategy === 'random';
  const { seconds = Infinity, audit = false } = options;
  if (audit && strategy !== 'dpor') {
    throw new UsageError(`an audit is of strategy dpor, not of ${strategy}: leave one of the two out`);
  }
  if (!(seconds > 0)) throw new UsageError(`seconds ${String(seconds)}: give a number above 0, for example 60`);
  return {
    strategy,
    memoryModel,
    executions: whole(
      'executions',
      options.executions ?? (isRandom ? DEFAULT_RANDOM_EXECUTIONS : Infinity),
      1,
      Infinity,
      '10000',
    ),
    seconds,
    steps: whole('steps', options.steps ?? MAX_STEPS, 1, 1_000_000_000, '20000'),
    preemptions: whole('preemptions', options.preemptions ?? Infinity, 0, Infinity, '2'),
    depth: whole('depth', options.depth ?? 3, 1, 100, '3'),
    seed: whole('seed', options.seed ?? 1, 0, 0xffffffff, '1'),
    stopAtFailure: options.stopAtFailure ?? !audit,
    shrink: options.shrink ?? true,
    judges: checkJudges(options.judges),
    audit,
    auditSchedules: whole('audit schedules', options.auditSchedules ?? AUDIT_SCHEDULES, 0, Infinity, '100000'),
    onExecution: options.onExecution,
    onProgress: options.onProgress,
  };
}

/** Refuses programs that can't be explored. */
export function checkProgram(program: Program): void {
  const { words, words64 = 0, threads, init = [] } = program;
  if (!Array.isArray(threads) || threads.length === 0 || threads.length > MAX_THREADS) {
    const given = Array.isArray(threads) ? String(threads.length) : String(threads);
    throw new UsageError(
      `a program with ${given} threads: give 1 to ${String(MAX_THREADS)} generator functions, for example [function* (cpu) { … }]`,
    );
  }
  const wrong = threads.findIndex((thread) => typeof thread !== 'function');
  if (wrong >= 0) throw new UsageError(`thread ${String(wrong)} is no function: give generator functions of a cpu`);
  whole('words', words, 1, MAX_WORDS, '2');
  whole('words64', words64, 0, Math.floor(words / 2), '1');
  if (init.length > words) {
    throw new UsageError(
      `init has ${String(init.length)} values for ${String(words)} words: give at most one for each`,
    );
  }
}
