// /proc/PID/maps, smaps and smaps_rollup (fs/proc/task_mmu.c, v6.8), without the protection key, which depends on the
// processor.
import { _PAGE_ACCESSED, _PAGE_DIRTY, _PAGE_SAVED_DIRTY_HI, _PAGE_SPECIAL } from '../../kernel/arch/x86/pgtable.ts';
import { PAGE_MAPPING_ANON, VM_EXEC, VM_READ, VM_SHARED, VM_WRITE } from '../../kernel/mm/flags.ts';
import { PG_swapbacked } from '../../kernel/layout.ts';
import type { MmRecord, ProcessSnapshot, VmaRecord } from '../snapshot.ts';
import { PAGE_BYTES, PAGE_KB, labelledKb, sum } from './lines.ts';

/** Two letters for each VM_* bit, in the order of the bits (show_smap_vma_flags). */
const VM_FLAG_NAMES: readonly (readonly [number, string])[] = [
  [0x1, 'rd'],
  [0x2, 'wr'],
  [0x4, 'ex'],
  [0x8, 'sh'],
  [0x10, 'mr'],
  [0x20, 'mw'],
  [0x40, 'me'],
  [0x80, 'ms'],
  [0x100, 'gd'],
  [0x200, 'um'],
  [0x400, 'pf'],
  [0x1000, 'uw'],
  [0x2000, 'lo'],
  [0x4000, 'io'],
  [0x8000, 'sr'],
  [0x10000, 'rr'],
  [0x20000, 'dc'],
  [0x40000, 'de'],
  [0x80000, 'lf'],
  [0x100000, 'ac'],
  [0x200000, 'nr'],
  [0x400000, 'ht'],
  [0x800000, 'sf'],
  [0x2000000, 'wf'],
  [0x4000000, 'dd'],
  [0x8000000, 'sd'],
  [0x10000000, 'mm'],
  [0x20000000, 'hg'],
  [0x40000000, 'nh'],
  [0x80000000 | 0, 'mg'],
];

const VM_LOCKED = 0x2000;
const PG_REFERENCED = 1 << 2;
const PG_DIRTY = 1 << 4;
/** Binary places that a proportional share is kept with, beside bytes. */
const PSS_UNIT: number = 1 << 12;
const PSS_PER_KB: number = PSS_UNIT * 1024;

/** Sizes of what a VMA maps, in kB; those of pss* in PSS_PER_KB-ths. The zero page is in none of them. */
export interface SmapsCounts {
  rss: number;
  pss: number;
  pssDirty: number;
  pssLocked: number;
  sharedClean: number;
  sharedDirty: number;
  privateClean: number;
  privateDirty: number;
  referenced: number;
  anonymous: number;
  lazyFree: number;
}

function noCounts(): SmapsCounts {
  return {
    rss: 0,
    pss: 0,
    pssDirty: 0,
    pssLocked: 0,
    sharedClean: 0,
    sharedDirty: 0,
    privateClean: 0,
    privateDirty: 0,
    referenced: 0,
    anonymous: 0,
    lazyFree: 0,
  };
}

/** smaps_account: one present page. */
function count(to: SmapsCounts, s: ProcessSnapshot, vma: VmaRecord, frame: number, lo: number, hi: number): void {
  const flags = s.flags[frame]!;
  const mapcount = Math.max(1, s.mapcount[frame]! + 1);
  const pss = Math.floor((PAGE_BYTES * PSS_UNIT) / mapcount);
  const isDirty = (lo & _PAGE_DIRTY) !== 0 || (hi & _PAGE_SAVED_DIRTY_HI) !== 0 || (flags & PG_DIRTY) !== 0;
  to.rss += PAGE_KB;
  to.pss += pss;
  if (isDirty) to.pssDirty += pss;
  if ((vma.flags & VM_LOCKED) !== 0) to.pssLocked += pss;
  if ((lo & _PAGE_ACCESSED) !== 0 || (flags & PG_REFERENCED) !== 0) to.referenced += PAGE_KB;
  if ((s.mapping[frame]! & PAGE_MAPPING_ANON) !== 0) {
    to.anonymous += PAGE_KB;
    if ((flags & (1 << PG_swapbacked)) === 0 && !isDirty) to.lazyFree += PAGE_KB;
  }
  if (mapcount > 1) to[isDirty ? 'sharedDirty' : 'sharedClean'] += PAGE_KB;
  else to[isDirty ? 'privateDirty' : 'privateClean'] += PAGE_KB;
}

