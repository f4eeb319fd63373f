// What is asked of an execution, that the answer is what happens, and that what is hidden gives nothing away.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planOf } from '../../src/lab/model/plan.ts';
import { Player } from '../../src/lab/model/player.ts';
import { Quiz, domainOf, hiddenName, questionsOf } from '../../src/lab/model/predict.ts';
import type { Question } from '../../src/lab/model/predict.ts';
import { Session } from '../../src/lab/model/session.ts';
import { viewOf } from '../../src/lab/model/view.ts';
import type { Op } from '../../src/kernel/program.ts';
import { RecordWriter } from '../support/records.ts';

function runOf(scenario: string, without: string[] = []): Session {
  const session = new Session(planOf({ scenario, without }));
  session.runOn();
  return session;
}

/** What a question says will come. */
function truth(question: Question): string | undefined {
  return question.options[question.answer];
}

describe('questions', () => {
  it('are asked of what a CPU finds and writes, and answered by what was there', () => {
    const session = new Session(planOf({ scenario: 'first-touch' }));
    // Both fault, CPU 1 maps the page, CPU 0 looks again under the lock.
    const isBeforeLock = (): boolean => session.moment.cpus[0]?.kind !== 'lock';
    while (isBeforeLock()) session.chooseStep('0');
    while (session.choices.includes('1')) session.choose('1');
    session.runOn();
    const { questions, steps } = viewOf(session);
    const told = questions.map((question) => [steps[question.index]?.step.cpu, truth(question)]);
    expect(told).toEqual([
      [0, 'none'],
      [1, 'none'],
      [1, 'none: it may go on'],
      [1, 'nothing'],
      [0, 'an entry: another CPU was first'],
    ]);
  });

  it('have two to four options, all different, and an answer among them', () => {
    for (const scenario of ['first-touch', 'read-then-write', 'same-table', 'cow', 'fault-vs-dontneed']) {
      for (const { options, answer } of viewOf(runOf(scenario)).questions) {
        expect(options.length).toBeGreaterThanOrEqual(2);
        expect(options.length).toBeLessThanOrEqual(4);
        expect(new Set(options).size).toBe(options.length);
        expect(options[answer]).toBeDefined();
      }
    }
  });

  it('of a load offer what programs store there, with what it got in its place among them', () => {
    const ops: Op[] = [
      { op: 'store', addr: 0, value: 9 },
      { op: 'repeat', times: 2, ops: [{ op: 'store', addr: 0, value: 4 }] },
      { op: 'store', addr: 4, value: 7 },
    ];
    const domain = domainOf(ops, (address) => `p[${String(address / 4)}]`);
    fc.assert(
      fc.property(fc.constantFrom(0, 4, 9, 11), (value) => {
        const [step] = new RecordWriter().init(1, value).step(0, 'user-read', 1).steps;
        if (step === undefined) throw new Error('no step was written');
        const [question] = questionsOf([{ step, text: `p[0] -> ${String(value)}` }], domain);
        expect(question?.options).toEqual([...new Set([0, 4, 9, value])].sort((a, b) => a - b).map(String));
        expect(question && truth(question)).toBe(String(value));
      }),
    );
  });
});

describe('hidden names', () => {
  it('are the same for all that may come', () => {
    const alike = [
      ['LOCK: recheck, pte is none', 'LOCK: recheck, pte is taken'],
      ['WRITE: set_ptes', 'WRITE: set_ptes, overwrites', 'WRITE: cmpxchg fails'],
      ['pte is none: fault', 'pte is there: fault'],
      ['p[0] -> 1', 'p[0] -> 0x12345678'],
      ['CHECK: pte_alloc, table in', 'CHECK: pte_alloc, table in, overwrites'],
      ['set_pte', 'set_pte fails'],
    ];
    for (const names of alike) expect(new Set(names.map(hiddenName)).size).toBe(1);
  });

  it('leave what gives nothing away', () => {
    expect(hiddenName('LOCK: ptl')).toBe('LOCK: ptl');
    expect(hiddenName('write-lock mmap_lock')).toBe('write-lock mmap_lock');
  });
});

describe('a quiz', () => {
  it('counts each answer once, and asks for what was not answered', () => {
    const session = runOf('first-touch', ['pte_recheck']);
    const player = new Player(session);
    expect(player.question).toBeUndefined();
    session.setMode('predict');
    const { questions } = viewOf(session);
    for (const [i, expected] of questions.entries()) {
      const { question } = player;
      expect(question).toBe(expected);
      if (question === undefined) break;
      // The first is answered wrongly.
      const option = i === 0 ? 1 - question.answer : question.answer;
      expect(player.answer(question, option)).toBe(i > 0);
      expect(player.answer(question, question.answer)).toBe(true);
      expect(session.cursor).toBe(question.index + 1);
    }
    expect(player.quiz.score).toEqual({ right: questions.length - 1, asked: questions.length });
    session.goTo(0);
    expect(player.question).toBeUndefined();
  });

  it('asks again on another timeline, and keeps the score', () => {
    const quiz = new Quiz();
    const question: Question = { index: 3, text: '', options: ['a', 'b'], answer: 0 };
    quiz.answer('one', question, 0);
    expect(quiz.next('one', [question], 0)).toBeUndefined();
    expect(quiz.next('two', [question], 0)).toBe(question);
    expect(quiz.next('two', [question], 4)).toBeUndefined();
    expect(quiz.score).toEqual({ right: 1, asked: 1 });
  });
});
