// Judges of frames: what struct page says of itself against who maps it, who lists it and who waits for it.
import { PAGE_TYPE_BUDDY, PAGE_TYPE_RESERVED, PAGE_TYPE_TABLE, PG_lru } from '../kernel/layout.ts';
import { FREE_BUDDY, FREE_NOT } from '../machine/snapshot.ts';
import type { Snapshot } from '../machine/snapshot.ts';
import { Disagreements, counted, finding, pfnText } from './finding.ts';
import type { Finding } from './finding.ts';

/** Problems that the snapshot's walks met and that belong to this judge. */
export function problemsOf(s: Snapshot, judge: string): string[] {
  return s.problems.filter((problem) => problem.judge === judge).map((problem) => problem.text);
}

function pfn(s: Snapshot, frame: number): string {
  return pfnText(s.basePfn + frame);
}

/** Collects a text for every frame that `disagrees` has one for. */
function frames(s: Snapshot, disagrees: (frame: number) => string | undefined): Disagreements {
  const all = new Disagreements();
  for (let frame = 0; frame < s.frames; frame++) {
    const text = disagrees(frame);
    if (text !== undefined) all.add(`pfn ${pfn(s, frame)}: ${text}`);
  }
  return all;
}

/** Whether a frame is a folio: allocated, no table, not reserved. */
function isFolio(s: Snapshot, f: number): boolean {
  return s.allocated[f]! > 0 && s.pageType[f] !== PAGE_TYPE_TABLE && s.pageType[f] !== PAGE_TYPE_RESERVED;
}

function counts(s: Snapshot, f: number): string {
  return `refcount ${String(s.refcount[f])}, mapcount ${String(s.mapcount[f]! + 1)}, PTEs ${String(s.mappedBy[f])}`;
}

/** I1: _mapcount + 1 is the number of PTEs that map the page, and every PTE maps a page. */
export function mapcounts(s: Snapshot): Finding[] {
  const wrong = frames(s, (f) => (s.mapcount[f]! + 1 === s.mappedBy[f] ? undefined : counts(s, f)));
  const strange = new Disagreements();
  for (const mm of s.mms) {
    for (const { address, lo, pfn: number, frame } of mm.mappings) {
      const special = (lo & 0x200) !== 0;
      if (frame >= 0 && (!special || frame === s.zeroFrame)) continue;
      strange.add(
        `0x${address.toString(16)} maps pfn ${pfnText(number)}: ${special ? 'not the zero page' : 'no page of this machine'}`,
      );
    }
  }
  return [
    ...wrong.finding(
      'I1',
      (n) => `BUG: Bad page map: ${counted(n, 'page')} with a _mapcount that is not the number of their PTEs`,
    ),
    ...strange.finding('I1', (n) => `BUG: Bad page map: ${counted(n, 'PTE')} of a frame that no page is for`),
  ];
}

/** Folios that are allocated though nobody maps them, nor waits to put them on a list. */
export function leakedFolios(s: Snapshot): number {
  let leaked = 0;
  for (let f = 0; f < s.frames; f++) if (isFolio(s, f) && (s.mappedBy[f] ?? 0) + (s.batched[f] ?? 0) === 0) leaked += 1;
  return leaked;
}

/**
 * I2: a folio's references are its PTEs and the LRU batches that it waits in; none is allocated that nobody maps. (Pins
 * and the swap cache do not exist here.) A page table and the zero page have one reference.
 */
export function refcounts(s: Snapshot): Finding[] {
  const leaked = new Disagreements();
  const wrong = new Disagreements();
  for (let f = 0; f < s.frames; f++) {
    const used = s.mappedBy[f]! + s.batched[f]!;
    if (isFolio(s, f)) {
      if (used === 0)
        leaked.add(`frame pfn ${pfn(s, f)} is allocated but nobody maps it (refcount ${String(s.refcount[f])})`);
      else if (s.refcount[f] !== used)
        wrong.add(`pfn ${pfn(s, f)}: ${counts(s, f)}, in batches ${String(s.batched[f])}`);
    } else if (s.free[f] !== FREE_NOT && s.refcount[f] !== 0) {
      wrong.add(`pfn ${pfn(s, f)} is free with refcount ${String(s.refcount[f])}`);
    } else if ((s.allocated[f]! > 0 || s.pageType[f] === PAGE_TYPE_RESERVED) && s.refcount[f] !== 1) {
      const what = s.pageType[f] === PAGE_TYPE_TABLE ? 'a page table' : 'the zero page';
      wrong.add(`pfn ${pfn(s, f)}: ${what} with refcount ${String(s.refcount[f])}`);
    }
  }
  return [
    ...leaked.finding(
      'I2',
      (n) => `${counted(n, 'folio')} leaked: allocated, and nobody maps ${n === 1 ? 'it' : 'them'}`,
    ),
    ...wrong.finding('I2', (n) => `BUG: Bad page state: ${counted(n, 'page')} with a wrong _refcount`),
  ];
}

