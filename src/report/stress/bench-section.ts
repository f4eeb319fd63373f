// The part of a page that has benches: for each loop a chart of each side, on one scale, and both in a table.
import type { Bench, BenchLoopReport, BenchSeries } from './bench-analysis.ts';
import { scalingChart } from './charts.ts';
import { figure, markup } from './markup.ts';
import type { Markup, Part } from './markup.ts';
import { count, dataTable, left, prose, right, times } from './tables.ts';
import { ratesCell } from './panels.ts';
import { beyondWords, fitWords, ratesWords, scalingWords } from './words.ts';

/** The figures of a bench have numbers of their own: those of sweeps stay what they are when a bench is beside them. */
const figureId = (bench: Bench, loop: string, { side }: BenchSeries): string =>
  `bench-${String(bench.number)}-${loop}-${side.replace(' ', '-')}`;

function panel(bench: Bench, { loop, series }: BenchLoopReport, mine: BenchSeries): Markup {
  const id = figureId(bench, loop, mine);
  const told = [scalingWords(mine), fitWords(mine)].filter((text) => text !== '');
  const description = [ratesWords(mine), beyondWords(mine), ...told].filter((text) => text !== '').join(' ');
  const title = `Faults a second, ${loop}, ${mine.side}, bench ${String(bench.number)}`;
  return markup`<figure id="${id}">
<figcaption><div><strong>${mine.side}</strong></div>
${told.map((text) => markup`<p>${text}</p>`)}</figcaption>
${scalingChart(mine, series, { id, title, description })}
</figure>`;
}

function table(bench: Bench, { loop, series, pairs }: BenchLoopReport): Markup {
  const runs = (side: BenchSeries['side'], cpus: number): Part => {
    const point = series.find((one) => one.side === side)?.points.find(({ measured }) => measured.cpus === cpus);
    return ratesCell(point?.measured.rounds ?? []);
  };
  return dataTable({
    caption: `Faults a second: ${loop}`,
    name: 'bench',
    series: `bench-${String(bench.number)}-${loop}`,
    columns: [
      right('CPUs'),
      right('simulated'),
      right('this kernel'),
      right('ratio'),
      right('lock waits'),
      left('beyond the cores'),
      prose('each run, simulated'),
      prose('each run, this kernel'),
    ],
    rows: pairs.map(({ cpus, simulated, kernel, ratio, contended, beyondCores }) => [
      figure(cpus, String(cpus)),
      count(simulated),
      count(kernel),
      times(ratio),
      count(contended),
      beyondCores ? 'yes' : 'no',
      runs('simulated', cpus),
      runs('this kernel', cpus),
    ]),
  });
}

/** All benches. */
export function benchSection(benches: readonly Bench[]): Markup {
  const several = benches.length > 1;
  return markup`<p>The simulated machine beside the kernel that it ran on, on the same loop, in turns: faults a second against CPUs,
each run a dot beside the median of all, on one scale; thin and grey, the other of the two; hollow, on grey: more CPUs than
cores. Only the ratio and the shape of the lines say something on other computers. Lock waits are of
one run of the simulated machine.</p>
${benches.map((bench) =>
  bench.loops.map(
    (loop) => markup`<h3>${several ? `${bench.file}: ` : ''}${loop.loop}</h3>
<p>${loop.what.charAt(0).toUpperCase()}${loop.what.slice(1)}. ${beyondWords(...loop.series)}</p>
${table(bench, loop)}
<div class="panels">
${loop.series.map((mine) => panel(bench, loop, mine))}
</div>
`,
  ),
)}`;
}
