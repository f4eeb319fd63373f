// /proc/meminfo (fs/proc/meminfo.c, v6.8), buddyinfo, zoneinfo and vmstat (mm/vmstat.c): the counters of what is
// modelled, in the kernel's order.
import type { Snapshot, ZoneRecord } from '../snapshot.ts';
import { eventOf } from './process-files.ts';
import { PAGE_KB, kbLine, sum } from './lines.ts';

/** /proc/buddyinfo: free blocks of each order, as the zones count them. */
export function buddyinfoFile(s: Snapshot): string[] {
  return s.zones.map(
    ({ name, nrFree }) =>
      `Node 0, zone ${name.padStart(8)} ${nrFree.map((blocks) => `${String(blocks).padStart(6)} `).join('')}`,
  );
}

/** Counters of the node, as zoneinfo and vmstat name them. */
function nodeCounters(s: Snapshot): [name: string, value: number][] {
  return [
    ['nr_inactive_anon', s.lruSize],
    ['nr_anon_pages', eventOf(s, 'nr_anon_mapped')],
    ['nr_page_table_pages', eventOf(s, 'nr_page_table_pages')],
  ];
}

/** One zone's part of zoneinfo; the node's counters stand with its first zone. */
function zoneLines(s: Snapshot, zone: ZoneRecord, isFirst: boolean): string[] {
  const counter = ([name, value]: [string, number]): string => `      ${name.padEnd(12)} ${String(value)}`;
  return [
    `Node 0, zone ${zone.name.padStart(8)}`,
    ...(isFirst ? ['  per-node stats', ...nodeCounters(s).map(counter)] : []),
    `  pages free     ${String(zone.nrFreePages)}`,
    '        boost    0',
    `        min      ${String(zone.watermarks.min)}`,
    `        low      ${String(zone.watermarks.low)}`,
    `        high     ${String(zone.watermarks.high)}`,
    `        spanned  ${String(zone.spanned)}`,
    `        present  ${String(zone.spanned)}`,
    `        managed  ${String(zone.managed)}`,
    '        cma      0',
    `        protection: (${zone.lowmemReserve.join(', ')})`,
    counter(['nr_free_pages', zone.nrFreePages]),
    '  pagesets',
    ...s.cpuRecords.flatMap(({ cpu, pcp }) => {
      const pageset = pcp.find(({ zone: number }) => number === zone.number);
      return [
        `    cpu: ${String(cpu)}`,
        `              count: ${String(pageset?.count ?? 0)}`,
        `              high:  ${String(pageset?.high ?? 0)}`,
        `              batch: ${String(pageset?.batch ?? 0)}`,
        `  vm stats threshold: ${String(zone.statThreshold)}`,
      ];
    }),
    '  node_unreclaimable:  0',
    `  start_pfn:           ${String(s.basePfn + zone.firstFrame)}`,
  ];
}

/** /proc/zoneinfo. */
export function zoneinfoFile(s: Snapshot): string[] {
  return s.zones.flatMap((zone, i) => zoneLines(s, zone, i === 0));
}

/** /proc/meminfo. */
export function meminfoFile(s: Snapshot): string[] {
  const free = sum(s.zones.map(({ nrFreePages }) => nrFreePages));
  const pages: [string, number][] = [
    ['MemTotal', sum(s.zones.map(({ managed }) => managed))],
    ['MemFree', free],
    ['Inactive(anon)', s.lruSize],
    // There is none, as on a Linux without swap.
    ['SwapTotal', 0],
    ['SwapFree', 0],
    ['AnonPages', eventOf(s, 'nr_anon_mapped')],
    ['PageTables', eventOf(s, 'nr_page_table_pages')],
  ];
  return pages.map(([name, count]) => kbLine(`${name}:`.padEnd(16), count * PAGE_KB));
}

/** /proc/vmstat. Allocations are not counted by zone, so they stand with the zone where there is but one. */
export function vmstatFile(s: Snapshot): string[] {
  const [zone] = s.zones;
  const allocations: [string, number][] =
    s.zones.length === 1 && zone !== undefined ? [[`pgalloc_${zone.name.toLowerCase()}`, eventOf(s, 'pgalloc')]] : [];
  const counters: [string, number][] = [
    ['nr_free_pages', sum(s.zones.map(({ nrFreePages }) => nrFreePages))],
    ...nodeCounters(s),
    ...allocations,
    ['pgfree', eventOf(s, 'pgfree')],
    ['pgfault', eventOf(s, 'pgfault')],
    ['pgmajfault', eventOf(s, 'pgmajfault')],
    ['pgreuse', eventOf(s, 'pgreuse')],
    ['oom_kill', eventOf(s, 'oom_kill')],
    ['vma_lock_success', eventOf(s, 'vma_lock_success')],
    ['vma_lock_abort', eventOf(s, 'vma_lock_abort')],
    ['vma_lock_retry', eventOf(s, 'vma_lock_retry')],
    ['vma_lock_miss', eventOf(s, 'vma_lock_miss')],
  ];
  return counters.map(([name, value]) => `${name} ${String(value)}`);
}
