// A lock for two threads that was published and is none: Harris Hyman, "Comments on a problem in concurrent programming
// control", Communications of the ACM 9(1), January 1966, page 45. Donald Knuth showed it wrong in "Additional comments
// on a problem in concurrent programming control", Communications of the ACM 9(5), May 1966, pages 321 and 322.
//
// Thread 1 sees that thread 0 does not want the lock, and is about to give itself the turn. Now thread 0 comes, finds
// that the turn is still its own, and enters; and thread 1 takes the turn and enters.
import { readOnce, waitUntil, writeOnce } from '../../../src/explore/index.ts';
import type { Processor, Steps } from '../../../src/explore/index.ts';
import type { ConcurrentObject } from '../../../src/testing/index.ts';

/** Word of thread i: whether it wants the lock, or has it. */
const WANTS = 0;
const TURN = 2;
const ENTERED = 3;

const isFree = (wants: number): boolean => wants === 0;

export class HymanLock {
  private readonly cpu: Processor;

  constructor(cpu: Processor) {
    this.cpu = cpu;
  }

  /** Takes the lock, counts, and releases it; says how often it was entered before. */
  *enter(): Steps<number> {
    const me = this.cpu.id;
    yield* writeOnce(this.cpu, WANTS + me, 1);
    while ((yield* readOnce(this.cpu, TURN)) !== me) {
      yield* waitUntil(this.cpu, WANTS + 1 - me, isFree);
      yield* writeOnce(this.cpu, TURN, me);
    }
    const entered = yield* readOnce(this.cpu, ENTERED);
    yield* writeOnce(this.cpu, ENTERED, entered + 1);
    yield* writeOnce(this.cpu, WANTS + me, 0);
    return entered;
  }
}

export const hymanLock: ConcurrentObject<number, number> = {
  name: "Hyman's lock",
  words: 4,
  wordNames: ['wants0', 'wants1', 'turn', 'entered'],
  operations: { enter: [] },
  model: { init: () => 0, next: (entered) => ({ state: entered + 1, result: entered }) },
  stepped: (cpu) => new HymanLock(cpu),
};
