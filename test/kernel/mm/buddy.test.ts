// The buddy lists: a block is split no further than needed, halves come together again, and no page is lost or doubled.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { __free_one_page, __rmqueue_smallest, zone_word } from '../../../src/kernel/mm/buddy.ts';
import { alloc_pages, drain_all_pages, free_pages } from '../../../src/kernel/mm/page_alloc.ts';
import { page_to_pfn } from '../../../src/kernel/cpu.ts';
import type { Cpu } from '../../../src/kernel/cpu.ts';
import { MAX_PAGE_ORDER, PAGE_STRUCT_SHIFT, ZONE_NORMAL, page } from '../../../src/kernel/layout.ts';
import type { Steps } from '../../../src/kernel/memory.ts';
import { boot } from '../../../src/machine/boot.ts';
import type { Machine } from '../../../src/machine/boot.ts';
import { snapshot } from '../../../src/machine/snapshot.ts';
import type { ZoneRecord } from '../../../src/machine/snapshot.ts';
import { cpuOf, interleave, run } from '../../support/cpus.ts';

const MIB = 1024 * 1024;
const GFP = 0xcc0;
const SITE = 0;

function small(): { machine: Machine; cpu: Cpu; zone: number } {
  const machine = boot({ cpus: 2, memory: 4 * MIB });
  const cpu = cpuOf(machine);
  // Nothing on the CPUs' own lists: all that is free is in the buddy lists.
  run(drain_all_pages(cpu));
  return { machine, cpu, zone: zone_word(cpu, ZONE_NORMAL) };
}
function zoneOf(machine: Machine): ZoneRecord {
  return snapshot(machine.buffer).zones.find(({ name }) => name === 'Normal')!;
}
const blocks = (machine: Machine): number[] => zoneOf(machine).nrFree;
const pages = (perOrder: readonly number[]): number => perOrder.reduce((sum, n, order) => sum + n * 2 ** order, 0);

describe('__rmqueue_smallest', () => {
  it('splits the smallest block that will do, and puts the upper halves back', () => {
    const { machine, cpu, zone } = small();
    // Take everything below order 9 away first, so that the next page must come from a block of 512.
    const taken: [number, number][] = [];
    for (let order = 0; order < 9; order++) {
      while (blocks(machine)[order]! > 0) taken.push([run(__rmqueue_smallest(cpu, zone, order)), order]);
    }
    const before = blocks(machine);
    expect(before.slice(0, 9)).toEqual(new Array(9).fill(0));
    expect(before[9]).toBeGreaterThan(0);
    const block = run(__rmqueue_smallest(cpu, zone, 0));
    const after = blocks(machine);
    // One half of each order stays: 256 + 128 + ... + 1, and the page itself is out.
    expect(after.slice(0, 9)).toEqual(new Array(9).fill(1));
    expect(after[9]).toBe(before[9]! - 1);
    expect(pages(after)).toBe(pages(before) - 1);
    expect(page_to_pfn(cpu, block) % 512).toBe(0);
    run(__free_one_page(cpu, block, zone, 0));
    expect(blocks(machine)).toEqual(before);
    for (const [word, order] of taken) run(__free_one_page(cpu, word, zone, order));
  });

  it('returns nothing, and takes nothing, where no block is large enough', () => {
    const { machine, cpu, zone } = small();
    while (run(__rmqueue_smallest(cpu, zone, 1)) !== 0);
    const before = blocks(machine);
    expect(run(__rmqueue_smallest(cpu, zone, 1))).toBe(0);
    expect(blocks(machine)).toEqual(before);
    expect(before.slice(1)).toEqual(new Array(MAX_PAGE_ORDER).fill(0));
  });
});

describe('__free_one_page', () => {
  it('does not merge two neighbours that are no buddies', () => {
    const { machine, cpu, zone } = small();
    const base = run(__rmqueue_smallest(cpu, zone, 2));
    const before = blocks(machine);
    const at = (n: number): number => base + (n << PAGE_STRUCT_SHIFT);
    run(__free_one_page(cpu, at(1), zone, 0));
    run(__free_one_page(cpu, at(2), zone, 0));
    expect(blocks(machine)[0]).toBe(before[0]! + 2);
    expect(blocks(machine)[1]).toBe(before[1]);
    // Page 0 is page 1's buddy, and that pair waits for the other one.
    run(__free_one_page(cpu, at(0), zone, 0));
    expect(blocks(machine)[0]).toBe(before[0]! + 1);
    expect(blocks(machine)[1]).toBe(before[1]! + 1);
  });
});

describe('alloc_pages and free_pages', () => {
  it('give every block aligned, to one owner, and all of it back, in whatever order', () => {
    const step = fc.record({ order: fc.nat(MAX_PAGE_ORDER), free: fc.nat(7) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { machine, cpu } = small();
        const before = blocks(machine);
        const held: { word: number; order: number }[] = [];
        const owned = new Set<number>();
        const release = (i: number): void => {
          const [block] = held.splice(i, 1);
          if (block === undefined) return;
          for (let n = 0; n < 2 ** block.order; n++) owned.delete(page_to_pfn(cpu, block.word) + n);
          cpu.words[block.word + page._refcount] = 0;
          run(free_pages(cpu, block.word, block.order));
        };
        for (const { order, free } of steps) {
          const word = run(alloc_pages(cpu, GFP, order, SITE));
          if (word !== 0) {
            const pfn = page_to_pfn(cpu, word);
            expect(pfn % 2 ** order).toBe(0);
            for (let n = 0; n < 2 ** order; n++) {
              expect(owned.has(pfn + n)).toBe(false);
              owned.add(pfn + n);
            }
            held.push({ word, order });
          }
          if (free < held.length) release(free);
        }
        while (held.length > 0) release(0);
        run(drain_all_pages(cpu));
        expect(blocks(machine)).toEqual(before);
        const zone = zoneOf(machine);
        expect(zone.listed).toEqual(zone.nrFree);
        expect(zone.nrFreePages).toBe(pages(before));
      }),
      { numRuns: 40 },
    );
  });

  it('hold when two CPUs take and give at once, under any schedule', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { machine } = small();
        const before = blocks(machine);
        const cpus = [cpuOf(machine, 0), cpuOf(machine, 1)];
        const worker = function* (cpu: Cpu): Steps<number> {
          for (const order of [0, 3, 0, 1, 2, 0]) {
            const word = yield* alloc_pages(cpu, GFP, order, SITE);
            cpu.words[word + page._refcount] = 0;
            yield* free_pages(cpu, word, order);
          }
          return 0;
        };
        interleave(machine, cpus.map(worker), seed);
        run(drain_all_pages(cpus[0]!));
        expect(blocks(machine)).toEqual(before);
      }),
      { numRuns: 60 },
    );
  });
});
