// A replay's report as text.
import { renderVerdict } from '../check/verdict.ts';
import type { ReplayReport } from '../recording/replay.ts';
import { bold, grouped, table, wrapText } from './text.ts';

/** Unexplained differences that are shown one by one. */
const MAX_SHOWN = 5;

/** The report in at most 80 columns. */
export function renderReplay(report: ReplayReport, full: boolean): string {
  const skipped = report.skipped.reduce((sum, { count }) => sum + count, 0);
  const lines = [
    bold(
      `${report.comm}: ${grouped(report.recorded)} faults of ${String(report.threads)} threads, on ${String(report.cpus)} CPUs`,
    ),
    ...table([
      ['recorded faults', grouped(report.recorded)],
      ['replayed', grouped(report.replayed), `and ${grouped(report.calls)} system calls`],
      [
        'skipped',
        grouped(skipped),
        report.skipped.map(({ reason, count }) => `${reason} ${grouped(count)}`).join(', '),
      ].slice(0, 2),
      ['matched one for one', grouped(report.matched), 'pages that one thread touches'],
      ['pages of several threads', grouped(report.shared), `${grouped(report.sharedMatched)} as recorded`],
      ['differences unexplained', grouped(report.unexplained.length)],
      ['races lost', grouped(report.racesLost)],
      ['frames, RSS at the end', grouped(report.frames), `${grouped(report.rssPeak)} pages`],
      ['faults a second', grouped(report.faults / report.seconds)],
    ]),
  ];
  for (const { reason, count } of report.skipped)
    lines.push(...wrapText(`skipped: ${reason}, ${grouped(count)}`, '  ', '    '));
  for (const { reason, kernelOnly, simulationOnly } of report.differences) {
    lines.push(
      ...wrapText(
        `differs: ${reason}; the kernel had ${grouped(kernelOnly)} that the simulation had not, the simulation ${grouped(simulationOnly)} that the kernel had not`,
        '  ',
        '    ',
      ),
    );
  }
  for (const d of report.unexplained.slice(0, MAX_SHOWN)) {
    lines.push(
      ...wrapText(
        `unexplained: 0x${d.address.toString(16)} of thread ${String(d.tid)} took ${String(d.taken)} faults${d.signal > 0 ? ` and signal ${String(d.signal)}` : ''}`,
        '  ',
        '    ',
      ),
    );
  }
  if (full) lines.push(...lockLines(report));
  lines.push(...renderVerdict(report.verdict));
  return lines.join('\n');
}

function lockLines(report: ReplayReport): string[] {
  const rows = report.locks
    .filter((lock) => lock.acquisitions > 0)
    .map((lock) => [lock.name, grouped(lock.acquisitions), grouped(lock.contentions), grouped(lock.parks)]);
  return table([['lock', 'acquired', 'contended', 'halts'], ...rows]);
}
