// What a monitor asks of its userfaultfd, and what Linux answers: results, VMAs split and merged, what ends a watch.
import { describe, expect, it } from 'vitest';
import {
  EEXIST,
  EINVAL,
  ENOENT,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_NONE,
  PROT_READ,
  VM_UFFD_MISSING,
} from '../../../src/kernel/mm/flags.ts';
import type { Op } from '../../../src/kernel/program.ts';
import { A, Family, PAGE, as, fork, load, map, store } from '../../support/family.ts';

const register = (page: number, pages: number): Op => ({
  op: 'uffd_register',
  addr: A + page * PAGE,
  length: pages * PAGE,
});
const unregister = (page: number, pages: number): Op => ({
  op: 'uffd_unregister',
  addr: A + page * PAGE,
  length: pages * PAGE,
});
const copy = (page: number, pages: number, value = 7): Op => ({
  op: 'uffd_copy',
  addr: A + page * PAGE,
  length: pages * PAGE,
  value,
});
const zeropage = (page: number, pages: number): Op => ({
  op: 'uffd_zeropage',
  addr: A + page * PAGE,
  length: pages * PAGE,
});
const wake = (page: number, pages: number): Op => ({ op: 'uffd_wake', addr: A + page * PAGE, length: pages * PAGE });
const close: Op = { op: 'uffd_close' };

/** The VMAs of a process as page numbers, those that are watched with a star. */
function vmas(family: Family, process = 0): string[] {
  return family.mm(process).vmas.map(({ start, end, flags }) => {
    const star = (flags & VM_UFFD_MISSING) === 0 ? '' : '*';
    return `${String((start - A) / PAGE)}-${String((end - A) / PAGE)}${star}`;
  });
}

describe('register and unregister', () => {
  it('split VMAs and merge them again', () => {
    const family = new Family();
    family.run([map(0, 8), register(2, 2)]);
    expect(vmas(family)).toEqual(['0-2', '2-4*', '4-8']);
    expect(family.last([register(2, 1)]).value).toBe(0);
    expect(vmas(family)).toEqual(['0-2', '2-4*', '4-8']);
    family.run([register(0, 8)]);
    expect(vmas(family)).toEqual(['0-8*']);
    family.run([unregister(1, 1)]);
    expect(vmas(family)).toEqual(['0-1*', '1-2', '2-8*']);
    family.run([unregister(0, 8)]);
    expect(vmas(family)).toEqual(['0-8']);
    family.end();
  });

  it('take a range with holes, and leave other VMAs alone', () => {
    const family = new Family();
    family.run([map(0, 2), map(4, 2), map(8, 1)]);
    expect(family.last([register(0, 6)]).value).toBe(0);
    expect(vmas(family)).toEqual(['0-2*', '4-6*', '8-9']);
    family.run([close]);
    expect(vmas(family)).toEqual(['0-2', '4-6', '8-9']);
    family.end();
  });

  it.each<[string, Op[]]>([
    ['an address that is no page', [{ op: 'uffd_register', addr: A + 1, length: PAGE }]],
    ['no length', [register(0, 0)]],
    ['a length that is no page', [{ op: 'uffd_register', addr: A, length: 5 }]],
    ['nothing that is mapped', [register(100, 1)]],
    ['a file', [{ op: 'mmap', addr: A, length: PAGE, prot: 1, flags: 0x12, file: true }, register(0, 1)]],
    ['to unregister nothing', [unregister(100, 1)]],
    ['to wake nobody', [wake(0, 0)]],
    ['to copy no byte', [register(0, 4), copy(0, 0)]],
    ['to copy to no page', [register(0, 4), { op: 'uffd_copy', addr: A + 1, length: PAGE, value: 1 }]],
  ])('refuse %s', (_, ops) => {
    const family = new Family();
    family.run([map(0, 4)]);
    expect(family.last(ops).value).toBe(-EINVAL);
  });
});

describe('copy and zeropage', () => {
  it('fill what is missing, and say how far they came', () => {
    const family = new Family();
    family.run([map(0, 8), store(3, 5), register(0, 7)]);
    const results = family
      .run([copy(0, 2), copy(0, 1), copy(2, 2), copy(3, 1), copy(6, 2), zeropage(4, 1), zeropage(4, 1), wake(0, 1)])
      .map(({ value }) => value);
    expect(results).toEqual([2 * PAGE, -EEXIST, PAGE, -EEXIST, -ENOENT, PAGE, -EEXIST, 0]);
    expect(family.run([0, 1, 2, 3, 4].map(load)).map(({ value }) => value)).toEqual([7, 7, 7, 5, 0]);
    family.end();
  });

  it('fill nothing that is not watched', () => {
    const family = new Family();
    family.run([map(0, 4), register(1, 2)]);
    expect(family.run([copy(0, 1), zeropage(0, 1), copy(1, 3)]).map(({ value }) => value)).toEqual([
      -ENOENT,
      -ENOENT,
      -ENOENT,
    ]);
    family.end();
  });

  it.each([
    ['read', PROT_READ],
    ['touch', PROT_NONE],
  ])('fill memory that the process may only %s', (_, prot) => {
    const family = new Family();
    const mapped: Op = { op: 'mmap', addr: A, length: PAGE, prot, flags: 0x32 };
    expect(family.run([mapped, register(0, 1), copy(0, 1)]).map(({ value }) => value)).toEqual([A, 0, PAGE]);
    family.end();
  });

  it('fill again what was discarded', () => {
    const family = new Family();
    family.run([map(0, 1), register(0, 1), copy(0, 1, 7)]);
    family.run([{ op: 'madvise', addr: A, length: PAGE, advice: MADV_DONTNEED }]);
    expect(family.run([copy(0, 1, 8), load(0)]).map(({ value }) => value)).toEqual([PAGE, 8]);
    family.end();
  });
});

