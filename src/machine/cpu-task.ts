// One CPU of a gang, from the barrier to the end of its program: what Node's worker threads and the lab's Web Workers do.
import { kernel } from './direct.ts';
import type { CpuOutcome, CpuTask } from './gang.ts';

/** A CPU at full speed. */
export type DirectCpu = InstanceType<typeof kernel.Cpu>;
/** What its program observes. */
export type DirectObservations = InstanceType<typeof kernel.Observations>;

/** Room for what a task's program observes. */
export function observationsOf({ ops, keepsHistory }: CpuTask): DirectObservations {
  return new kernel.Observations(ops.length, keepsHistory);
}

/** Runs a task's program once all CPUs are there. `around` is given the program's run, to do something around it. */
export function runProgram(
  cpu: DirectCpu,
  { mm, ops }: CpuTask,
  seen: DirectObservations,
  around: (run: () => boolean) => boolean = (run) => run(),
): CpuOutcome['status'] {
  try {
    kernel.cpu_up(cpu, mm);
    kernel.barrier(cpu);
    const ended = around(() => kernel.run_program(cpu, ops, seen));
    kernel.cpu_down(cpu);
    return ended ? 'done' : 'killed';
  } catch (error) {
    if (!(error instanceof kernel.CpuStopped)) throw error;
    return 'stopped';
  }
}
