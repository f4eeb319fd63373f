// Numbers that can be set back to what they were at an earlier point, for judges that follow a search which goes back and
// on. All of them are 0 at first.

const FIRST_POINTS = 64;

export class UndoableInts {
  /** The numbers as they are; changed by `set` alone. */
  ints: Int32Array<ArrayBuffer>;
  /** Changes, oldest first: a place, and what it held. */
  private changes: Int32Array<ArrayBuffer> = new Int32Array(4 * FIRST_POINTS);
  private changed = 0;
  /** Per point: how many changes had been made. */
  private points: Int32Array<ArrayBuffer> = new Int32Array(FIRST_POINTS);

  constructor(length: number) {
    this.ints = new Int32Array(length);
  }

  set(at: number, value: number): void {
    const old = this.ints[at]!;
    if (old === value) return;
    if (this.changed === this.changes.length) this.changes = grown(this.changes, 2 * this.changed);
    this.changes[this.changed] = at;
    this.changes[this.changed + 1] = old;
    this.changed += 2;
    this.ints[at] = value;
  }

  /** Here is point `index`; points are numbered as they come. */
  mark(index: number): void {
    if (index >= this.points.length) this.points = grown(this.points, 2 * index);
    this.points[index] = this.changed;
  }

  /** Sets back all that was changed since point `index` was marked. */
  backTo(index: number): void {
    this.undo(this.points[index]!);
  }

  /** Sets back everything. */
  clear(): void {
    this.undo(0);
  }

  private undo(until: number): void {
    const { ints, changes } = this;
    for (let i = this.changed - 2; i >= until; i -= 2) ints[changes[i]!] = changes[i + 1]!;
    this.changed = until;
  }

  /** Makes room for `length` numbers; the new ones are 0. */
  reserve(length: number): void {
    if (length > this.ints.length) this.ints = grown(this.ints, 2 * length);
  }
}

/** A longer copy. */
export function grown(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(length);
  longer.set(array);
  return longer;
}
