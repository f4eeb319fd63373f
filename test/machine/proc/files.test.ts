// The files of /proc and of memory cgroups that a machine shows: each is read by what reads Linux's own, and both give
// the same things.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { boot } from '../../../src/machine/boot.ts';
import type { Machine } from '../../../src/machine/boot.ts';
import { PROC_NAMES, procNamed, procObject, procText } from '../../../src/machine/proc/files.ts';
import {
  parseBuddyinfo,
  parseCounters,
  parseSmaps,
  parseStat,
  parseZoneinfo,
} from '../../../src/machine/proc/parse.ts';
import { pagemapEntry } from '../../../src/machine/proc/walk.ts';
import { snapshot } from '../../../src/machine/snapshot.ts';
import { runCli } from '../../support/run-cli.ts';

const START = 0x200000000000;
const PAGE = 4096;
const MAP = 0x32;

function touched(): Machine {
  const machine = boot({ cpus: 1, memory: 4 * 1024 * 1024 });
  machine.setStartBrk(START + 0x10000000);
  machine.runHere([
    { op: 'mmap', addr: START, length: 8 * PAGE, prot: 3, flags: MAP },
    { op: 'touch', addr: START, pages: 4, write: true, value: 1 },
    { op: 'touch', addr: START + 4 * PAGE, pages: 2, write: false, value: 0 },
    { op: 'mprotect', addr: START + 2 * PAGE, length: 2 * PAGE, prot: 0 },
    { op: 'brk', addr: START + 0x10000000 + 3 * PAGE },
    { op: 'store', addr: START + 0x10000000, value: 7 },
  ]);
  return machine;
}

describe('a machine', () => {
  it('shows every file, as text that its object is read from', () => {
    const s = snapshot(touched().buffer);
    for (const name of PROC_NAMES) {
      expect(procText(s, name), name).not.toBe('');
      expect(JSON.stringify(procObject(s, name), (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v))).not.toBe(
        '[]',
      );
    }
  });

  it('has in smaps_rollup the sums of smaps, and in status what the page tables hold', () => {
    const s = snapshot(touched().buffer);
    const vmas = procObject(s, 'smaps');
    const [rollup] = procObject(s, 'smaps_rollup');
    const total = (field: string): number => vmas.reduce((all, { sizes }) => all + (sizes[field] ?? NaN), 0);
    for (const field of ['Rss', 'Pss', 'Private_Dirty', 'Referenced', 'Anonymous']) {
      expect(rollup?.sizes[field], field).toBe(total(field));
    }
    expect(total('Rss')).toBe(5 * 4);
    expect(procObject(s, 'memory.stat').anon).toBe(5 * PAGE);
    expect(procObject(s, 'stat')).toMatchObject({ minflt: 7, vsize: 11 * PAGE, start_brk: START + 0x10000000 });
    expect(vmas.map(({ permissions, name }) => `${permissions} ${name}`)).toEqual([
      'rw-p ',
      '---p ',
      'rw-p ',
      'rw-p [heap]',
    ]);
  });

  it('has in pagemap what the walk of the page table gives', () => {
    const machine = touched();
    const lines = procObject(snapshot(machine.buffer), 'pagemap');
    expect(lines).toHaveLength(11);
    for (const { address, entry } of lines) expect(entry, address.toString(16)).toBe(pagemapEntry(machine, address));
  });

  it('has in vmstat, meminfo, buddyinfo and zoneinfo one and the same number of free pages', () => {
    const s = snapshot(touched().buffer);
    const free = procObject(s, 'vmstat').nr_free_pages;
    const blocks = procObject(s, 'buddyinfo').flatMap((zone) => zone.free.map((count, order) => count * 2 ** order));
    expect(blocks.reduce((a, b) => a + b, 0)).toBe(free);
    expect(procObject(s, 'meminfo').MemFree).toBe((free ?? NaN) * 4);
    const [zone] = procObject(s, 'zoneinfo');
    expect(zone?.counters.free).toBe(free);
    expect(zone?.pagesets).toHaveLength(1);
  });
});

