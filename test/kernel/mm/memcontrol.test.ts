// Memory groups: added before it is checked, taken back at every level, kept in stock by CPUs, and none left at the limit.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeSnapshot } from '../../../src/check/invariants.ts';
import type { Cpu } from '../../../src/kernel/cpu.ts';
import { PAGE_COUNTER_MAX, cpu_area, header, mem_cgroup, page } from '../../../src/kernel/layout.ts';
import type { Steps, Word } from '../../../src/kernel/memory.ts';
import {
  drain_all_stock,
  drain_local_stock,
  mem_cgroup_charge,
  mem_cgroup_create,
  mem_cgroup_uncharge,
} from '../../../src/kernel/mm/memcontrol.ts';
import {
  page_counter_set_max,
  page_counter_try_charge,
  page_counter_uncharge,
} from '../../../src/kernel/mm/page_counter.ts';
import { ENOMEM } from '../../../src/kernel/mm/flags.ts';
import { handle_interrupts } from '../../../src/kernel/smp.ts';
import type { Op } from '../../../src/kernel/program.ts';
import { boot } from '../../../src/machine/boot.ts';
import type { Machine } from '../../../src/machine/boot.ts';
import { memcgFiles } from '../../../src/machine/proc/memcg-files.ts';
import { snapshot } from '../../../src/machine/snapshot.ts';
import { bringUp, cpuOf, interleave, run } from '../../support/cpus.ts';

const MIB = 1024 * 1024;
const A = 0x75e52fc77000;

/** A machine whose process's groups have these limits, outermost first; the groups, innermost first, without the root. */
function groups(...limits: number[]): { machine: Machine; cpu: Cpu; chain: Word[] } {
  const machine = boot({ cpus: 3, memory: 4 * MIB, maxVmas: 16, memcgLimits: limits });
  const chain: Word[] = [];
  for (let at = machine.memcg; at !== machine.words[header.root_memcg]; at = machine.words[at + mem_cgroup.parent]!)
    chain.push(at);
  return { machine, cpu: cpuOf(machine), chain };
}
const usages = (machine: Machine, chain: readonly Word[]): number[] =>
  chain.map((group) => machine.words[group + mem_cgroup.usage]!);
const stock = (cpu: Cpu): number => cpu.words[cpu.area + cpu_area.stock_pages]!;
const files = (machine: Machine, group: Word): Record<string, string[]> => {
  const s = snapshot(machine.buffer);
  return memcgFiles(
    s,
    s.memcgs.find(({ word }) => word === group)!,
  );
};
/** A struct page that nothing else uses. */
const folio = (cpu: Cpu, n: number): Word => cpu.mem_map + (cpu.layout.frames - 1 - n) * 16;

