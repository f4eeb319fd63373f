// A machine's files in a folder, laid out as Linux lays out /proc and /sys/fs/cgroup, for programs that read them there.
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import type { MmRecord, Snapshot } from '../snapshot.ts';
import { UsageError } from '../usage-error.ts';
import { procObject, procText } from './files.ts';
import type { ProcName } from './files.ts';
import { PAGE_BYTES } from './lines.ts';

const OF_PROCESS: readonly ProcName[] = ['maps', 'smaps', 'smaps_rollup', 'status', 'stat'];
const OF_SYSTEM: readonly ProcName[] = ['meminfo', 'vmstat', 'buddyinfo', 'zoneinfo'];
const OF_GROUP: readonly ProcName[] = ['memory.current', 'memory.peak', 'memory.max', 'memory.events', 'memory.stat'];
const ENTRY_BYTES = 8;

/** /proc/PID/pagemap as it is: 8 bytes for each page of the address space, little-endian, with holes between VMAs. */
function writePagemap(path: string, s: Snapshot, process: number): void {
  const file = openSync(path, 'w');
  try {
    for (const { address, entry } of procObject(s, 'pagemap', { process })) {
      const bytes = Buffer.alloc(ENTRY_BYTES);
      bytes.writeBigUInt64LE(entry);
      writeSync(file, bytes, 0, ENTRY_BYTES, (address / PAGE_BYTES) * ENTRY_BYTES);
    }
  } finally {
    closeSync(file);
  }
}

function writeProcess(folder: string, s: Snapshot, { id }: MmRecord): void {
  mkdirSync(folder, { recursive: true });
  for (const name of OF_PROCESS) writeFileSync(join(folder, name), `${procText(s, name, { process: id })}\n`);
  writeFileSync(join(folder, 'comm'), 'pagerace\n');
  writeFileSync(join(folder, 'cmdline'), 'pagerace\0');
  writePagemap(join(folder, 'pagemap'), s, id);
}

function writeAll(folder: string, s: Snapshot): void {
  for (const mm of s.mms) writeProcess(join(folder, 'proc', String(mm.id)), s, mm);
  mkdirSync(join(folder, 'proc'), { recursive: true });
  for (const name of OF_SYSTEM) writeFileSync(join(folder, 'proc', name), `${procText(s, name)}\n`);
  for (const { id } of s.memcgs) {
    const group = join(folder, 'sys', 'fs', 'cgroup', String(id));
    mkdirSync(group, { recursive: true });
    for (const name of OF_GROUP) writeFileSync(join(group, name), `${procText(s, name, { group: id })}\n`);
  }
}

/**
 * Writes a folder with proc/<pid>, proc/vmstat and the like, and sys/fs/cgroup/<group>, whole or not at all. Processes
 * and groups go by their ids on the machine. Throws a UsageError for a folder that has something in it.
 */
export function writeProcTree(s: Snapshot, to: string): void {
  const target = resolve(to);
  const fresh = `${target}.new`;
  if (existsSync(target) && !(statSync(target).isDirectory() && readdirSync(target).length === 0)) {
    throw new UsageError(`--to '${to}' is there already: give a new or an empty folder, for example --to ${to}.1.`);
  }
  try {
    mkdirSync(fresh);
    writeAll(fresh, s);
    renameSync(fresh, target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') rmSync(fresh, { recursive: true, force: true });
    if (code === undefined) throw error;
    throw new UsageError(
      `--to '${to}' can't be written (${code}): give a folder in one that is there and that you may write to, for example --to machine.`,
    );
  }
}
