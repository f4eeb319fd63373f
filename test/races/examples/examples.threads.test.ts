// The worked examples on real threads: the same source, its yields erased, its accesses done by Atomics.
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { checkLinearizable, closeRounds, linearizableOnThreads, raceProgram } from '../../../src/testing/index.ts';
import type { Call, ConcurrentObject, ParallelProgram } from '../../../src/testing/index.ts';
import { directClass } from '../../support/direct-class.ts';
import { dropOldestRing } from './drop-oldest-ring.ts';
import { hymanLock } from './hyman-lock.ts';
import { spscRing } from './spsc-ring.ts';
import { ticketLock } from './ticket-lock.ts';

const file = (name: string): URL => new URL(name, import.meta.url);
const call = (method: string, ...args: unknown[]): Call => ({ method, args });

const dropOldest = { ...dropOldestRing, module: directClass(file('drop-oldest-ring.ts'), 'DropOldestRing') };
const hyman = { ...hymanLock, module: directClass(file('hyman-lock.ts'), 'HymanLock') };

afterAll(() => closeRounds());

describe('a correct example holds', () => {
  it.each<[string, ConcurrentObject, string, string, number]>([
    ['SPSC ring', spscRing, 'spsc-ring.ts', 'SpscRing', 2],
    ['ticket lock', ticketLock, 'ticket-lock.ts', 'TicketLock', 2],
    ['ticket lock, more threads than cores', ticketLock, 'ticket-lock.ts', 'TicketLock', 3],
  ])('%s', async (_name, object, from, name, threads) => {
    let rounds = 0;
    const property = linearizableOnThreads(
      { ...object, module: directClass(file(from), name) },
      { threads, race: { rounds: 100 }, onProgram: (raced) => (rounds += raced.rounds) },
    );
    await fc.assert(property, { numRuns: 10 });
    expect(rounds).toBe(1000);
  });
});

describe('neg_ an example that was published wrong is seen wrong', () => {
  const cases: [string, ConcurrentObject, ParallelProgram][] = [
    [
      'drop-oldest ring',
      dropOldest,
      { first: [call('push', 1), call('push', 2)], threads: [[call('push', 3)], [call('drain', 2)]] },
    ],
    [
      "Hyman's lock",
      hyman,
      { first: [], threads: [Array<Call>(3).fill(call('enter')), Array<Call>(3).fill(call('enter'))] },
    ],
  ];
  /** Rounds in which it shows some ten times or more, on a machine that is idle or busy; most often the first part does. */
  const MOST_ROUNDS = 20_000;
  const PART = 500;

  it.each(cases)('%s', async (_, object, program) => {
    let failure;
    for (let seed = 1; failure === undefined && seed * PART <= MOST_ROUNDS; seed++) {
      ({ failure } = await raceProgram(object, program, { rounds: PART, seed }));
    }
    expect(failure).toMatchObject({ judge: 'linearizability', token: undefined });
    expect(failure?.text).toContain('no order explains');
  });

  it('is shrunk by racing again, and explained by a schedule of its stepped form', async () => {
    // The explorer finds nothing by itself where it may not look: what it is then asked for comes from the threads.
    const report = await checkLinearizable(dropOldest, { programs: 1, race: { rounds: 200 } });
    expect(report.explored).toMatchObject({ programs: 1 });
    expect(report.failure).toMatchObject({ judge: 'linearizability', seenBy: 'threads' });
    const { first, threads } = report.failure!.program;
    expect(first.length + threads.flat().length).toBeLessThanOrEqual(6);
    expect(report.failure!.token).toMatch(/^[01]:/);
    expect(report.text).toContain('a schedule that fails:');
  });
});