/** I7: every frame is free in one place or allocated, and what is free is counted. */
export function frameAccounting(s: Snapshot): Finding[] {
  const places = frames(s, (f) => {
    const allocated = s.allocated[f]! > 0 || s.tail[f] === 1 || s.pageType[f] === PAGE_TYPE_RESERVED;
    if (s.free[f] === FREE_NOT) return allocated ? undefined : 'neither allocated nor on a free list';
    if (allocated) return 'allocated and on a free list';
    return s.mappedBy[f]! > 0 ? `free, and mapped by ${counted(s.mappedBy[f]!, 'PTE')}` : undefined;
  });
  return [
    ...finding('I7', () => 'BUG: Bad page state: free lists are torn, or have a page twice', problemsOf(s, 'I7')),
    ...places.finding('I7', (n) => `BUG: Bad page state: ${counted(n, 'page')} in two places, or in none`),
    ...finding('I7', () => 'the allocator has lost count of its free pages', freeCounts(s)),
  ];
}

/** What the zones and CPUs count against what their lists hold. */
function freeCounts(s: Snapshot): string[] {
  const wrong: string[] = [];
  const buddy = new Map<number, number>();
  let heads = 0;
  for (const type of s.pageType) if (type === PAGE_TYPE_BUDDY) heads += 1;
  const blocks = s.zones.reduce((sum, zone) => sum + zone.listed.reduce((a, b) => a + b, 0), 0);
  if (heads !== blocks) wrong.push(`${counted(heads, 'page')} are PageBuddy, blocks listed ${String(blocks)}`);
  for (let f = 0; f < s.frames; f++) {
    if (s.free[f] !== FREE_BUDDY) continue;
    const zone = s.zones.find((z) => f >= z.firstFrame && f < z.firstFrame + z.spanned);
    if (zone !== undefined) buddy.set(zone.number, (buddy.get(zone.number) ?? 0) + 1);
  }
  for (const zone of s.zones) {
    const listed = buddy.get(zone.number) ?? 0;
    if (listed !== zone.nrFreePages) {
      wrong.push(
        `zone ${zone.name}: nr_free_pages ${String(zone.nrFreePages)}, pages in the buddy lists ${String(listed)}`,
      );
    }
    zone.nrFree.forEach((count, order) => {
      if (count === zone.listed[order]) return;
      wrong.push(
        `zone ${zone.name}, order ${String(order)}: nr_free ${String(count)}, blocks listed ${String(zone.listed[order])}`,
      );
    });
  }
  for (const { cpu, pcp } of s.cpuRecords) {
    for (const { count, listed } of pcp) {
      if (count !== listed)
        wrong.push(`CPU ${String(cpu)}: pcp->count ${String(count)}, pages listed ${String(listed)}`);
    }
  }
  return wrong;
}

/** I11: a folio is on one LRU list, or in one batch, and PG_lru says which. */
export function lru(s: Snapshot): Finding[] {
  const odd = frames(s, (f) => {
    const flag = (s.flags[f]! & (1 << PG_lru)) !== 0 ? 1 : 0;
    if (flag !== s.onLru[f]) return `PG_lru ${String(flag)}, on the list ${counted(s.onLru[f]!, 'time')}`;
    if (flag + s.batched[f]! > 1) return 'on the list and in a batch, or in two batches';
    return flag === 1 && s.free[f] !== FREE_NOT ? 'on the list and free' : undefined;
  });
  const torn = problemsOf(s, 'I11');
  if (torn.length === 0 && s.lruSize !== s.lruListed) {
    torn.push(`lru_size ${String(s.lruSize)}, folios on the list ${String(s.lruListed)}`);
  }
  return [
    ...odd.finding('I11', (n) => `VM_BUG_ON folio_test_lru: ${counted(n, 'page')} with PG_lru, list and batch at odds`),
    ...finding('I11', () => 'the LRU list is not what it says', torn),
  ];
}
