// Optimal dynamic partial-order reduction: one execution of each Mazurkiewicz trace, and none abandoned.
//
// A depth-first search over executions. At the end of each, every race it has is reversed by a sequence of steps that
// goes into the wakeup tree of the point before the race, unless something there leads to the same (wakeup.ts). A CPU
// that waits is disabled; the step that ends a wait can be reversed only with what the wait is for, which may lie
// further back than the step that ended it (trace.ts).
import type { Execution } from './execution.ts';
import { ROW_SHIFT, putFootprint } from './footprint.ts';
import type { Footprint } from './footprint.ts';
import { NondeterminismError } from './nondeterminism.ts';
import { orderByRaces } from './race-order.ts';
import { RewindingExecution } from './rewinding-execution.ts';
import { TraceReversal, reversalData } from './reversal.ts';
import type { ReversalData } from './reversal.ts';
import { SleepSets } from './sleep.ts';
import { Trace } from './trace.ts';
import { WakeupTrees } from './wakeup.ts';
import type { WakeNode } from './wakeup.ts';

/** Groups of procs, in the order in which they are chosen (race-order.ts); empty: by their numbers. */
export type Order = readonly (readonly number[])[];

/**
 * Where a search begins: procs to run first; the steps that sleep where the last of them is taken; and the wakeup tree
 * after it. Everything but the last step of the prefix is somebody else's.
 */
export interface Root {
  readonly prefix: readonly number[];
  readonly sleep: readonly Footprint[];
  readonly tree: readonly WakeNode[];
  /** The order in which procs are chosen where the choice is free. A search from the beginning finds one if none is given. */
  readonly order?: Order | undefined;
}

/** A point of an unfinished search with branches left. */
export interface OpenPoint {
  /** Procs run to get there. */
  readonly prefix: readonly number[];
  readonly sleep: readonly Footprint[];
  /** The branch under way, whose rest is told by a deeper point; undefined at the deepest. */
  readonly current: Footprint | undefined;
  readonly tree: readonly WakeNode[];
}

/** A reversal that starts before a search's root, so many steps after the beginning. */
export interface Above {
  readonly depth: number;
  readonly reversal: ReversalData;
}

/** What a search has to say when an execution has ended. */
export type OnExecution = () => 'go on' | 'stop';

/** There are more procs than the clocks have entries: the search must begin again with wider ones. */
export class TooManyProcsError extends Error {}

const BEGINNING: Root = { prefix: [], sleep: [], tree: [] };
const NO_ORDER: Order = [];

/** A depth-first search from a root. */
export class Dpor {
  executions = 0;
  blocked = 0;
  /** Reversals that start before the root: [depth, reversal], for whoever keeps the tree up there. */
  readonly above: Above[] = [];
  private readonly execution: Execution;
  readonly trace: Trace;
  private readonly root: Root;
  private readonly sleep: SleepSets = new SleepSets();
  private readonly trees: WakeupTrees = new WakeupTrees();
  /** Per depth: the wakeup tree, without the branch under way, whose own tree is the next depth's. */
  private readonly tree: number[] = [];
  /** For estimates: branches begun at each depth. */
  private readonly begun: number[] = [];
  private readonly reversal: TraceReversal;
  /** The order of procs as it was found or given, and flat; those that are not in it come after it, by their numbers. */
  private groups: Order = NO_ORDER;
  private chosenIn: readonly number[] = [];
  /** The group of each proc. */
  private readonly groupOf: (readonly number[])[] = [];
  private finished = false;
  /** Where the search has last gone back to: the branch that waits there goes on. */
  private returnedTo = -1;
  /** The footprint of a step that might be taken. */
  private readonly candidate: Int32Array<ArrayBuffer> = new Int32Array(1 << ROW_SHIFT);

  constructor(execution: Execution, width: number, root: Root = BEGINNING) {
    this.execution = execution;
    this.trace = new Trace(execution, width);
    this.root = root;
    this.reversal = new TraceReversal(this.trace);
    if (root.order !== undefined) this.keepTo(root.order);
    const depth = root.prefix.length;
    // Of a search that starts in the middle, what sleeps at its root is known once the step before it was taken.
    this.sleep.set(Math.max(0, depth - 1), root.sleep);
    this.tree[depth] = this.trees.adopt(root.tree);
    this.begun[depth] = 0;
  }

