// The three recordings, replayed on real threads: every fault of a page that one thread has, one for one.
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { closeGangs } from '../../src/machine/gang.ts';
import { readPerfScript } from '../../src/recording/perf-script.ts';
import { planReplay } from '../../src/recording/plan.ts';
import { replay } from '../../src/recording/replay.ts';

afterAll(async () => {
  await closeGangs();
});

const path = (name: string): string => fileURLToPath(new URL(`recordings/${name}.perf.txt.gz`, import.meta.url));

describe.each(['four-threads-one-region', 'sort', 'node-three-workers'])('%s', (name) => {
  it.each([1, 2, 4, 8])('has no unexplained difference on %i CPUs', async (cpus) => {
    const report = await replay(planReplay(await readPerfScript(path(name)), cpus), { memory: 256 * 1024 * 1024 });
    expect(report.verdict.findings).toEqual([]);
    expect(report.verdict.kind).toBe('held');
    expect(report.unexplained).toEqual([]);
    // Nothing is lost on the way: every recorded fault is replayed or skipped for a reason.
    const skipped = report.skipped
      .filter(({ reason }) => !reason.startsWith('failed'))
      .reduce((sum, { count }) => sum + count, 0);
    expect(report.replayed + skipped).toBe(report.recorded);
    expect(report.matched + report.shared).toBe(report.replayed);
    expect(report.matched).toBeGreaterThan(300);
  });
});
