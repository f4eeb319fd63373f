// Operations that collide: few pages, few words, every call that changes a mapping.
import type fc from 'fast-check';
import {
  MADV_DONTNEED,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../kernel/mm/flags.ts';
import type { Op } from '../kernel/program.ts';
import { UsageError } from '../machine/usage-error.ts';
import { PAGE_BYTES } from '../stress/pages.ts';
import { weighted } from './value-arbitrary.ts';

export const WORD_BYTES = 4;
/** Two pages before the end of what one page table maps, so that a region of more has pages in two tables. */
const FIRST_REGION = 0x75e52fdfe000;
const REGION_SPACING = 0x800000;
const MAX_PAGES = 8;
const MAX_REGIONS = 4;
const MAX_WORDS = 1024;
const READ_WRITE: number = PROT_READ | PROT_WRITE;
const MAP_FLAGS: number = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

/** Kinds of operations that programs are made of. */
export type OperationKind =
  'store' | 'load' | 'touch' | 'madvise' | 'mprotect' | 'munmap' | 'mmap' | 'retract_page_table';

/** How often each kind comes, in proportion. */
export const DEFAULT_WEIGHTS: Readonly<Record<OperationKind, number>> = {
  store: 8,
  load: 3,
  touch: 2,
  madvise: 3,
  mprotect: 1,
  munmap: 1,
  mmap: 1,
  retract_page_table: 1,
};

/** Where programs meet. */
export interface ArenaOptions {
  /** Pages of a region at most: 1 to 8, default 3. */
  readonly pages?: number;
  /** Regions at most, each with page tables of its own: 1 to 4, default 2. */
  readonly regions?: number;
  /** Words of a page that are used: 1 to 1024, default 3. */
  readonly words?: number;
  /** How often each kind of operation comes; those left out as by default, 0 for never. */
  readonly weights?: Partial<Record<OperationKind, number>>;
}

/** Some pages in a row. */
export interface Region {
  readonly addr: number;
  readonly pages: number;
}

/** Where the programs of one case meet. */
export interface Arena {
  readonly regions: readonly Region[];
  readonly words: number;
  readonly kinds: readonly (readonly [weight: number, kind: OperationKind])[];
}

/** A whole number in a range. Throws a UsageError. */
export function wholeIn(what: string, value: number, least: number, most: number, example: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new UsageError(
    `${what} ${String(value)}: give a whole number from ${String(least)} to ${most.toLocaleString('en')}, for example ${String(example)}`,
  );
}

/** All of an arena that options allow. Throws a UsageError for options that make no sense. */
export function arenaOf(options: ArenaOptions = {}): Arena {
  const pages = wholeIn('pages', options.pages ?? 3, 1, MAX_PAGES, 2);
  const regions = wholeIn('regions', options.regions ?? 2, 1, MAX_REGIONS, 1);
  const words = wholeIn('words', options.words ?? 3, 1, MAX_WORDS, 2);
  const kinds = Object.entries({ ...DEFAULT_WEIGHTS, ...options.weights }).map(
    ([kind, weight]) => [wholeIn(`weight of ${kind}`, weight, 0, 1_000_000, 1), kind as OperationKind] as const,
  );
  const unknown = kinds.find(([, kind]) => !(kind in DEFAULT_WEIGHTS));
  if (unknown !== undefined || !kinds.some(([weight]) => weight > 0)) {
    const said = unknown === undefined ? 'no kind has a weight above 0' : `there is no '${unknown[1]}'`;
    throw new UsageError(`weights: ${said}; use ${Object.keys(DEFAULT_WEIGHTS).join(', ')}, for example { store: 8 }`);
  }
  return { regions: Array.from({ length: regions }, (_, i) => ({ addr: regionAt(i), pages })), words, kinds };
}

function regionAt(i: number): number {
  return FIRST_REGION + i * REGION_SPACING;
}

/** A part of an arena, mostly one region of a page or two. */
export function partOf(arena: Arena, random: fc.Random): Arena {
  const regions = random.nextInt(0, 2) === 0 ? random.nextInt(1, arena.regions.length) : 1;
  const kept = arena.regions.slice(0, regions).map(({ addr, pages }) => ({
    addr,
    pages: random.nextInt(0, 1) === 0 ? 1 : random.nextInt(1, pages),
  }));
  return { ...arena, regions: kept, words: random.nextInt(1, arena.words) };
}

/** Maps a region, for reading and writing. */
export function mapRegion({ addr, pages }: Region): Op {
  return { op: 'mmap', addr, length: pages * PAGE_BYTES, prot: READ_WRITE, flags: MAP_FLAGS };
}

/** One operation somewhere in an arena. What it stores is set later. */
export function operationIn(arena: Arena, random: fc.Random): Op {
  const region = arena.regions[random.nextInt(0, arena.regions.length - 1)] ?? { addr: regionAt(0), pages: 1 };
  const first = random.nextInt(0, region.pages - 1);
  const pages = random.nextInt(1, region.pages - first);
  const addr = region.addr + first * PAGE_BYTES;
  const range = { addr, length: pages * PAGE_BYTES };
  const word = addr + random.nextInt(0, arena.words - 1) * WORD_BYTES;
  const kind = weighted(random, arena.kinds);
  switch (kind) {
    case 'store':
      return { op: 'store', addr: word, value: 0 };
    case 'load':
      return { op: 'load', addr: word };
    case 'touch':
      return { op: 'touch', addr: word, pages, write: random.nextInt(0, 1) === 0, value: 0 };
    case 'madvise': {
      const advice: readonly (readonly [number, number])[] = [
        [4, MADV_DONTNEED],
        [1, MADV_POPULATE_READ],
        [1, MADV_POPULATE_WRITE],
      ];
      return { op: 'madvise', ...range, advice: weighted(random, advice) };
    }
    case 'mprotect': {
      const rights: readonly (readonly [number, number])[] = [
        [2, READ_WRITE],
        [2, PROT_READ],
        [1, PROT_NONE],
      ];
      return { op: 'mprotect', ...range, prot: weighted(random, rights) };
    }
    case 'munmap':
      return { op: 'munmap', ...range };
    case 'mmap':
      return { op: 'mmap', ...range, prot: READ_WRITE, flags: MAP_FLAGS };
    case 'retract_page_table':
      return { op: 'retract_page_table', addr };
  }
}

/** First value that set-ups store: programs store smaller ones. */
const FIRST_SETUP_VALUE = 1001;

/** The same operations, every store with a value of its own, so that a lost one can be told. */
export function numbered(
  setup: readonly Op[],
  programs: readonly (readonly Op[])[],
): { setup: Op[]; programs: Op[][] } {
  let next = 1;
  const number = (op: Op): Op => (storesValue(op) ? { ...op, value: next++ } : op);
  const done = programs.map((ops) => ops.map(number));
  next = Math.max(next, FIRST_SETUP_VALUE);
  return { setup: setup.map(number), programs: done };
}

function storesValue(op: Op): op is Extract<Op, { value: number; addr: number }> {
  return op.op === 'store' || (op.op === 'touch' && op.write);
}
