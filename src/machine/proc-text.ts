// What a Linux machine in this state would print: /proc/PID/status and smaps, /proc/buddyinfo, memory cgroup files.
//
// Formats and rounding are v6.8's, field for field; fields that only tell of things that are not modelled are left out.
import { _PAGE_ACCESSED, _PAGE_DIRTY, _PAGE_SAVED_DIRTY_HI, _PAGE_SPECIAL } from '../kernel/arch/x86/pgtable.ts';
import { PAGE_COUNTER_MAX } from '../kernel/layout.ts';
import { VM_EXEC, VM_READ, VM_SHARED, VM_WRITE } from '../kernel/mm/flags.ts';
import type { MemcgRecord, MmRecord, Snapshot, VmaRecord } from './snapshot.ts';

const PAGE_BYTES = 4096;
const PAGE_KB = 4;

function kbLine(label: string, kb: number): string {
  return `${label}${String(kb).padStart(8)} kB`;
}

/** The size lines of /proc/PID/status. They read the counters' global parts alone, so they can lag behind. */
export function statusLines(mm: MmRecord): string[] {
  const [file = 0, anon = 0, swap = 0, shmem = 0] = mm.rssGlobal.map((pages) => Math.max(0, pages) * PAGE_KB);
  return [
    kbLine('VmRSS:\t', anon + file + shmem),
    kbLine('RssAnon:\t', anon),
    kbLine('RssFile:\t', file),
    kbLine('RssShmem:\t', shmem),
    kbLine('VmPTE:\t', mm.pgtablesBytes >> 10),
    kbLine('VmSwap:\t', swap),
  ];
}

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
  [0x400, 'pf'],
  [0x2000, 'lo'],
  [0x4000, 'io'],
  [0x20000, 'dc'],
  [0x40000, 'de'],
  [0x100000, 'ac'],
  [0x200000, 'nr'],
  [0x400000, 'ht'],
  [0x2000000, 'wf'],
  [0x8000000, 'sd'],
  [0x10000000, 'mm'],
  [0x20000000, 'hg'],
  [0x40000000, 'nh'],
];

/** Kilobytes of a VMA by what smaps counts them as. The zero page is in none of them. */
interface SmapsCounts {
  rss: number;
  pss: number;
  pssDirty: number;
  sharedClean: number;
  sharedDirty: number;
  privateClean: number;
  privateDirty: number;
  referenced: number;
}

function countVma(s: Snapshot, mm: MmRecord, vma: VmaRecord): SmapsCounts {
  const sum = {
    rss: 0,
    pss: 0,
    pssDirty: 0,
    sharedClean: 0,
    sharedDirty: 0,
    privateClean: 0,
    privateDirty: 0,
    referenced: 0,
  };
  for (const { address, lo, hi, frame } of mm.mappings) {
    if (address < vma.start || address >= vma.end || frame < 0 || (lo & _PAGE_SPECIAL) !== 0) continue;
    const dirty = (lo & _PAGE_DIRTY) !== 0 || (hi & _PAGE_SAVED_DIRTY_HI) !== 0;
    const mapcount = Math.max(1, s.mapcount[frame]! + 1);
    const isShared = mapcount > 1;
    sum.rss += PAGE_KB;
    sum.pss += PAGE_KB / mapcount;
    if (dirty) sum.pssDirty += PAGE_KB / mapcount;
    if ((lo & _PAGE_ACCESSED) !== 0) sum.referenced += PAGE_KB;
    if (isShared && dirty) sum.sharedDirty += PAGE_KB;
    else if (isShared) sum.sharedClean += PAGE_KB;
    else if (dirty) sum.privateDirty += PAGE_KB;
    else sum.privateClean += PAGE_KB;
  }
  return sum;
}

function permissions({ flags }: VmaRecord): string {
  const letter = (bit: number, name: string): string => ((flags & bit) !== 0 ? name : '-');
  const kind = (flags & VM_SHARED) !== 0 ? 's' : 'p';
  return letter(VM_READ, 'r') + letter(VM_WRITE, 'w') + letter(VM_EXEC, 'x') + kind;
}

/** One VMA's part of /proc/PID/smaps, without the fields for huge pages, KSM, swap and locked memory. */
export function smapsLines(s: Snapshot, mm: MmRecord, vma: VmaRecord): string[] {
  const range = `${vma.start.toString(16).padStart(8, '0')}-${vma.end.toString(16).padStart(8, '0')}`;

  const count = countVma(s, mm, vma);
  const line = (label: string, kb: number): string => kbLine(`${label}:`.padEnd(16), Math.floor(kb));
  const flags = VM_FLAG_NAMES.filter(([bit]) => (vma.flags & bit) !== 0).map(([, letters]) => `${letters} `);
  return [
    `${range} ${permissions(vma)} 00000000 00:00 0 `,
    line('Size', (vma.end - vma.start) / 1024),
    line('KernelPageSize', PAGE_KB),
    line('MMUPageSize', PAGE_KB),
    line('Rss', count.rss),
    line('Pss', count.pss),
    line('Pss_Dirty', count.pssDirty),
    line('Shared_Clean', count.sharedClean),
    line('Shared_Dirty', count.sharedDirty),
    line('Private_Clean', count.privateClean),
    line('Private_Dirty', count.privateDirty),
    line('Referenced', count.referenced),
    line('Anonymous', count.rss),
    `VmFlags: ${flags.join('')}`,
  ];
}

/** /proc/buddyinfo: free blocks of each order, as the zones count them. */
export function buddyinfoLines(s: Snapshot): string[] {
  return s.zones.map(
    ({ name, nrFree }) =>
      `Node 0, zone ${name.padStart(8)} ${nrFree.map((blocks) => `${String(blocks).padStart(6)} `).join('')}`,
  );
}

/** The files of a memory cgroup (v2), by name. Sizes in bytes; memory.current includes CPU stocks and page tables. */
export function memcgFiles(group: MemcgRecord): Record<string, string[]> {
  const { low, high, max, oom, oomKill } = group.events;
  return {
    'memory.current': [String(group.usage * PAGE_BYTES)],
    'memory.peak': [String(group.watermark * PAGE_BYTES)],
    'memory.max': [group.max === PAGE_COUNTER_MAX ? 'max' : String(group.max * PAGE_BYTES)],
    'memory.events': [
      `low ${String(low)}`,
      `high ${String(high)}`,
      `max ${String(max)}`,
      `oom ${String(oom)}`,
      `oom_kill ${String(oomKill)}`,
      'oom_group_kill 0',
    ],
  };
}
