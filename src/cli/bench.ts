// `pagerace bench`: simulated faults a second beside the running kernel's.
import { Command } from 'commander';
import { grouped, table } from '../report/text.ts';
import { checkCpuCounts, bench, median, medianRatio } from '../stress/bench.ts';
import { parseNames, parseWhole } from './options.ts';

export function benchCommand(): Command {
  return new Command('bench')
    .description("page_fault1's loop: simulated faults a second beside the running kernel's")
    .option(
      '--cpus <list>',
      'numbers of CPUs, with commas',
      (text) => checkCpuCounts(parseNames(text).map(parseWhole('--cpus', '1,2,4'))),
      [1, 2, 4],
    )
    .option('--json', 'one JSON document')
    .action(async (flags: { cpus: number[]; json?: true }) => {
      const result = await bench(flags.cpus, (text) => {
        process.stderr.write(`${text}\n`);
      });
      if (flags.json === true) {
        process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
        return;
      }
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
      process.stdout.write(`${lines.join('\n')}\n`);
    });
}
