// A search is the same on any number of threads, and when it was interrupted and gone on with.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { exploreInPool } from '../../src/explore/parallel.ts';
import type { Exploration, ExploreOptions } from '../../src/explore/index.ts';
import { exploreSubject } from '../../src/explore/explore.ts';
import { JOB_EXECUTIONS } from '../../src/explore/frontier.ts';
import { aboutOf, loadSubject } from '../../src/explore/subject-spec.ts';
import type { SubjectSpec } from '../../src/explore/subject-spec.ts';

const folder = mkdtempSync(join(tmpdir(), 'pagerace-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** What must be the same. */
function told({ verdict, executions, blocked, steps, failures, failure }: Exploration): unknown {
  const { token, message, lockOrder } = failure ?? {};
  return { verdict, executions, blocked, steps, failures, token, message, lockOrder };
}

/** A module of test/support/modules. */
function moduleOf(name: string): SubjectSpec {
  return { name, module: new URL(`../support/modules/${name}.mjs`, import.meta.url).href };
}

/** Numbers of threads; 0: this one. More of them where PAGERACE_RUNS is given: most of the time is for starting them. */
const WORKERS = process.env.PAGERACE_RUNS === undefined ? [0, 1, 3] : [0, 1, 2, 4];

const everything = { stopAtFailure: false };
const recheck = { name: 'first-touch', options: { without: ['pte_recheck'] } };
const kernel = {
  name: 'my-race',
  kernel: {
    name: 'my-race',
    setup: [
      { op: 'mmap' as const, addr: 0x400000, length: 8192, prot: 3, flags: 0x32 },
      { op: 'store' as const, addr: 0x401000, value: 9 },
    ],
    programs: [[{ op: 'store' as const, addr: 0x400000, value: 1 }], [{ op: 'load' as const, addr: 0x400000 }]],
  },
};

const searches: [string, SubjectSpec, ExploreOptions][] = [
  ['readers(12)', { name: 'readers', size: 12 }, {}],
  ['lastzero(9)', { name: 'lastzero', size: 9 }, {}],
  ['indexer(14), which chooses in an order of its own', { name: 'indexer', size: 14 }, {}],
  ['lastzero(6) under pso', { name: 'lastzero', size: 6 }, { memoryModel: 'pso' }],
  ['a program that fails', { name: 'reorder', size: 5 }, { memoryModel: 'tso' }],
  ['a program that fails, to the end', { name: 'reorder', size: 3 }, { memoryModel: 'tso', ...everything }],
  ['a circle of locks that lies in two jobs', moduleOf('circle'), {}],
  ['many complaints', moduleOf('many-complaints'), everything],
  ['many complaints under pso', moduleOf('many-complaints'), { memoryModel: 'pso', executions: 3000, ...everything }],
  ['the kernel without a recheck', recheck, {}],
  ['the kernel without a recheck, to the end', recheck, everything],
  ['the kernel', { name: 'first-touch' }, {}],
  ['programs for the kernel from a file', kernel, {}],
];

const alone = new Map<string, Promise<Exploration>>();

/** What a search finds that knows nothing of jobs; done once. */
function exploredAlone(spec: SubjectSpec, options: ExploreOptions): Promise<Exploration> {
  const key = JSON.stringify([spec, options]);
  const search = async (): Promise<Exploration> => {
    const subject = await loadSubject(spec);
    return exploreSubject(subject, options, aboutOf(spec, subject, options.memoryModel ?? 'sc'));
  };
  const found = alone.get(key) ?? search();
  alone.set(key, found);
  return found;
}

describe('a search', () => {
  it.each(searches)('of %s is the same alone and on threads, however many', async (_, spec, options) => {
    const expected = await exploredAlone(spec, options);
    // Where there is one job, it is done by one thread, however many there are.
    const isShared = expected.executions > JOB_EXECUTIONS;
    for (const workers of isShared ? WORKERS : [0, 1]) {
      const found = await exploreInPool(spec, options, { workers });
      expect([workers, told(found)]).toEqual([workers, told(expected)]);
    }
  });

  it.each(searches)('of %s is the same when it was interrupted', async (name, spec, options) => {
    const checkpoint = join(folder, `${name.replace(/\W/g, '-')}.json`);
    const alone = await exploredAlone(spec, options);
    const expected = told(alone);
    const { executions: most = Infinity } = options;
    // Each session does some executions, and ends within a job; the next goes on from its file.
    const each = Math.min(700, Math.ceil(alone.executions / 3));
    let last: Exploration | undefined;
    let sessions = 0;
    do {
      sessions += 1;
      const executions = Math.min(sessions * each, most);
      last = await exploreInPool(spec, { ...options, executions }, { checkpoint });
    } while (last.executions === sessions * each && sessions < 50);
    expect(sessions).toBeGreaterThan(1);
    expect(told(last)).toEqual(expected);
    expect(existsSync(checkpoint)).toBe(true);
    // One that has ended is over: nothing is left to be gone on with, and nothing that was found is forgotten.
    expect(told(await exploreInPool(spec, options, { checkpoint }))).toEqual(expected);
  });

  it('finds what it is compared by: circles in several jobs, complaints of every kind in several', async () => {
    const circle = await exploredAlone(moduleOf('circle'), {});
    expect(circle.failure).toMatchObject({ judge: 'lock-order', lockOrder: { problem: { kind: 'circular' } } });
    expect(circle.failure!.lockOrder!.tokens.size).toBe(2);
    expect(circle.failures).toEqual({ 'lock-order': 1 });
    expect(circle.executions).toBeGreaterThan(JOB_EXECUTIONS);
    const { failures, executions } = await exploredAlone(moduleOf('many-complaints'), everything);
    expect(failures.check).toBeGreaterThan(0);
    expect(failures['data-race']).toBeGreaterThan(0);
    expect(failures.check! + failures['data-race']!).toBeLessThan(executions);
    expect(executions).toBeGreaterThan(2 * JOB_EXECUTIONS);
  });

  it('ends after as many executions as one that is alone, where nothing worse than a race is found', async () => {
    const spec = moduleOf('races-at-once');
    const expected = told(await exploredAlone(spec, {}));
    expect(expected).toMatchObject({ verdict: 'violated', executions: 10_001 });
    expect(told(await exploreInPool(spec, {}, { workers: 2 }))).toEqual(expected);
  });

  it('that is told to stop keeps what it has', async () => {
    const checkpoint = join(folder, 'stopped.json');
    const spec = { name: 'readers', size: 12 };
    const first = await exploreInPool(spec, {}, { checkpoint, signal: AbortSignal.abort() });
    expect([first.verdict, first.executions]).toEqual(['not decided', 0]);
    expect((await exploreInPool(spec, {}, { checkpoint })).executions).toBe(4096);
  });
});

describe('a checkpoint', () => {
  const spec = { name: 'readers', size: 8 };

  it('of another search is refused, and left as it is', async () => {
    const checkpoint = join(folder, 'other.json');
    await exploreInPool(spec, {}, { checkpoint });
    const before = readFileSync(checkpoint, 'utf8');
    await expect(exploreInPool({ name: 'readers', size: 9 }, {}, { checkpoint })).rejects.toThrow(
      /other\.json is the checkpoint of another search \(readers\(8\), sc, 20000 steps\), not of this one/,
    );
    await expect(exploreInPool(spec, { memoryModel: 'tso' }, { checkpoint })).rejects.toThrow(/another search/);
    expect(readFileSync(checkpoint, 'utf8')).toBe(before);
  });

  it.each(['', '{', '[]', '{"format":"pagerace-search","version":99}'])('that reads %j is refused', async (text) => {
    const checkpoint = join(folder, 'broken.json');
    writeFileSync(checkpoint, text);
    await expect(exploreInPool(spec, {}, { checkpoint })).rejects.toThrow(/broken\.json is no checkpoint of a search/);
  });

  it('is for dpor', async () => {
    await expect(exploreInPool(spec, { strategy: 'random' }, {})).rejects.toThrow(/strategy random has no jobs/);
  });
});
