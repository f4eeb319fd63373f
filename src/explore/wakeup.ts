// Wakeup trees and sleep sets: what is still to be explored from a point of an execution, and what need not be.
//
// After Abdulla, Aronis, Jonsson, Sagonas, "Source sets: a foundation for optimal dynamic partial order reduction"
// (JACM 64(4), 2017). A sequence that reverses a race goes into the tree of the point it starts from, unless a branch
// that was explored there already, or one that waits there, leads to the same.
import { footprintsConflict } from './footprint.ts';
import type { Footprint } from './footprint.ts';
import type { Race } from './race.ts';
import type { Trace } from './trace.ts';

/** A step to take, and what may follow it. */
export interface WakeNode extends Footprint {
  readonly children: WakeNode[];
}

/** The steps that reverse a race, from the point before its earlier event, in an order in which they can be taken. */
export interface Reversal {
  readonly length: number;
  proc(step: number): number;
  footprint(step: number): Footprint;
  /** Whether step `first` must come before step `second`, which stands later. */
  precedes(first: number, second: number): boolean;
  /** Whether a step depends on another one, program order aside. */
  conflicts(step: number, other: Footprint): boolean;
}

/** A reversal worked out from the trace that its race was found in; good until that trace changes. */
export class TraceReversal implements Reversal {
  length = 0;
  private events: Int32Array<ArrayBuffer> = new Int32Array(64);
  private last: Footprint = { proc: 0, cls: 0, word: 0, width: 0, also: 0 };
  private readonly trace: Trace;
  /** Where the clock lies of what happened before the last step by itself. */
  private basis = 0;

  constructor(trace: Trace) {
    this.trace = trace;
  }

  /** Turns to another race. */
  set(race: Race): void {
    const { trace } = this;
    if (this.events.length <= trace.length) this.events = new Int32Array(2 * trace.length);
    this.basis = trace.basisOf(race);
    this.length = trace.reversal(race, this.events);
    this.last = race.footprint;
  }

  proc(step: number): number {
    const event = this.events[step]!;
    return event < 0 ? this.last.proc : this.trace.procOf(event);
  }

  footprint(step: number): Footprint {
    const event = this.events[step]!;
    return event < 0 ? this.last : this.trace.footprint(event);
  }

  precedes(first: number, second: number): boolean {
    const { events, trace } = this;
    const a = events[first]!;
    const b = events[second]!;
    if (b >= 0) return trace.happensBefore(a, b);
    return trace.isIn(this.basis, a) || trace.conflicts(a, this.last);
  }

  conflicts(step: number, other: Footprint): boolean {
    const event = this.events[step]!;
    return event < 0 ? footprintsConflict(this.last, other) : this.trace.conflicts(event, other);
  }
}

/** A reversal as plain data, which outlives its trace and goes from one thread to another. */
export interface ReversalData {
  readonly steps: readonly Footprint[];
  /** orders[i] has j if step j must come before step i. */
  readonly orders: readonly (readonly number[])[];
}

/** A reversal as plain data. */
export function reversalData(reversal: Reversal): ReversalData {
  const steps = Array.from({ length: reversal.length }, (_, i) => reversal.footprint(i));
  const orders = steps.map((_, i) => {
    const before: number[] = [];
    for (let j = 0; j < i; j++) if (reversal.precedes(j, i)) before.push(j);
    return before;
  });
  return { steps, orders };
}

/** A reversal from plain data. */
export class StoredReversal implements Reversal {
  private readonly data: ReversalData;

  constructor(data: ReversalData) {
    this.data = data;
  }

  get length(): number {
    return this.data.steps.length;
  }

  proc(step: number): number {
    return this.data.steps[step]!.proc;
  }

  footprint(step: number): Footprint {
    return this.data.steps[step]!;
  }

  precedes(first: number, second: number): boolean {
    return this.data.orders[second]!.includes(first);
  }

  conflicts(step: number, other: Footprint): boolean {
    return footprintsConflict(this.data.steps[step]!, other);
  }
}

/** Steps of a reversal that are left, in order, from `start` to its length; filled anew for each question. */
let left: Int32Array<ArrayBuffer> = new Int32Array(256);

function takeAll(reversal: Reversal): void {
  const { length } = reversal;
  if (left.length < length) left = new Int32Array(length * 2);
  for (let i = 0; i < length; i++) left[i] = i;
}

/**
 * Whether an execution that begins with `step` can go on to do the same as what is left from `start`: then the place of
 * the step there, or the reversal's length where it is none of them and depends on none; -1 if it can't.
 */
function weakInitial(reversal: Reversal, start: number, step: Footprint): number {
  const { length } = reversal;
  for (let at = start; at < length; at++) {
    if (reversal.proc(left[at]!) !== step.proc) continue;
    for (let i = start; i < at; i++) if (reversal.precedes(left[i]!, left[at]!)) return -1;
    return at;
  }
  for (let i = start; i < length; i++) if (reversal.conflicts(left[i]!, step)) return -1;
  return length;
}

/** Whether one of the sleeping steps leads to the same as the reversal: then it was explored already. */
export function isCovered(sleep: readonly Footprint[], reversal: Reversal): boolean {
  if (sleep.length === 0) return false;
  takeAll(reversal);
  for (const step of sleep) if (weakInitial(reversal, 0, step) >= 0) return true;
  return false;
}

/** Inserts a reversal into the tree whose first `skip` branches are not to be followed. */
export function insert(children: WakeNode[], skip: number, reversal: Reversal): void {
  takeAll(reversal);
  const { length } = reversal;
  let start = 0;
  let branches = children;
  for (let from = skip; ; from = 0) {
    let followed: WakeNode | undefined;
    for (let c = from; c < branches.length; c++) {
      const child = branches[c]!;
      const at = weakInitial(reversal, start, child);
      if (at < 0) continue;
      if (at < length) {
        // What stands before it stays, one place further back.
        for (let i = at; i > start; i--) left[i] = left[i - 1]!;
        start += 1;
      }
      followed = child;
      break;
    }
    if (followed === undefined) break;
    // A branch that ends here leads to the same, and will be explored to its end.
    if (followed.children.length === 0) return;
    branches = followed.children;
  }
  for (let i = start; i < length; i++) {
    const { proc, cls, word, width, also } = reversal.footprint(left[i]!);
    const node: WakeNode = { proc, cls, word, width, also, children: [] };
    branches.push(node);
    branches = node.children;
  }
}
