// `pagerace bench`: simulated faults a second beside the running kernel's, and the explorer beside published figures
// and beside other explorers that are built here.
import { Command, Option } from 'commander';
import { exploreBenchLines } from '../report/explore-bench-text.ts';
import { grouped, table } from '../report/text.ts';
import { bench, checkCpuCounts, median, medianRatio } from '../stress/bench.ts';
import type { BenchResult } from '../stress/bench.ts';
import { exploreBench } from '../stress/explore-bench.ts';
import { parseNames, parseWhole } from './options.ts';

function faultLines(result: BenchResult): string[] {
  const rows = result.points.map(({ cpus, simulated, kernel }) => [
    String(cpus),
    grouped(median(simulated)),
    kernel.length === 0 ? '-' : grouped(median(kernel)),
    kernel.length === 0 ? '-' : medianRatio(simulated, kernel).toFixed(2),
  ]);
  const lines = [
    'faults a second, medians of 5 runs in turns (page_fault1: 128 MiB per CPU)',
    ...table([['CPUs', 'simulated', 'this kernel', 'ratio'], ...rows]),
    `zeroing a page alone: ${median(result.zeroing).toFixed(0)} ns`,
  ];
  if (result.compiler === undefined) lines.push('no C compiler here, so the running kernel was not measured');
  return lines;
}

const PARTS = ['faults', 'explore'] as const;

export function benchCommand(): Command {
  return new Command('bench')
    .description("page_fault1's loop beside the running kernel's, and the explorer beside other explorers")
    .option(
      '--cpus <list>',
      'numbers of CPUs, with commas',
      (text) => checkCpuCounts(parseNames(text).map(parseWhole('--cpus', '1,2,4'))),
      [1, 2, 4],
    )
    .addOption(new Option('--only <part>', 'one part').choices(PARTS))
    .option('--json', 'one JSON document')
    .action(async (flags: { cpus: number[]; only?: (typeof PARTS)[number]; json?: true }) => {
      const progress = (text: string): void => {
        process.stderr.write(`${text}\n`);
      };
      const faults = flags.only === 'explore' ? undefined : await bench(flags.cpus, progress);
      const explored = flags.only === 'faults' ? undefined : await exploreBench(progress);
      if (flags.json === true) {
        process.stdout.write(`${JSON.stringify({ ...faults, explore: explored }, null, 2)}\n`);
        return;
      }
      const parts = [
        ...(faults === undefined ? [] : [faultLines(faults)]),
        ...(explored === undefined ? [] : [exploreBenchLines(explored)]),
      ];
      process.stdout.write(`${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`);
    });
}
