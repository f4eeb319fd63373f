// Which words are shared, against a table that keeps every touch of every word.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SharedWords } from '../../src/explore/shared-words.ts';
import type { Step, StepKind } from '../../src/kernel/memory.ts';

const PAGE = 1024;
const WORDS = 3 * PAGE;
const KINDS = ['plain-read', 'write', 'add', 'rmw', 'lock'] as const;
const CLASSES: Record<(typeof KINDS)[number], string> = {
  'plain-read': 'read',
  write: 'write',
  add: 'add',
  rmw: 'write',
  lock: 'write',
};

interface Touch {
  readonly cpu: number;
  readonly kind: (typeof KINDS)[number];
  readonly word: number;
  readonly width: number;
}

function step(kind: StepKind, word: number, width: number): Step {
  return {
    kind,
    cpu: 0,
    word,
    width,
    operand: 0,
    operand_hi: 0,
    ready: undefined,
    also: 0,
    lock_class: 0,
    holder: 0,
    note: '',
    values: [],
  };
}

/** Two CPUs, and accesses that do not commute. */
function isShared(touches: readonly Touch[], word: number): boolean {
  const here = touches.filter((touch) => touch.word <= word && word < touch.word + touch.width);
  return here.some((a) =>
    here.some((b) => {
      const commute = CLASSES[a.kind] === CLASSES[b.kind] && CLASSES[a.kind] !== 'write';
      return a.cpu !== b.cpu && !commute;
    }),
  );
}

// Few words near the ends of pages, so that touches meet.
const words = fc.constantFrom(0, 1, 7, PAGE - 1, PAGE, PAGE + 5, 2 * PAGE - 2, 2 * PAGE);
const touches = fc.record({
  cpu: fc.nat(2),
  kind: fc.constantFrom(...KINDS),
  place: fc.oneof(
    { weight: 3, arbitrary: fc.record({ word: words, width: fc.constantFrom(1, 2) }) },
    { weight: 2, arbitrary: fc.record({ word: fc.constantFrom(0, PAGE, 2 * PAGE), width: fc.constant(PAGE) }) },
    { weight: 1, arbitrary: fc.record({ word: fc.constantFrom(5, PAGE - 3), width: fc.constant(PAGE) }) },
  ),
});
const executions = fc.array(fc.array(touches, { maxLength: 12 }), { minLength: 1, maxLength: 4 });

describe('SharedWords', () => {
  it('finds the words that two CPUs touched in one execution, and no others', () => {
    fc.assert(
      fc.property(executions, (all) => {
        const shared = new SharedWords(WORDS);
        const expected = new Set<number>();
        for (const execution of all) {
          const done: Touch[] = [];
          const known = new Set(expected);
          shared.begin();
          for (const { cpu, kind, place } of execution) {
            const touch = { cpu, kind, ...place };
            done.push(touch);
            const seen = shared.touch(cpu, step(kind, touch.word, touch.width));
            let sees = false;
            for (let word = touch.word; word < touch.word + touch.width; word++) {
              // A word that is known to be shared is not watched any more.
              if (!expected.has(word) && isShared(done, word)) expected.add(word);
              if (expected.has(word)) sees = true;
            }
            expect(seen).toBe(sees);
          }
          expect(shared.discovered).toBe(expected.size > known.size);
        }
        expect(shared.list()).toEqual([...expected].sort((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });

  it('sees a word that it was told of', () => {
    const shared = new SharedWords(WORDS);
    shared.add(PAGE + 3);
    shared.begin();
    expect(shared.touch(0, step('plain-read', PAGE, PAGE))).toBe(true);
    expect(shared.touch(0, step('plain-read', PAGE + 2, 1))).toBe(false);
    expect(shared.touch(0, { ...step('wait', 1, 1), also: PAGE + 3 })).toBe(true);
    expect(shared.discovered).toBe(false);
  });
});
