// The page allocator: each CPU's list before the zone's, watermarks, another CPU's drain, and no page as a value.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../../src/kernel/cpu.ts';
import { page_to_pfn } from '../../../src/kernel/cpu.ts';
import {
  FRAME_WORDS,
  LOCK_PCP,
  PER_CPU_PAGES_WORDS,
  ZONE_NORMAL,
  header,
  page,
  per_cpu_pages,
} from '../../../src/kernel/layout.ts';
import type { Steps } from '../../../src/kernel/memory.ts';
import { spin_lock, spin_unlock } from '../../../src/kernel/locking/spinlock.ts';
import { SITE_FOLIO, SITE_PTE_TABLE, SITE_SLAB, should_fail } from '../../../src/kernel/mm/fail_page_alloc.ts';
import {
  GFP_HIGHUSER_MOVABLE,
  GFP_HIGHUSER_MOVABLE_ZERO,
  alloc_page,
  alloc_pages,
  drain_all_pages,
  free_page,
} from '../../../src/kernel/mm/page_alloc.ts';
import { drain_pages, pcp_of } from '../../../src/kernel/mm/pcp.ts';
import { boot } from '../../../src/machine/boot.ts';
import type { Machine } from '../../../src/machine/boot.ts';
import type { MachineConfig } from '../../../src/machine/config.ts';
import { snapshot } from '../../../src/machine/snapshot.ts';
import { cpuOf, healthy, interleave, run } from '../../support/cpus.ts';

const MIB = 1024 * 1024;

function* take(cpu: Cpu): Steps<number> {
  return yield* alloc_page(cpu, GFP_HIGHUSER_MOVABLE, SITE_FOLIO);
}
function* give(cpu: Cpu, word: number): Steps<void> {
  cpu.words[word + page._refcount] = 0;
  yield* free_page(cpu, word);
}
function machineOf(config: Partial<MachineConfig> = {}): { machine: Machine; cpu: Cpu; pcp: number } {
  const machine = boot({ cpus: 2, memory: 64 * MIB, ...config });
  const cpu = cpuOf(machine);
  run(drain_all_pages(cpu));
  const pcp = pcp_of(cpu, 0, ZONE_NORMAL);
  // The process's first page table was taken from this list: as if nothing had been.
  cpu.words[pcp + per_cpu_pages.alloc_factor] = 0;
  return { machine, cpu, pcp };
}
/** Pages on a CPU's list. */
function pcpOf({ layout, words }: Machine, cpu: number): number {
  const area = layout.cpu_areas + cpu * layout.cpu_area_words;
  return words[area + layout.pcp + ZONE_NORMAL * PER_CPU_PAGES_WORDS + per_cpu_pages.count]!;
}
const zone = (machine: Machine): ReturnType<typeof snapshot>['zones'][number] =>
  snapshot(machine.buffer).zones.find(({ name }) => name === 'Normal')!;

describe('watermarks', () => {
  // Linux's arithmetic for one zone: 64 MiB 256/320/384, 1 GiB 1024/1286/1548 pages. The zero page is not managed here,
  // so that the square root comes out a page or so lower at most.
  it.each([
    [64, { min: 256, low: 320, high: 384 }, 3],
    [256, { min: 512, low: 640, high: 768 }, 15],
    [1024, { min: 1024, low: 1286, high: 1548 }, 63],
  ])('of %i MiB, and the size of a batch', (mib, wanted, batch) => {
    const { machine, cpu, pcp } = machineOf({ memory: mib * MIB });
    const found = zone(machine).watermarks;
    for (const mark of ['min', 'low', 'high'] as const) {
      expect(Math.abs(found[mark] - wanted[mark])).toBeLessThanOrEqual(3);
    }
    expect(cpu.words[pcp + per_cpu_pages.batch]).toBe(batch);
  });
});

