// Where mappings go, what becomes one VMA, and what brk, mprotect and madvise answer. Errors and places are v6.8's.
import { describe, expect, it } from 'vitest';
import { judgeSnapshot } from '../../../src/check/invariants.ts';
import {
  EEXIST,
  EINVAL,
  ENOMEM,
  EPERM,
  MADV_COLD,
  MADV_DOFORK,
  MADV_DONTFORK,
  MADV_FREE,
  MADV_KEEPONFORK,
  MADV_PAGEOUT,
  MADV_REMOVE,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_SHARED,
  PROT_GROWSDOWN,
  SIGSEGV,
  VM_DONTCOPY,
  VM_WIPEONFORK,
} from '../../../src/kernel/mm/flags.ts';
import { PG_swapbacked } from '../../../src/kernel/layout.ts';
import type { Op } from '../../../src/kernel/program.ts';
import { boot } from '../../../src/machine/boot.ts';
import { snapshot } from '../../../src/machine/snapshot.ts';
import type { Snapshot } from '../../../src/machine/snapshot.ts';

const PAGE = 4096;
const A = 0x75e52fc77000;
const PRIVATE = 0x22;
const RW = 3;
const GUARD = 256;
const HEAP = 0x555555560000;

const at = (page: number): number => A + page * PAGE;
const mmap = (addr: number, pages: number, flags = 0, prot = RW): Op => ({
  op: 'mmap',
  addr,
  length: pages * PAGE,
  prot,
  flags: PRIVATE | flags,
});
const map = (page: number, pages: number, prot = RW): Op => mmap(at(page), pages, MAP_FIXED, prot);
const store = (page: number, value: number): Op => ({ op: 'store', addr: at(page), value });
const load = (page: number): Op => ({ op: 'load', addr: at(page) });
const protect = (page: number, pages: number, prot: number): Op => ({
  op: 'mprotect',
  addr: at(page),
  length: pages * PAGE,
  prot,
});
const advise = (page: number, pages: number, advice: number): Op => ({
  op: 'madvise',
  addr: at(page),
  length: pages * PAGE,
  advice,
});
const brk = (page: number): Op => ({ op: 'brk', addr: HEAP + page * PAGE });

interface Ran {
  values: number[];
  minor: number[];
  signals: number[];
  state: Snapshot;
  /** Pages from A of each VMA. */
  vmas: [number, number][];
}

function run(...ops: Op[]): Ran {
  const machine = boot({ cpus: 1, memory: 4 * 1024 * 1024, maxVmas: 64, softDirty: false });
  const { values, minorFaults, signals } = machine.runHere(ops);
  const state = snapshot(machine.buffer);
  expect(judgeSnapshot(state)).toEqual([]);
  const vmas = state.mms[0]!.vmas.map(({ start, end }): [number, number] => [(start - A) / PAGE, (end - A) / PAGE]);
  return { values: [...values], minor: [...minorFaults], signals: [...signals], state, vmas };
}
const result = (...ops: Op[]): number => run(...ops).values.at(-1)!;

