// What a machine's CPUs traced, decoded once it is at rest: their events in the order of time, and how many were lost.
import { sizes_of } from '../kernel/cpu.ts';
import { layout } from '../kernel/layout.ts';
import { TRACE_EVENTS, TRACE_IRQS_OFF, TRACE_PROCESS_SHIFT } from '../kernel/trace.ts';
import { TRACE_EVENT_SHIFT, trace_buffer, trace_buffer_of, trace_event, trace_header } from '../kernel/trace-layout.ts';

export type TraceEventName = (typeof TRACE_EVENTS)[number];

/** One event. */
export interface MachineEvent {
  readonly name: TraceEventName;
  readonly cpu: number;
  /** Nanoseconds, of one clock for all CPUs. */
  readonly time: number;
  /** Number of the operation in the CPU's program, and of the process that it ran. */
  readonly op: number;
  readonly process: number;
  readonly irqsOff: boolean;
  /** What it is about, as trace.ts says for its name; of page_fault_user: address and error code. */
  readonly fields: readonly number[];
}

/** The trace of one CPU. */
export interface CpuTrace {
  readonly cpu: number;
  /** Events that it wrote, and those of them that were overwritten. */
  readonly written: number;
  readonly lost: number;
}

/** The trace of a machine. */
export interface MachineTrace {
  readonly cpus: readonly CpuTrace[];
  /** In the order of time; those of one CPU in its order. */
  readonly events: readonly MachineEvent[];
}

/** Fields that an event has room for. */
const FIELDS = 4;
const NAME_MASK = 0xff;

/** What to add to this thread's `performance.now()`, in nanoseconds, for the clock that all threads share. */
export function clockOffset(): number {
  return Number(process.hrtime.bigint()) - performance.now() * 1e6;
}

/** Reads the trace of a machine at rest. */
export function readTrace(buffer: SharedArrayBuffer): MachineTrace {
  const words = new Int32Array(buffer);
  const doubles = new Float64Array(buffer);
  const room = words[trace_header.events] ?? 0;
  const sizes = sizes_of(words);
  const at = layout(sizes);
  const events: MachineEvent[] = [];
  const cpus: CpuTrace[] = [];
  for (let cpu = 0; cpu < sizes.cpus && room > 0; cpu++) {
    const base = trace_buffer_of(at, room, cpu);
    const written = doubles[(base + trace_buffer.written) >> 1] ?? 0;
    const first = Math.max(0, written - room);
    cpus.push({ cpu, written, lost: first });
    for (let n = first; n < written; n++) {
      const word = base + trace_buffer.events + ((n % room) << TRACE_EVENT_SHIFT);
      events.push(decoded(words, doubles, word, cpu));
    }
  }
  // Sorting is stable, and each CPU's events are in its order.
  return { cpus, events: events.sort((a, b) => a.time - b.time) };
}

function decoded(words: Int32Array, doubles: Float64Array, word: number, cpu: number): MachineEvent {
  const what = words[word + trace_event.what] ?? 0;
  const name = TRACE_EVENTS[what & NAME_MASK];
  if (name === undefined) throw new Error(`readTrace: there is no event ${String(what & NAME_MASK)}`);
  const from = word + trace_event.fields;
  const fields =
    name === 'page_fault_user'
      ? [doubles[from >> 1] ?? 0, words[from + 2] ?? 0]
      : Array.from(words.subarray(from, from + FIELDS));
  return {
    name,
    cpu,
    time: doubles[(word + trace_event.time) >> 1] ?? 0,
    op: words[word + trace_event.op] ?? 0,
    process: what >>> TRACE_PROCESS_SHIFT,
    irqsOff: (what & TRACE_IRQS_OFF) !== 0,
    fields,
  };
}
