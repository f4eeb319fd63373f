// clear_refs: entries lose Soft-Dirty and the right to be written, and the next write gives both back.
import { describe, expect, it } from 'vitest';
import { entry_value } from '../../../src/kernel/arch/x86/pgtable.ts';
import { VM_SOFTDIRTY } from '../../../src/kernel/mm/flags.ts';
import { Family, as, clearRefs, fork, load, map, store } from '../../support/family.ts';

const PFN_MASK = 0xffffffffff000n;

function bits(family: Family, process: number, page = 0): string {
  const mapping = family.pte(process, page);
  if (mapping === undefined) return 'none';
  return (entry_value({ lo: mapping.lo, hi: mapping.hi }) & ~PFN_MASK).toString(16);
}

describe('clear_refs', () => {
  it('and the next write: one fault, the same page, soft-dirty again', () => {
    const family = new Family();
    family.run([map(0, 1), store(0, 7)]);
    const { pfn } = family.pte(0)!;
    family.run([clearRefs]);
    expect(bits(family, 0)).toBe('8400000000000025');
    expect(family.mm(0).vmas[0]!.flags & VM_SOFTDIRTY).toBe(0);
    expect(family.last([load(0)])).toEqual({ value: 7, faults: 0, signal: 0 });
    expect(bits(family, 0)).toBe('8400000000000025');
    const reused = family.machine.event('pgreuse');
    expect(family.last([store(0, 8)]).faults).toBe(1);
    expect([family.pte(0)!.pfn, bits(family, 0)]).toEqual([pfn, '8000000000000867']);
    expect(family.machine.event('pgreuse')).toBe(reused + 1);
    family.end();
  });

  it('leaves the zero page read-only, and what a write makes of it is soft-dirty', () => {
    const family = new Family();
    family.run([map(0, 1), load(0), clearRefs]);
    expect(bits(family, 0)).toBe('8000000000000225');
    family.run([store(0, 1)]);
    expect(bits(family, 0)).toBe('8000000000000867');
    family.end();
  });

  it('reaches every table of every VMA, and no other process', () => {
    const family = new Family();
    const pages = [0, 511, 512, 1024, 262_144];
    family.run([map(0, 1025), map(262_144, 1), ...pages.map((page) => store(page, 1)), fork(1), clearRefs]);
    expect(pages.map((page) => bits(family, 0, page))).toEqual(pages.map(() => '8400000000000025'));
    expect(pages.map((page) => bits(family, 1, page))).toEqual(pages.map(() => '8400000000000805'));
    family.run([as(1), store(0, 2)]);
    expect([bits(family, 0), bits(family, 1)]).toEqual(['8400000000000025', '8000000000000867']);
    family.end();
  });

  it('changes nothing where the kernel keeps no soft-dirty bits', () => {
    const family = new Family({ softDirty: false });
    family.run([map(0, 1), store(0, 7)]);
    const before = bits(family, 0);
    expect(family.last([clearRefs]).value).toBe(0);
    expect(bits(family, 0)).toBe(before);
    family.end();
  });
});
