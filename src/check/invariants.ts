// The invariants of a quiescent machine: each conservation law a function of a snapshot, each broken one a finding.
//
// Their numbers are used everywhere: by `pagerace list`, in verdicts, in tests.
import { PAGE_TYPE_RESERVED, PAGE_TYPE_TABLE, PG_anon_exclusive, PG_lru } from '../kernel/layout.ts';
import { _PAGE_DIRTY, _PAGE_RW, _PAGE_SAVED_DIRTY_HI, _PAGE_SPECIAL } from '../kernel/arch/x86/pgtable.ts';
import { FREE_BUDDY, FREE_NOT } from '../machine/snapshot.ts';
import type { Mapping, MmRecord, Snapshot, VmaRecord } from '../machine/snapshot.ts';
import { addressText, counted, finding, pfnText } from './finding.ts';
import type { Finding } from './finding.ts';

const MM_ANONPAGES = 1;
const MM_COUNTER_NAMES = ['MM_FILEPAGES', 'MM_ANONPAGES', 'MM_SWAPENTS', 'MM_SHMEMPAGES'];

/** Whether a mapping is of a page of its own: not the zero page, and of this machine. */
function isNormal(mapping: Mapping): boolean {
  return (mapping.lo & _PAGE_SPECIAL) === 0 && mapping.frame >= 0;
}

function pfn(s: Snapshot, frame: number): string {
  return pfnText(s.basePfn + frame);
}

/** Collects a text for every frame that `disagrees` has one for. */
function frames(s: Snapshot, disagrees: (frame: number) => string | undefined): string[] {
  const texts: string[] = [];
  for (let frame = 0; frame < s.frames; frame++) {
    const text = disagrees(frame);
    if (text !== undefined) texts.push(text);
  }
  return texts;
}

/** I1: _mapcount + 1 is the number of PTEs that map the page. */
function mapcounts(s: Snapshot): Finding[] {
  return finding(
    'I1',
    (n) => `BUG: Bad page map: ${counted(n, 'page')} with a _mapcount that is not the number of their PTEs`,
    frames(s, (f) =>
      s.free[f] === FREE_NOT && (s.mapcount[f] ?? 0) + 1 !== s.mappedBy[f]
        ? `pfn ${pfn(s, f)}: mapcount ${String((s.mapcount[f] ?? 0) + 1)}, PTEs ${String(s.mappedBy[f])}`
        : undefined,
    ),
  );
}

/** Whether a frame is a folio: allocated, no table, not reserved. */
function isFolio(s: Snapshot, f: number): boolean {
  return (s.allocated[f] ?? 0) > 0 && s.pageType[f] !== PAGE_TYPE_TABLE && s.pageType[f] !== PAGE_TYPE_RESERVED;
}

/** I2: a folio's references are its PTEs and the LRU batches it waits in; none is allocated that nobody maps. */
function refcounts(s: Snapshot): Finding[] {
  const leaked = frames(s, (f) =>
    isFolio(s, f) && s.mappedBy[f] === 0 && s.batched[f] === 0
      ? `pfn ${pfn(s, f)}: refcount ${String(s.refcount[f])}, mapcount ${String((s.mapcount[f] ?? 0) + 1)}, no PTE`
      : undefined,
  );
  const wrong = frames(s, (f) =>
    isFolio(s, f) && (s.mappedBy[f] ?? 0) > 0 && s.refcount[f] !== (s.mappedBy[f] ?? 0) + (s.batched[f] ?? 0)
      ? `pfn ${pfn(s, f)}: refcount ${String(s.refcount[f])}, PTEs ${String(s.mappedBy[f])}, batches ${String(s.batched[f])}`
      : undefined,
  );
  return [
    ...finding('I2', (n) => `${counted(n, 'folio')} leaked: allocated, and nobody maps ${n === 1 ? 'it' : 'them'}`, leaked),
    ...finding('I2', (n) => `BUG: Bad page state: ${counted(n, 'folio')} with a wrong _refcount`, wrong),
  ];
}

