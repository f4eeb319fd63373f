// fork: what parent and child map afterwards, bit by bit and fault by fault as a Linux kernel shows it; and forks that
// fail half-way.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entry_value } from '../../../src/kernel/arch/x86/pgtable.ts';
import { CACHE_ANON_VMA_CHAIN, MM_ANONPAGES, vma as vm_area } from '../../../src/kernel/layout.ts';
import { ENOMEM, SIGSEGV, VM_DONTCOPY, VM_LOCKED, VM_WIPEONFORK } from '../../../src/kernel/mm/flags.ts';
import { FAIL_SITES } from '../../../src/machine/config.ts';
import { snapshot } from '../../../src/machine/snapshot.ts';
import type { Mapping } from '../../../src/machine/snapshot.ts';
import { A, Family, PAGE, as, exitProcess, fork, load, map, store } from '../../support/family.ts';

const PFN_MASK = 0xffffffffff000n;

/** All of an entry but the frame: 3.16 of the facts has a frame of its own. */
function bits(mapping: Mapping | undefined): string {
  if (mapping === undefined) return 'none';
  return (entry_value({ lo: mapping.lo, hi: mapping.hi }) & ~PFN_MASK).toString(16);
}

describe('entries after a fork', () => {
  it('are read-only in both, with Dirty parked; the child is not Accessed', () => {
    const family = new Family();
    family.run([map(0, 1), store(0, 7)]);
    expect(bits(family.pte(0))).toBe('8000000000000867');
    family.run([fork(1)]);
    expect(bits(family.pte(0))).toBe('8400000000000825');
    expect(bits(family.pte(1))).toBe('8400000000000805');
    expect(family.pte(1)?.pfn).toBe(family.pte(0)?.pfn);
    const s = family.atRest();
    const { frame } = family.pte(0)!;
    expect([s.refcount[frame], s.mapcount[frame]! + 1]).toEqual([2, 2]);
    expect(family.mm(1).rss[MM_ANONPAGES]).toBe(1);
    family.end();
  });

  it('of the zero page come with those of an anon_vma, and else by faults', () => {
    const family = new Family();
    family.run([map(0, 1), map(8, 2), load(0), load(8), store(9, 1), fork(1)]);
    expect(family.pte(1, 0)).toBeUndefined();
    expect(bits(family.pte(1, 8))).toBe('8000000000000205');
    expect(family.last([as(1), load(0)])).toEqual({ value: 0, faults: 1, signal: 0 });
    family.end();
  });

  it('keep a child from what its parent maps later, and the other way round', () => {
    const family = new Family();
    family.run([map(0, 1), store(0, 7), fork(1), map(4, 1), store(4, 5)]);
    expect(family.last([as(1), load(4)]).signal).toBe(SIGSEGV);
    family.run([as(1), { op: 'munmap', addr: A, length: PAGE }]);
    expect(family.last([load(0)])).toEqual({ value: 7, faults: 0, signal: 0 });
    family.end();
  });
});

describe('regions that a child does not have as they are', () => {
  /** Forks once the flags of the first VMA have `more`, as madvise or mlock would set them. */
  const forked = (more: number): Family => {
    const family = new Family();
    family.run([map(0, 2), store(0, 7), map(8, 1), store(8, 5)]);
    family.machine.words[family.mm(0).vmas[0]!.word + vm_area.vm_flags]! |= more;
    family.run([fork(1)]);
    return family;
  };

  it('VM_DONTCOPY: nothing is mapped there', () => {
    const family = forked(VM_DONTCOPY);
    expect(family.run([as(1), load(0), load(8)]).map(({ value, signal }) => [value, signal])).toEqual([
      [0, 0],
      [0, SIGSEGV],
      [5, 0],
    ]);
    expect(family.mm(1)).toMatchObject({ mapCount: 1, totalVm: 1 });
    family.end();
  });

  it('VM_WIPEONFORK: zeroes are', () => {
    const family = forked(VM_WIPEONFORK);
    expect(family.mm(1).vmas[0]!.anonVma).toBe(0);
    expect(family.run([as(1), load(0), store(0, 1), load(0), as(0), load(0)]).map(({ value }) => value)).toEqual([
      0, 0, 0, 1, 0, 7,
    ]);
    family.end();
  });

  it('VM_LOCKED: it is not locked', () => {
    const family = forked(VM_LOCKED);
    expect([0, 1].map((process) => family.mm(process).vmas[0]!.flags & VM_LOCKED)).toEqual([VM_LOCKED, 0]);
    family.end();
  });
});

