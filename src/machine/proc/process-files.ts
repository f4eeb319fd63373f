// /proc/PID/status, stat and pagemap (fs/proc, v6.8). Fields that only tell of things that are not modelled are left out
// of status, and 0 in stat, whose fields have no names.
import { _PAGE_PROTNONE, _PAGE_PRESENT, _PAGE_SOFT_DIRTY, _PAGE_SPECIAL } from '../../kernel/arch/x86/pgtable.ts';
import { VM_GROWSDOWN, VM_SHARED, VM_SOFTDIRTY, VM_WRITE } from '../../kernel/mm/flags.ts';
import type { VmEvent } from '../../kernel/layout.ts';
import type { Mapping, MmRecord, ProcessSnapshot, Snapshot } from '../snapshot.ts';
import { PAGE_BYTES, PAGE_KB, kbLine, sum } from './lines.ts';

/** Sum over all CPUs of an event counter. */
export function eventOf(s: Snapshot, name: VmEvent): number {
  return s.events[name];
}

/** Pages of the VMAs whose flags are `want` among `mask`. */
function pagesWith(mm: MmRecord, mask: number, want: number): number {
  const fitting = mm.vmas.filter(({ flags }) => (flags & mask) === want);
  return sum(fitting.map(({ start, end }) => (end - start) / PAGE_BYTES));
}

/**
 * The size lines of /proc/PID/status. v6.8 reads the counters' global parts alone, so they can lag behind; `isExact`
 * sums the parts of all CPUs, as kernels from 6.17 do.
 */
export function statusFile(mm: MmRecord, isExact = false): string[] {
  const counters = isExact ? mm.rss : mm.rssGlobal;
  const [file = 0, anon = 0, swap = 0, shmem = 0] = counters.map((pages) => Math.max(0, pages) * PAGE_KB);
  return [
    kbLine('VmSize:\t', mm.totalVm * PAGE_KB),
    kbLine('VmLck:\t', mm.lockedVm * PAGE_KB),
    kbLine('VmRSS:\t', anon + file + shmem),
    kbLine('RssAnon:\t', anon),
    kbLine('RssFile:\t', file),
    kbLine('RssShmem:\t', shmem),
    kbLine('VmData:\t', pagesWith(mm, VM_WRITE | VM_SHARED | VM_GROWSDOWN, VM_WRITE) * PAGE_KB),
    kbLine('VmStk:\t', pagesWith(mm, VM_GROWSDOWN, VM_GROWSDOWN) * PAGE_KB),
    kbLine('VmPTE:\t', mm.pgtablesBytes >> 10),
    kbLine('VmSwap:\t', swap),
  ];
}

/** Fields of stat by their numbers in proc(5); those that are left out are 0. */
function statFields(s: Snapshot, mm: MmRecord): ReadonlyMap<number, number | string> {
  const rss = sum(mm.rssGlobal.map((pages, member) => (member === 2 ? 0 : Math.max(0, pages))));
  return new Map<number, number | string>([
    [1, mm.id],
    [2, '(pagerace)'],
    [3, 'R'],
    [8, -1],
    [10, eventOf(s, 'min_flt')],
    [12, eventOf(s, 'maj_flt')],
    [18, 20],
    [20, s.cpus],
    [23, mm.totalVm * PAGE_BYTES],
    [24, rss],
    [25, '18446744073709551615'],
    [38, 17],
    [47, mm.startBrk],
  ]);
}

const STAT_FIELDS = 52;

/** /proc/PID/stat. Faults are those of all CPUs: they are not counted by process. */
export function statFile(s: Snapshot, mm: MmRecord): string[] {
  const fields = statFields(s, mm);
  return [Array.from({ length: STAT_FIELDS }, (_, i) => String(fields.get(i + 1) ?? 0)).join(' ')];
}

const PM_SOFT_DIRTY = 1n << 55n;
const PM_MMAP_EXCLUSIVE = 1n << 56n;
const PM_PRESENT = 1n << 63n;

function pagemapEntry(s: ProcessSnapshot, vmFlags: number, mapping: Mapping | undefined): bigint {
  let entry = (vmFlags & VM_SOFTDIRTY) !== 0 ? PM_SOFT_DIRTY : 0n;
  if (mapping === undefined || (mapping.lo & (_PAGE_PRESENT | _PAGE_PROTNONE)) === 0) return entry;
  if ((mapping.lo & _PAGE_SOFT_DIRTY) !== 0) entry |= PM_SOFT_DIRTY;
  // mapcount 1: nobody else maps it. The zero page has no count of its own.
  const isCounted = (mapping.lo & _PAGE_SPECIAL) === 0 && mapping.frame >= 0;
  if (isCounted && s.mapcount[mapping.frame] === 0) entry |= PM_MMAP_EXCLUSIVE;
  return entry | PM_PRESENT | BigInt(mapping.pfn);
}

/** The entries of /proc/PID/pagemap of some pages in a row, as root sees them. */
export function pagemapOf(s: ProcessSnapshot, mm: MmRecord, start: number, pages: number): bigint[] {
  const mapped = new Map(mm.mappings.map((mapping) => [mapping.address, mapping]));
  return Array.from({ length: pages }, (_, i) => {
    const address = start + i * PAGE_BYTES;
    const vma = mm.vmas.find((each) => each.start <= address && address < each.end);
    return pagemapEntry(s, vma?.flags ?? 0, mapped.get(address));
  });
}

/** /proc/PID/pagemap as text: the file itself is binary, 8 bytes for each page. A line for each page of each VMA. */
export function pagemapLines(s: ProcessSnapshot, mm: MmRecord): string[] {
  return mm.vmas.flatMap(({ start, end }) =>
    pagemapOf(s, mm, start, (end - start) / PAGE_BYTES).map(
      (entry, i) => `${(start + i * PAGE_BYTES).toString(16)} ${entry.toString(16).padStart(16, '0')}`,
    ),
  );
}
