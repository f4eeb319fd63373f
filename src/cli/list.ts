// `pagerace list`: what there is to choose from, one line each.
import { Command } from 'commander';
import { JUDGES } from '../check/invariants.ts';
import { DEFENCES } from '../kernel/defences.ts';
import { LOCK_ALGORITHMS } from '../kernel/locking/spinlock.ts';
import { LOCKING_DESIGNS } from '../kernel/mm/flags.ts';
import { bold, wrapText } from '../report/text.ts';
import { WORKLOADS } from '../stress/workloads.ts';

const NAME_WIDTH = 22;

function section(title: string, entries: readonly { name: string; what: string }[]): string[] {
  const lines = entries.flatMap((entry) =>
    wrapText(entry.what, `  ${entry.name.padEnd(NAME_WIDTH)}`, ' '.repeat(NAME_WIDTH + 2)),
  );
  return [bold(title), ...lines, ''];
}

export function listCommand(): Command {
  return new Command('list')
    .description('defences, locking designs, lock algorithms, workloads, judges')
    .option('--json', 'one JSON document')
    .action((flags: { json?: true }) => {
      const catalogue = {
        defences: DEFENCES.map((d) => ({
          name: d.name,
          what: d.closes,
          without: d.without,
          where: d.where,
          evidence: d.evidence,
        })),
        locking: LOCKING_DESIGNS,
        locks: LOCK_ALGORITHMS,
        workloads: WORKLOADS.map(({ name, what }) => ({ name, what })),
        judges: JUDGES,
      };
      if (flags.json === true) {
        process.stdout.write(`${JSON.stringify(catalogue, null, 2)}\n`);
        return;
      }
      const lines = [
        ...section('defences (--without)', catalogue.defences),
        ...section('locking designs (--locking)', catalogue.locking),
        ...section('lock algorithms (--lock)', catalogue.locks),
        ...section('workloads', catalogue.workloads),
        ...section('judges', catalogue.judges),
      ];
      process.stdout.write(`${lines.join('\n').trimEnd()}\n`);
    });
}
