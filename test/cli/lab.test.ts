// `pagerace lab` and `replay --format html`: the page comes isolated, or whole in one file, or whole in a folder.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import { afterAll, describe, expect, it } from 'vitest';
import { decodeLink } from '../../src/lab/model/share.ts';
import { ISOLATION, isLoopback, serveLab, writeSite } from '../../src/lab/serve.ts';
import { MAIN, runCli } from '../support/run-cli.ts';

const scratch = mkdtempSync(join(tmpdir(), 'pagerace-lab-'));
const TOKEN = '0:79,1:87,0:8.whlf5';
const FAILING = ['--scenario', 'first-touch', '--without', 'ptl'];

afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

/** A folder that stands for a built lab. */
function folder(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(scratch, name);
  mkdirSync(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

describe('the server', () => {
  it('isolates every answer, and serves nothing but the lab', async () => {
    const lab = folder('lab', { 'index.html': 'the page', 'lab.js': 'the script', '.stamp': 'a hash' });
    writeFileSync(join(scratch, 'secret'), 'no');
    const served = await serveLab(lab, '127.0.0.1', 0);
    try {
      for (const [path, status, text] of [
        ['', 200, 'the page'],
        ['lab.js', 200, 'the script'],
        ['none', 404, ''],
        ['.stamp', 404, ''],
        ['%2e%2e/secret', 404, ''],
        ['%zz', 404, ''],
      ] as const) {
        const answer = await fetch(`${served.url}${path}`);
        expect([path, answer.status]).toEqual([path, status]);
        expect(await answer.text()).toContain(text);
        for (const [name, value] of Object.entries(ISOLATION)) expect(answer.headers.get(name)).toBe(value);
      }
    } finally {
      await served.end();
    }
    await expect(fetch(served.url)).rejects.toThrow();
  });

  it('says in one sentence that a port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(serveLab(scratch, '127.0.0.1', port)).rejects.toThrow(`Port ${String(port)} is taken`);
    other.close();
  });

  it.each([
    ['127.0.0.1', true],
    ['127.8.8.8', true],
    ['::1', true],
    ['localhost', true],
    ['0.0.0.0', false],
    ['192.168.0.7', false],
  ])('knows whether other machines reach %s', (host, alone) => {
    expect(isLoopback(host)).toBe(alone);
  });
});

describe('pagerace lab', () => {
  it('prints where the page is, with the schedule, until Ctrl-C', async () => {
    const child = spawn(process.execPath, [MAIN, 'lab', TOKEN, ...FAILING], { timeout: 60_000 });
    let stdout = '';
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
    while (!stdout.includes('\n')) await once(child.stdout, 'data');
    const url = new URL(stdout.trim());
    expect(decodeLink(url.hash)).toMatchObject({ token: TOKEN, mode: 'watch', plan: { without: ['ptl'] } });
    const page = await (await fetch(url)).text();
    expect(page).toContain('<script type="module" src="./lab.js">');
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it.each([
    ['a token without its scenario', [TOKEN], /needs its scenario/],
    ['options without a scenario', ['--cpus', '2'], /--cpus needs a scenario/],
    ['a token of something else', [TOKEN, '--scenario', 'cow'], /--scenario first-touch --cpus 2 --without ptl/],
    ['a token that is none', ['0:x', '--scenario', 'cow'], /is no schedule token/],
    ['an unknown scenario', ['--scenario', 'cwo'], /'cwo' is not known.*cow/],
    ['a port that is none', ['--port', '70000'], /--port 70000 is not possible/],
    ['a host that is not here', ['--host', '192.0.2.1'], /192\.0\.2\.1, port 0, can't be served/],
    ['a folder and a port', ['--out', join(scratch, 'x'), '--port', '80'], /--out.*--port/],
    ['a file as folder', ['--out', MAIN], /is a file/],
    ['a folder below none', ['--out', join(scratch, 'no', 'such')], /can't be written \(ENOENT\)/],
  ])('refuses %s in one sentence', async (_what, args, says) => {
    const { status, stdout, stderr } = await runCli(['lab', ...args]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(says);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('writes a site, and says how to begin with what was asked for', async () => {
    const out = join(scratch, 'site');
    const { status, stdout } = await runCli(['lab', '--scenario', 'cow', '--out', out]);
    expect(status).toBe(0);
    expect(decodeLink(stdout.trim().replace('index.html', ''))).toMatchObject({ plan: { scenario: 'cow' } });
    expect(readdirSync(out).sort()).toEqual(
      ['.pagerace-lab', '_headers', 'index.html', 'lab.css', 'lab.js', 'sources.json'].sort(),
    );
    expect(readFileSync(join(out, '_headers'), 'utf8')).toContain('  Cross-Origin-Embedder-Policy: require-corp\n');
  });
});

describe('a site', () => {
  const lab = (): string => folder('built', { 'index.html': 'new', '.stamp': 'a hash' });

  it('takes the place of an older one, and of an empty folder', () => {
    const out = join(scratch, 'sites', 'one');
    mkdirSync(out, { recursive: true });
    writeSite(lab(), out);
    writeFileSync(join(out, 'left-over'), 'old');
    writeSite(lab(), out);
    expect(readFileSync(join(out, 'index.html'), 'utf8')).toBe('new');
    expect(existsSync(join(out, 'left-over'))).toBe(false);
    expect(readdirSync(join(scratch, 'sites'))).toEqual(['one']);
  });

  it("is not written over somebody else's files", () => {
    const out = folder('theirs', { 'thesis.tex': 'years' });
    expect(() => {
      writeSite(lab(), out);
    }).toThrow(/is not empty, and not a lab of ours/);
    expect(readdirSync(out)).toEqual(['thesis.tex']);
  });
});

describe('replay --format html', () => {
  it('is the lab in one file, which leads nowhere else', async () => {
    const { status, stdout } = await runCli(['replay', TOKEN, ...FAILING, '--format', 'html']);
    expect(status).toBe(1);
    const { document } = parseHTML(stdout);
    const links = [...document.querySelectorAll('[src], [href]')];
    for (const link of links) expect(link.getAttribute('src') ?? link.getAttribute('href')).toMatch(/^data:/);
    expect(document.querySelector('meta[http-equiv]')?.getAttribute('content')).toMatch(/^default-src 'none';/);
    expect(document.querySelector('style')?.textContent).not.toMatch(/@import|url\(/);
    expect(decodeLink(document.getElementById('lab-start')?.textContent ?? '')).toMatchObject({ token: TOKEN });
    expect(stdout.match(/<\/script>/g)).toHaveLength(3);
  });

  it.each([
    ['a lock that the lab does not show', [TOKEN, ...FAILING, '--lock', 'ticket'], /--lock ticket/],
    ['a program over words', ['0:1', '--scenario', 'page-fault'], /'page-fault' is none: use --format table/],
  ])('refuses %s in one sentence', async (_what, args, says) => {
    const { status, stderr } = await runCli(['replay', ...args, '--format', 'html']);
    expect(status).toBe(2);
    expect(stderr).toMatch(says);
  });
});
