// The lock classes of a series, as `perf lock contention` tells them: which, of what type, which of them mattered.
import type { LockUse } from '../../stress/results.ts';
import type { Series, SeriesPoint } from './analysis.ts';

/** Lock classes that a chart shows: those that were waited for longest. */
const LOCKS_SHOWN = 4;

/** A lock class at a point. */
export interface PointLock {
  readonly point: SeriesPoint;
  readonly lock: LockUse;
}

export function locksOf(series: Series): PointLock[] {
  return series.points.flatMap((point) => point.measured.locks.map((lock) => ({ point, lock })));
}

/** The lock classes of a series that somebody waited for, the longest wait first. */
export function waitedLocks(series: Series): string[] {
  const longest = new Map<string, number>();
  for (const { lock } of locksOf(series)) {
    if (lock.waitTotalNs > 0) longest.set(lock.lock, Math.max(longest.get(lock.lock) ?? 0, lock.waitTotalNs));
  }
  return [...longest].sort(([, a], [, b]) => b - a).map(([name]) => name);
}

/** The lock classes that a chart shows. */
export function shownLocks(series: Series): string[] {
  return waitedLocks(series).slice(0, LOCKS_SHOWN);
}

const RWSEMS: readonly string[] = ['mmap_lock', 'vm_lock', 'anon_vma->rwsem'];

/** What kind of lock a class is: the spinlock's algorithm, rwsem, or a wait for other CPUs. */
export function lockType(lock: string, algorithm: string): string {
  if (RWSEMS.includes(lock)) return 'rwsem';
  return lock === 'ipi' ? 'ipi' : algorithm;
}
