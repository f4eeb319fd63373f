// A search is the same on any number of threads, and when it was interrupted and gone on with.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { exploreInPool } from '../../src/explore/parallel.ts';
import type { Exploration } from '../../src/explore/index.ts';
import { exploreSubject } from '../../src/explore/explore.ts';
import { aboutOf, subjectOf } from '../../src/explore/subject-spec.ts';
import type { SubjectSpec } from '../../src/explore/subject-spec.ts';

const folder = mkdtempSync(join(tmpdir(), 'pagerace-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** What must be the same. */
function told({ verdict, executions, blocked, failure }: Exploration): unknown {
  return { verdict, executions, blocked, token: failure?.token, message: failure?.message };
}

const searches: [string, SubjectSpec, 'sc' | 'tso' | 'pso'][] = [
  ['readers(12)', { name: 'readers', size: 12 }, 'sc'],
  ['lastzero(9)', { name: 'lastzero', size: 9 }, 'sc'],
  ['lastzero(6) under pso', { name: 'lastzero', size: 6 }, 'pso'],
  ['a program that fails', { name: 'reorder', size: 5 }, 'tso'],
  ['the kernel without a recheck', { name: 'first-touch', options: { without: ['pte_recheck'] } }, 'sc'],
  ['the kernel', { name: 'first-touch' }, 'sc'],
];

function exploredAlone(spec: SubjectSpec, memoryModel: 'sc' | 'tso' | 'pso'): unknown {
  const subject = subjectOf(spec);
  return told(exploreSubject(subject, { memoryModel }, aboutOf(spec, subject, memoryModel)));
}

describe('a search', () => {
  it.each(searches)('of %s is the same alone, on 1, 2 and 4 threads', async (_, spec, memoryModel) => {
    const alone = exploredAlone(spec, memoryModel);
    for (const workers of [0, 1, 2, 4]) {
      expect([workers, told(await exploreInPool(spec, { memoryModel }, { workers }))]).toEqual([workers, alone]);
    }
  });

  it.each(searches)('of %s is the same when it was interrupted', async (name, spec, memoryModel) => {
    const checkpoint = join(folder, `${name.replace(/\W/g, '-')}.json`);
    const alone = exploredAlone(spec, memoryModel);
    let last: Exploration | undefined;
    let sessions = 0;
    do {
      // Each session does a few hundred executions, the next goes on from its file.
      last = await exploreInPool(spec, { memoryModel, executions: (sessions + 1) * 700 }, { checkpoint });
      sessions += 1;
    } while (last.verdict === 'not decided' && sessions < 50);
    expect(told(last)).toEqual(alone);
    expect(existsSync(checkpoint)).toBe(true);
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
