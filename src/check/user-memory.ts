// The user-memory judge (I13): every load's value must be explained by an order of the stores.
//
// Each word of user memory is a register that starts as 0. A history says when each load and store began and ended; an
// order that respects those times and gives every load the value it saw must exist (linearizability, per location).
// A discard (MADV_DONTNEED, munmap, a mapping over another) makes the word 0 at some moment while it runs; until it
// returns, other CPUs may still use the old page through their TLBs, so loads meanwhile may see either, and a store
// meanwhile may be lost.
import { EVENT_DISCARD, EVENT_DOUBLES, EVENT_STORE } from '../kernel/program.ts';
import { addressText, finding } from './finding.ts';
import type { Finding } from './finding.ts';

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
}

/** Decodes one CPU's history; accesses that ended in a signal did not happen. */
export function decodeHistory(cpu: number, history: Float64Array): MemoryEvent[] {
  const events: MemoryEvent[] = [];
  for (let at = 0; at + EVENT_DOUBLES <= history.length; at += EVENT_DOUBLES) {
    const [kind = 0, addr = 0, value = 0, invoked = 0, returned = 0, signal = 0] = history.subarray(
      at,
      at + EVENT_DOUBLES,
    );
    if (signal !== 0) continue;
    const name = kind === EVENT_DISCARD ? 'discard' : kind === EVENT_STORE ? 'store' : 'load';
    const length = name === 'discard' ? value : 4;
    events.push({ cpu, kind: name, addr, length, value: name === 'discard' ? 0 : value, invoked, returned });
  }
  return events;
}

/** Operations that may overlap in one location's search: more is not decided. */
const MAX_OVERLAPPING = 24;

/** One operation on one location. */
interface Operation extends MemoryEvent {
  /** Races a discard: a store may be lost, a load may see anything that was ever stored. */
  loose: boolean;
}

/** What checking one location came to. */
type LocationVerdict = { ok: true } | { ok: false; at: Operation } | { ok: undefined };

/**
 * The values that a run of overlapping operations can leave, from one that it can start with. Searches all orders
 * (Wing and Gong), remembering sets of operations already placed with the value they left (Lowe).
 */
function possibleEnds(operations: readonly Operation[], start: number, ends: Set<number>): void {
  const all = operations.length === 32 ? -1 : (1 << operations.length) - 1;
  const seen = new Set<string>();
  const search = (placed: number, value: number): void => {
    const key = `${String(placed)}:${String(value)}`;
    if (seen.has(key)) return;
    seen.add(key);
    if (placed === all) {
      ends.add(value);
      return;
    }
    let firstReturn = Infinity;
    operations.forEach((op, i) => {
      if ((placed & (1 << i)) === 0) firstReturn = Math.min(firstReturn, op.returned);
    });
    operations.forEach((op, i) => {
      if ((placed & (1 << i)) !== 0 || op.invoked > firstReturn) return;
      const next = placed | (1 << i);
      if (op.kind === 'discard') search(next, 0);
      else if (op.kind === 'store') {
        search(next, op.value);
        if (op.loose) search(next, value);
      } else if (op.loose || op.value === value) search(next, value);
    });
  };
  search(0, start);
}

/** Checks one location's operations, in order of their beginnings. */
function checkLocation(operations: readonly Operation[]): LocationVerdict {
  let values = new Set<number>([0]);
  for (let from = 0; from < operations.length;) {
    let to = from + 1;
    let busyUntil = operations[from]?.returned ?? 0;
    while (to < operations.length && (operations[to]?.invoked ?? Infinity) < busyUntil) {
      busyUntil = Math.max(busyUntil, operations[to]?.returned ?? 0);
      to += 1;
    }
    const run = operations.slice(from, to);
    if (run.length > MAX_OVERLAPPING) return { ok: undefined };
    const ends = new Set<number>();
    for (const value of values) possibleEnds(run, value, ends);
    if (ends.size === 0) return { ok: false, at: run.find((op) => op.kind === 'load') ?? run[0] ?? never() };
    values = ends;
    from = to;
  }
  return { ok: true };
}

function never(): never {
  throw new Error('checkLocation: a run without operations');
}

/** Loads and stores by address, with the discards that touch it, in order of their beginnings. */
function byLocation(events: readonly MemoryEvent[]): Map<number, Operation[]> {
  const locations = new Map<number, Operation[]>();
  const discards = events.filter((event) => event.kind === 'discard');
  for (const event of events) {
    if (event.kind === 'discard') continue;
    let operations = locations.get(event.addr);
    if (operations === undefined) {
      const touching = discards.filter((d) => d.addr <= event.addr && event.addr < d.addr + d.length);
      operations = touching.map((d) => ({ ...d, loose: false }));
      locations.set(event.addr, operations);
    }
    const loose = operations.some(
      (d) => d.kind === 'discard' && d.invoked < event.returned && event.invoked < d.returned,
    );
    operations.push({ ...event, loose });
  }
  for (const operations of locations.values()) operations.sort((a, b) => a.invoked - b.invoked);
  return locations;
}

function describe(operations: readonly Operation[], at: Operation): string {
  const before = operations.filter((op) => op.kind === 'store' && op.invoked < at.returned);
  const store = before[before.length - 1];
  const load = `load by CPU ${String(at.cpu)} returned 0x${(at.value >>> 0).toString(16)}`;
  if (store === undefined) return `${addressText(at.addr)}: nobody had stored to it, yet a ${load}`;
  return `lost store: CPU ${String(store.cpu)} stored 0x${(store.value >>> 0).toString(16)} to ${addressText(at.addr)}, yet a later ${load}`;
}

/** What the judge found: lost stores, and how many locations it could not decide. */
export interface UserMemoryVerdict {
  findings: Finding[];
  locations: number;
  undecided: number;
}

/** Judges the histories of all CPUs together. */
export function judgeUserMemory(events: readonly MemoryEvent[]): UserMemoryVerdict {
  const wrong: string[] = [];
  let undecided = 0;
  const locations = byLocation(events);
  for (const operations of locations.values()) {
    const verdict = checkLocation(operations);
    if (verdict.ok === undefined) undecided += 1;
    else if (!verdict.ok) wrong.push(describe(operations, verdict.at));
  }
  const message = (n: number): string =>
    n === 1
      ? '1 word of user memory holds what no order of its stores explains'
      : `${String(n)} words of user memory hold what no order of their stores explains`;
  return { findings: finding('I13', message, wrong), locations: locations.size, undecided };
}
