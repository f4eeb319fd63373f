// What replays trace: nothing lost at the default size, text that a reader of ftrace takes, slices that nest, and a
// comparison with the kernel's own trace of the same run.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeGangs } from '../../src/machine/gang.ts';
import type { TraceComparison } from '../../src/recording/compare-traces.ts';
import { parseTrace } from '../../src/recording/kernel-trace.ts';
import type { ChromeTrace } from '../../src/report/chrome-event.ts';
import { crossings } from '../support/slices.ts';
import { runCli } from '../support/run-cli.ts';

const recordings = fileURLToPath(new URL('recordings/', import.meta.url));
const path = (name: string): string => join(recordings, `${name}.perf.txt.gz`);
const NAMES = ['four-threads-one-region', 'sort', 'node-three-workers', 'traced-faults'];
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pagerace-traces-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await closeGangs();
});

/**
 * A line as readers of ftrace text look for it: the expression of Catapult's importer of Linux traces
 * (tracing/extras/importer/linux_perf/ftrace_importer.html), written anew from the format, with the fifth flag.
 */
const FTRACE_LINE =
  /^\s*(.+)-(\d+)\s+(?:\(\s*(?:\d+|-+)\)\s)?\[(\d+)\]\s+[dX.][Nnp.][Hhs.][0-9a-f.][0-9a-f.]\s+(\d+\.\d+):\s+(\w+):\s(.*)$/;

describe.each(NAMES)('%s', (name) => {
  it('loses no event at the default size, and is read by others', async () => {
    const file = join(folder, `${name}.txt`);
    const { status, stderr } = await runCli(['run', path(name), '--trace', file]);
    expect(status).toBe(0);
    expect(stderr).toContain('events, none lost');
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain('LOST');
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines.filter((line) => !FTRACE_LINE.test(line))).toEqual([]);
    const [, kept, written] = /entries-in-buffer\/entries-written: (\d+)\/(\d+)/.exec(text) ?? [];
    expect([kept, written]).toEqual([String(lines.length), String(lines.length)]);
    const times = lines.map((line) => Number(FTRACE_LINE.exec(line)?.[4]));
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(parseTrace(text, file)).toHaveLength(lines.length);
    expect(readdirSync(folder).filter((left) => left.endsWith('.new'))).toEqual([]);
  });
});

describe('the Chrome trace', () => {
  it('has slices that nest', async () => {
    const file = join(folder, 'out.json');
    await runCli(['run', path('four-threads-one-region'), '--cpus', '4', '--trace', file]);
    const trace = JSON.parse(readFileSync(file, 'utf8')) as ChromeTrace;
    expect(crossings(trace.traceEvents)).toEqual([]);
    const cats = new Set(trace.traceEvents.map(({ cat }) => cat));
    for (const cat of ['fault', 'wait', 'hold']) expect(cats).toContain(cat);
    expect(trace.traceEvents.some(({ ph }) => ph === 'C')).toBe(true);
  });
});

describe('compare', () => {
  it('lines up every fault but those that the kernel took itself, and says what has no known reason', async () => {
    const file = join(folder, 'ours.txt');
    await runCli(['run', path('traced-faults'), '--trace', file]);
    const { status, stdout } = await runCli(['compare', path('traced-faults'), file, '--json']);
    const found = JSON.parse(stdout) as TraceComparison;
    expect(found.differences.filter(({ reason }) => reason === undefined)).toEqual([]);
    expect(status).toBe(0);
    // A fault in kernel mode has no page_fault_user; the replay takes it as the program's.
    const text = gunzipSync(readFileSync(path('traced-faults'))).toString('utf8');
    const count = (event: string): number => text.split(event).length - 1;
    const inKernel = count(' page-faults:') - count('page_fault_user:');
    const faults = found.counts.find(({ name }) => name === 'page_fault_user');
    expect(faults?.equal).toBeGreaterThanOrEqual((faults?.ours ?? 0) - inKernel);
    expect(found.sameFaults).toBeGreaterThan(found.faults / 2);
  });

  it('neg: finds one page allocation more, and refuses traces of other threads', async () => {
    const file = join(folder, 'ours.txt');
    const lines = readFileSync(file, 'utf8').split('\n');
    const allocations = (text: string): number =>
      (JSON.parse(text) as TraceComparison).differences
        .filter(({ event, reason }) => event === 'mm_page_alloc' && reason === undefined)
        .reduce((sum, { oursOnly }) => sum + oursOnly, 0);
    const before = await runCli(['compare', path('traced-faults'), file, '--json']);
    const at = lines.findLastIndex((line) => line.includes('mm_page_alloc:') && line.includes('MOVABLE'));
    const twice = join(folder, 'twice.txt');
    writeFileSync(twice, lines.toSpliced(at, 0, lines[at] ?? '').join('\n'));
    const after = await runCli(['compare', path('traced-faults'), twice, '--json']);
    expect(after.status).toBe(1);
    expect(allocations(after.stdout)).toBe(allocations(before.stdout) + 1);
    const others = join(folder, 'others.txt');
    writeFileSync(others, lines.map((line) => line.replace(/-(\d+) /, '-9$1 ')).join('\n'));
    const refused = await runCli(['compare', path('traced-faults'), others]);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('no thread in common');
  });
});
