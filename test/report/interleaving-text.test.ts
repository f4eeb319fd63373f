// The table of an execution: golden files, 80 columns whatever the names, and the steps that it folds.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DataRace } from '../../src/check/data-race.ts';
import type { RecordedStep } from '../../src/explore/record.ts';
import { renderInterleaving } from '../../src/report/interleaving-text.ts';
import { kernelNamer } from '../../src/report/step-names.ts';
import { RecordWriter } from '../support/records.ts';
import * as hand from '../support/hand-executions.ts';
import { expectGolden } from '../support/golden.ts';

const pteAfter = (record: { steps: readonly RecordedStep[] }) => (step: RecordedStep) =>
  hand.frameName(record.steps.findLast(({ word, index }) => word === hand.PTE && index <= step.index)?.after ?? 0);

describe('the interleaving', () => {
  it('tells the smallest failure of the fault path without its lock', async () => {
    const record = hand.firstTouchWithoutLock();
    const stores = record.steps.filter(({ word, stored }) => word === hand.PTE && stored).map(({ index }) => index);
    // Both are marked, so no judge calls it a data race; it is the race all the same.
    const race: DataRace = { first: stores[0]!, second: stores[1]!, word: hand.PTE, kinds: ['write', 'write'] };
    const text = renderInterleaving(record, {
      colour: false,
      nameStep: kernelNamer(record, hand.kernelNames),
      names: hand.kernelNames,
      columns: [
        { name: 'pte', after: pteAfter(record) },
        { name: 'rss', after: (step) => String(step.index < 14 ? 0 : step.index < 19 ? 1 : 2) },
      ],
      reason: () => 'preempted between the check and the act',
      consequences: [
        { label: 'lost store', text: 'CPU1 stored at step 18 and can never read it back' },
        { label: 'lost folio', text: 'B is allocated and nothing maps it' },
        { label: 'on exit', text: 'BUG: Bad rss-counter state mm:0001 type:MM_ANONPAGES val:1' },
      ],
      race,
      replay: 'pagerace replay 0:7,1:11,0:4 --without ptl',
    });
    await expectGolden(text, 'interleaving-no-lock');
  });

  it('tells how the lock makes the loser see the entry', async () => {
    const record = hand.firstTouchWithLock();
    const holder = (step: RecordedStep): string => {
      const last = record.steps.findLast(({ word, index }) => word === hand.PTL && index <= step.index);
      return (last?.after ?? 0) === 0 ? 'free' : `CPU${String(last!.after - 1)}`;
    };
    const text = renderInterleaving(record, {
      colour: false,
      nameStep: kernelNamer(record, hand.kernelNames),
      columns: [
        { name: 'pte', after: pteAfter(record) },
        { name: 'ptl', after: holder },
      ],
    });
    await expectGolden(text, 'interleaving-lock');
  });

  it('names accesses of programs over words, in three columns', async () => {
    const record = hand.threeCpus();
    const columns = [{ name: 'flag', after: (step: RecordedStep) => (step.index === 0 ? '0' : '1') }];
    const text = renderInterleaving(record, { colour: false, names: hand.programNames, columns });
    await expectGolden(text, 'interleaving-three-cpus');
  });

  it('of a deadlock ends with who waits for whom', async () => {
    const options = { colour: false, names: hand.programNames, replay: 'pagerace replay 0:1,1:1' };
    await expectGolden(renderInterleaving(hand.abbaDeadlock(), options), 'interleaving-deadlock');
  });

  it('puts many CPUs into one column', async () => {
    const writer = new RecordWriter();
    for (let cpu = 0; cpu < 7; cpu++) writer.step(cpu, 'rmw', 5, { after: cpu + 1 });
    const columns = [{ name: 'ticket', after: (step: RecordedStep) => String(step.after) }];
    const text = renderInterleaving(writer.done(), { colour: false, names: hand.programNames, columns });
    await expectGolden(text, 'interleaving-many-cpus');
  });

  it('colours when told so, and only then', () => {
    const record = hand.abbaDeadlock();
    expect(renderInterleaving(record, { colour: false })).not.toContain('\u001b');
    expect(renderInterleaving(record, { colour: true })).toContain('\u001b[');
  });

  it('shows every step once, named or folded, in 80 columns', () => {
    const steps = fc.array(
      fc.record({
        cpu: fc.nat({ max: 4 }),
        preempts: fc.boolean(),
        named: fc.boolean(),
        text: fc.string({ maxLength: 60 }),
      }),
      { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(steps, fc.array(fc.string({ minLength: 1, maxLength: 40 }), { maxLength: 3 }), (drawn, states) => {
        const writer = new RecordWriter();
        for (const { cpu, preempts } of drawn) writer.step(cpu, 'read', 0, { preempts });
        const text = renderInterleaving(writer.done(), {
          colour: false,
          nameStep: ({ index }) => (drawn[index]!.named ? drawn[index]!.text : undefined),
          columns: states.map((state) => ({ name: state.slice(0, 5), after: () => state })),
          reason: ({ index }) => drawn[index]!.text,
        });
        for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
        const folds = [...text.matchAll(/… (\d+) steps? of/g)].reduce((sum, [, count]) => sum + Number(count), 0);
        const named = drawn.filter((step) => step.named).length;
        // Narrow columns break the folded line, then its count still stands first.
        if (drawn.every(({ text: name }) => !name.includes('…')))
          expect(folds).toBeLessThanOrEqual(drawn.length - named);
        const numbers = text.split('\n').flatMap((line) => /^ {1,4}(\d+)(?: |$)/.exec(line)?.[1] ?? []);
        expect(numbers).toEqual(drawn.flatMap(({ named: shown }, i) => (shown ? [String(i + 1)] : [])));
      }),
      { numRuns: 100 },
    );
  });
});
