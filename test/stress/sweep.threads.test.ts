// Sweeps on real threads: every field of every point, and verdicts that are right.
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { closeGangs } from '../../src/machine/gang.ts';
import { LOST_RACES } from '../../src/stress/point.ts';
import type { StressPoint } from '../../src/stress/results.ts';
import { recordedWorkload } from '../../src/recording/workload.ts';
import { sweep } from '../../src/stress/sweep.ts';
import type { SweepSpec } from '../../src/stress/sweep.ts';
import { WORKLOADS, workload } from '../../src/stress/workloads.ts';
import { replayTarget, targetNamed } from '../../src/explore/target.ts';

afterAll(async () => {
  await closeGangs();
});

const quiet = { begins: (): void => undefined, explains: (): void => undefined };

function spec(changes: Partial<SweepSpec>): SweepSpec {
  return {
    workloads: [workload('page_fault1')],
    cpus: [2],
    locking: ['split'],
    locks: ['qspinlock'],
    without: [],
    pages: 256,
    seconds: 0.1,
    rounds: 2,
    repeat: 1,
    seed: 1,
    metered: true,
    command: 'pagerace stress',
    ...changes,
  };
}

function expectWhole(point: StressPoint): void {
  const { rounds, latency, locks, fairness } = point;
  expect(rounds).toHaveLength(2);
  for (const round of rounds) {
    expect(round.perCpu).toHaveLength(point.cpus);
    expect(round.perCpu.reduce((sum, n) => sum + n, 0)).toBe(round.faults);
    expect(round.faults).toBeGreaterThan(0);
    expect(round.faultsPerSecond).toBeCloseTo(round.faults / round.seconds, 3);
  }
  expect(point.faultsPerSecond).toBeGreaterThan(0);
  expect(latency!.histogram.counts.reduce((sum, n) => sum + n, 0)).toBe(latency!.timed);
  expect(locks.length).toBeGreaterThan(3);
  for (const lock of locks) {
    expect(lock.contended).toBeLessThanOrEqual(lock.acquisitions);
    expect(lock.waitMaxNs).toBeLessThanOrEqual(lock.waitTotalNs + 1);
  }
  if (fairness !== undefined) {
    expect(fairness).toBeGreaterThanOrEqual(1 / point.cpus);
    expect(fairness).toBeLessThanOrEqual(1.000001);
  }
  expect(Object.keys(point.lostRaces)).toEqual(Object.keys(LOST_RACES));
  expect(point.parks).toBe(locks.reduce((sum, { parks }) => sum + parks, 0));
}

describe('a sweep', () => {
  it.each(WORKLOADS.map(({ name }) => name))('of %s holds with every defence, and fills every field', async (name) => {
    const { points } = await sweep(spec({ workloads: [workload(name)], cpus: [1, 3] }), quiet);
    expect(points.map(({ cpus }) => cpus)).toEqual([1, 3]);
    for (const point of points) {
      expect(point.findings).toEqual([]);
      expect(point.verdict).toBe('held');
      expectWhole(point);
    }
  });

  it.each(['split', 'mm', 'cmpxchg'])('of all workloads at once holds under %s', async (locking) => {
    const all = await sweep(spec({ workloads: WORKLOADS, locking: [locking], rounds: 1 }), quiet);
    expect(all.points.flatMap(({ findings }) => findings)).toEqual([]);
    expect(all.points.every(({ verdict }) => verdict === 'held')).toBe(true);
  });

  it('without a lock is violated, and explained by a schedule that replays', async () => {
    const shape = { workloads: [workload('same-page')], locking: ['none'], pages: 2000, seconds: 2, rounds: 6 };
    const { points } = await sweep(spec(shape), quiet);
    const point = points[0]!;
    expect(point.verdict).toBe('violated');
    expect(point.lostPerMillion).toBeGreaterThan(0);
    expect(point.rounds).toHaveLength(6);
    const { token, scenario, judge } = point.counterexample!;
    expect(replayTarget(targetNamed(scenario, { locking: 'none' }), token).complaint?.judge).toBe(judge);
  });

  it('runs every point as often as it is asked to, in an order that its seed says', async () => {
    const order = async (seed: number): Promise<string[]> => {
      const begun: string[] = [];
      const asked = spec({ cpus: [1, 2], locking: ['split', 'mm'], repeat: 2, rounds: 1, pages: 16, seed });
      const { points } = await sweep(asked, {
        ...quiet,
        begins: ({ cpus, locking }) => begun.push(`${locking} ${String(cpus)}`),
      });
      for (const { rounds } of points) expect(rounds).toHaveLength(2);
      return begun;
    };
    const first = await order(1);
    expect(first).toHaveLength(8);
    expect(await order(1)).toEqual(first);
    expect(await order(2)).not.toEqual(first);
  });

  it('runs a recording, on a machine of its own each round', async () => {
    const path = fileURLToPath(new URL('../recording/recordings/sort.perf.txt.gz', import.meta.url));
    const work = await recordedWorkload(path);
    const { points } = await sweep(spec({ workloads: [work], cpus: [2], rounds: 2 }), quiet);
    expect(points[0]!.findings).toEqual([]);
    expect(points[0]!.verdict).toBe('held');
    const [first, second] = points[0]!.rounds;
    expect(first!.faults).toBeGreaterThan(500);
    expect(Math.abs(first!.faults - second!.faults)).toBeLessThan(first!.faults / 10);
  });

  it('does not time what it is told not to', async () => {
    const { points } = await sweep(spec({ metered: false }), quiet);
    expect(points[0]!.latency).toBeUndefined();
    expect(points[0]!.locks.every(({ waitTotalNs, holdsTimed }) => waitTotalNs === 0 && holdsTimed === 0)).toBe(true);
  });
});
