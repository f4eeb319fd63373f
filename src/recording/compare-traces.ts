// A kernel's trace beside one of ours: the same threads, their faults lined up by address, and what came of each.
//
// A thread's faults are lined up by the longest sequence of addresses that both have. What lies between two faults is
// compared event by event: names, and those fields that mean the same in both (no page, no pointer, no sum of pages).
import { TRACE_EVENTS } from '../kernel/trace.ts';
import { UsageError } from '../machine/usage-error.ts';
import type { TraceLine } from './kernel-trace.ts';

/** How often an event stands in both traces, and in one alone. */
export interface EventCount {
  readonly name: string;
  readonly kernel: number;
  readonly ours: number;
  readonly equal: number;
}

/** Differences of one kind. */
export interface DifferenceGroup {
  readonly event: string;
  /** Why, where that is known. */
  readonly reason: string | undefined;
  readonly kernelOnly: number;
  readonly oursOnly: number;
}

/** What a comparison came to. */
export interface TraceComparison {
  readonly threads: number;
  readonly counts: readonly EventCount[];
  readonly differences: readonly DifferenceGroup[];
  /** Faults in both whose events up to the next are the same, in the same order; in another order; and all in both. */
  readonly sameFaults: number;
  readonly sameInAnotherOrder: number;
  readonly faults: number;
  /** Differences without a reason. */
  readonly unexplained: number;
}

/** The events that both can have. */
const COMPARED: readonly string[] = TRACE_EVENTS.filter((name) => name !== 'page_fault_end');

const REASON_FILE = 'files and special mappings are not replayed';
const REASON_THP = 'a large folio or huge page (order > 0) took faults of its pages';
const REASON_PCP = 'per-CPU lists and batches were in another state';
const REASON_KERNEL = 'pages that the kernel allocated for itself (slabs, page tables of exec)';
const REASON_VMA = 'the kernel took the VMA lock, or took mmap_lock for calls that are not replayed';
const REASON_RACE = 'threads wait for each other when they happen to meet';
const REASON_TLB = 'whose TLB is flushed, and how far, is up to where threads run';
const REASON_EXIT = 'the end of the process is not traced in a replay';

/** A fault with the events after it, up to the next. The first of a thread may have no address: what came before. */
interface Interval {
  readonly address: number;
  readonly events: TraceLine[];
}

/** A fault's address without the place in its page. */
const PAGE = 4096;

function intervalsOf(lines: readonly TraceLine[], tid: number): Interval[] {
  const intervals: Interval[] = [{ address: -1, events: [] }];
  for (const line of lines) {
    if (line.tid !== tid || !COMPARED.includes(line.name)) continue;
    if (line.name === 'page_fault_user') {
      const address = Number(/address=(0x[0-9a-f]+)/.exec(line.fields)?.[1] ?? NaN);
      intervals.push({ address: Math.floor(address / PAGE), events: [] });
    } else intervals[intervals.length - 1]?.events.push(line);
  }
  return intervals;
}

/**
 * Positions that belong together: the longest common subsequence of two lists of numbers, by way of the longest rising
 * sequence of matches (Hunt and Szymanski 1977).
 */
export function linedUp(a: readonly number[], b: readonly number[]): (readonly [number, number])[] {
  const places = new Map<number, number[]>();
  b.forEach((value, j) => {
    places.set(value, [j, ...(places.get(value) ?? [])]);
  });
  interface Link {
    readonly pair: readonly [number, number];
    readonly before: Link | undefined;
  }
  const tails: Link[] = [];
  a.forEach((value, i) => {
    // From the last place to the first, so that one element is used once.
    for (const j of places.get(value) ?? []) {
      let low = 0;
      let high = tails.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((tails[middle]?.pair[1] ?? 0) < j) low = middle + 1;
        else high = middle;
      }
      tails[low] = { pair: [i, j], before: tails[low - 1] };
    }
  });
  const pairs: (readonly [number, number])[] = [];
  for (let link = tails.at(-1); link !== undefined; link = link.before) pairs.unshift(link.pair);
  return pairs;
}

/** The fields of an event that mean the same in both traces. */
function keyOf({ name, fields }: TraceLine): string {
  const field = (field: string): string => new RegExp(`${field}=(\\S+)`).exec(fields)?.[1] ?? '';
  switch (name) {
    case 'mm_page_alloc':
      // Newer kernels ask for page tables and folios as compound pages; ours have no such flag.
      return `${name} ${field('order')} ${field('gfp_flags').replace('|__GFP_COMP', '')}`;
    case 'mm_page_free':
    case 'mm_page_alloc_zone_locked':
    case 'mm_page_pcpu_drain':
      return `${name} ${field('order')}`;
    case 'rss_stat':
      return `${name} ${field('type')} ${field('curr')}`;
    case 'mm_lru_insertion':
      return `${name} ${field('lru')}`;
    case 'contention_begin':
      return `${name} ${/flags=(\w+)/.exec(fields)?.[1] ?? ''}`;
    case 'contention_end':
      return name;
    case 'tlb_flush':
      return `${name} ${fields}`;
    default:
      return `${name} ${field('write')}`;
  }
}

/** Where an event stands that only one trace has. */
interface Place {
  readonly kernels: boolean;
  /** Events of a fault that only one trace has. */
  readonly lone: boolean;
  readonly last: boolean;
  readonly large: boolean;
}

