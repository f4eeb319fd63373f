// `pagerace why`: the defence matrix, each defence taken away in turn; or one defence in full.
import { Command } from 'commander';
import { defenceNamed, matrixRow, scenariosOf } from '../explore/matrix.ts';
import type { MatrixRow } from '../explore/matrix.ts';
import { exploreTarget, replayTarget, targetNamed } from '../explore/target.ts';
import { DEFENCES } from '../kernel/defences.ts';
import { explorationDocument, replayCommand } from '../report/exploration-text.ts';
import { failureText, renderFailure } from '../report/failure-text.ts';
import { kernelWatches } from '../report/kernel-columns.ts';
import { wrapText } from '../report/text.ts';
import { defenceLines, matrixLines, withoutLines } from '../report/why-text.ts';
import type { ThreadCount } from '../report/why-text.ts';
import { sightings } from '../stress/sightings.ts';

interface Flags {
  readonly threads?: true;
  readonly json?: true;
}

const say = (...lines: readonly string[]): void => {
  process.stdout.write(`${lines.join('\n')}\n`);
};

function askedOf({ scenario, defence }: MatrixRow): { name: string; options: { without: string[] } } {
  return { name: scenario.name, options: { without: [defence.name] } };
}

function commandOf(row: MatrixRow): string | undefined {
  const { failure, memoryModel } = row.exploration;
  return failure === undefined ? undefined : replayCommand(failure.token, askedOf(row), memoryModel);
}

function rowDocument(row: MatrixRow, threads: ThreadCount | null): object {
  const { defence } = row;
  return { defence, ...explorationDocument(askedOf(row), row.exploration, commandOf(row)), threads };
}

async function matrix(flags: Flags): Promise<void> {
  const rows: MatrixRow[] = [];
  const counts: ThreadCount[] = [];
  for (const defence of DEFENCES) {
    process.stderr.write(`without ${defence.name}\n`);
    const row = matrixRow(defence);
    if (row === undefined) continue;
    rows.push(row);
    counts.push(flags.threads === true ? await sightings(defence.name) : undefined);
  }
  if (flags.json === true)
    say(
      JSON.stringify(
        rows.map((row, i) => rowDocument(row, counts[i] ?? null)),
        null,
        2,
      ),
    );
  else say(...matrixLines(rows, flags.threads === true ? counts : undefined));
}

/** The failure as a table, or nothing if there is none. */
function tellRow(row: MatrixRow): void {
  const { target, exploration } = row;
  const { failure, memoryModel } = exploration;
  if (failure === undefined) return;
  const replayed = replayTarget(target, failure.token, { memoryModel }, kernelWatches(target.spec));
  say('', renderFailure(failureText(target, replayed, commandOf(row))));
}

async function one(name: string, flags: Flags): Promise<void> {
  const defence = defenceNamed(name);
  const row = matrixRow(defence);
  const count = flags.threads === true ? await sightings(name) : undefined;
  if (flags.json === true) {
    say(JSON.stringify(row === undefined ? { defence } : rowDocument(row, count ?? null), null, 2));
    return;
  }
  say(...defenceLines(defence));
  if (row === undefined) {
    say('', 'No scenario puts it to the test.');
    return;
  }
  say('', ...withoutLines(row, exploreTarget(targetNamed(row.scenario.name))));
  if (flags.threads === true) {
    const text =
      count === undefined ? 'not tried' : `showed it in ${String(count.seen)} of ${String(count.rounds)} rounds`;
    say(`  real threads: ${text}`);
  }
  tellRow(row);
  const others = scenariosOf(defence).slice(1);
  if (others.length > 0) say('', ...wrapText(`also shown by: ${others.map((other) => other.name).join(', ')}`));
}

export function whyCommand(): Command {
  return new Command('why')
    .description('what breaks without each lock, recheck, barrier and flush')
    .argument('[defence]', 'one defence, in full')
    .option('--threads', 'also on real threads, a few rounds each')
    .option('--json', 'one JSON document')
    .action(async (name: string | undefined, flags: Flags) => {
      await (name === undefined ? matrix(flags) : one(name, flags));
    });
}
