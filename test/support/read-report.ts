// Reads reports as programs do: CSV by its standard, and the tables of a page with the exact values in their cells.
import { parseHTML } from 'linkedom';

/** The records of an RFC 4180 text. Throws where it is none. */
export function parseCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
  while (field.lastIndex < text.length) {
    const at = field.lastIndex;
    const match = field.exec(text);
    if (match === null)
      throw new Error(`parseCsv: no field at ${String(at)}: ${JSON.stringify(text.slice(at, at + 40))}`);
    const [, quoted, plain, end] = match;
    record.push(quoted?.replaceAll('""', '"') ?? plain ?? '');
    if (end === '\r\n') {
      records.push(record);
      record = [];
    }
  }
  if (record.length > 0) throw new Error('parseCsv: the last record has no end');
  return records;
}

/** The records by the names of the first. */
export function csvRows(text: string): Record<string, string>[] {
  const [head = [], ...records] = parseCsv(text);
  return records.map((record) => {
    if (record.length !== head.length)
      throw new Error(`csvRows: ${String(record.length)} fields of ${String(head.length)}`);
    return Object.fromEntries(head.map((name, i) => [name, record[i] ?? '']));
  });
}

/** A cell of a page's table: its text, and the exact values that it shows. */
export interface PageCell {
  readonly text: string;
  readonly values: readonly number[];
}

/** A table of a page. */
export interface PageTable {
  readonly name: string;
  readonly series: string | undefined;
  readonly head: readonly string[];
  readonly rows: readonly (readonly PageCell[])[];
}

const squeezed = (element: Element): string => element.textContent.replace(/\s+/g, ' ').trim();

/** The tables of a page; rows that only name a group are left out. */
export function pageTables(html: string): PageTable[] {
  const { document } = parseHTML(html);
  return [...document.querySelectorAll('table')].map((table) => ({
    name: table.getAttribute('data-table') ?? '',
    series: table.getAttribute('data-series') ?? undefined,
    head: [...table.querySelectorAll('thead th')].map(squeezed),
    rows: [...table.querySelectorAll('tbody tr')]
      .filter((row) => row.querySelector('[colspan]') === null)
      .map((row) =>
        [...row.children].map((cell) => ({
          text: squeezed(cell),
          values: [...cell.querySelectorAll('data')].map((data) => Number(data.getAttribute('value'))),
        })),
      ),
  }));
}
