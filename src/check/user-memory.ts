// The user-memory judge (I13): every load's value must be explained by an order of the stores.
//
// Each word of user memory is a register that starts as 0. A history says when each load and store began and ended; an
// order that respects those times and gives every load the value it saw must exist (linearizability, per word). A
// discard (MADV_DONTNEED, munmap, a mapping over another) makes the word 0 at some moment while it runs; an atomic add
// is a load and a store in one; a move (mremap) takes the word elsewhere. A monitor's fill is a store to every word of
// its pages, which held what no load returns before. Accesses of parts of words are judged by byte. Each process has
// registers of its own; a fork makes the child's what the parent's are at some moment while it runs.
import { addressText, finding, wordText } from './finding.ts';
import type { Finding } from './finding.ts';
import { MISSING } from './history.ts';
import type { MemoryEvent } from './history.ts';
import { groupsOf } from './locations.ts';
import type { Group } from './locations.ts';
import { searchMoved } from './moved-memory.ts';
import { searchBudget, searchRegister } from './register-search.ts';
import type { RegisterSearch } from './register-search.ts';
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
  const groups = groupsOf(events);
  for (const group of groups) {
    const operations = group.events;
    const verdict = judgeGroup(group, budget);
    if (verdict.kind === 'not decided') undecided += 1;
    else if (verdict.kind === 'violated') wrong.push(sentence(verdict.why, operations, events));
  }
  const [only = ''] = wrong;
  const findings =
    wrong.length === 1
      ? [{ judge: 'I13', message: only, details: [] }]
      : finding('I13', (n) => `${String(n)} words of user memory hold what no order of their stores explains`, wrong);
  return { findings, locations: groups.reduce((sum, { locations }) => sum + locations.length, 0), undecided };
}

/** Words that were moved by mremap and also forked are not judged: two processes then reach them by many ways. */
function judgeGroup(group: Group, budget: Budget): WordVerdict {
  if (!group.events.some(({ kind }) => kind === 'move')) return judgeWord(group.events, budget);
  if (group.events.some(({ kind }) => kind === 'fork')) return { kind: 'not decided' };
  for (const events of familiesOf(group.events)) {
    const most = Math.min(searchBudget(events.length), budget.left);
    const verdict = judgedBySearch(searchMoved({ locations: group.locations, events }, most), budget);
    if (verdict.kind !== 'held') return verdict;
  }
  return { kind: 'held' };
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
  return judgedBySearch(searchRegister(part, Math.min(searchBudget(part.length), budget.left)), budget);
}

function judgedBySearch(result: RegisterSearch, budget: Budget): WordVerdict {
  budget.left -= result.visited;
  return result.kind === 'violated' ? { kind: 'violated', why: { load: result.load, lost: undefined } } : result;
}

/** What a user would say: which store was lost, or what came from nowhere. */
function sentence(why: Contradiction, operations: readonly MemoryEvent[], events: readonly MemoryEvent[]): string {
  const { load } = why;
  const { process = 0 } = load;
  const place = `${addressText(load.addr)}${process === 0 ? '' : ` of process ${String(process)}`}`;
  const value = wordText(load.value);
  const explainsIt = (event: MemoryEvent): boolean => storedBy(event) === load.value && event.invoked <= load.returned;
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
  if (lost.kind === 'store' && lost.value === MISSING) {
    return `load by CPU ${String(load.cpu)} at ${place} returned ${value}: nobody had filled the page, which a monitor watches`;
  }
  if (lost.kind === 'discard') return `stale load: CPU ${String(lost.cpu)} discarded ${place}, ${later}`;
  if (lost.kind === 'move') return `stale load: CPU ${String(lost.cpu)} moved pages, ${place} among them, ${later}`;
  return `lost store: CPU ${String(lost.cpu)} stored ${wordText(storedBy(lost) ?? 0)} at ${place}, ${later}`;
}

/** What an event stored, undefined where it stored nothing. */
function storedBy({ kind, value, stored }: MemoryEvent): number | undefined {
  return kind === 'store' ? value : stored;
}

/** The last store, discard or move of its process that had ended before the load began and left another value. */
function lastBefore(operations: readonly MemoryEvent[], load: MemoryEvent): MemoryEvent | undefined {
  let last: MemoryEvent | undefined;
  for (const event of operations) {
    if (event.kind === 'load' || event.kind === 'fork' || (event.process ?? 0) !== (load.process ?? 0)) continue;
    const isRange = event.kind === 'move' || event.kind === 'discard';
    if ((!isRange && event.addr !== load.addr) || event.returned >= load.invoked) continue;
    if (event.kind !== 'move' && (storedBy(event) ?? 0) === load.value) continue;
    if (last === undefined || event.returned > last.returned) last = event;
  }
  return last;
}
