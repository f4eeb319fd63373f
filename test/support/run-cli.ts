// Runs the command line, with what it printed and its exit code: as a function in this process, which is soon done, or
// as a user would, in a process of its own.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';
import { runCommandLine } from '../../src/cli/command-line.ts';

/** The file that Node runs. */
export const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

export interface CliResult {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** Keeps what is written to a stream from now on; `end` gives the stream back. */
function captured(stream: NodeJS.WriteStream): { text: () => string; end: () => void } {
  let text = '';
  const write = vi.spyOn(stream, 'write').mockImplementation((chunk) => {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    return true;
  });
  return {
    text: () => text,
    end: () => {
      write.mockRestore();
    },
  };
}

/** In this process, one at a time. What would end the process with a stack trace is thrown. */
export async function runCli(args: readonly string[]): Promise<CliResult> {
  const { exitCode } = process;
  const stdout = captured(process.stdout);
  const stderr = captured(process.stderr);
  try {
    const status = await runCommandLine(args);
    return { status, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    stdout.end();
    stderr.end();
    process.exitCode = exitCode;
  }
}

/** In a process of its own. */
export function runCliProcess(args: readonly string[]): CliResult {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status, stdout, stderr };
}
