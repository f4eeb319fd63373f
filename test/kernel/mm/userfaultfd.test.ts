// What a monitor fills pages with: entries, counts, charges, and what is left where one can't be had.
import { expect, it } from 'vitest';
import { entry_value } from '../../../src/kernel/arch/x86/pgtable.ts';
import { ENOMEM, PROT_READ } from '../../../src/kernel/mm/flags.ts';
import type { Op } from '../../../src/kernel/program.ts';
import { A, Family, PAGE, load, map, store } from '../../support/family.ts';

const PFN_MASK = 0xffffffffff000n;
const watch = (pages: number): Op => ({ op: 'uffd_register', addr: A, length: pages * PAGE });
const copy = (pages: number): Op => ({ op: 'uffd_copy', addr: A, length: pages * PAGE, value: 7 });

function bits(family: Family, page = 0): string {
  const mapping = family.pte(0, page)!;
  return (entry_value({ lo: mapping.lo, hi: mapping.hi }) & ~PFN_MASK).toString(16);
}

it('a copy is dirty, and writable where the region is', () => {
  const family = new Family();
  const readOnly: Op = { op: 'mmap', addr: A + 8 * PAGE, length: PAGE, prot: PROT_READ, flags: 0x32 };
  family.run([map(0, 1), watch(1), copy(1), readOnly]);
  family.run([
    { op: 'uffd_register', addr: A + 8 * PAGE, length: PAGE },
    { op: 'uffd_copy', addr: A + 8 * PAGE, length: PAGE, value: 7 },
  ]);
  // Dirty and soft-dirty; without Write, what is dirty stands in bit 58.
  expect([bits(family), bits(family, 8)]).toEqual(['8000000000000867', '8400000000000825']);
  family.end();
});

it('a page of zeroes is the zero page', () => {
  const family = new Family();
  family.run([map(0, 2), watch(1), { op: 'uffd_zeropage', addr: A, length: PAGE }, load(1)]);
  expect([bits(family), family.pte(0)!.pfn]).toEqual([bits(family, 1), family.pte(0, 1)!.pfn]);
  family.end();
});

it('every word of a copy is the same, and the page counts as one of the process', () => {
  const family = new Family();
  family.run([map(0, 1), watch(1), copy(1)]);
  const words: Op[] = [0, 4, 2048, 4092].map((offset) => ({ op: 'load', addr: A + offset }));
  expect(family.run(words)).toEqual(words.map(() => ({ value: 7, faults: 0, signal: 0 })));
  family.run([store(0, 8)]);
  expect(family.last([load(0)]).value).toBe(8);
  family.end();
});

it('fills as much as the memory group allows, then says so', () => {
  const family = new Family({ memcgLimits: [100_000] });
  family.run([map(0, 8), watch(8), copy(1)]);
  family.atRest();
  family.machine.limitToUsage([3]);
  const more: Op = { op: 'uffd_copy', addr: A + PAGE, length: 7 * PAGE, value: 7 };
  expect(family.last([more]).value).toBe(3 * PAGE);
  expect(family.last([{ ...more, addr: A + 4 * PAGE, length: PAGE }]).value).toBe(-ENOMEM);
  family.end();
});

it('takes nothing where no page can be had', () => {
  const failing = new Family({ failAlloc: { probability: 1 } });
  failing.machine.withoutFailures(() => failing.run([map(0, 8), watch(8)]));
  expect(failing.last([copy(1)]).value).toBe(-ENOMEM);
  failing.machine.withoutFailures(() => {
    failing.end();
  });
});
