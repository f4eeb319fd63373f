// The audit of a search: nothing is missed where every schedule can be run, what is missed is counted, and it says why
// where it can't.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { audit, canonicalForm, missedBehaviours } from '../../src/explore/audit.ts';
import { Dpor } from '../../src/explore/dpor.ts';
import { Execution } from '../../src/explore/execution.ts';
import { explore, readOnce, spinLock, spinUnlock, writeOnce } from '../../src/explore/index.ts';
import type { MemoryModel, Program } from '../../src/explore/index.ts';
import { firstWidth } from '../../src/explore/frontier.ts';
import { lostUpdate } from '../../src/explore/programs/increments.ts';
import { lastzero, readers } from '../../src/explore/programs/published.ts';
import { ProgramSubject } from '../../src/explore/program-subject.ts';
import { exploreTarget, targetNamed } from '../../src/explore/target.ts';
import { countSchedules } from '../support/enumerate.ts';
import { buildProgram, randomPrograms } from '../support/random-program.ts';

const MODELS: readonly MemoryModel[] = ['sc', 'tso', 'pso'];
const unchecked = (program: Program): Program => ({ ...program, check: () => undefined });

/** All behaviours of a program, as the reduced search finds them, and what it found them on. */
function behaviours(program: Program, memoryModel: MemoryModel): { found: Set<string>; execution: Execution } {
  const execution = new Execution(new ProgramSubject(unchecked(program), 'program'), memoryModel);
  const dpor = new Dpor(execution, firstWidth(execution));
  const found = new Set<string>();
  dpor.run(() => {
    found.add(canonicalForm(dpor.trace));
    return 'go on';
  });
  return { found, execution };
}

describe('an audit', () => {
  it.each(MODELS)('of random programs finds nothing missed and nothing twice, under %s', (memoryModel) => {
    let counted = 0;
    fc.assert(
      fc.property(randomPrograms({ steps: 7 }), (data) => {
        const audited = explore(unchecked(buildProgram(data)), {
          memoryModel,
          audit: true,
          auditSchedules: 3000,
        }).audit!;
        expect(audited.duplicates).toBe(0);
        if (audited.missed === undefined) return;
        expect(audited.missed).toBe(0);
        counted += 1;
      }),
      { numRuns: 150, seed: 20_110 },
    );
    expect(counted).toBeGreaterThan(100);
  });

  it('runs every schedule that there is', () => {
    for (const program of [lostUpdate(3), readers(4), lastzero(3)]) {
      const { audit: audited, executions } = explore(unchecked(program), { audit: true });
      expect(audited).toEqual({
        duplicates: 0,
        missed: 0,
        schedules: Number(countSchedules(program).schedules),
        why: undefined,
      });
      expect(executions).toBeLessThan(audited!.schedules);
    }
  });

  it('goes on after a failure, and counts the executions that fail', () => {
    const { verdict, audit: audited, executions } = explore(lostUpdate(3), { audit: true });
    expect([verdict, executions]).toEqual(['violated', 36]);
    expect(audited).toMatchObject({ duplicates: 0, missed: 0 });
  });

  it('counts deadlocks and threads that throw as behaviours', () => {
    const take = (first: number, second: number): Program['threads'][number] =>
      function* (cpu) {
        yield* spinLock(cpu, first);
        yield* spinLock(cpu, second);
        yield* spinUnlock(cpu, second);
        yield* spinUnlock(cpu, first);
      };
    const throws: Program['threads'][number] = function* (cpu) {
      if ((yield* readOnce(cpu, 2)) === 1) throw new Error('seen');
      yield* writeOnce(cpu, 2, 2);
    };
    const writes: Program['threads'][number] = function* (cpu) {
      yield* writeOnce(cpu, 2, 1);
    };
    const program = { words: 3, threads: [take(0, 1), take(1, 0), throws, writes] };
    const { audit: audited, failures } = explore(program, { audit: true, judges: [] });
    expect(failures.deadlock).toBeGreaterThan(0);
    expect(failures.exception).toBeGreaterThan(0);
    expect(audited).toMatchObject({ duplicates: 0, missed: 0 });
  });

  it.each(MODELS)('neg: of a search from which a behaviour was taken away it counts that one, under %s', (model) => {
    for (const program of [lostUpdate(2), readers(3)]) {
      const { found, execution } = behaviours(program, model);
      const executions = found.size;
      expect(audit(found, executions, execution, 100_000)).toMatchObject({ duplicates: 0, missed: 0 });
      for (const behaviour of found) {
        const others = new Set([...found].filter((other) => other !== behaviour));
        expect(audit(others, executions - 1, execution, 100_000)).toMatchObject({ duplicates: 0, missed: 1 });
        expect(audit(others, executions, execution, 100_000)).toMatchObject({ duplicates: 1, missed: 1 });
      }
    }
  });

  it('neg: counts what is in one set and not in the other', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string()), fc.uniqueArray(fc.string()), (found, all) => {
        const missed = all.filter((behaviour) => !found.includes(behaviour));
        expect(missedBehaviours(new Set(found), new Set(all))).toBe(missed.length);
      }),
    );
    expect(missedBehaviours(new Set(['a']), new Set(['a', 'b']))).toBe(1);
  });

  it('says why it did not count what was missed', () => {
    const large = explore(unchecked(readers(8)), { audit: true, auditSchedules: 500 });
    expect(large.verdict).toBe('held');
    expect(large.audit).toMatchObject({
      duplicates: 0,
      missed: undefined,
      why: 'too large to re-count by brute force: over 500 schedules',
    });
    const part = explore(unchecked(readers(8)), { audit: true, executions: 10 });
    expect(part.audit).toMatchObject({ duplicates: 0, missed: undefined, why: /ended before/ });
  });

  it('of the kernel finds nothing twice', () => {
    const { audit: audited, executions } = exploreTarget(targetNamed('first-touch'), {
      audit: true,
      auditSchedules: 20,
    });
    expect(executions).toBe(6);
    expect(audited).toMatchObject({ duplicates: 0, missed: undefined });
  });

  it('is refused where it means nothing', () => {
    expect(() => explore(readers(2), { audit: true, strategy: 'random' })).toThrow(/audit is of strategy dpor, not of/);
    expect(() => explore(readers(2), { audit: true, auditSchedules: -1 })).toThrow(/audit schedules -1: give a whole/);
  });
});
