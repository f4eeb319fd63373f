// What a program's threads do, found out by running them once: a thread is a function of the values that it saw.
//
// A thread of a program over words takes nothing from anywhere but its words, so what it does next depends on what its
// steps have seen so far, and on nothing else. That makes a tree for each thread: a state for each history of values, a
// branch for each value that the state's step may see. A search that meets a history again need not run the thread; one
// that meets a new one runs the thread alone up to there, showing it the values of its history, and on from there.
import type { Step, StepKind, Steps } from '../kernel/memory.ts';
import { LivelockError, MAX_STEPS } from './execution.ts';
import { fixedClass } from './footprint.ts';
import type { ProgramSubject } from './program-subject.ts';

/** Kinds of steps after which their thread goes on the same way whatever the word held. */
const BLIND: ReadonlySet<StepKind> = new Set(['plain-write', 'write', 'release', 'add', 'lock', 'unlock', 'mb', 'wmb']);
/** Histories that are kept at most, over all threads: further ones are found out anew each time. */
const MAX_STATES = 1_000_000;
const NO_STEPS: readonly Step[] = [];

/** What a thread was seen to do between two of its steps. */
interface Move {
  /** What it does next; undefined: it has ended. */
  step: Step | undefined;
  /** What it did to get there, unseen by others: barriers that order nothing. */
  silent: readonly Step[];
  returned: unknown;
  /** What was thrown, if that is how it ended. */
  error: string | undefined;
}

/** Where a thread stands, after one history of values. */
export interface ThreadState extends Readonly<Move> {
  /** The state before, what the step of that one saw in its word and the word above it, and what it left there. */
  readonly before: ThreadState | undefined;
  readonly seen: number;
  readonly seenHi: number;
  readonly wrote: number;
  readonly wroteHi: number;
  /** The class of its step whatever that finds (footprint.ts); 0: it depends, or there is none. */
  readonly cls: number;
  /** Whether what its step sees makes a difference to it. */
  readonly looks: boolean;
  /** The states that may follow, as far as they are known: a list. Most states have one; a list of their own for each would be most of what is kept. */
  after: ThreadState | undefined;
  /** The next in the list that this state is in. */
  beside: ThreadState | undefined;
}

/** The state that follows where the step sees these values; undefined: never seen yet. */
export function knownAfter(state: ThreadState, seen: number, seenHi: number): ThreadState | undefined {
  let next = state.after;
  if (state.looks) while (next !== undefined && (next.seen !== seen || next.seenHi !== seenHi)) next = next.beside;
  return next;
}

/** The threads of one program. */
export class KnownThreads {
  /** Longest run of steps that nobody sees. */
  maxSilent: number = MAX_STEPS;
  private readonly program: ProgramSubject;
  private readonly roots: (ThreadState | undefined)[] = [];
  /** Threads that stand, for real, where they were left. */
  private readonly live: (Steps<unknown> | undefined)[] = [];
  /** The first state of each thread that is not what it turned out to be when it ran again. */
  private readonly strange: (ThreadState | undefined)[] = [];
  private states = 0;
  private atFirstStep = false;
  /** What a thread did last; one object, whose step is the thread's own, overwritten by the next. */
  private readonly moved: Move = { step: undefined, silent: NO_STEPS, returned: undefined, error: undefined };
  private readonly announce = (step: Step): boolean => this.hears(step);

  constructor(program: ProgramSubject) {
    this.program = program;
    for (let cpu = 0; cpu < program.cpus.length; cpu++) this.forget(cpu);
  }

  /** Whether a thread really runs, from its start, and stands where it was left. */
  isLive(cpu: number): boolean {
    return this.live[cpu] !== undefined;
  }

  /** The first state in which a thread did something else than it is known to do; undefined: there is none. */
  strangeState(cpu: number): ThreadState | undefined {
    return this.strange[cpu];
  }

  /** A thread does not stand any more where it was left. */
  forget(cpu: number): void {
    this.live[cpu] = undefined;
    this.strange[cpu] = undefined;
  }

  /** Starts a thread for real, up to its first step. */
  start(cpu: number): ThreadState {
    const stepped = this.program.cpus[cpu]!;
    stepped.announce = this.announce;
    stepped.store_buffer = undefined;
    this.live[cpu] = this.program.start(cpu);
    this.atFirstStep = true;
    this.move(cpu);
    this.atFirstStep = false;
    const root = this.roots[cpu];
    if (root !== undefined) return this.checked(cpu, root, 0, 0);
    return (this.roots[cpu] = stateAfter(undefined, this.moved, 0, 0, 0, 0));
  }

