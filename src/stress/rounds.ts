// Rounds of method calls on real threads: a class over a SharedArrayBuffer, of which each thread makes an object; in
// each round the memory is set back, one thread makes the calls that come first, and then all make theirs, from a
// barrier on and staggered at random. A clock that all count up says what came before what.
//
// What the threads share is laid out here; workers/rounds.ts runs it. A thread that does not come back is seen by its
// counter standing still: then all are stopped, and the pool is thrown away with its threads.
import { UsageError } from '../machine/usage-error.ts';
import { WarmPools } from '../machine/warm-pools.ts';
import { LINE_WORDS } from './litmus.ts';

/** One call of a method. */
export interface MethodCall {
  readonly method: string;
  readonly args: readonly unknown[];
}

/** A class in a module, and the words that its objects lie in. */
export interface RoundsClass {
  readonly url: string;
  readonly export: string;
  readonly words: number;
  readonly init: readonly number[];
}

/** What is run. */
export interface RoundsRequest {
  readonly target: RoundsClass;
  /** Calls of thread 0 before the others begin. */
  readonly first: readonly MethodCall[];
  /** Calls of each thread. */
  readonly threads: readonly (readonly MethodCall[])[];
  readonly rounds: number;
  readonly seed: number;
  /** How long nobody may come further before that is called stuck, in milliseconds. */
  readonly stuckMs: number;
}

/** What one worker is asked to do. */
export interface RoundsTask extends Omit<RoundsRequest, 'threads' | 'stuckMs'> {
  /** The object's words. */
  readonly memory: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly thread: number;
  readonly threads: number;
  readonly calls: readonly MethodCall[];
}

/** What one worker saw. */
export interface RoundsSeen {
  /** Rounds that it finished. */
  readonly rounds: number;
  /** Results of its calls, round by round; for thread 0 those of the first calls in front of each round's. */
  readonly results: readonly unknown[];
  /** When each of its calls was invoked and when it returned. */
  readonly times: Int32Array;
  /** A call that threw: in which round, which call (negative: of the first ones, from the end; undefined: new), what. */
  readonly threw: { readonly round: number; readonly call: number | undefined; readonly message: string } | undefined;
  /** Why the class can't be used. */
  readonly mistake: string | undefined;
}

/** One call in one round. */
export interface TimedCall {
  readonly call: MethodCall;
  readonly result: unknown;
  readonly invoked: number;
  readonly returned: number;
}

/** One round: results of the first calls, and the calls of each thread. */
export interface Round {
  readonly first: readonly unknown[];
  readonly threads: readonly (readonly TimedCall[])[];
}

/** Why rounds ended early. */
export interface RoundsFailure {
  /** `stuck`: a call did not return; `threw`: a call threw; `died`: a thread ended. */
  readonly kind: 'stuck' | 'threw' | 'died';
  readonly message: string;
}

/** How rounds ended. */
export interface RoundsRun {
  readonly rounds: readonly Round[];
  readonly failure: RoundsFailure | undefined;
}

/** Where things lie in the control words. */
export const roundsLayout = {
  /** Set when all shall stop. */
  stop: 0,
  /** Counts the invocations and returns of a round. */
  clock: LINE_WORDS as number,
  /** How many barriers a thread has come to. */
  arrived: (thread: number): number => (2 + 2 * thread) * LINE_WORDS,
  /** How many calls a thread has begun or ended: odd in the middle of one. */
  progress: (thread: number): number => (3 + 2 * thread) * LINE_WORDS,
  words: (threads: number): number => (2 + 2 * threads) * LINE_WORDS,
} as const;

const workerFile = new URL('../../workers/rounds.js', import.meta.url).href;
/** JavaScript heap of a worker. */
const HEAP_MB = 256;
/** How often it is looked whether threads come further. */
const LOOK_MS = 50;
/** Time that a thread has to start, to load the class's module and to make an object. */
const START_MS = 30_000;
/** Time that threads have to see STOP before they are ended. */
const STOP_GRACE_MS = 500;

const pools = new WarmPools<RoundsTask, RoundsSeen>(workerFile, Infinity, {
  resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
});

/** Ends the threads that rounds run on, all or those of one pool. The next rounds start new ones. */
export async function closeRounds(threads?: number): Promise<void> {
  await pools.close(threads);
}

/**
 * Runs rounds on as many threads as there are lists of calls. Throws a UsageError where the class can't be used. A call
 * that throws or does not return ends the run, with the rounds before it.
 */
