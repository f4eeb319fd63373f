// One execution of a subject, one step at a time, in the order that a strategy says.
//
// Whoever can take a step is a proc: a CPU, or (under weak memory) whoever takes a CPU's buffered stores to memory. A
// step that nobody else can see (of a word that one CPU alone touches) is no choice: the CPU goes on through it without
// coming back here. Which words are shared is found out on the way, and `discovered` says that more were found.
import type { Step, StepKind, Steps } from '../kernel/memory.ts';
import type { AccessLog } from './access-log.ts';
import { READ, WRITE, classOf } from './footprint.ts';
import type { MemoryModel } from './program.ts';
import type { PendingStep } from './race.ts';
import { SharedWords } from './shared-words.ts';
import { CpuStoreBuffer } from './store-buffers.ts';
import type { BufferedStore } from './store-buffers.ts';
import type { ExecutionEnd, Subject } from './subject.ts';

/** Steps, seen or not, after which an execution is called a livelock, where nothing else is said. */
export const MAX_STEPS = 20_000;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What was done by the step taken last. One object, overwritten by the next. */
export interface TakenStep extends Writable<PendingStep> {
  /** For a store that goes out: the stores that had to go before it. */
  store: BufferedStore | undefined;
}

/** Hears of every step of an execution, seen or not, and of remarks. */
export interface Listener {
  /** A CPU announces its next step: its program's functions are on the stack. */
  announced(cpu: number): void;
  beforeStep(proc: number, step: Step, preempts: boolean): void;
  beforeDrain(proc: number, cpu: number, store: BufferedStore): void;
  afterStep(): void;
  note(cpu: number, note: string, values: readonly unknown[]): void;
}

/** Drives one execution after another of one subject. */
export class Execution {
  readonly subject: Subject;
  readonly model: MemoryModel;
  /** Number of CPUs. */
  readonly cpus: number;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly buffers: readonly CpuStoreBuffer[];
  /** Words that CPUs share, as far as is known; meaningless where every step is a choice. */
  readonly shared: SharedWords;
  readonly taken: TakenStep;
  /** Steps taken so far, seen or not. */
  steps = 0;
  preemptions = 0;
  /** Took more steps than maxSteps: somebody loops. */
  overran = false;
  /** Steps that each CPU has been chosen for. */
  readonly turns: number[] = [];
  readonly errors: { cpu: number; message: string }[] = [];
  listener: Listener | undefined = undefined;
  /** Keeps what judges of whole executions read. */
  log: AccessLog | undefined = undefined;
  maxSteps: number = MAX_STEPS;
  private readonly runs: number[] = [];
  private starting = false;
  /** One for each CPU, made once: a call to the same function is one that the JIT compiler can inline. */
  private announcers: readonly ((step: Step) => boolean)[] | undefined = undefined;
  private returns: unknown[] = [];
  private gens: readonly Steps<unknown>[] = [];
  private readonly alive: boolean[] = [];
  private lastCpu = -1;
  private budget = -1;
  private scheduler: (() => number) | undefined = undefined;
  /** The proc that the scheduler named last, if it has not gone yet; -1: it is to be asked. */
  private named = -1;
  /** Whether a CPU's stores are taken out by one proc for each word, so that their names say which words are shared. */
  readonly byWord: boolean;
  private readonly drainProcs = new Map<number, number>();
  private readonly drainCpus: number[] = [];
  private readonly drainWords: number[] = [];

  constructor(subject: Subject, model: MemoryModel) {
    this.subject = subject;
    this.model = model;
    this.cpus = subject.cpus.length;
    this.words = subject.words;
    this.shared = new SharedWords(subject.everyStep ? 0 : subject.words.length);
    this.taken = {
      proc: 0,
      kind: 'note',
      cls: 0,
      word: 0,
      width: 0,
      value: 0,
      valueHi: 0,
      operand: 0,
      operandHi: 0,
      ready: undefined,
      also: 0,
      alsoValue: 0,
      store: undefined,
    };
    this.byWord = model === 'pso' || !subject.everyStep;
    if (model === 'tso' && !this.byWord) for (let cpu = 0; cpu < this.cpus; cpu++) this.drainCpus.push(cpu);
    const seenAt = subject.everyStep
      ? (word: number): number => word
      : (word: number, width: number): number => this.shared.firstKnown(word, width);
    const buffer = (cpu: number): CpuStoreBuffer =>
      new CpuStoreBuffer(
        model,
        this.words,
        seenAt,
        (word) => this.drainProc(cpu, word),
        () => this.turns[cpu]!,
      );
    // Nothing is ever in them under sc: all have the same one.
    const empty = model === 'sc' ? buffer(0) : undefined;
    this.buffers = subject.cpus.map((_, cpu) => empty ?? buffer(cpu));
  }

