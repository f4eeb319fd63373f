// The invariants of a quiescent machine: each conservation law a function of a snapshot, each broken one a finding.
//
// Their numbers are used everywhere: by `pagerace list`, in verdicts, in tests.
import { PAGE_TYPE_RESERVED, PAGE_TYPE_TABLE } from '../kernel/layout.ts';
import type { Snapshot } from '../machine/snapshot.ts';
import { Disagreements, counted, finding, pfnText } from './finding.ts';
import type { Finding } from './finding.ts';
import { frameAccounting, lru, mapcounts, refcounts } from './frames.ts';
import { dmesg, locks, memcgUsage, reverseMap, slab } from './objects.ts';
import { dirtyBits, exclusive, mappedOutsideVmas, pgtablesBytes, rss, tablesReachable } from './page-tables.ts';

/** A judge of the catalogue. */
export interface Judge {
  name: string;
  /** The rule. */
  what: string;
  /** What a Linux kernel says or suffers when the rule is broken. */
  symptom: string;
}

/** A judge of a machine at rest. */
export interface Invariant extends Judge {
  judge: (s: Snapshot) => Finding[];
}

export const INVARIANTS: readonly Invariant[] = [
  {
    name: 'I1',
    what: '_mapcount is the number of PTEs that map the page',
    symptom: 'BUG: Bad page map',
    judge: mapcounts,
  },
  {
    name: 'I2',
    what: "a folio's references are its PTEs and LRU batches; none leaks",
    symptom: 'BUG: Bad page state (nonzero _refcount), or a leak',
    judge: refcounts,
  },
  {
    name: 'I3',
    what: 'RSS, summed exactly, is the number of present pages',
    symptom: 'BUG: Bad rss-counter state',
    judge: rss,
  },
  {
    name: 'I4',
    what: 'pgtables_bytes counts every reachable table',
    symptom: 'BUG: non-zero pgtables_bytes on freeing mm',
    judge: pgtablesBytes,
  },
  {
    name: 'I5',
    what: 'every page table is reachable exactly once',
    symptom: 'bad pmd; a leaked table, or one in use after it is freed',
    judge: tablesReachable,
  },
  {
    name: 'I6',
    what: 'a memory group has what is charged to it, and no more than its limit',
    symptom: 'page_counter underflow, or a charge that never goes away',
    judge: memcgUsage,
  },
  {
    name: 'I7',
    what: 'every frame is free once or allocated once',
    symptom: 'BUG: Bad page state, or one page with two owners',
    judge: frameAccounting,
  },
  {
    name: 'I8',
    what: 'the reverse map leads back to the VMA',
    symptom: 'reclaim does not find the mapping, or uses a freed anon_vma',
    judge: reverseMap,
  },
  {
    name: 'I9',
    what: 'a writable page is mapped once and exclusive',
    symptom: 'CONFIG_PAGE_TABLE_CHECK: kernel BUG',
    judge: exclusive,
  },
  {
    name: 'I10',
    what: 'Dirty is in bit 6 of writable entries and bit 58 of others',
    symptom: 'a data page is taken for a shadow stack',
    judge: dirtyBits,
  },
  {
    name: 'I11',
    what: 'a folio is on one LRU list or in one batch',
    symptom: 'VM_BUG_ON_FOLIO(folio_test_lru(folio))',
    judge: lru,
  },
  {
    name: 'I12',
    what: 'nothing is mapped outside VMAs, or with more rights',
    symptom: 'memory that was unmapped is still accessible',
    judge: mappedOutsideVmas,
  },
  {
    name: 'slab',
    what: 'kernel objects are free once, and counted',
    symptom: 'BUG: Object already free',
    judge: slab,
  },
  {
    name: 'locks',
    what: 'nobody holds a lock when all programs have ended',
    symptom: 'WARNING: lock held when returning to user space!',
    judge: locks,
  },
  {
    name: 'dmesg',
    what: 'the kernel log has no BUG line',
    symptom: 'the line itself',
    judge: dmesg,
  },
];

/** All judges, for those who list them. */
export const JUDGES: readonly Judge[] = [
  ...INVARIANTS.map(({ name, what, symptom }): Judge => ({ name, what, symptom })),
  {
    name: 'I13',
    what: 'every load is explained by an order of the stores (user memory)',
    symptom: 'a store is lost, or a program reads what was never stored',
  },
  {
    name: 'soft-dirty',
    what: 'a page that was stored to since clear_refs is soft-dirty',
    symptom: 'an incremental copy of a process lacks a store',
  },
  {
    name: 'leak',
    what: 'nothing is left allocated after the process has exited',
    symptom: 'free memory that never comes back',
  },
  {
    name: 'stuck',
    what: 'no CPU waits for ever; it says who waits for what held by whom',
    symptom: 'BUG: soft lockup - CPU#0 stuck for 22s!',
  },
  {
    name: 'died',
    what: "no CPU's thread ends before its program does",
    symptom: 'kernel panic',
  },
];

/** All invariants over a quiescent machine. */
export function judgeSnapshot(s: Snapshot): Finding[] {
  return INVARIANTS.flatMap(({ judge }) => judge(s));
}

/** Caches whose objects outlive processes. */
const LASTING_CACHES: readonly string[] = ['mem_cgroup'];

/** After the last process has exited: nothing is left but the zero page and the memory groups. */
export function judgeEmpty(s: Snapshot): Finding[] {
  const pages = new Disagreements();
  for (let f = 0; f < s.frames; f++) {
    if (s.allocated[f] === 0 || s.pageType[f] === PAGE_TYPE_RESERVED || s.pendingTable[f] === 1) continue;
    const what = s.pageType[f] === PAGE_TYPE_TABLE ? 'a page table' : 'a folio';
    const counts = `refcount ${String(s.refcount[f])}, mapcount ${String(s.mapcount[f]! + 1)}`;
    pages.add(`pfn ${pfnText(s.basePfn + f)}: ${what}, ${counts}`);
  }
  const objects = s.objects.filter(({ cache, live }) => live > 0 && !LASTING_CACHES.includes(cache));
  const charges = s.memcgs.filter((group) => group.usage !== 0);
  return [
    ...pages.finding('leak', (n) => `${counted(n, 'page')} leaked: still allocated after exit`),
    ...finding(
      'leak',
      () => 'kernel objects leaked: still in use after exit',
      objects.map(({ cache, live }) => `${cache}: ${String(live)}`),
    ),
    ...finding(
      'leak',
      () => 'charges leaked: a memory group is still charged after exit',
      charges.map((group) => `memory group ${String(group.id)}: usage ${String(group.usage)}`),
    ),
  ];
}
