// Real threads: one Piscina pool per gang size, every CPU of a machine a task on a thread of its own.
//
// A gang needs all its threads at once, so the pool has exactly as many as there are CPUs, gangs take turns, and a
// CPU that dies stops the others through the machine's STOP word. After a death the pool is thrown away with its
// threads: whatever lock the dead CPU held stays held, so the machine is lost too.
import type { MessagePort } from 'node:worker_threads';
import { STOP_NONE, STOP_REQUESTED, header } from '../kernel/layout.ts';
import type { Op } from '../kernel/program.ts';
import type { DesignSource } from './design.ts';
import type { SelfTime } from './profile.ts';
import { WarmPools } from './warm-pools.ts';

/** What one worker is asked to do. */
export interface CpuTask {
  memory: WebAssembly.Memory;
  /** The locking design where it is the user's own. */
  design: DesignSource | undefined;
  cpu: number;
  mm: number;
  /** The program; a live CPU has a port instead. */
  ops: readonly Op[];
  keepsHistory: boolean;
  /** Whether its thread is profiled while it runs. */
  isProfiled: boolean;
  port?: MessagePort;
}

/** What came back from one worker. */
export interface CpuOutcome {
  cpu: number;
  /** `done`: the program ended; `killed`: the process was killed on the way (out of memory); `stopped`: STOP was seen. */
  status: 'done' | 'killed' | 'stopped';
  values: Float64Array;
  faults: Int32Array;
  /** Per operation, what getrusage counts as ru_minflt. */
  minorFaults: Int32Array;
  signals: Uint8Array;
  totalFaults: number;
  /** ru_minflt and ru_majflt of the program. */
  minFlt: number;
  majFlt: number;
  history: Float64Array;
  /** Where its time went, if that was asked for. */
  profile?: SelfTime[];
}

/** How a gang's run ended. */
export interface GangOutcome {
  cpus: CpuOutcome[];
  /** CPUs whose thread died (threw, was killed, ran out of memory), with what it said. */
  died: { cpu: number; message: string }[];
  seconds: number;
}

const workerFile = new URL('../../workers/cpu.js', import.meta.url).href;
/** Time that the other CPUs have to see STOP after one has died, before their threads are ended. */
const STOP_GRACE_MS = 2000;
/** JavaScript heap of one CPU's thread. */
const HEAP_MB = 512;

const pools = new WarmPools<CpuTask, CpuOutcome>(workerFile, Infinity, {
  resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
});
let turn: Promise<unknown> = Promise.resolve();

/** Ends the threads of every gang, or of those of one size. The next gang starts new ones. */
export async function closeGangs(size?: number): Promise<void> {
  await pools.close(size);
}

/** Threads that all gangs have. */
export function gangThreads(): number {
  return pools.threads;
}

/** Asks every CPU of a machine to stop: spin loops and programs poll the word. */
export function requestStop(memory: WebAssembly.Memory): void {
  const words = new Int32Array(memory.buffer);
  Atomics.compareExchange(words, header.stop, STOP_NONE, STOP_REQUESTED);
}

/** Runs `body` when no other gang runs. */
function inTurn<T>(body: () => Promise<T>): Promise<T> {
  const mine = turn.then(body, body);
  turn = mine.catch(() => undefined);
  return mine;
}

function deadline(milliseconds: number): Promise<'late'> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds, 'late').unref();
  });
}

/** What a caller can do to a gang while it runs. */
export interface GangControl {
  /** Ends the thread of one CPU where it stands, as SIGKILL would. */
  killCpu(cpu: number): Promise<void>;
}

/**
 * Runs one task per CPU on as many threads and waits for all of them. `onStart` is called once they are on their way.
 * `limitMs` bounds the whole run: after it the machine is stopped.
 */
export function runGang(
  tasks: readonly CpuTask[],
  limitMs: number,
  onStart?: (control: GangControl) => void,
): Promise<GangOutcome> {
  return inTurn(() => runGangNow(tasks, limitMs, onStart));
}

async function runGangNow(
  tasks: readonly CpuTask[],
  limitMs: number,
  onStart?: (control: GangControl) => void,
): Promise<GangOutcome> {
  const pool = pools.of(tasks.length);
  const first = tasks[0];
  if (first === undefined) throw new Error('runGang: a gang needs a task');
  const died: { cpu: number; message: string }[] = [];
  const started = performance.now();
  const runs = tasks.map(async (task) => {
    const { port } = task;
    try {
      return await pool.run(task, port === undefined ? {} : { transferList: [port] });
    } catch (error) {
      died.push({ cpu: task.cpu, message: error instanceof Error ? error.message : String(error) });
      requestStop(task.memory);
      return undefined;
    }
  });
  onStart?.({
    killCpu: async (cpu) => {
      await pool.threads[tasks.findIndex((task) => task.cpu === cpu)]?.terminate();
    },
  });
  const all = Promise.all(runs);
  // Once one CPU has died the others only get the time to see STOP.
  const firstDeath = new Promise<'late'>((resolve) => {
    for (const run of runs) {
      void run.then(async (outcome) => {
        if (outcome === undefined) resolve(await deadline(STOP_GRACE_MS));
      });
    }
  });
  let ended = await Promise.race([all, firstDeath, deadline(limitMs)]);
  if (ended === 'late' && died.length === 0) {
    requestStop(first.memory);
    ended = await Promise.race([all, deadline(STOP_GRACE_MS)]);
  }
  const seconds = (performance.now() - started) / 1000;
  if (ended === 'late' || died.length > 0) await closeGangs(tasks.length);
  const outcomes = (await all).filter((outcome) => outcome !== undefined);
  return { cpus: outcomes, died, seconds };
}
