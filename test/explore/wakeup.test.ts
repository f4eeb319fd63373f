// Wakeup trees and sleep sets in rows of arrays: the same as the definition, worked out on lists.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { READ, WRITE, footprintsConflict } from '../../src/explore/footprint.ts';
import type { Footprint } from '../../src/explore/footprint.ts';
import { StoredReversal, reversalData } from '../../src/explore/reversal.ts';
import type { ReversalData } from '../../src/explore/reversal.ts';
import { SleepSets } from '../../src/explore/sleep.ts';
import { WakeupTrees } from '../../src/explore/wakeup.ts';

interface Node extends Footprint {
  readonly children: Node[];
}

const step = fc.record<Footprint>({
  proc: fc.nat(3),
  cls: fc.constantFrom(READ, WRITE),
  word: fc.integer({ min: 1, max: 3 }),
  width: fc.constantFrom(1, 1, 1, 2),
  also: fc.constantFrom(0, 0, 0, 2),
});

/**
 * Steps in the order of their happening: a step comes after those of its proc and those it depends on, and what those
 * come after; the last one, which has not gone there yet, is only known to come after those of the first two kinds.
 */
function reversalOf(steps: readonly Footprint[]): ReversalData {
  const orders: number[][] = [];
  for (const [i, second] of steps.entries()) {
    const before = new Set<number>();
    for (const [j, first] of steps.entries()) {
      if (j >= i) break;
      if (first.proc === second.proc || footprintsConflict(first, second)) {
        before.add(j);
        if (i < steps.length - 1) for (const earlier of orders[j]!) before.add(earlier);
      }
    }
    orders.push([...before].sort((a, b) => a - b));
  }
  return { steps, orders };
}

const reversal = fc.array(step, { minLength: 1, maxLength: 7 }).map(reversalOf);

/** Whether an execution that begins with the step can go on to do what is left: the place in `left`, its length, or -1. */
function placeIn({ steps, orders }: ReversalData, left: readonly number[], first: Footprint): number {
  const place = left.findIndex((i) => steps[i]!.proc === first.proc);
  if (place < 0) return left.some((i) => footprintsConflict(steps[i]!, first)) ? -1 : left.length;
  return left.slice(0, place).some((i) => orders[left[place]!]!.includes(i)) ? -1 : place;
}

function insertInto(tree: Node[], data: ReversalData): void {
  let left = data.steps.map((_, i) => i);
  let branches = tree;
  for (;;) {
    const followed = branches.find((child) => placeIn(data, left, child) >= 0);
    if (followed === undefined) break;
    const place = placeIn(data, left, followed);
    left = left.filter((_, at) => at !== place);
    if (followed.children.length === 0) return;
    branches = followed.children;
  }
  for (const i of left) {
    const node = { ...data.steps[i]!, children: [] };
    branches.push(node);
    branches = node.children;
  }
}

describe('a wakeup tree', () => {
  it('takes in reversals, and gives its branches away, as the definition says', () => {
    const actions = fc.array(fc.oneof({ weight: 4, arbitrary: reversal }, fc.constantFrom('go on', 'drop')), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(actions, (all) => {
        const trees = new WakeupTrees();
        let expected: Node[] = [];
        let tree = 0;
        for (const action of all) {
          if (typeof action !== 'string') {
            tree = trees.insert(tree, new StoredReversal(action));
            insertInto(expected, action);
          } else if (expected.length > 0) {
            if (action === 'drop') {
              tree = trees.drop(tree);
              expected.shift();
            } else {
              const after = trees.after(tree);
              const left = trees.leave(tree);
              expect(trees.data(left)).toEqual(expected.slice(1));
              tree = after;
              expected = expected[0]!.children;
            }
          }
          expect(trees.data(tree)).toEqual(expected);
          expect(trees.count(tree)).toBe(expected.length);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('comes back from data as it was', () => {
    fc.assert(
      fc.property(fc.array(reversal, { maxLength: 8 }), (reversals) => {
        const trees = new WakeupTrees();
        const tree = reversals.reduce((grown, data) => trees.insert(grown, new StoredReversal(data)), 0);
        const other = new WakeupTrees();
        expect(other.data(other.adopt(trees.data(tree)))).toEqual(trees.data(tree));
      }),
    );
  });

  it('drops a branch as long as an execution may be', () => {
    const trees = new WakeupTrees();
    const steps = Array.from({ length: 20_000 }, (_, i) => ({ proc: i % 7, cls: READ, word: 1, width: 1, also: 0 }));
    const tree = trees.insert(0, new StoredReversal({ steps, orders: steps.map(() => []) }));
    expect(trees.drop(tree)).toBe(0);
  });
});

describe('a sleep set', () => {
  it('covers a reversal if a step of it leads to the same', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), reversal, (sleeping, data) => {
        const sleep = new SleepSets();
        sleep.set(0, sleeping);
        const left = data.steps.map((_, i) => i);
        expect(sleep.covers(0, new StoredReversal(data))).toBe(sleeping.some((one) => placeIn(data, left, one) >= 0));
        expect(sleep.list(0)).toEqual(sleeping);
        for (let proc = 0; proc < 4; proc++) {
          expect(sleep.has(0, proc)).toBe(sleeping.some((one) => one.proc === proc));
        }
      }),
    );
  });
});

describe('a reversal as data', () => {
  it('is the same reversal', () => {
    fc.assert(
      fc.property(reversal, (data) => {
        expect(reversalData(new StoredReversal(data))).toEqual(data);
      }),
    );
  });
});
