// Everything that can happen in a program, found the plain way: a graph of all states, walked breadth first. It shares
// no code with the explorer, whose counts and end states it is there to check.
//
// A state is the memory, what each thread has read so far, and the stores that wait; the same state by two ways is one
// state, so that programs with 10^16 schedules can still be counted.
import type { MemoryModel, Program } from '../../src/explore/program.ts';
import { ThreadTrees } from './thread-tree.ts';
import type { Pending, ThreadNode } from './thread-tree.ts';

interface WaitingStore {
  readonly word: number;
  readonly data: readonly number[];
  /** Write barriers that this CPU passed before it. */
  readonly epoch: number;
}

interface State {
  readonly memory: readonly number[];
  readonly nodes: readonly ThreadNode[];
  readonly buffers: readonly (readonly WaitingStore[])[];
  /** Per CPU, the epoch of the next store. */
  readonly epochs: readonly number[];
}

interface Move {
  readonly thread: number;
  readonly state: State;
}

const touches = (store: WaitingStore, word: number, width: number): boolean =>
  store.word < word + width && word < store.word + store.data.length;

/** Whether stores that wait keep the CPU from its step. */
function waitsForBuffer(model: MemoryModel, step: Pending, buffer: readonly WaitingStore[]): boolean {
  const own = buffer.some((store) => touches(store, step.word, step.width));
  switch (step.kind) {
    case 'rmw':
    case 'cmpxchg':
    case 'mb':
    case 'unlock':
      return buffer.length > 0;
    case 'lock':
    case 'trylock':
    case 'add':
      return model === 'pso' ? own : buffer.length > 0;
    case 'wait':
      return own;
    default:
      return false;
  }
}

/** Which of the stores that wait can go out next. */
function canDrain(model: MemoryModel, buffer: readonly WaitingStore[], at: number): boolean {
  if (model === 'tso') return at === 0;
  const store = buffer[at]!;
  return buffer
    .slice(0, at)
    .every((earlier) => earlier.epoch === store.epoch && !touches(earlier, store.word, store.data.length));
}

const replaced = <T>(list: readonly T[], at: number, value: T): T[] => list.with(at, value);

/** A program as a transition system. */
class Machine {
  readonly trees: ThreadTrees;
  readonly initial: State;
  readonly model: MemoryModel;

  constructor(program: Program, model: MemoryModel) {
    this.model = model;
    this.trees = new ThreadTrees(program);
    this.initial = {
      memory: Array.from({ length: program.words }, (_, i) => (program.init?.[i] ?? 0) | 0),
      nodes: this.trees.roots,
      buffers: program.threads.map(() => []),
      epochs: program.threads.map(() => 0),
    };
  }

  /** What `thread` would load from the words that its step touches. */
  seen(state: State, thread: number): number[] {
    const { word, width } = state.nodes[thread]!.pending!;
    const values = state.memory.slice(word, word + width);
    for (const store of state.buffers[thread]!) {
      store.data.forEach((value, i) => {
        const at = store.word + i - word;
        if (at >= 0 && at < width) values[at] = value;
      });
    }
    return values;
  }

  enabled(state: State, thread: number): boolean {
    const step = state.nodes[thread]!.pending;
    if (step === undefined || waitsForBuffer(this.model, step, state.buffers[thread]!)) return false;
    return step.ready === undefined || step.ready(state.memory[step.word]!);
  }

  step(state: State, thread: number): State {
    const node = state.nodes[thread]!;
    const { kind, word, operand } = node.pending!;
    const effect = this.trees.after(node, this.seen(state, thread));
    const nodes = replaced(state.nodes, thread, effect.next);
    const { written, stored } = effect;
    if (kind === 'add') {
      return { ...state, nodes, memory: replaced(state.memory, word, (state.memory[word]! + operand) | 0) };
    }
    if (written !== undefined)
      return { ...state, nodes, memory: state.memory.toSpliced(word, written.length, ...written) };
    if (stored !== undefined && this.model === 'sc') {
      return { ...state, nodes, memory: state.memory.toSpliced(word, stored.length, ...stored) };
    }
    const epoch = state.epochs[thread]! + (kind === 'wmb' || kind === 'release' ? 1 : 0);
    const epochs = replaced(state.epochs, thread, epoch);
    if (stored === undefined) return { ...state, nodes, epochs };
    const buffers = replaced(state.buffers, thread, [...state.buffers[thread]!, { word, data: stored, epoch }]);
    return { ...state, nodes, epochs, buffers };
  }

