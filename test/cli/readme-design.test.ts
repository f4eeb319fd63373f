// What the README says about a locking design of one's own: its module, checked by the command that stands there, prints
// what stands there.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { MAIN } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'pagerace-readme-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

it('prints what it says', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [section = ''] = /^## A locking design of your own$.*?(?=^## )/ms.exec(readme) ?? [];
  const [module = '', session = ''] = [...section.matchAll(/^```(?:js)?\n(.*?)^```$/gms)].map(([, text]) => text);
  const [, command = '', printed] = /^\$ pagerace (.*)\n([^]*)$/.exec(session) ?? [];
  writeFileSync(join(folder, 'reader-writer.js'), module);
  const run = (args: string): [status: number | null, stdout: string] => {
    const { status, stdout } = spawnSync(process.execPath, [MAIN, ...args.split(' ')], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, NO_COLOR: '1' },
    });
    return [status, stdout];
  };
  expect(run(command)).toEqual([1, printed]);

  const [, replay = ''] = /^ {2}replay +pagerace ((?:.*\n)+?)(?=\n|$)/m.exec(session) ?? [];
  expect(run(replay.trim().replace(/\s+/g, ' '))).toEqual([1, expect.stringContaining('violated: lost store')]);
});
