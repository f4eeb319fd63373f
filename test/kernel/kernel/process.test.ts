// The table of processes: numbers, who runs what, and what can end.
import { describe, expect, it } from 'vitest';
import { NR_PROCESSES } from '../../../src/kernel/layout.ts';
import { EBUSY, EEXIST, EINVAL, ENOMEM, EPERM, ESRCH } from '../../../src/kernel/mm/flags.ts';
import type { Op } from '../../../src/kernel/program.ts';
import { Family, as, exitProcess, fork, load, map, store } from '../../support/family.ts';

const valuesOf = (family: Family, ops: readonly Op[]): number[] => family.run(ops).map(({ value }) => value);

describe('numbers', () => {
  it('are 0 to 15, each once at a time', () => {
    const family = new Family();
    const all = Array.from({ length: NR_PROCESSES - 1 }, (_, i) => fork(i + 1));
    expect(new Set(valuesOf(family, all))).toEqual(new Set([0]));
    expect(valuesOf(family, [fork(1), fork(0), fork(NR_PROCESSES), fork(-1), fork(1.5)])).toEqual([
      -EEXIST,
      -EEXIST,
      -EINVAL,
      -EINVAL,
      -EINVAL,
    ]);
    expect(valuesOf(family, [exitProcess(7), fork(7)])).toEqual([0, 0]);
    family.end();
  });

  it('of no process are refused', () => {
    const family = new Family();
    expect(valuesOf(family, [as(1), exitProcess(1), as(-1), exitProcess(99)])).toEqual([
      -ESRCH,
      -ESRCH,
      -EINVAL,
      -EINVAL,
    ]);
    expect(valuesOf(family, [fork(1), exitProcess(1), as(1)])).toEqual([0, 0, -ESRCH]);
    family.end();
  });

  it('of a fork that found no memory are free again', () => {
    const family = new Family({ failAlloc: { interval: 1, times: 1, sites: ['pgd'] }, memory: 8 * 1024 * 1024 });
    expect(valuesOf(family, [fork(1), fork(1)])).toEqual([-ENOMEM, 0]);
    family.end();
  });
});

describe('ending', () => {
  it('is refused while a CPU runs the process, and for process 0', () => {
    const family = new Family();
    expect(valuesOf(family, [fork(1), as(1), exitProcess(1), as(0), exitProcess(0), exitProcess(1)])).toEqual([
      0,
      0,
      -EBUSY,
      0,
      -EPERM,
      0,
    ]);
    family.end();
  });

  it('gives back all memory, but what others map', () => {
    const family = new Family();
    family.run([map(0, 4), store(0, 1), store(1, 1), store(2, 1)]);
    const allocated = (): number => family.atRest().allocated.filter((order) => order > 0).length;
    const before = allocated();
    family.run([fork(1), as(1), store(0, 2), store(3, 2)]);
    expect(allocated()).toBeGreaterThan(before);
    family.run([exitProcess(1)]);
    expect(allocated()).toBe(before);
    expect(family.mm(0).rss[1]).toBe(3);
    expect(valuesOf(family, [load(0), load(1), load(2)])).toEqual([1, 1, 1]);
    family.end();
  });
});

it('a CPU goes from one process to the other without a translation of the first', () => {
  const family = new Family();
  const values = valuesOf(family, [
    map(0, 1),
    store(0, 7),
    fork(1),
    as(1),
    store(0, 8),
    as(0),
    load(0),
    as(1),
    load(0),
    as(1),
    load(0),
  ]);
  expect(values.filter((_, i) => [6, 8, 10].includes(i))).toEqual([7, 8, 8]);
  family.end();
});

it('a CPU uses the process that it runs, and none once it is down', () => {
  const family = new Family();
  family.run([fork(1)]);
  const usersOf = (...processes: number[]): number[] => processes.map((process) => family.mm(process).users);
  expect(usersOf(0, 1)).toEqual([1, 1]);
  family.run([as(1), fork(2)], 1);
  expect(usersOf(0, 1, 2)).toEqual([1, 1, 1]);
  family.end();
});
