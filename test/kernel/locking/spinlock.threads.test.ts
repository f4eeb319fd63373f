// Mutual exclusion of the spinlocks on real threads, and that a lock which never comes free is a verdict, not a hang.
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { LOCK_PTL, header, spinlock } from '../../../src/kernel/layout.ts';
import { LOCK_ALGORITHMS } from '../../../src/kernel/locking/spinlock.ts';
import { boot } from '../../../src/machine/boot.ts';
import type { Machine } from '../../../src/machine/boot.ts';

const MIB = 1024 * 1024;
const LIMIT_MS = 60_000;
/** They wait for the next test: to start one takes longer than most of what it does. */
let threads: Worker[] = [];

async function endThreads(): Promise<void> {
  const ending = threads;
  threads = [];
  await Promise.all(ending.map((thread) => thread.terminate()));
}
afterAll(endThreads);

interface Answer {
  refused?: number;
  error?: string;
}

/** Threads that take `lock` so many times each. */
async function compete(
  machine: Machine,
  lock: number,
  counters: number,
  rounds: number,
  how: 'lock' | 'try' | 'none' = 'lock',
): Promise<Answer[]> {
  const { memory, config } = machine;
  const { cpus } = config;
  while (threads.length < cpus) threads.push(new Worker(new URL('../../support/lock-thread.mjs', import.meta.url)));
  const answers = threads.slice(0, cpus).map(
    (thread, id) =>
      new Promise<Answer>((resolve, reject) => {
        thread.once('message', resolve);
        thread.once('error', reject);
        setTimeout(reject, LIMIT_MS, new Error('a thread did not answer')).unref();
        thread.postMessage({ memory, id, cpus, lock, lockClass: LOCK_PTL, counters, rounds, how });
      }),
  );
  try {
    return await Promise.all(answers);
  } catch (error) {
    await endThreads();
    throw error;
  } finally {
    for (const thread of threads) thread.removeAllListeners('error');
  }
}

/** A free lock and three counters in the struct pages of frames that nobody uses. */
function place(machine: Machine): { lock: number; counters: number } {
  const last = machine.layout.mem_map + (machine.layout.frames - 1) * 16;
  machine.words.fill(0, last - 16, last + 16);
  return { lock: last - 16, counters: last };
}

it('neg_ without a lock two threads are in there at once, and counts are lost', { timeout: 2 * LIMIT_MS }, async () => {
  const machine = boot({ cpus: 2, memory: MIB });
  // So many that, on a busy machine, one of them is made to wait in the middle of it.
  const rounds = 5_000_000;
  let wrong = 0;
  for (let run = 0; run < 20 && wrong === 0; run++) {
    const at = place(machine);
    await compete(machine, at.lock, at.counters, rounds, 'none');
    wrong = 2 * rounds - machine.words[at.counters]! + machine.words[at.counters + 2]!;
  }
  expect(wrong).toBeGreaterThan(0);
});

describe.each(LOCK_ALGORITHMS.map(({ name }) => name))('%s', (lock) => {
  it.each([
    [2, 20_000],
    [4, 5_000],
    [8, 2_000],
  ])('lets one of %i threads in at a time', async (cpus, rounds) => {
    const machine = boot({ cpus, memory: MIB, lock });
    const at = place(machine);
    expect(await compete(machine, at.lock, at.counters, rounds)).toEqual(new Array(cpus).fill({ refused: 0 }));
    const { words } = machine;
    expect([words[at.counters], words[at.counters + 1], words[at.counters + 2]]).toEqual([
      cpus * rounds,
      cpus * rounds,
      0,
    ]);
    const stats = machine.lockStats().find(({ name }) => name === 'ptlock')!;
    expect(stats.acquisitions).toBe(cpus * rounds);
    expect(stats.contentions).toBeLessThanOrEqual(stats.acquisitions);
    // Free again: nobody holds it, nobody waits, and a ticket lock serves the next ticket.
    expect(words[at.lock + spinlock.holder]).toBe(0);
    expect(words[at.lock]).toBe(lock === 'ticket' ? words[at.lock + spinlock.serving] : 0);
  });

  it('is contended, and says so', { timeout: 2 * LIMIT_MS }, async () => {
    const machine = boot({ cpus: 2, memory: MIB, lock });
    const contentions = (): number => machine.lockStats().find(({ name }) => name === 'ptlock')!.contentions;
    for (let run = 0; run < 20 && contentions() === 0; run++) {
      const at = place(machine);
      await compete(machine, at.lock, at.counters, 100_000);
      expect(machine.words[at.counters]).toBe(200_000);
    }
    expect(contentions()).toBeGreaterThan(0);
  });

  it('lets one in at a time also when both only try', async () => {
    const machine = boot({ cpus: 2, memory: MIB, lock });
    const at = place(machine);
    const rounds = 20_000;
    const answers = await compete(machine, at.lock, at.counters, rounds, 'try');
    expect(machine.words[at.counters]).toBe(2 * rounds);
    expect(machine.words[at.counters + 2]).toBe(0);
    for (const { refused } of answers) expect(refused).toBeGreaterThanOrEqual(0);
  });

  it('that is never given back stops the machine, which knows who holds it and who waits', async () => {
    const machine = boot({ cpus: 2, memory: MIB, lock, stuckMs: 200 });
    const at = place(machine);
    // As CPU 0 would have taken it.
    machine.words[at.lock] = 1;
    machine.words[at.lock + spinlock.holder] = 1;
    const answers = await compete(machine, at.lock, at.counters, 1);
    for (const { error } of answers) expect(error).toMatch(/CpuStopped: (stuck|stopped)/);
    expect(machine.words[header.stuck_holder]).toBe(1);
    expect(machine.words[at.counters]).toBe(0);
    expect(machine.words[header.stuck_cpu]).toBeGreaterThan(0);
    expect(machine.lockStats().find(({ name }) => name === 'ptlock')!.parks).toBeGreaterThan(0);
  });
});
