// A bench for a terminal: both sides of each loop, at 80 columns.
import { bold, grouped, table, wrapText } from '../text.ts';
import type { Bench } from './bench-analysis.ts';

const HEAD = ['CPUs', 'simulated', 'this kernel', 'ratio', 'lock waits'];

export function benchLines({ number, file, loops }: Bench): string[] {
  const lines = loops.flatMap(({ loop, what, pairs }) => {
    const rows = pairs.map(({ cpus, beyondCores, simulated, kernel, ratio, contended }) => [
      `${String(cpus)}${beyondCores ? '*' : ''}`,
      grouped(simulated),
      kernel === undefined ? '-' : grouped(kernel),
      ratio === undefined ? '-' : ratio.toFixed(2),
      grouped(contended),
    ]);
    return [...wrapText(`${loop}: ${what}`, '  ', '    '), ...table([HEAD, ...rows], '    '), ''];
  });
  const beyond = loops.some(({ pairs }) => pairs.some(({ beyondCores }) => beyondCores));
  return [
    '',
    ...wrapText(`Bench ${String(number)}, ${file}: beside the running kernel`).map(bold),
    ...lines,
    ...wrapText('faults a second, medians of runs in turns; lock waits of one run', '  ', '    '),
    ...(beyond ? wrapText('* more CPUs than cores: rates are no statement on scaling', '  ', '    ') : []),
  ];
}
