// Weak memory: the stores of one CPU that other CPUs can't see yet, and which of them may go out next.
//
// tso, as on x86: first in, first out; a locked instruction or a full barrier waits until all are out. pso: in order
// per word only, with smp_wmb and release stores keeping earlier stores before later ones; taking a lock or adding
// without looking orders nothing but its own word. Loads of the same CPU look here first.
import type { Step, StepKind, StoreBuffer } from '../kernel/memory.ts';
import type { MemoryModel } from './program.ts';

/** A store on its way to memory. */
export interface BufferedStore {
  readonly word: number;
  readonly data: Int32Array;
  /** Of a store of some bytes of one word: the bits that it stores; undefined for all bits of all words. */
  readonly mask: number | undefined;
  /** The explorer's number of whoever takes it to memory. */
  readonly proc: number;
  readonly seq: number;
  /** Stores of a lower number go first. */
  readonly after: number;
  /** How many turns its CPU had had when it stored: which of the CPU's steps this store belongs to. */
  readonly turn: number;
}

/** What stores of its CPU a step waits for: all that are buffered, those to its own word, or none. */
export function waitsFor(kind: StepKind, model: MemoryModel): 'all' | 'own' | 'none' {
  switch (kind) {
    case 'mb':
    case 'rmw':
    case 'user-rmw':
    case 'cmpxchg':
    case 'unlock':
    case 'read-unlock':
    case 'write-unlock':
      return 'all';
    case 'add':
    case 'lock':
    case 'trylock':
    case 'read-lock':
    case 'read-trylock':
    case 'write-lock':
      return model === 'tso' ? 'all' : 'own';
    // A wait looks at memory, where this CPU's own store must have arrived.
    case 'wait':
      return 'own';
    default:
      return 'none';
  }
}

/** One CPU's store buffer. */
export class CpuStoreBuffer implements StoreBuffer {
  readonly stores: BufferedStore[] = [];
  private readonly model: MemoryModel;
  private readonly words: Int32Array<SharedArrayBuffer>;
  private readonly seenAt: (word: number, width: number) => number;
  private readonly procOf: (word: number) => number;
  private readonly turn: () => number;
  private next = 0;
  private after = 0;

  /**
   * `seenAt` gives the first of these words that other CPUs ever look at, -1 if there is none: what nobody sees goes to
   * memory at once. `procOf` gives the number of whoever takes a store that is seen at that word to memory, `turn` how
   * many turns the CPU has had.
   */
  constructor(
    model: MemoryModel,
    words: Int32Array<SharedArrayBuffer>,
    seenAt: (word: number, width: number) => number,
    procOf: (word: number) => number,
    turn: () => number,
  ) {
    this.model = model;
    this.words = words;
    this.seenAt = seenAt;
    this.procOf = procOf;
    this.turn = turn;
  }

  get size(): number {
    return this.stores.length;
  }

  clear(): void {
    this.stores.length = 0;
    this.next = 0;
    this.after = 0;
  }

  store(word: number, data: Int32Array): void {
    const seen = this.seenAt(word, data.length);
    if (seen < 0) this.words.set(data, word);
    else this.push(seen, word, data.slice(), undefined);
  }

  merge(word: number, value: number, mask: number): void {
    const seen = this.seenAt(word, 1);
    if (seen < 0) this.words[word] = mergedWord(this.words[word]!, value, mask);
    else this.push(seen, word, Int32Array.of(value), mask);
  }

  private push(seen: number, word: number, data: Int32Array, mask: number | undefined): void {
    const proc = this.procOf(seen);
    const after = this.model === 'tso' ? this.next : this.after;
    this.stores.push({ word, data, mask, proc, seq: this.next, after, turn: this.turn() });
    this.next += 1;
  }

  load(word: number): number {
    let value = this.words[word]!;
    for (const store of this.stores) {
      const at = word - store.word;
      if (at >= 0 && at < store.data.length) value = mergedWord(value, store.data[at]!, store.mask);
    }
    return value;
  }

  barrier(): void {
    if (this.model === 'pso') this.after = this.next;
  }

  /** Whether a step of this CPU must wait until stores have gone out. */
  blocks(step: Step): boolean {
    if (this.stores.length === 0) return false;
    const stores = waitsFor(step.kind, this.model);
    return stores === 'all' || (stores === 'own' && this.touches(step.word, step.width));
  }

  private touches(word: number, width: number): boolean {
    return this.stores.some((store) => store.word < word + width && word < store.word + store.data.length);
  }

  /** The store that `proc` would take to memory next; undefined if it has none that may go. */
  ready(proc: number): BufferedStore | undefined {
    const { stores } = this;
    for (let i = 0; i < stores.length; i++) {
      const store = stores[i]!;
      if (store.proc !== proc) continue;
      if (this.model === 'tso') return i === 0 ? store : undefined;
      if (stores[0]!.seq < store.after) return undefined;
      for (let before = 0; before < i; before++) {
        const other = stores[before]!;
        if (other.word < store.word + store.data.length && store.word < other.word + other.data.length)
          return undefined;
      }
      return store;
    }
    return undefined;
  }

  /** Takes a store to memory. */
  drain(store: BufferedStore): void {
    if (store.mask === undefined) this.words.set(store.data, store.word);
    else this.words[store.word] = mergedWord(this.words[store.word]!, store.data[0]!, store.mask);
    this.stores.splice(this.stores.indexOf(store), 1);
  }
}

/** A word after a store of those bits of `value` that `mask` has; all of them if it is left out. */
function mergedWord(word: number, value: number, mask = -1): number {
  return (word & ~mask) | (value & mask);
}