  /** Whether everything below the root was explored. */
  get isFinished(): boolean {
    return this.finished;
  }

  /** The order in which procs are chosen, once it was found. */
  get order(): Order {
    return this.groups;
  }

  private keepTo(order: Order): void {
    this.groups = order;
    this.chosenIn = order.flat();
    for (const group of order) for (const proc of group) this.groupOf[proc] = group;
    this.reversal.isBrief = order.length > 0;
  }

  /** Explores until everything was, `onExecution` says stop, or `limit` more executions were. */
  run(onExecution: OnExecution, limit?: number): void {
    const until = this.executions + (limit ?? Infinity);
    while (!this.finished && this.executions < until) {
      this.begin();
      let complete = this.finish();
      if (this.isFirst && this.findOrder()) complete = this.finish();
      if (this.execution.discovered) return;
      if (complete) this.executions += 1;
      else this.blocked += 1;
      this.execution.ended();
      this.plan(complete);
      const answer = complete ? onExecution() : 'go on';
      this.backtrack();
      if (answer === 'stop') return;
    }
  }

  /** Begins the next execution, at the point where the last one is left. */
  private begin(): void {
    const { execution, trace, root } = this;
    const isThere = execution instanceof RewindingExecution && execution.rewindTo(trace.length);
    if (!isThere) this.beginAgain();
    if (trace.length < root.prefix.length) this.enterRoot();
  }

  /** Runs an execution to its end along the first branches of the trees. False: abandoned, all that could go on sleeps. */
  private finish(): boolean {
    const { execution, trace, trees } = this;
    for (;;) {
      if (execution.overran || execution.discovered) return true;
      const depth = trace.length;
      const tree = this.tree[depth]!;
      if (tree === 0) {
        const proc = this.choose(depth);
        if (proc === -1) return true;
        if (proc === -2) return false;
        this.step(proc);
        this.tree[depth + 1] = 0;
        this.sleep.goOn(trace, depth);
        this.begun[depth + 1] = 0;
        continue;
      }
      const early = this.groups.length > 0 && depth !== this.returnedTo ? this.chooseEarly(depth, tree) : -1;
      if (early >= 0) {
        this.step(early);
        this.tree[depth + 1] = tree;
        this.tree[depth] = 0;
      } else {
        const proc = trees.procOf(tree);
        // A reversal that can't be taken after all: nothing lies there.
        if (!execution.isEnabled(proc)) return false;
        this.step(proc);
        this.tree[depth + 1] = trees.after(tree);
        this.tree[depth] = trees.leave(tree);
      }
      this.sleep.goOn(trace, depth);
      this.begun[depth + 1] = 0;
    }
  }

  /** Whether the first execution of a search from the beginning has just been run, in no particular order. */
  private get isFirst(): boolean {
    const { root, executions } = this;
    return executions === 0 && root.prefix.length === 0 && root.order === undefined;
  }

  /** After the first execution: whether there is a better order. That execution is then none, and stands at its start. */
  private findOrder(): boolean {
    const { execution, trace } = this;
    // One that can't go back begins again each time, whatever the order.
    if (!(execution instanceof RewindingExecution) || execution.overran || trace.foundRaces.length === 0) return false;
    const order = orderByRaces(trace, trace.foundRaces, execution.cpus);
    if (order.flat().every((proc, i) => proc === i)) return false;
    this.keepTo(order);
    trace.takeRaces(false);
    while (trace.length > 0) trace.pop();
    execution.startOver();
    return true;
  }

  /** Runs from the beginning to where the last execution is left. */
  private beginAgain(): void {
    const { execution, trace } = this;
    execution.restart();
    for (let i = 0; i < trace.length; i++) {
      execution.take(trace.procOf(i));
      if (!trace.matches(i, execution.taken)) throw new NondeterminismError(i);
    }
  }

  private enterRoot(): void {
    const { trace, root } = this;
    while (trace.length < root.prefix.length) this.step(root.prefix[trace.length]!);
    this.sleep.goOn(trace, trace.length - 1);
  }

  private step(proc: number): void {
    this.execution.take(proc);
    if (this.execution.procs > this.trace.width) throw new TooManyProcsError();
    this.trace.push(this.execution.taken);
  }

