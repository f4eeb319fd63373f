// What a fault's time is made of, from real threads: every part has a share, and all shares are one.
import { expect, it } from 'vitest';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../src/kernel/mm/flags.ts';
import { boot } from '../../src/machine/boot.ts';
import { faultParts } from '../../src/stress/fault-profile.ts';

it('divides the time of page_fault1 among the parts of the machine', async () => {
  const pages = 2048;
  const addr = 0x700000000000;
  const length = pages * 4096;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  const ops = [
    { op: 'mmap' as const, addr, length, prot: PROT_READ | PROT_WRITE, flags },
    { op: 'touch' as const, addr, pages, write: true, value: 1 },
    { op: 'munmap' as const, addr, length },
  ];
  const machine = boot({ cpus: 1, memory: 64 * 1024 * 1024 });
  const times = 40;
  const { cpus } = await machine.run([[{ op: 'repeat', times, ops }]], { profile: true });
  const parts = faultParts(cpus[0]?.profile ?? [], times * pages);
  expect(parts.map(({ part }) => part)).toEqual(
    expect.arrayContaining(['zeroing pages', 'the fault path', 'page allocator', 'the CPU: walks, TLB, stores']),
  );
  expect(parts.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
  expect([...parts].sort((a, b) => b.nsPerFault - a.nsPerFault)).toEqual(parts);
  for (const { share, nsPerFault } of parts) {
    expect(share).toBeGreaterThan(0);
    expect(nsPerFault).toBeGreaterThan(0);
  }
});
