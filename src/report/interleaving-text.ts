// One execution as a table: a column per CPU, the state after each step, and what came of it.
//
// Steps that matter to their own CPU only are folded; the only line that is decorated is the preemption. A table for
// two or three CPUs stands in 80 columns; more CPUs share one column.
import colors from 'picocolors';
import type { DataRace } from '../check/data-race.ts';
import type { ExecutionRecord, RecordedStep } from '../explore/record.ts';
import { renderDeadlock } from './deadlock-text.ts';
import { raceFacts } from './kcsan-text.ts';
import { stepNumber } from './names.ts';
import type { Names } from './names.ts';
import type { StepNamer } from './step-names.ts';
import { nameAccess } from './step-names.ts';
import { WIDTH, wrapText } from './text.ts';

/** State that is shown to the right: its name, and its value after a step. */
export interface StateColumn {
  readonly name: string;
  readonly after: (step: RecordedStep) => string;
}

/** What came of it: `lost store`, `lost folio`, `on exit`, and a sentence. */
export interface Consequence {
  readonly label: string;
  readonly text: string;
}

export interface InterleavingOptions {
  /** How many CPUs have a column; if not given, those that took a step or wait. */
  readonly cpus?: number;
  /** Names the steps; if not given, as accesses to words. */
  readonly nameStep?: StepNamer;
  readonly columns?: readonly StateColumn[];
  /** Whether steps that are folded have a line where their turn has other steps; if not given, they have. */
  readonly folds?: boolean;
  /** Why the schedule changes hands before a step that preempts. */
  readonly reason?: (step: RecordedStep) => string;
  readonly consequences?: readonly Consequence[];
  readonly race?: DataRace;
  /** The command that replays it. */
  readonly replay?: string;
  readonly names?: Names;
  /** Whether to colour; if not given, as the terminal wants. */
  readonly colour?: boolean;
}

/** A line of the table: a step, or steps of one CPU that are folded into one. */
interface Row {
  readonly number: string;
  readonly cpu: number;
  readonly text: string;
  /** Values of the state columns. */
  readonly state: readonly string[];
  /** The line above it that marks a preemption. */
  readonly preemption: string | undefined;
}

interface Layout {
  readonly headings: readonly string[];
  readonly widths: readonly number[];
  /** The columns for CPUs are one: its cells name the CPU. */
  readonly shared: boolean;
  readonly cpus: number;
}

const STEP_WIDTH = 4;
const GAP = '  ';
const MAX_STATE_WIDTH = 16;
/** A column for a CPU that is narrower than this is no help. */
const MIN_CPU_WIDTH = 14;
const LABEL_WIDTH = 13;

/** The whole report in at most 80 columns: table, consequences, race, replay command. */
export function renderInterleaving(record: ExecutionRecord, options: InterleavingOptions = {}): string {
  const palette = options.colour === undefined ? colors : colors.createColors(options.colour);
  const rows = rowsOf(record, options);
  const layout = layoutOf(record, rows, options);
  const lines = [
    palette.bold(line(layout, ['step', ...layout.headings])),
    line(
      layout,
      [STEP_WIDTH, ...layout.widths].map((width) => '-'.repeat(width)),
    ),
  ];
  for (const row of rows) {
    if (row.preemption !== undefined) lines.push(palette.yellow(row.preemption));
    const text = rowLines(layout, row);
    lines.push(...(row.number === '' ? text.map((folded) => palette.dim(folded)) : text));
  }
  const consequences = (options.consequences ?? []).flatMap(({ label, text }) =>
    labelled(label, [text]).map((said) => palette.red(said)),
  );
  const stuck = record.end === 'complete' ? [] : renderDeadlock(record, options.names).map((said) => `  ${said}`);
  const thrown = record.errors.flatMap(({ cpu, message }) => labelled('thrown', [`by CPU${String(cpu)}: ${message}`]));
  const facts = options.race === undefined ? [] : raceFacts(options.race, record, options.names);
  const replay = options.replay === undefined ? [] : labelled('replay', [options.replay]);
  const blocks = [lines, [...consequences, ...thrown], stuck, [...labelled('race', facts), ...replay]];
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n');
}

/** `  label  text`, continued under the text. */
function labelled(label: string, texts: readonly string[]): string[] {
  const indent = ' '.repeat(LABEL_WIDTH + 2);
  return texts.flatMap((text, i) => wrapText(text, `  ${(i === 0 ? label : '').padEnd(LABEL_WIDTH)}`, indent));
}