  /** Begins again: memory as at first, every CPU before its first step. */
  restart(): void {
    this.shared.begin();
    this.steps = 0;
    this.preemptions = 0;
    this.runs.length = 0;
    this.errors.length = 0;
    this.returns = new Array<unknown>(this.cpus).fill(undefined);
    this.lastCpu = -1;
    this.budget = -1;
    const { cpus } = this.subject;
    const announcers = (this.announcers ??= cpus.map((_, p) => (step: Step) => this.arrive(p, step)));
    for (let p = 0; p < this.cpus; p++) {
      const cpu = cpus[p]!;
      this.buffers[p]!.clear();
      cpu.store_buffer = this.model === 'sc' ? undefined : this.buffers[p];
      cpu.announce = announcers[p]!;
    }
    this.overran = false;
    this.log?.begin();
    this.gens = this.subject.restart();
    // Every CPU stands before its first step, even one that nobody sees, so that a token counts all of them.
    this.starting = true;
    for (let p = 0; p < this.cpus; p++) {
      this.alive[p] = true;
      this.turns[p] = 0;
      this.resume(p);
    }
    this.starting = false;
  }

  /** The execution is over, as far as whoever drives it is concerned: to be called before it is judged. */
  ended(): void {
    // An execution that runs from the beginning has all that judges read.
  }

  /** Run-length schedule: proc, count, proc, count … */
  get schedule(): readonly number[] {
    return this.runs;
  }

  /** More words are shared than was known when this execution began. */
  get discovered(): boolean {
    return this.shared.discovered;
  }

  /** How many procs there are so far: CPUs first, then those that take stores out. */
  get procs(): number {
    return this.cpus + this.drainCpus.length;
  }

  /** The CPU whose proc this is, or whose stores it takes out. */
  cpuOf(proc: number): number {
    return proc < this.cpus ? proc : this.drainCpus[proc - this.cpus]!;
  }

  /** The proc that takes stores of `word` of a CPU to memory; under tso one takes all where every step is a choice. */
  drainProc(cpu: number, word: number): number {
    if (!this.byWord) return this.cpus + cpu;
    const key = cpu * 0x40000000 + word;
    let proc = this.drainProcs.get(key);
    if (proc === undefined) {
      proc = this.procs;
      this.drainProcs.set(key, proc);
      this.drainCpus.push(cpu);
      this.drainWords.push(word);
    }
    return proc;
  }

  /** A proc's name in a token: `0` a CPU, `0w` its oldest store, `0w12` its oldest store of word 12. */
  procName(proc: number): string {
    if (proc < this.cpus) return String(proc);
    const cpu = String(this.cpuOf(proc));
    return this.byWord ? `${cpu}w${String(this.drainWords[proc - this.cpus])}` : `${cpu}w`;
  }

  /** The proc of a name in a token; -1 where there is none. */
  procByName(name: string): number {
    const [, cpuText = '', w, word = ''] = /^(\d+)(w(\d*))?$/.exec(name) ?? [];
    const cpu = Number(cpuText);
    if (cpuText === '' || cpu >= this.cpus) return -1;
    if (w === undefined) return cpu;
    if (this.model === 'sc' || this.byWord === (word === '')) return -1;
    if (Number(word) >= this.words.length) return -1;
    // That it was buffered says that others see it.
    if (this.byWord && !this.subject.everyStep) this.shared.add(Number(word));
    return this.drainProc(cpu, Number(word));
  }

  /** Stores of a CPU that are not in memory yet, the oldest first. */
  buffered(cpu: number): readonly BufferedStore[] {
    return this.buffers[cpu]!.stores;
  }

  /** Whether a CPU has not ended. */
  isAlive(cpu: number): boolean {
    return this.alive[cpu]!;
  }

  /** What a CPU is about to do. */
  pending(cpu: number): Step {
    return this.subject.cpus[cpu]!.step;
  }

