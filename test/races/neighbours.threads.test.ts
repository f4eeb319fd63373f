// Real threads that store to different bytes of the same words, and add to one word: nobody's store is lost.
import { expect, it } from 'vitest';
import { eventsOf, judge, renderVerdict } from '../../src/check/verdict.ts';
import type { Op } from '../../src/kernel/program.ts';
import { boot } from '../../src/machine/boot.ts';

const A = 0x75e52fc77000;
const PAGE = 4096;
const CPUS = 2;
const WORDS = 8;
const ROUNDS = 400;

/** CPU `cpu` stores to every second byte of some words, again and again, and counts in the word behind them. */
function program(cpu: number): Op[] {
  const stores = Array.from({ length: 2 * WORDS }, (_, i): Op => {
    return { op: 'store', addr: A + 2 * i + cpu, size: 1, value: 1 + cpu + 2 * i };
  });
  return [
    { op: 'barrier' },
    { op: 'repeat', times: ROUNDS, ops: [...stores, { op: 'atomic_add', addr: A + PAGE, value: 1 }] },
  ];
}

it('keeps each byte as its CPU stored it, and counts every add', { timeout: 120_000 }, async () => {
  const machine = boot({ cpus: CPUS, memory: 2 * 1024 * 1024 });
  machine.runHere([{ op: 'mmap', addr: A, length: 2 * PAGE, prot: 3, flags: 0x32 }]);
  const outcome = await machine.run([program(0), program(1)], { limitMs: 60_000 });
  expect(outcome.died).toEqual([]);
  const loads = Array.from({ length: 4 * WORDS }, (_, i): Op => ({ op: 'load', addr: A + i, size: 1 }));
  const { values } = machine.runHere([...loads, { op: 'load', addr: A + PAGE }]);
  expect([...values]).toEqual([...loads.map((_, i) => 1 + i), CPUS * ROUNDS]);
  const verdict = judge(machine, outcome, { events: eventsOf([]), exit: true });
  expect(renderVerdict(verdict).join('\n')).toMatch(/^verdict: held/);
});
