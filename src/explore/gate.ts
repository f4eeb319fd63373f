// One CPU on a thread of its own that takes its steps when a schedule says so: each waits at a gate until all before it
// were taken, by whatever thread. The code that runs is the stepped one, over memory that the threads really share.
import { Observations } from '../kernel/observations.ts';
import { run_explored } from '../kernel/program.ts';
import type { Op } from '../kernel/program.ts';
import type { Step, Steps } from '../kernel/memory.ts';
import type { LockingRules } from '../kernel/mm/design.ts';
import type { DesignSource } from '../machine/design.ts';
import { ExploredCpu } from './kernel-image.ts';
import type { MemoryModel } from './program.ts';
import type { SubjectSpec } from './subject-spec.ts';
import { CpuStoreBuffer } from './store-buffers.ts';
import type { SteppedCpu } from './subject.ts';
import { ThreadCpu } from './thread-cpu.ts';

/** Words of a gate: how many steps were taken; not 0 if somebody gave up. */
export const gate = { taken: 0, abandoned: 1 } as const;
export const GATE_WORDS = 2;

/** What one thread is asked to do. */
export interface GateTask {
  readonly cpu: number;
  readonly gate: SharedArrayBuffer;
  /** Whose turn each step is: an index into `procs`. */
  readonly turns: Int32Array;
  /** Names of procs, as tokens have them. */
  readonly procs: readonly string[];
  readonly memoryModel: MemoryModel;
  /** Words that other CPUs see; undefined: all. */
  readonly shared: readonly number[] | undefined;
  /** How long one wait may last, in milliseconds. */
  readonly limitMs: number;
  /** The memory of a machine whose CPUs are up, and this CPU's program. */
  readonly kernel?: {
    readonly memory: WebAssembly.Memory;
    readonly ops: readonly Op[];
    readonly design: DesignSource | undefined;
  };
  /** A program of the catalogue over this memory. */
  readonly program?: { readonly spec: SubjectSpec; readonly memory: SharedArrayBuffer };
}

/** What came of it. */
export interface GateAnswer {
  /** What a program's thread returned, or what a CPU's program observed. */
  readonly returned: unknown;
  readonly error: string | undefined;
}

/** Thrown where a schedule has ended before its CPU has. */
class ScheduleOver extends Error {}

/** A CPU at its gate. */
class GatedCpu {
  private readonly task: GateTask;
  private readonly words: Int32Array;
  private readonly buffer: CpuStoreBuffer;
  /** It has passed the gate and is taking its step. */
  private inside = false;

  constructor(task: GateTask, cpu: SteppedCpu) {
    this.task = task;
    this.words = new Int32Array(task.gate);
    const shared = task.shared === undefined ? undefined : new Set(task.shared);
    const seenAt = (word: number, width: number): number => {
      if (shared === undefined) return word;
      for (let w = word; w < word + width; w++) if (shared.has(w)) return w;
      return -1;
    };
    const byWord = task.memoryModel === 'pso' || task.shared !== undefined;
    this.buffer = new CpuStoreBuffer(
      task.memoryModel,
      cpu.words,
      seenAt,
      (word) => (byWord ? word : 0),
      () => 0,
    );
    if (task.memoryModel !== 'sc') cpu.store_buffer = this.buffer;
    cpu.announce = (step) => this.announced(step);
  }

  private announced(step: Step): boolean {
    if (step.kind === 'note') return false;
    this.leave();
    if (!this.waitForTurn()) throw new ScheduleOver();
    if (step.kind === 'release') this.buffer.barrier();
    this.inside = true;
    return false;
  }

  /** The step is done: the next one's turn. */
  leave(): void {
    if (!this.inside) return;
    this.inside = false;
    this.advance();
  }

  private advance(): void {
    Atomics.add(this.words, gate.taken, 1);
    Atomics.notify(this.words, gate.taken);
  }

  /** Waits for this CPU's turn, and takes its buffered stores out when that is what is due. False: there is none. */
  waitForTurn(): boolean {
    const { turns, procs, cpu, limitMs } = this.task;
    const own = String(cpu);
    for (;;) {
      const taken = Atomics.load(this.words, gate.taken);
      if (taken >= turns.length || Atomics.load(this.words, gate.abandoned) !== 0) return false;
      const proc = procs[turns[taken]!]!;
      if (proc === own) return true;
      if (proc.startsWith(`${own}w`)) this.drain(proc.slice(own.length + 1));
      else if (Atomics.wait(this.words, gate.taken, taken, limitMs) === 'timed-out') {
        Atomics.store(this.words, gate.abandoned, 1);
        Atomics.notify(this.words, gate.taken);
        throw new Error(`CPU ${own} waited ${String(limitMs)} ms for step ${String(taken + 1)}, which is ${proc}'s`);
      }
    }
  }

  private drain(word: string): void {
    const store = this.buffer.ready(word === '' ? 0 : Number(word));
    if (store === undefined) throw new Error(`CPU ${String(this.task.cpu)} has no store that could go out`);
    this.buffer.drain(store);
    this.advance();
  }
}

/** Runs a computation to its end, or to the end of the schedule. */
function runGated(gated: GatedCpu, steps: Steps<unknown>): unknown {
  let returned: unknown;
  try {
    for (;;) {
      const next = steps.next();
      if (next.done === true) {
        returned = next.value;
        break;
      }
    }
  } catch (error) {
    if (error instanceof ScheduleOver) return undefined;
    throw error;
  } finally {
    gated.leave();
  }
  // It has ended, but stores of it may still have to go out.
  while (gated.waitForTurn()) throw new Error('a step was due of a CPU that has ended');
  return returned;
}

/** A design's rules. What reads designs is loaded where there is one: most of a short replay is for loading modules. */
async function rulesOf(design: DesignSource | undefined): Promise<(() => LockingRules) | undefined> {
  if (design === undefined) return undefined;
  const { steppedRules } = await import('../machine/design.ts');
  return steppedRules(design);
}

/** Does what a thread is asked to do. */
export async function runAtGate(task: GateTask): Promise<GateAnswer> {
  try {
    if (task.kernel !== undefined) {
      const { memory, ops, design } = task.kernel;
      const frames = new Uint8Array(memory.buffer.byteLength >> 12);
      const cpu = new ExploredCpu(memory, task.cpu, frames, await rulesOf(design));
      const seen = new Observations(ops.length, true);
      runGated(new GatedCpu(task, cpu), run_explored(cpu, ops, seen));
      return { returned: [...seen.values], error: undefined };
    }
    if (task.program === undefined) throw new Error('runAtGate: there is nothing to run');
    const cpu = new ThreadCpu(task.program.memory, task.cpu);
    const gated = new GatedCpu(task, cpu);
    const { loadProgram } = await import('./subject-spec.ts');
    const { threads } = await loadProgram(task.program.spec);
    const thread = threads[task.cpu]!;
    return { returned: runGated(gated, thread(cpu)), error: undefined };
  } catch (error) {
    return { returned: undefined, error: error instanceof Error ? error.message : String(error) };
  }
}
