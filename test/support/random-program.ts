// Small random programs over shared words, as data that fast-check can shrink and print, and as programs to explore.
import fc from 'fast-check';
import {
  atomicAdd,
  cmpxchg,
  readOnce,
  readPlain,
  smpMb,
  smpWmb,
  spinLock,
  spinUnlock,
  storeRelease,
  waitUntil,
  writeOnce,
  writePlain,
  xadd,
} from '../../src/explore/accesses.ts';
import type { Program } from '../../src/explore/program.ts';
import type { Processor, Steps } from '../../src/kernel/memory.ts';

/** One access. The values of writes are not part of it: each writes a value of its own. */
export type Access =
  | { op: 'read'; word: number; plain: boolean }
  | { op: 'write'; word: number; how: 'plain' | 'once' | 'release' }
  | { op: 'cmpxchg'; word: number; expected: number }
  | { op: 'xadd'; word: number }
  | { op: 'add'; word: number }
  | { op: 'wait'; word: number; until: 'zero' | 'not zero' }
  | { op: 'mb' }
  | { op: 'wmb' };

/** An access, one between lock and unlock, or one that is done only where a word reads as said. */
export type RandomOp =
  Access | { op: 'locked'; body: Access } | { op: 'if'; word: number; is: 'zero' | 'not zero'; body: Access };

export interface RandomProgram {
  words: number;
  threads: RandomOp[][];
}

export interface RandomProgramLimits {
  threads?: number;
  words?: number;
  /** Operations of a thread. */
  ops?: number;
  /** Steps of all threads together; what is over is cut off at the ends of the threads. */
  steps?: number;
}

function stepsOf({ op }: RandomOp): number {
  return op === 'locked' ? 3 : op === 'if' ? 2 : 1;
}

/** Cuts threads off so that all of them together have no more than `limit` steps; two threads are left at least. */
function cut({ words, threads }: RandomProgram, limit: number): RandomProgram {
  let left = limit;
  const kept = threads.map((): RandomOp[] => []);
  for (let at = 0; threads.some((ops) => at < ops.length); at++) {
    threads.forEach((ops, thread) => {
      const op = ops[at];
      if (op === undefined || kept[thread]!.length < at || stepsOf(op) > left) return;
      left -= stepsOf(op);
      kept[thread]!.push(op);
    });
  }
  // A thread without operations is one that shrinking has taken away: fast-check drops no element from an array's middle.
  const threadsLeft = kept.filter((ops) => ops.length > 0);
  while (threadsLeft.length < 2) threadsLeft.push([{ op: 'read', word: 0, plain: false }]);
  return { words, threads: threadsLeft };
}

function accesses(words: number): fc.Arbitrary<Access> {
  const word = fc.nat({ max: words - 1 });
  const op = fc.constant.bind(fc);
  const until = fc.constantFrom<('zero' | 'not zero')[]>('zero', 'not zero');
  // fast-check shrinks towards the first.
  return fc.oneof(
    { withCrossShrink: true },
    { weight: 5, arbitrary: fc.record({ op: op('read' as const), word, plain: fc.boolean() }) },
    {
      weight: 5,
      arbitrary: fc.record({
        op: op('write' as const),
        word,
        how: fc.constantFrom('once' as const, 'plain', 'release'),
      }),
    },
    { weight: 2, arbitrary: fc.record({ op: op('xadd' as const), word }) },
    { weight: 2, arbitrary: fc.record({ op: op('add' as const), word }) },
    { weight: 2, arbitrary: fc.record({ op: op('cmpxchg' as const), word, expected: fc.nat({ max: 4 }) }) },
    { weight: 1, arbitrary: fc.record({ op: op('mb' as const) }) },
    { weight: 1, arbitrary: fc.record({ op: op('wmb' as const) }) },
    { weight: 1, arbitrary: fc.record({ op: op('wait' as const), word, until }) },
  );
}

/** Programs of two threads or more; the lock that `locked` takes lies behind the words. */
export function randomPrograms(limits: RandomProgramLimits = {}): fc.Arbitrary<RandomProgram> {
  const { threads = 3, words = 3, ops = 4, steps = 10 } = limits;
  return fc.integer({ min: 1, max: words }).chain((count) => {
    const access = accesses(count);
    const op = fc.oneof(
      { withCrossShrink: true },
      { weight: 8, arbitrary: access },
      { weight: 1, arbitrary: fc.record({ op: fc.constant('locked' as const), body: access }) },
      {
        weight: 2,
        arbitrary: fc.record({
          op: fc.constant('if' as const),
          word: fc.nat({ max: count - 1 }),
          is: fc.constantFrom('zero' as const, 'not zero'),
          body: access,
        }),
      },
    );
    return fc
      .array(fc.array<RandomOp>(op, { maxLength: ops }), { minLength: 2, maxLength: threads })
      .map((lists) => cut({ words: count, threads: lists }, steps));
  });
}

const isTrue = (is: 'zero' | 'not zero', value: number): boolean => (value === 0) === (is === 'zero');

/** Does one access; what it read goes to `seen`. `value` is what it writes. */
function* perform(cpu: Processor, access: Access, value: number, seen: number[]): Steps<void> {
  switch (access.op) {
    case 'read':
      seen.push(access.plain ? yield* readPlain(cpu, access.word) : yield* readOnce(cpu, access.word));
      return;
    case 'write': {
      const write = { plain: writePlain, once: writeOnce, release: storeRelease }[access.how];
      yield* write(cpu, access.word, value);
      return;
    }
    case 'cmpxchg':
      seen.push(yield* cmpxchg(cpu, access.word, access.expected, value));
      return;
    case 'xadd':
      seen.push(yield* xadd(cpu, access.word, value));
      return;
    case 'add':
      yield* atomicAdd(cpu, access.word, value);
      return;
    case 'wait':
      seen.push(yield* waitUntil(cpu, access.word, (found) => isTrue(access.until, found)));
      return;
    case 'mb':
      yield* smpMb(cpu);
      return;
    case 'wmb':
      yield* smpWmb(cpu);
  }
}

/** The program that the data stands for. Its threads return all that they read. */
export function buildProgram({ words, threads }: RandomProgram): Program {
  const lock = words;
  let writes = 0;
  return {
    words: words + 1,
    names: { words: [...['x', 'y', 'z'].slice(0, words), 'lock'] },
    threads: threads.map((ops) => {
      const numbered = ops.map((op) => ({ op, value: ++writes }));
      return function* (cpu) {
        const seen: number[] = [];
        for (const { op, value } of numbered) {
          if (op.op === 'locked') {
            yield* spinLock(cpu, lock);
            yield* perform(cpu, op.body, value, seen);
            yield* spinUnlock(cpu, lock);
          } else if (op.op === 'if') {
            const found = yield* readOnce(cpu, op.word);
            seen.push(found);
            if (isTrue(op.is, found)) yield* perform(cpu, op.body, value, seen);
          } else yield* perform(cpu, op, value, seen);
        }
        return seen;
      };
    }),
  };
}
