// The lanes of an execution as an SVG picture for slides and papers: a lane for each CPU, a box for each turn of it, the
// named steps as numbers in the boxes, the locks it holds below, and what the numbers mean in a list.
//
// CPUs differ by lane, letter and pattern; colour is left to whoever prints it.
import { lockSpans } from '../../report/lock-spans.ts';
import { lockName } from '../../report/names.ts';
import type { FailureText } from '../../report/failure-text.ts';

/** Units of the picture. */
const COLUMN = 34;
const BOX = 30;
/** Between lanes, and for each lock that a CPU holds beside others. */
const GAP = 14;
const BAR = 18;
const LINE = 18;
const LEFT = 60;
const TOP = 44;
const MARGIN = 16;
/** Least width: that the title and the list have room. */
const LEAST_WIDTH = 640;
/** About the width of a character of the list. */
const CHARACTER = 7.3;
/** Strokes that tell CPUs apart: how each one's pattern is drawn. */
const PATTERNS: readonly string[] = [
  'M0 0H8',
  'M0 8L8 0',
  'M4 0V8',
  'M0 0L8 8',
  'M0 4H8M4 0V8',
  'M0 0L8 8M0 8L8 0',
  'M1 1h2v2h-2z',
  'M4 1a3 3 0 1 0 .1 0',
];

interface Shown {
  readonly index: number;
  readonly cpu: number;
  readonly text: string;
}

