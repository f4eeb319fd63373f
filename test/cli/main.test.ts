// The command line as a process: it does what the function does that other tests call, and its exit code and its
// streams reach the shell.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { MAIN, runCli, runCliProcess } from '../support/run-cli.ts';

describe('a process', () => {
  it.each<[what: string, args: string[], status: number]>([
    ['what held', ['explore', 'first-touch'], 0],
    ['what is violated', ['explore', 'lost-update'], 1],
    ['what is not decided', ['explore', 'first-touch', '--executions', '3'], 3],
    ['a value that is not possible', ['explore', 'first-toch'], 2],
    ['a flag that is not known', ['trace', '--addres', '0x1000'], 2],
    ['no command', [], 2],
    ['help', ['--help'], 0],
  ])('says of %s what the function does', async (_what, args, status) => {
    const { status: exitCode, stdout, stderr } = runCliProcess(args);
    const told = await runCli(args);
    expect([exitCode, stdout]).toEqual([told.status, told.stdout]);
    expect(told.status).toBe(status);
    // A search that takes its time tells of its progress there.
    const complaints = (text: string): string[] => text.split('\n').filter((line) => line.startsWith('pagerace: '));
    expect(complaints(stderr)).toEqual(complaints(told.stderr));
    expect(complaints(stderr)).toHaveLength(status === 2 && args.length > 0 ? 1 : 0);
  });

  it('whose reader goes away ends without an error', async () => {
    const child = spawn(process.execPath, [MAIN, 'list'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    const [complaint] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    expect([complaint, child.exitCode]).toEqual(['', 0]);
  });
});
