// Lock order over many executions, as lockdep sees it: which class of lock was taken while which was held.
//
// A cycle among classes is a deadlock that some execution can reach, even if none that was looked at did. A trylock
// waits for nobody, so nothing leads to what it took; a reader is not kept out by readers, so a cycle counts only if at
// every class on it one of the two, holder or taker, is a writer.
import type { AccessEvent } from './access-event.ts';

/** Where a class was taken while another was held, for the first time. */
export interface LockOrderExample {
  /** Which execution, counted from 0, and which CPU. */
  readonly execution: number;
  readonly cpu: number;
  /**
   * Places in that execution's events: where the held one was taken, and where the other one was. The latter is the
   * number of events where the execution ended with the CPU waiting for it.
   */
  readonly heldAt: number;
  readonly takenAt: number;
  readonly heldWord: number;
  readonly takenWord: number;
}

/** `taken` was taken while `held` was held. */
export interface LockOrderEdge {
  /** Classes. */
  readonly held: number;
  readonly taken: number;
  readonly heldForRead: boolean;
  readonly takenForRead: boolean;
  readonly example: LockOrderExample;
}

/** What is wrong with the order. */
export interface LockOrderProblem {
  /** `recursive`: a CPU takes a class that it holds. `circular`: taking closes a cycle. */
  readonly kind: 'recursive' | 'circular';
  /** What was done that completed it. */
  readonly edge: LockOrderEdge;
  /** For a circle, how it leads back: from the class taken to the class held, each taken while the one before was held. */
  readonly chain: readonly LockOrderEdge[];
}

/** What tells a lock from others. */
export interface LockIdentity {
  readonly word: number;
  readonly lockClass: number;
}

/** How words and classes are understood. */
export interface LockOrderRules {
  /** The class of a lock; if not given, each word is one of its own. */
  readonly classOf?: (lock: LockIdentity) => number;
  /** Classes of which a CPU may hold several, since they are taken in an order of their own (spin_lock_nested). */
  readonly nested?: ReadonlySet<number>;
}

/** A CPU that waits where an execution ended. */
export interface LockWait extends LockIdentity {
  readonly cpu: number;
}

interface Held {
  readonly cpu: number;
  readonly word: number;
  readonly lockClass: number;
  readonly forRead: boolean;
  readonly at: number;
}

const TAKES = 1;
const TRIES = 2;
const FOR_READ = 4;
const RELEASES = 8;

const LOCK_KINDS: Partial<Record<AccessEvent['kind'], number>> = {
  lock: TAKES,
  trylock: TAKES | TRIES,
  unlock: RELEASES,
  'read-lock': TAKES | FOR_READ,
  'read-trylock': TAKES | TRIES | FOR_READ,
  'read-unlock': RELEASES,
  'write-lock': TAKES,
  'write-unlock': RELEASES,
};

/** Per class taken: an edge for each way of holding and taking. */
type EdgesByTaken = Map<number, (LockOrderEdge | undefined)[]>;

/** Accumulates the order of locks over executions. */
export class LockOrder {
  /** What was found wrong so far, each cycle of classes once. */
  readonly problems: LockOrderProblem[] = [];
  private readonly classOf: (lock: LockIdentity) => number;
  private readonly nested: ReadonlySet<number>;
  /** Per class, what was taken while it was held. */
  private readonly after = new Map<number, EdgesByTaken>();
  private readonly told = new Set<string>();
  private executions = 0;
  /** Locks held at this point of the execution, in the order in which they were taken. */
  private readonly held: Held[] = [];

  constructor(rules: LockOrderRules = {}) {
    this.classOf = rules.classOf ?? ((lock) => lock.word);
    this.nested = rules.nested ?? new Set();
  }

  /** All that was taken while something else was held. */
  get edges(): LockOrderEdge[] {
    const lists = [...this.after.values()].flatMap((taken) => [...taken.values()]);
    return lists.flat().filter((edge) => edge !== undefined);
  }

  /**
   * One more execution. `waiting`: who waited where it ended; those who wait for a lock that somebody holds would have
   * taken it next. Returns how many problems are new.
   */
  add(events: readonly AccessEvent[], waiting: readonly LockWait[] = [], count: number = events.length): number {
    const known = this.problems.length;
    for (let i = 0; i < count; i++) {
      const event = events[i]!;
      const traits = LOCK_KINDS[event.kind] ?? 0;
      if (traits === RELEASES) this.release(event);
      else if (traits !== 0 && event.stored) {
        const forRead = (traits & FOR_READ) !== 0;
        if ((traits & TRIES) === 0) this.take(event, forRead, i);
        this.held.push({ cpu: event.cpu, word: event.word, lockClass: this.classOf(event), forRead, at: i });
      }
    }
    // How they would take it is not known; a writer conflicts with every holder.
    for (const wait of waiting) {
      if (this.held.some((lock) => lock.word === wait.word)) this.take(wait, false, count);
    }
    this.held.length = 0;
    this.executions += 1;
    return this.problems.length - known;
  }

