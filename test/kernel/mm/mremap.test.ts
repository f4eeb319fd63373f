// mremap and mlock on one CPU: what they return, where pages are afterwards, what is counted. Errors are v6.8's.
import { describe, expect, it } from 'vitest';
import { judgeSnapshot } from '../../../src/check/invariants.ts';
import { MM_ANONPAGES } from '../../../src/kernel/layout.ts';
import {
  EAGAIN,
  EFAULT,
  EINVAL,
  ENOMEM,
  MADV_DONTNEED,
  MAP_LOCKED,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  SIGSEGV,
  VM_LOCKED,
} from '../../../src/kernel/mm/flags.ts';
import type { Op } from '../../../src/kernel/program.ts';
import { boot } from '../../../src/machine/boot.ts';
import { snapshot } from '../../../src/machine/snapshot.ts';
import type { Snapshot } from '../../../src/machine/snapshot.ts';

const PAGE = 4096;
const A = 0x75e52fc77000;
/** Pages from A to one in the next page table. */
const FAR = 512;
const TO = MREMAP_MAYMOVE | MREMAP_FIXED;
/** Pages of 8 MiB, and one more than may be locked. */
const LIMIT = 2048;

const at = (page: number): number => A + page * PAGE;
const map = (page: number, pages: number, prot = 3, flags = 0): Op => ({
  op: 'mmap',
  addr: at(page),
  length: pages * PAGE,
  prot,
  flags: 0x32 | flags,
});
const store = (page: number, value: number): Op => ({ op: 'store', addr: at(page), value });
const load = (page: number): Op => ({ op: 'load', addr: at(page) });
const mlock = (page: number, pages: number): Op => ({ op: 'mlock', addr: at(page), length: pages * PAGE });
const munlock = (page: number, pages: number): Op => ({ op: 'munlock', addr: at(page), length: pages * PAGE });
function remap(page: number, old: number, now: number, flags = 0, target?: number): Op {
  const op = { op: 'mremap', addr: at(page), old_length: old * PAGE, new_length: now * PAGE, flags } as const;
  return target === undefined ? op : { ...op, new_addr: at(target) };
}

interface Ran {
  values: number[];
  faults: number[];
  minor: number[];
  signals: number[];
  state: Snapshot;
}

function run(...ops: Op[]): Ran {
  const machine = boot({ cpus: 1, memory: 32 * 1024 * 1024, maxVmas: 64, softDirty: false });
  const { values, faults, minorFaults, signals } = machine.runHere(ops);
  const state = snapshot(machine.buffer);
  expect(judgeSnapshot(state)).toEqual([]);
  machine.exit();
  expect(judgeSnapshot(snapshot(machine.buffer))).toEqual([]);
  return { values: [...values], faults: [...faults], minor: [...minorFaults], signals: [...signals], state };
}

/** Pages from A of each VMA. */
function vmas({ state }: Ran): [number, number][] {
  return state.mms[0]!.vmas.map(({ start, end }) => [(start - A) / PAGE, (end - A) / PAGE]);
}
const rss = ({ state }: Ran): number => state.mms[0]!.rss[MM_ANONPAGES]!;
const tables = ({ state }: Ran): number => state.mms[0]!.pgtablesBytes / PAGE;
const locked = ({ state }: Ran): number[] =>
  state.mms[0]!.vmas.filter(({ flags }) => (flags & VM_LOCKED) !== 0).map(({ start }) => (start - A) / PAGE);

