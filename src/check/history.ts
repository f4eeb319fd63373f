// Histories: what each CPU loaded, stored and discarded, and when, by the machine's ticket clock.
//
// A worker sends its history back as one Float64Array, EVENT_DOUBLES numbers an event; judges read MemoryEvents.
import { EVENT_DISCARD, EVENT_DOUBLES, EVENT_LOAD, EVENT_STORE } from '../kernel/program.ts';

/** One load, store or discard of one CPU; times are tickets of the machine's clock. */
export interface MemoryEvent {
  cpu: number;
  kind: 'load' | 'store' | 'discard';
  /** Word address; first byte for a discard. */
  addr: number;
  /** Bytes, for a discard. */
  length: number;
  /** Value stored or loaded. */
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
    const failed = history[at + 5] !== 0;
    if (kind === EVENT_DISCARD) {
      events.push({ cpu, kind: 'discard', addr, length: value, value: 0, invoked, returned, failed });
    } else if (!failed) {
      // A store's value may be written as an unsigned number; what a load returns is a signed one.
      const name = kind === EVENT_STORE ? 'store' : 'load';
      events.push({ cpu, kind: name, addr, length: 4, value: value | 0, invoked, returned });
    }
  }
  return events;
}

/** Encodes events of one CPU as decodeHistory reads them. */
export function encodeHistory(events: readonly MemoryEvent[]): Float64Array {
  const history = new Float64Array(events.length * EVENT_DOUBLES);
  events.forEach((event, i) => {
    const kind = event.kind === 'discard' ? EVENT_DISCARD : event.kind === 'store' ? EVENT_STORE : EVENT_LOAD;
    const value = event.kind === 'discard' ? event.length : event.value;
    history.set(
      [kind, event.addr, value, event.invoked, event.returned, event.failed === true ? 1 : 0],
      i * EVENT_DOUBLES,
    );
  });
  return history;
}
