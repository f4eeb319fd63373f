// One parallel program of a stepped object under the explorer: every schedule, a history for each execution, each
// history checked against the model.
import { atomicAdd, explore, readOnce, replay, smpMb } from '../explore/index.ts';
import type {
  Exploration,
  ExecutionRecord,
  ExploreOptions,
  MemoryModel,
  Processor,
  Program,
  RecordedStep,
  Steps,
  Thread,
} from '../explore/index.ts';
import { UsageError } from '../machine/usage-error.ts';
import { renderInterleaving } from '../report/interleaving-text.ts';
import { nameAccess } from '../report/step-names.ts';
import { ReturnClock } from './clock.ts';
import type { Stamp } from './clock.ts';
import type { Call, ConcurrentObject, ParallelProgram, SteppedObject } from './concurrent-object.ts';
import { callText, linearizabilityText, unexplainedSentence } from './history-text.ts';
import { SETUP_THREAD, checkLinearizability } from './linearizability.ts';
import type { Executed, History, Linearizability } from './linearizability.ts';
import type { ProgramFailure } from './program-failure.ts';
import { keyOf, shown } from './value.ts';

/** How a program is explored: what explore() takes, of which the first failure is the end. */
export type ProgramOptions = Omit<ExploreOptions, 'audit' | 'onExecution' | 'stopAtFailure'>;

/** What exploring one program came to. */
export interface ExploredProgram {
  readonly verdict: Exploration['verdict'];
  readonly executions: number;
  /** Histories that differ. */
  readonly histories: number;
  readonly bounds: string;
  readonly failure: ProgramFailure | undefined;
}

/** What the threads of an execution did, and whether an order explains it. */
interface CheckedHistory {
  readonly history: History<Call, unknown>;
  readonly checked: Linearizability<Call, unknown>;
}

/** One execution of a program, replayed. */
export interface ReplayedProgram extends CheckedHistory {
  readonly record: ExecutionRecord;
  /** History, orders and interleaving, in at most 80 columns. */
  readonly text: string;
}

/** An operation of a thread as the execution under way has come to it. */
interface Begun extends Stamp {
  readonly call: Call;
  result: unknown;
  returned: boolean;
}

/** The method of a call. Throws a UsageError where the object has none. */
function methodOf(name: string, target: object, { method }: Call): (...args: unknown[]) => Steps<unknown> {
  const found = (target as SteppedObject)[method] as ((...args: unknown[]) => Steps<unknown>) | undefined;
  if (typeof found === 'function') return found.bind(target);
  throw new UsageError(`${name} has no method ${method}, which its operations name: give it, or leave it out there`);
}

/** A program as the explorer takes it, and what its executions come to. */
class SteppedProgram {
  /** A mistake of the user's in a thread or a model, which the explorer takes for a failure of the program. */
  mistake: UsageError | undefined = undefined;
  readonly checks = new Map<string, CheckedHistory>();
  readonly program: Program;
  private readonly object: ConcurrentObject;
  private readonly first: History<Call, unknown>;
  private readonly clock: ReturnClock;
  private readonly clockWord: number;
  /** What each thread has done since it was last started: in a replay, where threads do run, all of the execution. */
  private readonly begun: Begun[][];

  constructor(object: ConcurrentObject, { threads }: ParallelProgram, setUp: SetUp, memoryModel: MemoryModel) {
    this.object = object;
    this.first = setUp.history;
    this.clock = new ReturnClock(threads.map((calls) => calls.length));
    this.clockWord = object.words;
    this.begun = threads.map(() => []);
    this.program = {
      ...memoryOf(object, setUp.memory),
      words: object.words + 1,
      threads: threads.map((calls, thread) => this.thread(calls, thread, memoryModel)),
      check: ({ returns }) => {
        this.check(returns as Begun[][]);
      },
    };
  }

  /** The history of a replay that has just ended, all of it or as far as it came. */
  replayed(): CheckedHistory {
    return this.checkHistory(this.begun);
  }

  /** What the words are called. */
  wordName(word: number): string | undefined {
    return word === this.clockWord ? 'clock' : this.object.wordNames?.[word];
  }

