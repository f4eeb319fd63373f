// Histories: what each CPU loaded, stored and discarded, and when, by the machine's ticket clock.
//
// A worker sends its history back as one Float64Array, EVENT_DOUBLES numbers an event; judges read MemoryEvents.
import {
  EVENT_CLEAR,
  EVENT_DISCARD,
  EVENT_DOUBLES,
  EVENT_FORK,
  EVENT_LEFT_OUT,
  EVENT_LOAD,
  EVENT_STORE,
} from '../kernel/program.ts';
import { EVENT_FILL, EVENT_MISSING, EVENT_UNWATCHED } from '../kernel/monitor.ts';

/** What a missing page holds that a monitor watches: no word is this, so no load returns it. */
export const MISSING: number = 2 ** 32;

/** One load, store, fill, discard, fork or clearing of soft-dirty bits by one CPU; times are tickets of the machine's clock. */
export interface MemoryEvent {
  cpu: number;
  kind: 'load' | 'store' | 'fill' | 'discard' | 'fork' | 'clear';
  /** Number of the process that did it, 0 if left out: addresses of different processes are different memory. */
  process?: number;
  /** For a fork: the number of the process that began with the memory of `process`. */
  child?: number;
  /** For a fork: ranges in which the child's memory began as zeroes, or unmapped. */
  leftOut?: { addr: number; length: number }[];
  /** Word address; first byte for a fill or a discard; else 0. */
  addr: number;
  /** Bytes, for a fill or a discard. */
  length: number;
  /** Value stored or loaded; what every word of a fill becomes, MISSING where it is nothing. */
  value: number;
  invoked: number;
  returned: number;
  /** A discard that ended in an error: it may have done nothing, or a part. */
  failed?: boolean;
}

/** Decodes one CPU's history. Loads and stores that ended in a signal did not happen. */
export function decodeHistory(cpu: number, history: Float64Array): MemoryEvent[] {
  const events: MemoryEvent[] = [];
  for (let at = 0; at + EVENT_DOUBLES <= history.length; at += EVENT_DOUBLES) {
    const kind = history[at]!;
    const addr = history[at + 1]!;
    const value = history[at + 2]!;
    const invoked = history[at + 3]!;
    const returned = history[at + 4]!;
    const signal = history[at + 5]!;
    const failed = signal !== 0;
    const process = history[at + 6]!;
    if (kind === EVENT_DISCARD) {
      events.push({ cpu, kind: 'discard', process, addr, length: value, value: 0, invoked, returned, failed });
    } else if (kind === EVENT_FILL || kind === EVENT_MISSING) {
      const word = kind === EVENT_MISSING ? MISSING : signal | 0;
      events.push({ cpu, kind: 'fill', process, addr, length: value, value: word, invoked, returned });
    } else if (kind === EVENT_UNWATCHED) {
      // What was not missing stays as it is.
      const some = { cpu, kind: 'discard', process, addr, length: value, value: 0, failed: true } as const;
      events.push({ ...some, invoked, returned });
    } else if (kind === EVENT_FORK) {
      events.push({ cpu, kind: 'fork', process, child: addr, addr: 0, length: 0, value: 0, invoked, returned });
    } else if (kind === EVENT_LEFT_OUT) {
      const fork = events.at(-1);
      if (fork?.kind === 'fork') (fork.leftOut ??= []).push({ addr, length: value });
    } else if (kind === EVENT_CLEAR) {
      events.push({ cpu, kind: 'clear', process, addr: 0, length: 0, value: 0, invoked, returned });
    } else if (!failed) {
      // A store's value may be written as an unsigned number; what a load returns is a signed one.
      const name = kind === EVENT_STORE ? 'store' : 'load';
      events.push({ cpu, kind: name, process, addr, length: 4, value: value | 0, invoked, returned });
    }
  }
  return events;
}

const EVENT_KINDS = {
  load: EVENT_LOAD,
  store: EVENT_STORE,
  fill: EVENT_FILL,
  discard: EVENT_DISCARD,
  fork: EVENT_FORK,
  clear: EVENT_CLEAR,
};

/** Encodes events of one CPU as decodeHistory reads them. */
export function encodeHistory(events: readonly MemoryEvent[]): Float64Array {
  const rows = events.flatMap((event) => {
    const { kind, invoked, returned, process = 0, child = 0, leftOut = [] } = event;
    const addr = kind === 'fork' ? child : event.addr;
    const value = kind === 'discard' || kind === 'fill' ? event.length : event.value;
    const failed = kind === 'fill' ? event.value : event.failed === true ? 1 : 0;
    if (kind === 'fill' && event.value === MISSING) {
      return [[EVENT_MISSING, addr, value, invoked, returned, 0, process]];
    }
    return [
      [EVENT_KINDS[kind], addr, value, invoked, returned, failed, process],
      ...leftOut.map((range) => [EVENT_LEFT_OUT, range.addr, range.length, invoked, returned, 0, child]),
    ];
  });
  return Float64Array.from(rows.flat());
}
