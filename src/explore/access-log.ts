// The accesses of one execution, for judges of whole executions.
//
// Of a subject whose CPUs share few of their words only accesses to shared words are kept, and all that takes or
// releases locks or orders: the rest can neither race nor order anything between CPUs.
import type { AccessKind } from '../check/access-event.ts';
import { AccessTable, byWhat, numberOf, whatOf } from '../check/access-table.ts';
import type { Step } from '../kernel/memory.ts';
import type { BufferedStore } from './store-buffers.ts';

const PLAIN = 1;
const WAITS = 2;
const TAKES = 4;
const RELEASES = 8;
/** What of a kind matters here. */
const TRAITS: Partial<Record<AccessKind, number>> = {
  'plain-read': PLAIN,
  'plain-write': PLAIN,
  wait: WAITS,
  lock: TAKES,
  trylock: TAKES,
  unlock: RELEASES,
  'read-lock': TAKES,
  'read-trylock': TAKES,
  'read-unlock': RELEASES,
  'write-lock': TAKES,
  'write-unlock': RELEASES,
};
/** By AccessTable.what; what was not got was not taken. */
const TRAITS_OF: Int32Array = byWhat((kind, stored) => {
  const traits = TRAITS[kind] ?? 0;
  return traits === TAKES && !stored ? WAITS : traits;
});
const DRAIN = whatOf(numberOf('drain'), true);

const NEVER = 0x7fffffff;
/** Events that are kept at most: an execution of more is not judged. */
const MAX_EVENTS = 1_000_000;

export class AccessLog {
  /** The execution's accesses, from the first. */
  readonly events: AccessTable = new AccessTable();
  private readonly shared: Uint8Array | undefined;
  /** Per CPU: how many locks it holds. */
  private readonly depths: Int32Array;
  private firstPlain = NEVER;
  private firstNesting = NEVER;

  /** `shared`: which words are shared; undefined: all accesses are kept. */
  constructor(cpus: number, shared: Uint8Array | undefined) {
    this.shared = shared;
    this.depths = new Int32Array(cpus);
  }

  /** Whether all of the execution is here. */
  get isComplete(): boolean {
    return this.events.count < MAX_EVENTS;
  }

  /** Another execution begins. */
  begin(): void {
    this.events.count = 0;
    this.firstPlain = NEVER;
    this.firstNesting = NEVER;
    this.depths.fill(0);
  }

  /** Another execution begins, whose first `count` accesses are those of the last. */
  backTo(count: number): void {
    const { events, depths } = this;
    for (let i = events.count - 1; i >= count; i--) {
      const traits = TRAITS_OF[events.what(i)]!;
      if (traits === TAKES) depths[events.cpu(i)]! -= 1;
      else if (traits === RELEASES) depths[events.cpu(i)]! += 1;
    }
    if (events.count > count) events.count = count;
    if (this.firstPlain >= count) this.firstPlain = NEVER;
    if (this.firstNesting >= count) this.firstNesting = NEVER;
  }

  /** Whether a plain access is among them: without one there is no data race. */
  get hasPlain(): boolean {
    return this.firstPlain !== NEVER;
  }

  /** Whether a CPU took a lock while it held one: without that there is no order of locks. */
  get hasNesting(): boolean {
    return this.firstNesting !== NEVER;
  }

  /** Whether a step has to be added. */
  wants(step: Step): boolean {
    const { shared } = this;
    if (shared === undefined || step.width === 0) return true;
    const end = step.word + step.width;
    for (let word = step.word; word < end; word++) if (shared[word] !== 0) return true;
    return TRAITS_OF[whatOf(numberOf(step.kind), true)]! >= TAKES;
  }

  /** A step is taken. */
  add(cpu: number, step: Step, stored: boolean): void {
    if (!this.isComplete) return;
    const what = whatOf(numberOf(step.kind), stored);
    const traits = TRAITS_OF[what]!;
    if (traits !== 0) this.count(cpu, traits);
    this.events.add(cpu, what, step.word, step.width, traits > PLAIN ? step.lock_class : 0);
  }

  /** A store leaves a store buffer. */
  drain(cpu: number, store: BufferedStore): void {
    if (this.isComplete) this.events.add(cpu, DRAIN, store.word, store.data.length, 0);
  }

  private count(cpu: number, traits: number): void {
    if (traits === PLAIN) this.firstPlain = Math.min(this.firstPlain, this.events.count);
    else if (traits === RELEASES) this.depths[cpu]! -= 1;
    else if (traits === TAKES && ++this.depths[cpu]! > 1) {
      this.firstNesting = Math.min(this.firstNesting, this.events.count);
    }
  }
}
