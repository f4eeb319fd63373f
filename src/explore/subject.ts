// What the explorer drives: CPUs over one memory that can be set back, and a judgement of how an execution ended.
import type { Processor, Step, Steps } from '../kernel/memory.ts';

/** A CPU of a subject: who drives it can listen to its steps and give it a store buffer. */
export interface SteppedCpu extends Processor {
  announce: (step: Step) => boolean;
}

/** What is wrong with an execution. */
export interface Complaint {
  /** Who complains: a judge's name, `check`, `exception`, `deadlock`, `livelock`. */
  readonly judge: string;
  readonly message: string;
}

/** How an execution ended, for the subject's own judges. */
export interface ExecutionEnd {
  readonly returns: readonly unknown[];
}

/** A program, or a machine with programs, that can be run again and again. */
export interface Subject {
  /** Names what is explored: tokens, checkpoints and reports of another subject are refused by it. */
  readonly name: string;
  readonly cpus: readonly SteppedCpu[];
  readonly words: Int32Array<SharedArrayBuffer>;
  /** Whether every access is a choice; if not, only accesses to words that CPUs share are, found out on the way. */
  readonly everyStep: boolean;
  /** Sets memory back and returns each CPU's computation from its start. */
  restart(): readonly Steps<unknown>[];
  /** Judges the end of an execution in which no CPU waits or threw. */
  judge(end: ExecutionEnd): Complaint | undefined;
  /** What people call a word. */
  nameOf(word: number): string;
}
