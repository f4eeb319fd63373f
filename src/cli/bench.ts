// `pagerace bench`: simulated faults a second beside the running kernel's, and the explorer beside published figures
// and beside other explorers that are built here.
import { Command, Option } from 'commander';
import { exploreBenchLines } from '../report/explore-bench-text.ts';
import { grouped, shellLine, table } from '../report/text.ts';
import { BENCH_LOOPS, bench, checkCpuCounts, median, medianRatio } from '../stress/bench.ts';
import type { BenchLoop, BenchResult } from '../stress/bench.ts';
import { BENCH_KIND, BENCH_VERSION } from '../stress/bench-results.ts';
import type { BenchDocument } from '../stress/bench-results.ts';
import { exploreBench } from '../stress/explore-bench.ts';
import { host, ownVersion } from '../stress/host.ts';
import { parseNames, parseWhole } from './options.ts';

/** Simulated against real, one loop. */
function loopLines(result: BenchResult, loop: BenchLoop): string[] {
  const points = result.points.filter((point) => point.loop === loop);
  const rows = points.map(({ cpus, simulated, kernel, perf, contended }) => [
    String(cpus),
    grouped(median(simulated)),
    kernel.length === 0 ? '-' : grouped(median(kernel)),
    kernel.length === 0 ? '-' : medianRatio(simulated, kernel).toFixed(2),
    grouped(contended),
    perf?.['lock:contention_begin'] === undefined ? '-' : grouped(perf['lock:contention_begin']),
  ]);
  return table([['CPUs', 'simulated', 'this kernel', 'ratio', 'lock waits', 'kernel'], ...rows]);
}

function faultLines(result: BenchResult): string[] {
  const { metered } = result;
  const lines = BENCH_LOOPS.flatMap(({ name, what }) => [`${name}: ${what}`, ...loopLines(result, name), '']);
  lines.push(
    'faults a second, medians of 5 runs in turns; lock waits of one run',
    `zeroing a page alone: ${median(result.zeroing).toFixed(0)} ns`,
    `with faults, waits and holds timed, ${String(metered.cpus)} CPUs: ${medianRatio(metered.on, metered.off).toFixed(2)} of the rate without`,
  );
  const rows = result.parts.map(({ part, share, nsPerFault }) => [
    part,
    nsPerFault.toFixed(0),
    `${(100 * share).toFixed(1)}%`,
  ]);
  lines.push(
    '',
    'where a fault of page_fault1 and its unmapping spend their time: one CPU, profiled',
    ...table([['part', 'ns', 'share'], ...rows]),
  );
  if (result.compiler === undefined) lines.push('no C compiler here, so the running kernel was not measured');
  return lines;
}

const PARTS = ['faults', 'explore'] as const;

/** `argv`: the command line that it is part of, to be written down as what runs it again. */
export function benchCommand(argv: readonly string[]): Command {
  return new Command('bench')
    .description("page_fault1's loop beside the running kernel's, and the explorer beside other explorers")
    .option(
      '--cpus <list>',
      'numbers of CPUs, with commas',
      (text) => checkCpuCounts(parseNames(text).map(parseWhole('--cpus', '1,2,4'))),
      [1, 2, 4],
    )
    .addOption(new Option('--only <part>', 'one part').choices(PARTS))
    .option('--json', "one JSON document, which 'pagerace report' plots")
    .action(async (flags: { cpus: number[]; only?: (typeof PARTS)[number]; json?: true }) => {
      const progress = (text: string): void => {
        process.stderr.write(`${text}\n`);
      };
      const started = new Date();
      const begin = performance.now();
      const faults = flags.only === 'explore' ? undefined : await bench(flags.cpus, progress);
      const explored = flags.only === 'faults' ? undefined : await exploreBench(progress);
      if (flags.json === true) {
        const document: BenchDocument = {
          kind: BENCH_KIND,
          version: BENCH_VERSION,
          pagerace: ownVersion(),
          started: started.toISOString(),
          seconds: (performance.now() - begin) / 1000,
          command: shellLine(['pagerace', ...argv]),
          host: host(),
          ...faults,
          ...(explored === undefined ? {} : { explore: explored }),
        };
        process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
        return;
      }
      const parts = [
        ...(faults === undefined ? [] : [faultLines(faults)]),
        ...(explored === undefined ? [] : [exploreBenchLines(explored)]),
      ];
      process.stdout.write(`${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`);
    });
}
