// The style of a report's page: light and dark, from a telephone to a desk, and on paper.
//
// Colours of text have a contrast of 4.5 to 1 at least with the ground they stand on, in both schemes.

const LIGHT = `
  --paper: #ffffff; --ink: #1b1e22; --soft: #565c64; --rule: #dde1e6; --shade: #eef0f3;
  --accent: #0a5aa6; --bad: #b3201c; --good: #14663a; --open: #725000; --other: #b4bac2;`;
const DARK = `
  --paper: #14171b; --ink: #e7e9ec; --soft: #a4acb5; --rule: #333a42; --shade: #20252b;
  --accent: #74b4ff; --bad: #ff8d84; --good: #7fd8a0; --open: #e8bb5e; --other: #59626d;`;

const SHEET = `
:root { color-scheme: light dark;${LIGHT} }
@media (prefers-color-scheme: dark) { :root {${DARK} } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
header, main, footer { max-width: 1256px; margin: 0 auto; padding: 0 16px; overflow-wrap: anywhere; }
header { padding-top: 28px; }
footer { padding-top: 24px; padding-bottom: 40px; color: var(--soft); }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 1.35rem; line-height: 1.25; margin: 48px 0 8px; padding-top: 16px; border-top: 2px solid var(--rule); }
h3 { font-size: 1.1rem; line-height: 1.3; margin: 28px 0 8px; }
p, ul, dl { margin: 8px 0 12px; max-width: 75ch; }
.lead { font-size: 1.1rem; }
a { color: var(--accent); text-underline-offset: 2px; }
nav ul { display: flex; flex-wrap: wrap; gap: 2px 18px; list-style: none; margin: 12px 0 0; padding: 0; max-width: none; }
nav a { display: inline-block; padding: 4px 0; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
code, pre { font: 0.875rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { margin: 6px 0; padding: 8px 12px; background: var(--shade); border-radius: 4px;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.held { color: var(--good); }
.violated, .wrong { color: var(--bad); font-weight: 600; }
.undecided { color: var(--open); font-weight: 600; }
.wrong { white-space: nowrap; }
figcaption div { display: flex; flex-wrap: wrap; align-items: baseline; column-gap: 8px; }

.scroll { overflow-x: auto; margin: 12px 0; }
table { border-collapse: collapse; font-size: 0.9rem; line-height: 1.4; }
caption { text-align: left; font-weight: 600; padding: 0 0 6px; }
caption span { display: block; position: sticky; left: 0; width: fit-content; max-width: calc(100vw - 32px); }
th, td { padding: 4px 14px 4px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule);
  overflow-wrap: normal; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; border-bottom-color: var(--soft); }
tbody th { font-weight: 400; }
.group { padding-top: 12px; font-weight: 600; }
th, td { white-space: nowrap; }
.prose { white-space: normal; min-width: 24ch; max-width: 60ch; }
.figures { text-align: right; font-variant-numeric: tabular-nums; }

.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 270px), 1fr)); gap: 20px 24px;
  margin: 12px 0 20px; }
.scroll + .panels { margin-top: 20px; }
figure { margin: 0; min-width: 0; }
figcaption { font-size: 0.9rem; line-height: 1.4; }
figcaption strong { font-size: 1rem; }
figcaption p { margin: 2px 0 0; }
svg.chart { display: block; width: 100%; max-width: 380px; height: auto; margin-top: 6px;
  font: 11px system-ui, -apple-system, "Segoe UI", sans-serif; color: var(--ink); overflow: visible; }
svg.chart text { white-space: pre; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 20px; list-style: none; padding: 0; max-width: none; font-size: 0.9rem; }
.legend svg { width: 34px; height: 12px; margin-right: 6px; vertical-align: -1px; }
details { font-size: 0.9rem; margin: 6px 0; }
summary { cursor: pointer; color: var(--accent); padding: 3px 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; }
.finding { border-left: 4px solid var(--bad); padding-left: 14px; margin: 20px 0; }
.finding h3 { margin-top: 0; }
@media (max-width: 480px) {
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: 6px; }
  h2 { margin-top: 36px; }
  th, td { padding-right: 10px; }
  table { font-size: 0.85rem; }
  tbody th, thead .figures { white-space: normal; }
  tbody th .wrong { display: block; }
}

@media print {
  :root {${LIGHT} }
  @page { margin: 14mm; }
  body { font-size: 10pt; }
  nav, details { display: none; }
  header, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
  h2, h3, h2 + p { break-after: avoid; }
  figure, tr, .finding, .whole, pre { break-inside: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; }
  caption span { position: static; max-width: none; }
  table { font-size: 7pt; }
  th, td { padding-right: 5pt; }
  thead th, td { white-space: normal; }
  .panels { grid-template-columns: repeat(3, 1fr); gap: 12px; }
  pre { background: none; border: 1px solid var(--rule); }
  a { color: inherit; text-decoration: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;

/** The style sheet of a page. */
export function style(): string {
  return SHEET;
}
