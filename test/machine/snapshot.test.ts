// The snapshot of a machine written by hand, and what Linux would print for it.
import { describe, expect, it } from 'vitest';
import { CPU_ONLINE, PAGE_COUNTER_MAX, cpu_area, mem_cgroup, page, vma as vm_area } from '../../src/kernel/layout.ts';
import { boot } from '../../src/machine/boot.ts';
import { memcgFiles } from '../../src/machine/proc/memcg-files.ts';
import { statusFile } from '../../src/machine/proc/process-files.ts';
import { smapsFile } from '../../src/machine/proc/smaps.ts';
import { buddyinfoFile } from '../../src/machine/proc/system-files.ts';
import { pagemapEntry } from '../../src/machine/proc/walk.ts';
import { snapshot } from '../../src/machine/snapshot.ts';
import type { MmRecord, Snapshot } from '../../src/machine/snapshot.ts';
import { ADDRESS, BASE_PFN, HandMachine, LISTED, PTE, QUEUED, VM_FLAGS, ZERO_FRAME } from '../support/hand-machine.ts';

function only<T>(items: readonly T[]): T {
  expect(items).toHaveLength(1);
  return items[0]!;
}

function see(machine: HandMachine): { s: Snapshot; mm: MmRecord } {
  const s = snapshot(machine.buffer);
  return { s, mm: only(s.mms) };
}

describe('snapshot', () => {
  it('walks page tables and VMAs', () => {
    const machine = new HandMachine();
    const { s, mm } = see(machine);
    expect(mm.mappings.map(({ address, pfn, frame }) => [address, pfn, frame])).toEqual([
      [ADDRESS, 0x38944c, QUEUED],
      [ADDRESS + 4096, 0x38944d, LISTED],
      [ADDRESS + 8192, BASE_PFN, ZERO_FRAME],
    ]);
    expect(mm.tables.map(({ level }) => level)).toEqual([4, 3, 2, 1]);
    expect(mm.tables[3]).toEqual({ frame: PTE, level: 1, address: 0x75e52fc00000 });
    expect(only(mm.vmas)).toMatchObject({ start: ADDRESS, flags: VM_FLAGS, chain: [machine.anonVma], detached: false });
    expect(mm.rss).toEqual([0, 2, 0, 0]);
    expect([s.mappedBy[QUEUED], s.mappedBy[LISTED], s.mappedBy[ZERO_FRAME]]).toEqual([1, 1, 0]);
    expect(only(s.anonVmas)).toMatchObject({ word: machine.anonVma, vmas: [machine.vma] });
  });

  it('knows where every frame is', () => {
    const { s } = see(new HandMachine());
    expect(only(s.zones)).toMatchObject({ name: 'Normal', nrFreePages: 44, listed: [0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0] });
    expect(s.cpuRecords.map(({ pcp, batch }) => [pcp[2]?.listed, batch])).toEqual([
      [7, [QUEUED]],
      [6, []],
    ]);
    expect([s.onLru[LISTED], s.batched[QUEUED], s.lruSize]).toEqual([1, 1, 1]);
    expect(s.objects.map(({ cache, live }) => `${cache} ${String(live)}`)).toEqual([
      'mm_struct 1',
      'vm_area_struct 1',
      'anon_vma 1',
      'anon_vma_chain 1',
      'mem_cgroup 2',
      'maple_node 1',
    ]);
  });

  it('reads the TLB of a CPU that is online', () => {
    const machine = new HandMachine();
    const tlb = machine.area(1) + machine.at.tlb;
    machine.long(tlb + 4, ADDRESS / 4096 + 1);
    machine.words.set([0x867, 5], tlb + 6);
    machine.words[machine.area(1) + cpu_area.state] = CPU_ONLINE;
    expect(see(machine).s.cpuRecords.map((cpu) => cpu.tlb)).toEqual([[], [{ address: ADDRESS, lo: 0x867, hi: 5 }]]);
  });

  it('counts the pages behind the first of an allocated block as allocated', () => {
    const machine = new HandMachine();
    machine.words[machine.page(40) + page.allocated] = 3;
    expect(Array.from(see(machine).s.tail.subarray(38, 46))).toEqual([0, 0, 0, 1, 1, 1, 0, 0]);
  });

  it('refuses what is no machine', () => {
    expect(() => snapshot(new SharedArrayBuffer(4096))).toThrow('snapshot: this buffer holds no machine');
    const { words } = new HandMachine();
    const cut = new SharedArrayBuffer(8192);
    new Int32Array(cut).set(words.subarray(0, 2048));
    expect(() => snapshot(cut)).toThrow('larger than the buffer');
  });
});

