// A ticket lock, around a critical section that counts without any atomics: Mellor-Crummey and Scott, "Algorithms for
// Scalable Synchronization on Shared-Memory Multiprocessors", ACM TOCS 9(1), 1991.
//
// The model says all that the lock promises: who takes the n-th ticket is the n-th to enter (first come, first
// served), and finds what the one before has left (mutual exclusion).
import fc from 'fast-check';
import { readPlain, storeRelease, waitUntil, writePlain, xadd } from '../../../src/explore/index.ts';
import type { Processor, Steps } from '../../../src/explore/index.ts';
import type { ConcurrentObject } from '../../../src/testing/index.ts';

const NEXT = 0;
const SERVING = 1;
const ENTERED = 2;
const LAST = 3;

interface Entry {
  readonly ticket: number;
  /** How many had entered before. */
  readonly entered: number;
  /** What the one before wrote. */
  readonly last: number;
}

export class TicketLock {
  private readonly cpu: Processor;

  constructor(cpu: Processor) {
    this.cpu = cpu;
  }

  /** Takes the lock, looks at what others have left, leaves `value`, and releases the lock. */
  *enter(value: number): Steps<Entry> {
    const ticket = yield* xadd(this.cpu, NEXT, 1);
    yield* waitUntil(this.cpu, SERVING, (serving) => serving === ticket);
    const entered = yield* readPlain(this.cpu, ENTERED);
    const last = yield* readPlain(this.cpu, LAST);
    yield* writePlain(this.cpu, LAST, value);
    yield* writePlain(this.cpu, ENTERED, entered + 1);
    yield* storeRelease(this.cpu, SERVING, ticket + 1);
    return { ticket, entered, last };
  }
}

export const ticketLock: ConcurrentObject<Omit<Entry, 'ticket'>, Entry> = {
  name: 'ticket lock',
  words: 4,
  wordNames: ['next', 'serving', 'entered', 'last'],
  operations: { enter: [fc.integer({ min: 1, max: 9 })] },
  model: {
    init: () => ({ entered: 0, last: 0 }),
    next: ({ entered, last }, { args: [value] }) => ({
      state: { entered: entered + 1, last: value as number },
      result: { ticket: entered, entered, last },
    }),
  },
  stepped: (cpu) => new TicketLock(cpu),
};