  /** Whether a proc can take a step now. */
  isEnabled(proc: number): boolean {
    if (proc >= this.cpus) return this.buffers[this.cpuOf(proc)]!.ready(proc) !== undefined;
    if (!this.alive[proc]) return false;
    const step = this.pending(proc);
    if (this.model !== 'sc' && this.buffers[proc]!.blocks(step)) return false;
    return this.isReady(step);
  }

  private isReady(step: Step): boolean {
    if (step.ready === undefined || step.ready(this.words[step.word]!)) return true;
    return step.also !== 0 && this.words[step.also] !== 0;
  }

  /** The class (READ, ADD, WRITE) that a proc's next step has if it is taken now. */
  classOfNext(proc: number): number {
    if (proc >= this.cpus) return WRITE;
    const step = this.pending(proc);
    const value = this.words[step.word]!;
    return classOf(step, value, step.width === 2 ? this.words[step.word + 1]! : 0, value === step.operand);
  }

  /** Takes one step of an enabled proc; `taken` then tells what it did. */
  take(proc: number): void {
    const { taken } = this;
    taken.proc = proc;
    if (proc >= this.cpus) {
      this.takeDrain(proc);
      return;
    }
    const step = this.pending(proc);
    taken.kind = step.kind;
    taken.word = step.word;
    taken.width = step.width;
    taken.value = this.words[step.word]!;
    taken.valueHi = step.width === 2 ? this.words[step.word + 1]! : 0;
    const only = hasOnlyLooked(step, taken.value);
    taken.cls = only ? READ : classOf(step, taken.value, taken.valueHi, taken.value === step.operand);
    taken.operand = step.operand;
    taken.operandHi = step.operand_hi;
    taken.ready = step.ready;
    taken.also = step.also;
    taken.alsoValue = step.also === 0 ? 0 : this.words[step.also]!;
    taken.store = undefined;
    if (this.model !== 'sc' && isStore(step.kind)) {
      // It only goes into the buffer.
      if (step.kind === 'release') this.buffers[proc]!.barrier();
      taken.cls = READ;
      taken.width = 0;
    }
    const preempts = this.lastCpu >= 0 && this.lastCpu !== proc && this.isEnabled(this.lastCpu);
    if (preempts) this.preemptions += 1;
    this.listener?.beforeStep(proc, step, preempts);
    if (this.log?.wants(step) === true) this.log.add(proc, step, taken.cls !== READ);
    this.lastCpu = proc;
    this.turns[proc]! += 1;
    this.count(proc);
    this.resume(proc);
  }

  private takeDrain(proc: number): void {
    const cpu = this.cpuOf(proc);
    const buffer = this.buffers[cpu]!;
    const store = buffer.ready(proc);
    if (store === undefined) throw new Error('Execution.take: no store of this proc can go out');
    const { taken } = this;
    taken.kind = 'write';
    taken.cls = WRITE;
    taken.word = store.word;
    taken.width = store.data.length;
    taken.value = this.words[store.word]!;
    taken.valueHi = store.data.length === 2 ? this.words[store.word + 1]! : 0;
    taken.operand = 0;
    taken.operandHi = 0;
    taken.ready = undefined;
    taken.also = 0;
    taken.store = store;
    this.listener?.beforeDrain(proc, cpu, store);
    this.log?.drain(cpu, store);
    this.count(proc);
    buffer.drain(store);
    this.listener?.afterStep();
  }

  /**
   * Takes `count` steps of a CPU, seen or not, as a token counts them. Fewer where it ends or can't go on: says how many.
   */
  takeCounted(proc: number, count: number): number {
    const before = this.steps;
    while (this.steps - before < count && this.isEnabled(proc)) {
      if (proc < this.cpus) this.budget = count - (this.steps - before) - 1;
      this.take(proc);
    }
    this.budget = -1;
    return this.steps - before;
  }

  /**
   * Runs to the end, or until somebody threw: `scheduler` is asked at each choice who goes next, and says -1 where nobody
   * can. A CPU that goes on is not left for that: coming back to it costs as much as all else that a step does.
   */
  run(scheduler: () => number): void {
    this.scheduler = scheduler;
    this.named = -1;
    while (this.errors.length === 0 && !this.overran) {
      const proc = this.named >= 0 ? this.named : scheduler();
      if (proc < 0) break;
      this.named = -1;
      this.take(proc);
    }
    this.scheduler = undefined;
  }