const hasProc = existsSync('/proc/self/smaps');

describe('the parsers', () => {
  const file = (name: string): string => readFileSync(`/proc/${name}`, 'utf8');

  it('read the files of the kernel that runs here', ({ skip }) => {
    if (!hasProc) skip('there is no /proc/self/smaps here');
    const vmas = parseSmaps(file('self/smaps'));
    expect(vmas.length).toBeGreaterThan(10);
    for (const { start, end, sizes } of vmas) expect(sizes.Size).toBe((end - start) / 1024);
    expect(vmas.some(({ name }) => name === '[heap]' || name === '[stack]')).toBe(true);
    expect(parseStat(file('self/stat')).pid).toBe(process.pid);
    const status = parseCounters(file('self/status'));
    expect(status.VmRSS).toBe(status.RssAnon! + status.RssFile! + status.RssShmem!);
    expect(parseBuddyinfo(file('buddyinfo'))[0]?.free.length).toBeGreaterThanOrEqual(10);
    const zones = parseZoneinfo(file('zoneinfo'));
    expect(zones.length).toBe(file('zoneinfo').match(/^Node/gm)?.length);
    const populated = zones.find(({ pagesets }) => pagesets.length > 0);
    expect(populated?.pagesets[0]?.counters).toMatchObject({ batch: expect.any(Number) as number });
    expect(populated?.counters).toMatchObject({
      free: expect.any(Number) as number,
      start_pfn: expect.any(Number) as number,
    });
  });

  it('know the fields of the machine from the kernel that runs here', ({ skip }) => {
    if (!hasProc) skip('there is no /proc/self/smaps here');
    const s = snapshot(touched().buffer);
    const theirs = parseSmaps(file('self/smaps'))[0]!.sizes;
    for (const field of Object.keys(procObject(s, 'smaps')[0]!.sizes)) expect(theirs).toHaveProperty(field);
    const rollup = parseSmaps(file('self/smaps_rollup'))[0]!;
    for (const field of Object.keys(procObject(s, 'smaps_rollup')[0]!.sizes)) {
      expect(rollup.sizes).toHaveProperty(field);
    }
    const theirStatus = parseCounters(file('self/status'));
    for (const field of Object.keys(procObject(s, 'status'))) expect(theirStatus).toHaveProperty(field);
    const theirInfo = file('meminfo')
      .split('\n')
      .map((line) => line.slice(0, line.search(/[0-9]/)));
    for (const line of procText(s, 'meminfo').split('\n')) {
      const name = /^.*: /.exec(line)?.[0] ?? '';
      expect(
        theirInfo.some((label) => label.startsWith(name)),
        line,
      ).toBe(true);
    }
  });

  it('put names in the column in which the kernel puts them', ({ skip }) => {
    if (!hasProc) skip('there is no /proc/self/smaps here');
    const heap = procText(snapshot(touched().buffer), 'maps').split('\n').at(-1)!;
    const named = file('self/maps')
      .split('\n')
      .find((line) => line.endsWith(']'))!;
    expect(heap.indexOf('[')).toBe(named.indexOf('['));
  });
});

describe('pagerace proc', () => {
  it('prints a file as it is, and several under their names', async () => {
    const one = await runCli(['proc', '/proc/self/status', '--cpus', '1', '--pages', '4']);
    expect(one.stdout).toMatch(/^VmSize:\t {6}16 kB\n/);
    const two = await runCli(['proc', 'maps', 'memory.max', '--cpus', '1', '--pages', '4']);
    expect(two.stdout).toMatch(/^==> maps <==\n.*\n\n==> memory.max <==\nmax\n$/s);
    const json = await runCli(['proc', 'memory.events', '--cpus', '1', '--pages', '4', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ 'memory.events': { max: 0 } });
  });

  it('refuses files that it does not know', async () => {
    expect(procNamed('/proc/1/smaps_rollup')).toBe('smaps_rollup');
    const { status, stderr } = await runCli(['proc', 'smap']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^pagerace: File 'smap' is not known: use one of .*, for example smaps\.\n$/);
  });
});
