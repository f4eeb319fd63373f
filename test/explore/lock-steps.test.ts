// What steps of locks say of their locks: the class of a release is that of its taking, and who took one had it alone.
import { describe, expect, it } from 'vitest';
import type { RecordedStep } from '../../src/explore/record.ts';
import { SCENARIOS } from '../../src/explore/scenarios.ts';
import { exploreTarget, replayTarget, targetNamed } from '../../src/explore/target.ts';
import { targetFrom } from '../../src/explore/target-file.ts';

const TAKES = ['lock', 'trylock', 'read-lock', 'read-trylock', 'write-lock'];
const RELEASES = ['unlock', 'read-unlock', 'write-unlock'];

/** The steps of the execution that a search runs first. */
function firstExecution(name: string): readonly RecordedStep[] {
  const target = targetNamed(name);
  const tokens: string[] = [];
  exploreTarget(target, { executions: 1, onExecution: ({ token }) => tokens.push(token) });
  return replayTarget(target, tokens.at(-1)!).record.steps;
}

describe('a step of a lock', () => {
  const seen = new Set<number>();

  it.each(SCENARIOS.map(({ name }) => name))('has its class, in %s', (name) => {
    const steps = firstExecution(name);
    let releases = 0;
    for (const step of steps) {
      if (!RELEASES.includes(step.kind)) continue;
      const isItsTaking = (other: RecordedStep): boolean =>
        TAKES.includes(other.kind) && other.stored && other.cpu === step.cpu && other.word === step.word;
      const taking = steps.slice(0, step.index).findLast(isItsTaking);
      expect([name, step.index, step.lockClass]).toEqual([name, step.index, taking?.lockClass]);
      seen.add(step.lockClass);
      releases += 1;
    }
    expect(releases).toBeGreaterThan(0);
  });

  it('is of one of many classes', () => {
    expect(seen.size).toBeGreaterThan(4);
  });
});

/** CPU 0 waits for the page-table lock while CPU 1, who holds it, interrupts it: its store makes the zero page private. */
const interrupted = targetFrom(
  {
    config: { locking: 'mm' },
    setup: [{ op: 'mmap', addr: 0x75e52fdfe000, length: 4096, prot: 3, flags: 0x32 }],
    programs: [
      [{ op: 'load', addr: 0x75e52fdfe000 }],
      [
        { op: 'load', addr: 0x75e52fdfe000 },
        { op: 'store', addr: 0x75e52fdfe000, value: 1 },
      ],
    ],
  },
  'interrupted',
);

it('of whom an interrupt wakes while another has the lock is no taking', () => {
  const tokens: string[] = [];
  const { verdict, failure } = exploreTarget(interrupted, {
    strategy: 'random',
    executions: 20,
    seed: 1,
    onExecution: ({ token }) => tokens.push(token),
  });
  let looked = 0;
  for (const token of tokens) {
    const holders = new Map<number, number>();
    for (const { kind, stored, word, cpu } of replayTarget(interrupted, token).record.steps) {
      if (kind === 'unlock') holders.delete(word);
      if (kind !== 'lock') continue;
      if (stored) {
        expect([token, holders.get(word)]).toEqual([token, undefined]);
        holders.set(word, cpu);
      } else looked += 1;
    }
  }
  expect(looked).toBeGreaterThan(0);
  expect([failure?.message, verdict]).toEqual([undefined, 'not decided']);
});

it('and every other has the values of its own words alone', () => {
  for (const { width, beforeHi, afterHi, index } of firstExecution('first-touch')) {
    if (width < 2) expect([index, beforeHi, afterHi]).toEqual([index, 0, 0]);
  }
});
