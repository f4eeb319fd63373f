// Sequences of steps that reverse races: from the trace that a race was found in, or as data that outlives it.
import { ROW_SHIFT, footprintAt, putFootprint, rowsConflict } from './footprint.ts';
import type { Footprint } from './footprint.ts';
import { NO_NUMBERS, grown } from './numbers.ts';
import type { Race } from './race.ts';
import type { Trace } from './trace.ts';

/** No step of a proc is left. */
const NONE = -1;
/** Steps that there is room for at first. */
const FIRST_LENGTH = 32;

/**
 * The steps that reverse a race, from the point before its earlier event, in an order in which they can be taken. Steps
 * are taken out one by one where a tree is followed; what is left stays in order.
 */
export abstract class Reversal {
  /** Steps, those that were taken out included. */
  length = 0;
  /** The place of the step that lost the race, and now goes first; -1: not known. */
  protected racing = -1;
  /** Of each step, its proc, and the place of that proc's next step, or NONE. */
  private procs: Int32Array<ArrayBuffer> = NO_NUMBERS;
  private next: Int32Array<ArrayBuffer> = NO_NUMBERS;
  /** The place of each proc's first step that is left; NONE. */
  private readonly first: number[] = [];
  /** The procs that have steps: the first `procCount`. */
  private readonly members: number[] = [];
  private procCount = 0;
  /** While steps come in: the place of each proc's last. */
  private readonly latest: number[] = [];

  /** Whether step `first` must come before step `second`, which stands later. */
  abstract precedes(first: number, second: number): boolean;
  /** Whether a step depends on the one whose footprint is the row at `at`, program order aside. */
  abstract conflicts(step: number, rows: Int32Array, at: number): boolean;
  /** Puts a step's footprint into the row at `at`. */
  abstract copy(step: number, rows: Int32Array, at: number): void;
  abstract footprint(step: number): Footprint;

  /** Begins anew, without steps. */
  protected clear(): void {
    const { members, first, procCount } = this;
    for (let i = 0; i < procCount; i++) first[members[i]!] = NONE;
    this.procCount = 0;
    this.length = 0;
  }

  /** Has another step, of this proc. */
  protected add(proc: number): void {
    const { first, latest } = this;
    const place = this.length++;
    if (place === this.procs.length) {
      this.procs = grown(this.procs, FIRST_LENGTH);
      this.next = grown(this.next, FIRST_LENGTH);
    }
    this.procs[place] = proc;
    this.next[place] = NONE;
    if ((first[proc] ?? NONE) === NONE) {
      first[proc] = place;
      this.members[this.procCount++] = proc;
    } else this.next[latest[proc]!] = place;
    latest[proc] = place;
  }

  /** Whether a step was not taken out. */
  isLeft(step: number): boolean {
    const first = this.first[this.procs[step]!]!;
    return first !== NONE && first <= step;
  }

  /**
   * Whether an execution that begins with the step in the row at `at` can go on to do the same as what is left: then the
   * place of the step there, or the reversal's length where it is none of them and depends on none; -1 if it can't.
   */
  placeOf(rows: Int32Array, at: number): number {
    const { first, members, procCount, length } = this;
    const place = first[rows[at]!] ?? NONE;
    if (place === NONE) {
      for (let step = 0; step < length; step++) if (this.isLeft(step) && this.conflicts(step, rows, at)) return -1;
      return length;
    }
    if (place === this.racing || this.racing < 0) {
      // It may depend on a later step of a proc, and not on that proc's first.
      for (let step = 0; step < place; step++) if (this.isLeft(step) && this.precedes(step, place)) return -1;
      return place;
    }
    for (let i = 0; i < procCount; i++) {
      const other = first[members[i]!]!;
      if (other !== NONE && other < place && this.precedes(other, place)) return -1;
    }
    return place;
  }

  /** Takes a step out, the first of its proc that is left. */
  takeOut(step: number): void {
    this.first[this.procs[step]!] = this.next[step]!;
  }
}

