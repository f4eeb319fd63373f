// A machine: its buffer, booted, with one process in it; programs run on it by real threads or step by step.
import { MessageChannel } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import * as Comlink from 'comlink';
import {
  LOCK_CLASSES,
  LOCK_STAT_WORDS,
  NR_PROCESSES,
  PAGE_COUNTER_MAX,
  STOP_NONE,
  VM_EVENTS,
  cpu_area,
  header,
  mem_cgroup,
  PAGE_STRUCT_SHIFT,
  page,
} from '../kernel/layout.ts';
import type { Layout, VmEvent } from '../kernel/layout.ts';
import type { Op } from '../kernel/program.ts';
import { checkConfig, createMemory } from './config.ts';
import type { MachineConfig } from './config.ts';
import { outcomeOf } from './outcome.ts';
import { designOf, directRules, loneFailure, steppedRules } from './design.ts';
import type { DesignSource } from './design.ts';
import { kernel } from './direct.ts';
import { makeRoom } from './garbage.ts';
import { runGang } from './gang.ts';
import type { CpuOutcome, CpuTask, GangControl, GangOutcome } from './gang.ts';
import { comlinkEndpoint } from './live.ts';
import type { LiveCpuApi } from './live.ts';
import { entryPfn, walkAddress } from './proc/walk.ts';
import { runStepped } from './stepped.ts';
import { clockOffset } from './trace-events.ts';
import { trace_header } from '../kernel/trace-layout.ts';
import type { Chooser, SteppedOutcome } from './stepped.ts';

/** A typed remote CPU: `run` does one operation on a thread of its own. `stop` ends the thread's task. */
export interface LiveCpu {
  run(op: Op): Promise<{ value: number; faults: number; signal: number }>;
  stop(): Promise<void>;
}

/** How `Machine.run` is done. */
export interface RunOptions {
  /** Keep a history of loads, stores and discards for the user-memory judge. */
  history?: boolean;
  /** Profile each CPU's thread while its program runs. */
  profile?: boolean;
  /** Bound on the whole run in milliseconds. */
  limitMs?: number;
  /** Called once the gang is on its way. */
  onStart?: (control: GangControl) => void;
}

const DEFAULT_LIMIT_MS = 120_000;
/** Live CPUs may be driven by a person. */
const LIVE_LIMIT_MS = 3_600_000;

/** A booted machine. */
export class Machine {
  readonly config: MachineConfig;
  /** The locking design where it is of a file. */
  readonly design: DesignSource | undefined;
  /** The machine's memory; `buffer` is the SharedArrayBuffer in it. */
  readonly memory: WebAssembly.Memory;
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly layout: Layout;
  /** The process that programs begin in, number 0: pointer to its mm_struct. */
  readonly mm: number;
  /** The process's innermost memory group. */
  readonly memcg: number;

  constructor(partial: Partial<MachineConfig> = {}) {
    this.config = checkConfig(partial);
    this.design = designOf(this.config.locking);
    const { memory, layout } = createMemory(this.config);
    this.memory = memory;
    this.buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.layout = layout;
    this.words = new Int32Array(this.buffer);
    const cpu = this.cpuHere();
    makeRoom(this.buffer.byteLength);
    const { mm, group } = this.withoutFailures(() => {
      kernel.kmem_cache_init(cpu);
      kernel.page_alloc_init(cpu);
      const root = kernel.mem_cgroup_create(cpu, 0, PAGE_COUNTER_MAX);
      this.words[header.root_memcg] = root;
      let innermost = root;
      const limits = this.config.memcgLimits.length > 0 ? this.config.memcgLimits : [PAGE_COUNTER_MAX];
      for (const limit of limits) innermost = kernel.mem_cgroup_create(cpu, innermost, limit);
      // As a container is started: the process begins in the root, which pays for its pgd, and is then moved in.
      return { mm: kernel.mm_alloc(cpu, root), group: innermost };
    });
    if (mm === 0) throw new Error('Machine: there is no memory for the first process');
    this.mm = mm;
    this.words[header.processes] = mm;
    this.memcg = group;
    this.moveTo(group);
  }

