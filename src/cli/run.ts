// `pagerace run`: a recording of a real program, replayed on real threads.
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { exitCodeOf } from '../check/verdict.ts';
import { readPerfScript } from '../recording/perf-script.ts';
import { planReplay } from '../recording/plan.ts';
import { replay } from '../recording/replay.ts';
import { tasksOf } from '../recording/tasks.ts';
import { checkConfig } from '../machine/config.ts';
import type { MachineConfig } from '../machine/config.ts';
import { UsageError, nearest } from '../machine/usage-error.ts';
import { renderReplay } from '../report/replay-text.ts';
import { grouped, shellLine } from '../report/text.ts';
import { TRACE_FORMATS, renderMachineTrace, traceSummary } from '../report/trace/formats.ts';
import type { TraceFormat } from '../report/trace/formats.ts';
import { parseFailAlloc, parseNames, parseSize, parseWhole } from './options.ts';

interface Flags {
  cpus: number;
  locking: string;
  lock: string;
  without: string[];
  memory: number;
  failAlloc?: MachineConfig['failAlloc'];
  trace?: string;
  traceFormat?: string;
  traceBuffer: number;
  json?: true;
}

/** The part of the command line that describes the machine, checked before anything is read. */
function machineOf(flags: Flags): MachineConfig {
  return checkConfig({
    cpus: flags.cpus,
    locking: flags.locking,
    lock: flags.lock,
    without: flags.without,
    memory: flags.memory,
    maxVmas: 4096,
    traceBuffer: flags.trace === undefined ? 0 : flags.traceBuffer,
    ...(flags.failAlloc === undefined ? {} : { failAlloc: flags.failAlloc }),
  });
}

const MIB = 1024 * 1024;

/** What `--trace` is written as. Throws a UsageError. */
function traceFormat({ trace = '', traceFormat: asked }: Flags): TraceFormat {
  if (asked === undefined) return trace.endsWith('.json') ? 'chrome' : 'ftrace';
  if (trace === '') {
    throw new UsageError(
      '--trace-format says how --trace is written: name its file as well, for example --trace out.json.',
    );
  }
  const known = TRACE_FORMATS.find((format) => format === asked);
  if (known !== undefined) return known;
  throw new UsageError(
    `Trace format '${asked}' is not known: use ${TRACE_FORMATS.join(' or ')}, for example --trace-format ${nearest(asked, TRACE_FORMATS)}.`,
  );
}

/** Writes a trace aside and renames it: who reads the file finds a whole one. */
function writeTrace(path: string, text: string): void {
  const aside = `${path}.new`;
  try {
    writeFileSync(aside, text);
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw new UsageError(
      `--trace ${path} can't be written (${code}): name a file in a directory that exists, for example --trace out.txt.`,
    );
  }
}

/** `argv`: the command line that it is part of, to be printed as what runs it again. */
export function runCommand(argv: readonly string[]): Command {
  return new Command('run')
    .description('replay page faults recorded from a real program, on real threads')
    .argument('<recording>', 'what perf script printed, plain or gzip')
    .option('--cpus <n>', 'CPUs, each a thread', parseWhole('--cpus', '2'), 2)
    .option('--locking <design>', 'split, mm, cmpxchg, none, or a file with your own', 'split')
    .option('--lock <algorithm>', 'qspinlock, ticket or test-and-set', 'qspinlock')
    .option('--without <defences>', 'defences to take away, with commas', parseNames, [])
    .option('--memory <size>', 'RAM', parseSize, 256 * 1024 * 1024)
    .option('--fail-alloc <spec>', 'fail allocations: probability=, interval=, times=, sites=', parseFailAlloc)
    .option(
      '--trace <file>',
      "what the CPUs did, with the kernel's events: ftrace text, or Chrome JSON if it ends in .json",
    )
    .option('--trace-format <format>', 'ftrace or chrome, whatever the file is called')
    .option(
      '--trace-buffer <size>',
      "each CPU's buffer; when it is full the oldest events are lost",
      parseSize,
      8 * MIB,
    )
    .option('--json', 'one JSON document')
    .action(async (path: string, flags: Flags) => {
      const config = machineOf(flags);
      const format = traceFormat(flags);
      const plan = planReplay(await readPerfScript(path), config.cpus);
      const { trace: file } = flags;
      const onProgress = (faults: number): void => {
        process.stderr.write(`${grouped(faults)} of ${grouped(plan.faults)} faults\n`);
      };
      const report = await replay(
        plan,
        config,
        onProgress,
        file === undefined
          ? undefined
          : (trace) => {
              writeTrace(file, renderMachineTrace(format, trace, tasksOf(plan), path));
              process.stderr.write(`${traceSummary(file, trace)}\n`);
            },
      );
      process.stdout.write(`${flags.json === true ? JSON.stringify(report, null, 2) : renderReplay(report, true)}\n`);
      if (report.verdict.kind !== 'held' && flags.json !== true) {
        process.stdout.write(`again: ${shellLine(['pagerace', ...argv])}\n`);
      }
      process.exitCode = exitCodeOf(report.verdict.kind);
    });
}
