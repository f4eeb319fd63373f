// Which classes of locks are taken while which are held, seen in one execution after another: each way of it once.
import { byWhat } from './access-table.ts';
import type { AccessTable } from './access-table.ts';
import type { AccessKind } from './access-event.ts';
import { WordTable } from './word-table.ts';

/** `taken` was taken by a CPU that held `held`. */
export interface LockNesting {
  /** Classes. */
  readonly held: number;
  readonly taken: number;
  readonly heldForRead: boolean;
  readonly takenForRead: boolean;
  readonly cpu: number;
  /**
   * Places in the execution's events: where the held one was taken, and where the other one was. The latter is the number
   * of events where the execution ended with the CPU waiting for it.
   */
  readonly heldAt: number;
  readonly takenAt: number;
  readonly heldWord: number;
  readonly takenWord: number;
}

/** What tells a lock from others. */
export interface LockIdentity {
  readonly word: number;
  readonly lockClass: number;
}

/** A CPU that waits where an execution ended. */
export interface LockWait extends LockIdentity {
  readonly cpu: number;
}

const TAKES = 1;
const TRIES = 2;
const FOR_READ = 4;
const RELEASES = 8;

const LOCK_KINDS: Partial<Record<AccessKind, number>> = {
  lock: TAKES,
  trylock: TAKES | TRIES,
  unlock: RELEASES,
  'read-lock': TAKES | FOR_READ,
  'read-trylock': TAKES | TRIES | FOR_READ,
  'read-unlock': RELEASES,
  'write-lock': TAKES,
  'write-unlock': RELEASES,
};
/** By AccessTable.what; a lock that was not got was not taken. */
const LOCKING: Int32Array = byWhat((kind, stored) => {
  const traits = LOCK_KINDS[kind] ?? 0;
  return stored || traits === RELEASES ? traits : 0;
});

// A lock that is held, in numbers: who holds it, its word, its class, whether for reading, and the event that took it.
const WORD = 1;
const CLASS = 2;
const READER = 3;
const AT = 4;
const HELD_NUMBERS = 5;

/**
 * Ways of holding one class and taking another: each for reading or not, and whether it is the very same lock. A CPU may
 * hold several of a nested class, but not take one of them again.
 */
export const WAYS = 8;

/** The number of a way. */
export function wayOf(heldForRead: boolean, takenForRead: boolean, sameLock: boolean): number {
  return (heldForRead ? 1 : 0) + (takenForRead ? 2 : 0) + (sameLock ? 4 : 0);
}

export class LockWatch {
  private readonly classOf: (lock: LockIdentity) => number;
  private readonly classes: WordTable = new WordTable();
  /** Per class held, and in it per class taken and way: 1 if that was seen. */
  private readonly seen: Uint8Array[] = [];
  /** Locks held at this point of the execution, in the order in which they were taken. */
  private held: Int32Array = new Int32Array(16 * HELD_NUMBERS);
  private holding = 0;
  private found: LockNesting[] = [];

  /** `classOf`: the class of a lock; if not given, each word is one of its own. */
  constructor(classOf: (lock: LockIdentity) => number = ({ word }) => word) {
    this.classOf = classOf;
  }

  /**
   * One more execution: the ways of nesting locks that none before had, in the order in which they came. `waiting`: who
   * waited where it ended; those who wait for a lock that somebody holds would have taken it next.
   */
  watch(events: AccessTable, waiting: readonly LockWait[] = []): readonly LockNesting[] {
    this.holding = 0;
    for (let i = 0; i < events.count; i++) {
      const traits = LOCKING[events.what(i)]!;
      if (traits === 0) continue;
      if (traits === RELEASES) this.release(events.cpu(i), events.word(i));
      else this.take(events, i, traits);
    }
    // How they would take it is not known; a writer conflicts with every holder.
    for (const { cpu, word, lockClass } of waiting) {
      if (this.isHeld(word)) this.nest(cpu, word, this.classOf({ word, lockClass }), 0, events.count);
    }
    const { found } = this;
    if (found.length > 0) this.found = [];
    return found;
  }

  private take(events: AccessTable, index: number, traits: number): void {
    const cpu = events.cpu(index);
    const word = events.word(index);
    const lockClass = this.classOf({ word, lockClass: events.lockClass(index) });
    const reader = (traits & FOR_READ) !== 0 ? 1 : 0;
    if ((traits & TRIES) === 0) this.nest(cpu, word, lockClass, reader, index);
    const at = this.holding * HELD_NUMBERS;
    if (at === this.held.length) {
      const longer = new Int32Array(2 * at);
      longer.set(this.held);
      this.held = longer;
    }
    const { held } = this;
    held[at] = cpu;
    held[at + WORD] = word;
    held[at + CLASS] = lockClass;
    held[at + READER] = reader;
    held[at + AT] = index;
    this.holding += 1;
  }

  private release(cpu: number, word: number): void {
    const { held } = this;
    const end = this.holding * HELD_NUMBERS;
    for (let at = end - HELD_NUMBERS; at >= 0; at -= HELD_NUMBERS) {
      if (held[at] !== cpu || held[at + WORD] !== word) continue;
      held.copyWithin(at, at + HELD_NUMBERS, end);
      this.holding -= 1;
      return;
    }
  }

  private isHeld(word: number): boolean {
    for (let i = 0; i < this.holding; i++) if (this.held[i * HELD_NUMBERS + WORD] === word) return true;
    return false;
  }

  /** A CPU takes a lock, or waits to, with all that it holds. */
  private nest(cpu: number, word: number, lockClass: number, reader: number, index: number): void {
    const { held } = this;
    for (let i = 0; i < this.holding; i++) {
      const at = i * HELD_NUMBERS;
      if (held[at] !== cpu) continue;
      const way = wayOf(held[at + READER] === 1, reader === 1, held[at + WORD] === word);
      if (!this.isNew(held[at + CLASS]!, lockClass, way)) continue;
      this.found.push({
        held: held[at + CLASS]!,
        taken: lockClass,
        heldForRead: held[at + READER] === 1,
        takenForRead: reader === 1,
        cpu,
        heldAt: held[at + AT]!,
        takenAt: index,
        heldWord: held[at + WORD]!,
        takenWord: word,
      });
    }
  }

  private isNew(heldClass: number, takenClass: number, way: number): boolean {
    const row = this.classes.findOrAdd(heldClass);
    const place = this.classes.findOrAdd(takenClass) * WAYS + way;
    let seen = (this.seen[row] ??= new Uint8Array(WAYS));
    if (place >= seen.length) {
      const longer = new Uint8Array(2 * (place + 1));
      longer.set(seen);
      this.seen[row] = seen = longer;
    }
    if (seen[place] === 1) return false;
    seen[place] = 1;
    return true;
  }
}