  /** Lets a thread in a state do its step, for real, on the words as they are. */
  run(cpu: number, state: ThreadState, seen: number, seenHi: number): ThreadState {
    if (!this.isLive(cpu)) this.catchUp(cpu, state);
    this.move(cpu);
    const { words } = this.program;
    const { word } = state.step!;
    const wrote = words[word]!;
    const wroteHi = words[word + 1]!;
    const known = knownAfter(state, seen, seenHi);
    if (known !== undefined) return this.checked(cpu, known, wrote, wroteHi);
    const next = stateAfter(state, this.moved, seen, seenHi, wrote, wroteHi);
    if (this.states < MAX_STATES) {
      this.states += 1;
      next.beside = state.after;
      state.after = next;
    }
    return next;
  }

  /** Runs a thread alone to where it is to stand, showing it what it saw on its way there. */
  private catchUp(cpu: number, state: ThreadState): void {
    const history: ThreadState[] = [];
    for (let at: ThreadState | undefined = state; at !== undefined; at = at.before) history.push(at);
    const { words } = this.program;
    this.start(cpu);
    for (let i = history.length - 1; i > 0; i--) {
      const { word } = history[i]!.step!;
      const next = history[i - 1]!;
      const low = words[word]!;
      const high = words[word + 1]!;
      words[word] = next.seen;
      words[word + 1] = next.seenHi;
      this.move(cpu);
      this.checked(cpu, next, words[word], words[word + 1]!);
      words[word] = low;
      words[word + 1] = high;
    }
  }

  /** Lets a thread go on to its next step, or its end. */
  private move(cpu: number): void {
    const { moved } = this;
    moved.silent = NO_STEPS;
    moved.returned = undefined;
    moved.error = undefined;
    try {
      const next = this.live[cpu]!.next();
      const ended = next.done === true;
      moved.step = ended ? undefined : this.program.cpus[cpu]!.step;
      if (ended) moved.returned = next.value;
    } catch (error) {
      moved.step = undefined;
      moved.error = error instanceof Error ? error.message : String(error);
    }
  }

  /** A thread announces a step: true where it must wait to be chosen. */
  private hears(step: Step): boolean {
    if (step.width > 0 || this.atFirstStep) return step.kind !== 'note';
    if (step.kind === 'note') return false;
    const { moved } = this;
    if (moved.silent.length >= this.maxSilent) throw new LivelockError(this.maxSilent);
    moved.silent = [...moved.silent, { ...step }];
    return false;
  }

  /** The known state that the last move leads to; where it does not, one of its own. */
  private checked(cpu: number, known: ThreadState, wrote: number, wroteHi: number): ThreadState {
    if (isSame(known, this.moved, wrote, wroteHi)) return known;
    this.strange[cpu] ??= known;
    return stateAfter(known.before, this.moved, known.seen, known.seenHi, wrote, wroteHi);
  }
}

/** A state that follows another, whose step saw `seen` and left `wrote`; it is not yet among those that are known to. */
function stateAfter(
  before: ThreadState | undefined,
  { step, silent, returned, error }: Move,
  seen: number,
  seenHi: number,
  wrote: number,
  wroteHi: number,
): ThreadState {
  return {
    // The thread's own step is overwritten by its next one.
    step: step === undefined ? undefined : { ...step },
    silent,
    returned,
    error,
    before,
    seen,
    seenHi,
    wrote,
    wroteHi,
    cls: step === undefined ? 0 : fixedClass(step.kind),
    looks: step !== undefined && !BLIND.has(step.kind),
    after: undefined,
    beside: undefined,
  };
}

/** Whether a thread did what it is known to do. */
function isSame(known: ThreadState, move: Move, wrote: number, wroteHi: number): boolean {
  if (!isSameStep(known.step, move.step)) return false;
  if (known.error !== move.error || known.silent.length !== move.silent.length) return false;
  const by = known.before?.step;
  // What an addition leaves depends on what was there.
  if (by === undefined || by.kind === 'add' || by.width === 0) return true;
  return known.wrote === wrote && (by.width === 1 || known.wroteHi === wroteHi);
}

function isSameStep(a: Step | undefined, b: Step | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.kind === b.kind &&
    a.word === b.word &&
    a.width === b.width &&
    a.operand === b.operand &&
    a.operand_hi === b.operand_hi
  );
}
