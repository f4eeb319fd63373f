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

function advance(lane: Lane): void {
  // Notes are remarks, not steps: they cost no choice.
  for (;;) {
    const next = lane.steps.next();
    if (next.done === true) {
      lane.pending = undefined;
      lane.alive = next.value;
      return;
    }
    lane.pending = next.value;
    if (next.value.kind !== 'note') return;
  }
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
  for (const lane of lanes) advance(lane);
  let steps = 0;
  let current = -1;
  for (;;) {
    const running = lanes.filter((lane) => lane.pending !== undefined);
    const ready = running.filter((lane) => lane.pending !== undefined && canGo(lane.cpu.words, lane.pending));
    if (ready.length === 0 || steps >= MAX_STEPS) {
      const deadlock = ready.length > 0 ? [] : running.map((lane) => waiting(lane));
      return { cpus: lanes.map(outcomeOfLane), steps, deadlock, unfinished: ready.length > 0 };
    }
    current = choose(
      ready.map((lane) => lane.cpu.id),
      current,
      steps,
    );
    const lane = lanes[current];
    if (lane === undefined) throw new Error('runStepped: the chooser chose no CPU');
    advance(lane);
    steps += 1;
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
