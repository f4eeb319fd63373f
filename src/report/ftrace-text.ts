// An execution as `trace-cmd report` prints a kernel trace: task, CPU, flags, time, event, fields. A step takes a
// microsecond; what the kernel has a tracepoint for goes by its name and fields, other steps by the access they are.
import type { ExecutionRecord, RecordedStep } from '../explore/record.ts';
import { lockSpans } from './lock-spans.ts';
import type { LockSpan } from './lock-spans.ts';
import { addressOf, commOf, hexValue, pidOf } from './names.ts';
import { notesAfter } from './step-names.ts';

export interface FtraceOptions {
  /** The page frame number of a struct page's word. */
  readonly pfnOf?: (page: number) => number;
  /** MM_ANONPAGES in pages, after a step. */
  readonly rssAfter?: (step: RecordedStep) => number;
  /** Leaves out what has no tracepoint in the kernel. */
  readonly kernelEventsOnly?: boolean;
}

interface TraceEvent {
  readonly cpu: number;
  /** A step's index. */
  readonly at: number;
  readonly name: string;
  readonly fields: string;
}

const MICROSECONDS = 1_000_000;
const PAGE_BYTES = 4096;
/** Longest value that a step keeps, in words. */
const MAX_VALUE_WORDS = 2;
const FAULT_FLAG_WRITE = 1;
/** X86_PF_USER, and X86_PF_WRITE beside it. */
const PF_USER = 4;
const PF_WRITE = 2;
/** The kind of page that anonymous memory is made of: MIGRATE_MOVABLE. */
const MIGRATE_MOVABLE = 1;
const SPIN_KINDS: readonly string[] = ['lock', 'trylock'];

/** The trace, a line per event; what happens in one step stays in the order in which it happens. */
export function renderFtrace(record: ExecutionRecord, options: FtraceOptions = {}): string {
  const spans = lockSpans(record);
  const notes = notesAfter(record);
  const events: TraceEvent[] = [];
  for (const step of record.steps) {
    if (options.kernelEventsOnly !== true) events.push(accessEvent(step));
    for (const { note, values } of notes.get(step.index) ?? []) {
      const event = noteEvent(step, note, values, options);
      if (event !== undefined) events.push(event);
    }
  }
  for (const span of spans) events.push(...contentionEvents(span, record));
  // A wait begins before, and ends with, the step that takes the lock; sorting keeps the order of what is added.
  const sorted = events.map((event, i) => ({ event, i })).sort((a, b) => a.event.at - b.event.at || a.i - b.i);
  const cpus = new Set(record.steps.map(({ cpu }) => cpu)).size;
  return [`cpus=${String(cpus)}`, ...sorted.map(({ event }) => traceLine(event, spans, record))].join('\n');
}

function traceLine(event: TraceEvent, spans: readonly LockSpan[], record: ExecutionRecord): string {
  const task = `${commOf(event.cpu).padStart(16)}-${String(pidOf(event.cpu)).padEnd(5)}`;
  const seconds = Math.floor(event.at / MICROSECONDS);
  const time = `${String(seconds).padStart(6)}.${String(event.at % MICROSECONDS).padStart(6, '0')}`;
  const cpu = `[${String(event.cpu).padStart(3, '0')}]`;
  const head = `${task} ${cpu} ${flags(event, spans, record)} ${time}: `;
  return `${head}${`${event.name}:`.padEnd(20)} ${event.fields}`.trimEnd();
}

/** irqs-off, need-resched, context, preempt-depth: a task holds so many spinlocks. */
function flags(event: TraceEvent, spans: readonly LockSpan[], record: ExecutionRecord): string {
  const depth = spans.filter((span) => {
    const spin = SPIN_KINDS.includes(record.steps[span.takenAt]?.kind ?? '');
    return spin && span.cpu === event.cpu && span.takenAt <= event.at && span.releasedAt > event.at;
  }).length;
  return `...${depth === 0 ? '.' : String(Math.min(depth, 9))}`;
}

function accessEvent(step: RecordedStep): TraceEvent {
  const at = step.where[0] === undefined ? '' : ` <-${step.where[0]}`;
  const size = step.width === 0 ? '' : `word=${addressOf(step.word)} len=${String(step.width * 4)}`;
  const value = hexValue(step.after, step.afterHi);
  const was = step.stored ? `${hexValue(step.before, step.beforeHi)}->${value}` : value;
  const fields = step.width === 0 || step.width > MAX_VALUE_WORDS ? size : `${size} value=${was}`;
  return { cpu: step.cpu, at: step.index, name: step.kind.replaceAll('-', '_'), fields: `${fields}${at}`.trim() };
}

/** The kernel's tracepoint for a remark; other remarks by their own names. */
function noteEvent(
  step: RecordedStep,
  note: string,
  values: readonly unknown[],
  options: FtraceOptions,
): TraceEvent | undefined {
  const event = (name: string, fields: string): TraceEvent => ({ cpu: step.cpu, at: step.index, name, fields });
  const [fault, second] = values;
  const folio = typeof second === 'number' ? second : 0;
  const page = `page=${addressOf(folio)}${options.pfnOf === undefined ? '' : ` pfn=${hexValue(options.pfnOf(folio), 0)}`}`;
  if (note === 'call') {
    const code = PF_USER | ((numberField(fault, 'flags') & FAULT_FLAG_WRITE) !== 0 ? PF_WRITE : 0);
    const address = numberField(fault, 'real_address').toString(16);
    return event('page_fault_user', `address=0x${address} ip=0x0 error_code=0x${code.toString(16)}`);
  }
  if (note === 'alloc_anon_folio' && folio !== 0) {
    const flagsText = 'gfp_flags=GFP_HIGHUSER_MOVABLE|__GFP_ZERO';
    return event('mm_page_alloc', `${page} order=0 migratetype=${String(MIGRATE_MOVABLE)} ${flagsText}`);
  }
  if (note === 'lost' && folio !== 0) return event('mm_page_free', `${page} order=0`);
  if (note === 'add_mm_counter') {
    const pages = options.rssAfter?.(step);
    const size = pages === undefined ? '' : ` size=${String(pages * PAGE_BYTES)}B`;
    return event('rss_stat', `mm_id=1 curr=1 type=MM_ANONPAGES${size}`);
  }
  return options.kernelEventsOnly === true || note === 'op' ? undefined : event(note, argument(second));
}

/** What a remark names beside the fault: a number, or a table entry. */
function argument(value: unknown): string {
  if (typeof value === 'number') return `arg=${hexValue(value, 0)}`;
  const isEntry = typeof value === 'object' && value !== null && 'lo' in value && 'hi' in value;
  return isEntry ? `entry=${hexValue(numberField(value, 'lo'), numberField(value, 'hi'))}` : '';
}

function numberField(object: unknown, field: string): number {
  if (typeof object !== 'object' || object === null) return 0;
  const value = (object as Readonly<Record<string, unknown>>)[field];
  return typeof value === 'number' ? value : 0;
}

function contentionEvents(span: LockSpan, record: ExecutionRecord): TraceEvent[] {
  if (span.waitedFrom === undefined) return [];
  const { cpu, word } = span;
  const kind = record.steps[span.takenAt]?.kind;
  const how = kind === 'read-lock' ? 'READ' : kind === 'write-lock' ? 'WRITE' : 'SPIN';
  const begin = { cpu, at: span.waitedFrom, name: 'contention_begin', fields: `${addressOf(word)} (flags=${how})` };
  if (span.takenAt === record.steps.length) return [begin];
  return [begin, { cpu, at: span.takenAt, name: 'contention_end', fields: `${addressOf(word)} (ret=0)` }];
}
