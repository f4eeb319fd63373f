// The two kernels compared: some programs of every kind, and all cases that once differed.
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { campaign, compareAll } from '../../src/conform/campaign.ts';
import { casesIn } from '../../src/conform/cases.ts';
import { programsOf } from '../../src/conform/generate.ts';
import { MACHINE, canCompare, canRun } from '../../src/conform/program.ts';
import { Simulated } from '../../src/conform/simulated.ts';
import { oracleOrReason } from '../support/oracle.ts';

const CASES = fileURLToPath(new URL('cases', import.meta.url));
const LIMIT_MS = 240_000;
const oracle = await oracleOrReason();

describe('the simulated kernel', { timeout: LIMIT_MS }, () => {
  it('does what the running one does, on programs of every kind', async ({ skip }) => {
    if (typeof oracle === 'string') {
      skip(oracle);
      return;
    }
    const kinds = MACHINE.kinds.filter((kind) => canCompare(kind, oracle.about));
    const programs = programsOf(kinds, 200, 20, oracle.about.userfaultfd === 'user');
    const { failures, unanswered, operations } = await campaign(
      { oracle, simulated: new Simulated(oracle.about) },
      programs,
    );
    expect(failures).toEqual([]);
    expect(unanswered).toBe(0);
    expect(Object.keys(operations).sort()).toEqual([...kinds].sort());
  });

  it('does so on every case that once differed', async ({ skip }) => {
    if (typeof oracle === 'string') {
      skip(oracle);
      return;
    }
    const cases = casesIn(CASES).filter(({ kept }) => canRun(kept.program, oracle.about));
    const comparisons = await compareAll(
      { oracle, simulated: new Simulated(oracle.about) },
      cases.map(({ kept }) => kept.program),
    );
    expect(cases.length).toBeGreaterThan(0);
    for (const [i, comparison] of comparisons.entries()) expect(comparison?.differences, cases[i]?.name).toEqual([]);
  });
});
