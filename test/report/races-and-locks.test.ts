// Reports in the kernel's shapes: data races as KCSAN, lock order as lockdep, deadlocks as who waits for whom.
import { describe, expect, it } from 'vitest';
import { findDataRaces } from '../../src/check/data-race.ts';
import { renderDeadlock } from '../../src/report/deadlock-text.ts';
import { raceFacts, renderDataRace } from '../../src/report/kcsan-text.ts';
import { renderLockOrder } from '../../src/report/lockdep-text.ts';
import { RecordWriter, access } from '../support/records.ts';
import { Watched } from '../support/lock-order.ts';
import * as hand from '../support/hand-executions.ts';
import { expectGolden } from '../support/golden.ts';

describe('a data race', () => {
  it('reads like a KCSAN report', async () => {
    const record = hand.firstTouchWithoutLock('plain-write');
    const race = findDataRaces(record.steps).find(({ kinds }) => kinds.every((kind) => kind === 'plain-write'));
    await expectGolden(renderDataRace(race!, record, hand.kernelNames).join('\n'), 'kcsan');
  });

  it('says what is marked, and the locks that each side held', () => {
    const writer = new RecordWriter().step(0, 'lock', hand.A).step(0, 'plain-write', hand.DATA, { after: 5 });
    const record = writer.step(1, 'read', hand.DATA, { preempts: true }).step(0, 'unlock', hand.A).done();
    const [race] = findDataRaces(record.steps);
    expect(raceFacts(race!, record, hand.programNames)).toEqual([
      'write x by CPU0 at step 2          locks held: A',
      'read (marked) x by CPU1 at step 3  locks held: none',
    ]);
    const text = renderDataRace(race!, record).join('\n');
    expect(text).toContain('data-race in thread 0 / thread 1');
    expect(text).toContain('read (marked) to 0x0000000c of 4 bytes by task 11 on cpu 1:');
    expect(text).toContain('value changed: 0x00000000 -> 0x00000005');
  });

  it('neg: with the lock there is nothing to report', () => {
    const writer = new RecordWriter();
    for (const cpu of [0, 1]) {
      writer.step(cpu, 'lock', hand.A).step(cpu, 'plain-write', hand.DATA, { after: cpu }).step(cpu, 'unlock', hand.A);
    }
    expect(findDataRaces(writer.done().steps)).toEqual([]);
  });
});

describe('a broken lock order', () => {
  const names = {
    className: (word: number) => ['', 'A', 'B', 'C'][word] ?? '?',
    where: (example: { cpu: number }, which: 'held' | 'taken') => [`${which}_by`, `thread_${String(example.cpu)}`],
  };

  it('reads like a lockdep splat, for two and for three classes', async () => {
    const two = new Watched();
    two.add([access(0, 'lock', 1), access(0, 'lock', 2), access(0, 'unlock', 2), access(0, 'unlock', 1)]);
    two.add([access(1, 'lock', 2), access(1, 'lock', 1)]);
    const three = new Watched();
    three.add([access(0, 'read-lock', 1), access(0, 'lock', 2)]);
    three.add([access(1, 'lock', 2), access(1, 'lock', 3)]);
    three.add([access(2, 'lock', 3), access(2, 'write-lock', 1)]);
    const splats = [...two.problems, ...three.problems].map((problem) => renderLockOrder(problem, names).join('\n'));
    expect(splats).toHaveLength(2);
    await expectGolden(splats.join('\n\n'), 'lockdep');
  });

  it('names a lock that is taken twice', async () => {
    const order = new Watched();
    order.add([access(0, 'lock', 1)], [{ cpu: 0, word: 1, lockClass: 0 }]);
    const lines = renderLockOrder(order.problems[0]!, { className: names.className });
    await expectGolden(lines.join('\n'), 'lockdep-recursive');
  });

  it('stands in 80 columns with long names', () => {
    const order = new Watched();
    order.add([access(0, 'lock', 1), access(0, 'lock', 2), access(1, 'lock', 2), access(1, 'lock', 1)]);
    const long = renderLockOrder(order.problems[0]!, { className: (word) => `&mm->page_table_lock/${String(word)}` });
    for (const line of long) expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe('an execution that cannot end', () => {
  it('says who waits for what held by whom', () => {
    expect(renderDeadlock(hand.abbaDeadlock(), hand.programNames)).toEqual([
      'deadlock: nobody can go on',
      '  CPU0 waits for B, held by CPU1 since step 2; it holds A',
      '  CPU1 waits for A, held by CPU0 since step 1; it holds B',
      '  circle: CPU0 -> B -> CPU1 -> A -> CPU0',
    ]);
  });

  it('tells a lock taken twice, a word that stays, and a loop', () => {
    const twice = new RecordWriter().step(0, 'lock', hand.A).step(1, 'write', hand.FLAG, { after: 3 });
    const waiting = [
      { cpu: 0, word: hand.A, lockClass: 0, holder: 0 },
      { cpu: 1, word: hand.FLAG, lockClass: 0, holder: undefined },
      { cpu: 2, word: 9, lockClass: 0, holder: undefined },
    ];
    expect(renderDeadlock(twice.done('deadlock', waiting), hand.programNames).slice(1)).toEqual([
      '  CPU0 waits for A, which it holds itself since step 1',
      '  CPU1 waits for flag, which stays 3',
      '  CPU2 waits for word 9, which nobody will change',
    ]);
    expect(renderDeadlock(new RecordWriter().step(0, 'read', 1).done('bound'))).toEqual([
      'livelock: no end after 1 steps, somebody loops without progress',
    ]);
    expect(renderDeadlock(new RecordWriter().done())).toEqual([]);
  });
});
