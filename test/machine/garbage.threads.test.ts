// Machines that nobody refers to give their memory back, whatever threads ran on them.
import { afterAll, expect, it } from 'vitest';
import { boot } from '../../src/machine/boot.ts';
import { closeGangs } from '../../src/machine/gang.ts';
import { mmapOp } from '../../src/stress/workloads.ts';

const MIB = 1024 * 1024;
const MEMORY = 256 * MIB;
const PAGES = 50_000;
const MACHINES = 10;
const A = 0x75e52fc77000;

afterAll(async () => {
  await closeGangs();
});

it('does not grow with the number of machines', async () => {
  const before = process.memoryUsage().rss;
  for (let n = 0; n < MACHINES; n++) {
    const machine = boot({ cpus: 2, memory: MEMORY });
    const half = PAGES / 2;
    const touch = (addr: number) => [{ op: 'touch' as const, addr, pages: half, write: true, value: 1 }];
    machine.runHere([mmapOp(A, PAGES)]);
    const outcome = await machine.run([touch(A), touch(A + half * 4096)]);
    expect(outcome.cpus.map((cpu) => cpu.totalFaults)).toEqual([half, half]);
  }
  const grown = process.memoryUsage().rss - before;
  expect(grown).toBeGreaterThan((PAGES * 4096) / 2);
  expect(grown).toBeLessThan(4 * MEMORY);
});
