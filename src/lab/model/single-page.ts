// The lab as one HTML file that begins with one schedule: it opens from a disk, and asks nobody for anything.
//
// Pure text, so that the page that saves itself and the command line make the same file.

/** The built lab, and what to begin with. */
export interface PageParts {
  /** The text of lab.js. */
  readonly script: string;
  /** The text of lab.css. */
  readonly style: string;
  /** The text of sources.json. */
  readonly sources: string;
  /** The fragment to begin with, without its `#`. */
  readonly fragment: string;
  readonly title: string;
}

/** Ids of the elements that hold the parts: the page finds them by these. */
export const PART_IDS = {
  script: 'lab-script',
  style: 'lab-style',
  sources: 'lab-sources',
  start: 'lab-start',
} as const;

/** Whatever is not in the file is refused by the browser. Threads are started from the file's own text: blob. */
const POLICY = [
  "default-src 'none'",
  "script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:",
  "style-src 'unsafe-inline'",
  'img-src data: blob:',
  'worker-src blob:',
  'connect-src blob:',
].join('; ');

/** The file. */
export function singlePage({ script, style, sources, fragment, title }: PageParts): string {
  const before = [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8" />',
    '<meta name="viewport" content="width=device-width, initial-scale=1" />',
    '<meta name="color-scheme" content="light dark" />',
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}" />`,
    `<title>${escapeHtml(title)}</title>`,
    '<link rel="icon" href="data:," />',
    `<style id="${PART_IDS.style}">${style.replace(/<(?=\/style)/gi, '\\3c ')}</style>`,
    '</head>',
    '<body>',
    '<div id="app"><noscript>The lab runs a simulated kernel in this page: it needs JavaScript.</noscript></div>',
    `<script type="application/json" id="${PART_IDS.sources}">${sources.replace(/</g, '\\u003c')}</script>`,
    `<script type="text/plain" id="${PART_IDS.start}">${fragment.replace(/</g, '%3C')}</script>`,
    '',
  ].join('\n');
  const line = before.split('\n').length;
  // An escape that means the same in every kind of literal, and keeps the element from ending early.
  const text = script.replace(/<(?=\/script|script|!--)/gi, '\\x3c');
  return `${before}<script type="module" id="${PART_IDS.script}" data-line="${String(line)}">${text}</script>\n</body>\n</html>\n`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${String(char.charCodeAt(0))};`);
}
