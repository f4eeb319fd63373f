// What is measured here, piped on: `pagerace stress --json | pagerace report -`.
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import type { StressResults } from '../../src/stress/results.ts';
import { csvRows, pageTables } from '../support/read-report.ts';
import { MAIN } from '../support/run-cli.ts';

const LIMIT_MS = 120_000;

function pagerace(args: readonly string[], input = ''): string {
  const { stdout } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    maxBuffer: 64 * 1024 * 1024,
    input,
  });
  return stdout;
}

it(
  'makes a page and CSV with the rates that were measured',
  () => {
    const flags = ['--cpus', '1,2', '--locking', 'split,none', '--pages', '64', '--rounds', '2'];
    const json = pagerace(['stress', 'same-page', ...flags, '--json']);
    const { points } = JSON.parse(json) as StressResults;
    expect(points).toHaveLength(4);
    const measured = points.map(({ locking, cpus, faultsPerSecond }) => [
      `${locking} ${String(cpus)}`,
      faultsPerSecond,
    ]);

    const rows = csvRows(pagerace(['report', '-', '--format', 'csv'], json)).filter(({ record }) => record === 'point');
    expect(new Map(rows.map((row) => [`${row.locking!} ${row.cpus!}`, Number(row.faults_per_second)]))).toEqual(
      new Map(measured as [string, number][]),
    );
    const page = pagerace(['report', '-', '--out', '-'], json);
    const shown = pageTables(page)
      .filter(({ name }) => name === 'scaling')
      .flatMap((table) => table.rows.map((cells) => cells[1]!.values[0]));
    expect(new Set(shown)).toEqual(new Set(measured.map(([, rate]) => rate)));
  },
  2 * LIMIT_MS,
);