  /** CPUs that attach from now on trace what they do, or do not any more. Nothing on a machine without trace buffers. */
  setTracing(on: boolean): void {
    this.words[trace_header.tracing_on] = on && this.config.traceBuffer > 0 ? 1 : 0;
  }

  /** Does something with no allocation made to fail: set-up is not what fault injection is for. */
  withoutFailures<T>(body: () => T): T {
    const sites = this.words[header.fail_sites] ?? 0;
    this.words[header.fail_sites] = 0;
    const result = body();
    this.words[header.fail_sites] = sites;
    return result;
  }

  /** Moves the process to a memory group; what was charged for it before stays where it is. */
  moveTo(group: number): void {
    kernel.mem_cgroup_attach(this.cpuHere(), this.mm, group);
  }

  /** memory.max of the process's groups, outermost first: what each uses now and so many pages more. */
  limitToUsage(room: readonly number[]): void {
    let group = this.memcg;
    for (const pages of [...room].reverse()) {
      const max = (this.words[group + mem_cgroup.usage] ?? 0) + pages;
      if (!kernel.page_counter_set_max(this.cpuHere(), group, max)) {
        throw new Error('limitToUsage: the machine is not at rest');
      }
      group = this.words[group + mem_cgroup.parent] ?? 0;
    }
  }

  /** Word of the split page-table lock of an address; its table must exist. */
  ptlOf(address: number): number {
    const frame = entryPfn(walkAddress(this, address).pmd) - this.config.basePfn;
    return this.layout.mem_map + (frame << PAGE_STRUCT_SHIFT) + page.ptl;
  }

  /** Where the process's heap begins. */
  setStartBrk(startBrk: number): void {
    kernel.mm_set_start_brk(this.cpuHere(), this.mm, startBrk);
  }

  /** A direct CPU in this thread, for set-up and inspection between runs. */
  cpuHere(id = 0): InstanceType<typeof kernel.Cpu> {
    const cpu = new kernel.Cpu(this.memory, id, directRules(this.design));
    if (cpu.tracing) cpu.clock_offset = clockOffset();
    return cpu;
  }

  /** Runs one operation in this thread, as CPU `id`, at full speed. */
  runHere(ops: readonly Op[], id = 0, history = false): CpuOutcome {
    const cpu = this.cpuHere(id);
    const seen = new kernel.Observations(ops.length, history);
    kernel.cpu_up(cpu, this.mm);
    const alive = kernel.run_program(cpu, ops, seen);
    kernel.cpu_down(cpu);
    return outcomeOf(id, alive ? 'done' : 'killed', seen);
  }

  /** As runHere, before anything races: a locking design that fails there is a UsageError. */
  setUp(ops: readonly Op[], id = 0, history = false): CpuOutcome {
    try {
      return this.runHere(ops, id, history);
    } catch (error) {
      throw this.design === undefined ? error : loneFailure(this.design, error, this.config.stuckMs);
    }
  }

  /** Runs one program per CPU, each on a thread of its own. */
  run(programs: readonly (readonly Op[])[], options: RunOptions = {}): Promise<GangOutcome> {
    if (programs.length !== this.config.cpus) {
      throw new Error(`Machine.run: ${String(programs.length)} programs for ${String(this.config.cpus)} CPUs`);
    }
    const tasks = programs.map((ops, cpu): CpuTask => ({
      memory: this.memory,
      design: this.design,
      cpu,
      mm: this.mm,
      ops,
      keepsHistory: options.history === true,
      isProfiled: options.profile === true,
    }));
    return runGang(tasks, options.limitMs ?? DEFAULT_LIMIT_MS, options.onStart);
  }

  /** Runs one program per CPU in this thread, step by step; `choose` says who goes next. */
  runStepped(programs: readonly (readonly Op[])[], choose: Chooser, history = false): SteppedOutcome {
    return runStepped(this.memory, this.mm, programs, choose, history, steppedRules(this.design));
  }

