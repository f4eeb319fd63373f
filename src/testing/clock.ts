// A clock in one shared word for the stepped execution: which operations had returned when another was invoked.
//
// The word has a field for each thread, that counts its returned operations. A return adds to it and an invocation
// reads it, and neither is more than that: so returns commute with returns and invocations with invocations, and the
// explorer tries exactly the orders of returns before invocations, of which alone linearizability depends.
import { UsageError } from '../machine/usage-error.ts';
import type { Interval } from '../check/linearize.ts';

const WORD_BITS = 32;

/** An operation by what its invocation saw. */
export interface Stamp {
  /** What the clock's word held when it was invoked. */
  readonly seen: number;
  readonly returned: boolean;
}

/** The clock of threads with so many operations each. */
export class ReturnClock {
  private readonly bits: number;
  private readonly threads: number;

  constructor(operations: readonly number[]) {
    this.threads = operations.length;
    this.bits = Math.floor(WORD_BITS / Math.max(this.threads, 1));
    const most = 2 ** this.bits - 1;
    const longest = Math.max(0, ...operations);
    if (longest > most) {
      throw new UsageError(
        `a thread with ${String(longest)} calls among ${String(this.threads)} threads can't be explored: give each ${String(most)} calls at most`,
      );
    }
  }

  /** What a return of a thread adds to the word. */
  tick(thread: number): number {
    return (1 << (this.bits * thread)) | 0;
  }

  private count(seen: number, thread: number): number {
    return this.bits === WORD_BITS ? seen >>> 0 : (seen >>> (this.bits * thread)) & (2 ** this.bits - 1);
  }

  /** How many operations of all threads had returned. */
  private total(seen: number): number {
    let sum = 0;
    for (let thread = 0; thread < this.threads; thread++) sum += this.count(seen, thread);
    return sum;
  }

  /** Times for the operations of all threads, in which one is before another if the other's invocation saw its return. */
  times(threads: readonly (readonly Stamp[])[]): Interval[][] {
    const all = threads.flat();
    const end = threads.reduce((sum, stamps) => sum + stamps.length, 0);
    return threads.map((stamps, thread) =>
      stamps.map(({ seen, returned }, i) => {
        const witnesses = all
          .filter((other) => this.count(other.seen, thread) > i)
          .map((other) => this.total(other.seen));
        // Between the last invocation that did not see it and the first that did.
        return {
          invoked: this.total(seen),
          returned: returned ? Math.min(end + 1, ...witnesses) - 0.5 : Infinity,
        };
      }),
    );
  }
}
