// Pools of threads that wait for the next who needs as many, and end by themselves or when they are told to.
import { expect, it, vi } from 'vitest';
import { WarmPools } from '../../src/machine/warm-pools.ts';

const MODULE = new URL('../support/thread-number.mjs', import.meta.url).href;

interface Task {
  readonly arrived: SharedArrayBuffer;
  readonly together: number;
}

/** Runs tasks that end only once all of them run; the threads they ran on. */
async function together(pools: WarmPools<Task, number>, count: number): Promise<Set<number>> {
  const task = { arrived: new SharedArrayBuffer(4), together: count };
  const pool = pools.of(count);
  return new Set(await Promise.all(Array.from({ length: count }, () => pool.run(task))));
}

it.each([Infinity, 5000])(
  'run all tasks at once, and the next ones on the same threads (idle %d ms)',
  async (idleMs) => {
    const pools = new WarmPools<Task, number>(MODULE, idleMs);
    const first = await together(pools, 3);
    expect(first.size).toBe(3);
    expect(await together(pools, 3)).toEqual(first);
    expect((await together(pools, 2)).size).toBe(2);
    expect(pools.threads).toBe(5);
    await pools.close(3);
    expect(pools.threads).toBe(2);
    await pools.close();
    expect(pools.threads).toBe(0);
    const later = await together(pools, 3);
    expect([...later].filter((thread) => first.has(thread))).toEqual([]);
    await pools.close();
  },
);

it('end when nobody needs them', async () => {
  const pools = new WarmPools<Task, number>(MODULE, 50);
  await together(pools, 2);
  await vi.waitFor(
    () => {
      expect(pools.threads).toBe(0);
    },
    { timeout: 10_000 },
  );
  expect((await together(pools, 2)).size).toBe(2);
  await pools.close();
});
