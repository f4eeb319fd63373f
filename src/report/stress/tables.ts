// Tables of a page: they scroll within themselves, by keyboard too, and their figures can be read by programs.
import { grouped } from '../text.ts';
import { figure, markup } from './markup.ts';
import type { Markup, Part } from './markup.ts';
import { percentWords, threeDigits, timesWords, timeWords } from './numbers.ts';

/** One column: figures stand to the right, prose may be broken into lines. */
export interface Column {
  readonly head: Part;
  readonly kind?: 'figures' | 'prose';
}

/** A column of figures. */
export const right = (head: Part): Column => ({ head, kind: 'figures' });
export const left = (head: Part): Column => ({ head });
export const prose = (head: Part): Column => ({ head, kind: 'prose' });

/** What is not there: not measured, or not a question here. */
export const NOTHING: Markup = markup`<span class="soft">–</span>`;

/** Rows under a title of their own. The first cell of each row is its heading. */
export interface RowGroup {
  readonly title: Part;
  readonly rows: readonly (readonly Part[])[];
}

export interface TableOptions {
  /** What it is of, shown above it and read to those who do not see it. */
  readonly caption: string;
  readonly columns: readonly Column[];
  /** Rows, or groups of rows. The first cell of each row is its heading. */
  readonly rows: readonly (readonly Part[])[] | readonly RowGroup[];
  /** Names the table, and the series it is of, to programs. */
  readonly name: string;
  readonly series?: string;
}

function isGroup(row: readonly Part[] | RowGroup): row is RowGroup {
  return !Array.isArray(row);
}

export function dataTable({ caption, columns, rows, name, series }: TableOptions): Markup {
  const kind = (i: number): Markup => {
    const name = columns[i]?.kind;
    return name === undefined ? markup`` : markup` class="${name}"`;
  };
  const cell = (part: Part, i: number): Markup =>
    i === 0 ? markup`<th scope="row"${kind(i)}>${part}</th>` : markup`<td${kind(i)}>${part}</td>`;
  const row = (cells: readonly Part[]): Markup => markup`\n<tr>${cells.map(cell)}</tr>`;
  const groups = rows.filter(isGroup);
  const bodies =
    groups.length === 0
      ? markup`<tbody>${rows.map((cells) => (isGroup(cells) ? '' : row(cells)))}\n</tbody>`
      : groups.map(
          (group) => markup`<tbody>
<tr><th scope="rowgroup" class="group" colspan="${columns.length}">${group.title}</th></tr>${group.rows.map(row)}
</tbody>
`,
        );
  const of = series === undefined ? markup`` : markup` data-series="${series}"`;
  return markup`<div class="scroll" role="group" aria-label="${caption}" tabindex="0">
<table data-table="${name}"${of}>
<caption><span>${caption}</span></caption>
<thead><tr>${columns.map(({ head }, i) => markup`<th scope="col"${kind(i)}>${head}</th>`)}</tr></thead>
${bodies}
</table>
</div>`;
}

/** Nothing, or what `show` makes of a value. */
function shown(value: number | undefined, show: (value: number) => string): Markup {
  return value === undefined ? NOTHING : figure(value, show(value));
}

export const count = (value: number | undefined): Markup => shown(value, grouped);
export const time = (ns: number | undefined): Markup => shown(ns, timeWords);
export const percent = (share: number | undefined): Markup => shown(share, percentWords);
export const digits = (value: number | undefined): Markup => shown(value, threeDigits);
export const times = (value: number | undefined): Markup => shown(value, timesWords);
