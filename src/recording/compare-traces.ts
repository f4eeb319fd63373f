// A kernel's trace beside one of ours: the same threads, their faults lined up by address, and what came of each.
//
// A thread's faults are lined up by the longest sequence of addresses that both have. What lies between two faults is
// compared event by event: names, and those fields that mean the same in both (no page, no pointer, no sum of pages).
import { TRACE_EVENTS } from '../kernel/trace.ts';
import { UsageError } from '../machine/usage-error.ts';
import { PERF_FAULT } from './kernel-trace.ts';
import type { TraceLine } from './kernel-trace.ts';
import { reasonOf } from './trace-reasons.ts';
import type { Place } from './trace-reasons.ts';

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

/** A fault with the events after it, up to the next. The first of a thread may have no address: what came before. */
interface Interval {
  readonly address: number;
  readonly events: TraceLine[];
}

const PAGE = 4096;
/** Pages that a CPU's batch for the LRU lists can have: 15 in v6.8, 31 from v6.10 on. */
const LRU_BATCH = 31;

/** The page of a page_fault_user, by its number. */
function pageOf({ fields }: TraceLine): number {
  return Math.floor(Number(/address=(0x[0-9a-f]+)/.exec(fields)?.[1] ?? NaN) / PAGE);
}

function intervalsOf(lines: readonly TraceLine[], tid: number): Interval[] {
  const intervals: Interval[] = [{ address: -1, events: [] }];
  for (const line of lines) {
    if (line.tid !== tid || !COMPARED.includes(line.name)) continue;
    if (line.name === 'page_fault_user') {
      intervals.push({ address: pageOf(line), events: [] });
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

/** Pages in a row, by their numbers. */
interface PageRange {
  readonly first: number;
  readonly pages: number;
}

const LARGE = /order=([1-9]\d*).*(?:MOVABLE|TRANSHUGE)/;

/** Where the kernel mapped a large folio: around the fault for which it allocated one. */
function largeRanges(kernel: readonly Interval[]): PageRange[] {
  return kernel.flatMap(({ address, events }) =>
    events.flatMap(({ name, fields }) => {
      const order = name === 'mm_page_alloc' ? LARGE.exec(fields)?.[1] : undefined;
      if (order === undefined) return [];
      const pages = 2 ** Number(order);
      return [{ first: Math.floor(address / pages) * pages, pages }];
    }),
  );
}

/** Pages of a thread's faults that no page_fault_user tells of. Nothing where perf's own event was not recorded. */
function kernelFaults(lines: readonly TraceLine[], tid: number): Set<number> {
  const pages = new Set<number>();
  let pending = -1;
  for (const line of lines) {
    if (line.tid !== tid) continue;
    if (line.name === 'page_fault_user') pending = pageOf(line);
    if (line.name !== PERF_FAULT) continue;
    const page = Math.floor(parseInt(line.fields, 16) / PAGE);
    if (page !== pending) pages.add(page);
    pending = -1;
  }
  return pages;
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
  private large: PageRange[] = [];
  private inKernel: ReadonlySet<number> = new Set<number>();

  /** `inKernel`: pages whose faults the kernel took itself, in a system call. */
  thread(kernel: readonly Interval[], ours: readonly Interval[], inKernel: ReadonlySet<number>): void {
    this.large = largeRanges(kernel);
    this.inKernel = inKernel;
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
    const place = { lone: !isFault, last: i === all.length - 1, large: false, inKernel: false, late: false };
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
    const frees = (events: readonly TraceLine[]): number => events.filter(({ name }) => name === 'mm_page_free').length;
    const late = frees(kernel) > 0 && frees(ours) - frees(kernel) <= LRU_BATCH;
    for (const event of [...ours].reverse()) {
      const left = wanted.get(keyOf(event)) ?? 0;
      if (left === 0) continue;
      wanted.set(keyOf(event), left - 1);
      differs = true;
      this.differ(event, { ...place, late, kernels: false });
    }
    if (!isFault || differs) return;
    if (kernel.every((event, n) => keyOf(event) === keyOf(ours[n] ?? event))) this.same += 1;
    else this.reordered += 1;
  }

  private lone({ address, events }: Interval, kernels: boolean): void {
    const isLarge = this.large.some(({ first, pages }) => first <= address && address < first + pages);
    const place = {
      kernels,
      lone: true,
      last: false,
      large: !kernels && isLarge,
      inKernel: !kernels && this.inKernel.has(address),
      late: false,
    };
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
  for (const tid of tids) {
    comparer.thread(intervalsOf(kernel, tid), intervalsOf(ours, tid), kernelFaults(kernel, tid));
  }
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
