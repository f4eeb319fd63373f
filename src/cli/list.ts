// `pagerace list`: what there is to choose from, one line each.
import { Command } from 'commander';
import { JUDGES } from '../check/invariants.ts';
import { EXECUTION_JUDGES } from '../explore/judges.ts';
import { STRATEGIES } from '../explore/options.ts';
import type { MemoryModel } from '../explore/program.ts';
import { PROGRAMS } from '../explore/programs/registry.ts';
import { LESSONS, SCENARIOS } from '../explore/scenarios.ts';
import { DEFENCES } from '../kernel/defences.ts';
import { LOCK_ALGORITHMS } from '../kernel/locking/spinlock.ts';
import { LOCKING_DESIGNS } from '../kernel/mm/flags.ts';
import { bold, wrapText } from '../report/text.ts';
import { WORKLOADS } from '../stress/workloads.ts';

const MODELS: readonly { readonly name: MemoryModel; readonly what: string }[] = [
  { name: 'sc', what: 'a store is seen by everybody at once' },
  { name: 'tso', what: "x86: stores wait in their CPU's store buffer and leave it in their order" },
  { name: 'pso', what: 'stores of one word leave the buffer in their order, others in any' },
];

/** The row below the designs that have names. */
const OWN_DESIGN = { name: './my-design.js', what: 'a design of your own, in a module: the README shows one' };

const NAME_WIDTH = 22;

function section(title: string, entries: readonly { readonly name: string; readonly what: string }[]): string[] {
  const lines = entries.flatMap((entry) =>
    wrapText(entry.what, `  ${entry.name.padEnd(NAME_WIDTH)}`, ' '.repeat(NAME_WIDTH + 2)),
  );
  return [bold(title), ...lines, ''];
}

export function listCommand(): Command {
  return new Command('list')
    .description('scenarios, defences, locking designs, strategies, judges and more')
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
        judges: [...JUDGES, ...EXECUTION_JUDGES],
        scenarios: SCENARIOS.map(({ name, shows, defences }) => ({
          name,
          what: shows,
          defences: Object.keys(defences),
        })),
        lessons: LESSONS.map(({ name, shows }) => ({ name, what: shows })),
        programs: PROGRAMS.map(({ name, shows }) => ({ name, what: shows })),
        strategies: STRATEGIES,
        memoryModels: MODELS,
      };
      if (flags.json === true) {
        process.stdout.write(`${JSON.stringify(catalogue, null, 2)}\n`);
        return;
      }
      const lines = [
        ...section('defences (--without)', catalogue.defences),
        ...section('locking designs (--locking)', [...catalogue.locking, OWN_DESIGN]),
        ...section('lock algorithms (--lock)', catalogue.locks),
        ...section('workloads', catalogue.workloads),
        ...section('judges', catalogue.judges),
        ...section('scenarios (explore)', catalogue.scenarios),
        ...section('lessons (explore)', catalogue.lessons),
        ...section('programs (explore)', catalogue.programs),
        ...section('strategies (--strategy)', catalogue.strategies),
        ...section('memory models (--memory-model)', catalogue.memoryModels),
      ];
      process.stdout.write(`${lines.join('\n').trimEnd()}\n`);
    });
}
