// `pagerace litmus`: the classic litmus tests in the explorer and on real threads, beside their published verdicts.
import { Command } from 'commander';
import { renderLitmus } from '../report/litmus-text.ts';
import { litmusNamed, litmusResult } from '../stress/litmus-table.ts';
import type { LitmusResult } from '../stress/litmus-table.ts';
import { UsageError } from '../machine/usage-error.ts';

const DEFAULT_SECONDS = 0.1;
const MAX_SECONDS = 60;

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== '' && seconds >= 0 && seconds <= MAX_SECONDS) return seconds;
  throw new UsageError(
    `--seconds '${text}' is not a time: use seconds from 0 (no threads) to ${String(MAX_SECONDS)}, for example --seconds 1.`,
  );
}

/** Whether everything is as published, and nothing was seen that the explorer does not allow. */
function holds({ test, explorer, plain, atomics }: LitmusResult): boolean {
  const asPublished = (['sc', 'tso', 'pso'] as const).every((model) => explorer[model] === test.allowed[model]);
  return asPublished && [plain, atomics].every((run) => run === undefined || run.outside.length === 0);
}

export function litmusCommand(): Command {
  return new Command('litmus')
    .description('litmus tests: published verdicts, the explorer under sc, tso and pso, and real threads')
    .argument('[tests...]', 'names, such as SB or MP; all where none is given')
    .option(
      '--seconds <n>',
      'on real threads, for each test and each kind of access; 0: not',
      parseSeconds,
      DEFAULT_SECONDS,
    )
    .option('--json', 'one JSON document')
    .action(async (names: string[], flags: { seconds: number; json?: true }) => {
      const results: LitmusResult[] = [];
      for (const test of litmusNamed(names)) {
        process.stderr.write(`${test.name}\n`);
        results.push(await litmusResult(test, flags.seconds));
      }
      process.exitCode = results.every(holds) ? 0 : 1;
      if (flags.json === true) {
        process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
        return;
      }
      const rows = results.map(({ test, ...result }) => ({ name: test.name, published: test.allowed, ...result }));
      const outside = results.flatMap(({ test, plain, atomics }) =>
        [...(plain?.outside ?? []), ...(atomics?.outside ?? [])].map((outcome) => `${test.name}: ${outcome}`),
      );
      const lines = renderLitmus(rows);
      if (outside.length > 0) lines.push('', 'seen on threads, but not allowed by the explorer:', ...outside);
      process.stdout.write(`${lines.join('\n')}\n`);
    });
}
