// The command line as a function: one command per file, results on stdout, progress on stderr, and every mistake one
// sentence.
import { Command, CommanderError } from 'commander';
import { closeGangs } from '../machine/gang.ts';
import { UsageError } from '../machine/usage-error.ts';

const EXIT_USAGE = 2;

/** Makes a command: its module is loaded for who uses it, or asks for all. */
type Load = (argv: readonly string[]) => Promise<Command>;

/** In the order of the help text. Most of what a short command takes is for loading what it needs: no other's, then. */
const COMMANDS: Readonly<Record<string, Load>> = {
  demo: async () => (await import('./demo.ts')).demoCommand(),
  trace: async () => (await import('./trace.ts')).traceCommand(),
  explore: async () => (await import('./explore.ts')).exploreCommand(),
  replay: async () => (await import('./replay.ts')).replayCommandLine(),
  why: async () => (await import('./why.ts')).whyCommand(),
  litmus: async () => (await import('./litmus.ts')).litmusCommand(),
  lab: async () => (await import('./lab.ts')).labCommand(),
  run: async (argv) => (await import('./run.ts')).runCommand(argv),
  compare: async () => (await import('./compare.ts')).compareCommand(),
  stress: async (argv) => (await import('./stress.ts')).stressCommand(argv),
  report: async () => (await import('./report.ts')).reportCommand(),
  proc: async () => (await import('./proc.ts')).procCommand(),
  conform: async () => (await import('./conform.ts')).conformCommand(),
  list: async () => (await import('./list.ts')).listCommand(),
  bench: async (argv) => (await import('./bench.ts')).benchCommand(argv),
};

/**
 * Does what a command line (without `node` and the file) asks for, on this process's stdout and stderr, and answers with
 * the exit code. Every gang's threads have ended by then; those of searches and replays keep no process alive, and end
 * by themselves. Throws what is a bug of ours.
 */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  forgetExitCode();
  try {
    const root = await program(argv);
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

async function program(argv: readonly string[]): Promise<Command> {
  const root = new Command('pagerace');
  root
    .description("Races Linux page faults on real threads: v6.8's anonymous fault path in shared memory.")
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  const [name = ''] = argv;
  const named = Object.entries(COMMANDS).filter(([command]) => command === name);
  for (const [, load] of named.length > 0 ? named : Object.entries(COMMANDS)) {
    const command = await load(argv);
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
