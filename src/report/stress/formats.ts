// A report in the formats that people and their tools read. What checks files and what draws charts is loaded when it is
// needed: other commands know this module, too.
import { UsageError } from '../../machine/usage-error.ts';
import { allSeries, analyse } from './analysis.ts';
import { renderCsv } from './csv.ts';
import { reportDocument } from './document.ts';
import { renderText } from './text.ts';

export const REPORT_FORMATS = ['html', 'text', 'csv', 'json'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** Series that a page has room for: beyond, it takes minutes to draw, and nobody reads it. */
const MAX_SERIES = 500;

/** Reads results and writes the report of them, as text that ends with a line's end. Throws a UsageError. */
export async function stressReport(paths: readonly string[], format: ReportFormat): Promise<string> {
  const { loadResults } = await import('./load.ts');
  const report = analyse(await loadResults(paths));
  switch (format) {
    case 'text':
      return `${renderText(report)}\n`;
    case 'csv':
      return renderCsv(report);
    case 'json':
      return `${JSON.stringify(reportDocument(report), null, 2)}\n`;
    case 'html': {
      const series = allSeries(report).length;
      if (series > MAX_SERIES) {
        throw new UsageError(
          `${String(series)} designs and workloads are too many for one page, which has room for ${String(MAX_SERIES)}: give fewer files, or another format, for example --format csv.`,
        );
      }
      const { renderPage } = await import('./page.ts');
      return renderPage(report);
    }
  }
}