describe('mmap', () => {
  it('goes top down: each new mapping right below the last, and is one VMA with it', () => {
    const { values, state } = run(mmap(0, 2), mmap(0, 3), mmap(0, 1, 0, 1));
    const [first = 0, second = 0, third = 0] = values;
    expect([first - second, second - third]).toEqual([3 * PAGE, PAGE]);
    expect(state.mms[0]!.vmas.map(({ start, end }) => [start, end])).toEqual([
      [third, second],
      [second, first + 2 * PAGE],
    ]);
  });

  it('fills the highest hole that is large enough', () => {
    const top = result(mmap(0, 4));
    const hole: Op = { op: 'munmap', addr: top + PAGE, length: 2 * PAGE };
    expect(result(mmap(0, 4), hole, mmap(0, 2))).toBe(top + PAGE);
    expect(result(mmap(0, 4), hole, mmap(0, 3))).toBe(top - 3 * PAGE);
  });

  it('keeps away from a stack what has no address of its own', () => {
    const top = result(mmap(0, 1));
    const stack = mmap(top, 1, MAP_GROWSDOWN | MAP_FIXED);
    expect(result(stack, mmap(0, 1))).toBe(top - (GUARD + 1) * PAGE);
    expect(result(stack, mmap(top - PAGE, 1))).toBe(top - (GUARD + 1) * PAGE);
  });

  it('takes a hint where there is room, its page', () => {
    expect(result(mmap(A + 5, 2))).toBe(A);
    expect(result(map(1, 1), mmap(A, 1))).toBe(A);
    expect(result(map(1, 1), mmap(A, 2))).toBeGreaterThan(at(4));
  });

  it('is refused', () => {
    expect(result(mmap(A + 1, 1, MAP_FIXED))).toBe(-EINVAL);
    expect(result(mmap(A, 0, MAP_FIXED))).toBe(-EINVAL);
    expect(result(mmap(0, 1, MAP_FIXED))).toBe(-EPERM);
    expect(result(mmap(0x7ffffffff000, 1, MAP_FIXED))).toBe(-ENOMEM);
    expect(result(map(0, 4), mmap(at(3), 2, MAP_FIXED_NOREPLACE))).toBe(-EEXIST);
    // Neither private nor shared; a stack that is shared.
    expect(result({ op: 'mmap', addr: A, length: PAGE, prot: RW, flags: 0x20 })).toBe(-EINVAL);
    expect(result({ op: 'mmap', addr: A, length: PAGE, prot: RW, flags: 0x20 | MAP_SHARED | MAP_GROWSDOWN })).toBe(
      -EINVAL,
    );
  });

  it('makes one VMA with what it touches, if rights are the same', () => {
    expect(run(map(0, 1), map(2, 1), map(1, 1)).vmas).toEqual([[0, 3]]);
    expect(run(map(0, 1), map(1, 1, 1)).vmas).toHaveLength(2);
    // Either neighbour may have pages, but each of its own kind.
    expect(run(map(0, 1), store(0, 1), map(1, 1)).vmas).toEqual([[0, 2]]);
    expect(run(map(1, 1), store(1, 1), map(0, 1)).vmas).toEqual([[0, 2]]);
    const apart = [map(0, 1), store(0, 1), map(8, 1), store(8, 1)];
    const moved: Op = { op: 'mremap', addr: at(8), old_length: PAGE, new_length: PAGE, flags: 3, new_addr: at(2) };
    expect(run(...apart, moved, map(1, 1)).vmas).toEqual([
      [0, 2],
      [2, 3],
    ]);
  });
});

describe('mprotect', () => {
  it('splits, and joins what is alike again', () => {
    expect(run(map(0, 4), protect(1, 2, 1)).vmas).toEqual([
      [0, 1],
      [1, 3],
      [3, 4],
    ]);
    expect(run(map(0, 4), protect(1, 2, 1), protect(1, 2, RW)).vmas).toEqual([[0, 4]]);
  });

  it('does not let a range with pages into a VMA that has none', () => {
    const parts = [map(0, 2), protect(1, 1, 1), protect(0, 1, 0)];
    expect(run(...parts, protect(1, 1, RW), store(1, 1), protect(0, 1, RW)).vmas).toEqual([[0, 2]]);
    expect(run(...parts, protect(0, 1, RW), protect(1, 1, 7), store(1, 1), protect(1, 1, RW)).vmas).toHaveLength(2);
  });

  it('keeps what pages hold while nobody may look', () => {
    const { values, signals, minor } = run(
      map(0, 1),
      store(0, 7),
      protect(0, 1, 0),
      load(0),
      protect(0, 1, RW),
      load(0),
    );
    expect(values.slice(4)).toEqual([0, 7]);
    expect(signals[3]).toBe(SIGSEGV);
    expect(minor.slice(2)).toEqual([0, 0, 0, 0]);
  });

  it('makes pages of its own writable at once, the zero page by a fault', () => {
    expect(run(map(0, 1), store(0, 1), protect(0, 1, 1), protect(0, 1, RW), store(0, 2)).minor[4]).toBe(0);
    expect(run(map(0, 1), load(0), protect(0, 1, 1), protect(0, 1, RW), store(0, 2)).minor[4]).toBe(1);
  });

  it('does what comes before a hole', () => {
    const { values, signals } = run(map(0, 1), map(2, 1), protect(0, 3, 1), store(0, 1), store(2, 1));
    expect(values[2]).toBe(-ENOMEM);
    expect(signals.slice(3)).toEqual([SIGSEGV, 0]);
  });

  it('of a stack may begin where the stack does', () => {
    const { values, vmas } = run(mmap(A, 4, MAP_FIXED | MAP_GROWSDOWN), protect(3, 1, PROT_GROWSDOWN | 1));
    expect(values[1]).toBe(0);
    expect(vmas).toEqual([[0, 4]]);
    expect(result(map(0, 2), protect(1, 1, PROT_GROWSDOWN | 1))).toBe(-EINVAL);
    expect(result(map(0, 2), protect(0, 2, 0x10))).toBe(-EINVAL);
  });
});

