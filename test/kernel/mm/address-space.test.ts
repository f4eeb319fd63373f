// What a program sees of madvise and of a stack that grows: values, faults and signals, as Linux gives them.
import { describe, expect, it } from 'vitest';
import { judgeSnapshot } from '../../../src/check/invariants.ts';
import { MM_ANONPAGES } from '../../../src/kernel/layout.ts';
import {
  EINVAL,
  ENOMEM,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MAP_POPULATE,
  SIGSEGV,
} from '../../../src/kernel/mm/flags.ts';
import type { Op } from '../../../src/kernel/program.ts';
import { boot } from '../../../src/machine/boot.ts';
import type { Machine } from '../../../src/machine/boot.ts';
import { snapshot } from '../../../src/machine/snapshot.ts';
import type { Snapshot } from '../../../src/machine/snapshot.ts';

const PAGE = 4096;
const A = 0x75e52fc77000;
const GROWSDOWN = 0x100;
const map = (page: number, pages: number, prot = 3, flags = 0): Op => ({
  op: 'mmap',
  addr: A + page * PAGE,
  length: pages * PAGE,
  prot,
  flags: 0x32 | flags,
});
const advise = (page: number, pages: number, advice: number): Op => ({
  op: 'madvise',
  addr: A + page * PAGE,
  length: pages * PAGE,
  advice,
});
const store = (page: number, value: number): Op => ({ op: 'store', addr: A + page * PAGE, value });
const load = (page: number): Op => ({ op: 'load', addr: A + page * PAGE });

interface Seen {
  machine: Machine;
  values: number[];
  faults: number[];
  signals: number[];
  state: Snapshot;
}

/** What each operation came to, and the machine at rest afterwards. */
function run(...ops: Op[]): Seen {
  const machine = boot({ cpus: 2, memory: 16 * 1024 * 1024, maxVmas: 64 });
  const { values, faults, signals } = machine.runHere(ops);
  machine.settle();
  const state = snapshot(machine.buffer);
  expect(judgeSnapshot(state)).toEqual([]);
  return { machine, values: [...values], faults: [...faults], signals: [...signals], state };
}
const rss = (state: Snapshot): number => state.mms[0]!.rss[MM_ANONPAGES]!;

describe('MADV_POPULATE_WRITE', () => {
  it('makes every page present and writable, so that nothing faults afterwards', () => {
    const { values, faults, state } = run(map(0, 4), advise(0, 4, MADV_POPULATE_WRITE), store(0, 1), store(3, 2));
    expect(values[1]).toBe(0);
    expect(faults.slice(2)).toEqual([0, 0]);
    expect(rss(state)).toBe(4);
  });

  it('keeps what is there', () => {
    expect(run(map(0, 2), store(0, 7), advise(0, 2, MADV_POPULATE_WRITE), load(0)).values[3]).toBe(7);
  });

  it('breaks the zero page of pages that were read before', () => {
    const { faults, state } = run(map(0, 2), load(0), advise(0, 2, MADV_POPULATE_WRITE), store(0, 1));
    expect(faults.slice(1)).toEqual([1, 0, 0]);
    expect(rss(state)).toBe(2);
  });

  it('is refused where one may not write, and where nothing is mapped, with what came before it done', () => {
    expect(run(map(0, 1, 1), advise(0, 1, MADV_POPULATE_WRITE)).values[1]).toBe(-EINVAL);
    const { values, state } = run(map(0, 1), map(2, 1), advise(0, 3, MADV_POPULATE_WRITE));
    expect(values[2]).toBe(-ENOMEM);
    expect(rss(state)).toBe(1);
  });
});

describe('MADV_POPULATE_READ', () => {
  it('maps the zero page: reads fault no more, the first write does', () => {
    const { values, faults, state } = run(map(0, 2), advise(0, 2, MADV_POPULATE_READ), load(0), store(0, 1));
    expect(values.slice(1, 3)).toEqual([0, 0]);
    expect(faults.slice(2)).toEqual([0, 1]);
    expect(rss(state)).toBe(1);
  });

  it('is refused where one may do nothing at all', () => {
    expect(run(map(0, 1, 0), advise(0, 1, MADV_POPULATE_READ)).values[1]).toBe(-EINVAL);
  });
});

it('MAP_POPULATE populates what was just mapped', () => {
  const { faults, state } = run(map(0, 5, 3, MAP_POPULATE), store(4, 1));
  expect(faults[1]).toBe(0);
  expect(rss(state)).toBe(5);
});

describe('MADV_DONTNEED', () => {
  it('gives zeroes back, page by page, and frees the pages', () => {
    const { values, faults, state } = run(
      map(0, 3),
      store(0, 1),
      store(1, 2),
      store(2, 3),
      advise(1, 1, MADV_DONTNEED),
      load(0),
      load(1),
      load(2),
    );
    expect(values.slice(4)).toEqual([0, 1, 0, 3]);
    expect(faults.slice(5)).toEqual([0, 1, 0]);
    expect(rss(state)).toBe(2);
  });

  it('does what it can of a range with a hole, and says that there is one', () => {
    const { values, state } = run(map(0, 1), map(2, 1), store(0, 1), store(2, 1), advise(0, 3, MADV_DONTNEED));
    expect(values[4]).toBe(-ENOMEM);
    expect(rss(state)).toBe(0);
  });

  it('needs an address on a page boundary; advice that does not exist is refused', () => {
    const off: Op = { op: 'madvise', addr: A + 1, length: PAGE, advice: MADV_DONTNEED };
    expect(run(map(0, 1), off, advise(0, 1, 99), advise(0, 1, MADV_FREE)).values.slice(1)).toEqual([
      -EINVAL,
      -EINVAL,
      0,
    ]);
  });
});

describe('a stack', () => {
  const stack = (page: number, pages: number): Op => map(page, pages, 3, GROWSDOWN);

  it('grows down to where it is touched, and what lies between comes as it is needed', () => {
    const { faults, signals, state } = run(stack(0, 2), store(1, 1), store(-40, 2), store(-20, 3));
    expect(signals).toEqual([0, 0, 0, 0]);
    expect(faults.slice(1)).toEqual([1, 1, 1]);
    const [vma] = state.mms[0]!.vmas;
    expect([vma!.start, vma!.end]).toEqual([A - 40 * PAGE, A + 2 * PAGE]);
    expect(state.mms[0]!.totalVm).toBe(42);
    expect(rss(state)).toBe(3);
  });

  it('does not grow beyond 8 MiB', () => {
    expect(run(stack(0, 2), store(-2046, 1), store(-2047, 1)).signals).toEqual([0, 0, SIGSEGV]);
  });

  it('keeps 256 pages away from what lies below it', () => {
    const { signals } = run(map(-300, 1), stack(0, 2), store(-43, 1), store(-44, 1));
    expect(signals).toEqual([0, 0, 0, SIGSEGV]);
  });

  it('is the only thing that grows', () => {
    expect(run(map(0, 2), store(-1, 1)).signals).toEqual([0, SIGSEGV]);
  });
});
