// The numbers of events: a row of one array for each, and a row of another for its clock, so that what is looked at
// together lies together, and a search that is over after a few steps has not made twenty arrays.

/** Where in an event's row a number stands, after those of its footprint: how many steps its proc had taken with it. */
export const INDEX = 5;
/** What its word held before, and the word above it. */
export const OLD = 6;
export const OLD_HI = 7;
export const OPERAND = 8;
export const OPERAND_HI = 9;
/** What the second word that it may have waited for held. */
export const ALSO_VALUE = 10;
/** For a store that went out: its number in the buffer; else -1. */
export const STORE_SEQ = 11;
/** Previous events on its first, its second, and its other word; -1: none. */
export const BEFORE0 = 12;
export const BEFORE1 = 13;
export const BEFORE_ALSO = 14;
/** Previous event of its proc; -1: none. */
export const PREVIOUS = 15;
/** Numbers in a row: a power of two, and a line of a processor's cache. */
const ROW_SHIFT = 4;

/** Events that there is room for at first, for each proc that there can be: what short programs come to. */
const EVENTS_OF_A_PROC = 16;

/** Rows of numbers by event, and clocks of `width` entries an event. */
export class EventTable {
  /** Entries of a clock: the most procs there can be. */
  readonly width: number;
  protected rows: Int32Array<ArrayBuffer>;
  /**
   * Clocks, from row 1; row 0 is what happened before a proc's first step: nothing. Where an event's basis, which is
   * its clock by program order and store buffers alone, is not the clock of its proc's previous event, it lies in front
   * of the clock.
   */
  protected clocks: Int32Array<ArrayBuffer>;
  private readonly clockRow: number;
  private capacity: number;

  /** `ownBasis`: whether events have a basis of their own. */
  constructor(width: number, ownBasis: boolean) {
    this.width = width;
    this.clockRow = ownBasis ? 2 * width : width;
    this.capacity = EVENTS_OF_A_PROC * width;
    this.rows = new Int32Array(this.capacity << ROW_SHIFT);
    this.clocks = new Int32Array((this.capacity + 1) * this.clockRow);
  }

  /** One number of an event. */
  get(event: number, field: number): number {
    return this.rows[(event << ROW_SHIFT) + field]!;
  }

  /** Where an event's row begins. */
  protected rowAt(event: number): number {
    return event << ROW_SHIFT;
  }

  /** Where an event's clock begins. */
  protected clockAt(event: number): number {
    return (event + 1) * this.clockRow;
  }

  /** An event's clock. */
  clockOf(event: number): Int32Array<ArrayBuffer> {
    const at = this.clockAt(event);
    return this.clocks.subarray(at, at + this.width);
  }

  /** Makes room for an event. */
  protected makeRoom(event: number): void {
    if (event < this.capacity) return;
    this.capacity *= 2;
    this.rows = longer(this.rows, this.capacity << ROW_SHIFT);
    this.clocks = longer(this.clocks, (this.capacity + 1) * this.clockRow);
  }
}

function longer(old: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const fresh = new Int32Array(length);
  fresh.set(old);
  return fresh;
}
