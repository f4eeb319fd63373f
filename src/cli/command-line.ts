// The command line as a function: one command per file, results on stdout, progress on stderr, and every mistake one
// sentence.
import { Command, CommanderError } from 'commander';
import { closeGangs } from '../machine/gang.ts';
import { UsageError } from '../machine/usage-error.ts';
import { benchCommand } from './bench.ts';
import { compareCommand } from './compare.ts';
import { conformCommand } from './conform.ts';
import { demoCommand } from './demo.ts';
import { exploreCommand } from './explore.ts';
import { labCommand } from './lab.ts';
import { listCommand } from './list.ts';
import { litmusCommand } from './litmus.ts';
import { procCommand } from './proc.ts';
import { replayCommandLine } from './replay.ts';
import { reportCommand } from './report.ts';
import { runCommand } from './run.ts';
import { stressCommand } from './stress.ts';
import { traceCommand } from './trace.ts';
import { whyCommand } from './why.ts';

const EXIT_USAGE = 2;

/**
 * Does what a command line (without `node` and the file) asks for, on this process's stdout and stderr, and answers with
 * the exit code. Every thread that it started has ended by then. Throws what is a bug of ours.
 */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  forgetExitCode();
  try {
    const root = program(argv);
    if (argv.length === 0) {
      root.outputHelp();
      return EXIT_USAGE;
    }
    await root.parseAsync([...argv], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      process.stderr.write(`pagerace: ${sentence(error)}\n`);
      return EXIT_USAGE;
    }
    if (error instanceof UsageError) {
      process.stderr.write(`pagerace: ${error.message}\n`);
      return EXIT_USAGE;
    }
    throw error;
  } finally {
    await closeGangs();
  }
}

/** Commands say there how it went. */
function forgetExitCode(): void {
  process.exitCode = undefined;
}

function program(argv: readonly string[]): Command {
  const root = new Command('pagerace');
  root
    .description("Races Linux page faults on real threads: v6.8's anonymous fault path in shared memory.")
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  const commands = [
    demoCommand(),
    traceCommand(),
    exploreCommand(),
    replayCommandLine(),
    whyCommand(),
    litmusCommand(),
    labCommand(),
    runCommand(argv),
    compareCommand(),
    stressCommand(argv),
    reportCommand(),
    procCommand(),
    conformCommand(),
    listCommand(),
    benchCommand(argv),
  ];
  for (const command of commands) {
    root.addCommand(command.exitOverride().configureOutput({ writeErr: () => undefined }));
  }
  return root;
}

/** Commander's own complaints as sentences of ours. */
function sentence(error: CommanderError): string {
  const text = error.message.replace(/^error: /, '').replace(/\n/g, ' ');
  const help = text.endsWith(')') || text.endsWith('?') ? text : `${text}.`;
  return `${help.charAt(0).toUpperCase()}${help.slice(1)} See 'pagerace --help', for example 'pagerace trace'.`;
}
