// The simulated machine as the other side of a comparison: runs a program and shows what the oracle shows of a kernel.
import { header } from '../kernel/layout.ts';
import { SIGKILL } from '../kernel/mm/flags.ts';
import type { Op } from '../kernel/program.ts';
import { boot } from '../machine/boot.ts';
import type { Machine } from '../machine/boot.ts';
import { kernel } from '../machine/direct.ts';
import { pagemapOf, statusFile } from '../machine/proc/process-files.ts';
import { smapsFile } from '../machine/proc/smaps.ts';
import { snapshotProcesses } from '../machine/snapshot.ts';
import type { MmRecord, ProcessSnapshot } from '../machine/snapshot.ts';
import type { About, Look, Run, Step } from './observation.ts';
import { MONITORED_CPUS, MonitoredCpu, isMonitored } from './monitored.ts';
import { PAGE, START_BRK, WINDOWS, isInArena } from './program.ts';
import type { Operation, Program } from './program.ts';

/** Room for all windows in every process, and for their tables. */
const MEMORY: number = 2 * 1024 * 1024;
const MAX_VMAS = 128;
const RUN_LIMIT_MS = 30_000;

type DirectObservations = InstanceType<typeof kernel.Observations>;

/** A CPU that stays up all the time: what its TLB has must be right from one operation to the next. */
interface LoneCpu {
  /** Runs an operation; false if the process was killed. */
  run(operation: Op, seen: DirectObservations): boolean;
  down(): void;
}

class FastCpu implements LoneCpu {
  private readonly cpu: InstanceType<typeof kernel.Cpu>;

  constructor(machine: Machine) {
    this.cpu = machine.cpuHere();
    kernel.cpu_up(this.cpu, machine.mm);
  }

  run(operation: Op, seen: DirectObservations): boolean {
    return kernel.run_program(this.cpu, [operation], seen);
  }

  down(): void {
    kernel.cpu_down(this.cpu);
  }
}

/** For each page of each window what mincore says. */
function mincoreOf(mm: MmRecord): string[] {
  const mapped = new Set(mm.mappings.map(({ address }) => address));
  return WINDOWS.map(({ start, pages }) =>
    Array.from({ length: pages }, (_, i) => {
      const address = start + i * PAGE;
      if (!mm.vmas.some((vma) => vma.start <= address && address < vma.end)) return '-';
      return mapped.has(address) ? '1' : '0';
    }).join(''),
  );
}

function lookAt(s: ProcessSnapshot, mm: MmRecord, process: number): Look {
  return {
    process,
    smaps: smapsFile(s, mm)
      .map((line) => `${line}\n`)
      .join(''),
    // The oracle's own pages are on no CPU's account while it looks, and kernels from 6.17 sum exactly.
    status: statusFile(mm, true).join('\n'),
    mincore: mincoreOf(mm),
    pagemap: WINDOWS.map(({ start, pages }) =>
      pagemapOf(s, mm, start, pages)
        .map((entry) => entry.toString(16))
        .join(' '),
    ),
    anonVmas: new Map(mm.vmas.map(({ start, anonVma }) => [start, anonVma])),
  };
}

/** Machines that run program after program. */
export class Simulated {
  private readonly softDirty: boolean;
  private readonly machines: Map<number, { machine: Machine; fresh: Int32Array }> = new Map<
    number,
    { machine: Machine; fresh: Int32Array }
  >();

  constructor({ softDirty }: Pick<About, 'softDirty'>) {
    this.softDirty = softDirty;
  }

  /** The first frame of its RAM, which is the zero page. */
  get basePfn(): number {
    return this.machineOf(1).config.basePfn;
  }

  /** A machine as if just booted. */
  private machineOf(cpus: number): Machine {
    const known = this.machines.get(cpus);
    if (known !== undefined) {
      known.machine.words.set(known.fresh);
      return known.machine;
    }
    const machine = boot({ cpus, memory: MEMORY, maxVmas: MAX_VMAS, softDirty: this.softDirty });
    machine.setStartBrk(START_BRK);
    this.machines.set(cpus, { machine, fresh: machine.words.slice() });
    return machine;
  }