/** Why one trace alone has an event; undefined where nothing known explains it. */
function reasonOf({ name, fields }: TraceLine, { kernels, lone, last, large }: Place): string | undefined {
  if (kernels && name === 'rss_stat' && !fields.includes('MM_ANONPAGES')) return REASON_FILE;
  if (kernels && name === 'mm_page_alloc' && /order=[1-9]/.test(fields)) return REASON_THP;
  if (name === 'mm_page_alloc_zone_locked' || name === 'mm_page_pcpu_drain' || name === 'mm_lru_insertion')
    return REASON_PCP;
  if (name.startsWith('mmap_lock')) return REASON_VMA;
  if (name.startsWith('contention')) return REASON_RACE;
  if (name === 'tlb_flush') return REASON_TLB;
  if (large) return REASON_THP;
  if (kernels && lone) return REASON_FILE;
  if (kernels && last) return REASON_EXIT;
  if (name === 'mm_page_alloc' && !fields.includes('MOVABLE')) return REASON_KERNEL;
  if (kernels && name === 'mm_page_free') return REASON_KERNEL;
  return undefined;
}

class Comparer {
  readonly counts = new Map<string, { kernel: number; ours: number; equal: number }>();
  readonly groups = new Map<
    string,
    { event: string; reason: string | undefined; kernelOnly: number; oursOnly: number }
  >();
  same = 0;
  reordered = 0;
  faults = 0;
  private hasLarge = false;

  thread(kernel: readonly Interval[], ours: readonly Interval[]): void {
    this.hasLarge = kernel.some(({ events }) =>
      events.some(
        ({ name, fields }) => name === 'mm_page_alloc' && /order=[1-9].*MOVABLE|order=[1-9].*TRANSHUGE/.test(fields),
      ),
    );
    const pairs = linedUp(
      kernel.map(({ address }) => address),
      ours.map(({ address }) => address),
    );
    const [kernelPaired, oursPaired] = [new Set(pairs.map(([i]) => i)), new Set(pairs.map(([, j]) => j))];
    for (const [i, j] of pairs) this.pair(kernel, i, ours[j]?.events ?? []);
    kernel.forEach((interval, i) => {
      if (!kernelPaired.has(i)) this.lone(interval, true);
    });
    ours.forEach((interval, j) => {
      if (!oursPaired.has(j)) this.lone(interval, false);
    });
  }

  private count(name: string, kernel: number, ours: number, equal: number): void {
    const count = this.counts.get(name) ?? { kernel: 0, ours: 0, equal: 0 };
    this.counts.set(name, { kernel: count.kernel + kernel, ours: count.ours + ours, equal: count.equal + equal });
  }

  private differ(event: TraceLine, place: Place): void {
    const reason = reasonOf(event, place);
    const key = `${event.name} ${reason ?? ''}`;
    const group = this.groups.get(key) ?? { event: event.name, reason, kernelOnly: 0, oursOnly: 0 };
    group[place.kernels ? 'kernelOnly' : 'oursOnly'] += 1;
    this.groups.set(key, group);
    this.count(event.name, place.kernels ? 1 : 0, place.kernels ? 0 : 1, 0);
  }

  private pair(all: readonly Interval[], i: number, ours: readonly TraceLine[]): void {
    const kernel = all[i]?.events ?? [];
    const isFault = (all[i]?.address ?? -1) >= 0;
    if (isFault) {
      this.count('page_fault_user', 1, 1, 1);
      this.faults += 1;
    }
    const wanted = new Map<string, number>();
    for (const event of ours) wanted.set(keyOf(event), (wanted.get(keyOf(event)) ?? 0) + 1);
    const place = { lone: !isFault, last: i === all.length - 1, large: false };
    let differs = false;
    for (const event of kernel) {
      const left = wanted.get(keyOf(event)) ?? 0;
      if (left > 0) {
        wanted.set(keyOf(event), left - 1);
        this.count(event.name, 1, 1, 1);
      } else {
        differs = true;
        this.differ(event, { ...place, kernels: true });
      }
    }
    for (const event of [...ours].reverse()) {
      const left = wanted.get(keyOf(event)) ?? 0;
      if (left === 0) continue;
      wanted.set(keyOf(event), left - 1);
      differs = true;
      this.differ(event, { ...place, kernels: false });
    }
    if (!isFault || differs) return;
    if (kernel.every((event, n) => keyOf(event) === keyOf(ours[n] ?? event))) this.same += 1;
    else this.reordered += 1;
  }

  private lone({ address, events }: Interval, kernels: boolean): void {
    const place = { kernels, lone: true, last: false, large: !kernels && this.hasLarge };
    const fault = { tid: 0, name: 'page_fault_user', fields: '' };
    if (address >= 0) this.differ(fault, place);
    for (const event of events) this.differ(event, place);
  }
}

/** Compares two traces. Throws a UsageError where they have no thread in common. */
export function compareTraces(kernel: readonly TraceLine[], ours: readonly TraceLine[]): TraceComparison {
  const known = new Set(kernel.map(({ tid }) => tid));
  const tids = [...new Set(ours.map(({ tid }) => tid))].filter((tid) => known.has(tid));
  if (tids.length === 0) {
    throw new UsageError(
      "The two traces have no thread in common: give the kernel's trace and the one that run --trace wrote of the same recording, for example pagerace compare recording.txt ours.txt.",
    );
  }
  const comparer = new Comparer();
  for (const tid of tids) comparer.thread(intervalsOf(kernel, tid), intervalsOf(ours, tid));
  const differences = [...comparer.groups.values()];
  return {
    threads: tids.length,
    counts: COMPARED.flatMap((name) => {
      const count = comparer.counts.get(name);
      return count === undefined ? [] : [{ name, ...count }];
    }),
    differences,
    sameFaults: comparer.same,
    sameInAnotherOrder: comparer.reordered,
    faults: comparer.faults,
    unexplained: differences
      .filter(({ reason }) => reason === undefined)
      .reduce((sum, { kernelOnly, oursOnly }) => sum + kernelOnly + oursOnly, 0),
  };
}