  /** All CPUs of the machine live, each on a thread of its own, driven through Comlink until all are stopped. */
  liveCpus(): { cpus: LiveCpu[]; ended: Promise<GangOutcome> } {
    const remotes: { remote: Comlink.Remote<LiveCpuApi>; port: MessagePort }[] = [];
    const tasks: CpuTask[] = [];
    for (let cpu = 0; cpu < this.config.cpus; cpu++) {
      const { port1, port2 } = new MessageChannel();
      remotes.push({ remote: Comlink.wrap<LiveCpuApi>(comlinkEndpoint(port1)), port: port1 });
      port1.start();
      tasks.push({
        memory: this.memory,
        design: this.design,
        cpu,
        mm: this.mm,
        ops: [],
        keepsHistory: false,
        isProfiled: false,
        port: port2,
      });
    }
    const ended = runGang(tasks, LIVE_LIMIT_MS);
    // A call to a thread that has died would never settle.
    const gone = ended.then((outcome): never => {
      for (const { port } of remotes) port.close();
      throw new Error(`the live CPUs have ended${outcome.died.map((death) => `: ${death.message}`).join('')}`);
    });
    gone.catch(() => undefined);
    const cpus = remotes.map(({ remote, port }): LiveCpu => {
      return {
        run: (op) => Promise.race([remote.run(op), gone]),
        stop: async () => {
          // The task's end may overtake the answer: it is what was asked for.
          await Promise.race([remote.stop(), ended]);
          port.close();
        },
      };
    });
    return { cpus, ended };
  }

  /** Numbers of the processes that there are, 0 first. The machine must be quiescent. */
  get processes(): number[] {
    return Array.from({ length: NR_PROCESSES }, (_, n) => n).filter((n) => this.words[header.processes + n]! > 0);
  }

  /**
   * Ends all processes, children first, and brings the machine to rest: batches and stocks drained, grace periods over,
   * address spaces torn down by CPU 0. What is left afterwards was leaked.
   */
  exit(): void {
    this.settle();
    for (const process of this.processes.reverse()) {
      const slot = header.processes + process;
      const mm = this.words[slot]!;
      this.words[slot] = 0;
      kernel.mmput(this.cpuHere(0), mm);
    }
    this.settle();
  }

  /** Drains what CPUs hold privately. The machine must be quiescent. */
  settle(): void {
    this.words[header.stop] = STOP_NONE;
    const first = this.cpuHere(0);
    kernel.lru_add_drain_all(first);
    kernel.drain_all_stock(first);
    for (let id = 0; id < this.config.cpus; id++) kernel.rcu_quiescent(this.cpuHere(id));
  }

  /** Sum over all CPUs of an event counter. */
  event(name: VmEvent): number {
    let sum = 0;
    for (let cpu = 0; cpu < this.config.cpus; cpu++) {
      const area = this.layout.cpu_areas + cpu * this.layout.cpu_area_words;
      sum += this.words[area + cpu_area.vm_events + VM_EVENTS.indexOf(name)] ?? 0;
    }
    return sum;
  }

  /** Statistics of every lock class, summed over all CPUs. */
  lockStats(): { name: string; acquisitions: number; contentions: number; spins: number; parks: number }[] {
    return LOCK_CLASSES.map((name, lockClass) => {
      const sums = [0, 0, 0, 0];
      for (let cpu = 0; cpu < this.config.cpus; cpu++) {
        const area = this.layout.cpu_areas + cpu * this.layout.cpu_area_words;
        const at = area + cpu_area.lock_stats + lockClass * LOCK_STAT_WORDS;
        sums.forEach((_, i) => (sums[i]! += this.words[at + i] ?? 0));
      }
      const [acquisitions = 0, contentions = 0, spins = 0, parks = 0] = sums;
      return { name, acquisitions, contentions, spins, parks };
    });
  }

  /** Whether process 0 still has its address space. */
  get alive(): boolean {
    return (this.words[header.processes] ?? 0) > 0;
  }
}

/** Boots a machine with one process. Throws a UsageError for a configuration that is not possible. */
export function boot(config: Partial<MachineConfig> = {}): Machine {
  return new Machine(config);
}
