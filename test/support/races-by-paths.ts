// Data races the slow way: every happens-before edge of an execution is drawn, and two accesses race if no path joins
// them. Shares no code with the judge that it checks.
import type { AccessEvent, AccessKind } from '../../src/check/access-event.ts';

const is = (event: AccessEvent, ...kinds: AccessKind[]): boolean => kinds.includes(event.kind);
const covers = (event: AccessEvent, word: number): boolean => word >= event.word && word < event.word + event.width;
const failed = (event: AccessEvent): boolean => is(event, 'cmpxchg', 'trylock') && !event.stored;
const isFullBarrier = (event: AccessEvent): boolean => is(event, 'rmw', 'cmpxchg', 'mb') && !failed(event);
const isFence = (event: AccessEvent): boolean => isFullBarrier(event) || is(event, 'wmb');
const storeKinds: AccessKind[] = ['plain-write', 'write', 'release', 'user-write'];

const reads = (e: AccessEvent): boolean =>
  failed(e) || is(e, 'plain-read', 'read', 'acquire', 'rmw', 'cmpxchg', 'add', 'wait') || isLocking(e);
const writes = (e: AccessEvent): boolean =>
  !failed(e) && (is(e, 'plain-write', 'write', 'release', 'rmw', 'cmpxchg', 'add') || isLocking(e));
const isLocking = (e: AccessEvent): boolean => e.kind.endsWith('lock');
const isPlain = (e: AccessEvent): boolean => is(e, 'plain-read', 'plain-write');

/** What happens before what, as edges from earlier events to later ones. */
function edgesOf(events: readonly AccessEvent[], dependencies: boolean): number[][] {
  const to: number[][] = events.map(() => []);
  /** What a reader of the word's value is ordered after; of those who left the lock as readers, apart. */
  const published = new Map<number, Set<number>>();
  const byReaders = new Map<number, Set<number>>();
  const buffers = new Map<number, { store: AccessEvent; publishes: Set<number> }[]>();
  const fence = new Map<number, number>();
  const unfenced = new Map<number, Set<number>>();
  const previous = new Map<number, number>();
  const set = <T>(map: Map<T, Set<number>>, key: T): Set<number> => {
    if (!map.has(key)) map.set(key, new Set());
    return map.get(key)!;
  };
  events.forEach((event, i) => {
    const { cpu } = event;
    const buffer = buffers.get(cpu) ?? [];
    buffers.set(cpu, buffer);
    const words = Array.from({ length: event.width }, (_, k) => event.word + k);
    if (is(event, 'drain')) {
      const place = buffer.findIndex(({ store }) => store.word === event.word && store.width === event.width);
      const [entry] = buffer.splice(place, 1);
      for (const word of words) published.set(word, new Set(entry!.publishes));
      return;
    }
    if (is(event, 'hw-read', 'user-read', 'idle', 'note')) return;
    if (previous.has(cpu)) to[previous.get(cpu)!]!.push(i);
    previous.set(cpu, i);
    const acquires =
      !failed(event) && (is(event, 'acquire', 'wait', 'rmw', 'cmpxchg') || /(^|-|y)lock$/.test(event.kind));
    for (const word of words) {
      if (!reads(event) || isPlain(event) || is(event, 'read-unlock', 'unlock', 'write-unlock')) continue;
      if (buffer.some(({ store }) => covers(store, word))) continue;
      const sources = [...set(published, word)];
      if (is(event, 'lock', 'write-lock') || (is(event, 'trylock') && event.stored))
        sources.push(...set(byReaders, word));
      if (acquires || (dependencies && !is(event, 'add'))) for (const source of sources) to[source]!.push(i);
      else for (const source of sources) set(unfenced, cpu).add(source);
    }
    if (isFullBarrier(event)) for (const source of set(unfenced, cpu)) to[source]!.push(i);
    const sinceFence = fence.has(cpu) ? [fence.get(cpu)!] : [];
    const publishes = is(event, 'release', 'rmw', 'cmpxchg', 'unlock', 'write-unlock')
      ? [i]
      : isPlain(event) || is(event, 'user-write')
        ? []
        : sinceFence;
    if (!event.stored && storeKinds.includes(event.kind)) buffer.push({ store: event, publishes: new Set(publishes) });
    else if (event.stored) {
      for (const word of words) {
        if (is(event, 'read-unlock')) set(byReaders, word).add(i);
        else if (is(event, 'rmw', 'cmpxchg', 'add') || /(^|-|y)lock$/.test(event.kind)) {
          for (const source of publishes) set(published, word).add(source);
        } else published.set(word, new Set(publishes));
      }
    }
    if (isFence(event)) fence.set(cpu, i);
  });
  return to;
}

/** All pairs that race, with the words in which they meet. */
export function racesByPaths(
  events: readonly AccessEvent[],
  dependencies: boolean,
): { first: number; second: number; words: number[] }[] {
  const to = edgesOf(events, dependencies);
  const races: { first: number; second: number; words: number[] }[] = [];
  for (let first = 0; first < events.length; first++) {
    const reached = new Set([first]);
    for (let i = first; i < events.length; i++) if (reached.has(i)) for (const next of to[i]!) reached.add(next);
    for (let second = first + 1; second < events.length; second++) {
      const a = events[first]!;
      const b = events[second]!;
      if (a.cpu === b.cpu || reached.has(second) || !(isPlain(a) || isPlain(b)) || !(writes(a) || writes(b))) continue;
      if (!(reads(a) || writes(a)) || !(reads(b) || writes(b))) continue;
      const words = Array.from({ length: a.width }, (_, k) => a.word + k).filter((word) => covers(b, word));
      if (words.length > 0) races.push({ first, second, words });
    }
  }
  return races;
}
