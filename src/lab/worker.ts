// What a thread of the lab does when it is asked: run one CPU of a machine at full speed, or find out what can
// still happen.
import * as Comlink from 'comlink';
import { observationsOf, runProgram } from '../machine/cpu-task.ts';
import { outcomeOf } from '../machine/outcome.ts';
import type { CpuOutcome, CpuTask } from '../machine/gang.ts';
import { kernel } from '../machine/direct.ts';
import { checkClaim } from './model/campaign.ts';
import type { Claim } from './model/campaign.ts';
import { continuations } from './model/continuations.ts';
import { raceBatch } from './model/race.ts';
import type { RaceBatch, RaceRequest } from './model/race.ts';
import type { ContinuationsRequest, Continuations } from './model/continuations.ts';
import type { Plan } from './model/plan.ts';
import { scheduleTree } from './model/tree.ts';
import type { ScheduleTree, TreeRequest } from './model/tree.ts';

/** What threads answer to. */
export interface WorkerApi {
  runCpu(task: CpuTask): CpuOutcome;
  continuations(request: ContinuationsRequest): Continuations;
  scheduleTree(request: TreeRequest): ScheduleTree;
  raceBatch(request: RaceRequest): Promise<RaceBatch>;
  checkClaim(plan: Plan): Claim;
}

/** Runs one CPU's program, as workers/cpu.ts does in Node. */
function runCpu(task: CpuTask): CpuOutcome {
  const seen = observationsOf(task);
  const cpu = new kernel.Cpu(task.memory, task.cpu);
  return outcomeOf(task.cpu, runProgram(cpu, task, seen), seen);
}

/** Answers the page that started this thread. */
export function serveWorker(): void {
  const api: WorkerApi = { runCpu, continuations, scheduleTree, raceBatch, checkClaim };
  Comlink.expose(api);
}
