// The histogram of fault latencies: its buckets, and what a metered machine measures of one CPU's work.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LATENCY_BUCKETS, LOCK_CLASSES } from '../../src/kernel/layout.ts';
import { FAULT_ONE_IN, bucket_limit, latency_bucket } from '../../src/kernel/meter.ts';
import { boot } from '../../src/machine/boot.ts';
import {
  addLatencies,
  addLocks,
  clearMeters,
  latencyOf,
  locksOf,
  noLatencies,
  noLocks,
} from '../../src/stress/meters.ts';
import { mmapOp } from '../../src/stress/workloads.ts';

const A = 0x75e52fc77000;

describe('buckets', () => {
  it('hold every time up to their limit and above the limit of the one before, a sixteenth wide at most', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 2 ** 35, noNaN: true }), (ns) => {
        const bucket = latency_bucket(ns);
        expect(bucket).toBeLessThan(LATENCY_BUCKETS);
        if (bucket === LATENCY_BUCKETS - 1) return;
        expect(Math.floor(ns)).toBeLessThanOrEqual(bucket_limit(bucket));
        if (bucket > 0) expect(Math.floor(ns)).toBeGreaterThan(bucket_limit(bucket - 1));
        if (bucket > 16) expect(bucket_limit(bucket) - bucket_limit(bucket - 1)).toBeLessThanOrEqual(ns / 16 + 1);
      }),
      { numRuns: 1000 },
    );
  });

  it('are as many as times that can be told apart, in order', () => {
    const limits = Array.from({ length: LATENCY_BUCKETS }, (_, bucket) => bucket_limit(bucket));
    expect([...new Set(limits)].sort((a, b) => a - b)).toEqual(limits);
    expect(latency_bucket(1e15)).toBe(LATENCY_BUCKETS - 1);
    expect(latency_bucket(-3)).toBe(0);
  });
});

describe('a metered machine', () => {
  const PAGES = 4000;
  const run = (metered: boolean): ReturnType<typeof boot> => {
    const machine = boot({ cpus: 1, memory: 64 * 1024 * 1024, metered });
    machine.runHere([mmapOp(A, PAGES), { op: 'touch', addr: A, pages: PAGES, write: true, value: 1 }]);
    return machine;
  };

  it('times about one fault in so many, and some of the holds of what it took', () => {
    const machine = run(true);
    const latencies = noLatencies();
    addLatencies(machine, latencies);
    const latency = latencyOf(latencies)!;
    expect(latency.timed).toBeGreaterThan(PAGES / FAULT_ONE_IN / 2);
    expect(latency.timed).toBeLessThan((PAGES / FAULT_ONE_IN) * 2);
    expect(latency.p50Ns).toBeGreaterThan(0);
    expect(latency.p50Ns).toBeLessThanOrEqual(latency.p99Ns);
    expect(latency.p99Ns).toBeLessThanOrEqual(latency.p999Ns);
    expect(latency.p999Ns).toBeLessThanOrEqual(latency.maxNs);
    const sums = noLocks(1);
    addLocks(machine, sums);
    const locks = locksOf(sums);
    const ptl = locks.find(({ lock }) => lock === 'ptlock')!;
    expect(ptl.acquisitions).toBeGreaterThanOrEqual(PAGES);
    expect(ptl.contended).toBe(0);
    expect(ptl.waitTotalNs).toBe(0);
    expect(ptl.holder).toBeUndefined();
    expect(locks.reduce((sum, { holdsTimed }) => sum + holdsTimed, 0)).toBeGreaterThan(0);
    // Totals agree with the machine's own counters.
    for (const { name, acquisitions } of machine.lockStats()) {
      expect(sums[LOCK_CLASSES.indexOf(name as (typeof LOCK_CLASSES)[number])]!.acquisitions).toBe(acquisitions);
    }
  });

  it('forgets when it is told to, and measures nothing when it is not metered', () => {
    const machine = run(true);
    clearMeters(machine);
    for (const empty of [machine, run(false)]) {
      const latencies = noLatencies();
      addLatencies(empty, latencies);
      expect(latencyOf(latencies)).toBeUndefined();
    }
    expect(machine.lockStats().every(({ acquisitions }) => acquisitions === 0)).toBe(true);
  });
});
