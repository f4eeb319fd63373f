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
  private events: number[] = [];
  private last: Footprint;
  private readonly trace: Trace;
  /** What happened before the last step by itself. */
  private readonly base: Int32Array;

  constructor(trace: Trace) {
    this.trace = trace;
    this.base = new Int32Array(trace.width);
    this.last = { proc: 0, cls: 0, word: 0, width: 0, also: 0 };
  }

  /** Turns to another race. */
  set(race: Race): void {
    this.events = this.trace.reversal(race, this.base);
    this.last = race.footprint;
  }

  get length(): number {
    return this.events.length;
  }

  proc(step: number): number {
    const event = this.events[step]!;
    return event < 0 ? this.last.proc : this.trace.proc[event]!;
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
    return this.base[trace.proc[a]!]! >= trace.index[a]! || trace.conflicts(a, this.last);
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

/** 0, 1, 2 …: all steps of a reversal. */
const ALL: number[] = [];

function allOf(reversal: Reversal): readonly number[] {
  while (ALL.length < reversal.length) ALL.push(ALL.length);
  return ALL;
}

/**
 * Whether an execution that begins with `step` can go on to do the same as the first `count` of `left`: then the place
 * of the step among them, or `count` where it is none of them and depends on none; -1 if it can't.
 */
function weakInitial(reversal: Reversal, left: readonly number[], count: number, step: Footprint): number {
  for (let at = 0; at < count; at++) {
    if (reversal.proc(left[at]!) !== step.proc) continue;
    for (let i = 0; i < at; i++) if (reversal.precedes(left[i]!, left[at]!)) return -1;
    return at;
  }
  for (let i = 0; i < count; i++) if (reversal.conflicts(left[i]!, step)) return -1;
  return count;
}

/** Whether one of the sleeping steps leads to the same as the reversal: then it was explored already. */
export function isCovered(sleep: readonly Footprint[], reversal: Reversal): boolean {
  const all = allOf(reversal);
  for (const step of sleep) if (weakInitial(reversal, all, reversal.length, step) >= 0) return true;
  return false;
}

/** Inserts a reversal into the tree whose first `skip` branches are not to be followed. */
export function insert(children: WakeNode[], skip: number, reversal: Reversal): void {
  let left = allOf(reversal);
  let count = reversal.length;
  let branches = children;
  for (let from = skip; ; from = 0) {
    let followed: WakeNode | undefined;
    for (let c = from; c < branches.length; c++) {
      const child = branches[c]!;
      const at = weakInitial(reversal, left, count, child);
      if (at < 0) continue;
      if (at < count) {
        left = [...left.slice(0, at), ...left.slice(at + 1, count)];
        count -= 1;
      }
      followed = child;
      break;
    }
    if (followed === undefined) break;
    // A branch that ends here leads to the same, and will be explored to its end.
    if (followed.children.length === 0) return;
    branches = followed.children;
  }
  for (let i = 0; i < count; i++) {
    const node: WakeNode = { ...reversal.footprint(left[i]!), children: [] };
    branches.push(node);
    branches = node.children;
  }
}
