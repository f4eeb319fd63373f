// The user-memory judge on accesses of parts of words, atomic adds and pages that move: never wrong about a memory that
// is atomic, never fooled by one that loses a store.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeHistory, encodeHistory, judgeUserMemory } from '../../src/check/user-memory.ts';
import type { MemoryEvent } from '../../src/check/user-memory.ts';

const PAGE = 4096;
const A = 0x75e52fc77000;
const B = A + 0x400000;

function event(kind: MemoryEvent['kind'], addr: number, value: number, invoked: number, length = 4): MemoryEvent {
  return { cpu: 0, process: 0, kind, addr, length, value, invoked, returned: invoked + 1 };
}
const load = (addr: number, value: number, invoked: number, length = 4): MemoryEvent =>
  event('load', addr, value, invoked, length);
const store = (addr: number, value: number, invoked: number, length = 4): MemoryEvent =>
  event('store', addr, value, invoked, length);
const add = (addr: number, value: number, by: number, invoked: number): MemoryEvent => ({
  ...event('add', addr, value, invoked),
  stored: value + by,
});
const move = (from: number, to: number, invoked: number, returned = invoked + 1): MemoryEvent => ({
  ...event('move', from, 0, invoked, PAGE),
  returned,
  failed: false,
  to,
});

function verdict(...events: MemoryEvent[]): string {
  const { findings, undecided } = judgeUserMemory(events);
  return findings.map(({ message }) => message).join('\n') || (undecided > 0 ? 'not decided' : 'held');
}

/** A step of a run on memory that is atomic. */
interface Step {
  kind: 'load' | 'store' | 'add' | 'move' | 'discard';
  page: number;
  other: number;
  offset: number;
  size: number;
  value: number;
  overlaps: boolean;
}
const PAGES = 3;
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom('load', 'load', 'store', 'store', 'add', 'move', 'discard'),
  page: fc.nat(PAGES - 1),
  other: fc.nat(PAGES - 1),
  offset: fc.nat(6),
  size: fc.constantFrom(1, 2, 4, 8),
  value: fc.integer({ min: 1, max: 0x7fffffff }),
  overlaps: fc.boolean(),
});

/** What a memory that does one thing after the other shows; some operations begin before the one before has ended. */
function simulate(steps: readonly Step[]): MemoryEvent[] {
  const pages = Array.from({ length: PAGES }, () => new Uint8Array(16));
  let clock = 0;
  return steps.map(({ kind, page, other, offset, size, value, overlaps }) => {
    const bytes = pages[page]!;
    const addr = A + page * PAGE;
    clock += 4;
    const times = { invoked: clock - (overlaps ? 3 : 0), returned: clock + 2 };
    const base = { cpu: 0, process: 0, ...times };
    const read = (at: number, length: number): number =>
      [...bytes.subarray(at, at + length)].reduceRight((sum, byte) => sum * 256 + byte, 0);
    const write = (at: number, length: number, stored: number): void => {
      for (let i = 0; i < length; i++) bytes[at + i] = Math.floor(stored / 256 ** i) % 256;
    };
    if (kind === 'load')
      return { ...base, kind, addr: addr + offset, length: size, value: signed(read(offset, size), size) };
    if (kind === 'store') {
      const stored = value % 256 ** size;
      write(offset, size, stored);
      return { ...base, kind, addr: addr + offset, length: size, value: signed(stored, size) };
    }
    if (kind === 'add') {
      const before = read(0, 4);
      write(0, 4, (before + value) % 2 ** 32);
      return { ...base, kind, addr, length: 4, value: before | 0, stored: (before + value) | 0 };
    }
    const range = { ...base, length: PAGE, value: 0, failed: false };
    pages[page] = new Uint8Array(16);
    if (kind === 'discard' || other === page) return { ...range, kind: 'discard', addr };
    pages[other] = bytes;
    return { ...range, kind: 'move', addr, to: A + other * PAGE };
  });
}

function signed(value: number, size: number): number {
  return size === 4 ? value | 0 : value;
}

