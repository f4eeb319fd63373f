// An execution that a person walks along: every step with the machine after it, and, at its end, who can go next. It
// grows at the end, goes back to any step, and goes on from there another way.
//
// States are kept, so that looking back costs nothing; going on from an earlier step runs the schedule up to there once
// more, unheard, which takes less than a frame of a screen even for the longest timelines.
import { complaintOf, waitingCpus } from '../explore/complaint.ts';
import { Execution } from '../explore/execution.ts';
import { KernelSubject } from '../explore/kernel-subject.ts';
import { Random } from '../explore/random.ts';
import { randomWalk } from '../explore/strategies.ts';
import type { MemoryModel } from '../explore/program.ts';
import type { RecordedStep } from '../explore/record.ts';
import { Recorder } from '../explore/recorder.ts';
import type { Place, Watch } from '../explore/recorder.ts';
import type { Complaint } from '../explore/subject.ts';
import { defaultModel, kernelAbout, refuseOthers, tokenFor } from '../explore/target.ts';
import type { KernelTarget, TargetReplay } from '../explore/target.ts';
import { parseToken } from '../explore/token.ts';
import type { Turn } from '../explore/token.ts';
import type { BufferedStore } from '../explore/store-buffers.ts';
import type { Finding } from '../check/finding.ts';
import type { Step, StepKind } from '../kernel/memory.ts';
import { UsageError } from '../machine/usage-error.ts';
import { addressesOf, kernelWatches } from './kernel-columns.ts';
import { StateReader } from './machine-state.ts';
import type { MachineState } from './machine-state.ts';

/** What a CPU is about to do. */
export interface CpuState {
  /** `ready`: it can go; `waiting`: for a lock or a word; `ended`; `idle`: all it has left is to answer others. */
  readonly status: 'ready' | 'waiting' | 'ended' | 'idle';
  readonly kind: StepKind;
  readonly word: number;
  readonly lockClass: number;
  /** CPU that holds what it waits for; undefined where that is not known. */
  readonly holder?: number;
  readonly place: Place;
}

/** The machine and its CPUs after a step, or before the first. */
export interface Moment {
  readonly state: MachineState;
  readonly cpus: readonly CpuState[];
  /** Procs that can go: CPUs, and stores that can go out to memory, by their name in tokens. */
  readonly canGo: readonly string[];
}

/** How an execution came out. */
export interface Outcome {
  readonly complaint: Complaint | undefined;
  readonly findings: readonly Finding[];
}

/** Longest timeline, in steps: a page shows them all. */
export const MAX_TIMELINE = 20_000;

/** Executions in which a timeline finds out which words are shared: so many at most, and so many without a new one. */
const MAX_LESSONS = 50;
const QUIET_LESSONS = 5;

/** Records moments as well as steps. */
class MomentRecorder extends Recorder {
  readonly moments: Moment[] = [];
  /** Who took each step: its CPU, or whoever takes stores of it to memory. */
  readonly procs: number[] = [];
  /** How many folios were known at each moment. */
  private readonly folios: number[] = [];
  private readonly reader: StateReader;

  constructor(execution: Execution, reader: StateReader, watches: readonly Watch[]) {
    super(execution, watches);
    this.reader = reader;
  }

  override announced(cpu: number): void {
    super.announced(cpu);
    // Until the first moment, CPUs are still being led to their first steps.
    if (this.moments.length > 0) this.catchUp();
  }

  override beforeStep(proc: number, step: Step, preempts: boolean): void {
    this.catchUp();
    this.procs.push(proc);
    super.beforeStep(proc, step, preempts);
  }

  override beforeDrain(proc: number, cpu: number, store: BufferedStore): void {
    this.catchUp();
    this.procs.push(proc);
    super.beforeDrain(proc, cpu, store);
  }

  override note(cpu: number, note: string, values: readonly unknown[]): void {
    super.note(cpu, note, values);
    if (note === 'alloc_anon_folio' && typeof values[1] === 'number') this.reader.allocated(values[1]);
  }

  /** Takes down the moment after the last step, once it is known what its CPU does next. */
  catchUp(): void {
    if (this.moments.length > this.steps.length) return;
    this.moments.push(this.moment());
    this.folios.push(this.reader.folioCount);
  }

  /** Forgets all after the first so many steps. */
  override backTo(steps: number): void {
    super.backTo(steps);
    this.procs.length = steps;
    this.moments.length = steps + 1;
    this.folios.length = steps + 1;
    this.reader.forget(this.folios[steps]!);
    this.moments[steps]!.cpus.forEach(({ place }, cpu) => {
      this.where[cpu] = place;
    });
  }

