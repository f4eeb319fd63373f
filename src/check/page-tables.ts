// Judges of page tables: which tables can be reached, what their entries say, and where they may be present at all.
import {
  _PAGE_DIRTY,
  _PAGE_NX_HI,
  _PAGE_PRESENT,
  _PAGE_RW,
  _PAGE_SAVED_DIRTY_HI,
  _PAGE_SPECIAL,
} from '../kernel/arch/x86/pgtable.ts';
import { PAGE_TYPE_TABLE, PG_anon_exclusive } from '../kernel/layout.ts';
import { VM_ACCESS_FLAGS, VM_EXEC, VM_WRITE } from '../kernel/mm/flags.ts';
import type { Mapping, MmRecord, Snapshot, VmaRecord } from '../machine/snapshot.ts';
import { Disagreements, addressText, counted, finding, pfnText } from './finding.ts';
import type { Finding } from './finding.ts';
import { problemsOf } from './frames.ts';

const MM_ANONPAGES = 1;
const MM_COUNTER_NAMES: readonly string[] = ['MM_FILEPAGES', 'MM_ANONPAGES', 'MM_SWAPENTS', 'MM_SHMEMPAGES'];
const TABLE_BYTES = 4096;
const LEVEL_PGD = 4;

/** Whether a mapping is of a page of its own: not the zero page, and of this machine. */
export function isNormal(mapping: Mapping): boolean {
  return (mapping.lo & _PAGE_SPECIAL) === 0 && mapping.frame >= 0;
}

/** The VMA in the tree that covers an address. */
export function vmaAt(mm: MmRecord, address: number): VmaRecord | undefined {
  let low = 0;
  let high = mm.vmas.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (mm.vmas[middle]!.end > address) high = middle;
    else low = middle + 1;
  }
  const vma = mm.vmas[low];
  return vma !== undefined && vma.start <= address ? vma : undefined;
}

/** Collects a text for every present PTE that `disagrees` has one for. */
export function mappings(s: Snapshot, disagrees: (m: Mapping, mm: MmRecord) => string | undefined): Disagreements {
  const all = new Disagreements();
  for (const mm of s.mms) {
    for (const mapping of mm.mappings) {
      const text = disagrees(mapping, mm);
      if (text !== undefined) all.add(`${addressText(mapping.address)}, pfn ${pfnText(mapping.pfn)}: ${text}`);
    }
  }
  return all;
}

/** I3: MM_ANONPAGES, summed exactly, is the number of present PTEs of anonymous pages; nothing else is counted. */
export function rss(s: Snapshot): Finding[] {
  return s.mms.flatMap((mm) => {
    let anon = 0;
    for (const mapping of mm.mappings) if (isNormal(mapping)) anon += 1;
    return mm.rss.flatMap((value, member) => {
      const present = member === MM_ANONPAGES ? anon : 0;
      if (value === present) return [];
      const id = mm.id.toString(16).padStart(8, '0');
      const type = MM_COUNTER_NAMES[member] ?? '?';
      const text = `BUG: Bad rss-counter state mm:${id} type:${type} val:${String(value - present)}`;
      return finding('I3', () => text, [`counter ${String(value)}, present PTEs ${String(present)}`]);
    });
  });
}

/** I4: pgtables_bytes counts every reachable table below the pgd. */
export function pgtablesBytes(s: Snapshot): Finding[] {
  return s.mms.flatMap((mm) => {
    const below = mm.tables.filter((t) => t.level < LEVEL_PGD && s.pageType[t.frame] === PAGE_TYPE_TABLE);
    const reachable = new Set(below.map((t) => t.frame)).size;
    const off = mm.pgtablesBytes - reachable * TABLE_BYTES;
    if (off === 0) return [];
    const detail = `pgtables_bytes ${String(mm.pgtablesBytes)}, reachable tables ${String(reachable)}`;
    return finding('I4', () => `BUG: non-zero pgtables_bytes on freeing mm: ${String(off)}`, [detail]);
  });
}

/** I5: every page table is reachable exactly once, as what it was made for. */
export function tablesReachable(s: Snapshot): Finding[] {
  const ways = new Int32Array(s.frames);
  const odd = new Disagreements();
  for (const mm of s.mms) {
    for (const { frame, level, address } of mm.tables) {
      ways[frame]! += 1;
      const name = `pfn ${pfnText(s.basePfn + frame)} at ${addressText(address)}`;
      if (s.pageType[frame] !== PAGE_TYPE_TABLE) odd.add(`${name}: used as a page table, and is none`);
      else if (s.level[frame] !== level)
        odd.add(`${name}: made for level ${String(s.level[frame])}, used at level ${String(level)}`);
      else if (s.ptMm[frame] !== mm.word) odd.add(`${name}: it belongs to another mm`);
    }
  }
  for (let frame = 0; frame < s.frames; frame++) {
    if (s.pageType[frame] !== PAGE_TYPE_TABLE) continue;
    const name = `pfn ${pfnText(s.basePfn + frame)}`;
    if (ways[frame]! > 1) odd.add(`${name}: ${counted(ways[frame]!, 'way')} lead to this page table`);
    else if (ways[frame] === 0 && s.pendingTable[frame] === 0) odd.add(`${name}: a page table that nothing leads to`);
    else if (ways[frame] === 1 && s.pendingTable[frame] === 1)
      odd.add(`${name}: a page table in use that RCU will free`);
  }
  return [
    ...odd.finding('I5', (n) => `${counted(n, 'page table')} not reachable exactly once, or not what it is used as`),
    ...finding('I5', () => 'mm/pgtable-generic.c: bad entries in upper page tables', problemsOf(s, 'I5')),
  ];
}

