// The user-memory judge (I13): every load's value must be explained by an order of the stores.
//
// Each word of user memory is a register that starts as 0. A history says when each load and store began and ended; an
// order that respects those times and gives every load the value it saw must exist (linearizability, per word). A
// discard (MADV_DONTNEED, munmap, a mapping over another) makes the word 0 at some moment while it runs. A monitor's fill
// is a store to every word of its pages, which held what no load returns before. Each process has registers of its own; a
// fork makes the child's what the parent's are at some moment while it runs.
import { addressText, finding, wordText } from './finding.ts';
import type { Finding } from './finding.ts';
import { MISSING } from './history.ts';
import type { MemoryEvent } from './history.ts';
import { searchBudget, searchRegister } from './register-search.ts';
import { checkDistinct, hasDistinctStores } from './register.ts';
import type { Contradiction } from './register.ts';

export { decodeHistory, encodeHistory } from './history.ts';
export type { MemoryEvent } from './history.ts';

/** What the judge found: lost stores, and how many words it could not decide. */
export interface UserMemoryVerdict {
  findings: Finding[];
  /** Words of user memory that were looked at. */
  locations: number;
  undecided: number;
}

/** Searches of the largest size that one history may need: a few seconds. */
const MAX_HARD_WORDS = 10;

/** States that the searches of one history may still visit together. */
interface Budget {
  left: number;
}

type WordVerdict = { kind: 'held' } | { kind: 'violated'; why: Contradiction } | { kind: 'not decided' };

/** Judges the histories of all CPUs together. */
export function judgeUserMemory(events: readonly MemoryEvent[]): UserMemoryVerdict {
  const wrong: string[] = [];
  let undecided = 0;
  const budget = { left: MAX_HARD_WORDS * searchBudget(events.length) };
  const words = byWord(events);
  for (const operations of words.values()) {
    const verdict = judgeWord(operations, budget);
    if (verdict.kind === 'not decided') undecided += 1;
    else if (verdict.kind === 'violated') wrong.push(sentence(verdict.why, operations, events));
  }
  const [only = ''] = wrong;
  const findings =
    wrong.length === 1
      ? [{ judge: 'I13', message: only, details: [] }]
      : finding('I13', (n) => `${String(n)} words of user memory hold what no order of their stores explains`, wrong);
  return { findings, locations: words.size, undecided };
}

/** Loads and stores of each address with the discards and forks that it takes part in, in order of their beginnings. */
function byWord(events: readonly MemoryEvent[]): Map<number, MemoryEvent[]> {
  const words = new Map<number, MemoryEvent[]>();
  const ranges: MemoryEvent[] = [];
  const forks: MemoryEvent[] = [];
  for (const event of events) {
    // It changes what entries say, and no memory.
    if (event.kind === 'clear') continue;
    if (event.kind === 'discard' || event.kind === 'fill' || event.kind === 'fork') {
      (event.kind === 'fork' ? forks : ranges).push(event);
      continue;
    }
    const operations = words.get(event.addr);
    if (operations === undefined) words.set(event.addr, [event]);
    else operations.push(event);
  }
  if (ranges.length > 0) addRanges(words, ranges);
  if (forks.length > 0) for (const [addr, operations] of words) words.set(addr, withForks(addr, operations, forks));
  for (const operations of words.values()) operations.sort((a, b) => a.invoked - b.invoked);
  return words;
}

/**
 * Of one address, what can make a difference to a load: what processes did that load it, or that one which loads it
 * descends from, and the forks between these, as forks of that address.
 */
function withForks(addr: number, operations: readonly MemoryEvent[], forks: readonly MemoryEvent[]): MemoryEvent[] {
  const loaded = new Set(operations.filter(({ kind }) => kind === 'load').map(({ process = 0 }) => process));
  for (let known = -1; known < loaded.size;) {
    known = loaded.size;
    for (const { process = 0, child = 0 } of forks) if (loaded.has(child)) loaded.add(process);
  }
  const between = forks.filter(({ child = 0 }) => loaded.has(child)).map((fork) => ({ ...fork, addr }));
  return [...operations.filter(({ process = 0 }) => loaded.has(process)), ...between];
}

/** Adds discards, and fills as stores, to the operations of each address that they take in. */
function addRanges(words: Map<number, MemoryEvent[]>, ranges: readonly MemoryEvent[]): void {
  const addresses = Float64Array.from(words.keys()).sort();
  for (const range of ranges) {
    let low = 0;
    let high = addresses.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (addresses[middle]! < range.addr) low = middle + 1;
      else high = middle;
    }
    for (; low < addresses.length && addresses[low]! < range.addr + range.length; low++) {
      const addr = addresses[low]!;
      words.get(addr)?.push(range.kind === 'fill' ? { ...range, kind: 'store', addr } : range);
    }
  }
}

