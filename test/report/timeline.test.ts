// An execution that one walks along: it follows whatever an explorer made, and comes back to where it was.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Execution } from '../../src/explore/execution.ts';
import { KernelSubject } from '../../src/explore/kernel-subject.ts';
import type { MemoryModel } from '../../src/explore/program.ts';
import { Random } from '../../src/explore/random.ts';
import { randomWalk } from '../../src/explore/strategies.ts';
import { replayTarget, targetNamed } from '../../src/explore/target.ts';
import { tokenOf } from '../../src/explore/token.ts';
import { Timeline } from '../../src/report/timeline.ts';

const CASES: [string, readonly string[], MemoryModel][] = [
  ['first-touch', ['pte_recheck'], 'sc'],
  ['fault-vs-dontneed', [], 'tso'],
  ['uptodate', ['uptodate_barrier'], 'pso'],
  ['first-touch', [], 'pso'],
];

function randomToken(execution: Execution, seed: number): string {
  // Once more where it found out that words are shared: it passed choices by.
  do randomWalk(execution, new Random(seed));
  while (execution.discovered);
  return tokenOf(execution);
}

it.each(CASES)(
  'a timeline of %s without %j under %s follows what an explorer made, to the end of its replay',
  (name, without, model) => {
    const target = targetNamed(name, { without });
    const execution = new Execution(new KernelSubject(target.spec), model);
    for (let seed = 0; seed < 12; seed++) {
      const token = randomToken(execution, seed);
      const timeline = new Timeline(target, model);
      timeline.follow(token);
      const replayed = replayTarget(target, token, { memoryModel: model });
      expect(timeline.isOver).toBe(true);
      expect(timeline.outcome?.complaint?.message).toEqual(
        // Suspicions of judges of whole executions are no outcome of a timeline.
        ['data-race', 'lock-order'].includes(replayed.complaint?.judge ?? '') ? undefined : replayed.complaint?.message,
      );
    }
  },
);

describe.each(CASES)('a timeline of %s without %j under %s', (name, without, model) => {
  const target = targetNamed(name, { without });

  it('comes back to every moment as it was', () => {
    const timeline = new Timeline(target, model);
    fc.assert(
      fc.property(
        fc.array(fc.nat(), { maxLength: 60 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (choices, share) => {
          timeline.backTo(0);
          for (const choice of choices) {
            const { canGo } = timeline.after(timeline.steps.length);
            if (canGo.length === 0 || !timeline.take(canGo[choice % canGo.length]!)) break;
          }
          const moments = timeline.steps.map((_, i) => timeline.after(i + 1));
          const token = timeline.token();
          timeline.backTo(Math.floor(share * timeline.steps.length));
          timeline.follow(token);
          expect(timeline.steps.map((_, i) => timeline.after(i + 1))).toEqual(moments);
        },
      ),
      { numRuns: 15, seed: 1 },
    );
  });
});
