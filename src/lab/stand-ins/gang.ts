// Stands in for src/machine/gang.ts in a browser: real threads there are Web Workers, driven through Comlink.
//
// Workers are kept for the next run. A run that is late, or one of whose CPUs has died, ends them all: whatever lock a
// dead CPU held stays held, so that the machine is lost too.
import type { CpuTask, GangControl, GangOutcome } from '../../machine/gang.ts';
import { STOP_NONE, STOP_REQUESTED, header } from '../../kernel/layout.ts';
import { startWorker } from '../worker-start.ts';
import type { LabWorker } from '../worker-start.ts';

/** Time that CPUs have to see STOP before their threads are ended. */
const STOP_GRACE_MS = 2000;

const idle: LabWorker[] = [];
const busy = new Set<LabWorker>();

/** Ends all threads, those that run something included. */
export function closeGangs(): Promise<void> {
  for (const worker of [...idle, ...busy]) worker.end();
  idle.length = 0;
  busy.clear();
  return Promise.resolve();
}

/** Threads that there are now. */
export function gangThreads(): number {
  return idle.length + busy.size;
}

/** Asks every CPU of a machine to stop. */
export function requestStop(memory: WebAssembly.Memory): void {
  const words = new Int32Array(memory.buffer);
  Atomics.compareExchange(words, header.stop, STOP_NONE, STOP_REQUESTED);
}

function late(milliseconds: number): Promise<'late'> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds, 'late');
  });
}

/** Runs one task per CPU on as many Web Workers and waits for all of them, for so long at most. */
export async function runGang(
  tasks: readonly CpuTask[],
  limitMs: number,
  onStart?: (control: GangControl) => void,
): Promise<GangOutcome> {
  const gang = tasks.map(() => idle.pop() ?? startWorker());
  for (const worker of gang) busy.add(worker);
  const died: GangOutcome['died'] = [];
  const started = performance.now();
  const runs = gang.map(async (worker, i) => {
    const task = tasks[i];
    if (task === undefined) return undefined;
    try {
      return await Promise.race([worker.api.runCpu(task), worker.died]);
    } catch (error) {
      died.push({ cpu: task.cpu, message: error instanceof Error ? error.message : String(error) });
      requestStop(task.memory);
      return undefined;
    }
  });
  onStart?.({
    killCpu: (cpu) => {
      gang[tasks.findIndex((task) => task.cpu === cpu)]?.end();
      return Promise.resolve();
    },
  });
  const all = Promise.all(runs);
  let ended = await Promise.race([all, late(limitMs)]);
  const [first] = tasks;
  if (ended === 'late' && first !== undefined) {
    requestStop(first.memory);
    ended = await Promise.race([all, late(STOP_GRACE_MS)]);
  }
  const seconds = (performance.now() - started) / 1000;
  for (const worker of gang) {
    busy.delete(worker);
    if (ended === 'late' || died.length > 0) worker.end();
    else idle.push(worker);
  }
  const outcomes = (await all).filter((outcome) => outcome !== undefined);
  return { cpus: outcomes, died, seconds };
}
