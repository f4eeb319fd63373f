// The lanes of executions written by hand, and, for any order of lock operations, that they say who holds what.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QUIET_WIDTH, StepLayout, lanesOf, widthOf } from '../../src/lab/model/lanes.ts';
import { LOCK_ANON_VMA, LOCK_MMAP, LOCK_PTL, LOCK_VMA } from '../../src/kernel/counters.ts';
import { RecordWriter } from '../support/records.ts';

const PTL = 10;
const MMAP = 20;
const VMA = 30;

describe('lanes of locks', () => {
  it('show a wait, and whose release ended it', () => {
    const { steps } = new RecordWriter()
      .step(1, 'read', 1)
      .step(0, 'lock', PTL, { lockClass: LOCK_PTL })
      .step(0, 'write', 2)
      .step(0, 'unlock', PTL, { lockClass: LOCK_PTL })
      .step(1, 'lock', PTL, { lockClass: LOCK_PTL })
      .step(1, 'unlock', PTL, { lockClass: LOCK_PTL });
    const { locks, held, waits } = lanesOf(steps, []);
    expect(locks).toEqual([
      {
        word: PTL,
        lockClass: LOCK_PTL,
        contended: true,
        holdings: [
          { from: 1, to: 3, holders: [0], forRead: false, handedBy: undefined },
          { from: 4, to: 5, holders: [1], forRead: false, handedBy: 0 },
        ],
      },
    ]);
    expect(held).toEqual([
      { cpu: 0, lock: 0, from: 1, to: 3 },
      { cpu: 1, lock: 0, from: 4, to: 5 },
    ]);
    expect(waits).toEqual([{ cpu: 1, lock: 0, from: 2, to: 4 }]);
  });

  it('are there for locks of page tables always, for others where somebody waited', () => {
    const { steps } = new RecordWriter()
      .step(0, 'write-lock', MMAP, { lockClass: LOCK_MMAP })
      .step(0, 'lock', PTL, { lockClass: LOCK_PTL })
      .step(0, 'unlock', PTL, { lockClass: LOCK_PTL })
      .step(0, 'write-lock', VMA, { lockClass: LOCK_VMA })
      .step(0, 'write-unlock', VMA, { lockClass: LOCK_VMA })
      .step(0, 'write-unlock', MMAP, { lockClass: LOCK_MMAP })
      .step(1, 'write-lock', MMAP, { lockClass: LOCK_MMAP });
    expect(lanesOf(steps, []).locks.map(({ word, contended }) => [word, contended])).toEqual([
      [MMAP, true],
      [PTL, false],
    ]);
  });

  it('join readers, and cut where one of them comes or goes', () => {
    const { steps } = new RecordWriter()
      .step(0, 'read-lock', MMAP, { lockClass: LOCK_MMAP })
      .step(1, 'read-lock', MMAP, { lockClass: LOCK_MMAP })
      .step(0, 'read-unlock', MMAP, { lockClass: LOCK_MMAP })
      .step(1, 'read-unlock', MMAP, { lockClass: LOCK_MMAP })
      .step(2, 'write-lock', MMAP, { lockClass: LOCK_MMAP });
    const [lock] = lanesOf(steps, []).locks;
    expect(lock?.holdings).toEqual([
      { from: 0, to: 1, holders: [0], forRead: true, handedBy: undefined },
      { from: 1, to: 2, holders: [0, 1], forRead: true, handedBy: undefined },
      { from: 2, to: 3, holders: [1], forRead: true, handedBy: undefined },
      { from: 4, to: 5, holders: [2], forRead: false, handedBy: 1 },
    ]);
  });

  it('show who waits where the timeline ends', () => {
    const { steps } = new RecordWriter().step(1, 'read', 1).step(0, 'lock', PTL, { lockClass: LOCK_ANON_VMA });
    const waiting = [{ cpu: 1, word: PTL, lockClass: LOCK_ANON_VMA, holder: 0 }];
    const { held, waits } = lanesOf(steps, waiting);
    expect(waits).toEqual([{ cpu: 1, lock: 0, from: 2, to: 2 }]);
    expect(held).toEqual([{ cpu: 0, lock: 0, from: 1, to: 2 }]);
  });

  it('tell whose stores went out on their own', () => {
    const { steps } = new RecordWriter().step(0, 'read', 1).step(2, 'drain', 1).step(1, 'drain', 2).step(2, 'drain', 3);
    expect(lanesOf(steps, []).drains).toEqual([1, 2]);
  });

  it('agree with the lock at every step, in any order of CPUs', () => {
    const CPUS = 3;
    fc.assert(
      fc.property(fc.array(fc.nat(CPUS - 1), { maxLength: 60 }), (order) => {
        // A CPU that is chosen takes the lock if it is free, releases it if it has it, and else does something else.
        const writer = new RecordWriter();
        const holders: number[] = [];
        let holder = -1;
        for (const cpu of order) {
          if (holder === -1) {
            holder = cpu;
            writer.step(cpu, 'lock', PTL);
          } else if (holder === cpu) {
            holder = -1;
            writer.step(cpu, 'unlock', PTL);
          } else writer.step(cpu, 'read', 1);
          holders.push(holder);
        }
        const { locks, held, waits } = lanesOf(writer.steps, []);
        const [lock] = locks;
        for (const [i, expected] of holders.entries()) {
          const now = (lock?.holdings ?? []).filter(({ from, to }) => from <= i && i < to);
          expect(now.flatMap((holding) => holding.holders)).toEqual(expected === -1 ? [] : [expected]);
          const owners = held.filter(({ from, to }) => from <= i && i < to).map(({ cpu }) => cpu);
          expect(owners).toEqual(expected === -1 ? [] : [expected]);
          for (const { cpu, from, to } of waits) if (from <= i && i < to) expect(cpu).not.toBe(expected);
        }
      }),
    );
  });
});

describe('widths of steps', () => {
  it('grow with the name, and are small without one', () => {
    expect(widthOf(undefined)).toBe(QUIET_WIDTH);
    expect(widthOf('LOCK: ptl')).toBeGreaterThan(widthOf('zap'));
    expect(widthOf('x'.repeat(1000))).toBe(widthOf('x'.repeat(2000)));
  });

  it('put every step where it is found again, and show what is between two places', () => {
    const widths = fc.array(fc.double({ min: 0.1, max: 20, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(widths, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
        const layout = new StepLayout(all);
        expect(layout.count).toBe(all.length);
        for (let i = 0; i < layout.count; i++) expect(layout.at(layout.left(i))).toBe(i);
        const place = share * layout.total;
        const { from, to } = layout.between(place, place + 5);
        expect(layout.left(from)).toBeLessThanOrEqual(place);
        expect(layout.left(to)).toBeGreaterThanOrEqual(Math.min(place + 5, layout.total));
      }),
    );
  });

  it('of no step are nothing', () => {
    const layout = new StepLayout([]);
    expect(layout.total).toBe(0);
    expect(layout.between(0, 100)).toEqual({ from: 0, to: 0 });
    expect(layout.at(3)).toBe(0);
  });
});
