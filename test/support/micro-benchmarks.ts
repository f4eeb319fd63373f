// Small programs with a bug, and exact figures of it that were published or counted before.
import * as increments from '../../src/explore/programs/increments.ts';
import * as locks from '../../src/explore/programs/locks.ts';
import * as orders from '../../src/explore/programs/orders.ts';
import { pageFault } from '../../src/explore/programs/page-fault.ts';
import * as queues from '../../src/explore/programs/queues.ts';
import type { Program } from '../../src/explore/program.ts';

/** Name, program, schedules, buggy ones, chance of a random walk, fewest preemptions, traces (where they are known). */
export type Row = readonly [string, Program, bigint, bigint, number, number | undefined, number?];

const { lostUpdate, lostUpdateTwice } = increments;
const { reorder, tokenRing, dinPhil } = orders;
export const rows: readonly Row[] = [
  ['lost2', lostUpdate(2), 6n, 4n, 0.5, 1, 4],
  ['lost3', lostUpdate(3), 90n, 84n, 0.8333, 1, 36],
  ['lost2x2', lostUpdateTwice(), 70n, 64n, 0.8125, 1, 34],
  ['fault2 without the lock', pageFault(2, { lock: false }), 20n, 12n, 0.375, 1, 6],
  ['fault3 without the lock', pageFault(3, { lock: false }), 1086n, 972n, 0.5185, 1, 42],
  ['fault2 without the re-check', pageFault(2, { recheck: false }), 10n, 6n, 0.75, 1, 4],
  ['fault3 without the re-check', pageFault(3, { recheck: false }), 162n, 144n, 0.8889, 1, 21],
  ['fault2', pageFault(2), 12n, 0n, 0, undefined, 4],
  ['fault3', pageFault(3), 258n, 0n, 0, undefined, 15],
  ['fault4', pageFault(4), 8256n, 0n, 0, undefined, 64],
  ['fault5', pageFault(5), 363_000n, 0n, 0, undefined, 325],
  ['account', locks.account(), 6n, 2n, 0.3333, 0, 6],
  ['lazy01', locks.lazy01(), 6n, 2n, 0.3333, 0, 6],
  ['deadlock01', locks.deadlock01(), 6n, 2n, 0.5, 1, 3],
  ['twostage', locks.twostage(), 22n, 1n, 0.0313, 1, 3],
  ['wronglock', locks.wronglock(1), 199n, 34n, 0.2266, 1, 7],
  ['reorder_2', reorder(2), 7n, 1n, 0.0625, 1, 4],
  ['reorder_3', reorder(3), 162n, 8n, 0.0494, 1, 56],
  ['reorder_5', reorder(5), 400_960n, 424n, 0.0302, 1],
  ['carter01', locks.carter01(), 4n, 2n, 0.5, 1, 4],
  ['token_ring', tokenRing(), 24n, 4n, 0.1667, 0, 24],
  ['din_phil2', dinPhil(2), 20n, 8n, 0.5, 0, 8],
  ['din_phil3', dinPhil(3), 1662n, 150n, 0.1667, 0, 216],
  ['din_phil4', dinPhil(4), 368_256n, 5376n, 0.0417, 0],
  ['circular_buffer(7)', queues.circularBuffer(7), 467n, 339n, 0.9375, 1],
];

/** These take half a minute, so they wait for a long run. */
export const longRows: readonly Row[] = [
  ['reorder_10', reorder(10), 20_673_950_465_264_769n, 36_003_969n, 0.0133, 1],
  ['stack(10)', queues.stack(10), 68_677n, 9891n, 0.6239, 1],
];

/**
 * PCT by simulation: name, the length that change points were drawn from, and the chance of one run for depth 1, 2 and 3.
 * The length depends on what counts as a step, so that chances compare only where the lengths are the same. The last
 * number is how many ordering constraints the bug has, where it can be met with fewer by luck.
 */
export const pctRows: readonly (readonly [
  name: string,
  length: number,
  chances: readonly number[],
  constraints?: number,
])[] = [
  ['lost2', 4, [0, 0.25, 0.434]],
  ['lost3', 6, [0, 0.333, 0.553]],
  ['lost2x2', 8, [0, 0.251, 0.437]],
  ['fault2 without the lock', 6, [0, 0.167, 0.251]],
  ['fault3 without the lock', 8, [0, 0.122, 0.229]],
  ['fault2 without the re-check', 7, [0, 0.287, 0.488]],
  ['fault3 without the re-check', 8, [0, 0.25, 0.432]],
  ['account', 9, [0.33, 0.333, 0.334]],
  ['lazy01', 9, [0.337, 0.334, 0.331]],
  ['deadlock01', 10, [0, 0.097, 0.187]],
  ['twostage', 12, [0, 0.125, 0.185]],
  ['wronglock', 10, [0, 0.1, 0.144]],
  ['reorder_2', 6, [0, 0.083, 0.127]],
  ['reorder_3', 8, [0, 0.042, 0.068]],
  ['reorder_5', 12, [0, 0.016, 0.03]],
  ['carter01', 16, [0, 0.25, 0.434]],
  ['token_ring', 4, [0.168, 0.167, 0.165], 3],
  ['circular_buffer(7)', 42, [0, 0.213, 0.41]],
];
