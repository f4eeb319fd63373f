// CPUs that die in the middle of a run: a verdict within seconds, and no thread left.
import { afterAll, expect, it } from 'vitest';
import { exitCodeOf, judge } from '../../src/check/verdict.ts';
import { boot } from '../../src/machine/boot.ts';
import type { Machine } from '../../src/machine/boot.ts';
import { closeGangs, gangThreads } from '../../src/machine/gang.ts';
import { LOCK_CLASSES, spinlock } from '../../src/kernel/layout.ts';
import type { Op } from '../../src/kernel/program.ts';

const PAGE = 4096;
const A = 0x75e52fc77000;
const PAGES = 64;
const region: Op = { op: 'mmap', addr: A, length: PAGES * PAGE, prot: 3, flags: 0x32 };

afterAll(async () => {
  await closeGangs();
});

function machineWith(cpus: number, stuckMs = 3000): Machine {
  const machine = boot({ cpus, memory: 16 * 1024 * 1024, stuckMs });
  machine.runHere([region, { op: 'store', addr: A, value: 1 }]);
  return machine;
}

/** Waits until CPU 0 holds the page-table lock of the region. */
async function untilHeld(machine: Machine): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (machine.words[machine.ptlOf(A) + spinlock.holder] === 1) return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error('CPU 0 never took the lock');
}

const faults = (cpu: number): Op[] => [
  {
    op: 'repeat',
    times: 1_000_000,
    ops: [
      { op: 'touch', addr: A + PAGE * cpu, pages: 8, write: true, value: 1 },
      { op: 'madvise', addr: A + PAGE * cpu, length: 8 * PAGE, advice: 4 },
    ],
  },
];

it('tells of a CPU killed while it holds a page-table lock, 20 times of 20', async () => {
  for (let round = 0; round < 20; round++) {
    const machine = machineWith(3);
    const started = performance.now();
    const outcome = await machine.run([[{ op: 'hold_ptl', addr: A }], faults(1), faults(2)], {
      onStart: (gang) => {
        void untilHeld(machine).then(() => gang.killCpu(0));
      },
    });
    const verdict = judge(machine, outcome);
    expect(outcome.died.map((death) => death.cpu)).toEqual([0]);
    expect(verdict.kind).toBe('violated');
    expect(verdict.findings[0]?.message).toMatch(/^CPU 0 died in the run/);
    expect(exitCodeOf(verdict.kind)).toBe(1);
    expect(performance.now() - started).toBeLessThan(5000);
    expect(gangThreads()).toBe(0);
  }
});

it('calls a machine stuck that waits for a lock nobody gives back, and says who holds it', async () => {
  const machine = machineWith(2, 300);
  const outcome = await machine.run([[{ op: 'hold_ptl', addr: A }], faults(1)]);
  const verdict = judge(machine, outcome);
  expect(verdict.kind).toBe('stuck');
  expect(exitCodeOf(verdict.kind)).toBe(124);
  expect(verdict.findings[0]?.message).toMatch(
    new RegExp(`waits for (${LOCK_CLASSES.join('|').replaceAll('>', '\\>')})`),
  );
});

it('tells of a CPU that throws', async () => {
  const machine = machineWith(2);
  const outcome = await machine.run([[{ op: 'no such operation' } as unknown as Op], faults(1)]);
  expect(judge(machine, outcome).findings[0]?.message).toMatch(/^CPU 0 died in the run: /);
});

it('kills a process that runs out of memory, and nothing leaks', async () => {
  const machine = boot({ cpus: 2, memory: 1024 * 1024 });
  machine.runHere([{ op: 'mmap', addr: A, length: 1024 * PAGE, prot: 3, flags: 0x32 }]);
  const programs = [0, 1].map((cpu): Op[] => [
    { op: 'touch', addr: A + cpu * 512 * PAGE, pages: 512, write: true, value: 1 },
  ]);
  const outcome = await machine.run(programs);
  expect(outcome.cpus.map((cpu) => cpu.status)).toContain('killed');
  expect(judge(machine, outcome, { exit: true }).findings).toEqual([]);
});

it('drives live CPUs one request at a time', async () => {
  const machine = machineWith(2);
  const { cpus, ended } = machine.liveCpus();
  const [first, second] = cpus;
  expect(await first?.run({ op: 'store', addr: A + PAGE, value: 42 })).toEqual({ value: 0, faults: 1, signal: 0 });
  expect(await second?.run({ op: 'load', addr: A + PAGE })).toEqual({ value: 42, faults: 0, signal: 0 });
  expect(await second?.run({ op: 'load', addr: 0x1000 })).toEqual({ value: 0, faults: 1, signal: 11 });
  await Promise.all(cpus.map((cpu) => cpu.stop()));
  expect((await ended).died).toEqual([]);
  expect(judge(machine, await ended, { exit: true }).findings).toEqual([]);
});