  /** All that can happen next; a thread's steps, then its stores that go out. */
  moves(state: State): Move[] {
    const moves: Move[] = [];
    state.nodes.forEach((_, thread) => {
      if (this.enabled(state, thread)) moves.push({ thread, state: this.step(state, thread) });
      const buffer = state.buffers[thread]!;
      buffer.forEach(({ word, data }, at) => {
        if (!canDrain(this.model, buffer, at)) return;
        const memory = state.memory.toSpliced(word, data.length, ...data);
        moves.push({
          thread,
          state: { ...state, memory, buffers: replaced(state.buffers, thread, buffer.toSpliced(at, 1)) },
        });
      });
    });
    return moves;
  }
}

/** Epochs count only against one another, and only while a store of an earlier one waits. */
function keyOf({ memory, nodes, buffers, epochs }: State): string {
  let key = '';
  for (const value of memory) key += String.fromCharCode(value & 0xffff, value >>> 16);
  for (const { id } of nodes) key += String.fromCharCode(id & 0xffff, id >>> 16);
  buffers.forEach((buffer, thread) => {
    if (buffer.length === 0) return;
    const stores = buffer.map(
      ({ word, data, epoch }) => `${String(word)}=${data.join()}@${String(epochs[thread]! - epoch)}`,
    );
    key += `|${String(thread)}:${stores.join()}`;
  });
  return key;
}

interface Vertex {
  readonly state: State;
  /** Threads and places in the list of vertices; empty where nothing can go on. */
  readonly moves: readonly { readonly thread: number; readonly to: number }[];
}

/** States that are too many for a test. */
const MAX_STATES = 3_000_000;

/** All states, each before those that follow it. `ends` says where a state is the end although it could go on. */
function reachable(machine: Machine, ends: (state: State) => boolean): Vertex[] {
  const places = new Map<string, number>([[keyOf(machine.initial), 0]]);
  const states = [machine.initial];
  const vertices: Vertex[] = [];
  for (let at = 0; at < states.length; at++) {
    const state = states[at]!;
    const moves = ends(state) ? [] : machine.moves(state);
    vertices.push({
      state,
      moves: moves.map((move) => {
        const key = keyOf(move.state);
        let to = places.get(key);
        if (to === undefined) {
          to = states.length;
          places.set(key, to);
          states.push(move.state);
          if (to > MAX_STATES) throw new Error('enumerate: too many states');
        }
        return { thread: move.thread, to };
      }),
    });
  }
  return vertices;
}

const threw = ({ nodes }: State): boolean => nodes.some((node) => node.threw !== undefined);
const waits = ({ nodes }: State): boolean => nodes.some((node) => node.pending !== undefined);

/** What is wrong with a state in which nothing can go on. */
function violated(program: Program, state: State): boolean {
  if (threw(state) || waits(state)) return true;
  try {
    program.check?.({ memory: Int32Array.from(state.memory), returns: state.nodes.map((node) => node.returned) });
    return false;
  } catch {
    return true;
  }
}

/** All schedules of a program under sc. They end at the first failed assertion. */
export interface ScheduleCounts {
  readonly schedules: bigint;
  readonly buggy: bigint;
  /** The chance that a walk which takes each CPU that can go with the same chance ends in a violation. */
  readonly walk: number;
  /** Fewest times that a violation needs a CPU stopped which could have gone on; undefined: there is no violation. */
  readonly preemptions: number | undefined;
}

/** Counts the schedules of a program, exactly. */
export function countSchedules(program: Program): ScheduleCounts {
  const vertices = reachable(new Machine(program, 'sc'), threw);
  const schedules: bigint[] = [];
  const buggy: bigint[] = [];
  const walk: number[] = [];
  // By vertex and by the CPU that went last; the last column is for none.
  const fewest: number[][] = [];
  const none = program.threads.length;
  for (let at = vertices.length - 1; at >= 0; at--) {
    const { state, moves } = vertices[at]!;
    if (moves.length === 0) {
      const bad = violated(program, state);
      schedules[at] = 1n;
      buggy[at] = bad ? 1n : 0n;
      walk[at] = bad ? 1 : 0;
      fewest[at] = new Array<number>(none + 1).fill(bad ? 0 : Infinity);
      continue;
    }
    schedules[at] = moves.reduce((sum, { to }) => sum + schedules[to]!, 0n);
    buggy[at] = moves.reduce((sum, { to }) => sum + buggy[to]!, 0n);
    walk[at] = moves.reduce((sum, { to }) => sum + walk[to]!, 0) / moves.length;
    fewest[at] = Array.from({ length: none + 1 }, (_, last) => {
      const couldGo = moves.some(({ thread }) => thread === last);
      return Math.min(...moves.map(({ thread, to }) => fewest[to]![thread]! + (couldGo && thread !== last ? 1 : 0)));
    });
  }
  const least = fewest[0]![none]!;
  return {
    schedules: schedules[0]!,
    buggy: buggy[0]!,
    walk: walk[0]!,
    preemptions: least === Infinity ? undefined : least,
  };
}

