// The numbers of events, a column for each: arrays that grow together.

const FIRST_CAPACITY = 256;

/** Grows an Int32Array, keeping what is in it. */
function grown(old: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const fresh = new Int32Array(length);
  fresh.set(old);
  return fresh;
}

/** Columns of numbers by event, and clocks of `width` entries an event. */
export class EventColumns {
  /** Entries of a clock: the most procs there can be. */
  readonly width: number;
  proc: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  cls: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  word: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  /** Words touched. */
  size: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  /** How many steps its proc had taken with it. */
  index: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  /** What its word held before, and the word above it. */
  old: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  oldHi: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  operand: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  operandHi: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  /** A second word that it may have waited for, and what that held. */
  also: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  alsoValue: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  /** For a store that went out: its number in the buffer; else -1. */
  storeSeq: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  /** Previous events on its first, its second, and its other word. */
  before0: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  before1: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  beforeAlso: Int32Array<ArrayBuffer> = new Int32Array(FIRST_CAPACITY);
  clock: Int32Array<ArrayBuffer>;
  /** As clock, by program order and store buffers alone. */
  basis: Int32Array<ArrayBuffer>;
  protected capacity: number = FIRST_CAPACITY;

  constructor(width: number) {
    this.width = width;
    this.clock = new Int32Array(this.capacity * width);
    this.basis = new Int32Array(this.capacity * width);
  }

  /** Makes room for twice as many events. */
  protected grow(): void {
    this.capacity *= 2;
    const n = this.capacity;
    this.proc = grown(this.proc, n);
    this.cls = grown(this.cls, n);
    this.word = grown(this.word, n);
    this.size = grown(this.size, n);
    this.index = grown(this.index, n);
    this.old = grown(this.old, n);
    this.oldHi = grown(this.oldHi, n);
    this.operand = grown(this.operand, n);
    this.operandHi = grown(this.operandHi, n);
    this.also = grown(this.also, n);
    this.alsoValue = grown(this.alsoValue, n);
    this.storeSeq = grown(this.storeSeq, n);
    this.before0 = grown(this.before0, n);
    this.before1 = grown(this.before1, n);
    this.beforeAlso = grown(this.beforeAlso, n);
    this.clock = grown(this.clock, n * this.width);
    this.basis = grown(this.basis, n * this.width);
  }
}
