// Histories: what each CPU loaded, stored, discarded and moved, and when, by the machine's ticket clock.
//
// A worker sends its history back as one Float64Array, EVENT_DOUBLES numbers an event; judges read MemoryEvents.
import {
  EVENT_ADD,
  EVENT_CLEAR,
  EVENT_DISCARD,
  EVENT_DOUBLES,
  EVENT_FILL,
  EVENT_FORK,
  EVENT_LEFT_OUT,
  EVENT_LOAD,
  EVENT_MISSING,
  EVENT_MOVE,
  EVENT_STORE,
  EVENT_UNWATCHED,
} from '../kernel/observations.ts';

/** What a missing page holds that a monitor watches: no word is this, so no load returns it. */
export const MISSING: number = 2 ** 32;

/** What one CPU did to memory, or to what is known of it; times are tickets of the machine's clock. */
export interface MemoryEvent {
  cpu: number;
  /**
   * `add`: an atomic add, which loads and stores at once. `fill`: every word of a range was stored at once. `move`: mremap
   * gave the contents of a range to another. `clear`: of soft-dirty bits.
   */
  kind: 'load' | 'store' | 'add' | 'fill' | 'discard' | 'move' | 'fork' | 'clear';
  /** Number of the process that did it, 0 if left out: addresses of different processes are different memory. */
  process?: number;
  /** For a fork: the number of the process that began with the memory of `process`. */
  child?: number;
  /** For a fork: ranges in which the child's memory began as zeroes, or unmapped. */
  leftOut?: { addr: number; length: number }[];
  /** First byte; 0 for a fork or a clearing. */
  addr: number;
  /** Bytes. */
  length: number;
  /** Value stored or loaded; of an add, the one loaded; what every word of a fill becomes, MISSING where it is nothing. */
  value: number;
  invoked: number;
  returned: number;
  /** A discard or move that ended in an error: it may have done nothing, or a part. */
  failed?: boolean;
  /** What an add left. */
  stored?: number;
  /** First byte of where a move went. */
  to?: number;
}

const WORD_BYTES = 4;

/** Decodes one CPU's history. Accesses that ended in a signal did not happen. */
export function decodeHistory(cpu: number, history: Float64Array): MemoryEvent[] {
  const events: MemoryEvent[] = [];
  for (let at = 0; at + EVENT_DOUBLES <= history.length; at += EVENT_DOUBLES) {
    if (history[at] === EVENT_LEFT_OUT) {
      const fork = events.at(-1);
      if (fork?.kind === 'fork') (fork.leftOut ??= []).push({ addr: history[at + 1]!, length: history[at + 2]! });
      continue;
    }
    const event = decoded(cpu, history, at);
    if (event !== undefined) events.push(event);
  }
  return events;
}

function decoded(cpu: number, history: Float64Array, at: number): MemoryEvent | undefined {
  const kind = history[at]!;
  const addr = history[at + 1]!;
  const value = history[at + 2]!;
  const invoked = history[at + 3]!;
  const returned = history[at + 4]!;
  const failed = history[at + 5] !== 0;
  const process = history[at + 6]!;
  const more = history[at + 7]!;
  switch (kind) {
    case EVENT_DISCARD:
      return { cpu, kind: 'discard', process, addr, length: value, value: 0, invoked, returned, failed };
    case EVENT_MOVE:
      return { cpu, kind: 'move', process, addr, length: value, value: 0, invoked, returned, failed, to: more };
    case EVENT_FILL:
      return { cpu, kind: 'fill', process, addr, length: value, value: more | 0, invoked, returned };
    case EVENT_MISSING:
      return { cpu, kind: 'fill', process, addr, length: value, value: MISSING, invoked, returned };
    case EVENT_UNWATCHED:
      // What was not missing stays as it is.
      return { cpu, kind: 'discard', process, addr, length: value, value: 0, invoked, returned, failed: true };
    case EVENT_FORK:
      return { cpu, kind: 'fork', process, child: addr, addr: 0, length: 0, value: 0, invoked, returned };
    case EVENT_CLEAR:
      return { cpu, kind: 'clear', process, addr: 0, length: 0, value: 0, invoked, returned };
  }
  if (failed) return undefined;
  // Words are compared as signed numbers, however they were written.
  if (kind === EVENT_ADD) {
    const stored = (value + more) | 0;
    return { cpu, kind: 'add', process, addr, length: WORD_BYTES, value: value | 0, invoked, returned, stored };
  }
  const seen = more === WORD_BYTES ? value | 0 : value;
  return {
    cpu,
    kind: kind === EVENT_STORE ? 'store' : 'load',
    process,
    addr,
    length: more,
    value: seen,
    invoked,
    returned,
  };
}

const EVENT_KINDS: Readonly<Record<MemoryEvent['kind'], number>> = {
  load: EVENT_LOAD,
  store: EVENT_STORE,
  add: EVENT_ADD,
  fill: EVENT_FILL,
  discard: EVENT_DISCARD,
  move: EVENT_MOVE,
  fork: EVENT_FORK,
  clear: EVENT_CLEAR,
};

/** Encodes events of one CPU as decodeHistory reads them. */
export function encodeHistory(events: readonly MemoryEvent[]): Float64Array {
  const rows = events.flatMap((event) => {
    const { kind, invoked, returned, process = 0, child = 0, leftOut = [] } = event;
    const addr = kind === 'fork' ? child : event.addr;
    const isRange = kind === 'discard' || kind === 'move' || kind === 'fill';
    const value = isRange ? event.length : event.value;
    const failed = event.failed === true ? 1 : 0;
    const isMissing = kind === 'fill' && event.value === MISSING;
    return [
      [isMissing ? EVENT_MISSING : EVENT_KINDS[kind], addr, value, invoked, returned, failed, process, moreOf(event)],
      ...leftOut.map((range) => [EVENT_LEFT_OUT, range.addr, range.length, invoked, returned, 0, child, 0]),
    ];
  });
  return Float64Array.from(rows.flat());
}

function moreOf({ kind, length, value, stored = 0, to = 0 }: MemoryEvent): number {
  if (kind === 'add') return (stored - value) | 0;
  if (kind === 'move') return to;
  if (kind === 'fill') return value === MISSING ? 0 : value;
  return kind === 'load' || kind === 'store' ? length : 0;
}
