// Sleep sets: steps that need not be taken at a point of an execution, since what they lead to was explored already.
//
// A step sleeps on as long as nothing is taken that it depends on. The sets of the points of one path lie behind each
// other in one array: a search goes on and back at the end.
import { FOOTPRINT_FIELDS, PROC, ROW_SHIFT, footprintAt, putFootprint } from './footprint.ts';
import type { Footprint } from './footprint.ts';
import { NO_NUMBERS, grown } from './numbers.ts';
import type { Reversal } from './reversal.ts';
import type { Trace } from './trace.ts';

const FIRST_CAPACITY = 32;

/** What sleeps at each point of a path, which begins at depth 0. */
export class SleepSets {
  private rows: Int32Array<ArrayBuffer> = NO_NUMBERS;
  /** By depth: where the set ends; it begins where the one before ends. */
  private readonly ends: number[] = [];

  /** Sets what sleeps at a depth, where nothing does before it. */
  set(depth: number, steps: readonly Footprint[]): void {
    for (let before = 0; before < depth; before++) this.ends[before] = 0;
    this.ends[depth] = 0;
    for (const step of steps) {
      const at = this.room(depth);
      putFootprint(step, this.rows, at);
    }
  }

  private start(depth: number): number {
    return depth === 0 ? 0 : this.ends[depth - 1]!;
  }

  /** Room for one more step at the deepest point. */
  private room(depth: number): number {
    const at = this.ends[depth]!++ << ROW_SHIFT;
    if (at === this.rows.length) this.rows = grown(this.rows, FIRST_CAPACITY << ROW_SHIFT);
    return at;
  }

  /** Goes on to the point after an event, whose number is the depth before it: what does not depend on it sleeps on. */
  goOn(trace: Trace, event: number): void {
    const { ends } = this;
    const end = ends[event]!;
    const from = this.start(event);
    ends[event + 1] = end;
    if (from === end) return;
    const proc = trace.procOf(event);
    for (let i = from; i < end; i++) {
      const at = i << ROW_SHIFT;
      if (this.rows[at + PROC] === proc || trace.conflictsWithRow(event, this.rows, at)) continue;
      const to = this.room(event + 1);
      for (let field = 0; field < FOOTPRINT_FIELDS; field++) this.rows[to + field] = this.rows[at + field]!;
    }
  }

  /** The step of an event sleeps from now on at the point before it, which is the deepest. */
  add(trace: Trace, event: number): void {
    const at = this.room(event);
    trace.copyFootprint(event, this.rows, at);
  }

  /** Whether a proc's step sleeps at a depth. */
  has(depth: number, proc: number): boolean {
    const { rows } = this;
    const end = this.ends[depth]!;
    for (let i = this.start(depth); i < end; i++) if (rows[(i << ROW_SHIFT) + PROC] === proc) return true;
    return false;
  }

  /** Whether a step that sleeps at a depth leads to the same as a reversal: then that was explored already. */
  covers(depth: number, reversal: Reversal): boolean {
    const end = this.ends[depth]!;
    for (let i = this.start(depth); i < end; i++) if (reversal.placeOf(this.rows, i << ROW_SHIFT) >= 0) return true;
    return false;
  }

  /** What sleeps at a depth. */
  list(depth: number): Footprint[] {
    const from = this.start(depth);
    const { rows } = this;
    return Array.from({ length: this.ends[depth]! - from }, (_, i) => footprintAt(rows, (from + i) << ROW_SHIFT));
  }
}
