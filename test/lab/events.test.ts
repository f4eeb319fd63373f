// Which steps are events of which kind, on executions written by hand and on one of the kernel that goes wrong.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventsOf, lastBefore, nextAfter } from '../../src/lab/model/events.ts';
import { planOf } from '../../src/lab/model/plan.ts';
import { Session } from '../../src/lab/model/session.ts';
import { sentenceAt, viewOf } from '../../src/lab/model/view.ts';
import type { MachineState } from '../../src/report/machine-state.ts';
import { RecordWriter } from '../support/records.ts';

const page = (pte: string): Pick<MachineState, 'pages'> => ({
  pages: [{ address: 0, pgd: '1', pud: '1', pmd: '1', pte }],
});

/** A schedule of first-touch that loses a store without the recheck: CPU 0 up to its taking of the lock, then CPU 1. */
function lostStore(): Session {
  const session = new Session(planOf({ scenario: 'first-touch', without: ['pte_recheck'] }));
  const before = (text: string): boolean => {
    const next = session.timeline.after(session.length).cpus[0];
    return next?.kind !== 'lock' || !next.place.names.includes(text);
  };
  while (before('pte_offset_map_lock')) session.chooseStep('0');
  while (session.choices.includes('1')) session.choose('1');
  session.runOn();
  return session;
}

describe('events', () => {
  it('are told apart by kind, and counted as steps taken', () => {
    const { steps } = new RecordWriter()
      .step(0, 'read', 1)
      .step(0, 'lock', 2)
      .step(1, 'write', 3, { preempts: true })
      .step(1, 'unlock', 2)
      .step(1, 'lock', 4);
    const names = [undefined, 'lock', 'write', undefined, undefined];
    const ptes = ['0', '0', '0', 'a', 'a', '0'];
    const events = eventsOf({
      steps: steps.map((step) => ({ step, text: names[step.index] })),
      stateAfter: (count) => page(ptes[count] ?? ''),
      locks: [2],
      violations: [5],
    });
    expect(events).toEqual({ named: [2, 3], preemption: [3], lock: [2, 4], pte: [3, 5], violation: [5] });
  });

  it('lie before and after a place, but not at it', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(50)), fc.nat(50), (numbers, cursor) => {
        const places = numbers.sort((a, b) => a - b);
        const after = places.filter((place) => place > cursor);
        const before = places.filter((place) => place < cursor);
        expect(nextAfter(places, cursor)).toBe(after[0]);
        expect(lastBefore(places, cursor)).toBe(before.at(-1));
      }),
    );
  });

  it('of an execution that loses a store are its two entries, its preemption and where it went wrong', () => {
    const session = lostStore();
    expect(session.outcome?.complaint).toBeDefined();
    const view = viewOf(session);
    const { events, steps } = view;
    expect(events.pte.map((at) => steps[at - 1]?.text)).toEqual(['WRITE: set_ptes', 'WRITE: set_ptes, overwrites']);
    expect(events.violation).toEqual([events.pte[1], session.length]);
    expect(events.preemption.map((at) => steps[at - 1]?.step.cpu)).toEqual([1]);
    expect(events.lock).toHaveLength(4);
    expect(sentenceAt(view, events.pte[1] ?? 0)).toBe(
      `step ${String(events.pte[1])} of ${String(session.length)}, CPU 0, WRITE: set_ptes, overwrites`,
    );
    expect(sentenceAt(view, 0)).toBe(`before step 1 of ${String(session.length)}`);
  });

  it('of an execution that holds has no violation', () => {
    const session = new Session(planOf({ scenario: 'first-touch' }));
    session.runOn();
    expect(viewOf(session).events.violation).toEqual([]);
    // As long as nothing else is shown, it is the same view: a step costs nothing.
    const view = viewOf(session);
    session.goTo(5);
    expect(viewOf(session)).toBe(view);
    session.fork();
    expect(viewOf(session)).not.toBe(view);
  });
});
