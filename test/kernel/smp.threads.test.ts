// Waiting on real threads: what is a hang, and what is only somebody else's long program.
import { expect, it } from 'vitest';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../src/kernel/mm/flags.ts';
import type { Op } from '../../src/kernel/program.ts';
import { boot } from '../../src/machine/boot.ts';
import { judge } from '../../src/check/verdict.ts';

const STUCK_MS = 50;
const PAGES = 4096;
const ADDR = 0x700000000000;

/** Faults for several times as long as a wait may last. */
const long: Op = {
  op: 'repeat',
  times: 40,
  ops: [
    {
      op: 'mmap',
      addr: ADDR,
      length: PAGES * 4096,
      prot: PROT_READ | PROT_WRITE,
      flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
    },
    { op: 'touch', addr: ADDR, pages: PAGES, write: true, value: 1 },
    { op: 'munmap', addr: ADDR, length: PAGES * 4096 },
  ],
};

it('does not call a CPU stuck that waits at a barrier for one with a long program', async () => {
  const machine = boot({ cpus: 2, memory: 64 * 1024 * 1024, stuckMs: STUCK_MS });
  const outcome = await machine.run([[long, { op: 'barrier' }], [{ op: 'barrier' }]], { limitMs: 60_000 });
  expect(judge(machine, outcome).findings).toEqual([]);
  expect(outcome.cpus.map(({ status }) => status)).toEqual(['done', 'done']);
  expect(outcome.seconds * 1000).toBeGreaterThan(2 * STUCK_MS);
});
