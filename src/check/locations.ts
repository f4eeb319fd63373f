// Which events of a history belong together: by location, which is a word of user memory, or a byte of one.
//
// A word that is only ever touched as a whole is one location. One that is also touched in parts is four: each byte is
// judged alone, which is weaker (that a word is loaded at once is not looked at) and never wrong. Where mremap has
// moved a word, all places that it has been in are judged together.
import { MISSING } from './history.ts';
import type { MemoryEvent } from './history.ts';

const WORD_BYTES = 4;

/** Locations that share their contents, one after the other, with what happened to them by time of beginning. */
export interface Group {
  /** Addresses; more than one where there are moves between them. */
  readonly locations: readonly number[];
  /** Accesses of one of the locations, all of it, fills as stores; discards and moves that touch any. */
  readonly events: readonly MemoryEvent[];
}

/** A group while its events are still coming. */
interface Draft {
  readonly locations: readonly number[];
  readonly events: MemoryEvent[];
}

function wordOf(addr: number): number {
  return Math.floor(addr / WORD_BYTES) * WORD_BYTES;
}

/** Whether an event is an access of one whole word. */
function isWord({ addr, length }: MemoryEvent): boolean {
  return length === WORD_BYTES && wordOf(addr) === addr;
}

/** The groups of a history. */
export function groupsOf(events: readonly MemoryEvent[]): Group[] {
  const ranges = events.filter(({ kind }) => kind === 'discard' || kind === 'fill');
  const moves = events.filter(({ kind }) => kind === 'move');
  const forks = events.filter(({ kind }) => kind === 'fork');
  const accesses = events.filter(({ kind }) => kind === 'load' || kind === 'store' || kind === 'add');
  const split = wordsInParts(accesses);
  const joined = moves.length === 0 ? undefined : joinedWords(accesses, moves, split);
  const groups = new Map<number, Draft>();
  for (const [word, words] of joined ?? []) {
    for (const offset of split.has(word) ? [0, 1, 2, 3] : [0]) {
      const group = { locations: words.map((addr) => addr + offset), events: [] };
      for (const location of group.locations) groups.set(location, group);
    }
  }
  for (const access of accesses) {
    for (const part of partsOf(access, split)) {
      const group = groups.get(part.addr);
      if (group === undefined) groups.set(part.addr, { locations: [part.addr], events: [part] });
      else group.events.push(part);
    }
  }
  if (ranges.length > 0) addRanges(groups, ranges, split);
  const all = [...new Set(groups.values())].filter((group) => group.events.some(({ kind }) => kind !== 'discard'));
  if (moves.length > 0) for (const group of all) group.events.push(...moves.filter((move) => concerns(group, move)));
  return all.map(({ locations, events: found }) => {
    const operations = forks.length === 0 ? found : withForks(locations[0]!, found, forks);
    return { locations, events: operations.sort((a, b) => a.invoked - b.invoked) };
  });
}

/**
 * Of one address, what can make a difference to a load: what processes did that load it, or that one which loads it
 * descends from, and the forks between these, as forks of that address.
 */
function withForks(addr: number, operations: readonly MemoryEvent[], forks: readonly MemoryEvent[]): MemoryEvent[] {
  const loaded = new Set(
    operations.filter(({ kind }) => kind === 'load' || kind === 'add').map(({ process = 0 }) => process),
  );
  for (let known = -1; known < loaded.size;) {
    known = loaded.size;
    for (const { process = 0, child = 0 } of forks) if (loaded.has(child)) loaded.add(process);
  }
  const between = forks.filter(({ child = 0 }) => loaded.has(child)).map((fork) => ({ ...fork, addr }));
  return [...operations.filter(({ process = 0 }) => loaded.has(process)), ...between];
}

function concerns({ locations }: Draft, { addr, length, to = addr }: MemoryEvent): boolean {
  return locations.some((at) => (at >= addr && at < addr + length) || (at >= to && at < to + length));
}