/** I3: MM_ANONPAGES, summed exactly, is the number of present PTEs of anonymous pages. */
function rss(s: Snapshot): Finding[] {
  return s.mms.flatMap((mm) =>
    mm.rss.flatMap((value, member) => {
      const present = member === MM_ANONPAGES ? mm.mappings.filter(isNormal).length : 0;
      const off = value - present;
      const type = MM_COUNTER_NAMES[member] ?? '?';
      const text = `BUG: Bad rss-counter state mm:${mm.id.toString(16).padStart(8, '0')} type:${type} val:${String(off)}`;
      return off === 0 ? [] : finding('I3', () => text, [`counter ${String(value)}, present PTEs ${String(present)}`]);
    }),
  );
}

/** I4: pgtables_bytes counts every reachable table below the pgd. */
function pgtablesBytes(s: Snapshot): Finding[] {
  return s.mms.flatMap((mm) => {
    const reachable = new Set(mm.tables.filter((t) => t.level < 4).map((t) => t.frame)).size;
    const off = mm.pgtablesBytes - reachable * 4096;
    if (off === 0) return [];
    const text = `BUG: non-zero pgtables_bytes on freeing mm: ${String(off)}`;
    return finding('I4', () => text, [`pgtables_bytes ${String(mm.pgtablesBytes)}, reachable tables ${String(reachable)}`]);
  });
}

/** I5: every page-table page is reachable exactly once. */
function tablesReachable(s: Snapshot): Finding[] {
  const ways = new Int32Array(s.frames);
  for (const mm of s.mms) for (const table of mm.tables) ways[table.frame]! += 1;
  return finding(
    'I5',
    (n) => `${counted(n, 'page-table page')} not reachable exactly once`,
    frames(s, (f) =>
      (s.pageType[f] === PAGE_TYPE_TABLE ? 1 : 0) === ways[f]
        ? undefined
        : `pfn ${pfn(s, f)}: ${s.pageType[f] === PAGE_TYPE_TABLE ? 'a table' : 'no table'}, reached ${String(ways[f])} times`,
    ),
  );
}

/** I6: a group's usage is what its subtree has charged and stocked, and not above its limit. */
function memcgUsage(s: Snapshot): Finding[] {
  const root = s.memcgs.find((group) => group.parent === 0);
  const total = (word: number): number =>
    s.memcgs.reduce((sum, group) => {
      if (group.word === word) return sum + group.charged + group.stock;
      return group.parent === word ? sum + total(group.word) : sum;
    }, 0);
  const wrong: string[] = [];
  const above: string[] = [];
  for (const group of s.memcgs) {
    const expected = total(group.word);
    const name = group === root ? 'root' : `memory group ${String(group.id)}`;
    if (group.usage !== expected) wrong.push(`${name}: usage ${String(group.usage)}, charged and stocked ${String(expected)}`);
    if (group.usage > group.max) above.push(`${name}: usage ${String(group.usage)}, memory.max ${String(group.max)}`);
  }
  return [
    ...finding('I6', () => 'page_counter: the usage of a memory group is not what is charged to it', wrong),
    ...finding('I6', () => 'memory.current stands above memory.max', above),
  ];
}

/** I7: every frame is free in one place or allocated, and the free pages are counted. */
function frameAccounting(s: Snapshot): Finding[] {
  const problems = [...s.freeListProblems];
  let buddy = 0;
  for (let f = 0; f < s.frames; f++) {
    if (s.free[f] === FREE_BUDDY) buddy += 1;
    const allocated = (s.allocated[f] ?? 0) > 0 || s.pageType[f] === PAGE_TYPE_RESERVED;
    if (allocated && s.free[f] !== FREE_NOT) problems.push(`pfn ${pfn(s, f)} is allocated and on a free list`);
    else if (!allocated && s.free[f] === FREE_NOT) problems.push(`pfn ${pfn(s, f)} is neither allocated nor on a free list`);
  }
  if (buddy !== s.nrFreePages) problems.push(`nr_free_pages ${String(s.nrFreePages)}, pages in the buddy lists ${String(buddy)}`);
  return finding('I7', () => 'BUG: Bad page state: the allocator has lost count of its pages', problems);
}

