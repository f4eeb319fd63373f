// What a metered machine's CPUs have measured (kernel/meter.ts), summed over all of them.
import {
  LATENCY_BUCKETS,
  LOCK_CLASSES,
  LOCK_STAT_WORDS,
  METER_CLASS_WORDS,
  METER_WORDS,
  cpu_area,
  lock_stat,
  meter,
  meter_class,
} from '../kernel/layout.ts';
import { FAULT_ONE_IN, bucket_limit } from '../kernel/meter.ts';
import type { Machine } from '../machine/boot.ts';
import type { FaultLatency, LockUse } from './results.ts';

/** First word of each CPU's area. */
function areas(machine: Machine): number[] {
  const { cpus, cpu_areas, cpu_area_words } = machine.layout;
  return Array.from({ length: cpus }, (_, cpu) => cpu_areas + cpu * cpu_area_words);
}

/** Forgets what was measured and counted so far. The machine must be at rest. */
export function clearMeters(machine: Machine): void {
  for (const area of areas(machine)) {
    machine.words.fill(0, area + machine.layout.meters, area + machine.layout.meters + METER_WORDS);
    const stats = area + cpu_area.lock_stats;
    machine.words.fill(0, stats, stats + LOCK_CLASSES.length * LOCK_STAT_WORDS);
  }
}

/** The 64-bit integer below 2^53 at a word. */
function long(machine: Machine, word: number): number {
  return new Float64Array(machine.buffer)[word >> 1] ?? 0;
}

/** Counts by bucket, over all machines, and the longest fault. */
export interface LatencyCounts {
  readonly counts: Float64Array;
  maxNs: number;
}

export function noLatencies(): LatencyCounts {
  return { counts: new Float64Array(LATENCY_BUCKETS), maxNs: 0 };
}

/** Adds what a machine has measured. */
export function addLatencies(machine: Machine, to: LatencyCounts): void {
  for (const area of areas(machine)) {
    const at = area + machine.layout.meters;
    for (let i = 0; i < LATENCY_BUCKETS; i++) {
      to.counts[i] = (to.counts[i] ?? 0) + (machine.words[at + meter.latency + i] ?? 0);
    }
    to.maxNs = Math.max(to.maxNs, long(machine, at + meter.latency_max));
  }
}

/** Percentiles of what was measured; undefined where no fault was timed. */
export function latencyOf({ counts, maxNs }: LatencyCounts): FaultLatency | undefined {
  const timed = counts.reduce((sum, count) => sum + count, 0);
  if (timed === 0) return undefined;
  const upToNs: number[] = [];
  const found: number[] = [];
  counts.forEach((count, bucket) => {
    if (count === 0) return;
    upToNs.push(bucket_limit(bucket));
    found.push(count);
  });
  const percentile = (share: number): number => {
    let below = 0;
    const at = found.findIndex((count) => (below += count) >= share * timed);
    return Math.min(upToNs[at] ?? maxNs, maxNs);
  };
  return {
    timed,
    oneIn: FAULT_ONE_IN,
    p50Ns: percentile(0.5),
    p99Ns: percentile(0.99),
    p999Ns: percentile(0.999),
    maxNs,
    histogram: { upToNs, counts: found },
  };
}

/** What is summed up of one lock class. */
export interface LockSums {
  acquisitions: number;
  contended: number;
  spins: number;
  parks: number;
  waitTotal: number;
  waitMax: number;
  holdTotal: number;
  holdMax: number;
  holds: number;
  /** How often each CPU was waited for. */
  waitedFor: number[];
}

export function noLocks(cpus: number): LockSums[] {
  return LOCK_CLASSES.map(() => ({
    acquisitions: 0,
    contended: 0,
    spins: 0,
    parks: 0,
    waitTotal: 0,
    waitMax: 0,
    holdTotal: 0,
    holdMax: 0,
    holds: 0,
    waitedFor: new Array<number>(cpus).fill(0),
  }));
}

/** Adds what a machine has counted and measured of its locks. */
export function addLocks(machine: Machine, to: readonly LockSums[]): void {
  const { words, layout } = machine;
  for (const area of areas(machine)) {
    to.forEach((sums, lockClass) => {
      const stats = area + cpu_area.lock_stats + lockClass * LOCK_STAT_WORDS;
      const at = area + layout.meters + meter.classes + lockClass * METER_CLASS_WORDS;
      sums.acquisitions += words[stats + lock_stat.acquisitions] ?? 0;
      sums.contended += words[stats + lock_stat.contentions] ?? 0;
      sums.spins += words[stats + lock_stat.spins] ?? 0;
      sums.parks += words[stats + lock_stat.parks] ?? 0;
      sums.waitTotal += long(machine, at + meter_class.wait_total);
      sums.waitMax = Math.max(sums.waitMax, long(machine, at + meter_class.wait_max));
      sums.holdTotal += long(machine, at + meter_class.hold_total);
      sums.holdMax = Math.max(sums.holdMax, long(machine, at + meter_class.hold_max));
      sums.holds += words[at + meter_class.holds] ?? 0;
      sums.waitedFor = sums.waitedFor.map((times, cpu) => times + (words[at + meter_class.waited_for + cpu] ?? 0));
    });
  }
}

/** The lock classes that were used, as results tell them. */
export function locksOf(all: readonly LockSums[]): LockUse[] {
  return all.flatMap((sums, lockClass): LockUse[] => {
    if (sums.acquisitions === 0) return [];
    const times = Math.max(...sums.waitedFor);
    return [
      {
        lock: LOCK_CLASSES[lockClass] ?? '?',
        acquisitions: sums.acquisitions,
        contended: sums.contended,
        waitTotalNs: Math.round(sums.waitTotal),
        waitMaxNs: Math.round(sums.waitMax),
        waitMeanNs: sums.contended === 0 ? 0 : Math.round(sums.waitTotal / sums.contended),
        holdsTimed: sums.holds,
        ...(sums.holds === 0
          ? {}
          : { holdMaxNs: Math.round(sums.holdMax), holdMeanNs: Math.round(sums.holdTotal / sums.holds) }),
        ...(times === 0 ? {} : { holder: { cpu: sums.waitedFor.indexOf(times), times } }),
        spins: sums.spins,
        parks: sums.parks,
      },
    ];
  });
}