/** I9: a writable PTE is the only mapping of an exclusive page; the zero page is nobody's to write. */
export function exclusive(s: Snapshot): Finding[] {
  const shared = mappings(s, (mapping) => {
    if ((mapping.lo & _PAGE_RW) === 0 || mapping.frame < 0) return undefined;
    if ((mapping.lo & _PAGE_SPECIAL) !== 0) return 'the zero page, mapped writable';
    if ((s.flags[mapping.frame]! & (1 << PG_anon_exclusive)) === 0) return 'PG_anon_exclusive is not set';
    const count = s.mappedBy[mapping.frame]!;
    return count > 1 ? `mapped by ${String(count)} PTEs` : undefined;
  });
  const dirt = s.zeroPageDirt > 0 ? [`the zero page: ${counted(s.zeroPageDirt, 'word')} not zero`] : [];
  return [
    ...shared.finding(
      'I9',
      (n) => `${counted(n, 'writable PTE')} of a page that is not exclusive (CONFIG_PAGE_TABLE_CHECK would BUG)`,
    ),
    ...finding('I9', () => 'somebody has written to the zero page', dirt),
  ];
}

/** I10: a writable PTE keeps its dirt in bit 6, a read-only one in bit 58. (MADV_FREE leaves writable ones clean.) */
export function dirtyBits(s: Snapshot): Finding[] {
  const wrong = mappings(s, ({ lo, hi }) => {
    const dirty = (lo & _PAGE_DIRTY) !== 0;
    const saved = (hi & _PAGE_SAVED_DIRTY_HI) !== 0;
    if ((lo & _PAGE_RW) !== 0) return saved ? 'writable, and dirty in bit 58' : undefined;
    return dirty ? 'read-only, and dirty in bit 6 (a shadow stack page)' : undefined;
  });
  return [
    ...wrong.finding('I10', (n) => `${counted(n, 'PTE')} with Dirty where it must not be`),
    ...finding('I10', () => 'PTEs that are neither empty nor present', problemsOf(s, 'I10')),
  ];
}

/** What a PTE allows that its VMA does not. */
function excess({ lo, hi }: Mapping, vma: VmaRecord): string | undefined {
  if ((lo & _PAGE_PRESENT) === 0) return undefined;
  if ((vma.flags & VM_ACCESS_FLAGS) === 0) return 'present in a VMA that allows nothing';
  if ((lo & _PAGE_RW) !== 0 && (vma.flags & VM_WRITE) === 0) return 'writable in a VMA that is not';
  return (hi & _PAGE_NX_HI) === 0 && (vma.flags & VM_EXEC) === 0 ? 'executable in a VMA that is not' : undefined;
}

/** I12: no PTE is present where no VMA is, or allows what its VMA does not; and the tree of VMAs is whole. */
export function mappedOutsideVmas(s: Snapshot): Finding[] {
  const outside = mappings(s, (mapping, mm) => (vmaAt(mm, mapping.address) === undefined ? 'no VMA there' : undefined));
  const more = mappings(s, (mapping, mm) => {
    const vma = vmaAt(mm, mapping.address);
    return vma === undefined ? undefined : excess(mapping, vma);
  });
  return [
    ...outside.finding('I12', (n) => `${counted(n, 'PTE')} present in a range that is not mapped`),
    ...more.finding('I12', (n) => `${counted(n, 'PTE')} with more rights than the VMA`),
    ...finding('I12', () => "the mm's tree of VMAs is not whole", [
      ...problemsOf(s, 'I12'),
      ...s.mms.flatMap(treeProblems),
    ]),
  ];
}

function treeProblems(mm: MmRecord): string[] {
  const wrong: string[] = [];
  let reached = 0;
  for (const vma of mm.vmas) {
    const name = `VMA ${addressText(vma.start)}-${addressText(vma.end)}`;
    if (vma.detached) wrong.push(`${name} is detached and still in the tree`);
    if (!(vma.start < vma.end)) wrong.push(`${name} is empty`);
    if (vma.start < reached) wrong.push(`${name} overlaps the one before`);
    reached = Math.max(reached, vma.end);
  }
  if (mm.mapCount !== mm.vmas.length)
    wrong.push(`map_count ${String(mm.mapCount)}, VMAs in the tree ${String(mm.vmas.length)}`);
  return wrong;
}
