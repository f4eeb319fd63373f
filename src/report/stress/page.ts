// The page of a report: one file of HTML with everything in it, which asks nothing of a network and needs no script.
import { listText, summaryText } from './analysis.ts';
import type { StressReport } from './analysis.ts';
import { benchSection } from './bench-section.ts';
import { commandsSection, counterexamplesSection, hostSection, warningsSection } from './evidence-sections.ts';
import { latencySection, locksSection, lossesSection, scalingSection, verdictsSection } from './figure-sections.ts';
import type { PageContext } from './figure-sections.ts';
import { figuresOf } from './figures.ts';
import { Markup, markup } from './markup.ts';
import { style } from './style.ts';

type Section = readonly [id: string, title: string, content: (context: PageContext) => Markup];

/** The parts of a report on sweeps, in their order. */
const SWEEP_SECTIONS: readonly Section[] = [
  ['verdicts', 'Verdicts', verdictsSection],
  ['scaling', 'Scaling', scalingSection],
  ['losses', 'Fast and wrong', lossesSection],
  ['locks', 'Locks', locksSection],
  ['latency', 'Latency', latencySection],
  ['counterexamples', 'Counterexamples', counterexamplesSection],
];
const BENCH_SECTION: Section = ['bench', 'Beside the running kernel', ({ report }) => benchSection(report.benches)];
/** What every report ends with. */
const LAST_SECTIONS: readonly Section[] = [
  ['host', 'Host', hostSection],
  ['warnings', 'Warnings', warningsSection],
  ['commands', 'Commands', commandsSection],
];

/** What the page is called, and what browsers call it. */
function titlesOf({ sweeps, benches, workloads }: StressReport): [heading: string, title: string] {
  if (sweeps.length === 0) return ['Bench report', 'pagerace: simulated and running kernel'];
  const title = `pagerace: ${listText(workloads.map(({ name }) => name))} under stress`;
  return [benches.length === 0 ? 'Stress report' : 'Stress and bench report', title];
}

/** The whole document. */
export function renderPage(report: StressReport): string {
  const context: PageContext = { report, figures: figuresOf(report) };
  const [heading, title] = titlesOf(report);
  const sections = [
    ...(report.sweeps.length === 0 ? [] : SWEEP_SECTIONS),
    ...(report.benches.length === 0 ? [] : [BENCH_SECTION]),
    ...LAST_SECTIONS,
  ];
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${new Markup(style())}</style>
</head>
<body>
<header>
<h1>${heading}</h1>
<p class="lead">${summaryText(report)}</p>
<nav aria-label="Parts of the report"><ul>${sections.map(([id, name]) => markup`\n<li><a href="#${id}">${name}</a></li>`)}
</ul></nav>
</header>
<main>
${sections.map(
  ([id, name, content]) => markup`<section aria-labelledby="${id}">
<h2 id="${id}">${name}</h2>
${content(context)}
</section>
`,
)}</main>
<footer><p>Written by <code>pagerace report</code>. The same figures for programs: <code>--format csv</code>, <code>--format json</code>.</p></footer>
</body>
</html>
`.html;
}