describe("a CPU's list", () => {
  it('fetches a batch under the zone lock, and the next pages without it', () => {
    const { machine, cpu, pcp } = machineOf({ memory: 256 * MIB });
    const batch = cpu.words[pcp + per_cpu_pages.batch]!;
    const before = machine.lockStats().find(({ name }) => name === 'zone->lock')!.acquisitions;
    for (let n = 0; n < batch; n++) run(take(cpu));
    const after = machine.lockStats().find(({ name }) => name === 'zone->lock')!.acquisitions;
    expect(after - before).toBe(1);
    expect(pcpOf(machine, 0)).toBe(0);
  });

  it('fetches more each time while nothing is freed', () => {
    const { machine, cpu, pcp } = machineOf({ memory: 256 * MIB });
    const batch = cpu.words[pcp + per_cpu_pages.batch]!;
    const fetched: number[] = [];
    for (let n = 0; n < 5; n++) {
      run(take(cpu));
      fetched.push(pcpOf(machine, 0) + 1);
      while (pcpOf(machine, 0) > 0) run(take(cpu));
    }
    expect(fetched.slice(0, 3)).toEqual([batch, 2 * batch, 4 * batch]);
    expect(fetched[4]).toBeGreaterThanOrEqual(fetched[3]!);
  });

  it('gives back what was freed last', () => {
    const { cpu } = machineOf();
    const words = [run(take(cpu)), run(take(cpu)), run(take(cpu))];
    for (const word of words) run(give(cpu, word));
    expect([run(take(cpu)), run(take(cpu)), run(take(cpu))]).toEqual(words.reverse());
  });

  it('never holds more than high, and loses at least a batch when it would', () => {
    const { machine, cpu, pcp } = machineOf();
    const words = Array.from({ length: 600 }, () => run(take(cpu)));
    let most = 0;
    let drops = 0;
    for (const word of words) {
      const before = pcpOf(machine, 0);
      run(give(cpu, word));
      const now = pcpOf(machine, 0);
      const high = cpu.words[pcp + per_cpu_pages.high]!;
      expect(now).toBeLessThan(high);
      if (now <= before) {
        drops += 1;
        expect(before + 1 - now).toBeGreaterThanOrEqual(cpu.words[pcp + per_cpu_pages.batch]!);
      }
      most = Math.max(most, now);
    }
    expect(drops).toBeGreaterThan(0);
    expect(most).toBeGreaterThan(100);
    run(drain_all_pages(cpu));
    healthy(machine);
  });
});

describe('a list that another CPU drains', () => {
  it('is left alone: the owner goes to the buddy lists, for what it takes and for what it frees', () => {
    const { machine, cpu, pcp } = machineOf();
    const first = run(take(cpu));
    const listed = pcpOf(machine, 0);
    expect(listed).toBeGreaterThan(0);
    const other = cpuOf(machine, 1);
    run(spin_lock(other, pcp + per_cpu_pages.lock, LOCK_PCP));
    const second = run(take(cpu));
    expect(second).not.toBe(0);
    run(give(cpu, first));
    expect(pcpOf(machine, 0)).toBe(listed);
    run(spin_unlock(other, pcp + per_cpu_pages.lock));
    run(give(cpu, second));
    expect(pcpOf(machine, 0)).toBe(listed + 1);
  });

  it('is empty afterwards, and its pages are in the buddy lists', () => {
    const { machine, cpu } = machineOf();
    run(give(cpu, run(take(cpu))));
    const free = zone(machine).nrFreePages;
    const listed = pcpOf(machine, 0);
    run(drain_pages(cpuOf(machine, 1), 0));
    expect(pcpOf(machine, 0)).toBe(0);
    expect(zone(machine).nrFreePages).toBe(free + listed);
    healthy(machine);
  });

  it('loses no page, whenever the drain comes', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { machine, cpu } = machineOf({ memory: 4 * MIB });
        const before = zone(machine).nrFreePages;
        const owner = function* (): Steps<void> {
          for (let round = 0; round < 4; round++) {
            const words = [yield* take(cpu), yield* take(cpu), yield* take(cpu)];
            expect(new Set(words).size).toBe(3);
            for (const word of words) yield* give(cpu, word);
          }
        };
        const drainer = function* (): Steps<void> {
          for (let round = 0; round < 4; round++) yield* drain_pages(cpuOf(machine, 1), 0);
        };
        interleave(machine, [owner(), drainer()], seed);
        run(drain_all_pages(cpu));
        expect(zone(machine).nrFreePages).toBe(before);
        healthy(machine);
      }),
      { numRuns: 60 },
    );
  });
});

describe('a page', () => {
  it('that was asked for zeroed is zero in every word, whatever it held', () => {
    const { cpu } = machineOf();
    const word = run(take(cpu));
    const bytes = cpu.ram + (page_to_pfn(cpu, word) - cpu.base_pfn) * FRAME_WORDS;
    cpu.words.fill(0x5ec3e7, bytes, bytes + FRAME_WORDS);
    run(give(cpu, word));
    expect(run(alloc_page(cpu, GFP_HIGHUSER_MOVABLE_ZERO, SITE_FOLIO))).toBe(word);
    expect(cpu.words.subarray(bytes, bytes + FRAME_WORDS).every((value) => value === 0)).toBe(true);
  });

  it('with a reference left is never handed out again, and the log says so', () => {
    const { machine, cpu } = machineOf();
    const word = run(take(cpu));
    run(free_page(cpu, word));
    for (let n = 0; n < 20; n++) expect(run(take(cpu))).not.toBe(word);
    expect(snapshot(machine.buffer).dmesg.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^BUG: Bad page state in process pagerace {2}pfn:[0-9a-f]+ .*nonzero _refcount$/),
    ]);
  });
});