/** Judges one word's operations, which are in order of their beginnings. */
function judgeWord(operations: readonly MemoryEvent[], budget: Budget): WordVerdict {
  for (const part of familiesOf(operations).flatMap(partsOf)) {
    const verdict = judgePart(part, budget);
    if (verdict.kind !== 'held') return verdict;
  }
  return { kind: 'held' };
}

/** The operations of each process by itself, where no fork connects them. */
function familiesOf(operations: readonly MemoryEvent[]): (readonly MemoryEvent[])[] {
  if (operations.some(({ kind }) => kind === 'fork')) return [operations];
  const processes = new Set(operations.map(({ process = 0 }) => process));
  if (processes.size === 1) return [operations];
  return [...processes].map((number) => operations.filter(({ process = 0 }) => process === number));
}

/** Parts that each start with the word being 0: after discards while which nothing else ran. One, if it was forked. */
function partsOf(operations: readonly MemoryEvent[]): (readonly MemoryEvent[])[] {
  const forked = operations.some(({ kind }) => kind === 'fork');
  if (forked || !operations.some(({ kind }) => kind === 'discard')) return [operations];
  const parts: MemoryEvent[][] = [];
  let part: MemoryEvent[] = [];
  for (let from = 0; from < operations.length;) {
    let to = from;
    let busyUntil = -Infinity;
    let zeroed = true;
    // A run: operations that overlap, and nothing that is concurrent with them outside it.
    while (to < operations.length && (to === from || operations[to]!.invoked <= busyUntil)) {
      const { kind, failed, returned } = operations[to]!;
      zeroed &&= kind === 'discard' && failed !== true;
      busyUntil = Math.max(busyUntil, returned);
      to += 1;
    }
    if (zeroed) {
      if (part.length > 0) parts.push(part);
      part = [];
    } else for (let i = from; i < to; i++) part.push(operations[i]!);
    from = to;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}

/** A part of loads and stores alone, with distinct values, is decided directly, any other by search. */
function judgePart(part: readonly MemoryEvent[], budget: Budget): WordVerdict {
  if (part.every(({ kind }) => kind === 'load' || kind === 'store') && hasDistinctStores(part)) {
    const why = checkDistinct(part);
    return why === undefined ? { kind: 'held' } : { kind: 'violated', why };
  }
  const result = searchRegister(part, Math.min(searchBudget(part.length), budget.left));
  budget.left -= result.visited;
  return result.kind === 'violated' ? { kind: 'violated', why: { load: result.load, lost: undefined } } : result;
}

/** What a user would say: which store was lost, or what came from nowhere. */
function sentence(why: Contradiction, operations: readonly MemoryEvent[], events: readonly MemoryEvent[]): string {
  const { load } = why;
  const { process = 0 } = load;
  const place = `${addressText(load.addr)}${process === 0 ? '' : ` of process ${String(process)}`}`;
  const value = wordText(load.value);
  const explainsIt = (event: MemoryEvent): boolean =>
    event.kind === 'store' && event.value === load.value && event.invoked <= load.returned;
  if (load.value !== 0 && !operations.some(explainsIt)) {
    const elsewhere = events.find(explainsIt);
    const from =
      elsewhere === undefined ? '' : ` (CPU ${String(elsewhere.cpu)} stored it at ${addressText(elsewhere.addr)})`;
    return `load by CPU ${String(load.cpu)} at ${place} returned ${value}, which nobody had stored there${from}`;
  }
  const lost = why.lost ?? lastBefore(operations, load);
  if (lost === undefined)
    return `load by CPU ${String(load.cpu)} at ${place} returned ${value}; no order of the stores explains it`;
  const later = `later load by CPU ${String(load.cpu)} returned ${value}; no order of the stores explains it`;
  if (lost.value === MISSING) {
    return `load by CPU ${String(load.cpu)} at ${place} returned ${value}: nobody had filled the page, which a monitor watches`;
  }
  if (lost.kind === 'discard') return `stale load: CPU ${String(lost.cpu)} discarded ${place}, ${later}`;
  return `lost store: CPU ${String(lost.cpu)} stored ${wordText(lost.value)} at ${place}, ${later}`;
}

/** The last store or discard of its process that had ended before the load began and left another value. */
function lastBefore(operations: readonly MemoryEvent[], load: MemoryEvent): MemoryEvent | undefined {
  let last: MemoryEvent | undefined;
  for (const event of operations) {
    if (event.kind === 'load' || event.kind === 'fork' || (event.process ?? 0) !== (load.process ?? 0)) continue;
    if (event.value === load.value || event.returned >= load.invoked) continue;
    if (last === undefined || event.returned > last.returned) last = event;
  }
  return last;
}