  /** Whoever went last, if it can; else the first in the order that can. -1: nobody can. -2: all that can sleep. */
  private choose(depth: number): number {
    const { execution, chosenIn, sleep } = this;
    const last = depth > 0 ? this.trace.procOf(depth - 1) : -1;
    let someone = false;
    const { procs } = execution;
    for (let i = last < 0 ? 0 : -1; i < procs; i++) {
      const proc = i < 0 ? last : (chosenIn[i] ?? i);
      if (i >= 0 && proc === last) continue;
      if (!execution.isEnabled(proc)) continue;
      someone = true;
      if (!sleep.has(depth, proc)) return proc;
    }
    return someone ? -2 : -1;
  }

  /**
   * Somebody of the last proc's group who need not wait until a tree's branches are taken: none of its steps is theirs,
   * or depends on their next one.
   * -1: nobody. A search that comes back to the tree's races does not go through those steps again.
   */
  private chooseEarly(depth: number, tree: number): number {
    const { execution, sleep, candidate } = this;
    const last = this.trace.procOf(depth - 1);
    for (const proc of this.groupOf[last]!) {
      if (!execution.isEnabled(proc) || sleep.has(depth, proc)) continue;
      const { word, width } = execution.pending(proc);
      putFootprint({ proc, cls: execution.classOfNext(proc), word, width, also: 0 }, candidate, 0);
      if (this.trees.commutes(tree, candidate, 0)) return proc;
    }
    return -1;
  }

  /** Reverses the races of the execution that has just ended. */
  private plan(atEnd: boolean): void {
    const { trace, reversal } = this;
    const root = this.root.prefix.length;
    for (const race of trace.takeRaces(atEnd)) {
      const depth = race.earlier;
      reversal.set(race);
      if (depth < root) {
        this.above.push({ depth, reversal: reversalData(reversal) });
        continue;
      }
      if (!this.sleep.covers(depth, reversal)) this.tree[depth] = this.trees.insert(this.tree[depth]!, reversal);
    }
  }

  /** Goes back to the last point with a branch left. */
  private backtrack(): void {
    const { trace, tree } = this;
    const root = this.root.prefix.length;
    // An abandoned branch was never entered: its step is not an event.
    const { length } = trace;
    if (length >= root && tree[length]! !== 0) {
      tree[length] = this.trees.drop(tree[length]!);
      this.returnedTo = length;
      if (tree[length] !== 0) return;
    }
    while (trace.length > root) {
      const depth = trace.length - 1;
      const isLeft = tree[depth]! !== 0;
      if (isLeft) this.sleep.add(trace, depth);
      trace.pop();
      this.begun[depth]! += 1;
      this.returnedTo = depth;
      if (isLeft) return;
    }
    this.finished = true;
  }

  /** What the last step before the root did; undefined where the root is the beginning. */
  get rootStep(): Footprint | undefined {
    const depth = this.root.prefix.length;
    return depth === 0 ? undefined : this.trace.footprint(depth - 1);
  }

  /** The points on the path that the search stands on, from the root down: what another search goes on from, in its place. */
  open(): OpenPoint[] {
    const { trace } = this;
    const points: OpenPoint[] = [];
    const procs = Array.from({ length: trace.length }, (_, event) => trace.procOf(event));
    for (let depth = this.root.prefix.length; depth <= trace.length; depth++) {
      const under = depth < trace.length;
      points.push({
        prefix: procs.slice(0, depth),
        sleep: this.sleep.list(depth),
        current: under ? trace.footprint(depth) : undefined,
        tree: this.trees.data(this.tree[depth]!),
      });
    }
    return points;
  }

  /** The share of the search that is done, by weighing the branches of each point alike; a guess. */
  get share(): number {
    let share = 0;
    let weight = 1;
    for (let depth = this.root.prefix.length; depth <= this.trace.length; depth++) {
      const done = this.begun[depth] ?? 0;
      const underWay = depth < this.trace.length ? 1 : 0;
      const branches = done + underWay + this.trees.count(this.tree[depth] ?? 0);
      if (branches === 0) break;
      weight /= branches;
      share += done * weight;
    }
    return this.finished ? 1 : share;
  }
}
