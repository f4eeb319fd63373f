// `pagerace report` as it is typed: where it writes, what it reads, and that other commands do not pay for it.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/run-cli.ts';
import { csvRows } from '../support/read-report.ts';
import { stressResults } from '../support/stress-results.ts';

const main = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'pagerace-report-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const results = stressResults({ workloads: ['same-page'], designs: ['split', 'none'], cpus: [1, 2] });
const sweep = write('sweep.json', results);

interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `pagerace report` in a folder of its own, which is returned with what it printed. */
function report(
  args: readonly string[],
  options: { input?: string; nodeArgs?: readonly string[] } = {},
): Ran & { cwd: string } {
  const cwd = mkdtempSync(join(folder, 'cwd-'));
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...(options.nodeArgs ?? []), main, 'report', ...args],
    {
      cwd,
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, NO_COLOR: '1' },
      input: options.input ?? '',
    },
  );
  return { status, stdout, stderr, cwd };
}

/** The same in this process and its folder, which is soon done. */
function reportHere(args: readonly string[]): Promise<Ran> {
  return runCli(['report', ...args]);
}

/** When a page was last written to this process's folder, if there is one. */
function pageHere(): number | undefined {
  return existsSync('report.html') ? statSync('report.html').mtimeMs : undefined;
}

// Writes the address of every module that is loaded to standard error.
const hook = `import { writeSync } from 'node:fs'; export async function load(url, context, next) { writeSync(2, url + '\\n'); return next(url, context); }`;
const register = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;
const nodeArgs = ['--import', `data:text/javascript,${encodeURIComponent(register)}`];
const CHARTS = /node_modules\/(?:@observablehq\/plot|linkedom)\//;
const CHECKS = /node_modules\/valibot\//;

describe('report', () => {
  it('writes a page beside one and says so, nothing on standard output', () => {
    const { status, stdout, stderr, cwd } = report([sweep]);
    expect([status, stdout, stderr]).toEqual([0, '', 'wrote report.html\n']);
    expect(readdirSync(cwd)).toEqual(['report.html']);
    expect(readFileSync(join(cwd, 'report.html'), 'utf8')).toMatch(/^<!doctype html>[^]*<\/html>\n$/);
  });

  it('writes where it is told, over what is there, through a link, and to standard output', async () => {
    const { status, stderr, cwd } = report([sweep, '--out', 'mine.html'], { nodeArgs });
    expect(status).toBe(0);
    expect(stderr).toMatch(CHARTS);
    const page = readFileSync(join(cwd, 'mine.html'), 'utf8');
    expect((await reportHere([sweep, '--out', '-'])).stdout).toBe(page);

    const target = write('linked.html', 'old');
    const link = join(folder, 'link.html');
    symlinkSync(target, link);
    expect((await reportHere([sweep, '--out', link])).status).toBe(0);
    expect(readFileSync(target, 'utf8')).toBe(page);
  });

  it('reads standard input, and several files', async () => {
    const content = readFileSync(sweep, 'utf8');
    const { stdout } = await reportHere([sweep, '--format', 'csv']);
    expect(report(['-', '--format', 'csv'], { input: content }).stdout).toBe(stdout);
    const more = write('more.json', stressResults({ workloads: ['pairs'], designs: ['split'], cpus: [1], seed: 3 }));
    const rows = csvRows((await reportHere([sweep, more, '--format', 'csv'])).stdout);
    expect(new Set(rows.map(({ sweep: number }) => number))).toEqual(new Set(['1', '2']));
  });

  it.each(['text', 'csv', 'json'])('prints %s on standard output, and a file where it is told', async (format) => {
    const { status, stdout, stderr, cwd } = report([sweep, '--format', format]);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/\n$/);
    expect(readdirSync(cwd)).toEqual([]);
    const out = join(folder, `out.${format}`);
    expect((await reportHere([sweep, '--format', format, '--out', out])).status).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe(stdout);
  });

  it('prints JSON with --json', async () => {
    const { stdout } = await reportHere([sweep, '--json']);
    expect(stdout).toMatch(/^\{/);
    expect(stdout).toBe((await reportHere([sweep, '--format', 'json'])).stdout);
  });
});

/** A file that says it is so large, and takes no room. */
function huge(name: string, bytes: number): string {
  const path = write(name, '');
  truncateSync(path, bytes);
  return path;
}

