// A trace as text: the seed's eleven steps with the seed's headings.
import type { Trace, TraceStep } from '../machine/trace.ts';
import { bold, dim, wrapText } from './text.ts';

function valueLines(step: TraceStep): string[] {
  const parts = Object.entries(step.values).map(([name, value]) => `${name} ${String(value)}`);
  return parts.length === 0 ? [] : wrapText(parts.join(', '), '   ', '   ');
}

function stepLines(step: TraceStep, short: boolean): string[] {
  const heading = bold(`${String(step.step)}. ${step.heading}`);
  const result = wrapText(`=> ${step.result}`, '   ', '      ');
  if (short) return [heading, ...result];
  return [
    heading,
    ...wrapText(step.fn, '   ', '   ').map(dim),
    ...wrapText(step.why, '   ', '   ').map(dim),
    ...valueLines(step),
    ...result,
  ];
}

/** The trace in at most 80 columns; `short` leaves out values and reasons. */
export function renderTrace(trace: Trace, short: boolean): string {
  const { pgd, pud, pmd, pte } = trace.indices;
  const lines = [
    `page fault at ${trace.address}: pgd ${String(pgd)}, pud ${String(pud)}, pmd ${String(pmd)}, pte ${String(pte)}`,
    '',
    ...trace.steps.flatMap((step) => stepLines(step, short)),
    '',
    ...wrapText(
      `return ${trace.resultName}; pte ${trace.pte}; pagemap ${trace.pagemap}; RSS ${String(trace.rss)}`,
      '',
      '  ',
    ),
    ...wrapText(`pgd ${trace.upper.pgd}, pud ${trace.upper.pud}, pmd ${trace.upper.pmd}`, '', '  '),
  ];
  if (trace.entries.length > 1) lines.push(...wrapText(`pte built as ${trace.entries.join(' -> ')}`, '', '  '));
  return lines.join('\n');
}
