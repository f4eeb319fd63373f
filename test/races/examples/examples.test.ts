// The worked examples under the explorer: what is right holds in every schedule of every program tried, and what was
// published wrong is found, with a schedule.
import { describe, expect, it } from 'vitest';
import { checkLinearizable, replayProgram } from '../../../src/testing/index.ts';
import type { ConcurrentObject } from '../../../src/testing/index.ts';
import { expectGolden } from '../../support/golden.ts';
import { dropOldestRing } from './drop-oldest-ring.ts';
import { hymanLock } from './hyman-lock.ts';
import { spscRing } from './spsc-ring.ts';
import { ticketLock } from './ticket-lock.ts';

/** Executions that differ, whose histories are checked: the cases that the correct examples pass. */
const CASES = 10_000;

describe('correct examples', () => {
  it('hold in every schedule of every program tried', async () => {
    let cases = 0;
    for (const object of [spscRing, ticketLock]) {
      const { verdict, explored, text } = await checkLinearizable(object, { programs: 100 });
      expect(verdict, text).toBe('held');
      expect(explored).toMatchObject({ programs: 100, undecided: 0 });
      cases += explored!.executions;
    }
    expect(cases).toBeGreaterThan(CASES);
  });
});

describe('neg_ an example that was published wrong is found', () => {
  it.each<[ConcurrentObject, string]>([
    [dropOldestRing, 'drop-oldest-ring'],
    [hymanLock, 'hyman-lock'],
  ])('$name', async (object, name) => {
    const { verdict, failure, text } = await checkLinearizable(object);
    expect(verdict).toBe('violated');
    expect(failure).toMatchObject({ judge: 'linearizability', seenBy: 'explorer' });
    const replayed = replayProgram(object, failure!.program, failure!.token!);
    expect(replayed.checked.verdict).toBe('violated');
    expect(replayed.text).toBe(failure!.text);
    await expectGolden(text, `linearizable-${name}`);
  });
});
