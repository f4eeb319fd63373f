// A machine's files in a folder: laid out as Linux does, and read there by programs that other people use on /proc.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { boot } from '../../../src/machine/boot.ts';
import { procObject } from '../../../src/machine/proc/files.ts';
import type { ProcVma } from '../../../src/machine/proc/parse.ts';
import { writeProcTree } from '../../../src/machine/proc/tree.ts';
import { snapshot } from '../../../src/machine/snapshot.ts';
import { UsageError } from '../../../src/machine/usage-error.ts';
import { runCli } from '../../support/run-cli.ts';

const START = 0x200000000000;
const PAGE = 4096;
const LIMIT_MS = 30_000;

const scratch = mkdtempSync(join(tmpdir(), 'pagerace-'));
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

/** A parent and a child that share pages, and each of them has some alone. */
function forked() {
  const machine = boot({ cpus: 1, memory: 4 * 1024 * 1024 });
  machine.runHere([
    { op: 'mmap', addr: START, length: 8 * PAGE, prot: 3, flags: 0x32 },
    { op: 'mmap', addr: START + 64 * PAGE, length: 4 * PAGE, prot: 1, flags: 0x32 },
    { op: 'touch', addr: START, pages: 6, write: true, value: 1 },
    { op: 'touch', addr: START + 64 * PAGE, pages: 2, write: false, value: 0 },
    { op: 'fork', child: 1 },
    { op: 'touch', addr: START, pages: 2, write: true, value: 2 },
    { op: 'as', process: 1 },
    { op: 'touch', addr: START + 6 * PAGE, pages: 1, write: true, value: 3 },
  ]);
  return snapshot(machine.buffer);
}

const s = forked();
const folder = join(scratch, 'machine');
writeProcTree(s, folder);
const PIDS = s.mms.map(({ id }) => id);

function sumOf(vmas: readonly ProcVma[], field: string): number {
  return vmas.reduce((all, { sizes }) => all + (sizes[field] ?? 0), 0);
}

/** What a program prints; undefined where it is not installed. */
function printed(program: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(program, args, { encoding: 'utf8', timeout: LIMIT_MS, stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

describe('the folder', () => {
  it('has every process and every group, each with its own files', () => {
    expect(PIDS).toHaveLength(2);
    for (const pid of PIDS) {
      const own = join(folder, 'proc', String(pid));
      expect(readdirSync(own).sort()).toEqual(
        ['cmdline', 'comm', 'maps', 'pagemap', 'smaps', 'smaps_rollup', 'stat', 'status'].sort(),
      );
      expect(readFileSync(join(own, 'stat'), 'utf8')).toMatch(new RegExp(`^${String(pid)} \\(pagerace\\) R `));
    }
    for (const { id } of s.memcgs) {
      expect(readdirSync(join(folder, 'sys', 'fs', 'cgroup', String(id)))).toContain('memory.current');
    }
  });

  it('has in pagemap the entry of each page where Linux has it', () => {
    for (const process of PIDS) {
      const file = openSync(join(folder, 'proc', String(process), 'pagemap'), 'r');
      for (const { address, entry } of procObject(s, 'pagemap', { process })) {
        const bytes = Buffer.alloc(8);
        readSync(file, bytes, 0, 8, (address / PAGE) * 8);
        expect(bytes.readBigUInt64LE()).toBe(entry);
      }
      closeSync(file);
    }
  });

  it('must be new, or empty, in a folder that is there', () => {
    expect(() => {
      writeProcTree(s, folder);
    }).toThrow(UsageError);
    mkdirSync(join(scratch, 'empty'));
    writeProcTree(s, join(scratch, 'empty'));
    expect(existsSync(join(scratch, 'empty', 'proc', 'vmstat'))).toBe(true);
    expect(() => {
      writeProcTree(s, join(scratch, 'none', 'machine'));
    }).toThrow(/^--to '.*' can't be written \(ENOENT\): give a folder/);
    writeFileSync(join(scratch, 'file'), '');
    expect(() => {
      writeProcTree(s, join(scratch, 'file'));
    }).toThrow(/is there already/);
  });
});

describe('pagerace proc', () => {
  it('writes the folder after a workload, and needs a file or a folder', async () => {
    const to = join(scratch, 'after');
    const done = await runCli(['proc', '--cpus', '1', '--pages', '4', '--to', to]);
    expect(done).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(readFileSync(join(to, 'proc', 'buddyinfo'), 'utf8')).toMatch(/^Node 0, zone/);
    const nothing = await runCli(['proc']);
    expect(nothing).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^pagerace: Nothing is asked for: /) as string,
    });
  });
});

describe('programs that read /proc', () => {
  it('smem finds both processes, with their unique, proportional and resident sizes', ({ skip }) => {
    const text = printed('smem', ['--source', folder, '--no-header', '--columns', 'pid uss pss rss']);
    if (text === undefined) {
      skip('smem is not installed here');
      return;
    }
    const rows = text
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number));
    const expected = PIDS.map((process) => {
      const vmas = procObject(s, 'smaps', { process });
      const unique = sumOf(vmas, 'Private_Clean') + sumOf(vmas, 'Private_Dirty');
      return [process, unique, sumOf(vmas, 'Pss'), sumOf(vmas, 'Rss')];
    });
    const byPid = (a: number[], b: number[]) => (a[0] ?? 0) - (b[0] ?? 0);
    expect(rows.sort(byPid)).toEqual(expected.sort(byPid));
    // Pages that both have count half for each.
    for (const [, uss = 0, pss = 0, rss = 0] of rows) expect(uss < pss && pss < rss).toBe(true);
  });

  it('psutil finds every mapping, with its size', ({ skip }) => {
    const script = [
      'import json, sys',
      'try:',
      '    import psutil',
      'except ImportError:',
      '    sys.exit(0)',
      'psutil.PROCFS_PATH = sys.argv[1]',
      'found = {pid: psutil._pslinux.Process(int(pid)).memory_maps() for pid in sys.argv[2:]}',
      'print(json.dumps(found))',
    ].join('\n');
    // Debian's own, which has Debian's modules.
    const text = printed('/usr/bin/python3', ['-c', script, join(folder, 'proc'), ...PIDS.map(String)]);
    if (text === undefined || text === '') {
      skip('psutil is not installed here');
      return;
    }
    const found = JSON.parse(text) as Record<string, [string, string, string, ...number[]][]>;
    for (const process of PIDS) {
      const vmas = procObject(s, 'smaps', { process });
      const fields = ['Rss', 'Size', 'Pss', 'Shared_Clean', 'Shared_Dirty', 'Private_Clean', 'Private_Dirty'];
      expect(
        found[String(process)]?.map(([range, permissions, , ...sizes]) => [range, permissions, sizes.slice(0, 7)]),
      ).toEqual(
        vmas.map(({ start, end, permissions, sizes }) => [
          `${start.toString(16)}-${end.toString(16)}`,
          permissions,
          fields.map((field) => (sizes[field] ?? NaN) * 1024),
        ]),
      );
    }
  });
});
