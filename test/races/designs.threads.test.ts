// Locking designs of the user's own on real threads: their source at full speed, judged as the kernel's designs are, and
// the explorer's schedules of them step by step.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { exploreInPool } from '../../src/explore/parallel.ts';
import { exploreTarget, targetNamed } from '../../src/explore/target.ts';
import { replayOnThreads } from '../../src/explore/threads.ts';
import { boot } from '../../src/machine/boot.ts';
import { closeGangs } from '../../src/machine/gang.ts';
import { eventsOf, judge } from '../../src/check/verdict.ts';
import { nothingMeasured, PointRun } from '../../src/stress/point.ts';
import type { Measured } from '../../src/stress/point.ts';
import { workload } from '../../src/stress/workloads.ts';

const folder = mkdtempSync(join(tmpdir(), 'pagerace-designs-'));
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await closeGangs();
});

const example = (name: string): string => fileURLToPath(new URL(`designs/${name}.js`, import.meta.url));

/** Rounds of a workload until one is violated, or `most` have been. */
async function rounds(work: string, cpus: number, locking: string, pages: number, most: number): Promise<Measured> {
  const measured = nothingMeasured(cpus);
  const point = { work: workload(work), cpus, locking, lock: 'qspinlock', without: [], pages, metered: false };
  const run = new PointRun(point, measured);
  for (let round = 0; round < most && measured.verdict === 'held'; round++) await run.round(0);
  if (measured.verdict === 'held') run.end();
  return measured;
}

describe('bit-locks, which is right', () => {
  for (const work of ['same-page', 'same-table', 'read-then-write', 'fault-vs-dontneed']) {
    it.each([2, 4])(`holds in ${work} on %d CPUs`, async (cpus) => {
      const { verdict, findings, rounds: run } = await rounds(work, cpus, example('bit-locks'), 1000, 4);
      expect(findings).toEqual([]);
      expect(verdict).toBe('held');
      expect(run.every(({ faults }) => faults > 0)).toBe(true);
    });
  }

  it('holds in a search that threads share', async () => {
    const spec = { name: 'same-table', options: { locking: example('bit-locks') } };
    const shared = await exploreInPool(spec, {}, { workers: 2 });
    const alone = exploreTarget(targetNamed(spec.name, spec.options));
    expect(shared.verdict).toBe('held');
    expect(shared.executions).toBe(alone.executions);
  });
});

describe('neg: designs that look right', () => {
  it('reader-writer: threads show it within 100 rounds', { timeout: 120_000 }, async () => {
    const { verdict, findings } = await rounds('same-page', 2, example('reader-writer'), 5000, 100);
    expect(verdict).toBe('violated');
    expect(findings.map(({ message }) => message).join('\n')).toMatch(/BUG: Bad/);
  });

  it.each([
    ['first-touch', 'reader-writer'],
    ['same-table', 'bit-locks-cheap-unlock'],
  ])('the smallest schedule of %s under %s replays on threads, step by step', async (name, design) => {
    const options = { locking: example(design) };
    const { failure, memoryModel } = exploreTarget(targetNamed(name, options));
    const { same, errors } = await replayOnThreads({ name, options }, failure!.token, { memoryModel });
    expect(errors).toEqual([]);
    expect(same).toBe(true);
  });
});

describe('a design that can not work', () => {
  const design = (name: string, lock: string, unlock = ''): string => {
    const path = join(folder, `${name}.js`);
    const members = `name: '${name}', what: 'x', *lock(cpu, e) { ${lock} }, *unlock(cpu, e) { ${unlock} }`;
    writeFileSync(path, `export default (kernel) => ({ ${members} });\n`);
    return path;
  };
  const A = 0x75e52fc77000;

  async function verdictOf(locking: string): Promise<ReturnType<typeof judge>> {
    const machine = boot({ cpus: 2, memory: 8 * 1024 * 1024, stuckMs: 300, locking });
    machine.setUp([{ op: 'mmap', addr: A, length: 4096 * 8, prot: 3, flags: 0x32 }]);
    const outcome = await machine.run(
      [0, 1].map((cpu) => [{ op: 'touch', addr: A + 4 * cpu, pages: 8, write: true, value: 1 }]),
      { history: true, limitMs: 20_000 },
    );
    return judge(machine, outcome, { events: eventsOf(outcome.cpus) });
  }

  it.each([
    ['waits', 'yield* kernel.update_when(cpu, kernel.table_words(cpu, e.table), (v) => v === 0, () => 1);'],
    ['spins', 'while ((yield* kernel.xchg(cpu, kernel.table_words(cpu, e.table), 1)) !== 0);'],
  ])('is stuck where it never releases: one that %s', async (name, lock) => {
    const { kind, findings } = await verdictOf(design(name, lock));
    expect(kind).toBe('stuck');
    expect(findings[0]!.message).toMatch(/CPU#\d stuck for 0\.3s: waits for ptlock/);
  });

  it('has killed its CPU where it throws', async () => {
    const { kind, findings } = await verdictOf(design('throws', "throw new Error('oops');"));
    expect(kind).toBe('violated');
    expect(findings[0]!.message).toMatch(/CPU \d died in the run: oops/);
  });
});
