// What a thread of the lab does when it is asked: run one CPU of a machine at full speed, or find out what can
// still happen.
import * as Comlink from 'comlink';
import type { CpuOutcome, CpuTask } from '../machine/gang.ts';
import { kernel } from '../machine/direct.ts';
import { continuations } from './model/continuations.ts';
import { raceBatch } from './model/race.ts';
import type { RaceBatch, RaceRequest } from './model/race.ts';
import type { ContinuationsRequest, Continuations } from './model/continuations.ts';
import { scheduleTree } from './model/tree.ts';
import type { ScheduleTree, TreeRequest } from './model/tree.ts';

/** What threads answer to. */
export interface WorkerApi {
  runCpu(task: CpuTask): CpuOutcome;
  continuations(request: ContinuationsRequest): Continuations;
  scheduleTree(request: TreeRequest): ScheduleTree;
  raceBatch(request: RaceRequest): Promise<RaceBatch>;
}

/** Runs one CPU's program from the barrier to its end; as workers/cpu.ts does in Node. */
function runCpu(task: CpuTask): CpuOutcome {
  const cpu = new kernel.Cpu(task.memory, task.cpu);
  const seen = new kernel.Observations(task.ops.length, task.keepsHistory);
  let status: CpuOutcome['status'] = 'done';
  try {
    kernel.cpu_up(cpu, task.mm);
    kernel.barrier(cpu);
    if (!kernel.run_program(cpu, task.mm, task.ops, seen)) status = 'killed';
    kernel.cpu_down(cpu);
  } catch (error) {
    if (!(error instanceof kernel.CpuStopped)) throw error;
    status = 'stopped';
  }
  return {
    cpu: task.cpu,
    status,
    values: seen.values,
    faults: seen.faults,
    signals: seen.signals,
    totalFaults: seen.total_faults,
    history: seen.history.subarray(0, seen.events * 6).slice(),
  };
}

/** Answers the page that started this thread. */
export function serveWorker(): void {
  const api: WorkerApi = { runCpu, continuations, scheduleTree, raceBatch };
  Comlink.expose(api);
}
