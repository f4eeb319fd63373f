// The page of a report: one file of HTML with everything in it, which asks nothing of a network and needs no script.
import { listText, summaryText } from './analysis.ts';
import type { StressReport } from './analysis.ts';
import { commandsSection, counterexamplesSection, hostSection, warningsSection } from './evidence-sections.ts';
import { latencySection, locksSection, lossesSection, scalingSection, verdictsSection } from './figure-sections.ts';
import type { PageContext } from './figure-sections.ts';
import { figuresOf } from './figures.ts';
import { Markup, markup } from './markup.ts';
import { style } from './style.ts';

/** The parts, in their order. */
const SECTIONS: readonly (readonly [id: string, title: string, content: (context: PageContext) => Markup])[] = [
  ['verdicts', 'Verdicts', verdictsSection],
  ['scaling', 'Scaling', scalingSection],
  ['losses', 'Fast and wrong', lossesSection],
  ['locks', 'Locks', locksSection],
  ['latency', 'Latency', latencySection],
  ['counterexamples', 'Counterexamples', counterexamplesSection],
  ['host', 'Host', hostSection],
  ['warnings', 'Warnings', warningsSection],
  ['commands', 'Commands', commandsSection],
];

/** The whole document. */
export function renderPage(report: StressReport): string {
  const context: PageContext = { report, figures: figuresOf(report) };
  const title = `pagerace: ${listText(report.workloads.map(({ name }) => name))} under stress`;
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
<h1>Stress report</h1>
<p class="lead">${summaryText(report)}</p>
<nav aria-label="Parts of the report"><ul>${SECTIONS.map(([id, name]) => markup`\n<li><a href="#${id}">${name}</a></li>`)}
</ul></nav>
</header>
<main>
${SECTIONS.map(
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
