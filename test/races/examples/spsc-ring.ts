// A ring for one producer and one consumer without locks: Lamport, "Specifying Concurrent Program Modules", ACM TOPLAS
// 5(2), 1983. Each side writes one index only, and publishes a slot by a release store of it.
import fc from 'fast-check';
import { loadAcquire, readPlain, storeRelease, writePlain } from '../../../src/explore/index.ts';
import type { Processor, Steps } from '../../../src/explore/index.ts';
import type { ConcurrentObject } from '../../../src/testing/index.ts';

/** Values taken so far, and values put so far; a value's slot is its number modulo SLOTS. */
const TAKEN = 0;
const PUT = 1;
const FIRST_SLOT = 2;
const SLOTS = 2;

export class SpscRing {
  private readonly cpu: Processor;

  constructor(cpu: Processor) {
    this.cpu = cpu;
  }

  /** False if the ring is full. */
  *push(value: number): Steps<boolean> {
    const put = yield* readPlain(this.cpu, PUT);
    if (put - (yield* loadAcquire(this.cpu, TAKEN)) === SLOTS) return false;
    yield* writePlain(this.cpu, FIRST_SLOT + (put % SLOTS), value);
    yield* storeRelease(this.cpu, PUT, put + 1);
    return true;
  }

  /** Null if the ring is empty. */
  *pop(): Steps<number | null> {
    const taken = yield* readPlain(this.cpu, TAKEN);
    if ((yield* loadAcquire(this.cpu, PUT)) === taken) return null;
    const value = yield* readPlain(this.cpu, FIRST_SLOT + (taken % SLOTS));
    yield* storeRelease(this.cpu, TAKEN, taken + 1);
    return value;
  }
}

export const spscRing: ConcurrentObject<readonly number[], boolean | number | null> = {
  name: 'SPSC ring',
  words: FIRST_SLOT + SLOTS,
  wordNames: ['taken', 'put', 'slot0', 'slot1'],
  operations: [{ push: [fc.integer({ min: 1, max: 9 })] }, { pop: [] }],
  model: {
    init: () => [],
    next(values, { method, args: [value] }) {
      if (method === 'pop') return { state: values.slice(1), result: values[0] ?? null };
      if (values.length === SLOTS) return { state: values, result: false };
      return { state: [...values, value as number], result: true };
    },
  },
  stepped: (cpu) => new SpscRing(cpu),
};
