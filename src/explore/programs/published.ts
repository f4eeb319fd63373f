// The programs that papers on partial-order reduction measure themselves with: Abdulla, Aronis, Jonsson and Sagonas,
// "Optimal dynamic partial order reduction" (POPL 2014). How many traces each has is known exactly.
import { cmpxchg, readOnce, spinLock, spinUnlock, writeOnce } from '../accesses.ts';
import type { Program } from '../program.ts';
import { each } from './atomically.ts';

/** One writer of x; `readers` threads each read a word of their own and then x. 2^readers traces. */
export function readers(readers: number): Program {
  return {
    words: readers + 1,
    names: { words: ['x', ...each(readers, (i) => `own${String(i)}`)] },
    threads: [
      function* (cpu) {
        yield* writeOnce(cpu, 0, 42);
      },
      ...each(
        readers,
        (i): Program['threads'][number] =>
          function* (cpu) {
            yield* readOnce(cpu, i + 1);
            return yield* readOnce(cpu, 0);
          },
      ),
    ],
  };
}

/**
 * Each of `writers` threads sets its cell to the one before plus one; a reader looks for the last cell that is zero,
 * from the end. (writers + 3) 2^(writers - 2) traces.
 */
export function lastzero(writers: number): Program {
  return {
    words: writers + 1,
    names: {
      words: each(writers + 1, (i) => `cell${String(i)}`),
      threads: ['reader', ...each(writers, (i) => `writer${String(i + 1)}`)],
    },
    threads: [
      function* (cpu) {
        let at = writers;
        while ((yield* readOnce(cpu, at)) !== 0) at -= 1;
        return at;
      },
      ...each(
        writers,
        (i): Program['threads'][number] =>
          function* (cpu) {
            const before = yield* readOnce(cpu, i);
            yield* writeOnce(cpu, i + 1, before + 1);
          },
      ),
    ],
  };
}

const SLOTS = 128;
const INSERTS = 4;

/** Threads insert four keys each into one hash table; they only collide from the twelfth on. 8^(threads - 11) traces. */
export function indexer(threads: number): Program {
  return {
    words: SLOTS,
    threads: each(
      threads,
      (t) =>
        function* (cpu) {
          for (let m = 1; m <= INSERTS; m++) {
            const key = 11 * m + t;
            let slot = (7 * key) % SLOTS;
            while ((yield* cmpxchg(cpu, slot, 0, key)) !== 0) slot = (slot + 1) % SLOTS;
          }
        },
    ),
  };
}

const INODES = 32;
const BLOCKS = 26;

/** Threads allocate a block for an inode each, under a lock per inode and per block. 2^(threads - 13) traces. */
export function filesystem(threads: number): Program {
  const inode = 0;
  const inodeLock = inode + INODES;
  const busy = inodeLock + INODES;
  const blockLock = busy + BLOCKS;
  const named = (name: string, count: number): string[] => each(count, (i) => `${name}${String(i)}`);
  return {
    words: blockLock + BLOCKS,
    names: {
      words: [
        ...named('inode', INODES),
        ...named('inodeLock', INODES),
        ...named('busy', BLOCKS),
        ...named('blockLock', BLOCKS),
      ],
    },
    threads: each(
      threads,
      (t) =>
        function* (cpu) {
          const i = t % INODES;
          yield* spinLock(cpu, inodeLock + i);
          if ((yield* readOnce(cpu, inode + i)) === 0) {
            let b = (2 * i) % BLOCKS;
            for (;;) {
              yield* spinLock(cpu, blockLock + b);
              if ((yield* readOnce(cpu, busy + b)) === 0) break;
              yield* spinUnlock(cpu, blockLock + b);
              b = (b + 1) % BLOCKS;
            }
            yield* writeOnce(cpu, busy + b, 1);
            yield* writeOnce(cpu, inode + i, b + 1);
            yield* spinUnlock(cpu, blockLock + b);
          }
          yield* spinUnlock(cpu, inodeLock + i);
        },
    ),
  };
}

/** The four threads that show why sleep sets alone still start explorations that end blocked. 5 traces. */
export function paperExample(): Program {
  const [x, y, z] = [0, 1, 2];
  return {
    words: 3,
    names: { words: ['x', 'y', 'z'], threads: ['p', 'q', 'r', 's'] },
    threads: [
      function* (cpu) {
        yield* writeOnce(cpu, x, 1);
      },
      function* (cpu) {
        yield* writeOnce(cpu, y, 1);
      },
      function* (cpu) {
        if ((yield* readOnce(cpu, y)) === 0) yield* writeOnce(cpu, z, 1);
      },
      function* (cpu) {
        if ((yield* readOnce(cpu, z)) === 1 && (yield* readOnce(cpu, y)) === 0) yield* writeOnce(cpu, x, 2);
      },
    ],
  };
}