function rowsOf(record: ExecutionRecord, options: InterleavingOptions): Row[] {
  const nameStep = options.nameStep ?? ((step: RecordedStep) => nameAccess(step, options.names));
  const columns = options.columns ?? [];
  const reason = options.reason ?? ((step: RecordedStep) => `preempted by CPU${String(step.cpu)}`);
  const rows: Row[] = [];
  let folded: RecordedStep[] = [];
  let preemption: string | undefined;
  const add = (step: RecordedStep, number: string, text: string): void => {
    rows.push({ number, cpu: step.cpu, text, state: columns.map(({ after }) => after(step)), preemption });
    preemption = undefined;
  };
  let shownOf = -1;
  const unfold = (turnEnds: boolean): void => {
    const last = folded[folded.length - 1];
    if (last === undefined) return;
    // A turn of which nothing else is shown must still be seen.
    if (options.folds !== false || (turnEnds && shownOf !== last.cpu)) {
      add(last, '', `… ${String(folded.length)} ${folded.length === 1 ? 'step' : 'steps'} of its own`);
    }
    folded = [];
  };
  for (const step of record.steps) {
    const text = nameStep(step);
    const [first] = folded;
    if (first !== undefined && (first.cpu !== step.cpu || step.preempts)) unfold(true);
    else if (text !== undefined) unfold(false);
    if (text !== undefined) shownOf = step.cpu;
    if (step.preempts) preemption = preemptionLine(reason(step));
    if (text === undefined) folded.push(step);
    else add(step, stepNumber(step), text);
  }
  unfold(true);
  return rows;
}

function preemptionLine(reason: string): string {
  const wave = '~'.repeat(8);
  const indent = ' '.repeat(1 + STEP_WIDTH + GAP.length);
  const room = WIDTH - indent.length - 2 * wave.length - 2;
  return `${indent}${wave} ${reason.length > room ? `${reason.slice(0, room - 1)}…` : reason} ${wave}`;
}

function layoutOf(record: ExecutionRecord, rows: readonly Row[], options: InterleavingOptions): Layout {
  const columns = options.columns ?? [];
  const seen = [...record.steps, ...record.waiting].map(({ cpu }) => cpu + 1);
  const cpus = options.cpus ?? Math.max(1, ...seen);
  const states = columns.map(({ name }, i) =>
    Math.min(MAX_STATE_WIDTH, Math.max(name.length, ...rows.map((row) => (row.state[i] ?? '').length))),
  );
  const room = WIDTH - 1 - STEP_WIDTH - states.reduce((sum, width) => sum + GAP.length + width, 0);
  const each = Math.floor(room / cpus) - GAP.length;
  const names = columns.map(({ name }) => name);
  if (each < MIN_CPU_WIDTH) {
    const widths = [Math.max(MIN_CPU_WIDTH, Math.min(room - GAP.length, widest(rows, 6))), ...states];
    return { headings: ['CPU', ...names], widths, shared: true, cpus };
  }
  const needed = Array.from({ length: cpus }, (_, cpu) =>
    Math.max(
      MIN_CPU_WIDTH,
      widest(
        rows.filter((row) => row.cpu === cpu),
        0,
      ),
    ),
  );
  const own = share(room - cpus * GAP.length, needed);
  const headings = own.map((_, cpu) => `CPU${String(cpu)}`);
  return { headings: [...headings, ...names], widths: [...own, ...states], shared: false, cpus };
}

/** Gives each column what it needs; where there is not room for all, those that need more than their share get less. */
function share(room: number, needed: readonly number[]): number[] {
  const widths = needed.map(() => 0);
  let left = room;
  const byNeed = needed.map((need, column) => ({ need, column })).sort((a, b) => a.need - b.need);
  byNeed.forEach(({ need, column }, i) => {
    const width = Math.min(need, Math.floor(left / (byNeed.length - i)));
    widths[column] = width;
    left -= width;
  });
  return widths;
}

function widest(rows: readonly Row[], more: number): number {
  return Math.max(0, ...rows.map((row) => row.text.length + more));
}

/** A row: its text may take several lines, the state stands on the first. */
function rowLines(layout: Layout, row: Row): string[] {
  const place = layout.shared ? 0 : row.cpu;
  const cpuColumns = layout.shared ? 1 : layout.cpus;
  const text = layout.shared ? `CPU${String(row.cpu)}  ${row.text}` : row.text;
  return wrapCell(text, layout.widths[place] ?? MIN_CPU_WIDTH).map((part, i) => {
    const cells = Array.from({ length: cpuColumns }, (_, column) => (column === place ? part : ''));
    return line(layout, [i === 0 ? row.number : '', ...cells, ...(i === 0 ? row.state : [])]);
  });
}

/** Cells side by side: the step's number to the right of its column, the rest to the left of theirs. */
function line(layout: Layout, cells: readonly string[]): string {
  const [number = '', ...rest] = cells;
  const padded = rest.map((cell, i) => {
    const width = layout.widths[i] ?? 0;
    return (cell.length > width ? `${cell.slice(0, width - 1)}…` : cell).padEnd(width);
  });
  return ` ${[number.padStart(STEP_WIDTH), ...padded].join(GAP)}`.trimEnd();
}

/** Breaks a cell's text at blanks, and words that are too long where they must break. */
function wrapCell(text: string, width: number): string[] {
  const lines: string[] = [];
  let current = '';
  for (let word of text.split(' ')) {
    if (current !== '' && current.length + 1 + word.length > width) {
      lines.push(current);
      current = '';
    }
    for (; word.length > width; word = word.slice(width)) lines.push(word.slice(0, width));
    current = current === '' ? word : `${current} ${word}`;
  }
  lines.push(current);
  return lines;
}
