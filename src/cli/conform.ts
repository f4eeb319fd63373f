// `pagerace conform`: random programs on the running kernel and on the simulated one, and every observable compared.
import { Command } from 'commander';
import { campaign, compareAll } from '../conform/campaign.ts';
import type { Outcome, Sides } from '../conform/campaign.ts';
import { NoOracle, Oracle } from '../conform/oracle.ts';
import type { About } from '../conform/observation.ts';
import { MACHINE, canCompare, canRun } from '../conform/program.ts';
import type { Kind, Program } from '../conform/program.ts';
import { Simulated } from '../conform/simulated.ts';
import { UsageError, indexOfName } from '../machine/usage-error.ts';
import { failureLines, outcomeLines } from '../report/conform-text.ts';
import { grouped } from '../report/text.ts';
import { parseNames, parseWhole } from './options.ts';

interface Flags {
  programs: number;
  seed: number;
  kinds?: string[];
  failures: number;
  save?: string;
  json?: true;
}

const EXIT_VIOLATED = 1;
const EXIT_NOT_DECIDED = 3;

/** The kinds that were asked for, of those that both kernels can do. */
function kindsFor({ kinds }: Flags, about: About): Kind[] {
  for (const name of kinds ?? []) indexOfName('Kind', name, MACHINE.kinds);
  const asked = kinds === undefined ? MACHINE.kinds : MACHINE.kinds.filter((kind) => kinds.includes(kind));
  const possible = asked.filter((kind) => canCompare(kind, about));
  if (possible.length > 0) return possible;
  throw new UsageError(
    `No kind is left to compare: use some of ${MACHINE.kinds.join(', ')}, for example --kinds load,store.`,
  );
}

/** Programs by fast-check, which those who only simulate need not have. */
async function generated(flags: Flags, about: About): Promise<Program[]> {
  const kinds = kindsFor(flags, about);
  try {
    const { programsOf } = await import('../conform/generate.ts');
    return programsOf(kinds, flags.programs, flags.seed, about.userfaultfd === 'user');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UsageError(
      "Programs are made by fast-check, which is not installed: install it, for example with 'npm install fast-check'.",
    );
  }
}

function tell(outcome: Outcome, about: About, flags: Flags): void {
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify({ kernel: about, ...outcome }, null, 2)}\n`);
    return;
  }
  const lines = outcome.failures.flatMap((failure) => [...failureLines(failure), '']);
  process.stdout.write(`${[...lines, ...outcomeLines(outcome, about)].join('\n')}\n`);
}

async function random(sides: Sides, flags: Flags): Promise<Outcome> {
  const programs = await generated(flags, sides.oracle.about);
  let told = 0;
  return campaign(sides, programs, {
    maxFailures: flags.failures,
    onProgress: (done) => {
      if (done - told < flags.programs / 10) return;
      told = done;
      process.stderr.write(`${grouped(done)} of ${grouped(programs.length)} programs\n`);
    },
  });
}

/** Cases are checked by a library that no other command need load. */
async function save(folder: string, { failures }: Outcome): Promise<void> {
  const { saveCase } = await import('../conform/cases.ts');
  for (const failure of failures) process.stderr.write(`kept as ${saveCase(folder, failure)}\n`);
}

/** Replays cases: each is compared as it is, and not made smaller. */
async function replay(sides: Sides, paths: readonly string[]): Promise<Outcome> {
  const { readCase } = await import('../conform/cases.ts');
  const programs = paths.map((path) => {
    const { program } = readCase(path);
    if (canRun(program, sides.oracle.about)) return program;
    throw new UsageError(`Case '${path}' needs what only root may do here: replay it as root, for example with sudo.`);
  });
  const since = performance.now();
  const comparisons = await compareAll(sides, programs);
  const failures = programs.flatMap((program, i) => {
    const { differences = [] } = comparisons[i] ?? {};
    return differences.length === 0 ? [] : [{ number: i + 1, program, differences }];
  });
  const explained: Record<string, number> = {};
  for (const comparison of comparisons) {
    for (const [name, times] of comparison?.explained ?? []) explained[name] = (explained[name] ?? 0) + times;
  }
  const unanswered = comparisons.filter((comparison) => comparison === undefined).length;
  const seconds = (performance.now() - since) / 1000;
  return { programs: programs.length, operations: {}, explained, unsteady: 0, unanswered, failures, seconds };
}

export function conformCommand(): Command {
  return new Command('conform')
    .description('random programs on the running Linux kernel and on the simulated one: what differs')
    .argument('[cases...]', 'files of cases to replay instead')
    .option('--programs <n>', 'how many', parseWhole('--programs', '2000'), 2000)
    .option('--seed <n>', 'of the programs', parseWhole('--seed', '1'), 1)
    .option('--kinds <kinds>', 'operations that they are made of, with commas', parseNames)
    .option('--failures <n>', 'differences after which it ends', parseWhole('--failures', '1'), 1)
    .option('--save <folder>', 'keep what differs as cases there')
    .option('--json', 'one JSON document')
    .action(async (paths: readonly string[], flags: Flags) => {
      let oracle: Oracle;
      try {
        oracle = await Oracle.start();
      } catch (error) {
        if (!(error instanceof NoOracle)) throw error;
        process.stderr.write(`pagerace: ${error.message}\n`);
        process.exitCode = EXIT_NOT_DECIDED;
        return;
      }
      try {
        const sides = { oracle, simulated: new Simulated(oracle.about) };
        const outcome = await (paths.length > 0 ? replay(sides, paths) : random(sides, flags));
        tell(outcome, oracle.about, flags);
        if (flags.save !== undefined) await save(flags.save, outcome);
        if (outcome.failures.length > 0) process.exitCode = EXIT_VIOLATED;
      } finally {
        await oracle.stop();
      }
    });
}
