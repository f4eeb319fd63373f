// One CPU of a gang: attaches to the machine's buffer and runs its program at full speed, or, as a live CPU, does what
// its port asks.
import { setFlagsFromString } from 'node:v8';
import { directRules } from '../src/machine/design.ts';
import { kernel } from '../src/machine/direct.ts';
import type { CpuOutcome, CpuTask } from '../src/machine/gang.ts';
import { makeRoom } from '../src/machine/garbage.ts';
import { serveLiveCpu } from '../src/machine/live.ts';
import { profiled } from '../src/machine/profile.ts';
import type { SelfTime } from '../src/machine/profile.ts';

// The fault path is hundreds of tiny accessors; with V8's default budget the last of them stay calls.
setFlagsFromString('--max-inlined-bytecode-size-cumulative=4000');
setFlagsFromString('--max-inlined-bytecode-size=1000');

/** The Piscina task. */
export default async function runCpu(task: CpuTask): Promise<CpuOutcome> {
  const cpu = new kernel.Cpu(task.memory, task.cpu, directRules(task.design));
  const seen = new kernel.Observations(task.ops.length, task.keepsHistory);
  makeRoom(task.memory.buffer.byteLength);
  let status: CpuOutcome['status'] = 'done';
  let profile: SelfTime[] | undefined;
  try {
    if (task.port !== undefined) await serveLiveCpu(cpu, task.mm, task.port);
    else {
      kernel.cpu_up(cpu, task.mm);
      kernel.barrier(cpu);
      const run = (): boolean => kernel.run_program(cpu, task.mm, task.ops, seen);
      let ended: boolean;
      if (task.isProfiled) ({ result: ended, times: profile } = profiled(run));
      else ended = run();
      if (!ended) status = 'killed';
      kernel.cpu_down(cpu);
    }
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
    ...(profile === undefined ? {} : { profile }),
  };
}
