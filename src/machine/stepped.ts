// Drives the stepped kernel: one generator per CPU, one step at a time, in the order that a chooser says.
import * as kernel from '../kernel/index.ts';
import type { Cpu } from '../kernel/cpu.ts';
import type { Step, Steps } from '../kernel/memory.ts';
import type { LockingRules } from '../kernel/mm/design.ts';
import type { Op } from '../kernel/program.ts';
import { LOCK_CLASSES, cpu_area } from '../kernel/layout.ts';
import type { CpuOutcome } from './gang.ts';
import { outcomeOf } from './outcome.ts';

/** Says which of the CPUs that can go (their numbers, at least one) goes next. `current` went last, -1 at first. */
export type Chooser = (ready: readonly number[], current: number, steps: number) => number;

/** How a stepped run ended. */
export interface SteppedOutcome {
  cpus: CpuOutcome[];
  steps: number;
  /** Set where every CPU that has not ended waits: who waits for what. */
  deadlock: { cpu: number; word: number; lockClass: string }[];
  /** The bound on steps was reached. */
  unfinished: boolean;
}

/** Steps that a run may take before it is called unfinished. */
const MAX_STEPS = 50_000_000;
/** A lone CPU that looks this often in a row for what only another could do waits for ever. */
const MAX_LONE_WAITS = 100;

/** Whether a CPU that is about to do `step` can do it now. */
export function canGo(words: Int32Array, step: Step): boolean {
  if (step.ready === undefined || step.ready(words[step.word] ?? 0)) return true;
  return step.also !== 0 && words[step.also] !== 0;
}

/** Runs a stepped computation of one CPU to its end. `onStep` sees every step, notes included. */
export function finish<T>(steps: Steps<T>, onStep?: (step: Step) => void): T {
  let waits = 0;
  for (;;) {
    const next = steps.next();
    if (next.done === true) return next.value;
    onStep?.(next.value);
    waits = next.value.kind === 'wait' ? waits + 1 : 0;
    if (waits > MAX_LONE_WAITS) {
      throw new Error('finish: the only CPU waits for another one');
    }
  }
}

/** A chooser that goes on with the CPU that ran last and changes at random every `run` steps or so. */
export function randomChooser(seed: number, run = 4): Chooser {
  let state = seed | 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  return (ready, current) => {
    if (ready.includes(current) && next() % run !== 0) return current;
    return ready[next() % ready.length] ?? current;
  };
}

/** A change of CPU at a step: the schedule goes on with `to` there, if it can. */
export interface Preemption {
  at: number;
  to: number;
}

/** A chooser that keeps running a CPU until it waits or ends, but for the given preemptions; CPU `first` begins. */
export function preemptingChooser(first: number, preemptions: readonly Preemption[]): Chooser {
  return (ready, current, steps) => {
    const wanted = preemptions.find((preemption) => preemption.at === steps)?.to ?? (current < 0 ? first : current);
    return ready.includes(wanted) ? wanted : (ready[0] ?? current);
  };
}

interface Lane {
  cpu: Cpu;
  steps: Steps<boolean>;
  seen: InstanceType<typeof kernel.Observations>;
  pending: Step | undefined;
  alive: boolean;
}

/**
 * Runs one program per CPU to the end, or to a deadlock. All CPUs are up before the first step. `rules` makes those of a
 * locking design of the user's own.
 */
export function runStepped(
  memory: WebAssembly.Memory,
  mm: number,
  programs: readonly (readonly Op[])[],
  choose: Chooser,
  history: boolean,
  rules?: () => LockingRules,
): SteppedOutcome {
  const lanes = programs.map((ops, id): Lane => {
    const cpu = new kernel.Cpu(memory, id, rules);
    finish(kernel.cpu_up(cpu, mm));
    const seen = new kernel.Observations(ops.length, history);
    return { cpu, steps: kernel.run_cpu(cpu, ops, seen), seen, pending: undefined, alive: true };
  });
  return new SteppedRun(lanes, choose).run();
}

/** A run under way. */
class SteppedRun {
  private readonly lanes: readonly Lane[];
  private readonly choose: Chooser;
  private steps = 0;
  private current = -1;
  /** Who was chosen to go next; undefined: nobody yet. */
  private chosen: number | undefined = undefined;
  /** Every CPU stands before its first step. */
  private hasBegun = false;

  constructor(lanes: readonly Lane[], choose: Chooser) {
    this.lanes = lanes;
    this.choose = choose;
    for (const lane of lanes) lane.cpu.announce = (step) => this.arrives(lane, step);
  }

  run(): SteppedOutcome {
    const { lanes } = this;
    for (const lane of lanes) this.advance(lane);
    this.hasBegun = true;
    for (;;) {
      const next = this.chosen ?? this.next();
      this.chosen = undefined;
      if (next === undefined) return this.outcome();
      const lane = lanes[next];
      if (lane === undefined) throw new Error('runStepped: the chooser chose no CPU');
      this.current = next;
      this.advance(lane);
    }
  }

  /** Lets a CPU go on until it is another one's turn, or it has ended. */
  private advance(lane: Lane): void {
    const next = lane.steps.next();
    if (next.done !== true) return;
    lane.pending = undefined;
    lane.alive = next.value;
    if (this.hasBegun) this.steps += 1;
  }

  /**
   * A CPU has come to a step: whether it must wait there. Where it is the one that goes on it does not leave its
   * functions, which takes longer than all else that a step does.
   */
  private arrives(lane: Lane, step: Step): boolean {
    // Notes are remarks, not steps: they cost no choice.
    if (step.kind === 'note') return false;
    lane.pending = step;
    if (!this.hasBegun) return true;
    this.steps += 1;
    const next = this.next();
    if (next === this.current) return false;
    this.chosen = next;
    return true;
  }

  /** Who goes next; undefined: nobody can, or there were too many steps. */
  private next(): number | undefined {
    const ready = this.ready();
    if (ready.length === 0 || this.steps >= MAX_STEPS) return undefined;
    return this.choose(ready, this.current, this.steps);
  }

  private ready(): number[] {
    const ready: number[] = [];
    for (const { cpu, pending } of this.lanes) {
      if (pending !== undefined && canGo(cpu.words, pending)) ready.push(cpu.id);
    }
    return ready;
  }

  private outcome(): SteppedOutcome {
    const { lanes, steps } = this;
    const unfinished = this.ready().length > 0;
    const running = lanes.filter((lane) => lane.pending !== undefined);
    return {
      cpus: lanes.map(outcomeOfLane),
      steps,
      deadlock: unfinished ? [] : running.map((lane) => waiting(lane)),
      unfinished,
    };
  }
}

function waiting(lane: Lane): { cpu: number; word: number; lockClass: string } {
  const at = lane.cpu.area;
  return {
    cpu: lane.cpu.id,
    word: lane.cpu.words[at + cpu_area.waiting_word] ?? 0,
    lockClass: LOCK_CLASSES[lane.cpu.words[at + cpu_area.waiting_class] ?? 0] ?? '?',
  };
}

function outcomeOfLane({ cpu, pending, alive, seen }: Lane): CpuOutcome {
  return outcomeOf(cpu.id, pending !== undefined ? 'stopped' : alive ? 'done' : 'killed', seen);
}