/** An end state as a string: memory, what the threads returned, and who waits for ever. */
export function endKey(memory: Iterable<number>, returns: readonly unknown[], waiting: readonly number[] = []): string {
  const stuck = waiting.length > 0 ? ` waiting ${waiting.join()}` : '';
  return `${[...memory].join()} ${JSON.stringify(returns)}${stuck}`;
}

/** All end states under a memory model. A thread that throws ends there, with undefined; the others go on. */
export function endStates(program: Program, model: MemoryModel): Set<string> {
  const ends = new Set<string>();
  for (const { state, moves } of reachable(new Machine(program, model), () => false)) {
    if (moves.length > 0) continue;
    const waiting = state.nodes.filter((node) => node.pending !== undefined).map((node) => node.thread);
    ends.add(
      endKey(
        state.memory,
        state.nodes.map((node) => node.returned),
        waiting,
      ),
    );
  }
  return ends;
}

/** Whether some execution under a memory model violates the program: a throw, a deadlock, or a rejected end state. */
export function isViolated(program: Program, model: MemoryModel): boolean {
  return reachable(new Machine(program, model), threw).some(
    ({ state, moves }) => moves.length === 0 && violated(program, state),
  );
}

/** How a step meets others on a word: reads do not order reads, nor additions additions. */
function classOf(step: Pending, seen: readonly number[]): 'r' | 'a' | 'w' {
  switch (step.kind) {
    case 'plain-read':
    case 'read':
    case 'acquire':
    case 'hw-read':
    case 'user-read':
    case 'wait':
      return 'r';
    case 'cmpxchg':
      return seen[0] === step.operand && (step.width < 2 || seen[1] === step.operand_hi) ? 'w' : 'r';
    case 'trylock':
      return seen[0] === 0 ? 'w' : 'r';
    case 'add':
      return 'a';
    default:
      return 'w';
  }
}

/** What has happened to one word: groups of steps that commute, in order. */
interface WordHistory {
  readonly before: number;
  readonly kind: string;
  readonly steps: readonly string[];
  /** Number of this history: the same histories have the same. */
  readonly id: number;
}

/**
 * Counts the Mazurkiewicz traces of a program under sc, to the end of every thread that did not throw: schedules that
 * differ only in the order of steps that commute are one. A trace is told by what happened to each word, in order, up
 * to the order within groups that commute; prefixes of traces are walked, each once.
 */
export function countTraces(program: Program): number {
  const machine = new Machine(program, 'sc');
  const ids = new Map<string, number>();
  const history = (before: number, kind: string, steps: readonly string[]): WordHistory => {
    const key = `${String(before)} ${kind} ${steps.join()}`;
    let id = ids.get(key);
    if (id === undefined) ids.set(key, (id = ids.size + 1));
    return { before, kind, steps, id };
  };
  interface Prefix {
    readonly state: State;
    readonly words: readonly WordHistory[];
  }
  const empty: WordHistory = { before: 0, kind: '', steps: [], id: 0 };
  let level: Prefix[] = [{ state: machine.initial, words: machine.initial.memory.map(() => empty) }];
  let traces = 0;
  while (level.length > 0) {
    const next = new Map<string, Prefix>();
    for (const { state, words } of level) {
      let last = true;
      for (const node of state.nodes) {
        if (!machine.enabled(state, node.thread)) continue;
        last = false;
        const step = node.pending!;
        const kind = classOf(step, machine.seen(state, node.thread));
        const name = `${String(node.thread)}.${String(node.path.length)}`;
        const after = words.map((word, at) => {
          if (at < step.word || at >= step.word + step.width) return word;
          return kind !== 'w' && word.kind === kind
            ? history(word.before, kind, [...word.steps, name].sort())
            : history(word.id, kind, [name]);
        });
        const to = machine.step(state, node.thread);
        // Steps that touch no word leave no history, but they are part of what a thread has done.
        const key = `${after.map((word) => word.id).join()}|${to.nodes.map((each) => each.id).join()}`;
        if (!next.has(key)) next.set(key, { state: to, words: after });
      }
      if (last) traces += 1;
    }
    level = [...next.values()];
    if (level.length > MAX_STATES) throw new Error('enumerate: too many prefixes of traces');
  }
  return traces;
}
