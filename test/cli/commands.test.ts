// What the commands print, against golden files, and the shape of what they print for programs.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runCli } from '../support/run-cli.ts';

const golden = (name: string): string => fileURLToPath(new URL(`../golden/${name}.txt`, import.meta.url));

const commands: [name: string, args: string[]][] = [
  ['list', ['list']],
  ['trace', ['trace']],
  ['trace-read', ['trace', '--read']],
  ['trace-shared', ['trace', '--shared']],
  ['trace-memcg-limit', ['trace', '--memcg-limit', '0']],
  ['trace-oom', ['trace', '--oom']],
  ['trace-unstable', ['trace', '--unstable']],
  ['trace-second-cpu', ['trace', '--second-cpu']],
  ['help', ['--help']],
  ['help-explore', ['explore', '--help']],
  ['help-replay', ['replay', '--help']],
  ['help-why', ['why', '--help']],
  ['help-run', ['run', '--help']],
  ['help-compare', ['compare', '--help']],
  ['help-trace', ['trace', '--help']],
];

describe('commands', () => {
  it.each(commands)('%s prints what it should, in 80 columns', async (name, args) => {
    const { status, stdout } = await runCli(args);
    expect(status).toBe(0);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    await expect(stdout).toMatchFileSnapshot(golden(name));
  });

  it('list --json is one document with all that list prints', async () => {
    const catalogue = JSON.parse((await runCli(['list', '--json'])).stdout) as Record<string, { name: string }[]>;
    const text = readFileSync(golden('list'), 'utf8');
    for (const entries of Object.values(catalogue))
      for (const { name } of entries) expect(text).toContain(`  ${name} `);
  });

  it('no command at all is help and a usage error', async () => {
    const { status, stdout } = await runCli([]);
    expect(status).toBe(2);
    expect(stdout).toContain('Usage: pagerace');
  });
});
