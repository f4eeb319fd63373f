// A race between two steps of an execution, and a step as it was or might be taken.
import type { StepKind } from '../kernel/memory.ts';
import type { Execution } from './execution.ts';
import type { Footprint } from './footprint.ts';

/** A race that can be reversed: event `later`, or the pending step of a CPU that waits at the end, could go before event `earlier`. */
export interface Race {
  readonly earlier: number;
  /** -1: the pending step of `proc`. */
  readonly later: number;
  readonly proc: number;
  /** The later step's footprint where it goes first. */
  readonly footprint: Footprint;
}

/** A step that was or might be taken. */
export interface PendingStep extends Footprint {
  readonly kind: StepKind;
  readonly ready: ((value: number) => boolean) | undefined;
  readonly operand: number;
  readonly operandHi: number;
  readonly alsoValue: number;
  /** What its word holds when it is taken. */
  readonly value: number;
  readonly valueHi: number;
}

/** The step that a CPU is about to take, or waits to take. */
export function pendingStep(execution: Execution, cpu: number): PendingStep {
  const step = execution.pending(cpu);
  return {
    kind: step.kind,
    ready: step.ready,
    proc: cpu,
    cls: execution.classOfNext(cpu),
    word: step.word,
    width: step.width,
    operand: step.operand,
    operandHi: step.operand_hi,
    also: step.also,
    alsoValue: step.also === 0 ? 0 : execution.words[step.also]!,
    value: execution.words[step.word]!,
    valueHi: 0,
  };
}
