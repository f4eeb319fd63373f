#!/usr/bin/env node
// The command line as a process: its arguments, its exit code, and a stdout that may be closed.
import { runCommandLine } from './command-line.ts';

// A reader that goes away (`pagerace run … | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
});
process.exitCode = await runCommandLine(process.argv.slice(2));
