// An execution that can go back: of a program over words under sequential consistency, whose threads are known.
//
// An ordinary execution can only begin again, and run every thread once more up to the point where the next one differs.
// This one keeps what each step changed, and undoes it; threads are states in a tree (known-threads.ts), run only where
// something is new. Some executions are run from the beginning with the real threads all the same, and compared with
// what is known: a program that takes something from chance, or from what is not in its words, is found out by that.
import type { Step } from '../kernel/memory.ts';
import { Execution } from './execution.ts';
import { READ, classOf } from './footprint.ts';
import { KnownThreads, knownAfter } from './known-threads.ts';
import type { ThreadState } from './known-threads.ts';
import { NondeterminismError } from './nondeterminism.ts';
import type { MemoryModel } from './program.ts';
import { ProgramSubject } from './program-subject.ts';
import type { ExecutionEnd, Subject } from './subject.ts';

/** Executions that are run with the real threads: the first of a search, and then one of so many. */
const REAL_AT_FIRST = 4;
const REAL_EVERY = 64;

/** A step that was taken, and what it takes to undo it. */
interface Done {
  proc: number;
  from: ThreadState;
  to: ThreadState;
  cls: number;
  /** What its word held, and the word above it. */
  value: number;
  valueHi: number;
  /** What the execution's totals were before it. */
  lastCpu: number;
  preemptions: number;
  steps: number;
}

export class RewindingExecution extends Execution {
  private readonly threads: KnownThreads;
  private readonly program: ProgramSubject;
  /** Where each thread stands. */
  private readonly at: ThreadState[] = [];
  /** The first `depth` are this execution's. */
  private readonly done: Done[] = [];
  private depth = 0;
  /** Of those, how many the log of accesses has as they are. */
  private logged = 0;
  private last = -1;
  private executions = 0;
  private readonly alwaysReal: boolean;

  /** `alwaysReal`: runs the real threads in every execution, for audits. */
  constructor(subject: ProgramSubject, alwaysReal: boolean) {
    super(subject, 'sc');
    this.program = subject;
    this.threads = new KnownThreads(subject);
    this.alwaysReal = alwaysReal;
  }

