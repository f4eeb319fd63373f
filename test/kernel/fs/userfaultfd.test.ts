// A fault that waits for a monitor: in every schedule it ends, whatever the monitor does, and it is counted as Linux does.
import { describe, expect, it } from 'vitest';
import { KernelSubject } from '../../../src/explore/kernel-subject.ts';
import { exploreAll } from '../../support/kernel-explorer.ts';
import { MADV_DONTNEED, MADV_POPULATE_READ, MADV_POPULATE_WRITE } from '../../../src/kernel/mm/flags.ts';
import type { Op } from '../../../src/kernel/program.ts';
import { boot } from '../../../src/machine/boot.ts';
import type { Machine } from '../../../src/machine/boot.ts';
import { randomChooser } from '../../../src/machine/stepped.ts';
import type { SteppedOutcome } from '../../../src/machine/stepped.ts';
import { A, PAGE, load, map, store } from '../../support/family.ts';

const watch = (pages: number): Op => ({ op: 'uffd_register', addr: A, length: pages * PAGE });
const unwatch: Op = { op: 'uffd_unregister', addr: A, length: 4 * PAGE };
const serve = (faults: number): Op => ({ op: 'uffd_serve', faults, how: 'copy', value: 7 });
const fill: Op = { op: 'uffd_copy', addr: A, length: PAGE, value: 7 };
const zeropage: Op = { op: 'uffd_zeropage', addr: A, length: PAGE };
const wake: Op = { op: 'uffd_wake', addr: A, length: PAGE };
const close: Op = { op: 'uffd_close' };
const discard: Op = { op: 'madvise', addr: A, length: PAGE, advice: MADV_DONTNEED };
const unmap: Op = { op: 'munmap', addr: A, length: 4 * PAGE };
const lock: Op = { op: 'mlock', addr: A, length: PAGE };
const move: Op = { op: 'mremap', addr: A, old_length: PAGE, new_length: PAGE, flags: 3, new_addr: A + 20 * PAGE };
const populate = (advice: number): Op => ({ op: 'madvise', addr: A, length: 2 * PAGE, advice });

/** Four watched pages of a VMA that has an anon_vma, so that faults are under its own lock first, and a table. */
const prepared: readonly Op[] = [map(0, 8), store(7, 9), watch(4)];

describe('in every schedule', () => {
  const cases: [string, Op[][]][] = [
    ['a load and a fill', [[load(0)], [fill]]],
    ['a load and a page of zeroes', [[load(0)], [zeropage]]],
    ['a load, and the end of the watch', [[load(0)], [unwatch]]],
    ['a load, and a monitor that closes', [[load(0)], [close]]],
    ['a store, and a region that is unmapped under a monitor', [[store(0, 1)], [serve(1), unmap]]],
    ['a page that is discarded before it is read', [[load(0)], [fill, discard, serve(1)]]],
    ['a wake-up with nothing filled, and then a fill', [[load(0)], [wake, fill]]],
    ['two threads on one page', [[load(0)], [store(0, 1)], [fill]]],
    ['two monitors of one fault', [[load(0)], [serve(1)], [serve(1)]]],
    ['a region that moves', [[store(0, 1)], [serve(1)], [move]]],
    ['a region that is locked, and one that moves', [[lock], [fill, move]]],
    ['a region that is populated', [[populate(MADV_POPULATE_WRITE)], [serve(2)]]],
  ];

  it.each(cases)('%s: nobody is left asleep', (name, programs) => {
    const found = exploreAll(new KernelSubject({ name, config: {}, setup: prepared, programs }), { executions: 4000 });
    expect([...found.judges, ...found.broken]).toEqual([]);
  });

  it.each(['tso', 'pso'] as const)('a fill is not missed under %s', (model) => {
    const subject = new KernelSubject({ name: model, config: {}, setup: prepared, programs: [[load(0)], [fill]] });
    const found = exploreAll(subject, { model, executions: 4000 });
    expect([...found.judges, ...found.broken]).toEqual([]);
  });

  it('a page that is there is not called missing where it is watched once more while it is copied', () => {
    const subject = new KernelSubject({
      name: 'watched-again',
      config: {},
      setup: [...prepared, zeropage],
      // The zeroes are there all along: the load may find them.
      programs: [[{ op: 'store', addr: A + 4, value: 1 }], [watch(1), load(0)]],
    });
    const found = exploreAll(subject, { executions: 4000 });
    expect([...found.judges, ...found.broken]).toEqual([]);
  });

  it('one fill is not enough where the page is discarded again', () => {
    const subject = new KernelSubject({
      name: 'refault',
      config: {},
      setup: prepared,
      programs: [[load(0)], [fill, discard]],
    });
    expect(exploreAll(subject).broken).toContain('deadlock');
  });
});

