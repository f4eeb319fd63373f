// The catalogue: every file of /proc and of memory cgroups that a machine can show, as text and as an object.
import { UsageError, nearest } from '../usage-error.ts';
import type { MemcgRecord, MmRecord, Snapshot } from '../snapshot.ts';
import { memcgFiles } from './memcg-files.ts';
import {
  parseBuddyinfo,
  parseCounters,
  parseLimit,
  parsePagemap,
  parseSmaps,
  parseStat,
  parseZoneinfo,
} from './parse.ts';
import type { BuddyZone, Counters, ProcVma, ZoneinfoZone } from './parse.ts';
import { pagemapLines, statFile, statusFile } from './process-files.ts';
import { mapsLine, smapsFile, smapsRollupFile } from './smaps.ts';
import { buddyinfoFile, meminfoFile, vmstatFile, zoneinfoFile } from './system-files.ts';

/** Which process's and which group's file it is: their ids; the first process and the innermost group if left out. */
export interface ProcOf {
  readonly process?: number;
  readonly group?: number;
}

/** What each file is as an object. */
export interface ProcObjects {
  maps: ProcVma[];
  smaps: ProcVma[];
  smaps_rollup: ProcVma[];
  pagemap: { address: number; entry: bigint }[];
  status: Counters;
  stat: Counters;
  meminfo: Counters;
  vmstat: Counters;
  buddyinfo: BuddyZone[];
  zoneinfo: ZoneinfoZone[];
  /** In bytes; Infinity where there is no limit. */
  'memory.current': number;
  'memory.peak': number;
  'memory.max': number;
  'memory.events': Counters;
  'memory.stat': Counters;
}

/** Name of a file that a machine can show. */
export type ProcName = keyof ProcObjects;

interface ProcFile<T> {
  readonly lines: (s: Snapshot, of: ProcOf) => string[];
  readonly parse: (text: string) => T;
}

function processOf(s: Snapshot, id: number | undefined): MmRecord {
  const mm = id === undefined ? s.mms[0] : s.mms.find((each) => each.id === id);
  if (mm !== undefined) return mm;
  const ids = s.mms.map((each) => String(each.id));
  if (ids.length === 0) throw new UsageError('No process is left on this machine, so it has no such file.');
  throw new UsageError(
    `Process ${String(id)} is not there: use one of ${ids.join(', ')}, for example ${ids[0] ?? ''}.`,
  );
}

function groupOf(s: Snapshot, id: number | undefined): MemcgRecord {
  const group = id === undefined ? s.memcgs.at(-1) : s.memcgs.find((each) => each.id === id);
  if (group !== undefined) return group;
  const ids = s.memcgs.map((each) => String(each.id));
  throw new UsageError(`Group ${String(id)} is not there: use one of ${ids.join(', ')}, for example ${ids[0] ?? ''}.`);
}

const ofProcess = <T>(lines: (s: Snapshot, mm: MmRecord) => string[], parse: (text: string) => T): ProcFile<T> => ({
  lines: (s, { process }) => lines(s, processOf(s, process)),
  parse,
});

const ofGroup = <T>(name: string, parse: (text: string) => T): ProcFile<T> => ({
  lines: (s, { group }) => memcgFiles(s, groupOf(s, group))[name] ?? [],
  parse,
});

const FILES: { readonly [N in ProcName]: ProcFile<ProcObjects[N]> } = {
  maps: ofProcess((_, mm) => mm.vmas.map((vma) => mapsLine(mm, vma)), parseSmaps),
  smaps: ofProcess(smapsFile, parseSmaps),
  smaps_rollup: ofProcess(smapsRollupFile, parseSmaps),
  pagemap: ofProcess(pagemapLines, parsePagemap),
  status: ofProcess((_, mm) => statusFile(mm), parseCounters),
  stat: ofProcess(statFile, parseStat),
  meminfo: { lines: meminfoFile, parse: parseCounters },
  vmstat: { lines: vmstatFile, parse: parseCounters },
  buddyinfo: { lines: buddyinfoFile, parse: parseBuddyinfo },
  zoneinfo: { lines: zoneinfoFile, parse: parseZoneinfo },
  'memory.current': ofGroup('memory.current', parseLimit),
  'memory.peak': ofGroup('memory.peak', parseLimit),
  'memory.max': ofGroup('memory.max', parseLimit),
  'memory.events': ofGroup('memory.events', parseCounters),
  'memory.stat': ofGroup('memory.stat', parseCounters),
};

export const PROC_NAMES: readonly ProcName[] = Object.keys(FILES) as ProcName[];

/** The name of a file, which may come with its folder (/proc/self/smaps). Throws a UsageError. */
export function procNamed(path: string): ProcName {
  const name = path.replace(/^.*\//, '');
  const found = PROC_NAMES.find((each) => each === name);
  if (found !== undefined) return found;
  throw new UsageError(
    `File '${path}' is not known: use one of ${PROC_NAMES.join(', ')}, for example ${nearest(name, PROC_NAMES)}.`,
  );
}

/** A file of a machine, as Linux would print it, without the last line's end. Throws a UsageError for who is not there. */
export function procText(s: Snapshot, name: ProcName, of: ProcOf = {}): string {
  return FILES[name].lines(s, of).join('\n');
}

/** The same as an object, read by what reads Linux's own files. */
export function procObject<N extends ProcName>(s: Snapshot, name: N, of: ProcOf = {}): ProcObjects[N] {
  return FILES[name].parse(procText(s, name, of));
}