  override restart(): void {
    this.program.reset();
    this.threads.maxSilent = this.maxSteps;
    this.depth = 0;
    this.logged = 0;
    this.last = -1;
    this.steps = 0;
    this.preemptions = 0;
    this.overran = false;
    this.errors.length = 0;
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      this.threads.forget(cpu);
      this.put(cpu, this.threads.start(cpu));
    }
  }

  /** Undoes all steps but the first `depth`, so that the next can be taken from there. False: begin again, for real. */
  rewindTo(depth: number): boolean {
    const n = this.executions++;
    if (this.alwaysReal || n < REAL_AT_FIRST || n % REAL_EVERY === 0) return false;
    this.overran = false;
    if (depth < this.depth) this.undo(depth);
    return true;
  }

  /** Stands before the first step again, in the execution that it is in. */
  startOver(): void {
    if (this.alwaysReal) this.restart();
    else if (this.depth > 0) this.undo(0);
  }

  private undo(depth: number): void {
    const { words, done, errors } = this;
    for (let d = this.depth - 1; d >= depth; d--) {
      const { proc, from, to, value, valueHi } = done[d]!;
      const { word, width } = from.step!;
      if (width > 0) words[word] = value;
      if (width === 2) words[word + 1] = valueHi;
      if (to.error !== undefined) errors.pop();
      this.at[proc] = from;
      this.threads.forget(proc);
    }
    const { lastCpu, preemptions, steps } = done[depth]!;
    this.last = lastCpu;
    this.preemptions = preemptions;
    this.steps = steps;
    this.depth = depth;
    if (this.logged > depth) this.logged = depth;
  }

  override isAlive(cpu: number): boolean {
    return this.at[cpu]!.step !== undefined;
  }

  override pending(cpu: number): Step {
    return this.at[cpu]!.step ?? super.pending(cpu);
  }

  override isEnabled(proc: number): boolean {
    const { step } = this.at[proc]!;
    return step !== undefined && (step.ready === undefined || step.ready(this.words[step.word]!));
  }

  override isOver(): boolean {
    for (let cpu = 0; cpu < this.cpus; cpu++) if (this.at[cpu]!.step !== undefined) return false;
    return true;
  }

  override end(): ExecutionEnd {
    return { returns: this.at.map(({ returned }) => returned) };
  }

  override get schedule(): readonly number[] {
    const runs: number[] = [];
    for (let d = 0; d < this.depth; d++) {
      const { proc, to } = this.done[d]!;
      const steps = 1 + to.silent.length;
      if (runs[runs.length - 2] === proc) runs[runs.length - 1]! += steps;
      else runs.push(proc, steps);
    }
    return runs;
  }

  override ended(): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) this.refuseStrange(cpu);
    const { log, done, depth } = this;
    if (log === undefined) return;
    if (this.logged === 0) log.begin();
    else if (this.logged < depth) log.backTo(done[this.logged]!.steps);
    else log.backTo(this.steps);
    // It wants every step of a program.
    for (let d = this.logged; d < depth; d++) {
      const { proc, from, to, cls } = done[d]!;
      log.add(proc, from.step!, cls !== READ);
      for (const step of to.silent) log.add(proc, step, false);
    }
    this.logged = depth;
  }

  override take(proc: number): void {
    this.refuseStrange(proc);
    const from = this.at[proc]!;
    const step = from.step!;
    const { words, taken } = this;
    const { kind, word, width } = step;
    const value = words[word]!;
    const valueHi = width === 2 ? words[word + 1]! : 0;
    const cls = from.cls === 0 ? classOf(step, value, valueHi, value === step.operand) : from.cls;
    taken.proc = proc;
    taken.kind = kind;
    taken.word = word;
    taken.width = width;
    taken.cls = cls;
    taken.value = value;
    taken.valueHi = valueHi;
    taken.operand = step.operand;
    taken.operandHi = step.operand_hi;
    taken.ready = step.ready;
    const { last, preemptions, steps } = this;
    if (last >= 0 && last !== proc && this.isEnabled(last)) this.preemptions += 1;
    let to = this.threads.isLive(proc) ? undefined : knownAfter(from, value, valueHi);
    if (to === undefined) to = this.threads.run(proc, from, value, valueHi);
    else if (kind === 'add') words[word] = value + step.operand;
    else if (cls !== READ) {
      words[word] = to.wrote;
      if (width === 2) words[word + 1] = to.wroteHi;
    }
    const done = (this.done[this.depth] ??= nothingDone(proc, from));
    done.proc = proc;
    done.from = from;
    done.to = to;
    done.cls = cls;
    done.value = value;
    done.valueHi = valueHi;
    done.lastCpu = last;
    done.preemptions = preemptions;
    done.steps = steps;
    this.depth += 1;
    this.last = proc;
    this.steps = steps + 1 + to.silent.length;
    if (this.steps > this.maxSteps) this.overran = true;
    this.put(proc, to);
  }

  /** Refuses a program one of whose threads did something else than it is known to do. */
  private refuseStrange(cpu: number): void {
    const strange = this.threads.strangeState(cpu);
    if (strange === undefined) return;
    const step = this.done.slice(0, this.depth).findIndex(({ proc, from }) => proc === cpu && from === strange);
    throw new NondeterminismError(step < 0 ? this.depth : step);
  }

  private put(cpu: number, state: ThreadState): void {
    this.at[cpu] = state;
    if (state.error !== undefined) this.errors.push({ cpu, message: state.error });
  }
}

/** An execution for a search by partial-order reduction: one that goes back, where there is one. */
export function executionFor(subject: Subject, model: MemoryModel, alwaysReal: boolean): Execution {
  const goesBack = model === 'sc' && subject instanceof ProgramSubject;
  return goesBack ? new RewindingExecution(subject, alwaysReal) : new Execution(subject, model);
}

function nothingDone(proc: number, state: ThreadState): Done {
  return { proc, from: state, to: state, cls: READ, value: 0, valueHi: 0, lastCpu: 0, preemptions: 0, steps: 0 };
}
