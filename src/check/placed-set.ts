// The operations that a search for an order has placed, as a set whose name is short.
//
// Operations are numbered by time of return. All before the first that is not placed are, and those that are placed
// beyond it run at the same time as it: so the set is a number and a few more. Operations are added and taken back as
// on a stack.

/** A set of numbers from 0. */
export class PlacedSet {
  /** The first number that is not in it. */
  private first = 0;
  /** The numbers above `first` that are in it, in order. */
  private ahead: number[] = [];

  add(number: number): void {
    if (number !== this.first) {
      this.ahead.splice(this.placeOf(number), 0, number);
      return;
    }
    this.first += 1;
    let absorbed = 0;
    for (; this.ahead[absorbed] === this.first; absorbed++) this.first += 1;
    this.ahead.splice(0, absorbed);
  }

  /** Takes back the addition of `number`, the last that was not taken back. */
  undo(number: number): void {
    if (number > this.first) {
      this.ahead.splice(this.placeOf(number), 1);
      return;
    }
    const absorbed = Array.from({ length: this.first - number - 1 }, (_, i) => number + 1 + i);
    this.ahead.unshift(...absorbed);
    this.first = number;
  }

  /** Names the set. */
  key(): string {
    return this.ahead.length === 0 ? String(this.first) : `${String(this.first)}+${this.ahead.join()}`;
  }

  /** Where in `ahead` a number stands, or would. */
  private placeOf(number: number): number {
    let low = 0;
    let high = this.ahead.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ahead[middle]! < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
