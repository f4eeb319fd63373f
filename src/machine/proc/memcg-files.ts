// The files of a memory cgroup (v2; mm/memcontrol.c, v6.8): sizes in bytes. memory.current includes CPU stocks and page
// tables.
import { PAGE_COUNTER_MAX, PAGE_TYPE_TABLE } from '../../kernel/layout.ts';
import { PAGE_MAPPING_ANON } from '../../kernel/mm/flags.ts';
import type { MemcgRecord, Snapshot } from '../snapshot.ts';
import { PAGE_BYTES } from './lines.ts';

/** Groups of a subtree, by their words. */
function subtree(s: Snapshot, top: MemcgRecord): ReadonlySet<number> {
  const inside = new Set([top.word]);
  // Parents come before their children, since they were made before them.
  for (const group of s.memcgs) if (inside.has(group.parent)) inside.add(group.word);
  return inside;
}

/** memory.stat, of the group and all below it: what is modelled. */
function statLines(s: Snapshot, group: MemcgRecord): string[] {
  const inside = subtree(s, group);
  let anon = 0;
  let listed = 0;
  let tables = 0;
  for (let frame = 0; frame < s.frames; frame++) {
    if (!inside.has(s.memcgData[frame]!)) continue;
    if (s.pageType[frame] === PAGE_TYPE_TABLE) tables += 1;
    else if ((s.mapping[frame]! & PAGE_MAPPING_ANON) !== 0) {
      anon += s.mapcount[frame]! >= 0 ? 1 : 0;
      listed += s.onLru[frame]!;
    }
  }
  return [
    `anon ${String(anon * PAGE_BYTES)}`,
    `kernel ${String(tables * PAGE_BYTES)}`,
    `pagetables ${String(tables * PAGE_BYTES)}`,
    `inactive_anon ${String(listed * PAGE_BYTES)}`,
  ];
}

/** The files of a group, by name. */
export function memcgFiles(s: Snapshot, group: MemcgRecord): Record<string, string[]> {
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
    'memory.stat': statLines(s, group),
  };
}