  private moment(): Moment {
    const { execution } = this;
    const canGo: string[] = [];
    for (let proc = 0; proc < execution.procs; proc++) {
      if (execution.isEnabled(proc)) canGo.push(execution.procName(proc));
    }
    const cpus = Array.from({ length: execution.cpus }, (_, cpu) => this.cpuState(cpu));
    return { state: this.reader.read(), cpus, canGo };
  }

  private cpuState(cpu: number): CpuState {
    const { execution } = this;
    const { kind, word, lock_class: lock, holder } = execution.pending(cpu);
    // Of other steps it is what it was at the last lock.
    const lockClass = kind.includes('lock') || kind === 'wait' ? lock : 0;
    const alive = execution.isAlive(cpu);
    const can = alive && execution.isEnabled(cpu);
    const status = !alive ? 'ended' : kind === 'idle' ? 'idle' : can ? 'ready' : 'waiting';
    const held = holder === 0 || status !== 'waiting' ? 0 : execution.words[holder]!;
    const place = this.where[cpu] ?? { names: [], sources: [] };
    return { status, kind, word, lockClass, place, ...(held > 0 ? { holder: held - 1 } : {}) };
  }
}

/** One execution of a scenario of the kernel, from its beginning to where it was led. */
export class Timeline {
  readonly target: KernelTarget;
  readonly memoryModel: MemoryModel;
  readonly subject: KernelSubject;
  private readonly execution: Execution;
  private readonly recorder: MomentRecorder;
  private readonly watched: readonly string[];
  private ended: Outcome | undefined = undefined;

  /** Stands before the first step. Throws a UsageError for a machine that is not possible. */
  constructor(target: KernelTarget, memoryModel?: MemoryModel) {
    this.target = target;
    this.memoryModel = memoryModel ?? defaultModel(target);
    this.subject = new KernelSubject(target.spec);
    this.execution = new Execution(this.subject, this.memoryModel);
    this.execution.maxSteps = MAX_TIMELINE;
    const addresses = [...new Set(target.spec.programs.flat().flatMap(addressesOf))];
    const reader = new StateReader(this.execution, this.subject.machine, addresses);
    const watches = kernelWatches(target.spec)(this.subject.machine);
    this.watched = watches.map(({ name }) => name);
    this.recorder = new MomentRecorder(this.execution, reader, watches);
    this.learnShared();
    // From here on the same schedule does the same, however often it is run.
    this.execution.shared.freeze();
    this.execution.listener = this.recorder;
    this.execution.restart();
    this.recorder.catchUp();
  }

  get steps(): readonly RecordedStep[] {
    return this.recorder.steps;
  }

  /** The machine after so many steps. */
  after(steps: number): Moment {
    const moment = this.recorder.moments[steps];
    if (moment === undefined)
      throw new Error(`Timeline.after: there are ${String(this.steps.length)} steps, not ${String(steps)}`);
    return moment;
  }

  /** Lets a proc take its next step that others may see, and all up to the one after it. False: it can't go. */
  take(name: string): boolean {
    const { execution } = this;
    const proc = execution.procByName(name);
    if (proc < 0 || !execution.isEnabled(proc) || execution.overran || execution.errors.length > 0) return false;
    execution.take(proc);
    this.wentOn();
    return true;
  }

  /** Lets a proc take so many steps, seen by others or not. How many it took. */
  takeSteps(name: string, count: number): number {
    const { execution } = this;
    const proc = execution.procByName(name);
    const taken = proc < 0 ? 0 : execution.takeCounted(proc, count);
    this.wentOn();
    return taken;
  }

  /** Goes on without preempting anybody until all is over, or nobody can go. */
  runOn(): void {
    while (!this.isOver) {
      const { canGo } = this.after(this.steps.length);
      const last = this.steps.at(-1)?.cpu;
      const next = canGo.find((name) => name === String(last)) ?? canGo[0];
      if (next === undefined || !this.take(next)) return;
    }
  }

  /** Goes back to the end of the first so many steps. */
  backTo(steps: number): void {
    if (steps >= this.steps.length) return;
    const { execution, recorder } = this;
    const turns = this.turns(steps);
    execution.listener = undefined;
    execution.restart();
    for (const { proc, count } of turns) execution.takeCounted(execution.procByName(proc), count);
    recorder.backTo(steps);
    execution.listener = recorder;
    this.ended = undefined;
  }

