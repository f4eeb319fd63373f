// What the README says about testing a class runs as it stands there, from the package as it is installed, and prints
// what stands there.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

it('prints what it says', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [section = ''] = /^## Test a class of your own$.*?(?=^## )/ms.exec(readme) ?? [];
  const [code = '', printed] = [...section.matchAll(/^```(?:ts)?\n(.*?)^```$/gms)].map(([, text]) => text);
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: root,
    encoding: 'utf8',
    timeout: 15_000,
  });
  expect(stderr).toBe('');
  expect(stdout).toBe(printed);
});