  /** Whether the scheduler lets a CPU go on that has come to a choice. */
  private goesOn(proc: number): boolean {
    if (this.scheduler === undefined || this.overran) return false;
    this.named = this.scheduler();
    if (this.named !== proc) return false;
    this.named = -1;
    this.turns[proc]! += 1;
    return true;
  }

  /** Whether everything is over: every CPU has ended or idles, and no store waits. */
  isOver(): boolean {
    for (let p = 0; p < this.cpus; p++) {
      if (this.alive[p] && this.pending(p).kind !== 'idle') return false;
    }
    return this.buffers.every((buffer) => buffer.size === 0);
  }

  /** What threads returned so far. */
  end(): ExecutionEnd {
    return { returns: this.returns };
  }

  private count(proc: number): void {
    this.steps += 1;
    if (this.steps > this.maxSteps) this.overran = true;
    const { runs } = this;
    if (runs.length > 0 && runs[runs.length - 2] === proc) runs[runs.length - 1]! += 1;
    else runs.push(proc, 1);
  }

  /** Lets a CPU do its pending access and go on to the next that is a choice. */
  private resume(proc: number): void {
    try {
      const next = this.gens[proc]!.next();
      if (next.done === true) {
        this.alive[proc] = false;
        this.returns[proc] = next.value;
      }
    } catch (error) {
      this.alive[proc] = false;
      this.errors.push({ cpu: proc, message: error instanceof Error ? error.message : String(error) });
    }
    this.listener?.afterStep();
  }

  /** A CPU announces a step: true where it must wait to be chosen. */
  private arrive(proc: number, step: Step): boolean {
    if (step.kind === 'note') {
      this.listener?.note(proc, step.note, step.values);
      return false;
    }
    if (this.listener !== undefined) {
      this.listener.afterStep();
      this.listener.announced(proc);
    }
    if (this.starting) {
      if (!this.subject.everyStep) this.shared.touch(proc, step);
      return true;
    }
    if (this.isChoice(proc, step)) {
      if (this.budget > 0 && this.isEnabled(proc)) this.budget -= 1;
      else if (!this.goesOn(proc)) return true;
    } else if (this.budget === 0) return true;
    else if (this.budget > 0) this.budget -= 1;
    this.listener?.beforeStep(proc, step, false);
    if (this.steps > this.maxSteps) {
      this.overran = true;
      throw new LivelockError(this.maxSteps);
    }
    if (this.log?.wants(step) === true) this.log.add(proc, step, this.stores(step));
    this.lastCpu = proc;
    this.count(proc);
    return false;
  }

  /** Whether a step, taken now, changes what others see. */
  private stores(step: Step): boolean {
    if (this.model !== 'sc' && isStore(step.kind)) return false;
    const value = this.words[step.word]!;
    if (hasOnlyLooked(step, value)) return false;
    const high = step.width === 2 ? this.words[step.word + 1]! : 0;
    return classOf(step, value, high, value === step.operand) !== READ;
  }

  private isChoice(proc: number, step: Step): boolean {
    if (this.model !== 'sc') {
      const buffer = this.buffers[proc]!;
      if (buffer.blocks(step)) return true;
      // A store that goes into the buffer is seen by nobody yet; a release store first orders what is before it.
      if (isStore(step.kind)) {
        if (!this.subject.everyStep) this.shared.touch(proc, step);
        if (step.kind === 'release') buffer.barrier();
        return false;
      }
    }
    if (this.subject.everyStep) return step.width > 0;
    const seen = this.shared.touch(proc, step);
    return seen || (step.ready !== undefined && !this.isReady(step));
  }
}

/** Whom an interrupt wakes where a lock is still held has only looked at the lock. */
export function hasOnlyLooked(step: Step, value: number): boolean {
  return step.ready !== undefined && !step.ready(value);
}

function isStore(kind: StepKind): boolean {
  return kind === 'plain-write' || kind === 'write' || kind === 'release' || kind === 'user-write';
}

/** Thrown into a CPU that goes on without an end. */
export class LivelockError extends Error {
  constructor(steps: number) {
    super(`went on for ${steps.toLocaleString('en')} steps without an end`);
    this.name = 'LivelockError';
  }
}
