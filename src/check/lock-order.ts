// Lock order over many executions, as lockdep sees it: which class of lock was taken while which was held.
//
// A cycle among classes is a deadlock that some execution can reach, even if none that was looked at did. A trylock
// waits for nobody, so nothing leads to what it took; a reader is not kept out by readers, so a cycle counts only if at
// every class on it one of the two, holder or taker, is a writer.
import { WAYS, wayOf } from './lock-watch.ts';
import type { LockIdentity, LockNesting } from './lock-watch.ts';

/** Where a class was taken while another was held, for the first time. */
export interface LockOrderExample extends Pick<LockNesting, 'cpu' | 'heldAt' | 'takenAt' | 'heldWord' | 'takenWord'> {
  /** Which execution, counted from 0 among those that showed something new. */
  readonly execution: number;
}

/** `taken` was taken while `held` was held. */
export interface LockOrderEdge extends Pick<LockNesting, 'held' | 'taken' | 'heldForRead' | 'takenForRead'> {
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

/** How words and classes are understood. */
export interface LockOrderRules {
  /** The class of a lock; if not given, each word is one of its own. */
  readonly classOf?: (lock: LockIdentity) => number;
  /** Classes of which a CPU may hold several, since they are taken in an order of their own (spin_lock_nested). */
  readonly nested?: ReadonlySet<number>;
}

/** Per class taken: an edge for each way of holding and taking. */
type EdgesByTaken = Map<number, (LockOrderEdge | undefined)[]>;

/** Accumulates the order of locks over executions. */
export class LockOrder {
  /** What was found wrong so far, each cycle of classes once. */
  readonly problems: LockOrderProblem[] = [];
  /** All that was taken while something else was held, as it came. */
  readonly edges: LockOrderEdge[] = [];
  /** Executions that showed something new. */
  executions = 0;
  private readonly nested: ReadonlySet<number>;
  /** Per class, what was taken while it was held. */
  private readonly after = new Map<number, EdgesByTaken>();
  private readonly told = new Set<string>();

  constructor({ nested = new Set() }: LockOrderRules = {}) {
    this.nested = nested;
  }

  /** What one more execution showed, as a LockWatch saw it. Returns how many problems are new. */
  add(nestings: readonly LockNesting[]): number {
    const known = this.problems.length;
    const edges = this.edges.length;
    for (const { held, taken, heldForRead, takenForRead, ...place } of nestings) {
      const between = this.edgesBetween(held, taken);
      const way = wayOf(heldForRead, takenForRead, place.heldWord === place.takenWord);
      if (between[way] !== undefined) continue;
      const edge = { held, taken, heldForRead, takenForRead, example: { execution: this.executions, ...place } };
      between[way] = edge;
      this.edges.push(edge);
      this.judge(edge);
    }
    if (this.edges.length > edges) this.executions += 1;
    return this.problems.length - known;
  }

  private edgesBetween(held: number, taken: number): (LockOrderEdge | undefined)[] {
    let list = this.after.get(held);
    if (list === undefined) this.after.set(held, (list = new Map<number, (LockOrderEdge | undefined)[]>()));
    let edges = list.get(taken);
    if (edges === undefined) list.set(taken, (edges = new Array<LockOrderEdge | undefined>(WAYS).fill(undefined)));
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