/** What each VMA of a process maps. */
export function smapsCounts(s: ProcessSnapshot, mm: MmRecord): Map<VmaRecord, SmapsCounts> {
  const counts = new Map(mm.vmas.map((vma) => [vma, noCounts()]));
  for (const { address, lo, hi, frame } of mm.mappings) {
    if (frame < 0 || (lo & _PAGE_SPECIAL) !== 0) continue;
    const vma = mm.vmas.find(({ start, end }) => start <= address && address < end);
    const to = vma && counts.get(vma);
    if (to !== undefined) count(to, s, vma!, frame, lo, hi);
  }
  return counts;
}

/** The last column of maps. Padding comes before a name alone. */
function withName(line: string, name: string): string {
  return name === '' ? line : `${line.padEnd(72)} ${name}`;
}

const hexAddress = (address: number): string => address.toString(16).padStart(8, '0');

/** show_map_vma: one VMA's line of maps, which is the first of its lines in smaps. */
export function mapsLine(mm: MmRecord, vma: VmaRecord): string {
  const letter = (bit: number, name: string): string => ((vma.flags & bit) !== 0 ? name : '-');
  const kind = (vma.flags & VM_SHARED) !== 0 ? 's' : 'p';
  const permissions = letter(VM_READ, 'r') + letter(VM_WRITE, 'w') + letter(VM_EXEC, 'x') + kind;
  const isHeap = vma.start < mm.brk && vma.end > mm.startBrk;
  const line = `${hexAddress(vma.start)}-${hexAddress(vma.end)} ${permissions} 00000000 00:00 0 `;
  return withName(line, isHeap ? '[heap]' : '');
}

/** __show_smap: the sizes that smaps and smaps_rollup have in common; `rollup` has some more between them. */
function sizeLines(c: SmapsCounts, rollup: boolean): string[] {
  const none = (...labels: readonly string[]): string[] => labels.map((label) => labelledKb(label, 0));
  return [
    labelledKb('Rss', c.rss),
    labelledKb('Pss', c.pss / PSS_PER_KB),
    labelledKb('Pss_Dirty', c.pssDirty / PSS_PER_KB),
    ...(rollup ? [labelledKb('Pss_Anon', c.pss / PSS_PER_KB), ...none('Pss_File', 'Pss_Shmem')] : []),
    labelledKb('Shared_Clean', c.sharedClean),
    labelledKb('Shared_Dirty', c.sharedDirty),
    labelledKb('Private_Clean', c.privateClean),
    labelledKb('Private_Dirty', c.privateDirty),
    labelledKb('Referenced', c.referenced),
    labelledKb('Anonymous', c.anonymous),
    ...none('KSM'),
    labelledKb('LazyFree', c.lazyFree),
    ...none('AnonHugePages', 'ShmemPmdMapped', 'FilePmdMapped', 'Shared_Hugetlb', 'Private_Hugetlb', 'Swap', 'SwapPss'),
    labelledKb('Locked', c.pssLocked / PSS_PER_KB),
  ];
}

/** One VMA's part of /proc/PID/smaps. */
export function smapsLines(mm: MmRecord, vma: VmaRecord, counts: SmapsCounts): string[] {
  const flags = VM_FLAG_NAMES.filter(([bit]) => (vma.flags & bit) !== 0).map(([, letters]) => `${letters} `);
  return [
    mapsLine(mm, vma),
    labelledKb('Size', (vma.end - vma.start) / 1024),
    labelledKb('KernelPageSize', PAGE_KB),
    labelledKb('MMUPageSize', PAGE_KB),
    ...sizeLines(counts, false),
    'THPeligible:           0',
    `VmFlags: ${flags.join('')}`,
  ];
}

/** /proc/PID/smaps. */
export function smapsFile(s: ProcessSnapshot, mm: MmRecord): string[] {
  const counts = smapsCounts(s, mm);
  return mm.vmas.flatMap((vma) => smapsLines(mm, vma, counts.get(vma) ?? noCounts()));
}

/** /proc/PID/smaps_rollup: all VMAs in one. */
export function smapsRollupFile(s: ProcessSnapshot, mm: MmRecord): string[] {
  const counts = [...smapsCounts(s, mm).values()];
  const all = noCounts();
  for (const name of Object.keys(all) as (keyof SmapsCounts)[]) all[name] = sum(counts.map((each) => each[name]));
  const [first, last] = [mm.vmas[0]?.start ?? 0, mm.vmas.at(-1)?.end ?? 0];
  const line = `${hexAddress(first)}-${hexAddress(last)} ---p 00000000 00:00 0 `;
  return [withName(line, '[rollup]'), ...sizeLines(all, true)];
}