describe('page_counter', () => {
  it('charges every level, and gives back at every level', () => {
    const { machine, cpu, chain } = groups(100, 50);
    expect(run(page_counter_try_charge(cpu, chain[0]!, 30))).toBe(0);
    expect(usages(machine, chain)).toEqual([30, 30]);
    run(page_counter_uncharge(cpu, chain[0]!, 10));
    expect(usages(machine, chain)).toEqual([20, 20]);
  });

  it('names the level that is full, and leaves nothing charged below it', () => {
    const { machine, cpu, chain } = groups(40, 1000, 1000);
    run(page_counter_try_charge(cpu, chain[0]!, 30));
    expect(run(page_counter_try_charge(cpu, chain[0]!, 11))).toBe(chain[2]);
    expect(usages(machine, chain)).toEqual([30, 30, 30]);
    expect(run(page_counter_try_charge(cpu, chain[0]!, 10))).toBe(0);
  });

  it('remembers the most that was used', () => {
    const { machine, cpu, chain } = groups(100);
    run(page_counter_try_charge(cpu, chain[0]!, 60));
    run(page_counter_uncharge(cpu, chain[0]!, 60));
    run(page_counter_try_charge(cpu, chain[0]!, 5));
    expect(files(machine, chain[0]!)).toMatchObject({
      'memory.current': ['20480'],
      'memory.peak': ['245760'],
      'memory.max': ['409600'],
    });
  });

  it('says so when more is given back than was taken, and stays at 0', () => {
    const { machine, cpu, chain } = groups(100);
    run(page_counter_try_charge(cpu, chain[0]!, 3));
    run(page_counter_uncharge(cpu, chain[0]!, 5));
    expect(usages(machine, chain)).toEqual([0]);
    expect(snapshot(machine.buffer).dmesg.map(({ text }) => text)).toContain('page_counter underflow: -2 nr_pages=5');
  });

  it('takes a limit down to what is used, and no further', () => {
    const { machine, cpu, chain } = groups(100);
    run(page_counter_try_charge(cpu, chain[0]!, 40));
    expect(run(page_counter_set_max(cpu, chain[0]!, 39))).toBe(false);
    expect(machine.words[chain[0]! + mem_cgroup.max]).toBe(100);
    expect(run(page_counter_set_max(cpu, chain[0]!, 40))).toBe(true);
    expect(run(page_counter_try_charge(cpu, chain[0]!, 1))).toBe(chain[0]);
  });

  it('is never above its limit at rest, and exact, whoever charges while it is changed', () => {
    const charge = fc.record({ pages: fc.integer({ min: 1, max: 8 }), level: fc.nat(1) });
    fc.assert(
      fc.property(
        fc.tuple(fc.array(charge, { maxLength: 6 }), fc.array(charge, { maxLength: 6 })),
        fc.integer({ min: 5, max: 20 }),
        fc.integer(),
        (work, limit, seed) => {
          const { machine, chain } = groups(30, 20);
          const charger = function* (cpu: Cpu, charges: (typeof work)[0]): Steps<number[]> {
            const held = [0, 0];
            for (const { pages, level } of charges) {
              if ((yield* page_counter_try_charge(cpu, chain[level]!, pages)) === 0) held[level]! += pages;
            }
            return held;
          };
          const limiter = function* (cpu: Cpu): Steps<number[]> {
            yield* page_counter_set_max(cpu, chain[1]!, limit);
            return [0, 0];
          };
          const held = interleave(
            machine,
            [charger(cpuOf(machine, 0), work[0]), charger(cpuOf(machine, 1), work[1]), limiter(cpuOf(machine, 2))],
            seed,
          );
          const inner = held.reduce((sum, [own]) => sum + own!, 0);
          const outer = held.reduce((sum, [, own]) => sum + own!, inner);
          expect(usages(machine, chain)).toEqual([inner, outer]);
          expect(inner).toBeLessThanOrEqual(20);
          expect(outer).toBeLessThanOrEqual(machine.words[chain[1]! + mem_cgroup.max]!);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("a CPU's stock", () => {
  it('is what is left of 64 pages, and pays for the next 63', () => {
    const { machine, cpu, chain } = groups(1000);
    expect(run(mem_cgroup_charge(cpu, folio(cpu, 0), chain[0]!))).toBe(0);
    expect(stock(cpu)).toBe(63);
    for (let n = 1; n < 64; n++) run(mem_cgroup_charge(cpu, folio(cpu, n), chain[0]!));
    expect([stock(cpu), usages(machine, chain)]).toEqual([0, [64]]);
    run(mem_cgroup_charge(cpu, folio(cpu, 64), chain[0]!));
    expect([stock(cpu), usages(machine, chain)]).toEqual([63, [128]]);
  });

  it('is of one group: another one sends it back first', () => {
    const { machine, cpu, chain } = groups(1000, 1000);
    run(mem_cgroup_charge(cpu, folio(cpu, 0), chain[0]!));
    run(mem_cgroup_charge(cpu, folio(cpu, 1), chain[1]!));
    expect(cpu.words[cpu.area + cpu_area.stock_memcg]).toBe(chain[1]);
    expect(usages(machine, chain)).toEqual([1, 65]);
  });

  it('is not taken where a batch does not fit, and the page itself does', () => {
    const { machine, cpu, chain } = groups(3);
    for (let n = 0; n < 3; n++) expect(run(mem_cgroup_charge(cpu, folio(cpu, n), chain[0]!))).toBe(0);
    expect([stock(cpu), usages(machine, chain)]).toEqual([0, [3]]);
    expect(run(mem_cgroup_charge(cpu, folio(cpu, 3), chain[0]!))).toBe(-ENOMEM);
    expect(cpu.words[folio(cpu, 3) + page.memcg_data]).toBe(0);
  });

  it('goes back when all are drained: at once where a CPU runs nothing, when it answers where it does', () => {
    const { machine, cpu, chain } = groups(1000);
    const [busy, idle] = [cpuOf(machine, 1), cpuOf(machine, 2)];
    bringUp([cpu, busy]);
    [cpu, busy, idle].forEach((other, n) => run(mem_cgroup_charge(other, folio(cpu, n), chain[0]!)));
    expect(usages(machine, chain)).toEqual([192]);
    run(drain_all_stock(cpu));
    expect([stock(cpu), stock(busy), stock(idle)]).toEqual([0, 63, 0]);
    run(handle_interrupts(busy));
    expect(stock(busy)).toBe(0);
    expect(usages(machine, chain)).toEqual([3]);
    // It was asked once: what it fetches afterwards is its own.
    run(mem_cgroup_charge(busy, folio(cpu, 3), chain[0]!));
    run(drain_local_stock(busy));
    expect(stock(busy)).toBe(63);
  });

  it('at the limit what other CPUs keep is found', () => {
    const { machine, cpu, chain } = groups(70);
    run(mem_cgroup_charge(cpuOf(machine, 2), folio(cpu, 0), chain[0]!));
    for (let n = 1; n < 70; n++) expect(run(mem_cgroup_charge(cpu, folio(cpu, n), chain[0]!))).toBe(0);
    expect(usages(machine, chain)).toEqual([70]);
    expect(run(mem_cgroup_charge(cpu, folio(cpu, 70), chain[0]!))).toBe(-ENOMEM);
  });
});

describe('charges', () => {
  it('of the root are kept no account of', () => {
    const { machine, cpu } = groups(1);
    const root = machine.words[header.root_memcg]!;
    expect(run(mem_cgroup_charge(cpu, folio(cpu, 0), root))).toBe(0);
    expect(cpu.words[folio(cpu, 0) + page.memcg_data]).toBe(0);
    expect(usages(machine, [root])).toEqual([0]);
  });

  it('end with the folio', () => {
    const { machine, cpu, chain } = groups(1000, 1000);
    run(mem_cgroup_charge(cpu, folio(cpu, 0), chain[0]!));
    run(mem_cgroup_uncharge(cpu, folio(cpu, 0)));
    run(drain_all_stock(cpu));
    expect(usages(machine, chain)).toEqual([0, 0]);
    run(mem_cgroup_uncharge(cpu, folio(cpu, 0)));
    expect(usages(machine, chain)).toEqual([0, 0]);
  });

  it('that fail are events of the group that is full and of those above it', () => {
    const { machine, cpu, chain } = groups(1000, 1, 1000);
    run(mem_cgroup_charge(cpu, folio(cpu, 0), chain[0]!));
    expect(run(mem_cgroup_charge(cpu, folio(cpu, 1), chain[0]!))).toBe(-ENOMEM);
    const events = (group: Word): string[] => files(machine, group)['memory.events']!;
    expect(events(chain[0]!)).toEqual(['low 0', 'high 0', 'max 0', 'oom 0', 'oom_kill 0', 'oom_group_kill 0']);
    for (const group of [chain[1]!, chain[2]!])
      expect(events(group)).toEqual(['low 0', 'high 0', 'max 2', 'oom 1', 'oom_kill 0', 'oom_group_kill 0']);
    expect(machine.words[machine.words[header.root_memcg]! + mem_cgroup.events_oom]).toBe(0);
  });

  it('of a group that can not be made are no charges', () => {
    const { machine, cpu } = groups(1);
    while (run(mem_cgroup_create(cpu, machine.memcg, PAGE_COUNTER_MAX)) !== 0);
    expect(run(mem_cgroup_charge(cpu, folio(cpu, 0), 0))).toBe(0);
  });
});

describe('a process in a group', () => {
  const program: Op[] = [
    { op: 'mmap', addr: A, length: 8 * 4096, prot: 3, flags: 0x32 },
    { op: 'store', addr: A, value: 1 },
  ];

  it('of no page at all can not fault, is killed, and stands above no limit', () => {
    const { machine, chain } = groups(0);
    expect(judgeSnapshot(snapshot(machine.buffer))).toEqual([]);
    expect(files(machine, chain[0]!)).toMatchObject({ 'memory.current': ['0'], 'memory.max': ['0'] });
    const outcome = machine.runHere(program);
    expect(outcome.status).toBe('killed');
    machine.settle();
    expect(judgeSnapshot(snapshot(machine.buffer))).toEqual([]);
    expect(files(machine, chain[0]!)['memory.events']).toContain('oom_kill 1');
    machine.exit();
    expect(usages(machine, chain)).toEqual([0]);
  });

  it('pays for its tables and its pages, and gets all of it back', () => {
    const { machine, chain } = groups(4);
    expect(machine.runHere(program).status).toBe('done');
    expect(usages(machine, chain)).toEqual([4]);
    // A fifth page is one too many.
    expect(machine.runHere([{ op: 'store', addr: A + 4096, value: 1 }]).status).toBe('killed');
    machine.exit();
    expect(usages(machine, chain)).toEqual([0]);
    expect(snapshot(machine.buffer).dmesg.filter(({ isBug }) => isBug)).toEqual([]);
  });

  it('leaves what it was charged for elsewhere where it is', () => {
    const { machine, chain } = groups(2);
    machine.moveTo(machine.words[header.root_memcg]!);
    machine.runHere(program);
    machine.moveTo(machine.memcg);
    expect(usages(machine, chain)).toEqual([0]);
    machine.runHere([{ op: 'store', addr: A + 4096, value: 1 }]);
    expect(usages(machine, chain)).toEqual([1]);
    machine.settle();
    expect(judgeSnapshot(snapshot(machine.buffer))).toEqual([]);
  });
});
