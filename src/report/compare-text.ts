// Two traces side by side as text: what is equal, what differs, and why.
import type { TraceComparison } from '../recording/compare-traces.ts';
import { bold, grouped, table, wrapText } from './text.ts';

/** The comparison in at most 80 columns. */
export function renderComparison(comparison: TraceComparison): string {
  const { threads, counts, differences, faults, sameFaults, sameInAnotherOrder, unexplained } = comparison;
  const lines = [
    bold(
      `${grouped(faults)} page faults in both traces, of ${threads === 1 ? '1 thread' : `${grouped(threads)} threads`}`,
    ),
    `  ${grouped(sameFaults)} with the same events up to the next fault, ${grouped(sameInAnotherOrder)} in another order`,
    '',
    ...table([
      ['event', 'kernel', 'ours', 'equal'],
      ...counts.map(({ name, kernel, ours, equal }) => [name, grouped(kernel), grouped(ours), grouped(equal)]),
    ]),
  ];
  const reasons = [...new Set(differences.map(({ reason }) => reason))].sort(
    (a, b) => Number(a === undefined) - Number(b === undefined),
  );
  for (const reason of reasons) {
    lines.push('', ...wrapText(reason ?? 'not explained', reason === undefined ? '! ' : '', '  '));
    const rows = differences
      .filter((group) => group.reason === reason)
      .map(({ event, kernelOnly, oursOnly }) => [event, grouped(kernelOnly), grouped(oursOnly)]);
    lines.push(...table([['event', 'kernel only', 'ours only'], ...rows]));
  }
  lines.push(
    '',
    unexplained === 0
      ? 'every difference has a known reason'
      : `${grouped(unexplained)} differences have no known reason`,
  );
  return lines.join('\n');
}
