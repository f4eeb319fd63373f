// The tree of schedules from a point of an execution on: one for each behaviour that differs, as the explorer finds
// them, with states that are the same drawn once. Where every way on comes to one end, that end is all there is to see:
// what is left are the choices that matter.
import { Dpor } from '../../explore/dpor.ts';
import { complaintOf } from '../../explore/complaint.ts';
import type { Execution } from '../../explore/execution.ts';
import { firstWidth, withWidth } from '../../explore/frontier.ts';
import { Hash } from '../../explore/kernel-image.ts';
import type { KernelSubject } from '../../explore/kernel-subject.ts';
import type { Complaint } from '../../explore/subject.ts';
import { tokenOf } from '../../explore/token.ts';
import { groundOf, procsOf } from './continuations.ts';
import type { Plan } from './plan.ts';

/** A point of an execution, and how much may be spent on it. */
export interface TreeRequest {
  readonly plan: Plan;
  /** The schedule up to there, run-length, by the names of tokens. */
  readonly turns: readonly { readonly proc: string; readonly steps: number }[];
  /** Executions at most. */
  readonly executions: number;
  readonly milliseconds: number;
}

/** A way from one state on to the next that is drawn. */
export interface TreeEdge {
  /** Place of the state it leads to. */
  readonly to: number;
  /** Who goes, by its name in tokens. */
  readonly proc: string;
  /** What it does first: the kind of the access and the name of the word. */
  readonly does: string;
  /** Executions that go this way. */
  readonly executions: number;
}

/** A state that is drawn: a choice that matters, or an end. */
export interface TreeNode {
  /** A schedule that comes through here, from the beginning of the execution to its end. */
  readonly token: string;
  /** Steps of it that lead to here, seen by others or not. */
  readonly steps: number;
  /** Executions that come through here, and those of them that fail. */
  readonly executions: number;
  readonly failing: number;
  readonly edges: readonly TreeEdge[];
  /** For an end: whether it is one, and what is wrong with it. */
  readonly isEnd: boolean;
  readonly complaint: Complaint | undefined;
}

/** What can happen from a point on. */
export interface ScheduleTree {
  /** States before those that they lead to; the first is the point itself. */
  readonly nodes: readonly TreeNode[];
  readonly executions: number;
  readonly failing: number;
  /** Different states that were come through, drawn or not. */
  readonly states: number;
  /** Whether every way on was tried. */
  readonly complete: boolean;
}

/** One execution: its choices from the point on, and its end. */
interface Path {
  readonly procs: readonly number[];
  readonly token: string;
  readonly complaint: Complaint | undefined;
  readonly end: string;
}

/** A state while the tree grows. */
interface State {
  readonly token: string;
  readonly steps: number;
  executions: number;
  failing: number;
  /** Where each proc leads that went on from here. */
  readonly next: Map<number, { readonly key: string; readonly does: string; executions: number }>;
  readonly path: Path | undefined;
}

/** The tree from a point on. Throws a UsageError for a plan that is not possible. */
export function scheduleTree(request: TreeRequest): ScheduleTree {
  const { execution, subject } = groundOf(request.plan);
  for (;;) {
    const prefix = procsOf(execution, request.turns);
    const { paths, complete } = pathsFrom(execution, subject, prefix, request);
    // Words turned out to be shared that did not seem to be: choices were passed by.
    if (execution.discovered) continue;
    const grower = new Grower(execution, prefix);
    for (const path of paths) grower.add(path);
    const failing = paths.filter(({ complaint }) => complaint !== undefined).length;
    return { nodes: grower.drawn(), executions: paths.length, failing, states: grower.size, complete };
  }
}

function pathsFrom(
  execution: Execution,
  subject: KernelSubject,
  prefix: readonly number[],
  { executions: most, milliseconds }: TreeRequest,
): { paths: Path[]; complete: boolean } {
  const deadline = performance.now() + milliseconds;
  return withWidth(execution, firstWidth(execution), (width) => {
    const paths: Path[] = [];
    const search = new Dpor(execution, width, { prefix, sleep: [], tree: [] });
    search.run(() => {
      const { trace } = search;
      const procs = Array.from({ length: trace.length - prefix.length }, (_, i) => trace.procOf(prefix.length + i));
      const complaint = complaintOf(execution);
      paths.push({ procs, token: tokenOf(execution), complaint, end: subject.endDigest() + (complaint?.judge ?? '') });
      return performance.now() >= deadline ? 'stop' : 'go on';
    }, most);
    return { paths, complete: search.isFinished };
  });
}

/** Grows a tree path by path: each is run once more, and its states are looked up by what they are. */
class Grower {
  private readonly execution: Execution;
  private readonly prefix: readonly number[];
  private readonly states = new Map<string, State>();
  private root = '';

  constructor(execution: Execution, prefix: readonly number[]) {
    this.execution = execution;
    this.prefix = prefix;
  }

  get size(): number {
    return this.states.size;
  }

