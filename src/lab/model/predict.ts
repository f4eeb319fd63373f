// The game of saying what a step will do before it is told: what is asked of which step, what is hidden, and the score.
import type { Op } from '../../kernel/program.ts';
import type { StepView } from './session.ts';

/** What is asked of one step. */
export interface Question {
  /** The step's. */
  readonly index: number;
  readonly text: string;
  /** What may come, in an order that says nothing of what will. */
  readonly options: readonly string[];
  /** Place of what will come. */
  readonly answer: number;
}

/** What can be told of a step, by its name. */
interface Rule {
  readonly name: RegExp;
  readonly ask: (found: RegExpExecArray, view: StepView, domain: Domain) => Omit<Question, 'index'> | undefined;
}

/** Values that loads can give: for the name of an address, all that programs store there. */
export type Domain = ReadonlyMap<string, readonly number[]>;

/** Options of one question at most. */
const MAX_OPTIONS = 4;

const RULES: readonly Rule[] = [
  {
    name: /^LOCK: recheck, pte is (none|taken)/,
    ask: ([, found], view) => ({
      text: `${cpuOf(view)} looks at the entry again, now under the lock. What does it find?`,
      options: ['none: it may go on', 'an entry: another CPU was first'],
      answer: found === 'none' ? 0 : 1,
    }),
  },
  {
    name: /^pte is (none|there): fault/,
    ask: ([, found], view) => ({
      text: `${cpuOf(view)} has faulted and reads the entry. What does it find?`,
      options: ['none', 'an entry'],
      answer: found === 'none' ? 0 : 1,
    }),
  },
  {
    name: /^(?:WRITE: (?:set_ptes|cmpxchg)|set_pte\b)/,
    ask: (_found, view) => {
      const { step } = view;
      if (step.kind === 'drain' || (!step.stored && step.kind !== 'cmpxchg')) return undefined;
      return {
        text: `${cpuOf(view)} writes its entry. What is there before?`,
        options: ['nothing', step.kind === 'cmpxchg' ? 'an entry: the store fails' : 'an entry: it is overwritten'],
        answer: step.before === 0 && step.beforeHi === 0 ? 0 : 1,
      };
    },
  },
  {
    name: /^CHECK: pte_alloc, table in/,
    ask: (_found, view) => ({
      text: `${cpuOf(view)} puts a new table in. What is there before?`,
      options: ['nothing', 'a table: it is overwritten'],
      answer: view.step.before === 0 && view.step.beforeHi === 0 ? 0 : 1,
    }),
  },
  {
    name: /^(\S+) -> (-?\d+)$/,
    ask: ([, pointer = '', value = ''], view, domain) => {
      if (view.step.kind !== 'user-read') return undefined;
      const others = [0, ...(domain.get(pointer) ?? [])].filter((other) => other !== Number(value));
      const values = [Number(value), ...new Set(others)].slice(0, MAX_OPTIONS).sort((a, b) => a - b);
      if (values.length < 2) return undefined;
      return {
        text: `${cpuOf(view)} loads ${pointer}. What does it get?`,
        options: values.map(String),
        answer: values.indexOf(Number(value)),
      };
    },
  },
];

function cpuOf({ step }: StepView): string {
  return `CPU ${String(step.cpu)}`;
}

/** What programs store, by the name of the address. */
export function domainOf(ops: readonly Op[], nameOf: (address: number) => string): Domain {
  const domain = new Map<string, number[]>();
  const visit = (op: Op): void => {
    if (op.op === 'repeat') op.ops.forEach(visit);
    else if (op.op === 'store') domain.set(nameOf(op.addr), [...(domain.get(nameOf(op.addr)) ?? []), op.value]);
  };
  ops.forEach(visit);
  return domain;
}

/** What can be asked of an execution, in the order of its steps. */
export function questionsOf(steps: readonly StepView[], domain: Domain): Question[] {
  return steps.flatMap((view) => {
    const { text, step } = view;
    for (const { name, ask } of RULES) {
      const found = text === undefined ? null : name.exec(text);
      if (found === null) continue;
      const question = ask(found, view, domain);
      return question === undefined ? [] : [{ index: step.index, ...question }];
    }
    return [];
  });
}

/** A step's name without what it gives away: the same for all that may come of it. */
export function hiddenName(text: string): string {
  const known = /^(?:LOCK: recheck|WRITE|CHECK|ALLOCATION|pte|set_pte|\S+(?= (?:->|=) ))/.exec(text);
  return known === null ? text.replace(/;.*$/, '') : `${known[0]} ?`;
}

/** Answers given so far. */
export interface Score {
  readonly right: number;
  readonly asked: number;
}

/** One reader's answers. */
export class Quiz {
  private line: unknown = undefined;
  private readonly answered = new Set<number>();
  private right = 0;
  private asked = 0;

  get score(): Score {
    return { right: this.right, asked: this.asked };
  }

  /** The first question from a place on that was not answered yet; `line` is whatever is another for each timeline. */
  next(line: unknown, questions: readonly Question[], cursor: number): Question | undefined {
    this.begin(line);
    return questions.find(({ index }) => index >= cursor && !this.answered.has(index));
  }

  /** Whether an option is what comes; each question counts once. */
  answer(line: unknown, question: Question, option: number): boolean {
    this.begin(line);
    const isRight = option === question.answer;
    if (this.answered.has(question.index)) return isRight;
    this.answered.add(question.index);
    this.asked += 1;
    if (isRight) this.right += 1;
    return isRight;
  }

  private begin(line: unknown): void {
    if (this.line === line) return;
    this.line = line;
    this.answered.clear();
  }
}