describe('on memory that is atomic', () => {
  it('holds, whatever is loaded, stored, added, moved and discarded', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        expect(verdict(...simulate(steps))).toBe('held');
      }),
      { numRuns: 500 },
    );
  });

  it('says so where one load of a byte was of another value', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.nat(), (steps, n) => {
        const events = simulate(steps.map((one) => ({ ...one, overlaps: false })));
        const loads = events.filter(({ kind }) => kind === 'load');
        fc.pre(loads.length > 0);
        const wrong = loads[n % loads.length]!;
        // No store is of this byte where none has one like it: 0 is every byte's first.
        const values = new Set(events.flatMap(({ value, stored = 0 }) => [...bytesOf(value), ...bytesOf(stored)]));
        const other = Array.from({ length: 256 }, (_, byte) => byte).find((byte) => byte > 0 && !values.has(byte));
        fc.pre(other !== undefined && Number.isSafeInteger(wrong.value));
        wrong.value = wrong.value - (wrong.value & 0xff) + other;
        expect(verdict(...events)).toMatch(/which nobody had stored there|no order of the stores explains/);
      }),
      { numRuns: 300 },
    );
  });

  it('is the same after being sent from one thread to another', () => {
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const events = simulate(steps);
        expect(decodeHistory(0, encodeHistory(events))).toEqual(events);
      }),
    );
  });
});

function bytesOf(value: number): number[] {
  return Array.from({ length: 8 }, (_, i) => Math.floor(value / 256 ** i) & 0xff);
}

describe('parts of words', () => {
  it('are judged byte by byte where a word is touched in parts, and as words elsewhere', () => {
    expect(verdict(store(A, 0x1234, 1), store(A + 1, 0xff, 3, 1), load(A, 0xff34, 5))).toBe('held');
    expect(verdict(store(A, 0x1234, 1), store(A + 1, 0xff, 3, 1), load(A, 0x1234, 5))).toContain('lost store');
    expect(verdict(store(A, 1, 1), store(A + 4, 2, 1), load(A, 1 + 2 * 2 ** 32, 3, 8))).toBe('held');
    expect(verdict(store(A, 1, 1), store(A + 4, 2, 1), load(A, 2 * 2 ** 32, 3, 8))).toContain('lost store');
  });

  it('are not judged where eight bytes are more than a number can tell', () => {
    expect(verdict(store(A, 0x7fffffff, 1), store(A + 4, 0x7fffffff, 1), load(A, 2 ** 63, 3, 8))).toBe('held');
  });
});

describe('atomic adds', () => {
  it('take one value each', () => {
    expect(verdict(add(A, 0, 1, 1), add(A, 1, 1, 3), load(A, 2, 5))).toBe('held');
    expect(verdict(add(A, 0, 1, 1), add(A, 0, 1, 3))).toContain('lost store');
    expect(verdict({ ...add(A, 0, 1, 1), returned: 9 }, { ...add(A, 1, 1, 1), returned: 9 }, load(A, 1, 10))).toContain(
      'no order',
    );
  });
});

describe('moves', () => {
  it('take what was there along, and leave zeroes', () => {
    expect(verdict(store(A, 7, 1), move(A, B, 3), load(B, 7, 5), load(A, 0, 7))).toBe('held');
    expect(verdict(store(A, 7, 1), move(A, B, 3), load(B, 0, 5))).toContain('no order');
    expect(verdict(store(A, 7, 1), move(A, B, 3), load(A, 7, 5))).toMatch(/moved pages/);
  });

  it('let both addresses lead to the page until they return, and then no more', () => {
    const late = (invoked: number): MemoryEvent[] => [
      store(A, 7, 1),
      move(A, B, 3, 10),
      { ...store(A, 8, invoked), cpu: 1 },
      load(B, 8, 20),
    ];
    expect(verdict(...late(8))).toBe('held');
    expect(verdict(...late(12))).toContain('no order');
  });

  it('can be followed from page to page, also through one that nobody touches', () => {
    const C = B + PAGE;
    expect(verdict(store(A, 7, 1), move(A, C, 3), move(C, B, 5), load(B, 7, 7))).toBe('held');
  });

  it('may have done nothing, or a part, where they failed', () => {
    const failed = { ...move(A, B, 3), failed: true };
    expect(verdict(store(A, 7, 1), store(B, 5, 1), failed, load(A, 7, 5), load(B, 5, 5))).toBe('held');
    expect(verdict(store(A, 7, 1), store(B, 5, 1), failed, load(A, 7, 5), load(B, 0, 5))).toBe('held');
    expect(verdict(store(A, 7, 1), store(B, 5, 1), failed, load(A, 6, 5))).not.toBe('held');
  });

  it('are not decided where processes share them', () => {
    const fork: MemoryEvent = { ...event('fork', 0, 0, 5), child: 1 };
    expect(verdict(store(A, 7, 1), move(A, B, 3), fork, load(B, 7, 7), { ...load(B, 7, 9), process: 1 })).toBe(
      'not decided',
    );
  });
});