const cases: [name: string, args: string[], says: RegExp][] = [
  ['no file', [], /results/],
  ['a missing file', [join(folder, 'none.json')], /none\.json does not exist/],
  ['a folder', [folder], /is not a file/],
  ['a file of 1 GB', [huge('huge.json', 1024 ** 3)], /huge\.json is larger than 64 MiB/],
  ['an empty file', [write('empty.json', '')], /empty\.json is empty/],
  ['no JSON', [write('words.json', 'these are words')], /words\.json is not JSON/],
  ['a binary file', [write('binary.json', '\0\u0001\u0002{')], /binary\.json is not JSON/],
  ['NaN', [write('nan.json', JSON.stringify(results).replace(/"seed":\d+/, '"seed":NaN'))], /has NaN or Infinity/],
  ['another kind', [write('kind.json', { ...results, kind: 'bench' })], /its kind is 'bench', not/],
  [
    'another version',
    [write('version.json', { ...results, version: 2 })],
    /version 2, and this pagerace reads version 1/,
  ],
  ['no points', [write('none-measured.json', { ...results, points: [] })], /points is empty/],
  [
    'a file of another tool',
    [write('tool.json', { results: [{ command: 'sleep 1', mean: 1.002 }] })],
    /does not say that it is/,
  ],
  ['a good file and a bad one', [sweep, write('bad.json', '{}')], /bad\.json is JSON, but/],
  ['the same sweep twice', [sweep, write('copy.json', results)], /copy\.json has the same results as/],
  ['standard input twice', ['-', '-'], /Standard input/],
  ['an unknown format', [sweep, '--format', 'pdf'], /pdf.*html, text, csv, json/],
  ['two formats', [sweep, '--json', '--format', 'csv'], /'--json' cannot be used with option '--format/],
  ['results to write over', [sweep, '--out', sweep], /is one of the results/],
  ['a folder to write to', [sweep, '--out', folder], /is not a file/],
  ['a folder that is not there', [sweep, '--out', join(folder, 'no', 'report.html')], /can't be written \(ENOENT\)/],
];

describe('bad input', () => {
  it.each(cases)('%s is one sentence, and nothing is written', async (_name, args, says) => {
    const before = [readdirSync(folder), pageHere()];
    const { status, stdout, stderr } = await reportHere(args);
    expect(stderr).toMatch(says);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^pagerace: .*(?:for example|See 'pagerace).*[.)]\n$/);
    expect([readdirSync(folder), pageHere()]).toEqual(before);
  });

  it('ends a process in the same way', () => {
    const { status, stdout, stderr, cwd } = report(['-'], { input: 'not results' });
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^pagerace: .*is not JSON.*\n$/);
    expect(readdirSync(cwd)).toEqual([]);
  });

  it('does not write over a device', async ({ skip }) => {
    skip(process.platform === 'win32', 'there is no /dev/null');
    const { status, stderr } = await reportHere([sweep, '--out', '/dev/null']);
    expect([status, stderr]).toEqual([2, expect.stringMatching(/'\/dev\/null' is not a file/)]);
  });

  it('leaves what was there as it is where the results are bad', async () => {
    mkdirSync(join(folder, 'kept'));
    const out = write(join('kept', 'report.html'), 'an older report');
    expect((await reportHere([write('bad-again.json', '{'), '--out', out])).status).toBe(2);
    expect(readFileSync(out, 'utf8')).toBe('an older report');
    expect(readdirSync(join(folder, 'kept'))).toEqual(['report.html']);
  });
});

describe('what is loaded', () => {
  it('is nothing of the report in other commands', () => {
    const { status, stderr } = spawnSync(process.execPath, [...nodeArgs, main, 'list'], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(status).toBe(0);
    expect(stderr).toMatch(/node_modules\/commander\//);
    expect(stderr).not.toMatch(CHARTS);
    expect(stderr).not.toMatch(CHECKS);
  });

  it('is no chart where none is drawn', () => {
    // That a page with charts loads them is seen where one is written.
    const text = report([sweep, '--format', 'text'], { nodeArgs }).stderr;
    expect(text).toMatch(CHECKS);
    expect(text).not.toMatch(CHARTS);
  });
});