export async function runRounds(request: RoundsRequest): Promise<RoundsRun> {
  const { target, first, threads, rounds, seed, stuckMs } = request;
  const count = threads.length;
  const pool = pools.of(count);
  const control = new SharedArrayBuffer(4 * roundsLayout.words(count));
  const memory = new SharedArrayBuffer(4 * target.words);
  const stop = (): void => {
    Atomics.store(new Int32Array(control), roundsLayout.stop, 1);
  };
  const died: string[] = [];
  const tasks = threads.map(async (calls, thread) => {
    try {
      return await pool.run({ target, first, rounds, seed, memory, control, thread, threads: count, calls });
    } catch (error) {
      died.push(`thread ${String(thread)} died: ${error instanceof Error ? error.message : String(error)}`);
      stop();
      return undefined;
    }
  });
  const all = Promise.all(tasks);
  const stuck = await watch(all, new Int32Array(control), count, stuckMs);
  if (stuck !== undefined) {
    stop();
    await Promise.race([all, later(STOP_GRACE_MS)]);
    await closeRounds(count);
  }
  const seen = await all;
  if (died.length > 0) await closeRounds(count);
  const mistake = seen.find((one) => one?.mistake !== undefined)?.mistake;
  if (mistake !== undefined) throw new UsageError(mistake);
  const [deathMessage] = died;
  const failure: RoundsFailure | undefined =
    stuck !== undefined
      ? { kind: 'stuck', message: stuckMessage(request, new Int32Array(control), stuck) }
      : (threwIn(request, seen) ?? (deathMessage === undefined ? undefined : { kind: 'died', message: deathMessage }));
  return { rounds: roundsOf(request, seen), failure };
}

function later(milliseconds: number): Promise<'later'> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds, 'later');
  });
}

/**
 * Waits until all have ended: undefined. Or until nobody has come further for `stuckMs`: which threads are in a call.
 * Where none is, a thread may be starting or loading a module, for which it has more time.
 */
async function watch(
  all: Promise<unknown>,
  control: Int32Array,
  threads: number,
  stuckMs: number,
): Promise<number[] | undefined> {
  const end = all.then(() => 'ended' as const);
  let before = '';
  let since = performance.now();
  for (;;) {
    if ((await Promise.race([end, later(LOOK_MS)])) === 'ended') return undefined;
    const progress = Array.from({ length: threads }, (_, thread) =>
      Atomics.load(control, roundsLayout.progress(thread)),
    );
    const arrived = progress.map((_, thread) => Atomics.load(control, roundsLayout.arrived(thread)));
    const where = [...progress, ...arrived].join();
    if (where !== before) {
      before = where;
      since = performance.now();
    }
    const inCall = [...progress.keys()].filter((thread) => (progress[thread] ?? 0) % 2 === 1);
    if (performance.now() - since > (inCall.length > 0 ? stuckMs : Math.max(stuckMs, START_MS))) return inCall;
  }
}

/** The call that a thread's counter stands in, and its round. */
function callAt({ first, threads }: RoundsRequest, thread: number, progress: number): [MethodCall | undefined, number] {
  const own = threads[thread] ?? [];
  const calls = thread === 0 ? [...first, ...own] : own;
  const begun = (progress - 1) / 2;
  return [calls[begun % calls.length], Math.floor(begun / calls.length)];
}

function stuckMessage(request: RoundsRequest, control: Int32Array, stuck: readonly number[]): string {
  const parts = stuck.map((thread) => {
    const [call, round] = callAt(request, thread, Atomics.load(control, roundsLayout.progress(thread)));
    return `thread ${String(thread)} in ${call?.method ?? 'a call'}, round ${String(round + 1)}`;
  });
  const where =
    parts.length === 0 ? 'no thread is in a call: its module or constructor does not come to an end' : parts.join('; ');
  return `stuck for ${String(request.stuckMs / 1000)} seconds: ${where}`;
}

function threwIn(
  { first, threads }: RoundsRequest,
  seen: readonly (RoundsSeen | undefined)[],
): RoundsFailure | undefined {
  for (const [thread, one] of seen.entries()) {
    if (one?.threw === undefined) continue;
    const { round, call, message } = one.threw;
    const made = call === undefined ? undefined : call < 0 ? first.at(call) : threads[thread]?.[call];
    return {
      kind: 'threw',
      message: `thread ${String(thread)} threw in ${made?.method ?? 'its constructor'}, round ${String(round + 1)}: ${message}`,
    };
  }
  return undefined;
}

/** What all threads saw, round by round: as many rounds as all have finished. */
function roundsOf({ first, threads }: RoundsRequest, seen: readonly (RoundsSeen | undefined)[]): Round[] {
  const complete = Math.min(...seen.map((one) => one?.rounds ?? 0));
  return Array.from({ length: complete }, (_, round): Round => {
    const before = seen[0]?.results ?? [];
    const stride = first.length + (threads[0]?.length ?? 0);
    return {
      first: before.slice(round * stride, round * stride + first.length),
      threads: threads.map((calls, thread) => {
        const results = seen[thread]?.results ?? [];
        const times = seen[thread]?.times ?? new Int32Array(0);
        const skipped = thread === 0 ? (round + 1) * first.length : 0;
        return calls.map((call, i): TimedCall => {
          const at = round * calls.length + i;
          return { call, result: results[skipped + at], invoked: times[2 * at] ?? 0, returned: times[2 * at + 1] ?? 0 };
        });
      }),
    };
  });
}