describe('brk', () => {
  it('grows and shrinks by pages, and remembers bytes', () => {
    const { values, state } = run(brk(3), { op: 'brk', addr: HEAP + PAGE + 1 }, brk(0));
    expect(values).toEqual([HEAP + 3 * PAGE, HEAP + PAGE + 1, HEAP]);
    expect(state.mms[0]!.vmas).toEqual([]);
  });

  it('leaves a page free below what comes next, and never goes over it', () => {
    const next = mmap(HEAP + 4 * PAGE, 1, MAP_FIXED, 1);
    expect(result(next, brk(3))).toBe(HEAP + 3 * PAGE);
    expect(result(next, brk(4))).toBe(HEAP);
    expect(result(next, brk(9))).toBe(HEAP);
  });

  it('does not shrink by what is not there any more', () => {
    const gone: Op = { op: 'munmap', addr: HEAP, length: 4 * PAGE };
    expect(result(brk(4), gone, brk(2))).toBe(HEAP + 4 * PAGE);
  });
});

describe('madvise', () => {
  it('keeps flags for a fork that is to come, in VMAs of their own', () => {
    const flags = (...ops: Op[]): number[] =>
      run(map(0, 3), ...ops).state.mms[0]!.vmas.map((vma) => vma.flags & (VM_DONTCOPY | VM_WIPEONFORK));
    expect(flags(advise(1, 1, MADV_DONTFORK))).toEqual([0, VM_DONTCOPY, 0]);
    expect(flags(advise(1, 2, MADV_WIPEONFORK))).toEqual([0, VM_WIPEONFORK]);
    expect(flags(advise(1, 1, MADV_DONTFORK), advise(0, 3, MADV_DOFORK))).toEqual([0]);
    expect(flags(advise(0, 1, MADV_WIPEONFORK), advise(0, 3, MADV_KEEPONFORK))).toEqual([0]);
  });

  it('frees pages that stay, clean and not for swap, until they are written to again', () => {
    const { values, minor, state } = run(
      map(0, 2),
      store(0, 7),
      store(1, 8),
      advise(0, 2, MADV_FREE),
      load(0),
      store(1, 9),
    );
    expect(values.slice(3, 5)).toEqual([0, 7]);
    expect(minor.slice(3)).toEqual([0, 0, 0]);
    const dirty = state.mms[0]!.mappings.map(({ lo }) => (lo & 0x40) !== 0);
    const backed = state.mms[0]!.mappings.map(({ frame }) => (state.flags[frame]! & (1 << PG_swapbacked)) !== 0);
    expect([dirty, backed]).toEqual([
      [false, true],
      [false, false],
    ]);
  });

  it('makes pages old', () => {
    for (const advice of [MADV_COLD, MADV_PAGEOUT]) {
      const { values, state } = run(map(0, 1), store(0, 7), advise(0, 1, advice));
      expect(values[2]).toBe(0);
      expect(state.mms[0]!.mappings.map(({ lo }) => lo & 0x20)).toEqual([0]);
    }
  });

  it('leaves pages young that are still in the batch of another CPU', () => {
    const machine = boot({ cpus: 2, memory: 2 * 1024 * 1024, maxVmas: 32 });
    machine.runHere([map(0, 1), store(0, 7)], 1);
    const young = (): boolean => (snapshot(machine.buffer).mms[0]!.mappings[0]!.lo & 0x20) !== 0;
    machine.runHere([advise(0, 1, MADV_COLD)], 0);
    expect(young()).toBe(true);
    machine.runHere([advise(0, 1, MADV_COLD)], 1);
    expect(young()).toBe(false);
  });

  it('is accepted or refused', () => {
    expect(result(map(0, 1), advise(0, 1, MADV_WILLNEED))).toBe(0);
    expect(result(map(0, 1), advise(0, 2, MADV_WILLNEED))).toBe(-ENOMEM);
    expect(result(map(0, 1), advise(0, 1, MADV_REMOVE))).toBe(-EINVAL);
    expect(result(map(0, 1), advise(0, 0, MADV_FREE))).toBe(0);
    expect(result(advise(0, 1, 99))).toBe(-EINVAL);
  });
});
