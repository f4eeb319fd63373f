// One CPU of a gang: attaches to the machine's buffer and runs its program at full speed, or, as a live CPU, does what
// its port asks.
import { setFlagsFromString } from 'node:v8';
import type { MessagePort } from 'node:worker_threads';
import { observationsOf, runProgram } from '../src/machine/cpu-task.ts';
import { outcomeOf } from '../src/machine/outcome.ts';
import { clockOffset } from '../src/machine/trace-events.ts';
import { kernel } from '../src/machine/direct.ts';
import type { CpuOutcome, CpuTask } from '../src/machine/gang.ts';
import type { LockingRules } from '../src/kernel/mm/design.ts';
import { makeRoom } from '../src/machine/garbage.ts';
import { profiled } from '../src/machine/profile.ts';
import type { SelfTime } from '../src/machine/profile.ts';

// The fault path is hundreds of tiny accessors; with V8's default budget the last of them stay calls.
setFlagsFromString('--max-inlined-bytecode-size-cumulative=4000');
setFlagsFromString('--max-inlined-bytecode-size=1000');

/** The Piscina task. */
export default async function runCpu(task: CpuTask): Promise<CpuOutcome> {
  const cpu = new kernel.Cpu(task.memory, task.cpu, await rulesOf(task));
  if (cpu.tracing) cpu.clock_offset = clockOffset();
  const seen = observationsOf(task);
  makeRoom(task.memory.buffer.byteLength);
  if (task.port !== undefined) return outcomeOf(task.cpu, await serveUntilStopped(cpu, task.mm, task.port), seen);
  let profile: SelfTime[] | undefined;
  const status = runProgram(cpu, task, seen, (run) => {
    if (!task.isProfiled) return run();
    const { result, times } = profiled(run);
    profile = times;
    return result;
  });
  return { ...outcomeOf(task.cpu, status, seen), ...(profile === undefined ? {} : { profile }) };
}

/** A design's rules. What reads designs is loaded where there is one: most of a short run is for loading modules. */
async function rulesOf({ design }: CpuTask): Promise<(() => LockingRules) | undefined> {
  if (design === undefined) return undefined;
  const { directRules } = await import('../src/machine/design.ts');
  return directRules(design);
}

/** A live CPU, until it is told to stop or its machine is. */
async function serveUntilStopped(
  cpu: InstanceType<typeof kernel.Cpu>,
  mm: number,
  port: MessagePort,
): Promise<CpuOutcome['status']> {
  const { serveLiveCpu } = await import('../src/machine/live.ts');
  try {
    await serveLiveCpu(cpu, mm, port);
    return 'done';
  } catch (error) {
    if (!(error instanceof kernel.CpuStopped)) throw error;
    return 'stopped';
  }
}