  /** The steps of the clock, as the beginnings and ends of operations that they are. */
  stepName(record: ExecutionRecord): (step: RecordedStep) => string {
    const places = new Map<RecordedStep, string>();
    const at = this.begun.map(() => 0);
    for (const step of record.steps) {
      if (step.word !== this.clockWord || step.kind === 'drain') continue;
      const begun = this.begun[step.cpu]?.[at[step.cpu] ?? 0];
      if (begun === undefined) continue;
      const returns = step.kind === 'add';
      if (returns) at[step.cpu] = (at[step.cpu] ?? 0) + 1;
      const result = begun.result === undefined ? '' : ` ${shown(begun.result)}`;
      places.set(step, returns ? `${begun.call.method} returns${result}` : callText(begun.call));
    }
    const names = { word: (word: number) => this.wordName(word) };
    return (step) => places.get(step) ?? nameAccess(step, names);
  }

  private history(begun: readonly (readonly Begun[])[]): History<Call, unknown> {
    const times = this.clock.times(begun);
    const executed = begun.flatMap((all, thread) =>
      all.map(({ call, result }, i): Executed<Call, unknown> => {
        const { invoked, returned } = times[thread]?.[i] ?? { invoked: 0, returned: Infinity };
        return { thread, operation: call, result: returned === Infinity ? undefined : result, invoked, returned };
      }),
    );
    return [...this.first, ...executed];
  }

  /** The same history is checked once. */
  private checkHistory(begun: readonly (readonly Begun[])[]): CheckedHistory {
    const key = keyOf(begun.map((all) => all.map(({ seen, result, returned }) => [seen, result, returned])));
    let known = this.checks.get(key);
    if (known === undefined) {
      const history = this.history(begun);
      known = { history, checked: checkLinearizability(history, this.object.model) };
      this.checks.set(key, known);
    }
    return known;
  }

  private check(begun: readonly (readonly Begun[])[]): void {
    try {
      const { checked } = this.checkHistory(begun);
      if (checked.verdict === 'violated') throw new NotLinearizable(unexplainedSentence(checked));
    } catch (error) {
      if (error instanceof UsageError) this.mistake ??= error;
      throw error;
    }
  }

  private thread(calls: readonly Call[], thread: number, memoryModel: MemoryModel): Thread {
    const { object, clockWord } = this;
    const tick = this.clock.tick(thread);
    const begin = (): Begun[] => (this.begun[thread] = []);
    const mistaken = (error: unknown): void => {
      if (error instanceof UsageError) this.mistake ??= error;
    };
    return function* (cpu) {
      const begun = begin();
      try {
        const target = makeObject(object, cpu);
        for (const call of calls) {
          const method = methodOf(object.name, target, call);
          const operation: Begun = { call, seen: yield* readOnce(cpu, clockWord), result: undefined, returned: false };
          begun.push(operation);
          operation.result = yield* method(...call.args);
          // Who hears that a call has returned sees what it stored. Under sc and tso the addition alone sees to that.
          if (memoryModel === 'pso') yield* smpMb(cpu);
          yield* atomicAdd(cpu, clockWord, tick);
          operation.returned = true;
        }
        return begun;
      } catch (error) {
        mistaken(error);
        throw error;
      }
    };
  }
}

class NotLinearizable extends Error {}

function makeObject(object: ConcurrentObject, cpu: Processor): object {
  if (object.stepped === undefined) {
    throw new UsageError(
      `${object.name} has no stepped form to explore: give stepped, for example (cpu) => new Ring(cpu)`,
    );
  }
  return object.stepped(cpu);
}

function memoryOf(object: ConcurrentObject, memory: readonly number[]): Pick<Program, 'words64' | 'init' | 'names'> {
  const { wordNames, words64 } = object;
  const names = Array.from({ length: object.words }, (_, word) => wordNames?.[word] ?? `word ${String(word)}`);
  return { init: memory, names: { words: [...names, 'clock'] }, ...(words64 === undefined ? {} : { words64 }) };
}

/** What the calls before the threads have done. */
interface SetUp {
  readonly memory: readonly number[];
  readonly history: History<Call, unknown>;
}