describe('mremap', () => {
  it('shrinks: what is behind is unmapped, in as many VMAs as it lies', () => {
    const ran = run(map(0, 4), store(0, 1), store(3, 4), remap(0, 4, 2), load(0), load(3));
    expect(ran.values.slice(3)).toEqual([A, 1, 0]);
    expect(ran.signals[5]).toBe(SIGSEGV);
    expect(vmas(ran)).toEqual([[0, 2]]);
    expect(rss(ran)).toBe(1);
  });

  it('grows where it is, as far as nothing is in its way, and joins what it comes to', () => {
    expect(vmas(run(map(0, 2), map(4, 1, 1), remap(0, 2, 4)))).toEqual([
      [0, 4],
      [4, 5],
    ]);
    expect(vmas(run(map(0, 2), map(4, 1), remap(0, 2, 4)))).toEqual([[0, 5]]);
    expect(run(map(0, 2), map(4, 1), remap(0, 2, 5)).values[2]).toBe(-ENOMEM);
    expect(run(map(0, 4), remap(0, 2, 3)).values[1]).toBe(-ENOMEM);
  });

  it('moves pages to another page table, which stay the same pages: nothing faults, RSS stays', () => {
    const ran = run(
      map(0, 2),
      store(0, 1),
      store(1, 2),
      remap(0, 2, 3, TO, FAR),
      load(FAR),
      load(FAR + 1),
      load(FAR + 2),
      load(0),
    );
    expect(ran.values.slice(3)).toEqual([at(FAR), 1, 2, 0, 0]);
    expect(ran.minor.slice(3)).toEqual([0, 0, 0, 1, 0]);
    expect(ran.signals).toEqual([0, 0, 0, 0, 0, 0, 0, SIGSEGV]);
    expect(vmas(ran)).toEqual([[FAR, FAR + 3]]);
    expect(rss(ran)).toBe(2);
  });

  it('moves to where there is room, if it may and has to', () => {
    const ran = run(map(0, 2), store(1, 7), map(2, 1, 1), remap(0, 2, 3, MREMAP_MAYMOVE));
    const to = ran.values[3]!;
    expect(to % PAGE).toBe(0);
    expect(to).toBeGreaterThan(at(3));
    expect(rss(ran)).toBe(1);
  });

  it('moves part of a VMA: the rest stays on both sides, with its pages', () => {
    const ran = run(map(0, 3), store(0, 1), store(1, 2), store(2, 3), remap(1, 1, 1, TO, 8), load(0), load(8), load(2));
    expect(ran.values.slice(5)).toEqual([1, 2, 3]);
    expect(vmas(ran)).toEqual([
      [0, 1],
      [2, 3],
      [8, 9],
    ]);
  });

  it('moves back, and is one VMA with its neighbours again', () => {
    const ran = run(map(0, 3), store(0, 1), store(1, 2), remap(1, 1, 1, TO, 8), remap(8, 1, 1, TO, 1), load(1));
    expect(ran.values[5]).toBe(2);
    expect(vmas(ran)).toEqual([[0, 3]]);
  });

  it('takes what stands at the new place away', () => {
    const ran = run(map(0, 1), store(0, 1), map(4, 3), store(5, 9), remap(0, 1, 1, TO, 5), load(5), load(4));
    expect(ran.values.slice(5)).toEqual([1, 0]);
    expect(rss(ran)).toBe(1);
  });

  it('moves a whole page table by its one entry', () => {
    const whole = Math.ceil(A / 0x200000) * 0x200000;
    const first = (whole - A) / PAGE;
    const other = first + 2 * FAR;
    const ran = run(map(first, FAR), store(first + 3, 7), remap(first, FAR, FAR, TO, other), load(other + 3));
    expect(ran.values[3]).toBe(7);
    // One of each level: the PTE table is the same one.
    expect(tables(ran)).toBe(3);
  });

  it('with MREMAP_DONTUNMAP leaves zeroes behind', () => {
    const ran = run(
      map(0, 1),
      store(0, 1),
      remap(0, 1, 1, TO | MREMAP_DONTUNMAP, 4),
      load(4),
      load(0),
      store(0, 5),
      load(4),
    );
    expect(ran.values.slice(2)).toEqual([at(4), 1, 0, 0, 1]);
    expect(vmas(ran)).toEqual([
      [0, 1],
      [4, 5],
    ]);
  });

  it('is refused', () => {
    const refused = (...ops: Op[]): number => run(map(0, 2), store(0, 1), ...ops, load(0)).values.at(-2)!;
    expect(refused(remap(0, 1, 1, 8))).toBe(-EINVAL);
    expect(refused(remap(0, 1, 1, MREMAP_FIXED, 4))).toBe(-EINVAL);
    expect(refused(remap(0, 1, 2, TO | MREMAP_DONTUNMAP, 4))).toBe(-EINVAL);
    expect(refused(remap(0, 1, 0))).toBe(-EINVAL);
    expect(refused({ op: 'mremap', addr: A + 1, old_length: PAGE, new_length: PAGE, flags: 0 })).toBe(-EINVAL);
    expect(refused({ op: 'mremap', addr: A, old_length: PAGE, new_length: PAGE, flags: TO, new_addr: at(4) + 1 })).toBe(
      -EINVAL,
    );
    // It overlaps.
    expect(refused(remap(0, 2, 2, TO, 1))).toBe(-EINVAL);
    // Private memory is not duplicated.
    expect(refused(remap(0, 0, 1, MREMAP_MAYMOVE))).toBe(-EINVAL);
    expect(refused(remap(7, 1, 2))).toBe(-EFAULT);
    expect(refused(remap(0, 3, 4, MREMAP_MAYMOVE))).toBe(-EFAULT);
  });

  it('gives everything back where memory for the tables is out', () => {
    const machine = boot({ cpus: 1, memory: 2 * 1024 * 1024, maxVmas: 64 });
    machine.runHere([map(0, 2), store(0, 1), store(1, 2)]);
    machine.settle();
    machine.limitToUsage([0]);
    const { values } = machine.runHere([remap(0, 2, 2, TO, FAR), load(0), load(1)], 0, true);
    expect([...values]).toEqual([-ENOMEM, 1, 2]);
    const state = snapshot(machine.buffer);
    expect(judgeSnapshot(state)).toEqual([]);
    expect(state.mms[0]!.vmas.map(({ start }) => start)).toEqual([A]);
  });
});

