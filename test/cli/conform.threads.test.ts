// `pagerace conform` as it is typed: its exit codes, its document, and its mistakes.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { casesIn, saveCase } from '../../src/conform/cases.ts';
import type { Failure } from '../../src/conform/campaign.ts';
import { failureLines, outcomeLines } from '../../src/report/conform-text.ts';
import { expectGolden } from '../support/golden.ts';
import { oracleOrReason } from '../support/oracle.ts';
import { runCli } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'pagerace-conform-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});
const oracle = await oracleOrReason();

const FAILURE: Failure = {
  number: 12,
  program: {
    before: [
      { op: 'mmap', addr: 0x2000001fa000, length: 0x2000, prot: 3, flags: 0x32 },
      { op: 'mprotect', addr: 0x2000001fa000, length: 0x1000, prot: 1 },
    ],
    threads: [],
    after: [],
  },
  differences: ['maps', 'RssAnon'].map((name, i) => ({
    step: 1,
    operation: { op: 'mprotect', addr: 0x2000001fa000, length: 0x1000, prot: 1 },
    history: [],
    returned: ['0', '0'],
    name,
    linux:
      i === 0 ? '2000001fa000-2000001fb000 r--p rd mr mw me, 2000001fb000-2000001fc000 rw-p rd wr mr mw me ac' : '4 kB',
    simulated: i === 0 ? undefined : '8 kB',
  })),
};

describe('pagerace conform', () => {
  it('exits with 0 where nothing differs, and says what was compared', async ({ skip }) => {
    if (typeof oracle === 'string') {
      skip(oracle);
      return;
    }
    const { status, stdout } = await runCli([
      'conform',
      '--programs',
      '60',
      '--kinds',
      'mmap,load,store,touch',
      '--json',
    ]);
    const document = JSON.parse(stdout) as Record<string, unknown>;
    expect(document).toMatchObject({ programs: 60, failures: [], kernel: { release: oracle.about.release } });
    expect(Object.keys(document.operations as object).sort()).toEqual(['load', 'mmap', 'store', 'touch'].sort());
    expect(status).toBe(0);
  });

  it('replays cases', async ({ skip }) => {
    if (typeof oracle === 'string') {
      skip(oracle);
      return;
    }
    const path = join(folder, 'one.json');
    writeFileSync(
      path,
      JSON.stringify({
        what: 'a mapping',
        program: { ...FAILURE.program, before: FAILURE.program.before.slice(0, 1) },
      }),
    );
    const { status, stdout } = await runCli(['conform', path]);
    expect(stdout).toMatch(/held: 0 unexplained differences\n$/);
    expect(status).toBe(0);
  });

  it('says what it cannot use', async ({ skip }) => {
    if (typeof oracle === 'string') skip(oracle);
    const kind = await runCli(['conform', '--kinds', 'lod']);
    expect([kind.status, kind.stderr]).toEqual([
      2,
      expect.stringMatching(/^pagerace: Kind 'lod' is not known: use one of .*, for example load\.\n$/),
    ]);
    const path = join(folder, 'none.json');
    writeFileSync(path, '{}');
    const none = await runCli(['conform', path]);
    expect([none.status, none.stderr]).toEqual([
      2,
      expect.stringMatching(/^pagerace: Case '.*none\.json' is not one: use what/),
    ]);
  });

  it('prints a difference side by side', async () => {
    const about = { release: '6.18.44', zeroPfn: '0', softDirty: false, movesBrk: false, userfaultfd: false };
    const outcome = {
      programs: 2000,
      operations: { mmap: 3971, load: 2500 },
      explained: { 'unfaulted-merge': 12, 'pt-reclaim': 1 },
      unsteady: 1,
      unanswered: 2,
      failures: [FAILURE],
      seconds: 31.2,
    };
    await expectGolden([...failureLines(FAILURE), '', ...outcomeLines(outcome, about)].join('\n'), 'conform');
  });

  it('keeps a difference as a case, once', () => {
    const kept = join(folder, 'cases');
    const path = saveCase(kept, FAILURE);
    expect(saveCase(kept, FAILURE)).toBe(path);
    expect(casesIn(kept)).toEqual([
      {
        name: expect.any(String) as string,
        kept: { what: expect.stringMatching(/^maps: Linux /) as string, program: FAILURE.program },
      },
    ]);
    expect(readFileSync(path, 'utf8')).toMatch(/\n$/);
  });
});
