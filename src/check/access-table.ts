// The accesses of one execution after another, a row of numbers for each.
//
// Executions of a search have long beginnings in common. A row is compared with the one that it replaces, so that judges
// who have read the last execution need not read again what is as it was.
import { ACCESS_KINDS } from './access-event.ts';
import type { AccessEvent, AccessKind } from './access-event.ts';

// A row: CPU, kind and whether it stored; first word; width; lock class.
const ROW_SHIFT = 2;
const WORD = 1;
const WIDTH = 2;
const LOCK_CLASS = 3;
/** In the first number of a row, above the CPU's 8 bits: the kind's 6, then whether it stored. */
const WHAT_SHIFT = 8;
const STORED = 64;
const KIND_MASK: number = STORED - 1;
const FIRST_ROWS = 64;

const NUMBERS: ReadonlyMap<AccessKind, number> = new Map(ACCESS_KINDS.map((kind, number) => [kind, number]));
const PLAIN_READ = NUMBERS.get('plain-read')!;
const PLAIN_WRITE = NUMBERS.get('plain-write')!;
const READ = NUMBERS.get('read')!;
const WRITE = NUMBERS.get('write')!;
const LOCK = NUMBERS.get('lock')!;
const UNLOCK = NUMBERS.get('unlock')!;

/** What is looked up by AccessTable.what: `entry` of each kind and of whether it stored. */
export function byWhat(entry: (kind: AccessKind, stored: boolean) => number): Int32Array {
  const entries = new Int32Array(2 * STORED);
  for (const [number, kind] of ACCESS_KINDS.entries()) {
    entries[whatOf(number, false)] = entry(kind, false);
    entries[whatOf(number, true)] = entry(kind, true);
  }
  return entries;
}

/** What AccessTable.what says of an access of a kind, by its number, that stored or did not. */
export function whatOf(kind: number, stored: boolean): number {
  return stored ? kind + STORED : kind;
}

/** The number of a kind of access. */
export function numberOf(kind: AccessKind): number {
  // Most steps are one of these, and comparing is quicker than looking up.
  switch (kind) {
    case 'plain-read':
      return PLAIN_READ;
    case 'plain-write':
      return PLAIN_WRITE;
    case 'read':
      return READ;
    case 'write':
      return WRITE;
    case 'lock':
      return LOCK;
    case 'unlock':
      return UNLOCK;
    default:
      return NUMBERS.get(kind)!;
  }
}

export class AccessTable {
  /** Rows of this execution. Another one begins at 0, or where it leaves the last one. */
  count = 0;
  private rows: Int32Array<ArrayBuffer> = new Int32Array(FIRST_ROWS << ROW_SHIFT);
  /** Rows, from the first, that have not changed since `takeKept`. */
  private kept = 0;

  /** A table of one execution. */
  static of(events: readonly AccessEvent[]): AccessTable {
    const table = new AccessTable();
    table.fill(events);
    return table;
  }

  /** Another execution, all of it. */
  fill(events: readonly AccessEvent[]): void {
    this.count = 0;
    for (const { cpu, kind, word, width, stored, lockClass } of events) {
      this.add(cpu, whatOf(numberOf(kind), stored), word, width, lockClass);
    }
  }

  /** Its next access; `what`: see whatOf. */
  add(cpu: number, what: number, word: number, width: number, lockClass: number): void {
    const index = this.count++;
    const at = index << ROW_SHIFT;
    if (at === this.rows.length) this.grow();
    const { rows } = this;
    const head = cpu | (what << WHAT_SHIFT);
    if (
      index < this.kept &&
      rows[at] === head &&
      rows[at + WORD] === word &&
      rows[at + WIDTH] === width &&
      rows[at + LOCK_CLASS] === lockClass
    ) {
      return;
    }
    if (index < this.kept) this.kept = index;
    rows[at] = head;
    rows[at + WORD] = word;
    rows[at + WIDTH] = width;
    rows[at + LOCK_CLASS] = lockClass;
  }

  /** How many rows, from the first, are those of the execution at the last call; from now on compared with this one. */
  takeKept(): number {
    const kept = Math.min(this.kept, this.count);
    this.kept = this.count;
    return kept;
  }

  cpu(index: number): number {
    return this.rows[index << ROW_SHIFT]! & ((1 << WHAT_SHIFT) - 1);
  }

  /** The kind and whether it stored, as one number (see whatOf). */
  what(index: number): number {
    return this.rows[index << ROW_SHIFT]! >> WHAT_SHIFT;
  }

  word(index: number): number {
    return this.rows[(index << ROW_SHIFT) + WORD]!;
  }

  width(index: number): number {
    return this.rows[(index << ROW_SHIFT) + WIDTH]!;
  }

  stored(index: number): boolean {
    return (this.what(index) & STORED) !== 0;
  }

  lockClass(index: number): number {
    return this.rows[(index << ROW_SHIFT) + LOCK_CLASS]!;
  }

  kind(index: number): AccessKind {
    return ACCESS_KINDS[this.what(index) & KIND_MASK]!;
  }

  /** A row as an object. */
  event(index: number): AccessEvent {
    return {
      cpu: this.cpu(index),
      kind: this.kind(index),
      word: this.word(index),
      width: this.width(index),
      stored: this.stored(index),
      lockClass: this.lockClass(index),
    };
  }

  private grow(): void {
    const rows = new Int32Array(2 * this.rows.length);
    rows.set(this.rows);
    this.rows = rows;
  }
}