  private release(event: AccessEvent): void {
    for (let i = this.held.length - 1; i >= 0; i--) {
      const lock = this.held[i]!;
      if (lock.cpu !== event.cpu || lock.word !== event.word) continue;
      this.held.splice(i, 1);
      return;
    }
  }

  /** A CPU takes a lock, or waits to: that orders it after everything that the CPU holds. */
  private take(lock: LockWait, takenForRead: boolean, takenAt: number): void {
    const taken = this.classOf(lock);
    for (const holding of this.held) {
      if (holding.cpu !== lock.cpu) continue;
      const { lockClass: held, forRead: heldForRead } = holding;
      const known = this.edgesBetween(held, taken);
      const way = (heldForRead ? 2 : 0) + (takenForRead ? 1 : 0);
      // A nested class may be held twice, and the very same lock of it then be taken again.
      if (known[way] !== undefined && holding.word !== lock.word) continue;
      const places = { cpu: lock.cpu, heldAt: holding.at, takenAt, heldWord: holding.word, takenWord: lock.word };
      const edge = { held, taken, heldForRead, takenForRead, example: { execution: this.executions, ...places } };
      known[way] = edge;
      this.judge(edge);
    }
  }

  private edgesBetween(held: number, taken: number): (LockOrderEdge | undefined)[] {
    let list = this.after.get(held);
    if (list === undefined) this.after.set(held, (list = new Map<number, (LockOrderEdge | undefined)[]>()));
    let edges = list.get(taken);
    if (edges === undefined) list.set(taken, (edges = [undefined, undefined, undefined, undefined]));
    return edges;
  }

  private judge(edge: LockOrderEdge): void {
    if (edge.held === edge.taken) {
      if (edge.heldForRead && edge.takenForRead) return;
      // Several of a nested class may be held, but nobody can take the very same lock again.
      if (this.nested.has(edge.held) && edge.example.heldWord !== edge.example.takenWord) return;
      this.tell({ kind: 'recursive', edge, chain: [] });
      return;
    }
    const chain = this.wayBack(edge);
    if (chain !== undefined) this.tell({ kind: 'circular', edge, chain });
  }

  private tell(problem: LockOrderProblem): void {
    const classes = [problem.edge.held, ...problem.chain.map(({ held }) => held)].sort((a, b) => a - b);
    const key = `${problem.kind} ${classes.join(' ')}`;
    if (this.told.has(key)) return;
    this.told.add(key);
    this.problems.push(problem);
  }

  /** The shortest chain of edges from the class taken back to the class held, on which everybody waits. */
  private wayBack(closing: LockOrderEdge): LockOrderEdge[] | undefined {
    // Whether the wait at a class is a reader's decides which holders it waits for: both ways of reaching it count.
    const seen = new Set([reached(closing)]);
    let paths: LockOrderEdge[][] = [[]];
    while (paths.length > 0) {
      const longer: LockOrderEdge[][] = [];
      for (const path of paths) {
        const last = path[path.length - 1] ?? closing;
        for (const edge of this.edgesFrom(last)) {
          if (edge.taken === closing.held && waitsFor(edge, closing)) return [...path, edge];
          if (seen.has(reached(edge))) continue;
          seen.add(reached(edge));
          longer.push([...path, edge]);
        }
      }
      paths = longer;
    }
    return undefined;
  }

  /** Edges of those who hold what the taker of `last` waits for. */
  private edgesFrom(last: LockOrderEdge): LockOrderEdge[] {
    const lists = [...(this.after.get(last.taken)?.values() ?? [])];
    return lists
      .flat()
      .filter((edge) => edge !== undefined && edge.held !== edge.taken && waitsFor(last, edge)) as LockOrderEdge[];
  }
}

/** Whether who takes as in `taker` has to wait for who holds as in `holder`. */
function waitsFor(taker: LockOrderEdge, holder: LockOrderEdge): boolean {
  return !(taker.takenForRead && holder.heldForRead);
}

function reached(edge: LockOrderEdge): string {
  return `${String(edge.taken)} ${String(edge.takenForRead)}`;
}
