// Where a machine's trace buffers live: behind all that layout.ts lays out, one for each CPU.
//
// Apart from layout.ts, because tokens of weak memory are made for that layout, and tracing moves none of its words.
import type { Layout } from './layout.ts';
import type { Word } from './memory.ts';

/** The last of the header's HEADER_WORDS words, which layout.ts fills from its beginning. */
export const trace_header = {
  /** Events that each CPU's buffer has room for; 0: the machine has none. */
  events: 62,
  /** 1: CPUs that attach from now on trace what they do (tracing_on of tracefs). */
  tracing_on: 63,
} as const;

/** A CPU's buffer: how many events it wrote (long), then a ring of the last ones. */
export const trace_buffer = { written: 0, events: 8 } as const;

/**
 * An event: its TRACE_* number with its flags, number of the operation in the CPU's program, nanoseconds (long), then
 * what it is about, as trace.ts says for each.
 */
export const trace_event = { what: 0, op: 1, time: 2, fields: 4 } as const;
/** log2 of the words of an event. */
export const TRACE_EVENT_SHIFT = 3;

/** Words of the buffers of `cpus` CPUs with room for so many events each. */
export function trace_words(events: number, cpus: number): number {
  return events === 0 ? 0 : cpus * (trace_buffer.events + (events << TRACE_EVENT_SHIFT));
}

/** The buffer of CPU `id`. */
export function trace_buffer_of(layout: Layout, events: number, id: number): Word {
  return Math.ceil(layout.words / 16) * 16 + trace_words(events, id);
}