  /**
   * Follows a token from the beginning, then, if it ends before the execution does, stands there. Throws a UsageError for
   * a token that is none, that was made for something else, or that can't be followed.
   */
  follow(token: string): void {
    refuseOthers(this.target, this.memoryModel, token);
    const { turns } = parseToken(token);
    const { execution } = this;
    // A store that goes out in a turn of its own says that others see its word: it has to be known from the beginning.
    const learn = (): void => {
      for (const { proc } of turns) execution.procByName(proc);
    };
    if (this.memoryModel !== 'sc') {
      // One that was run to its end names every word whose stores were buffered; one that was cut short may not, and is
      // taken to know what timelines know.
      const known = execution.shared.list();
      execution.shared.forget();
      learn();
      if (this.followTurns(turns) === undefined && this.isOver) return;
      for (const word of known) execution.shared.add(word);
    }
    learn();
    const stopped = this.followTurns(turns);
    if (stopped === undefined) return;
    throw new UsageError(
      `the token can't be followed: after ${String(this.steps.length)} steps '${stopped}' can't go on; it was made for something else`,
    );
  }

  /** Runs turns from the beginning; who can't go on, or undefined where all could. */
  private followTurns(turns: readonly Turn[]): string | undefined {
    this.backTo(0);
    for (const { proc, steps } of turns) if (this.takeSteps(proc, steps) < steps) return proc;
    return undefined;
  }

  /** The schedule of the first so many steps, as a token that says what it was made for. */
  token(steps: number = this.steps.length): string {
    const turns = this.turns(steps).map(({ proc, count }) => `${proc}:${String(count)}`);
    return tokenFor(this.target, this.memoryModel, turns.length === 0 ? '0:0' : turns.join(','));
  }

  /** The procs of the first so many steps, run-length. */
  turns(steps: number): { proc: string; count: number }[] {
    const turns: { proc: string; count: number }[] = [];
    for (let i = 0; i < steps; i++) {
      const proc = this.execution.procName(this.recorder.procs[i]!);
      const last = turns.at(-1);
      if (last?.proc === proc) last.count += 1;
      else turns.push({ proc, count: 1 });
    }
    return turns;
  }

  /** Whether nobody can go on, or something went wrong. */
  get isOver(): boolean {
    const { execution } = this;
    if (execution.errors.length > 0 || execution.overran || execution.isOver()) return true;
    return this.after(this.steps.length).canGo.length === 0;
  }

  /** How it came out; undefined as long as somebody can go on. */
  get outcome(): Outcome | undefined {
    if (!this.isOver) return undefined;
    this.ended ??= this.judged();
    return this.ended;
  }

  /** The execution so far as a replay, for all that tells of replays. */
  replayed(): TargetReplay {
    const { execution, subject, target, recorder } = this;
    const { complaint, findings } = this.outcome ?? { complaint: undefined, findings: [] };
    const isStuck = !execution.overran && execution.errors.length === 0 && !execution.isOver();
    const record = {
      steps: recorder.steps,
      token: this.token(),
      end: execution.overran
        ? ('bound' as const)
        : this.isOver && isStuck
          ? ('deadlock' as const)
          : ('complete' as const),
      waiting: this.isOver && isStuck ? waitingCpus(execution) : [],
      errors: [...execution.errors],
      watched: this.watched.map((name, i) => ({ name, values: recorder.seen[i]! })),
    };
    const { rules = {} } = kernelAbout(subject, target.spec, this.memoryModel);
    return {
      record,
      complaint,
      findings,
      nameOf: (word) => subject.nameOf(word),
      machine: subject.machine,
      rules,
      given: recorder.steps.length,
      memory: Int32Array.from(subject.words),
      returns: execution.end().returns,
    };
  }

  /**
   * Runs at random, unheard, until nothing new turns out to be shared: what is shared decides which accesses are choices,
   * and, under weak memory, which stores are buffered.
   */
  private learnShared(): void {
    const { execution } = this;
    const random = new Random(1);
    for (let run = 0, quiet = 0; run < MAX_LESSONS && quiet < QUIET_LESSONS; run++) {
      randomWalk(execution, random);
      quiet = execution.discovered ? 0 : quiet + 1;
    }
  }

  private judged(): Outcome {
    const { execution, subject } = this;
    const complaint = complaintOf(execution);
    const whole = !execution.overran && execution.errors.length === 0 && execution.isOver();
    return { complaint, findings: whole ? subject.verdict().findings : [] };
  }

  private wentOn(): void {
    this.recorder.catchUp();
    this.ended = undefined;
  }
}

/** The machine before the first step of a schedule, and after each. Throws a UsageError for one that can't be followed. */
export function statesOf(target: KernelTarget, token: string, memoryModel: MemoryModel): MachineState[] {
  const timeline = new Timeline(target, memoryModel);
  timeline.follow(token);
  timeline.runOn();
  return Array.from({ length: timeline.steps.length + 1 }, (_, steps) => timeline.after(steps).state);
}
