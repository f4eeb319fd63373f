// The parts of a page that figures rest on: what was found, where it was measured, what to read it with, how to repeat it.
import type { StressCounterexample } from '../../stress/results.ts';
import { grouped } from '../text.ts';
import { allSeries, cpuListText, cpusText } from './analysis.ts';
import type { Series, SeriesPoint, SweepFacts, Warning } from './analysis.ts';
import { findingId } from './figure-sections.ts';
import type { PageContext } from './figure-sections.ts';
import { figure, markup } from './markup.ts';
import type { Markup } from './markup.ts';

/** Findings that are told of one point: one loss is found again in every round. */
const FINDINGS_TOLD = 3;
/** Points that a warning names; of more it says how many. */
const POINTS_NAMED = 4;

function counterexampleText({
  scenario,
  token,
  steps,
  preemptions,
  judge,
  message,
  command,
}: StressCounterexample): Markup {
  const turns = `${grouped(steps)} steps, ${preemptions === 1 ? '1 preemption' : `${grouped(preemptions)} preemptions`}`;
  return markup`<p>The smallest schedule of <code>${scenario}</code> that goes wrong in the same way: <code>${token}</code>, ${turns}.
${judge}: ${message}</p>
<pre><code>${command}</code></pre>`;
}

function findingItems({ measured: { findings, cpus } }: SeriesPoint): Markup {
  const more = findings.length - FINDINGS_TOLD;
  const items = findings
    .slice(0, FINDINGS_TOLD)
    .map(
      ({ judge, message, round }) =>
        markup`\n<li>${cpusText(cpus)}, after round ${round + 1}, ${judge}: ${message}</li>`,
    );
  if (more > 0) items.push(markup`\n<li>${cpusText(cpus)}: ${grouped(more)} more</li>`);
  if (findings.length === 0) items.push(markup`\n<li>${cpusText(cpus)}: no finding was written down</li>`);
  return markup`${items}`;
}

/** What was found in a series, and the schedules that show it: one that explains several points is told once. */
function seriesFindings(series: Series): Markup | undefined {
  const violated = series.points.filter(({ measured }) => measured.verdict === 'violated');
  if (violated.length === 0) return undefined;
  const counterexamples = new Map(
    violated.flatMap(({ measured: { counterexample } }) =>
      counterexample === undefined ? [] : [[JSON.stringify(counterexample), counterexample] as const],
    ),
  );
  const told = [...counterexamples.values()].map((one) => markup`\n${counterexampleText(one)}`);
  if (told.length === 0) told.push(markup`\n<p>The explorer has no schedule of it.</p>`);
  return markup`<article class="finding" id="${findingId(series)}">
<h3>${series.workload}, ${series.label}: ${cpuListText(violated.map(({ measured }) => measured.cpus))}</h3>
<ul>${violated.map(findingItems)}
</ul>${told}
</article>
`;
}

export function counterexamplesSection({ report }: PageContext): Markup {
  if (report.verdicts.violated === 0) return markup`<p>No point was violated.</p>`;
  return markup`<p>What real threads showed by chance, a schedule shows every time.</p>
${allSeries(report).map(seriesFindings)}`;
}

/** 8589934592 as 8.0 GiB. */
function bytesText(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

function hostBox(kind: string, sweep: Omit<SweepFacts, 'seed'> & { readonly seed?: number }): Markup {
  const { number, file, host, pagerace, started, seconds, seed } = sweep;
  const facts: readonly (readonly [string, Markup])[] = [
    ['file', markup`${file}`],
    ['processor', markup`${host.processor}`],
    ['cores', markup`${figure(host.cores, String(host.cores))}`],
    ['memory', markup`${figure(host.memoryBytes, bytesText(host.memoryBytes))}`],
    ['system', markup`${host.platform} ${host.release}`],
    ['Node', markup`${host.node}`],
    ['pagerace', markup`${pagerace}`],
    ['began', markup`<time>${started}</time>`],
    ['took', markup`${figure(seconds, `${grouped(seconds)} s`)}`],
    ...(seed === undefined ? [] : ([['seed of the order', markup`${figure(seed, String(seed))}`]] as const)),
  ];
  return markup`<h3>${kind} ${number}</h3>
<dl>${facts.map(([term, value]) => markup`\n<dt>${term}</dt><dd>${value}</dd>`)}
</dl>
`;
}

export function hostSection({ report }: PageContext): Markup {
  return markup`${report.sweeps.map((sweep) => hostBox('Sweep', sweep))}${report.benches.map((bench) => hostBox('Bench', bench))}`;
}

function warning({ text, points }: Warning): Markup {
  if (points.length === 0) return markup`\n<li>${text}</li>`;
  if (points.length <= POINTS_NAMED) return markup`\n<li>${text} <span class="soft">(${points.join('; ')})</span></li>`;
  return markup`\n<li>${text}
<details><summary>${points.length} points</summary><ul>${points.map((name) => markup`\n<li>${name}</li>`)}</ul></details></li>`;
}

export function warningsSection({ report }: PageContext): Markup {
  if (report.warnings.length === 0) return markup`<p>None.</p>`;
  return markup`<ul>${report.warnings.map(warning)}
</ul>`;
}

/** Which figures a series is in, as links. */
function figureLinks({ figures }: PageContext, series: Series): Markup[] {
  return figures
    .filter((one) => one.series === series)
    .map(({ id, number }, i) => markup`${i === 0 ? '' : ', '}<a href="#${id}">${number}</a>`);
}

export function commandsSection(context: PageContext): Markup {
  const { report } = context;
  const sweeps = report.sweeps.map(
    ({ number, file, command }) => markup`<p>Sweep ${number}, ${file}:</p>
<pre><code>${command}</code></pre>
`,
  );
  const benches = report.benches.map(
    ({ number, file, command }) => markup`<p>Bench ${number}, ${file}:</p>
<pre><code>${command}</code></pre>
`,
  );
  if (report.sweeps.length === 0) return markup`<p>All of it again (times differ from run to run):</p>\n${benches}`;
  const series = allSeries(report).map(
    (one) => markup`<div class="whole">
<h3>${one.workload}, ${one.label}</h3>
<p>Figures ${figureLinks(context, one)}: ${cpuListText(one.points.map(({ measured }) => measured.cpus))}</p>
<pre><code>${one.points.map(({ measured }) => measured.command).join('\n')}</code></pre>
</div>
`,
  );
  return markup`<p>All of it again, in the same order of points (times differ from run to run: threads race):</p>
${sweeps}${benches}
<p>One point at a time:</p>
${series}`;
}