function vmaAt(mm: MmRecord, address: number): VmaRecord | undefined {
  let low = 0;
  let high = mm.vmas.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((mm.vmas[middle]?.end ?? 0) > address) high = middle;
    else low = middle + 1;
  }
  const vma = mm.vmas[low];
  return vma !== undefined && vma.start <= address ? vma : undefined;
}

/** Collects a text for every mapping of an own page that `disagrees` has one for. */
function mappings(s: Snapshot, disagrees: (m: Mapping, mm: MmRecord) => string | undefined): string[] {
  return s.mms.flatMap((mm) =>
    mm.mappings.flatMap((mapping) => {
      const text = isNormal(mapping) ? disagrees(mapping, mm) : undefined;
      return text === undefined ? [] : [`${addressText(mapping.address)}, pfn ${pfnText(mapping.pfn)}: ${text}`];
    }),
  );
}

/** I8: the reverse map leads back: the folio's anon_vma is in the VMA's chain, its index is the address's. */
function reverseMap(s: Snapshot): Finding[] {
  return finding(
    'I8',
    (n) => `the reverse map does not lead back for ${counted(n, 'page')}`,
    mappings(s, (mapping, mm) => {
      const vma = vmaAt(mm, mapping.address);
      if (vma === undefined) return undefined;
      const anonVma = (s.mapping[mapping.frame] ?? 0) - 1;
      if (vma.anonVma === 0) return 'its VMA has no anon_vma';
      if (!vma.chain.includes(anonVma) || anonVma !== vma.anonVma) return 'its anon_vma is not that of its VMA';
      const index = (mapping.address - vma.start) / 4096 + vma.pgoff;
      return s.index[mapping.frame] === index ? undefined : `index ${String(s.index[mapping.frame])}, not ${String(index)}`;
    }).concat(
      s.mms.flatMap((mm) =>
        mm.vmas
          .filter((vma) => vma.chain.length !== (vma.anonVma === 0 ? 0 : 1))
          .map((vma) => `VMA ${addressText(vma.start)}: ${counted(vma.chain.length, 'anon_vma')} in its chain`),
      ),
    ),
  );
}

/** I9: a writable PTE is the only mapping of an exclusive page. */
function exclusive(s: Snapshot): Finding[] {
  return finding(
    'I9',
    (n) => `${counted(n, 'writable PTE')} of a page that is not exclusive (CONFIG_PAGE_TABLE_CHECK would BUG)`,
    mappings(s, (mapping) => {
      if ((mapping.lo & _PAGE_RW) === 0) return undefined;
      if (((s.flags[mapping.frame] ?? 0) & (1 << PG_anon_exclusive)) === 0) return 'PG_anon_exclusive is not set';
      return (s.mappedBy[mapping.frame] ?? 0) > 1 ? `mapped by ${String(s.mappedBy[mapping.frame])} PTEs` : undefined;
    }),
  );
}

/** I10: a writable PTE is dirty; a read-only one keeps its dirt in bit 58, never in bit 6. */
function dirtyBits(s: Snapshot): Finding[] {
  return finding(
    'I10',
    (n) => `${counted(n, 'PTE')} with Dirty where it must not be`,
    mappings(s, ({ lo, hi }) => {
      const dirty = (lo & _PAGE_DIRTY) !== 0;
      const saved = (hi & _PAGE_SAVED_DIRTY_HI) !== 0;
      if ((lo & _PAGE_RW) !== 0) return dirty && !saved ? undefined : 'writable, and not dirty in bit 6 alone';
      return dirty ? 'read-only, and dirty in bit 6 (a shadow stack page)' : undefined;
    }),
  );
}

