// A thread as a tree of what it may see: each node is all that the thread has read so far, and so its whole local
// state. Each edge is computed once, by running the thread anew on values made up for it; after that the thread is a
// table, and all schedules of a program can be walked without running it.
import type { Processor, Step } from '../../src/kernel/memory.ts';
import type { Program } from '../../src/explore/program.ts';

/** The step that a thread is about to do, copied. */
export type Pending = Pick<Step, 'kind' | 'word' | 'width' | 'operand' | 'operand_hi' | 'ready'>;

/** What one step did, given what it saw. */
export interface Effect {
  readonly next: ThreadNode;
  /** Values of the touched words afterwards, for a step that writes memory itself. */
  readonly written: readonly number[] | undefined;
  /** What it handed to the store buffer. */
  readonly stored: readonly number[] | undefined;
}

export interface ThreadNode {
  readonly id: number;
  readonly thread: number;
  readonly path: readonly (readonly number[])[];
  /** undefined: the thread has ended. */
  readonly pending: Pending | undefined;
  readonly returned: unknown;
  readonly threw: string | undefined;
  readonly effects: Map<string, Effect>;
}

/** Steps that see no value: what they do does not depend on the memory. */
const BLIND: ReadonlySet<string> = new Set([
  'plain-write',
  'write',
  'release',
  'user-write',
  'add',
  'mb',
  'wmb',
  'lock',
  'unlock',
  'note',
]);
/** Steps that write memory themselves, past any store buffer. `add` does too, but what it leaves is a sum. */
const DIRECT: ReadonlySet<string> = new Set(['rmw', 'cmpxchg', 'lock', 'trylock', 'unlock']);
/** A thread with more steps than this does not end. */
const MAX_STEPS = 2000;

export function isBlind(step: Pending): boolean {
  return BLIND.has(step.kind);
}

/** A processor on made-up memory, whose store buffer keeps the last store for whoever asks. */
interface Stage {
  readonly cpu: Processor;
  stored: readonly number[] | undefined;
}

function makeStage(id: number, words: number): Stage {
  const buffer = new SharedArrayBuffer(Math.ceil(words / 2) * 8);
  const scratch = new ArrayBuffer(8);
  const memory = new Int32Array(buffer);
  const aboutWait: Processor['about_wait'] = (kind, word, ready) => {
    Object.assign(stage.cpu.step, { kind, word, width: 1, operand: 0, operand_hi: 0, ready });
    return true;
  };
  const stage: Stage = {
    stored: undefined,
    cpu: {
      id,
      words: memory,
      bytes: new Uint8Array(buffer),
      doubles: new Float64Array(buffer),
      quads: new BigInt64Array(buffer),
      scratch32: new Int32Array(scratch),
      scratch64: new BigInt64Array(scratch),
      scratchDouble: new Float64Array(scratch),
      step: {
        kind: 'note',
        cpu: id,
        word: 0,
        width: 0,
        operand: 0,
        operand_hi: 0,
        ready: undefined,
        also: 0,
        lock_class: 0,
        holder: 0,
        note: '',
        values: [],
      },
      store_buffer: {
        size: 1,
        store: (_word, data) => {
          stage.stored = [...data];
        },
        merge: (_word, value) => {
          stage.stored = [value];
        },
        load: (word) => memory[word]!,
        barrier: () => undefined,
      },
      fill: () => {
        throw new Error('makeStage: programs have no pages to clear');
      },
      about: (kind, word, width = 1, operand = 0, operandHi = 0) => {
        Object.assign(stage.cpu.step, { kind, word, width, operand, operand_hi: operandHi, ready: undefined });
        return true;
      },
      about_wait: aboutWait,
    },
  };
  return stage;
}

/** The trees of a program's threads. */
export class ThreadTrees {
  readonly roots: readonly ThreadNode[];
  private readonly program: Program;
  private readonly stages: Stage[] = [];
  private nodes = 0;

  constructor(program: Program) {
    this.program = program;
    this.roots = program.threads.map((_, thread) => this.run(thread, []).next);
  }

  /** What the pending step of `node` does where it sees `values` in the words that it touches. */
  after(node: ThreadNode, values: readonly number[]): Effect {
    const seen = isBlind(node.pending!) ? [] : values;
    const key = seen.join(',');
    let effect = node.effects.get(key);
    if (effect === undefined) {
      effect = this.run(node.thread, [...node.path, seen]);
      node.effects.set(key, effect);
    }
    return effect;
  }

  /** Runs a thread over the values that its steps see, and says what the last of them did. */
  private run(thread: number, path: readonly (readonly number[])[]): Effect {
    if (path.length > MAX_STEPS) throw new Error(`thread ${String(thread)} does not end`);
    const stage = (this.stages[thread] ??= makeStage(thread, this.program.words));
    const steps = this.program.threads[thread]!(stage.cpu);
    let node: Pick<ThreadNode, 'pending' | 'returned' | 'threw'> = {
      pending: undefined,
      returned: undefined,
      threw: undefined,
    };
    let last: Pending | undefined;
    for (let i = 0; i <= path.length; i++) {
      last = node.pending;
      if (i > 0) stage.cpu.words.set(path[i - 1]!, last!.word);
      stage.stored = undefined;
      try {
        const next = steps.next();
        node =
          next.done === true
            ? { pending: undefined, returned: next.value, threw: undefined }
            : { pending: { ...next.value }, returned: undefined, threw: undefined };
      } catch (error) {
        node = {
          pending: undefined,
          returned: undefined,
          threw: error instanceof Error ? error.message : String(error),
        };
      }
    }
    const direct = last !== undefined && DIRECT.has(last.kind);
    return {
      next: { id: this.nodes++, thread, path, effects: new Map(), ...node },
      written: direct ? [...stage.cpu.words.subarray(last!.word, last!.word + last!.width)] : undefined,
      stored: stage.stored,
    };
  }
}