describe('mlock', () => {
  it('makes present what it locks, and a VMA of it', () => {
    const ran = run(map(0, 4), mlock(1, 2), store(1, 1));
    expect(ran.minor).toEqual([0, 2, 0]);
    expect(locked(ran)).toEqual([1]);
    expect(ran.state.mms[0]!.lockedVm).toBe(2);
    expect(vmas(ran)).toEqual([
      [0, 1],
      [1, 3],
      [3, 4],
    ]);
  });

  it('rounds to pages, and is undone by munlock', () => {
    const ran = run(map(0, 2), { op: 'mlock', addr: A + 100, length: PAGE }, munlock(0, 2));
    expect(ran.minor[1]).toBe(2);
    expect(ran.state.mms[0]!.lockedVm).toBe(0);
    expect(vmas(ran)).toEqual([[0, 2]]);
  });

  it('locks up to a hole, and what allows nothing, and says -ENOMEM', () => {
    const hole = run(map(0, 1), map(2, 1), mlock(0, 3));
    expect(hole.values[2]).toBe(-ENOMEM);
    expect(locked(hole)).toEqual([0]);
    const none = run(map(0, 1, 0), mlock(0, 1));
    expect(none.values[1]).toBe(-ENOMEM);
    expect(locked(none)).toEqual([0]);
  });

  it('is limited to 8 MiB, each page counted once', () => {
    const some = 64;
    const ran = run(map(0, LIMIT + 1), munlock(0, 1), mlock(0, LIMIT + 1), mlock(0, some), mlock(0, some + 1));
    expect(ran.values.slice(1)).toEqual([0, -ENOMEM, 0, 0]);
    expect(run(map(0, LIMIT + 1, 3, MAP_LOCKED)).values[0]).toBe(-EAGAIN);
    const grown = run(map(0, 1), mlock(0, 1), remap(0, 1, LIMIT + 1, MREMAP_MAYMOVE));
    expect(grown.values[2]).toBe(-EAGAIN);
  });

  it('keeps MADV_DONTNEED away, and goes with pages that move or are added', () => {
    const give: Op = { op: 'madvise', addr: A, length: PAGE, advice: MADV_DONTNEED };
    expect(run(map(0, 1), mlock(0, 1), give).values[2]).toBe(-EINVAL);
    const ran = run(map(0, 1), mlock(0, 1), remap(0, 1, 3, TO, 8), store(10, 1));
    expect(ran.minor.slice(2)).toEqual([2, 0]);
    expect(locked(ran)).toEqual([8]);
    expect(ran.state.mms[0]!.lockedVm).toBe(3);
  });
});

it('counts faults as getrusage does: what a signal ends is none, what a system call causes is', () => {
  const ran = run(map(0, 4), load(0), store(0, 1), load(9), { op: 'load', addr: at(2) - 2 }, mlock(0, 4));
  expect(ran.minor).toEqual([0, 1, 1, 0, 2, 3]);
  expect(ran.faults).toEqual([0, 1, 1, 1, 2, 0]);
});
