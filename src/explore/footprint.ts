// What a step does to memory, as far as it matters whether two steps commute.
//
// Two steps depend on each other if they touch a common word and are neither both reads nor both additions. All of the
// reduction rests on this relation, so it errs on the side of dependence, and only there.
import type { Step, StepKind } from '../kernel/memory.ts';

/** Classes of access. Two of class READ commute, and two of class ADD. */
export const READ = 1;
export const ADD = 2;
export const WRITE = 4;

/** Added to the count of a reader-writer semaphore by each reader (RWSEM_READER_BIAS). */
const READER = 0x100;
/** A writer holds it, or writers wait. */
const NO_READERS = 3;

/** The class a kind has whatever it finds; 0 where that depends on what it finds. */
const CLASS_OF: Readonly<Record<StepKind, number>> = {
  'plain-read': READ,
  'plain-write': WRITE,
  read: READ,
  write: WRITE,
  acquire: READ,
  release: WRITE,
  rmw: WRITE,
  cmpxchg: 0,
  add: ADD,
  mb: READ,
  wmb: READ,
  wait: READ,
  idle: READ,
  lock: WRITE,
  trylock: 0,
  unlock: WRITE,
  'read-lock': ADD,
  'read-trylock': 0,
  'read-unlock': ADD,
  'write-lock': WRITE,
  'write-unlock': WRITE,
  'hw-read': READ,
  'user-read': READ,
  'user-write': WRITE,
  'user-rmw': WRITE,
  note: READ,
};

/** What of a step says how it touches its word. */
export type Operation = Pick<Step, 'kind' | 'width' | 'operand' | 'operand_hi'>;

/** The class that a step of this kind has whatever it finds; 0 where that depends on what it finds. */
export function fixedClass(kind: StepKind): number {
  return CLASS_OF[kind];
}

/** The class of a step that finds `value` (and `valueHi` above it) in its word. `free`: whether a trylock would succeed. */
export function classOf(step: Operation, value: number, valueHi: number, free: boolean): number {
  const fixed = CLASS_OF[step.kind];
  if (fixed !== 0) return fixed;
  if (step.kind === 'cmpxchg') {
    return value === step.operand && (step.width === 1 || valueHi === step.operand_hi) ? WRITE : READ;
  }
  if (step.kind === 'trylock') return free ? WRITE : READ;
  return (value & NO_READERS) === 0 ? ADD : READ;
}

/** The class that a kind has at most: what discovery of shared words must assume before the step is taken. */
export function widestClass(kind: StepKind): number {
  // The kinds that most steps are of first: a look into the table costs as much as the rest of a step.
  if (kind === 'plain-read' || kind === 'hw-read' || kind === 'read' || kind === 'user-read') return READ;
  if (kind === 'plain-write' || kind === 'write' || kind === 'user-write' || kind === 'cmpxchg') return WRITE;
  const fixed = CLASS_OF[kind];
  if (fixed !== 0) return fixed;
  return kind === 'read-trylock' ? ADD : WRITE;
}

/** What a step of class ADD adds to its word. */
export function deltaOf(kind: StepKind, operand: number): number {
  if (kind === 'add') return operand;
  return kind === 'read-unlock' ? -READER : READER;
}

/** Whether steps of these classes on a common word depend on each other. */
export function classesConflict(a: number, b: number): boolean {
  return a !== b || a === WRITE;
}

/** What a step touches, as far as whether it commutes with others. */
export interface Footprint {
  readonly proc: number;
  readonly cls: number;
  readonly word: number;
  readonly width: number;
  /** A word that it reads as well; 0: none. */
  readonly also: number;
}

/** Whether two footprints depend on each other, program order aside. */
export function footprintsConflict(a: Footprint, b: Footprint): boolean {
  if (a.word < b.word + b.width && b.word < a.word + a.width && classesConflict(a.cls, b.cls)) return true;
  return changes(a, b.also) || changes(b, a.also);
}

/** Whether a step changes a word; 0 is none. */
export function changes(step: Footprint, word: number): boolean {
  return word !== 0 && step.cls !== READ && step.word <= word && word < step.word + step.width;
}

/** Where the numbers of a footprint stand in a row of an array, whatever else the row has after them. */
export const PROC = 0;
export const CLS = 1;
/** First word touched, and how many. */
export const WORD = 2;
export const SIZE = 3;
export const ALSO = 4;
export const FOOTPRINT_FIELDS = 5;
/** Rows of steps that have little else have this many numbers, as a power of two. */
export const ROW_SHIFT = 3;

/** The footprint in the row that begins at `at`. */
export function footprintAt(rows: Int32Array, at: number): Footprint {
  return {
    proc: rows[at + PROC]!,
    cls: rows[at + CLS]!,
    word: rows[at + WORD]!,
    width: rows[at + SIZE]!,
    also: rows[at + ALSO]!,
  };
}

/** Puts a footprint into the row that begins at `at`. */
export function putFootprint({ proc, cls, word, width, also }: Footprint, rows: Int32Array, at: number): void {
  rows[at + PROC] = proc;
  rows[at + CLS] = cls;
  rows[at + WORD] = word;
  rows[at + SIZE] = width;
  rows[at + ALSO] = also;
}

/** Whether the footprints in two rows depend on each other, program order aside. */
export function rowsConflict(a: Int32Array, at: number, b: Int32Array, to: number): boolean {
  const cls = a[at + CLS]!;
  const other = b[to + CLS]!;
  const word = a[at + WORD]!;
  const otherWord = b[to + WORD]!;
  const end = word + a[at + SIZE]!;
  const otherEnd = otherWord + b[to + SIZE]!;
  if (word < otherEnd && otherWord < end && classesConflict(cls, other)) return true;
  const also = a[at + ALSO]!;
  const otherAlso = b[to + ALSO]!;
  if (otherAlso !== 0 && cls !== READ && word <= otherAlso && otherAlso < end) return true;
  return also !== 0 && other !== READ && otherWord <= also && also < otherEnd;
}