describe('what moves', () => {
  const move = (from: number, pages: number, to: number, dontunmap = false): Op => ({
    op: 'mremap',
    addr: A + from * PAGE,
    old_length: pages * PAGE,
    new_length: pages * PAGE,
    flags: MREMAP_MAYMOVE | MREMAP_FIXED | (dontunmap ? MREMAP_DONTUNMAP : 0),
    new_addr: A + to * PAGE,
  });

  it('is not watched any more, and has what it was filled with', () => {
    const family = new Family();
    family.run([map(0, 4), register(0, 4), copy(1, 1), move(1, 2, 10)]);
    expect(vmas(family)).toEqual(['0-1*', '3-4*', '10-12']);
    expect(family.run([load(10), load(11)]).map(({ value }) => value)).toEqual([7, 0]);
    family.end();
  });

  it('leaves behind what is still watched, where its place stays', () => {
    const family = new Family();
    family.run([map(0, 4), register(0, 4), copy(1, 1), move(1, 2, 10, true)]);
    expect(vmas(family)).toEqual(['0-4*', '10-12']);
    expect(family.run([copy(1, 1, 8), load(1), load(10)]).map(({ value }) => value)).toEqual([PAGE, 8, 7]);
    family.end();
  });

  it('takes the watch from what it joins', () => {
    const family = new Family();
    // Nothing has an anon_vma, so that the offsets of what moves are those of where it goes.
    family.run([map(0, 2), map(4, 2), register(0, 6), move(0, 2, 6)]);
    expect(vmas(family)).toEqual(['4-8']);
    expect(family.last([load(4)])).toEqual({ value: 0, faults: 1, signal: 0 });
    family.end();
  });

  it('is watched where it only grows', () => {
    const family = new Family();
    const grow: Op = { op: 'mremap', addr: A, old_length: 2 * PAGE, new_length: 3 * PAGE, flags: 0 };
    family.run([map(0, 2), map(3, 1), register(0, 2), grow]);
    expect(vmas(family)).toEqual(['0-3*', '3-4']);
    family.end();
  });
});

it('new mappings and rights join no VMA that is watched, where they are not', () => {
  const family = new Family();
  const protect = (page: number, prot: number): Op => ({ op: 'mprotect', addr: A + page * PAGE, length: PAGE, prot });
  family.run([map(0, 4), register(1, 2), map(4, 2), protect(1, PROT_READ), protect(3, PROT_READ)]);
  expect(vmas(family)).toEqual(['0-1', '1-2*', '2-3*', '3-4', '4-6']);
  family.run([protect(1, 3), protect(3, 3)]);
  expect(vmas(family)).toEqual(['0-1', '1-3*', '3-6']);
  family.run([map(1, 1)]);
  expect(vmas(family)).toEqual(['0-2', '2-3*', '3-6']);
  family.end();
});

it("pages that are locked while they may be written to are no monitor's: the call can't wait for one", () => {
  const family = new Family();
  const lock: Op = { op: 'mlock', addr: A, length: PAGE };
  family.run([{ op: 'mmap', addr: A, length: PAGE, prot: PROT_READ, flags: 0x32 }, lock]);
  family.run([{ op: 'madvise', addr: A, length: PAGE, advice: MADV_DONTNEED_LOCKED }, register(0, 1)]);
  expect(family.last([{ op: 'mprotect', addr: A, length: PAGE, prot: 3 }]).value).toBe(0);
  expect(family.run([copy(0, 1), load(0)]).map(({ value }) => value)).toEqual([PAGE, 7]);
  family.end();
});

it('a child is not watched, and has what its parent had', () => {
  const family = new Family();
  family.run([map(0, 4), register(0, 3), copy(0, 1), fork(1)]);
  expect([vmas(family), vmas(family, 1)]).toEqual([
    ['0-3*', '3-4'],
    ['0-3', '3-4'],
  ]);
  const seen = family.run([as(1), load(0), load(1)]).map(({ value }) => value);
  expect(seen).toEqual([0, 7, 0]);
  family.end();
});

it('a range that was closed or unregistered is filled with zeroes by its faults', () => {
  const family = new Family();
  family.run([map(0, 4), register(0, 4), unregister(0, 1)]);
  expect(family.last([load(0)])).toEqual({ value: 0, faults: 1, signal: 0 });
  family.run([close]);
  expect(family.last([load(1)])).toEqual({ value: 0, faults: 1, signal: 0 });
  family.end();
});
