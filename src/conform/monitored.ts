// A CPU of the machine whose faults a monitor answers, both in this thread: step by step, so that where the CPU waits
// for an answer another one can give it.
import * as kernel from '../kernel/index.ts';
import type { Op } from '../kernel/program.ts';
import type { Machine } from '../machine/boot.ts';
import { canGo, finish } from '../machine/stepped.ts';
import type { Answer, Operation, Program } from './program.ts';

/** CPUs that this needs: who runs the program, and the monitor. */
export const MONITORED_CPUS = 2;
const MONITOR_CPU = 1;
/** Answers that one operation may ask for: its pages, each some times. */
const MAX_ANSWERS = 1000;

/** Whether a program registers memory for missing faults. */
export function isMonitored({ before, after }: Program): boolean {
  return [...before, ...after].some(({ op }) => op === 'uffd_register');
}

/** A CPU that is up until `down`; its monitor is up only while it answers. */
export class MonitoredCpu {
  private readonly machine: Machine;
  private readonly cpu: InstanceType<typeof kernel.Cpu>;
  private readonly monitor: InstanceType<typeof kernel.Cpu>;
  /** How the faults of each process are answered. */
  private readonly answers: Map<number, Answer> = new Map<number, Answer>();

  constructor(machine: Machine) {
    this.machine = machine;
    this.cpu = new kernel.Cpu(machine.memory, 0);
    this.monitor = new kernel.Cpu(machine.memory, MONITOR_CPU);
    finish(kernel.cpu_up(this.cpu, machine.mm));
  }

  /** Runs an operation; false if the process was killed. */
  run(operation: Operation | Op, seen: InstanceType<typeof kernel.Observations>): boolean {
    if ('how' in operation) {
      const { how, value } = operation;
      this.answers.set(kernel.current_process(this.cpu), { how, value });
    }
    const steps = kernel.run_program(this.cpu, [operation], seen);
    for (let answers = 0; ;) {
      const { done, value } = steps.next();
      if (done === true) return value;
      if (value.kind === 'note' || canGo(this.machine.words, value)) continue;
      if (++answers > MAX_ANSWERS) throw new Error(`MonitoredCpu.run: ${operation.op} waits for ever`);
      this.answer();
    }
  }

  private answer(): void {
    const answer = this.answers.get(kernel.current_process(this.cpu));
    if (answer === undefined)
      throw new Error('MonitoredCpu.answer: a fault waits for a monitor that nobody has asked for');
    finish(kernel.cpu_up(this.monitor, kernel.current_mm(this.cpu)));
    const serve: Op = { op: 'uffd_serve', faults: 1, ...answer };
    finish(kernel.run_program(this.monitor, [serve], new kernel.Observations(1, false)));
    // The page leaves the monitor's batch, as in the oracle.
    finish(kernel.lru_add_drain_all(this.monitor));
    finish(kernel.cpu_down(this.monitor));
  }

  down(): void {
    finish(kernel.cpu_down(this.cpu));
  }
}
