// The soft-dirty judge, on machines at rest whose entries are as they should be, or are changed by hand.
import { describe, expect, it } from 'vitest';
import { eventsOf } from '../../src/check/verdict.ts';
import { judgeSoftDirty } from '../../src/check/soft-dirty.ts';
import type { Finding } from '../../src/check/finding.ts';
import { _PAGE_SOFT_DIRTY } from '../../src/kernel/arch/x86/pgtable.ts';
import type { Op } from '../../src/kernel/program.ts';
import { boot } from '../../src/machine/boot.ts';
import { snapshot } from '../../src/machine/snapshot.ts';
import { A, PAGE, as, clearRefs, exitProcess, fork, load, map, store } from '../support/family.ts';

/** Runs operations, and takes Soft-Dirty away from every entry of a process if that is asked for. */
function judged(ops: readonly Op[], forged?: number): Finding[] {
  const machine = boot({ cpus: 1, memory: 4 * 1024 * 1024, maxVmas: 32 });
  const events = eventsOf([machine.runHere(ops, 0, true)]);
  machine.settle();
  const s = snapshot(machine.buffer);
  const mm = s.mms.find(({ process }) => process === forged);
  for (const mapping of mm?.mappings ?? []) mapping.lo &= ~_PAGE_SOFT_DIRTY;
  return judgeSoftDirty(s, events);
}

describe('a page that was stored to after clear_refs', () => {
  const stored = [map(0, 2), store(0, 1), clearRefs, store(0, 2)];
  it('and says so, is as it should be', () => {
    expect(judged(stored)).toEqual([]);
  });
  it('neg: and does not say so, is found', () => {
    const [finding] = judged(stored, 0);
    expect(finding?.message).toMatch(/^1 page stored to after clear_refs and not soft-dirty/);
    expect(finding?.details[0]).toMatch(/^0x75e52fc77000.*CPU 0 stored at 0x75e52fc77000/);
  });
  it('in a child counts for the child alone', () => {
    const ops = [map(0, 2), store(0, 1), clearRefs, fork(1), as(1), clearRefs, store(0, 2)];
    expect(judged(ops, 0)).toEqual([]);
    expect(judged(ops, 1)).toHaveLength(1);
  });
});

describe('a page that has nothing to say', () => {
  it.each<[string, Op[]]>([
    ['was stored to before', [map(0, 1), store(0, 1), clearRefs]],
    ['is gone', [map(0, 1), clearRefs, store(0, 1), { op: 'madvise', addr: A, length: PAGE, advice: 4 }]],
    [
      'maps the zero page again',
      [map(0, 1), clearRefs, store(0, 1), { op: 'madvise', addr: A, length: PAGE, advice: 4 }, load(0)],
    ],
    ['is of a process without clear_refs', [map(0, 1), store(0, 1)]],
    [
      'is of a process that had the number before',
      [map(0, 1), store(0, 1), fork(1), as(1), clearRefs, store(0, 2), as(0), exitProcess(1), fork(1)],
    ],
    ['is in a region mapped since', [map(0, 1), clearRefs, map(0, 1), store(0, 1)]],
  ])('%s', (_, ops) => {
    expect(judged(ops)).toEqual([]);
    const process = ops.some(({ op }) => op === 'fork') ? 1 : 0;
    expect(judged(ops, process)).toEqual([]);
  });
});
