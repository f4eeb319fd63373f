// Who held which lock from when to when, and who waited for it, read off the steps of an execution.
//
// An explorer disables a CPU that waits instead of stepping it, so a wait leaves no step: a CPU has waited if another
// held the lock at some time between its step before and its taking of the lock.
import type { ExecutionRecord, RecordedStep } from '../explore/record.ts';

/** One taking of a lock. Times are steps' indices. */
export interface LockSpan {
  readonly cpu: number;
  readonly word: number;
  readonly lockClass: number;
  readonly forRead: boolean;
  /** When it began to wait; undefined: it did not. */
  readonly waitedFrom: number | undefined;
  /** When it took the lock; the number of steps if it waited to the end. */
  readonly takenAt: number;
  /** When it released it; the number of steps if it never did. */
  releasedAt: number;
  /** Whose release ended the wait. */
  readonly handedBy: LockSpan | undefined;
}

const TAKES: readonly string[] = ['lock', 'trylock', 'read-lock', 'read-trylock', 'write-lock'];
const RELEASES: readonly string[] = ['unlock', 'read-unlock', 'write-unlock'];

/** All takings of locks, in the order in which they were taken; those that still waited in the end come last. */
export function lockSpans(record: Pick<ExecutionRecord, 'steps' | 'waiting'>): LockSpan[] {
  const { steps } = record;
  const end = steps.length;
  const spans: LockSpan[] = [];
  const lastStep = new Map<number, number>();
  for (const step of steps) {
    const since = (lastStep.get(step.cpu) ?? -1) + 1;
    lastStep.set(step.cpu, step.index);
    if (RELEASES.includes(step.kind)) {
      const held = spans.findLast((span) => holds(span, step) && span.releasedAt === end);
      if (held !== undefined) held.releasedAt = step.index;
    } else if (TAKES.includes(step.kind) && step.stored) {
      const forRead = step.kind.startsWith('read');
      // Who only tries does not wait.
      const found = step.kind.endsWith('trylock') ? NO_WAIT : wait(spans, step, forRead, since, step.index);
      spans.push(spanOf(step, forRead, found, step.index, end));
    }
  }
  for (const waiting of record.waiting) {
    const since = (lastStep.get(waiting.cpu) ?? -1) + 1;
    const found = wait(spans, waiting, false, since, end);
    if (found.from !== undefined) spans.push(spanOf(waiting, false, found, end, end));
  }
  return spans;
}

/** Locks that a CPU holds just before step `index`. */
export function heldBefore(spans: readonly LockSpan[], cpu: number, index: number): LockSpan[] {
  return spans.filter((span) => span.cpu === cpu && span.takenAt < index && span.releasedAt >= index);
}

interface Locking {
  readonly cpu: number;
  readonly word: number;
  readonly lockClass: number;
}

interface Wait {
  readonly from: number | undefined;
  readonly by: LockSpan | undefined;
}

const NO_WAIT: Wait = { from: undefined, by: undefined };

function holds(span: LockSpan, step: RecordedStep): boolean {
  return span.cpu === step.cpu && span.word === step.word;
}

function spanOf(lock: Locking, forRead: boolean, wait: Wait, takenAt: number, releasedAt: number): LockSpan {
  const { cpu, word, lockClass } = lock;
  return { cpu, word, lockClass, forRead, waitedFrom: wait.from, takenAt, releasedAt, handedBy: wait.by };
}

/** The wait of a CPU that wants the lock from `since` on and takes it at `until`. */
function wait(spans: readonly LockSpan[], lock: Locking, forRead: boolean, since: number, until: number): Wait {
  // Another that wants it as well may have been served in between: the wait goes on.
  const others = spans.filter(
    (span) =>
      span.word === lock.word &&
      span.cpu !== lock.cpu &&
      !(forRead && span.forRead) &&
      span.releasedAt >= since &&
      span.takenAt < until,
  );
  if (others.length === 0) return NO_WAIT;
  const from = Math.max(since, Math.min(...others.map((span) => span.takenAt + 1)));
  const by = others.reduce((last, span) => (span.releasedAt > last.releasedAt ? span : last));
  return { from, by: by.releasedAt < until ? by : undefined };
}
