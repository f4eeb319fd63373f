// The kernel's own source beside the steps: which line of which file a place on the stack is, and which lines ask for a
// defence.
import * as defences from '../../kernel/defences.ts';
import { DEFENCES } from '../../kernel/defences.ts';

/** What the build writes: files, and runs of [line of the script, file, line of the file, lines that go on like that]. */
export interface SourceTable {
  readonly files: readonly { readonly name: string; readonly text: string }[];
  readonly runs: readonly (readonly [number, number, number, number])[];
}

/** A line of the kernel's source; lines count from 1. */
export interface SourcePlace {
  readonly file: string;
  readonly line: number;
}

/** One line as it is shown. */
export interface SourceLine {
  readonly number: number;
  readonly text: string;
  /** The defence that this line asks for. */
  readonly defence: string | undefined;
}

/** The source of the kernel that runs in this page. */
export class KernelSources {
  private readonly table: SourceTable;
  /** Lines of the page before the script's first: it may stand in the page itself. */
  private readonly offset: number;
  private readonly shown = new Map<string, SourceLine[]>();

  constructor(table: SourceTable, offset = 0) {
    this.table = table;
    this.offset = offset;
  }

  /** The line that a place on the stack, `url:line:column`, stands for; undefined: it is none of the kernel. */
  placeOf(source: string): SourcePlace | undefined {
    const [, text = ''] = /:(\d+):\d+$/.exec(source) ?? [];
    const line = Number(text) - this.offset;
    const { runs, files } = this.table;
    let low = 0;
    let high = runs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((runs[middle]?.[0] ?? 0) <= line) low = middle + 1;
      else high = middle;
    }
    const run = runs[low - 1];
    if (run === undefined) return undefined;
    const [first, file, at, count] = run;
    const name = files[file]?.name;
    return line >= first + count || name === undefined ? undefined : { file: name, line: at + line - first };
  }

  /** All lines of a file; none where there is no such file. */
  linesOf(file: string): readonly SourceLine[] {
    let lines = this.shown.get(file);
    if (lines === undefined) {
      const text = this.table.files.find(({ name }) => name === file)?.text.replace(/\n$/, '');
      lines = text === undefined ? [] : text.split('\n').map(sourceLine);
      this.shown.set(file, lines);
    }
    return lines;
  }
}

/** Names of the constants that lines ask by, and the defences that they stand for. */
const ASKED: ReadonlyMap<string, string> = new Map(
  Object.entries(defences).flatMap(([name, value]) => {
    const defence = typeof value === 'number' && name.startsWith('D_') ? DEFENCES[value]?.name : undefined;
    return defence === undefined ? [] : [[name, defence] as const];
  }),
);

function sourceLine(text: string, index: number): SourceLine {
  const [, asked = ''] = /\bdefended\(\w+, (D_[A-Z_]+)\)/.exec(text) ?? [];
  return { number: index + 1, text, defence: ASKED.get(asked) };
}
