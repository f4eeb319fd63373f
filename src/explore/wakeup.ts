// Wakeup trees and sleep sets: what is still to be explored from a point of an execution, and what need not be.
//
// After Abdulla, Aronis, Jonsson, Sagonas, "Source sets: a foundation for optimal dynamic partial order reduction"
// (JACM 64(4), 2017). A sequence that reverses a race goes into the tree of the point it starts from, unless a branch
// that was explored there already, or one that waits there, leads to the same.
import { footprintsConflict } from './trace.ts';
import type { Footprint, Race, Trace } from './trace.ts';

/** A step to take, and what may follow it. */
export interface WakeNode extends Footprint {
  readonly children: WakeNode[];
}

/** The steps that reverse a race, from the point before its earlier event: events of the trace, the last of them -1. */
export class Reversal {
  readonly steps: readonly Footprint[];
  /** precedes[i] has j if step j must come before step i. */
  private readonly precedes: readonly (readonly number[])[];

  constructor(steps: readonly Footprint[], precedes: readonly (readonly number[])[]) {
    this.steps = steps;
    this.precedes = precedes;
  }

  /** Position of the first step of `proc` among `left`; -1 if it has none. */
  static firstOf(steps: readonly Footprint[], left: readonly number[], proc: number): number {
    for (let i = 0; i < left.length; i++) if (steps[left[i]!]!.proc === proc) return i;
    return -1;
  }

  /** Whether the step at position `at` of `left` may come first of them. */
  isInitial(left: readonly number[], at: number): boolean {
    const before = this.precedes[left[at]!]!;
    for (let i = 0; i < at; i++) if (before.includes(left[i]!)) return false;
    return true;
  }

  /** Whether `step` depends on none of `left`. */
  isIndependent(left: readonly number[], step: Footprint): boolean {
    for (const i of left) if (footprintsConflict(this.steps[i]!, step)) return false;
    return true;
  }

  /**
   * Whether an execution that begins with `step` can go on to do the same as `left`: then position of the step in
   * `left`, or `left.length` where it is none of them and independent of all; -1 if not.
   */
  weakInitial(left: readonly number[], step: Footprint): number {
    const at = Reversal.firstOf(this.steps, left, step.proc);
    if (at >= 0) return this.isInitial(left, at) ? at : -1;
    return this.isIndependent(left, step) ? left.length : -1;
  }
}

/** Works out a race's reversal from the trace it was found in. */
export function reversalOf(trace: Trace, race: Race, scratch: Int32Array): Reversal {
  const events = trace.reversal(race, scratch);
  const last = events.length - 1;
  const steps = events.map((event) => (event < 0 ? race.footprint : trace.footprint(event)));
  const precedes = events.map((event, i) => {
    const before: number[] = [];
    for (let j = 0; j < i; j++) {
      const other = events[j]!;
      const ordered =
        i === last
          ? scratch[trace.proc[other]!]! >= trace.index[other]! || footprintsConflict(steps[j]!, race.footprint)
          : trace.happensBefore(other, event);
      if (ordered) before.push(j);
    }
    return before;
  });
  return new Reversal(steps, precedes);
}

/** Whether one of the sleeping steps leads to the same as the reversal: then it was explored already. */
export function isCovered(sleep: readonly Footprint[], reversal: Reversal): boolean {
  const all = reversal.steps.map((_, i) => i);
  return sleep.some((step) => reversal.weakInitial(all, step) >= 0);
}

/** Inserts a reversal into the tree whose first `skip` branches are not to be followed. True if the tree has grown. */
export function insert(children: WakeNode[], skip: number, reversal: Reversal): boolean {
  let left = reversal.steps.map((_, i) => i);
  let branches = children;
  for (let from = skip; ; from = 0) {
    let followed: WakeNode | undefined;
    for (let c = from; c < branches.length; c++) {
      const child = branches[c]!;
      const at = reversal.weakInitial(left, child);
      if (at < 0) continue;
      if (at < left.length) left = left.filter((_, i) => i !== at);
      followed = child;
      break;
    }
    if (followed === undefined) break;
    if (followed.children.length === 0) return false;
    branches = followed.children;
  }
  for (const i of left) {
    const step = reversal.steps[i]!;
    const node: WakeNode = { proc: step.proc, cls: step.cls, word: step.word, width: step.width, children: [] };
    branches.push(node);
    branches = node.children;
  }
  return left.length > 0;
}
