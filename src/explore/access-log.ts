// The accesses of one execution, for judges of whole executions.
//
// Of a subject whose CPUs share few of their words only accesses to shared words are kept, and all that takes or
// releases locks or orders: the rest can neither race nor order anything between CPUs.
import type { AccessKind } from '../check/access-event.ts';
import { AccessTable, byKind, numberOf } from '../check/access-table.ts';
import type { Step } from '../kernel/memory.ts';
import type { BufferedStore } from './store-buffers.ts';

const PLAIN = 1;
const WAITS = 2;
const TAKES = 4;
const RELEASES = 8;
/** What of a kind matters here, as bits. */
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
const TRAITS_OF: Int32Array = byKind((kind) => TRAITS[kind] ?? 0);
const DRAIN = numberOf('drain');

/** Events that are kept at most: an execution of more is not judged. */
const MAX_EVENTS = 1_000_000;

export class AccessLog {
  /** The execution's accesses, from the first. */
  readonly events: AccessTable = new AccessTable();
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
    return this.events.count < MAX_EVENTS;
  }

  /** Another execution begins. */
  begin(): void {
    this.events.begin();
    this.hasPlain = false;
    this.hasNesting = false;
    this.depths.fill(0);
  }

  /** Whether a step has to be added. */
  wants(step: Step): boolean {
    const { shared } = this;
    if (shared === undefined || step.width === 0) return true;
    const end = step.word + step.width;
    for (let word = step.word; word < end; word++) if (shared[word] !== 0) return true;
    return (TRAITS_OF[numberOf(step.kind)]! & (TAKES | RELEASES)) !== 0;
  }

  /** A step is taken. */
  add(cpu: number, step: Step, stored: boolean): void {
    const kind = numberOf(step.kind);
    const traits = TRAITS_OF[kind]!;
    if (traits !== 0) this.count(cpu, traits, stored);
    if (!this.isComplete) return;
    this.events.add(cpu, kind, step.word, step.width, stored, traits > PLAIN ? step.lock_class : 0);
  }

  /** A store leaves a store buffer. */
  drain(cpu: number, store: BufferedStore): void {
    if (this.isComplete) this.events.add(cpu, DRAIN, store.word, store.data.length, true, 0);
  }

  private count(cpu: number, traits: number, stored: boolean): void {
    if (traits === PLAIN) this.hasPlain = true;
    else if (traits === RELEASES) this.depths[cpu]! -= 1;
    else if (traits === TAKES && stored && ++this.depths[cpu]! > 1) this.hasNesting = true;
  }
}
