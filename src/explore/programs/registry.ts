// The programs that come with the explorer, by name: for `pagerace list` and `pagerace explore <name>`.
import type { Program } from '../program.ts';
import * as increments from './increments.ts';
import * as locks from './locks.ts';
import * as orders from './orders.ts';
import { pageFault } from './page-fault.ts';
import * as published from './published.ts';
import * as queues from './queues.ts';

/** The one number that a program may take. */
export interface ProgramParameter {
  readonly name: string;
  readonly default: number;
  readonly least: number;
  readonly most: number;
}

/** A program by name. */
export interface ProgramEntry {
  readonly name: string;
  /** What it shows, in one line. */
  readonly shows: string;
  /** Whether some schedule under sc violates it. */
  readonly violated: boolean;
  readonly parameter: ProgramParameter | undefined;
  /** The program; `size` is the parameter, its default where left out. */
  readonly make: (size?: number) => Program;
}

const held = { violated: false };
const violated = { violated: true };

function fixed(name: string, shows: string, { violated }: { violated: boolean }, make: () => Program): ProgramEntry {
  return { name, shows, violated, parameter: undefined, make };
}

/** `sizes`: the default, the least and the most. */
function sized(
  name: string,
  shows: string,
  { violated }: { violated: boolean },
  parameter: string,
  [usual, least, most]: readonly [usual: number, least: number, most: number],
  make: (size: number) => Program,
): ProgramEntry {
  return {
    name,
    shows,
    violated,
    parameter: { name: parameter, default: usual, least, most },
    make: (size = usual) => make(size),
  };
}

/** The programs, the most telling first. */
export const PROGRAMS: readonly ProgramEntry[] = [
  sized('page-fault', 'lock and re-check: one CPU installs its page', held, 'cpus', [2, 1, 8], (n) => pageFault(n)),
  sized(
    'page-fault-no-recheck',
    'the lock alone: the second CPU overwrites the entry',
    violated,
    'cpus',
    [2, 2, 8],
    (n) => pageFault(n, { recheck: false }),
  ),
  sized('page-fault-no-lock', 'the re-check alone: both CPUs see an empty entry', violated, 'cpus', [2, 2, 8], (n) =>
    pageFault(n, { lock: false }),
  ),
  fixed('store-buffering', 'two stores wait while two loads go ahead: tso and pso only', held, orders.storeBuffering),
  sized('lost-update', 'read, then write: an update is lost', violated, 'threads', [2, 2, 8], increments.lostUpdate),
  fixed('lost-update-twice', 'the same with two increments each', violated, increments.lostUpdateTwice),
  sized('xadd', 'atomic additions that return: n! orders', held, 'threads', [3, 1, 8], increments.xaddIncrement),
  sized('add', 'atomic additions that return nothing: one order', held, 'threads', [3, 1, 64], increments.addIncrement),
  sized('mutex', 'increments under a lock', held, 'threads', [3, 1, 8], increments.mutexIncrement),
  sized(
    'cas-spinlock',
    'the lock written out, with failed attempts',
    held,
    'threads',
    [2, 1, 4],
    increments.casSpinlock,
  ),
  sized('binc', 'two atomic additions each', held, 'threads', [3, 1, 5], increments.binc),
  sized('cinc', 'three atomic additions each', held, 'threads', [2, 1, 4], increments.cinc),
  sized('writers', 'blind writes of one word', held, 'threads', [3, 1, 8], increments.writers),
  sized('wainc', 'one write among atomic additions', held, 'adders', [3, 1, 7], increments.wainc),
  sized('rw', 'a read and a blind write each', held, 'threads', [3, 1, 5], increments.rw),
  sized('readers', 'one writer, many readers: 2^n traces', held, 'readers', [8, 1, 20], published.readers),
  sized('lastzero', 'a search against writers of its cells', held, 'writers', [5, 1, 15], published.lastzero),
  sized('indexer', 'a hash table that collides from 12 threads on', held, 'threads', [12, 1, 16], published.indexer),
  sized('filesystem', 'locks that meet from 14 threads on', held, 'threads', [14, 1, 26], published.filesystem),
  fixed('paper-example', 'four threads that defeat sleep sets', held, published.paperExample),
  fixed('account', 'a balance that is checked in one order only', violated, locks.account),
  fixed('lazy01', 'a check that must not come last', violated, locks.lazy01),
  fixed('deadlock01', 'two locks in opposite orders', violated, locks.deadlock01),
  fixed('twostage', 'a pair updated in two critical sections', violated, locks.twostage),
  sized('wronglock', 'two locks for one word', violated, 'others', [1, 1, 8], locks.wronglock),
  fixed('carter01', 'first in locks, last out unlocks: a deadlock', violated, locks.carter01),
  sized('reorder', 'a checker between two stores', violated, 'threads', [3, 2, 20], orders.reorder),
  fixed('bluetooth', 'a request in a stopped driver', violated, orders.bluetooth),
  fixed('token-ring', 'three cells copy from each other', violated, orders.tokenRing),
  sized('din-phil', 'a count without a lock', violated, 'philosophers', [2, 2, 7], orders.dinPhil),
  sized('circular-buffer', 'a consumer that counts on its turn', violated, 'turns', [7, 2, 10], queues.circularBuffer),
  sized('stack', 'a consumer that outruns its producer', violated, 'turns', [4, 2, 10], queues.stack),
];
