// A ring that drops its oldest value when it is full, with a bug that was published: OpenFrontIO, pull request 2519
// (November 2025), src/core/worker/SharedTileRing.ts, where a review of 26 November 2025 found it: "Race condition: both
// producer and consumer modify read index". https://github.com/openfrontio/OpenFrontIO/pull/2519
//
// The consumer reads the index of the oldest value, copies values, and stores the index of the next. A producer that
// finds the ring full moves the same index on meanwhile; the consumer's store takes it back (or takes it beyond what was
// never copied). Each index is only touched by Atomics: it is the two of them together that are not atomic.
import fc from 'fast-check';
import { readOnce, writeOnce } from '../../../src/explore/index.ts';
import type { Processor, Steps } from '../../../src/explore/index.ts';
import type { ConcurrentObject } from '../../../src/testing/index.ts';

const WRITE = 0;
const READ = 1;
const FIRST_SLOT = 2;
/** One slot is always empty: a full ring would look like an empty one. */
const SLOTS = 3;

export class DropOldestRing {
  private readonly cpu: Processor;

  constructor(cpu: Processor) {
    this.cpu = cpu;
  }

  *push(value: number): Steps<void> {
    const write = yield* readOnce(this.cpu, WRITE);
    const read = yield* readOnce(this.cpu, READ);
    const next = (write + 1) % SLOTS;
    if (next === read) yield* writeOnce(this.cpu, READ, (read + 1) % SLOTS);
    yield* writeOnce(this.cpu, FIRST_SLOT + write, value);
    yield* writeOnce(this.cpu, WRITE, next);
  }

  /** The oldest values, `most` at most. */
  *drain(most: number): Steps<number[]> {
    let read = yield* readOnce(this.cpu, READ);
    const write = yield* readOnce(this.cpu, WRITE);
    const values: number[] = [];
    for (; read !== write && values.length < most; read = (read + 1) % SLOTS) {
      values.push(yield* readOnce(this.cpu, FIRST_SLOT + read));
    }
    yield* writeOnce(this.cpu, READ, read);
    return values;
  }
}

export const dropOldestRing: ConcurrentObject<readonly number[], readonly number[] | undefined> = {
  name: 'drop-oldest ring',
  words: FIRST_SLOT + SLOTS,
  wordNames: ['write', 'read', 'slot0', 'slot1', 'slot2'],
  operations: [{ push: [fc.integer({ min: 1, max: 9 })] }, { drain: [fc.integer({ min: 1, max: SLOTS })] }],
  model: {
    init: () => [],
    next(values, { method, args: [number] }) {
      if (method === 'push') return { state: [...values, number as number].slice(1 - SLOTS), result: undefined };
      return { state: values.slice(number as number), result: values.slice(0, number as number) };
    },
  },
  stepped: (cpu) => new DropOldestRing(cpu),
};