  add(path: Path): void {
    const { execution } = this;
    execution.restart();
    for (const proc of this.prefix) execution.take(proc);
    const tracker = new StateTracker(execution);
    let key = path.procs.length === 0 ? path.end : tracker.key();
    this.root = key;
    let state = this.visit(key, path);
    for (const [i, proc] of path.procs.entries()) {
      const does = this.whatNext(proc);
      execution.take(proc);
      tracker.took(proc);
      key = i === path.procs.length - 1 ? path.end : tracker.key();
      const edge = state.next.get(proc);
      if (edge === undefined) state.next.set(proc, { key, does, executions: 1 });
      else edge.executions += 1;
      state = this.visit(key, path);
    }
  }

  /** What a proc is about to do, in a word or two. */
  private whatNext(proc: number): string {
    const { execution } = this;
    const { subject } = execution;
    const store = proc < execution.cpus ? undefined : execution.buffered(execution.cpuOf(proc))[0];
    if (store !== undefined) return `drain ${subject.nameOf(store.word)}`;
    const { kind, word } = execution.pending(proc);
    return kind === 'mb' || kind === 'wmb' || kind === 'idle' ? kind : `${kind} ${subject.nameOf(word)}`;
  }

  private visit(key: string, path: Path): State {
    let state = this.states.get(key);
    if (state === undefined) {
      const isEnd = key === path.end;
      const { steps } = this.execution;
      state = { token: path.token, steps, executions: 0, failing: 0, next: new Map(), path: isEnd ? path : undefined };
      this.states.set(key, state);
    }
    state.executions += 1;
    if (path.complaint !== undefined) state.failing += 1;
    return state;
  }

  /** The states that are worth drawing. */
  drawn(): TreeNode[] {
    const order: string[] = [];
    const shown = new Map<string, string>();
    const visit = (key: string): string => {
      const known = shown.get(key);
      if (known !== undefined) return known;
      const state = this.states.get(key);
      const targets = new Set([...(state?.next.values() ?? [])].map((edge) => visit(edge.key)));
      // A state whose ways on all come to the same is that state.
      const [only] = targets;
      const self = only !== undefined && targets.size === 1 ? only : key;
      shown.set(key, self);
      if (self === key) order.push(key);
      return self;
    };
    const first = visit(this.root);
    order.reverse();
    const places = new Map(order.map((key, i) => [key, i]));
    if (places.get(first) !== 0) throw new Error('Grower.drawn: the tree does not begin at its root');
    return order.map((key) => this.node(key, shown, places));
  }

  private node(key: string, shown: ReadonlyMap<string, string>, places: ReadonlyMap<string, number>): TreeNode {
    const state = this.states.get(key);
    if (state === undefined) throw new Error('Grower.node: there is no such state');
    const { token, steps, executions, failing, next, path } = state;
    const edges = [...next].map(([proc, edge]) => ({
      to: places.get(shown.get(edge.key) ?? '') ?? 0,
      proc: this.execution.procName(proc),
      does: edge.does,
      executions: edge.executions,
    }));
    return { token, steps, executions, failing, edges, isEnd: path !== undefined, complaint: path?.complaint };
  }
}

/**
 * Tells states apart by what made them: what each CPU has seen, which its program's place follows from, and what shared
 * words and store buffers hold.
 */
class StateTracker {
  private readonly execution: Execution;
  /** Per proc, all that it has seen since the point. */
  private readonly seen = new Map<number, Hash>();
  /** What words that were touched since the point hold, and a hash of that in two halves, whatever the order. */
  private readonly memory = new Map<number, number>();
  private low = 0;
  private high = 0;

  constructor(execution: Execution) {
    this.execution = execution;
  }

  /** A proc took a step. */
  took(proc: number): void {
    const { taken, words } = this.execution;
    let hash = this.seen.get(proc);
    if (hash === undefined) {
      hash = new Hash();
      this.seen.set(proc, hash);
    }
    hash.add(taken.word, taken.value);
    hash.add(taken.width, taken.valueHi);
    for (let word = taken.word; word < taken.word + taken.width; word++) this.holds(word, words[word] ?? 0);
  }

  private holds(word: number, value: number): void {
    const before = this.memory.get(word);
    if (before === value) return;
    if (before !== undefined) this.mix(word, before);
    this.memory.set(word, value);
    this.mix(word, value);
  }

  /** Takes a word's value into the hash, or out of it again. */
  private mix(word: number, value: number): void {
    const low = Math.imul(word ^ Math.imul(value, 0x9e3779b1), 0x85ebca6b);
    const high = Math.imul(value ^ Math.imul(word, 0x27d4eb2f), 0xc2b2ae35);
    this.low ^= low ^ (low >>> 15);
    this.high ^= high ^ (high >>> 13);
  }

  key(): string {
    const { execution, seen, low, high } = this;
    const parts = [`${String(low)} ${String(high)}`];
    for (const [proc, hash] of [...seen].sort(([a], [b]) => a - b)) parts.push(`${String(proc)}:${hash.text()}`);
    for (let cpu = 0; cpu < execution.cpus; cpu++) {
      for (const { word, data } of execution.buffered(cpu)) parts.push([cpu, word, data[0] ?? 0].join('w'));
    }
    return parts.join(' ');
  }
}