describe('no memory', () => {
  it('is 0, with what the min watermark keeps left, and a line in the log', () => {
    const { machine, cpu } = machineOf({ memory: 4 * MIB });
    const words: number[] = [];
    for (let word = run(take(cpu)); word !== 0; word = run(take(cpu))) words.push(word);
    const { nrFreePages, watermarks } = zone(machine);
    expect(nrFreePages).toBeLessThanOrEqual(watermarks.min + 1);
    expect(nrFreePages).toBeGreaterThan(0);
    expect(machine.event('allocstall')).toBe(1);
    expect(snapshot(machine.buffer).dmesg.at(-1)?.text).toBe('page allocation failure: order:0, mode:0x100cca');
    // Some more than a CPU may keep to itself before the zone hears of it.
    for (const word of words.splice(0, 50)) run(give(cpu, word));
    expect(run(take(cpu))).not.toBe(0);
  });

  it('takes what other CPUs have on their lists first', () => {
    const { machine, cpu } = machineOf({ memory: 4 * MIB });
    const other = cpuOf(machine, 1);
    for (const word of Array.from({ length: 12 }, () => run(take(other)))) run(give(other, word));
    expect(pcpOf(machine, 1)).toBeGreaterThan(0);
    while (run(take(cpu)) !== 0);
    expect(pcpOf(machine, 1)).toBe(0);
  });

  it('of a high order is not of order 0', () => {
    const { cpu } = machineOf({ memory: 4 * MIB });
    while (run(alloc_pages(cpu, GFP_HIGHUSER_MOVABLE, 6, SITE_FOLIO)) !== 0);
    expect(run(take(cpu))).not.toBe(0);
  });
});

describe('allocations made to fail', () => {
  const failures = (config: Partial<MachineConfig>, tries: number, site = SITE_FOLIO): number[] => {
    const { cpu } = machineOf(config);
    return Array.from({ length: tries }, (_, n) => n + 1).filter(() => run(should_fail(cpu, site)));
  };

  it('every n-th', () => {
    expect(failures({ failAlloc: { interval: 4 } }, 13)).toEqual([4, 8, 12]);
  });

  it('no more often than so many times', () => {
    expect(failures({ failAlloc: { interval: 2, times: 3 } }, 100)).toEqual([2, 4, 6]);
    expect(failures({ failAlloc: { probability: 1, times: 0 } }, 100)).toEqual([]);
  });

  it('at the sites that are named alone', () => {
    const config = { failAlloc: { probability: 1, sites: ['pte', 'slab'] } };
    expect(failures(config, 5, SITE_FOLIO)).toEqual([]);
    expect(failures(config, 5, SITE_PTE_TABLE)).toHaveLength(5);
    expect(failures(config, 5, SITE_SLAB)).toHaveLength(5);
  });

  it('with the chance that was asked for, and the same ones for the same seed', () => {
    const chance = (probability: number, seed: number): number[] =>
      failures({ failAlloc: { probability }, seed }, 2000);
    expect(chance(0, 1)).toEqual([]);
    expect(chance(1, 1)).toHaveLength(2000);
    // 2,000 throws at 1/4: 500, give or take eight standard deviations.
    const seen = chance(0.25, 7);
    expect(Math.abs(seen.length - 500)).toBeLessThan(160);
    expect(chance(0.25, 7)).toEqual(seen);
    expect(chance(0.25, 8)).not.toEqual(seen);
  });

  it('are 0 to who asked, and nothing is lost', () => {
    const { machine, cpu } = machineOf({ failAlloc: { interval: 1 } });
    const before = zone(machine).nrFreePages;
    expect(run(take(cpu))).toBe(0);
    expect(zone(machine).nrFreePages).toBe(before);
    expect(machine.event('fail_page_alloc')).toBe(1);
    cpu.words[header.fail_interval] = 0;
    expect(run(take(cpu))).not.toBe(0);
  });
});

it('a machine that fails every allocation boots all the same', () => {
  const { machine } = machineOf({ failAlloc: { probability: 1 }, memcgLimits: [10, 10] });
  expect(snapshot(machine.buffer).memcgs).toHaveLength(3);
  expect(machine.event('fail_page_alloc')).toBe(0);
});