/** Runs the calls that come before the threads, alone. */
function setUpOf(object: ConcurrentObject, first: readonly Call[]): SetUp | Exploration {
  let memory: readonly number[] = object.init ?? [];
  if (first.length === 0) return { memory, history: [] };
  let results: unknown[] = [];
  let mistake: UsageError | undefined;
  const thread: Thread = function* (cpu) {
    results = [];
    try {
      const target = makeObject(object, cpu);
      for (const call of first) results.push(yield* methodOf(object.name, target, call)(...call.args));
    } catch (error) {
      if (error instanceof UsageError) mistake ??= error;
      throw error;
    }
  };
  const exploration = explore({
    ...memoryOf(object, memory),
    words: object.words + 1,
    threads: [thread],
    check: (end) => {
      memory = [...end.memory.subarray(0, object.words)];
    },
  });
  if (mistake !== undefined) throw mistake;
  if (exploration.failure !== undefined) return exploration;
  const history = first.map((operation, i): Executed<Call, unknown> => {
    const invoked = 2 * (i - first.length);
    return { thread: SETUP_THREAD, operation, result: results[i], invoked, returned: invoked + 1 };
  });
  return { memory, history };
}

/** Explores all schedules of a program, or as many as `options` allow, and checks the history of each execution. */
export function exploreProgram(
  object: ConcurrentObject,
  program: ParallelProgram,
  options: ProgramOptions = {},
): ExploredProgram {
  const setUp = setUpOf(object, program.first);
  if ('verdict' in setUp) return failedFirst(program, setUp);
  const stepped = new SteppedProgram(object, program, setUp, options.memoryModel ?? 'sc');
  const { verdict, executions, bounds, failure } = explore(stepped.program, options);
  if (stepped.mistake !== undefined) throw stepped.mistake;
  const histories = stepped.checks.size;
  const undecided = [...stepped.checks.values()].some(({ checked }) => checked.verdict === 'not decided');
  if (failure === undefined) {
    return { verdict: undecided ? 'not decided' : verdict, executions, histories, bounds, failure: undefined };
  }
  const { token, message } = failure;
  const judge = failure.judge === 'check' ? 'linearizability' : failure.judge;
  const { text } = replayStepped(stepped, token, options, judge === 'linearizability' ? undefined : message);
  return { verdict, executions, histories, bounds, failure: { program, token, judge, message, text } };
}

function failedFirst(program: ParallelProgram, { failure, executions, bounds }: Exploration): ExploredProgram {
  const message = `before the threads begin: ${failure?.message ?? ''}`;
  const judge = failure?.judge ?? 'exception';
  const found = { program, token: undefined, judge, message, text: `  ${message}` };
  return { verdict: 'violated', executions, histories: 0, bounds, failure: found };
}

/** Replays a schedule of a program. Throws a UsageError for a token that can't be followed. */
export function replayProgram(
  object: ConcurrentObject,
  program: ParallelProgram,
  token: string,
  options: Pick<ProgramOptions, 'memoryModel' | 'steps' | 'judges'> = {},
): ReplayedProgram {
  const setUp = setUpOf(object, program.first);
  if ('verdict' in setUp) throw new UsageError(failedFirst(program, setUp).failure?.message ?? '');
  const stepped = new SteppedProgram(object, program, setUp, options.memoryModel ?? 'sc');
  return replayStepped(stepped, token, options, undefined);
}

function replayStepped(
  stepped: SteppedProgram,
  token: string,
  options: Pick<ProgramOptions, 'memoryModel' | 'steps' | 'judges'>,
  message: string | undefined,
): ReplayedProgram {
  const { record } = replay(stepped.program, token, options);
  if (stepped.mistake !== undefined) throw stepped.mistake;
  const { history, checked } = stepped.replayed();
  const names = { word: (word: number) => stepped.wordName(word) };
  const interleaving = renderInterleaving(record, { names, nameStep: stepped.stepName(record), colour: false });
  const said = message === undefined ? [] : [`  ${message}`, ''];
  return {
    record,
    history,
    checked,
    text: [...said, linearizabilityText(history, checked), '', interleaving].join('\n'),
  };
}
