// Litmus tests on real threads: one thread per thread of the test, each instance of the test on cache lines of its own,
// a spin barrier before each, so that the threads meet it at the same time.
//
// What the threads share is laid out here; workers/litmus.ts runs it. Every wait of a worker ends at its deadline, and
// the pool is thrown away after a run, so that nothing can be left behind.
import { Piscina } from 'piscina';
import type { LitmusOp, LitmusTest } from '../explore/litmus/test.ts';

/** How the test's plain reads and writes are done; barriers and read-modify-writes are always atomic. */
export type LitmusAccesses = 'plain' | 'atomics';

/** What one worker is asked to do. */
export interface LitmusTask {
  readonly memory: SharedArrayBuffer;
  readonly thread: number;
  readonly threads: number;
  readonly ops: readonly LitmusOp[];
  readonly words: number;
  /** Registers of each thread. */
  readonly registers: readonly number[];
  readonly accesses: LitmusAccesses;
  readonly rounds: number;
  readonly seconds: number;
}

/** What a worker saw: outcomes (registers of all threads in order, then the words) by how often; only thread 0 counts. */
export interface LitmusSeen {
  readonly outcomes: ReadonlyMap<string, number>;
  /** Whether it stopped since another thread did not come to a barrier in time. */
  readonly late: boolean;
}

/** Words between two things that must not share a cache line, nor a pair of lines that is fetched together. */
export const LINE_WORDS = 32;
/** Instances of a test in one round. After a round they are counted and set back. */
export const INSTANCES = 256;
/** Registers that a thread can have. */
export const MAX_REGISTERS = 4;

/** Where things lie in the shared memory, in words. */
export const litmusLayout = {
  /** Set when all shall stop. */
  stop: 0,
  /** How many barriers a thread has come to. */
  arrived: (thread: number): number => (1 + thread) * LINE_WORDS,
  registers: (threads: number, thread: number, instance: number): number =>
    (1 + threads) * LINE_WORDS + (thread * INSTANCES + instance) * MAX_REGISTERS,
  word: (threads: number, words: number, instance: number, word: number): number =>
    (1 + threads) * LINE_WORDS + threads * INSTANCES * MAX_REGISTERS + (instance * words + word) * LINE_WORDS,
};

export interface LitmusLimits {
  /** Rounds of INSTANCES instances; the default is only bounded by time. */
  readonly rounds?: number;
  readonly seconds?: number;
}

/** One outcome on real threads, and how often it came out. */
export interface LitmusOutcome {
  readonly registers: readonly (readonly number[])[];
  readonly memory: readonly number[];
  readonly count: number;
}

/** How a run of a litmus test on real threads ended. */
export interface LitmusRun {
  readonly instances: number;
  readonly outcomes: readonly LitmusOutcome[];
  /** Set where the run ended early: a thread died or did not come in time. What it had counted is kept. */
  readonly failure: string | undefined;
}

const workerFile = new URL('../../workers/litmus.js', import.meta.url).href;
const DEFAULT_SECONDS = 1;
/** Time over its limit that a run has before its threads are ended: they start, and finish a round. */
const GRACE_MS = 10_000;
/** JavaScript heap of a worker. */
const HEAP_MB = 64;

function registersOf(ops: readonly LitmusOp[]): number {
  return ops.filter(({ op }) => op === 'read' || op === 'add').length;
}

/** The outcomes of a worker's counts, the most frequent first. */
function decoded(seen: ReadonlyMap<string, number>, registers: readonly number[]): LitmusOutcome[] {
  const outcomes = [...seen].map(([key, count]) => {
    const values = key.split(',').map(Number);
    return { registers: registers.map((length) => values.splice(0, length)), memory: values, count };
  });
  return outcomes.sort((a, b) => b.count - a.count);
}

/** Runs a litmus test on as many real threads as it has, until rounds or seconds are over. */
export async function runLitmus(
  test: LitmusTest,
  accesses: LitmusAccesses,
  { rounds = Infinity, seconds = DEFAULT_SECONDS }: LitmusLimits = {},
): Promise<LitmusRun> {
  const threads = test.threads.length;
  const words = test.words.length;
  const registers = test.threads.map(registersOf);
  if (Math.max(...registers) > MAX_REGISTERS) {
    throw new Error(`runLitmus: ${test.name} has a thread with more than ${String(MAX_REGISTERS)} registers`);
  }
  const memory = new SharedArrayBuffer(4 * litmusLayout.word(threads, words, INSTANCES, 0));
  const pool = new Piscina<LitmusTask, LitmusSeen>({
    filename: workerFile,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
  });
  // A thread that dies rejects its task, which is where it is dealt with; without a listener Node would exit.
  pool.on('error', () => undefined);
  const timer = new AbortController();
  try {
    const tasks = test.threads.map((ops, thread) =>
      pool.run({ memory, thread, threads, ops, words, registers, accesses, rounds, seconds }, { signal: timer.signal }),
    );
    const limit = setTimeout(
      () => {
        timer.abort();
      },
      seconds * 1000 + GRACE_MS,
    );
    const ends = await Promise.allSettled(
      tasks.map(async (task) => {
        try {
          return await task;
        } catch (error) {
          // The others see that and stop as well.
          Atomics.store(new Int32Array(memory), litmusLayout.stop, 1);
          throw error;
        }
      }),
    );
    clearTimeout(limit);
    const [first] = ends;
    const outcomes = first?.status === 'fulfilled' ? decoded(first.value.outcomes, registers) : [];
    return {
      instances: outcomes.reduce((sum, { count }) => sum + count, 0),
      outcomes,
      failure: failureOf(ends),
    };
  } finally {
    await pool.destroy();
  }
}

function failureOf(ends: readonly PromiseSettledResult<LitmusSeen>[]): string | undefined {
  for (const [thread, end] of ends.entries()) {
    if (end.status === 'rejected') {
      const reason: unknown = end.reason;
      return `thread ${String(thread)} died: ${reason instanceof Error ? reason.message : String(reason)}`;
    }
  }
  const late = ends.findIndex((end) => end.status === 'fulfilled' && end.value.late);
  return late === -1 ? undefined : `thread ${String(late)} waited in vain for another one`;
}
