// A replay that runs out of memory, or is made to, ends at once and says so, with a reason for every difference.
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { MachineConfig } from '../../src/machine/config.ts';
import { closeGangs } from '../../src/machine/gang.ts';
import { readPerfScript } from '../../src/recording/perf-script.ts';
import { planReplay } from '../../src/recording/plan.ts';
import { replay } from '../../src/recording/replay.ts';
import type { ReplayReport } from '../../src/recording/replay.ts';

const MIB = 1024 * 1024;
const path = fileURLToPath(new URL('recordings/four-threads-one-region.perf.txt.gz', import.meta.url));

afterAll(async () => {
  await closeGangs();
});

async function run(cpus: number, config: Partial<MachineConfig>): Promise<ReplayReport> {
  const report = await replay(planReplay(await readPerfScript(path), cpus), config);
  expect(report.verdict.findings).toEqual([]);
  expect(report.unexplained).toEqual([]);
  const skipped = report.skipped.reduce((sum, { count }) => sum + count, 0);
  expect(report.replayed + skipped).toBe(report.recorded);
  return report;
}
const reasons = (report: ReplayReport): string[] => report.differences.map(({ reason }) => reason);

describe('out of memory', () => {
  it.each([1, 2, 4])('kills the process on all of %i CPUs, wherever they wait', async (cpus) => {
    const report = await run(cpus, { memory: MIB });
    expect(report.verdict.bounds).toContain('the process killed: out of memory');
    expect(reasons(report)).toContain('the process was killed, out of memory');
    const unreached = report.skipped.find(({ reason }) => reason === 'the process was killed, out of memory');
    expect(unreached?.count).toBeGreaterThan(500);
    // It did not wait until it was called stuck.
    expect(report.verdict.kind).toBe('held');
  });

  it('at the limit of its memory group is the same', async () => {
    const report = await run(4, { memory: 256 * MIB, memcgLimits: [300] });
    expect(report.verdict.bounds).toContain('the process killed: out of memory');
    expect(report.frames).toBeLessThan(310);
  });
});

describe('allocations that are made to fail', () => {
  it('of pages: faults are taken again, and nothing else changes', async () => {
    const report = await run(2, { memory: 256 * MIB, failAlloc: { interval: 5 } });
    expect(reasons(report)).toContain('no memory could be had at first');
    expect(report.verdict.bounds).not.toContain('killed');
    expect(report.replayed).toBeGreaterThan(1200);
  });

  it('of objects: a call that fails explains what comes after it', async () => {
    const report = await run(1, { memory: 256 * MIB, failAlloc: { interval: 4, sites: ['slab'] } });
    expect(reasons(report)).toContain('a system call before found no memory');
  });
});
