// The lanes of a timeline: what each CPU holds and waits for, who holds each lock that matters, and how wide each step
// is drawn. Places along a lane are steps' indices, from one up to but not including another.
import { lockSpans } from '../../report/lock-spans.ts';
import type { LockSpan } from '../../report/lock-spans.ts';
import type { RecordedStep, Waiting } from '../../explore/record.ts';
import { LOCK_PAGE_TABLE, LOCK_PTL } from '../../kernel/counters.ts';

/** Steps from `from` on and before `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** A lock while the same CPUs hold it. */
export interface Holding extends Range {
  readonly holders: readonly number[];
  readonly forRead: boolean;
  /** The CPU whose release ended the wait of this one; undefined: nobody waited. */
  readonly handedBy: number | undefined;
}

/** One CPU in a lane of a lock, or one lock in the lane of a CPU. */
export interface Part extends Range {
  readonly cpu: number;
  /** Place of the lock among the lanes. */
  readonly lock: number;
}

/** A lock that has a lane. */
export interface LockLane {
  readonly word: number;
  readonly lockClass: number;
  readonly contended: boolean;
  readonly holdings: readonly Holding[];
}

/** All lanes of a timeline. */
export interface Lanes {
  readonly locks: readonly LockLane[];
  /** Who holds those locks when. */
  readonly held: readonly Part[];
  readonly waits: readonly Part[];
  /** CPUs whose stores went out to memory on their own. */
  readonly drains: readonly number[];
}

/** Locks that have a lane at most. */
const MAX_LOCKS = 6;
const PAGE_TABLE_LOCKS: readonly number[] = [LOCK_PTL, LOCK_PAGE_TABLE];

/**
 * The lanes of so many steps, after which `waiting` CPUs wait. Locks of page tables have one as soon as they are taken,
 * others only where somebody waited for them.
 */
export function lanesOf(steps: readonly RecordedStep[], waiting: readonly Waiting[]): Lanes {
  const byWord = new Map<number, LockSpan[]>();
  for (const span of lockSpans({ steps, waiting })) {
    const spans = byWord.get(span.word);
    if (spans === undefined) byWord.set(span.word, [span]);
    else spans.push(span);
  }
  const shown = [...byWord.values()]
    .filter((spans) => spans.some(isPageTableLock) || spans.some(hasWaited))
    .sort((a, b) => weight(a) - weight(b) || firstOf(a) - firstOf(b))
    .slice(0, MAX_LOCKS);
  const held: Part[] = [];
  const waits: Part[] = [];
  const locks = shown.map((spans, lock): LockLane => {
    for (const { cpu, waitedFrom, takenAt, releasedAt } of spans) {
      if (waitedFrom !== undefined) waits.push({ cpu, lock, from: waitedFrom, to: takenAt });
      if (takenAt < steps.length) held.push({ cpu, lock, from: takenAt, to: releasedAt });
    }
    const { word, lockClass } = spans[0] ?? { word: 0, lockClass: 0 };
    return { word, lockClass, contended: spans.some(hasWaited), holdings: holdingsOf(spans, steps.length) };
  });
  const drains = new Set(steps.filter(({ kind }) => kind === 'drain').map(({ cpu }) => cpu));
  return { locks, held, waits, drains: [...drains].sort((a, b) => a - b) };
}

function isPageTableLock(span: LockSpan): boolean {
  return PAGE_TABLE_LOCKS.includes(span.lockClass);
}

function hasWaited(span: LockSpan): boolean {
  return span.waitedFrom !== undefined;
}

/** Contended locks first, those of page tables before others. */
function weight(spans: readonly LockSpan[]): number {
  return (spans.some(hasWaited) ? 0 : 2) + (spans.some(isPageTableLock) ? 0 : 1);
}

function firstOf(spans: readonly LockSpan[]): number {
  return Math.min(...spans.map(({ takenAt }) => takenAt));
}

/** One lock's time, cut where its holders change. */
function holdingsOf(spans: readonly LockSpan[], end: number): Holding[] {
  const taken = spans.filter(({ takenAt }) => takenAt < end);
  const cuts = [...new Set(taken.flatMap(({ takenAt, releasedAt }) => [takenAt, releasedAt]))].sort((a, b) => a - b);
  const holdings: Holding[] = [];
  for (const [i, from] of cuts.entries()) {
    const to = cuts[i + 1];
    if (to === undefined) break;
    const now = taken.filter(({ takenAt, releasedAt }) => takenAt <= from && releasedAt >= to);
    if (now.length === 0) continue;
    holdings.push({
      from,
      to,
      holders: now.map(({ cpu }) => cpu),
      forRead: now.every(({ forRead }) => forRead),
      handedBy: now.find(({ takenAt }) => takenAt === from)?.handedBy?.cpu,
    });
  }
  return holdings;
}

/** How wide steps are drawn, in rem: those with a name as wide as that, all others small. */
export const QUIET_WIDTH = 0.6;
const CHARACTER_WIDTH = 0.49;
const NAME_PADDING = 1;
const MAX_NAME_WIDTH = 14;

/** The width of one step by its name, in rem. */
export function widthOf(text: string | undefined): number {
  if (text === undefined) return QUIET_WIDTH;
  return Math.min(NAME_PADDING + text.length * CHARACTER_WIDTH, MAX_NAME_WIDTH);
}

/** Where steps that stand one after another begin and end. */
export class StepLayout {
  /** Left edges; the last entry is the end of the last step. */
  private readonly edges: Float64Array;

  constructor(widths: readonly number[]) {
    this.edges = new Float64Array(widths.length + 1);
    for (const [i, width] of widths.entries()) this.edges[i + 1] = (this.edges[i] ?? 0) + width;
  }

  get count(): number {
    return this.edges.length - 1;
  }

  get total(): number {
    return this.left(this.count);
  }

  /** The left edge of a step; of one behind the last: where the last ends. */
  left(index: number): number {
    return this.edges[Math.max(0, Math.min(index, this.count))] ?? 0;
  }

  /** How far steps reach from left to right. */
  width({ from, to }: Range): number {
    return this.left(to) - this.left(from);
  }

  /** The step at a place; the first or the last beyond the ends. */
  at(place: number): number {
    let low = 0;
    let high = Math.max(0, this.count - 1);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.left(middle) <= place) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The steps that can be seen between two places. */
  between(left: number, right: number): Range {
    if (this.count === 0) return { from: 0, to: 0 };
    return { from: this.at(left), to: this.at(right) + 1 };
  }
}
