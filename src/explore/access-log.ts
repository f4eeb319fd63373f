// The accesses of one execution, for judges of whole executions: kept in objects that the next execution overwrites.
//
// Of a subject whose CPUs share few of their words only accesses to shared words are kept, and all that takes or
// releases locks or orders: the rest can neither race nor order anything between CPUs.
import type { AccessEvent } from '../check/access-event.ts';
import type { Step, StepKind } from '../kernel/memory.ts';
import type { BufferedStore } from './store-buffers.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const TAKES = 1;
const RELEASES = 2;
/** Kinds of steps that take or release a lock. */
const LOCK_KINDS: Partial<Record<StepKind, number>> = {
  lock: TAKES,
  trylock: TAKES,
  unlock: RELEASES,
  'read-lock': TAKES,
  'read-trylock': TAKES,
  'read-unlock': RELEASES,
  'write-lock': TAKES,
  'write-unlock': RELEASES,
};

/** Events that are kept at most: an execution of more is not judged. */
const MAX_EVENTS = 1_000_000;

export class AccessLog {
  /** The first `count` are this execution's. */
  readonly events: Writable<AccessEvent>[] = [];
  count = 0;
  /** Whether a plain access is among them: without one there is no data race. */
  hasPlain = false;
  /** Whether a CPU took a lock while it held one: without that there is no order of locks. */
  hasNesting = false;
  private readonly shared: Uint8Array | undefined;
  private readonly depths: Int32Array;

  /** `shared`: which words are shared; undefined: all accesses are kept. */
  constructor(cpus: number, shared: Uint8Array | undefined) {
    this.shared = shared;
    this.depths = new Int32Array(cpus);
  }

  /** Whether all of the execution is here. */
  get isComplete(): boolean {
    return this.count < MAX_EVENTS;
  }

  /** Another execution begins. */
  begin(): void {
    this.count = 0;
    this.hasPlain = false;
    this.hasNesting = false;
    this.depths.fill(0);
  }

  /** Whether a step has to be added. */
  wants(step: Step): boolean {
    const { shared } = this;
    if (shared === undefined || step.width === 0 || LOCK_KINDS[step.kind] !== undefined) return true;
    const end = step.word + step.width;
    for (let word = step.word; word < end; word++) if (shared[word] !== 0) return true;
    return false;
  }

  /** A step is taken. */
  add(cpu: number, step: Step, stored: boolean): void {
    const { kind } = step;
    if (kind === 'plain-read' || kind === 'plain-write') this.hasPlain = true;
    const locking = LOCK_KINDS[kind];
    if (locking === RELEASES) this.depths[cpu]! -= 1;
    else if (locking === TAKES && stored && ++this.depths[cpu]! > 1) this.hasNesting = true;
    const lockClass = locking !== undefined || kind === 'wait' ? step.lock_class : 0;
    this.put(cpu, kind, step.word, step.width, stored, lockClass);
  }

  /** A store leaves a store buffer. */
  drain(cpu: number, store: BufferedStore): void {
    this.put(cpu, 'drain', store.word, store.data.length, true, 0);
  }

  private put(
    cpu: number,
    kind: AccessEvent['kind'],
    word: number,
    width: number,
    stored: boolean,
    lockClass: number,
  ): void {
    if (this.count >= MAX_EVENTS) return;
    const event = this.events[this.count];
    if (event === undefined) this.events.push({ cpu, kind, word, width, stored, lockClass });
    else {
      event.cpu = cpu;
      event.kind = kind;
      event.word = word;
      event.width = width;
      event.stored = stored;
      event.lockClass = lockClass;
    }
    this.count += 1;
  }
}