interface Run {
  machine: Machine;
  outcome: SteppedOutcome;
}

/** CPU 0 runs its program while CPU 1 answers; CPU 0 goes first. */
function served(setup: readonly Op[], ops: Op[], monitor: Op = serve(100)): Run {
  const machine = boot({ cpus: 2, memory: 2 * 1024 * 1024, maxVmas: 32 });
  machine.runHere([...setup]);
  const outcome = machine.runStepped([ops, [monitor]], (ready) => ready[0]!, true);
  return { machine, outcome };
}

describe('counts', () => {
  it('one fault of the program, whose first handling does not count', () => {
    const { machine, outcome } = served(prepared, [load(0)]);
    expect([outcome.cpus[0]!.faults[0], outcome.cpus[0]!.values[0], outcome.cpus[1]!.values[0]]).toEqual([1, 7, 1]);
    expect(machine.event('vma_lock_retry')).toBe(1);
    expect(machine.event('maj_flt')).toBe(0);
  });

  it('a major fault where it had to wait under mmap_lock', () => {
    const { machine, outcome } = served([map(0, 4), watch(4)], [load(0)]);
    expect([outcome.cpus[0]!.faults[0], outcome.cpus[0]!.values[0]]).toEqual([1, 7]);
    expect(machine.event('maj_flt')).toBe(1);
  });

  it('a store and a load of pages of zeroes', () => {
    const monitor: Op = { op: 'uffd_serve', faults: 100, how: 'zeropage', value: 0 };
    const { machine, outcome } = served(prepared, [load(0), store(1, 5), load(1)], monitor);
    expect([...outcome.cpus[0]!.values]).toEqual([0, 0, 5]);
    // The store copies the zero page when it is taken again under mmap_lock, and the monitor hears nothing of that.
    expect([...outcome.cpus[0]!.faults]).toEqual([1, 1, 0]);
    expect([outcome.cpus[1]!.values[0], machine.event('vma_lock_retry')]).toEqual([2, 2]);
  });

  it.each([MADV_POPULATE_READ, MADV_POPULATE_WRITE])('a populate (%i) of two pages: two answers', (advice) => {
    const { outcome } = served(prepared, [populate(advice), load(1)]);
    expect(outcome.cpus.map(({ values }) => [...values])).toEqual([[0, 7], [2]]);
  });

  it('a lock of two pages: two answers, and no fault once they are there', () => {
    const { machine, outcome } = served(prepared, [{ op: 'mlock', addr: A, length: 2 * PAGE }, load(1)]);
    expect(outcome.cpus.map(({ values }) => [...values])).toEqual([[0, 7], [2]]);
    expect([outcome.cpus[0]!.minorFaults[0], machine.event('maj_flt')]).toEqual([0, 0]);
  });
});

it('a monitor ends when the others have, with fewer faults than it was asked to answer', () => {
  for (let seed = 1; seed < 40; seed++) {
    const machine = boot({ cpus: 3, memory: 2 * 1024 * 1024, maxVmas: 32 });
    machine.runHere([...prepared]);
    const outcome = machine.runStepped([[load(0), load(1)], [serve(100)], [serve(100)]], randomChooser(seed), true);
    expect(outcome.deadlock).toEqual([]);
    expect(outcome.cpus[1]!.values[0]! + outcome.cpus[2]!.values[0]!).toBe(2);
  }
});

it('a fault that nobody answers waits, and is told by name', () => {
  const machine = boot({ cpus: 2, memory: 2 * 1024 * 1024 });
  machine.runHere([...prepared]);
  const { deadlock } = machine.runStepped([[load(0)], [serve(0)]], randomChooser(1), true);
  expect(deadlock.map(({ cpu, lockClass }) => [cpu, lockClass])).toEqual([[0, 'userfault']]);
});