/** A reversal worked out from the trace that its race was found in; good until that trace changes. */
export class TraceReversal extends Reversal {
  /** Whether the racing step goes as soon as it can. */
  isBrief = false;
  private events: Int32Array<ArrayBuffer> = NO_NUMBERS;
  private rest: Int32Array<ArrayBuffer> = NO_NUMBERS;
  /** The footprint of the racing step. */
  private readonly last: Int32Array<ArrayBuffer> = new Int32Array(1 << ROW_SHIFT);
  private readonly trace: Trace;
  /** Where the clock lies of what happened before the racing step by itself. */
  private basis = 0;

  constructor(trace: Trace) {
    super();
    this.trace = trace;
  }

  /** Turns to another race. */
  set(race: Race): void {
    const { trace } = this;
    if (this.events.length <= trace.length) {
      this.events = new Int32Array(2 * trace.length);
      this.rest = new Int32Array(2 * trace.length);
    }
    this.clear();
    this.basis = trace.basisOf(race);
    putFootprint(race.footprint, this.last, 0);
    const { events } = this;
    const count = trace.reversal(race, events);
    const first = this.bringForward(race, count);
    for (let i = 0; i < first; i++) this.add(trace.procOf(events[i]!));
    this.racing = first;
    this.add(race.footprint.proc);
    for (let i = first + 1; i <= count; i++) this.add(trace.procOf(events[i]!));
  }

  /**
   * Brings what must come before the racing step to the front of the events, and leaves its place free after that: the
   * sooner it goes, the sooner those who raced can finish. How many come before it: all where that is not plain.
   */
  private bringForward({ later }: Race, count: number): number {
    const { trace, events, rest, last } = this;
    if (!this.isBrief || later < 0) return count;
    for (let i = 0; i < count; i++) {
      // Where it goes first it may depend on more than it did.
      const event = events[i]!;
      if (!trace.happensBefore(event, later) && trace.conflictsWithRow(event, last, 0)) return count;
    }
    let first = 0;
    let others = 0;
    for (let i = 0; i < count; i++) {
      const event = events[i]!;
      if (trace.happensBefore(event, later)) events[first++] = event;
      else rest[others++] = event;
    }
    for (let i = 0; i < others; i++) events[first + 1 + i] = rest[i]!;
    return first;
  }

  footprint(step: number): Footprint {
    return step === this.racing ? footprintAt(this.last, 0) : this.trace.footprint(this.events[step]!);
  }

  copy(step: number, rows: Int32Array, at: number): void {
    if (step === this.racing) putFootprint(footprintAt(this.last, 0), rows, at);
    else this.trace.copyFootprint(this.events[step]!, rows, at);
  }

  precedes(first: number, second: number): boolean {
    const { events, trace, racing } = this;
    // What stands after the racing step has nothing to do with it.
    if (first === racing) return false;
    const a = events[first]!;
    if (second !== racing) return trace.happensBefore(a, events[second]!);
    return trace.isIn(this.basis, a) || trace.conflictsWithRow(a, this.last, 0);
  }

  conflicts(step: number, rows: Int32Array, at: number): boolean {
    if (step === this.racing) return rowsConflict(this.last, 0, rows, at);
    return this.trace.conflictsWithRow(this.events[step]!, rows, at);
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
export class StoredReversal extends Reversal {
  private readonly data: ReversalData;
  private readonly rows: Int32Array<ArrayBuffer>;

  constructor(data: ReversalData) {
    super();
    this.data = data;
    this.rows = new Int32Array(data.steps.length << ROW_SHIFT);
    data.steps.forEach((step, i) => {
      putFootprint(step, this.rows, i << ROW_SHIFT);
      this.add(step.proc);
    });
  }

  footprint(step: number): Footprint {
    return this.data.steps[step]!;
  }

  copy(step: number, rows: Int32Array, at: number): void {
    putFootprint(this.data.steps[step]!, rows, at);
  }

  precedes(first: number, second: number): boolean {
    return this.data.orders[second]!.includes(first);
  }

  conflicts(step: number, rows: Int32Array, at: number): boolean {
    return rowsConflict(this.rows, step << ROW_SHIFT, rows, at);
  }
}
