// The lock-order judge: cycles among classes without a deadlock, and none where the order is one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccessEvent } from '../../src/check/access-event.ts';
import { Watched } from '../support/lock-order.ts';
import { access } from '../support/records.ts';

const A = 100;
const B = 200;
const C = 300;

/** A CPU takes locks in this order and releases them the other way round. */
function nest(cpu: number, ...locks: number[]): AccessEvent[] {
  return [
    ...locks.map((lock) => access(cpu, 'lock', lock)),
    ...[...locks].reverse().map((lock) => access(cpu, 'unlock', lock)),
  ];
}

const asReader = (event: AccessEvent): AccessEvent => ({
  ...event,
  kind: event.kind === 'lock' ? 'read-lock' : 'read-unlock',
});

describe('lock order', () => {
  it('finds ABBA though no execution deadlocks', () => {
    const order = new Watched();
    expect(order.add(nest(0, A, B))).toBe(0);
    expect(order.add(nest(0, A, B))).toBe(0);
    expect(order.add(nest(1, B, A))).toBe(1);
    expect(order.problems).toEqual([
      {
        kind: 'circular',
        edge: {
          held: B,
          taken: A,
          heldForRead: false,
          takenForRead: false,
          example: { execution: 1, cpu: 1, heldAt: 0, takenAt: 1, heldWord: B, takenWord: A },
        },
        chain: [
          {
            held: A,
            taken: B,
            heldForRead: false,
            takenForRead: false,
            example: { execution: 0, cpu: 0, heldAt: 0, takenAt: 1, heldWord: A, takenWord: B },
          },
        ],
      },
    ]);
    // Told once.
    expect(order.add(nest(1, B, A))).toBe(0);
    expect(order.edges).toHaveLength(2);
  });

  it('finds a cycle of three in one execution, whose CPUs never meet', () => {
    const order = new Watched();
    order.add([...nest(0, A, B), ...nest(1, B, C), ...nest(2, C, A)]);
    expect(
      order.problems.map(({ edge, chain }) => [edge.held, edge.taken, ...chain.map(({ taken }) => taken)]),
    ).toEqual([[C, A, B, C]]);
  });

  it('finds the cycle in an execution that deadlocked before the second locks were taken', () => {
    const order = new Watched();
    const events = [access(0, 'lock', A), access(1, 'lock', B)];
    const waiting = [
      { cpu: 0, word: B, lockClass: 0 },
      { cpu: 1, word: A, lockClass: 0 },
      { cpu: 2, word: C, lockClass: 0 },
    ];
    expect(order.add(events, waiting)).toBe(1);
    expect(order.problems[0]!.edge.example).toMatchObject({ cpu: 1, heldAt: 1, takenAt: 2, takenWord: A });
  });

  it('a trylock leads nowhere by being taken, but what it took is held', () => {
    const trying = nest(1, B, A).map((event, i): AccessEvent => (i === 1 ? { ...event, kind: 'trylock' } : event));
    const order = new Watched();
    order.add(nest(0, A, B));
    expect(order.add(trying)).toBe(0);
    const holding = nest(1, B, A).map((event, i): AccessEvent => (i === 0 ? { ...event, kind: 'trylock' } : event));
    expect(order.add(holding)).toBe(1);
    const failed = new Watched();
    failed.add([access(0, 'trylock', A, false), access(0, 'lock', B), access(0, 'unlock', B)]);
    expect(failed.edges).toEqual([]);
  });

  it('readers do not wait for readers', () => {
    const readers = new Watched();
    readers.add([access(0, 'read-lock', A), access(0, 'read-lock', A)]);
    readers.add(nest(0, A, B).map(asReader));
    readers.add(nest(1, B, A).map(asReader));
    expect(readers.problems).toEqual([]);
    // One writer that holds B while it waits for A makes it a cycle.
    expect(readers.add([access(1, 'write-lock', B), access(1, 'write-lock', A)])).toBe(1);
    const writers = new Watched();
    writers.add([access(0, 'read-lock', A), access(0, 'write-lock', A)]);
    expect(writers.problems[0]!.kind).toBe('recursive');
  });

  it('takes classes from its rules, and lets nested ones be held twice', () => {
    const classOf = ({ word }: { word: number }): number => (word >= B ? 2 : 1);
    const order = new Watched({ classOf });
    expect(order.add(nest(0, B, C))).toBe(1);
    expect(order.problems[0]).toMatchObject({ kind: 'recursive', chain: [], edge: { held: 2, taken: 2 } });
    const nested = new Watched({ classOf, nested: new Set([2]) });
    expect(nested.add(nest(0, B, C))).toBe(0);
    expect(nested.add(nest(0, B, B))).toBe(1);
  });

  it('no cycle where every CPU takes locks in one order, whatever it takes', () => {
    const increasing = fc.subarray([1, 2, 3, 4, 5, 6]);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 2 }), increasing), { maxLength: 12 }), (taken) => {
        const order = new Watched();
        for (const [cpu, locks] of taken) order.add(nest(cpu, ...locks));
        expect(order.problems).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('neg: one CPU that takes two of them the other way round is found', () => {
    const two = fc.subarray([1, 2, 3, 4, 5, 6], { minLength: 2 });
    fc.assert(
      fc.property(two, fc.nat({ max: 2 }), (locks, cpu) => {
        const order = new Watched();
        order.add(nest(0, ...locks));
        expect(order.add(nest(cpu, locks[locks.length - 1]!, locks[0]!))).toBe(1);
      }),
      { numRuns: 100 },
    );
  });
});