describe('what Linux prints', () => {
  it('/proc/PID/status, from the global counts alone', () => {
    const machine = new HandMachine();
    machine.words[machine.rss(1)] = 2;
    expect(statusFile(see(machine).mm)).toEqual([
      'VmSize:\t      32 kB',
      'VmLck:\t       0 kB',
      'VmRSS:\t       8 kB',
      'RssAnon:\t       8 kB',
      'RssFile:\t       0 kB',
      'RssShmem:\t       0 kB',
      'VmData:\t      32 kB',
      'VmStk:\t       0 kB',
      'VmPTE:\t      12 kB',
      'VmSwap:\t       0 kB',
    ]);
  });

  it('/proc/PID/smaps', () => {
    const machine = new HandMachine();
    machine.pte(1, HandMachine.value(LISTED, 0x8000000000000005n));
    const { s, mm } = see(machine);
    expect(smapsFile(s, mm)).toEqual([
      '75e52fc77000-75e52fc7f000 rw-p 00000000 00:00 0 ',
      'Size:                 32 kB',
      'KernelPageSize:        4 kB',
      'MMUPageSize:           4 kB',
      'Rss:                   8 kB',
      'Pss:                   8 kB',
      'Pss_Dirty:             4 kB',
      'Shared_Clean:          0 kB',
      'Shared_Dirty:          0 kB',
      'Private_Clean:         4 kB',
      'Private_Dirty:         4 kB',
      'Referenced:            4 kB',
      'Anonymous:             8 kB',
      'KSM:                   0 kB',
      'LazyFree:              0 kB',
      'AnonHugePages:         0 kB',
      'ShmemPmdMapped:        0 kB',
      'FilePmdMapped:         0 kB',
      'Shared_Hugetlb:        0 kB',
      'Private_Hugetlb:       0 kB',
      'Swap:                  0 kB',
      'SwapPss:               0 kB',
      'Locked:                0 kB',
      'THPeligible:           0',
      'VmFlags: rd wr mr mw me ac sd ',
    ]);
  });

  it('/proc/buddyinfo', () => {
    expect(buddyinfoFile(see(new HandMachine()).s)).toEqual([
      'Node 0, zone   Normal      0      0      1      1      0      1      0      0      0      0      0 ',
    ]);
  });

  it('the files of a memory group', () => {
    const machine = new HandMachine();
    machine.fill(machine.group, mem_cgroup, { watermark: 12, events_max: 3, events_oom: 1 });
    const { s } = see(machine);
    const [root, group] = s.memcgs;
    expect(group && memcgFiles(s, group)).toMatchObject({
      'memory.current': ['45056'],
      'memory.peak': ['49152'],
      'memory.max': ['81920'],
      'memory.events': ['low 0', 'high 0', 'max 3', 'oom 1', 'oom_kill 0', 'oom_group_kill 0'],
    });
    expect(root?.max).toBe(PAGE_COUNTER_MAX);
    expect(root && memcgFiles(s, root)['memory.max']).toEqual(['max']);
  });

  it('/proc/PID/pagemap of the page that the seed describes, before and after', () => {
    const machine = boot({ cpus: 1, memory: 4 * 1024 * 1024 });
    const map = { op: 'mmap', addr: ADDRESS, length: 8 * 4096, prot: 3, flags: 0x32 } as const;
    expect(pagemapEntry(machine, ADDRESS)).toBe(0n);
    machine.runHere([map]);
    expect(pagemapEntry(machine, ADDRESS)).toBe(0x0080000000000000n);
    machine.runHere([{ op: 'load', addr: ADDRESS }]);
    expect(pagemapEntry(machine, ADDRESS)).toBe(0x8080000000000000n | BigInt(machine.config.basePfn));
    machine.runHere([{ op: 'store', addr: ADDRESS, value: 1 }]);
    const entry = pagemapEntry(machine, ADDRESS);
    expect(entry >> 52n).toBe(0x818n);
    const [mapping] = only(snapshot(machine.buffer).mms).mappings;
    expect(entry & 0xfffffffffffffn).toBe(BigInt(mapping?.pfn ?? 0));
    // Without soft-dirty in the VMA the entry's own bit is what shows.
    const area = only(only(snapshot(machine.buffer).mms).vmas);
    machine.words[area.word + vm_area.vm_flags]! &= ~0x8000000;
    expect(pagemapEntry(machine, ADDRESS + 4096)).toBe(0n);
    expect(pagemapEntry(machine, ADDRESS) >> 52n).toBe(0x818n);
  });
});
