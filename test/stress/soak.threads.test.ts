// Soaks: stopped, gone on with, refused for something else, ended by the first violation.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { closeGangs } from '../../src/machine/gang.ts';
import type { PointSpec } from '../../src/stress/point.ts';
import { soak } from '../../src/stress/soak.ts';
import type { SoakOptions, SoakTotals } from '../../src/stress/soak.ts';
import { workload } from '../../src/stress/workloads.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'soak-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await closeGangs();
});

function point(changes: Partial<PointSpec> = {}): PointSpec {
  const work = workload('mixed');
  return { work, cpus: 2, locking: 'split', lock: 'qspinlock', without: [], pages: 256, metered: false, ...changes };
}

function options(changes: Partial<SoakOptions> = {}): SoakOptions {
  const signal = new AbortController().signal;
  return { seconds: 60, keep: undefined, signal, everyMs: 0, onMinute: () => undefined, ...changes };
}

it('is stopped after the round under way, and goes on with its totals', async () => {
  const keep = join(folder, 'mixed.json');
  const stop = new AbortController();
  const told: SoakTotals[] = [];
  const onMinute = (totals: SoakTotals): void => {
    told.push(structuredClone(totals));
    if (told.length === 2) stop.abort();
  };
  const first = await soak(point(), options({ keep, signal: stop.signal, onMinute }));
  expect(first.verdict).toBe('held');
  expect(first.rounds).toBe(2);
  expect(told.map(({ rounds }) => rounds)).toEqual([1, 2, 2]);
  expect(told[0]!.faults).toBeLessThan(first.faults);
  const again = await soak(point(), options({ keep, seconds: first.seconds + 0.1 }));
  expect(again.rounds).toBe(3);
  expect(again.faults).toBeGreaterThan(first.faults);
  expect(again.seconds).toBeGreaterThan(first.seconds);
  // It has run for as long as was asked: nothing more happens.
  expect(await soak(point(), options({ keep, seconds: 0.1 }))).toEqual(again);
  expect(readdirSync(folder)).toEqual(['mixed.json']);
});

it('refuses a file of another soak, of something else, or that is none', async () => {
  const keep = join(folder, 'other.json');
  await soak(point(), options({ keep, seconds: 0.1 }));
  const before = readFileSync(keep, 'utf8');
  await expect(soak(point({ cpus: 3 }), options({ keep }))).rejects.toThrow(
    /other\.json is a soak of mixed, 2 CPUs, .*, not of mixed, 3 CPUs/,
  );
  expect(readFileSync(keep, 'utf8')).toBe(before);
  for (const text of ['', 'null', '{"kind":"x"}', before.replace('"version":1', '"version":9')]) {
    writeFileSync(keep, text);
    await expect(soak(point(), options({ keep }))).rejects.toThrow(/other\.json is no soak of this version/);
  }
  await expect(soak(point(), options({ keep: folder }))).rejects.toThrow(/can't be read/);
});

it('ends with the first violation', async () => {
  const broken = point({ work: workload('same-page'), locking: 'none', pages: 4000 });
  const totals = await soak(broken, options({ seconds: 20 }));
  expect(totals.verdict).toBe('violated');
  expect(totals.findings.length).toBeGreaterThan(0);
  expect(totals.seconds).toBeLessThan(20);
});