/** Words that some access touches a part of. */
function wordsInParts(accesses: readonly MemoryEvent[]): Set<number> {
  const words = new Set<number>();
  for (const access of accesses) {
    if (isWord(access)) continue;
    const { addr, length } = access;
    for (let word = wordOf(addr); word < addr + length; word += WORD_BYTES) {
      if (word < addr || word + WORD_BYTES > addr + length) words.add(word);
    }
  }
  return words;
}

/** What an access did to each location. Nothing where its value is not exactly known: eight bytes of 2^53 or more. */
function partsOf(access: MemoryEvent, split: ReadonlySet<number>): MemoryEvent[] {
  if (isWord(access) && !split.has(access.addr)) return [access];
  const { addr, length, value, stored } = access;
  if (!Number.isSafeInteger(value)) return [];
  const parts: MemoryEvent[] = [];
  for (let word = wordOf(addr); word < addr + length; word += WORD_BYTES) {
    const bytes = split.has(word);
    const first = Math.max(word, addr);
    const end = bytes ? Math.min(word + WORD_BYTES, addr + length) : first + 1;
    for (let at = first; at < end; at++) {
      const part = { ...access, addr: at, length: bytes ? 1 : WORD_BYTES, value: partOf(value, at - addr, bytes) };
      if (stored !== undefined) part.stored = partOf(stored, at - addr, bytes);
      parts.push(part);
    }
  }
  return parts;
}

/** The byte, or the word, of a value that is `offset` bytes behind its first. */
function partOf(value: number, offset: number, isByte: boolean): number {
  const rest = Math.floor(value / 256 ** offset);
  return isByte ? rest & 0xff : rest | 0;
}

/**
 * For each word that was moved, all words that it shares its contents with, itself included. If one of them is touched
 * in parts, all are `split`.
 */
function joinedWords(
  accesses: readonly MemoryEvent[],
  moves: readonly MemoryEvent[],
  split: Set<number>,
): Map<number, number[]> {
  const joined = new Map<number, number[]>();
  for (const { addr, length } of accesses) {
    for (let word = wordOf(addr); word < addr + length; word += WORD_BYTES) {
      if (joined.has(word)) continue;
      const words = reachable(word, moves);
      if (words.length === 1) continue;
      for (const other of words) joined.set(other, words);
    }
  }
  const firsts = new Map<number, number[]>();
  for (const words of joined.values()) {
    if (firsts.has(words[0]!)) continue;
    firsts.set(words[0]!, words);
    if (words.some((word) => split.has(word))) for (const word of words) split.add(word);
  }
  return firsts;
}

/** Words that a word's contents may have come from or gone to, itself first. */
function reachable(word: number, moves: readonly MemoryEvent[]): number[] {
  const words = [word];
  const seen = new Set(words);
  for (const at of words) {
    for (const { addr, length, to = addr } of moves) {
      const others = [];
      if (at >= addr && at < addr + length) others.push(at - addr + to);
      if (at >= to && at < to + length) others.push(at - to + addr);
      for (const other of others) {
        if (seen.has(other)) continue;
        seen.add(other);
        words.push(other);
      }
    }
  }
  return words;
}

/** Adds each discard to the groups of the locations that it covers; of each fill, what it stored in each location. */
function addRanges(
  groups: ReadonlyMap<number, Draft>,
  ranges: readonly MemoryEvent[],
  split: ReadonlySet<number>,
): void {
  const addresses = Float64Array.from(groups.keys()).sort();
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
      const { events } = groups.get(addr)!;
      if (range.kind === 'fill') events.push(filled(range, addr, split.has(wordOf(addr))));
      else if (events[events.length - 1] !== range) events.push(range);
    }
  }
}

/** What a fill stored in one location: its word, a byte of that, or that there is nothing. */
function filled(fill: MemoryEvent, addr: number, isByte: boolean): MemoryEvent {
  const value = fill.value === MISSING ? MISSING : partOf(fill.value, addr - wordOf(addr), isByte);
  return { ...fill, kind: 'store', addr, length: isByte ? 1 : WORD_BYTES, value };
}