  /** Runs a program; its threads, if it has any, on threads of their own. */
  async run(program: Program): Promise<Run> {
    const monitored = isMonitored(program);
    const machine = this.machineOf(Math.max(monitored ? MONITORED_CPUS : 1, program.threads.length));
    const start = looks(machine);
    const alone = (operations: readonly Operation[]): Step[] => {
      return stepsOf(machine, monitored ? new MonitoredCpu(machine) : new FastCpu(machine), operations);
    };
    const steps = alone(program.before);
    if (program.threads.length > 0) {
      steps.push(...(await together(machine, program.threads)), { ...NOTHING, seen: looks(machine) });
    }
    steps.push(...alone(program.after));
    return { start, steps };
  }
}

const NOTHING: Step = { value: 0, signal: 0, minor: 0, major: 0, seen: null };

/** All processes, by their numbers. */
function looks(machine: Machine): Look[] {
  const s = snapshotProcesses(machine.buffer);
  return s.mms.toSorted((a, b) => a.process - b.process).map((mm) => lookAt(s, mm, mm.process));
}

function stepsOf(machine: Machine, cpu: LoneCpu, operations: readonly Operation[]): Step[] {
  const steps = operations.map((operation) => ({ ...step(machine, cpu, operation), seen: looks(machine) }));
  cpu.down();
  return steps;
}

function step(machine: Machine, cpu: LoneCpu, operation: Operation): Step {
  const seen = new kernel.Observations(1, false);
  const [minor, major] = [machine.event('min_flt'), machine.event('maj_flt')];
  const isAlive = cpu.run(operation, seen);
  const done = {
    value: loadsLong(operation) ? longOf(seen) : valueOf(operation, seen),
    signal: isAlive ? seen.signals[0]! : SIGKILL,
    minor: machine.event('min_flt') - minor,
    major: machine.event('maj_flt') - major,
    seen: null,
  };
  giveBack(cpu, operation, seen.values[0]!);
  return done;
}

/** What the kernel put outside of the arena goes at once, as the oracle does. */
function giveBack(cpu: LoneCpu, operation: Operation, at: number): void {
  if (operation.op !== 'mmap' && operation.op !== 'mremap') return;
  if (at < 0 || isInArena(at)) return;
  const length = operation.op === 'mmap' ? operation.length : operation.new_length;
  cpu.run({ op: 'munmap', addr: at, length }, new kernel.Observations(1, false));
}

const loadsLong = (operation: Operation): boolean => operation.op === 'load' && operation.size === 8;

/** Eight bytes that were loaded, to the last bit. */
function longOf({ access: { low, high } }: DirectObservations): string {
  return ((BigInt(high) << 32n) | BigInt(low)).toString(16);
}

function valueOf(operation: Operation, seen: Pick<DirectObservations, 'values'>, i = 0): number | string {
  const value = seen.values[i]!;
  // Words come as they lie in memory, signed.
  if (operation.op === 'load') return (value >>> 0).toString(16);
  return operation.op === 'store' || operation.op === 'touch' ? 0 : value;
}

/** Operations of several CPUs at once. Nothing is looked at while they run. */
async function together(machine: Machine, threads: readonly (readonly Operation[])[]): Promise<Step[]> {
  machine.words[header.stop] = 0;
  const { cpus } = await machine.run(threads, { limitMs: RUN_LIMIT_MS });
  return threads.flatMap((operations, thread) => {
    const outcome = cpus.find(({ cpu }) => cpu === thread);
    if (outcome?.status !== 'done') throw new Error(`Simulated.run: CPU ${String(thread)} did not come to its end`);
    return operations.map((operation, i): Step => {
      const signal = outcome.signals[i]!;
      // The fault that ended with a signal is not counted as one.
      const minor = outcome.faults[i]! - (signal === 0 ? 0 : 1);
      return { value: valueOf(operation, outcome, i), signal, minor, major: 0, seen: null };
    });
  });
}
