// `pagerace compare`: a trace of the kernel beside the trace of a replay.
import { Command } from 'commander';
import { compareTraces } from '../recording/compare-traces.ts';
import { readTraceFile } from '../recording/kernel-trace.ts';
import { renderComparison } from '../report/compare-text.ts';

export function compareCommand(): Command {
  return new Command('compare')
    .description("a kernel's trace of a program beside the one that 'run --trace' wrote: what differs, and why")
    .argument('<kernel>', 'what tracefs or perf script printed, plain or gzip')
    .argument('<ours>', "the ftrace text that 'run --trace' wrote")
    .option('--json', 'one JSON document')
    .action(async (kernel: string, ours: string, flags: { json?: true }) => {
      const comparison = compareTraces(await readTraceFile(kernel), await readTraceFile(ours));
      const text = flags.json === true ? JSON.stringify(comparison, null, 2) : renderComparison(comparison);
      process.stdout.write(`${text}\n`);
      process.exitCode = comparison.unexplained === 0 ? 0 : 1;
    });
}
