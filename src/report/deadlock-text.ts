// An execution that cannot end, as text: who waits for what, held by whom, and the circle in it.
import type { ExecutionRecord, Waiting } from '../explore/record.ts';
import { heldBefore, lockSpans } from './lock-spans.ts';
import type { LockSpan } from './lock-spans.ts';
import { lockName, wordName } from './names.ts';
import type { Names } from './names.ts';
import { grouped, wrapText } from './text.ts';

/** Lines for an execution that ended in a deadlock or at its bound; none for one that is complete. */
export function renderDeadlock(record: ExecutionRecord, names: Names = {}): string[] {
  if (record.end === 'complete') return [];
  const spans = lockSpans(record);
  const waits = record.waiting.map((waiting) => waitText(waiting, record, spans, names));
  const circle = circleOf(record, spans);
  const head =
    record.end === 'deadlock'
      ? 'deadlock: nobody can go on'
      : `livelock: no end after ${grouped(record.steps.length)} steps, somebody loops without progress`;
  return [
    ...wrapText(head, '', '  '),
    ...waits.flatMap((text) => wrapText(text, '  ', '    ')),
    ...(circle.length === 0 ? [] : wrapText(circleText(circle, names), '  ', '    ')),
  ];
}

/** Who holds the lock in the end. */
function holderOf(waiting: Waiting, record: ExecutionRecord, spans: readonly LockSpan[]): LockSpan | undefined {
  const end = record.steps.length;
  const held = spans.filter((span) => span.word === waiting.word && span.takenAt < end && span.releasedAt === end);
  return held.find((span) => span.cpu === waiting.holder) ?? held.find((span) => span.cpu !== waiting.cpu) ?? held[0];
}

function waitText(waiting: Waiting, record: ExecutionRecord, spans: readonly LockSpan[], names: Names): string {
  const cpu = `CPU${String(waiting.cpu)}`;
  const held = holderOf(waiting, record, spans);
  const holder = held?.cpu ?? waiting.holder;
  const mine = heldBefore(spans, waiting.cpu, record.steps.length).map((span) => lockName(names, span));
  const holding = mine.length === 0 ? '' : `; it holds ${mine.join(', ')}`;
  if (holder === undefined) {
    const value = record.steps.findLast((step) => step.word === waiting.word)?.after;
    const stays = value === undefined ? 'which nobody will change' : `which stays ${String(value)}`;
    return `${cpu} waits for ${wordName(names, waiting.word)}, ${stays}${holding}`;
  }
  const since = held === undefined ? '' : ` since step ${String(held.takenAt + 1)}`;
  const by = holder === waiting.cpu ? 'which it holds itself' : `held by CPU${String(holder)}`;
  return `${cpu} waits for ${lockName(names, waiting)}, ${by}${since}${holder === waiting.cpu ? '' : holding}`;
}

/** CPUs that wait for each other in a circle, from the lowest on; empty: there is none. */
function circleOf(record: ExecutionRecord, spans: readonly LockSpan[]): Waiting[] {
  for (const start of record.waiting) {
    const path: Waiting[] = [];
    let at: Waiting | undefined = start;
    while (at !== undefined && !path.includes(at)) {
      path.push(at);
      const holder: number | undefined = holderOf(at, record, spans)?.cpu ?? at.holder;
      at = record.waiting.find((waiting) => waiting.cpu === holder);
    }
    if (at === start && path.length > 1) return path;
  }
  return [];
}

function circleText(circle: readonly Waiting[], names: Names): string {
  const links = circle.map((waiting) => `CPU${String(waiting.cpu)} -> ${lockName(names, waiting)}`);
  return `circle: ${[...links, `CPU${String(circle[0]?.cpu ?? 0)}`].join(' -> ')}`;
}