/** I11: a folio is on one LRU list, or in batches, and PG_lru says which. */
function lru(s: Snapshot): Finding[] {
  return finding(
    'I11',
    (n) => `VM_BUG_ON folio_test_lru: ${counted(n, 'page')} with PG_lru, list and batch at odds`,
    frames(s, (f) => {
      const flag = ((s.flags[f] ?? 0) & (1 << PG_lru)) !== 0 ? 1 : 0;
      if (flag !== s.onLru[f]) return `pfn ${pfn(s, f)}: PG_lru ${String(flag)}, on the list ${String(s.onLru[f])} times`;
      return flag + (s.batched[f] ?? 0) > 1 ? `pfn ${pfn(s, f)}: on the list and in a batch, or in two` : undefined;
    }),
  );
}

/** I12: no PTE is present where no VMA is. */
function mappedOutsideVmas(s: Snapshot): Finding[] {
  const outside = s.mms.flatMap((mm) =>
    mm.mappings
      .filter((mapping) => vmaAt(mm, mapping.address) === undefined)
      .map((mapping) => `${addressText(mapping.address)} maps pfn ${pfnText(mapping.pfn)}`),
  );
  return finding('I12', (n) => `${counted(n, 'PTE')} present in a range that is not mapped`, outside);
}

/** The kernel log has no line that says BUG. */
function dmesg(s: Snapshot): Finding[] {
  const bugs = s.dmesg.filter((line) => line.isBug).map((line) => line.text);
  return [...new Set(bugs)].slice(0, 8).map((text) => ({ judge: 'dmesg', message: text, details: [] }));
}

/** A judge of the catalogue. */
export interface Judge {
  name: string;
  what: string;
}

const INVARIANTS: readonly (Judge & { judge: (s: Snapshot) => Finding[] })[] = [
  { name: 'I1', what: '_mapcount is the number of PTEs that map the page', judge: mapcounts },
  { name: 'I2', what: "a folio's references are its PTEs and LRU batches; none leaks", judge: refcounts },
  { name: 'I3', what: 'RSS, summed exactly, is the number of present pages', judge: rss },
  { name: 'I4', what: 'pgtables_bytes counts every reachable table', judge: pgtablesBytes },
  { name: 'I5', what: 'every page table is reachable exactly once', judge: tablesReachable },
  { name: 'I6', what: 'a memory group has what is charged to it, and no more than its limit', judge: memcgUsage },
  { name: 'I7', what: 'every frame is free once or allocated once', judge: frameAccounting },
  { name: 'I8', what: 'the reverse map leads back to the VMA', judge: reverseMap },
  { name: 'I9', what: 'a writable page is mapped once and exclusive', judge: exclusive },
  { name: 'I10', what: 'Dirty is in bit 6 of writable entries and bit 58 of others', judge: dirtyBits },
  { name: 'I11', what: 'a folio is on one LRU list or in one batch', judge: lru },
  { name: 'I12', what: 'nothing is mapped outside VMAs', judge: mappedOutsideVmas },
];

/** All judges, for those who list them. */
export const JUDGES: readonly Judge[] = [
  ...INVARIANTS.map(({ name, what }) => ({ name, what })),
  { name: 'I13', what: "every load is explained by an order of the stores (user memory)" },
  { name: 'dmesg', what: 'the kernel log has no BUG line' },
  { name: 'leak', what: 'nothing is left allocated after the process has exited' },
  { name: 'stuck', what: 'no CPU waits for ever; it says who waits for what held by whom' },
];

/** All invariants over a quiescent machine. */
export function judgeSnapshot(s: Snapshot): Finding[] {
  return [...INVARIANTS.flatMap(({ judge }) => judge(s)), ...dmesg(s)];
}

/** After the process has exited: nothing is left but the zero page. */
export function judgeEmpty(s: Snapshot): Finding[] {
  const left = frames(s, (f) => {
    if ((s.allocated[f] ?? 0) === 0) return undefined;
    const what = s.pageType[f] === PAGE_TYPE_TABLE ? 'a page table' : 'a folio';
    return `pfn ${pfn(s, f)}: ${what}, refcount ${String(s.refcount[f])}, mapcount ${String((s.mapcount[f] ?? 0) + 1)}`;
  });
  return finding('leak', (n) => `${counted(n, 'page')} leaked: still allocated after exit`, left);
}
