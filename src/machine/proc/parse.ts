// Reads /proc's files and those of memory cgroups into objects: the machine's and a running Linux kernel's alike.

/** A file of one number to each name: status, vmstat, smaps_rollup, memory.events, memory.stat. Sizes keep their unit. */
export type Counters = Record<string, number>;

/** One VMA of smaps, or of maps, which says nothing of sizes. */
export interface ProcVma {
  start: number;
  end: number;
  /** Such as rw-p. */
  permissions: string;
  name: string;
  /** By their names, in kB. */
  sizes: Counters;
  /** Two letters for each flag. */
  vmFlags: string[];
}

/** One zone of buddyinfo. */
export interface BuddyZone {
  node: number;
  zone: string;
  /** Free blocks by order. */
  free: number[];
}

/** One zone of zoneinfo. */
export interface ZoneinfoZone {
  node: number;
  zone: string;
  /** All that stands there as a name and a number, the node's counters included. */
  counters: Counters;
  protection: number[];
  pagesets: { cpu: number; counters: Counters }[];
}

const COUNTER = /^\s*([\w()]+):?\s+(-?\d+)(?: kB)?\s*$/;

/** Lines of a name and a number; what is neither is left out. */
export function parseCounters(text: string): Counters {
  const counters: Counters = {};
  for (const line of text.split('\n')) {
    const match = COUNTER.exec(line);
    if (match?.[1] !== undefined) counters[match[1]] = Number(match[2]);
  }
  return counters;
}

const RANGE = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$/;

/** maps, smaps or smaps_rollup: the VMAs in their order. */
export function parseSmaps(text: string): ProcVma[] {
  const vmas: ProcVma[] = [];
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    const isField = colon > 0 && line.charCodeAt(0) < 0x61 && line.charCodeAt(0) > 0x40;
    const last = vmas.at(-1);
    if (isField && last !== undefined) {
      const name = line.slice(0, colon);
      if (name === 'VmFlags')
        last.vmFlags = line
          .slice(colon + 1)
          .split(' ')
          .filter((word) => word !== '');
      else last.sizes[name] = Number.parseInt(line.slice(colon + 1).trimStart(), 10);
      continue;
    }
    const match = RANGE.exec(line);
    if (match === null) continue;
    const [, start = '', end = '', permissions = '', name = ''] = match;
    vmas.push({ start: parseInt(start, 16), end: parseInt(end, 16), permissions, name, sizes: {}, vmFlags: [] });
  }
  return vmas;
}

/** Fields of stat that the machine knows, by their names in proc(5). */
export function parseStat(text: string): Counters {
  // The command may have spaces and brackets in it.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .trim()
    .split(' ');
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    pid: Number.parseInt(text, 10),
    minflt: field(10),
    majflt: field(12),
    num_threads: field(20),
    vsize: field(23),
    rss: field(24),
    start_brk: field(47),
  };
}

/** buddyinfo. */
export function parseBuddyinfo(text: string): BuddyZone[] {
  return [...text.matchAll(/^Node (\d+), zone +(\S+) +([\d ]+)$/gm)].map(([, node, zone = '', free = '']) => ({
    node: Number(node),
    zone,
    free: free.trim().split(/ +/).map(Number),
  }));
}

/** zoneinfo. */
export function parseZoneinfo(text: string): ZoneinfoZone[] {
  const zones: ZoneinfoZone[] = [];
  for (const line of text.split('\n')) {
    const head = /^Node (\d+), zone +(\S+)/.exec(line);
    if (head !== null) {
      zones.push({ node: Number(head[1]), zone: head[2] ?? '', counters: {}, protection: [], pagesets: [] });
      continue;
    }
    const zone = zones.at(-1);
    if (zone === undefined) continue;
    const protection = /^ +protection: \(([\d, ]*)\)/.exec(line);
    if (protection !== null) zone.protection = (protection[1] ?? '').split(', ').map(Number);
    const match = /^ *([a-z_]+(?: [a-z_]+)*):? +(\d+)$/.exec(line);
    if (match?.[1] === undefined) continue;
    const name = match[1].replace(/^pages /, '');
    const value = Number(match[2]);
    const pageset = zone.pagesets.at(-1);
    if (name === 'cpu') zone.pagesets.push({ cpu: value, counters: {} });
    else if (pageset !== undefined && (line.startsWith('              ') || name === 'vm stats threshold')) {
      pageset.counters[name] = value;
    } else zone.counters[name] = value;
  }
  return zones;
}

/** Lines of an address and an entry of pagemap. */
export function parsePagemap(text: string): { address: number; entry: bigint }[] {
  return [...text.matchAll(/^([0-9a-f]+) ([0-9a-f]+)$/gm)].map(([, address = '', entry = '']) => ({
    address: parseInt(address, 16),
    entry: BigInt(`0x${entry}`),
  }));
}

/** A file of one number, which can be `max`. */
export function parseLimit(text: string): number {
  const word = text.trim();
  return word === 'max' ? Infinity : Number(word);
}