// As measured on Linux 6.18, by pagemap and getrusage.
describe('writes after a fork', () => {
  it('child first: it copies, and the parent then has the page back for one fault more', () => {
    const family = new Family();
    family.run([map(0, 1), store(0, 7), fork(1)]);
    const before = family.pte(0)!.pfn;
    expect(family.last([as(1), store(0, 8)]).faults).toBe(1);
    expect(family.pte(1)!.pfn).not.toBe(before);
    expect(bits(family.pte(1))).toBe('8000000000000867');
    const reused = family.machine.event('pgreuse');
    expect(family.last([store(0, 9)]).faults).toBe(1);
    expect(family.machine.event('pgreuse')).toBe(reused + 1);
    expect([family.pte(0)!.pfn, bits(family.pte(0))]).toEqual([before, '8000000000000867']);
    expect(family.run([load(0), as(1), load(0)]).map(({ value }) => value)).toEqual([9, 0, 8]);
    family.end();
  });

  it('parent first: it copies, and the child has the old page back', () => {
    const family = new Family();
    family.run([map(0, 1), store(0, 7), fork(1)]);
    const before = family.pte(0)!.pfn;
    expect(family.last([store(0, 8)]).faults).toBe(1);
    expect(family.pte(0)!.pfn).not.toBe(before);
    const reused = family.machine.event('pgreuse');
    expect(family.last([as(1), store(0, 9)]).faults).toBe(1);
    expect([family.pte(1)!.pfn, family.machine.event('pgreuse')]).toEqual([before, reused + 1]);
    family.end();
  });

  it('after the child has ended: the page is reused, and moves to the anon_vma of its VMA', () => {
    const family = new Family();
    family.run([map(0, 1), store(0, 7), fork(1), as(1), fork(2), as(0), exitProcess(1)]);
    const before = family.pte(2)!.pfn;
    family.run([store(0, 8)]);
    // Nobody but the grandchild maps it by now, and its chain alone leads to the parent's anon_vma.
    const { frame } = family.pte(2)!;
    const own = family.mm(2).vmas[0]!.anonVma;
    expect(family.atRest().mapping[frame]).not.toBe(own + 1);
    expect(family.last([as(2), store(0, 9)]).faults).toBe(1);
    expect([family.pte(2)!.pfn, family.atRest().mapping[frame]]).toEqual([before, own + 1]);
    family.end();
  });

  it("a reference in another CPU's LRU batch costs a copy, one in this CPU's does not", () => {
    for (const [writer, copied] of [
      [0, false],
      [1, true],
    ] as const) {
      const family = new Family();
      family.run([map(0, 1), store(0, 7), fork(1)], 0);
      family.run([exitProcess(1)], 1);
      const before = family.pte(0)!.pfn;
      family.run([store(0, 8)], writer);
      expect(family.pte(0)!.pfn !== before).toBe(copied);
      family.end();
    }
  });
});

describe('anon_vmas of a family', () => {
  it("a child's VMA is in all of its parent's and has one of its own below", () => {
    const family = new Family();
    family.run([map(0, 1), store(0, 7), fork(1), as(1), fork(2)]);
    const [parent, child, grandchild] = [0, 1, 2].map((process) => family.mm(process).vmas[0]!);
    expect(grandchild!.chain).toEqual([grandchild!.anonVma, ...child!.chain]);
    expect(child!.chain).toEqual([child!.anonVma, parent!.anonVma]);
    const s = family.atRest();
    const root = s.anonVmas.find(({ word }) => word === parent!.anonVma)!;
    expect(root).toMatchObject({ refcount: 3, numChildren: 2, numActiveVmas: 1 });
    family.end();
  });

  it('do not grow in number where each child forks and each parent ends', () => {
    const family = new Family();
    family.run([map(0, 1), store(0, 7), fork(1)]);
    const links: number[] = [];
    for (let n = 0; n < 12; n++) {
      const [from, to] = [1 + (n % 2), 2 - (n % 2)];
      family.run([as(from), store(0, n), fork(to), as(0), exitProcess(from)]);
      links.push(family.mm(to).vmas[0]!.chain.length);
    }
    expect(Math.max(...links)).toBeLessThanOrEqual(4);
    family.end();
  });
});

it('a fork that fails leaves nothing behind, wherever it fails', () => {
  const outcomes = new Set<number>();
  fc.assert(
    fc.property(fc.constantFrom(...FAIL_SITES), fc.integer({ min: 1, max: 24 }), (site, interval) => {
      // The n-th allocation at this site fails: set-up is made before any is counted.
      const family = new Family({ failAlloc: { interval, times: 1, sites: [site] } });
      const { machine } = family;
      machine.withoutFailures(() => family.run([map(0, 2), store(0, 7), map(600, 2), store(600, 8), store(601, 9)]));
      const before = snapshot(machine.buffer);
      const { value } = family.last([fork(1)]);
      outcomes.add(value);
      const after = family.atRest();
      if (value !== 0) {
        expect(value).toBe(-ENOMEM);
        expect(after.objects.map(({ live }) => live)).toEqual(before.objects.map(({ live }) => live));
        expect(after.mms).toHaveLength(1);
      }
      machine.withoutFailures(() => {
        if (value !== 0) expect(family.last([fork(1)]).value).toBe(0);
        expect(family.run([as(1), load(0), load(600), load(601)]).map((seen) => seen.value)).toEqual([0, 7, 8, 9]);
        expect(family.run([store(0, 1), load(0)])[1]!.value).toBe(1);
      });
      family.end();
    }),
    { numRuns: 60 },
  );
  expect(outcomes).toEqual(new Set([0, -ENOMEM]));
});

it('a machine that has no room for more links says so, and goes on', () => {
  const family = new Family({ maxVmas: 16 });
  family.run([
    ...Array.from({ length: 15 }, (_, i) => map(2 * i, 1)),
    ...Array.from({ length: 15 }, (_, i) => store(2 * i, i)),
  ]);
  const values = Array.from({ length: 12 }, (_, n) => family.last([as(n), fork(n + 1)]).value);
  const links = snapshot(family.machine.buffer).objects[CACHE_ANON_VMA_CHAIN]!;
  const room = family.machine.layout.object_counts[CACHE_ANON_VMA_CHAIN]!;
  expect(links.live).toBeLessThanOrEqual(room);
  expect(new Set(values)).toContain(-ENOMEM);
  family.end();
});
