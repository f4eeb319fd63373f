// An execution as Chrome trace JSON, for Perfetto, the performance panel of Chrome's DevTools and speedscope: a track per
// CPU with its functions and steps, tracks beside it with the locks it waits for and holds, and an arrow for every lock
// that changes hands.
//
// A step takes a microsecond, and begins at the one of its number: DevTools takes a time of 0 for none. Slices of one
// track must nest, and locks need not be released in the order in which functions return, or in which they were taken:
// they have tracks of their own, and as many as it takes.
import { PID, metadata } from './chrome-event.ts';
import type { ChromeEvent, ChromeTrace } from './chrome-event.ts';
import type { ExecutionRecord, RecordedStep } from '../explore/record.ts';
import { lockSpans } from './lock-spans.ts';
import type { LockSpan } from './lock-spans.ts';
import { hexValue, lockName, stepNumber } from './names.ts';
import type { Names } from './names.ts';
import { nameAccess } from './step-names.ts';
import type { StepNamer } from './step-names.ts';

export interface ChromeTraceOptions {
  readonly names?: Names;
  /** Names the steps; those it does not name are called as accesses. */
  readonly nameStep?: StepNamer;
  /** What the trace is of: its scenario or command. */
  readonly title?: string;
}

/** Track numbers of a CPU: its own, and those of its locks behind it. */
const TRACKS_PER_CPU = 64;
/** The category of steps, and of the arrows between them. */
const STEP = 'step';

/** The trace; `JSON.stringify` makes the file. */
export function chromeTrace(record: ExecutionRecord, options: ChromeTraceOptions = {}): ChromeTrace {
  const cpus = 1 + Math.max(0, ...[...record.steps, ...record.waiting].map(({ cpu }) => cpu));
  const spans = lockSpans(record);
  const events: ChromeEvent[] = [metadata(0, 'process_name', { name: options.title ?? 'pagerace' })];
  for (let cpu = 0; cpu < cpus; cpu++) {
    const steps = record.steps.filter((step) => step.cpu === cpu);
    const tid = cpu * TRACKS_PER_CPU;
    events.push(...track(tid, `CPU ${String(cpu)}`), ...functionSlices(tid, steps));
    events.push(...steps.map((step) => stepSlice(tid, step, options)));
    const own = spans.filter((span) => span.cpu === cpu);
    events.push(...lockTracks(tid, cpu, own, record, options.names ?? {}));
  }
  events.push(...spans.flatMap((span, id) => handOver(span, id + 1, options.names ?? {})));
  return { traceEvents: events, otherData: { token: record.token, end: record.end } };
}

function track(tid: number, name: string): ChromeEvent[] {
  return [metadata(tid, 'thread_name', { name }), metadata(tid, 'thread_sort_index', { sort_index: tid })];
}

/** When the step of an index begins. */
const timeOf = (index: number): number => index + 1;

/** A slice over the steps with indices from `from` to before `to`. */
function slice(tid: number, cat: string, name: string, from: number, to: number): ChromeEvent {
  return { ph: 'X', pid: PID, tid, cat, name, ts: timeOf(from), dur: to - from };
}

function stepSlice(tid: number, step: RecordedStep, options: ChromeTraceOptions): ChromeEvent {
  const access = nameAccess(step, options.names);
  const args = {
    step: Number(stepNumber(step)),
    access,
    ...(step.preempts ? { preempts: true } : {}),
    ...(step.stored ? { before: hexValue(step.before, step.beforeHi), after: hexValue(step.after, step.afterHi) } : {}),
  };
  return { ...slice(tid, STEP, options.nameStep?.(step) ?? access, step.index, step.index + 1), args };
}

/** A slice per function, around its steps and those of the functions that it calls. */
function functionSlices(tid: number, steps: readonly RecordedStep[]): ChromeEvent[] {
  const slices: ChromeEvent[] = [];
  const open: { fn: string; from: number }[] = [];
  let end = 0;
  const close = (depth: number): void => {
    while (open.length > depth) {
      const { fn, from } = open.pop() ?? { fn: '', from: 0 };
      slices.push(slice(tid, 'function', fn, from, end));
    }
  };
  for (const step of steps) {
    const stack = [...step.where].reverse();
    let same = 0;
    while (same < open.length && open[same]?.fn === stack[same]) same += 1;
    close(same);
    for (const fn of stack.slice(same)) open.push({ fn, from: step.index });
    end = step.index + 1;
  }
  close(0);
  // Outer functions first, as viewers want slices that begin together.
  return slices.reverse();
}

/** Waits and holds, each on the first track of the CPU's where it nests. */
function lockTracks(
  tid: number,
  cpu: number,
  spans: readonly LockSpan[],
  record: ExecutionRecord,
  names: Names,
): ChromeEvent[] {
  const end = record.steps.length;
  const slices: { name: string; cat: string; from: number; to: number }[] = [];
  for (const span of spans) {
    const name = lockName(names, span);
    if (span.waitedFrom !== undefined && span.waitedFrom < span.takenAt) {
      slices.push({ name: `wait for ${name}`, cat: 'wait', from: span.waitedFrom, to: span.takenAt });
    }
    const to = Math.min(end, span.releasedAt + 1);
    if (span.takenAt < end) slices.push({ name: `hold ${name}`, cat: 'hold', from: span.takenAt, to });
  }
  slices.sort((a, b) => a.from - b.from || b.to - a.to);
  const lanes: { from: number; to: number }[][] = [];
  const events = slices.map(({ name, cat, from, to }) => {
    let lane = lanes.findIndex((others) => others.every((other) => nests(other, { from, to })));
    if (lane < 0) lane = lanes.push([]) - 1;
    lanes[lane]?.push({ from, to });
    return slice(tid + 1 + lane, cat, name, from, to);
  });
  const tracks = lanes.flatMap((_, lane) =>
    track(tid + 1 + lane, `CPU ${String(cpu)} locks${lane === 0 ? '' : ` ${String(lane + 1)}`}`),
  );
  return [...tracks, ...events];
}

/** Whether two slices are apart, or one lies within the other. */
function nests(a: { from: number; to: number }, b: { from: number; to: number }): boolean {
  if (a.to <= b.from || b.to <= a.from) return true;
  return (a.from <= b.from && b.to <= a.to) || (b.from <= a.from && a.to <= b.to);
}

/**
 * An arrow from the step that releases a lock to the step that takes it after a wait. Perfetto hangs an arrow on the
 * innermost slice that is open at its time, DevTools on the slice that begins then and is of its category.
 */
function handOver(span: LockSpan, id: number, names: Names): ChromeEvent[] {
  if (span.handedBy === undefined) return [];
  const shared = { pid: PID, cat: STEP, name: lockName(names, span), id };
  const from = { tid: span.handedBy.cpu * TRACKS_PER_CPU, ts: timeOf(span.handedBy.releasedAt) };
  return [
    { ph: 's', ...shared, ...from },
    { ph: 'f', bp: 'e', ...shared, tid: span.cpu * TRACKS_PER_CPU, ts: timeOf(span.takenAt) },
  ];
}