/** The picture. `title`: what it is of; `about`: lines below it, how it came out and what replays it. */
export function lanesSvg(text: FailureText, cpus: number, title: string, about: readonly string[]): string {
  const { record } = text.replayed;
  const shown: Shown[] = record.steps.flatMap((step) => {
    const name = text.nameStep(step);
    return name === undefined ? [] : [{ index: step.index, cpu: step.cpu, text: name }];
  });
  const list = shown.map(
    ({ index, cpu, text: name }) => `${String(index + 1).padStart(4)}  CPU${String(cpu)}  ${name}`,
  );
  const longest = Math.max(title.length, ...[...about, ...list].map((line) => line.length));
  const width = Math.ceil(Math.max(LEAST_WIDTH, LEFT + shown.length * COLUMN, longest * CHARACTER) + 2 * MARGIN);
  const top = TOP + about.length * LINE;
  const bars = barsOf(text, shown);
  const lane = BOX + GAP + BAR * Math.max(0, ...bars.map(({ row }) => row + 1));
  const bottom = top + cpus * lane;
  const height = bottom + (list.length + 1) * LINE + MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(width)} ${String(height)}" width="${String(width)}" height="${String(height)}" role="img" aria-labelledby="title desc" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="12" fill="#111">`,
    `<title id="title">${escaped(title)}</title>`,
    `<desc id="desc">${escaped([...about, ...list].join('\n'))}</desc>`,
    `<defs>${patterns(cpus)}</defs>`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="${String(MARGIN)}" y="24" font-size="15" font-weight="bold">${escaped(title)}</text>`,
    ...about.map((line, i) => label(MARGIN, TOP + i * LINE, line)),
    `<g transform="translate(0 ${String(top)})">`,
    ...Array.from({ length: cpus }, (_, cpu) => laneBase(cpu, lane, width)),
    ...boxes(shown, lane),
    ...bars.map((bar) => barText(bar, lane)),
    '</g>',
    ...list.map((line, i) => label(MARGIN, bottom + (i + 1) * LINE, line)),
    ...(shown.length === 0 ? [label(LEFT, bottom, 'nobody has taken a step that has a name')] : []),
    '</svg>',
    '',
  ].join('\n');
}

function patterns(cpus: number): string {
  return Array.from({ length: cpus }, (_, cpu) => {
    const d = PATTERNS[cpu % PATTERNS.length] ?? '';
    return `<pattern id="cpu${String(cpu)}" width="8" height="8" patternUnits="userSpaceOnUse"><path d="${d}" fill="none" stroke="#999" stroke-width="1"/></pattern>`;
  }).join('');
}

const xOf = (column: number): number => LEFT + column * COLUMN;

function laneBase(cpu: number, lane: number, width: number): string {
  const y = cpu * lane + BOX / 2;
  return `<text x="${String(MARGIN)}" y="${String(y + 4)}" font-weight="bold">CPU${String(cpu)}</text><path d="M${String(LEFT)} ${String(y)}H${String(width - MARGIN)}" stroke="#bbb" stroke-dasharray="1 4"/>`;
}

/** One box for the named steps that a CPU took in a row. */
function boxes(shown: readonly Shown[], lane: number): string[] {
  const parts: string[] = [];
  for (let from = 0; from < shown.length;) {
    const { cpu } = shown[from] ?? { cpu: 0 };
    let to = from;
    while (shown[to]?.cpu === cpu) to += 1;
    const at = `x="${String(xOf(from))}" y="${String(cpu * lane)}" width="${String((to - from) * COLUMN)}" height="${String(BOX)}"`;
    parts.push(`<rect ${at} fill="#fff"/><rect ${at} fill="url(#cpu${String(cpu)})" stroke="#111"/>`);
    for (let i = from; i < to; i++) {
      const number = String((shown[i]?.index ?? 0) + 1);
      const x = xOf(i) + COLUMN / 2;
      const y = cpu * lane + BOX / 2;
      parts.push(
        `<rect x="${String(x - 15)}" y="${String(y - 8)}" width="30" height="16" fill="#fff"/><text x="${String(x)}" y="${String(y + 4)}" text-anchor="middle">${number}</text>`,
      );
    }
    from = to;
  }
  return parts;
}

/** A lock that a CPU holds, or waits for, from one column to another. */
interface Bar {
  readonly cpu: number;
  /** How many of its CPU's bars lie above it. */
  readonly row: number;
  readonly from: number;
  readonly to: number;
  readonly waits: boolean;
  readonly what: string;
}

/** The locks that named steps take, and those that CPUs wait for in the end. */
function barsOf(text: FailureText, shown: readonly Shown[]): Bar[] {
  const { record } = text.replayed;
  const end = record.steps.length;
  const named = new Set(shown.map(({ index }) => index));
  const columnOf = (index: number): number => shown.filter((step) => step.index <= index).length;
  const spans = lockSpans(record).filter(({ takenAt }) => named.has(takenAt) || takenAt === end);
  return spans.map((span, i) => {
    const { cpu, takenAt, releasedAt } = span;
    const waits = takenAt === end;
    const from = waits ? columnOf(span.waitedFrom ?? 0) : columnOf(takenAt) - 1;
    const above = spans.slice(0, i).filter((other) => other.cpu === cpu && other.releasedAt >= takenAt);
    const what = `${waits ? 'waits for' : 'holds'} ${lockName(text.names, span)}`;
    return { cpu, row: above.length, from, to: Math.max(columnOf(releasedAt), from + 1), waits, what };
  });
}

function barText({ cpu, row, from, to, waits, what }: Bar, lane: number): string {
  const x = String(xOf(from));
  const y = cpu * lane + BOX + 6 + row * BAR;
  const dash = waits ? ' stroke-dasharray="3 3"' : '';
  return `<path d="M${x} ${String(y)}H${String(xOf(to))}" stroke="#111" stroke-width="3"${dash}/><text x="${x}" y="${String(y + 12)}" font-size="10">${escaped(what)}</text>`;
}

function label(x: number, y: number, text: string): string {
  return `<text x="${String(x)}" y="${String(y)}" xml:space="preserve">${escaped(text)}</text>`;
}

function escaped(text: string): string {
  return (
    text
      // What XML has no way to write.
      .replace(/[^\t\n\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
      .replace(/[&<>"]/g, (char) => `&#${String(char.charCodeAt(0))};`)
  );
}
