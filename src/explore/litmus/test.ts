// Litmus tests: a few straight-line threads over words that start at 0, and an outcome that a memory model allows or
// forbids. A test is data, so that the explorer and real threads can both run it.
import { readOnce, smpMb, writeOnce, xadd, xchg } from '../accesses.ts';
import type { MemoryModel, Program } from '../program.ts';

/** One operation of a thread. Words are numbers into the test's names, registers are numbered in order of the reads. */
export type LitmusOp =
  | { readonly op: 'read'; readonly word: number; readonly register: number }
  /** Writes `value`, plus what `register` holds if there is one. */
  | { readonly op: 'write'; readonly word: number; readonly value: number; readonly register: number | undefined }
  /** A full barrier: mfence. */
  | { readonly op: 'fence' }
  /** An atomic exchange whose result nobody looks at. */
  | { readonly op: 'exchange'; readonly word: number; readonly value: number }
  /** An atomic addition of 1 that returns the old value. */
  | { readonly op: 'add'; readonly word: number; readonly register: number };

/** The outcome that a test asks for. */
export interface AskedOutcome {
  /** Per thread, what its registers hold; undefined where it does not matter. */
  readonly registers: readonly (readonly (number | undefined)[])[];
  /** Values that a word may end with; words not named may end as they like. */
  readonly memory: Readonly<Record<string, readonly number[]>>;
}

/** One value per memory model. */
export type PerModel<T> = Readonly<Record<MemoryModel, T>>;

export interface LitmusTest {
  readonly name: string;
  /** The threads as they were written. */
  readonly text: readonly string[];
  readonly words: readonly string[];
  readonly threads: readonly (readonly LitmusOp[])[];
  readonly asked: AskedOutcome;
  /** Whether each model allows the asked outcome, as published. */
  readonly allowed: PerModel<boolean>;
  /** Mazurkiewicz traces under sc. */
  readonly traces: number;
  /** Schedules under sc, where they were counted. */
  readonly interleavings: number | undefined;
  /** Outcomes (registers and final memory), where they were counted. */
  readonly outcomes: PerModel<number> | undefined;
}

const WORDS = ['x', 'y', 'z'];
const OPERATION = /^(?<op>[WRFXA]) ?(?<word>[xyz])?(?:=(?:r(?<register>\d)\+)?(?<value>\d))?$/;

/**
 * Reads a thread: `W x=1` write, `W x=r0+1` write of a register plus 1, `R x` read, `F` full barrier, `X x=1` exchange,
 * `A x` atomic addition of 1; separated by `; `.
 */
export function parseThread(text: string): LitmusOp[] {
  let registers = 0;
  return text.split('; ').map((part): LitmusOp => {
    const groups = OPERATION.exec(part)?.groups;
    if (groups === undefined) throw new Error(`parseThread: ${part} is no operation`);
    const word = WORDS.indexOf(groups.word ?? 'x');
    const value = Number(groups.value ?? 0);
    switch (groups.op) {
      case 'W':
        return {
          op: 'write',
          word,
          value,
          register: groups.register === undefined ? undefined : Number(groups.register),
        };
      case 'R':
        return { op: 'read', word, register: registers++ };
      case 'X':
        return { op: 'exchange', word, value };
      case 'A':
        return { op: 'add', word, register: registers++ };
      default:
        return { op: 'fence' };
    }
  });
}

/** How many words a test's threads touch. */
export function wordsOf(threads: readonly (readonly LitmusOp[])[]): string[] {
  const last = Math.max(...threads.flat().map((op) => ('word' in op ? op.word : 0)));
  return WORDS.slice(0, last + 1);
}

/** Whether the asked outcome came out. */
export function isAsked(
  { asked, words }: LitmusTest,
  registers: readonly (readonly number[])[],
  memory: ArrayLike<number>,
): boolean {
  return (
    asked.registers.every((wanted, thread) =>
      wanted.every((value, register) => value === undefined || registers[thread]?.[register] === value),
    ) && words.every((word, at) => asked.memory[word]?.includes(memory[at] ?? 0) ?? true)
  );
}

/** The test as a program: threads return their registers, and the asked outcome counts as a violation. */
export function litmusProgram(test: LitmusTest): Program {
  return {
    words: test.words.length,
    names: { words: test.words },
    threads: test.threads.map(
      (ops) =>
        function* (cpu) {
          const registers: number[] = [];
          for (const op of ops) {
            if (op.op === 'read') registers.push(yield* readOnce(cpu, op.word));
            else if (op.op === 'add') registers.push(yield* xadd(cpu, op.word, 1));
            else if (op.op === 'exchange') yield* xchg(cpu, op.word, op.value);
            else if (op.op === 'fence') yield* smpMb(cpu);
            else {
              const base = op.register === undefined ? 0 : registers[op.register]!;
              yield* writeOnce(cpu, op.word, base + op.value);
            }
          }
          return registers;
        },
    ),
    check({ memory, returns }) {
      if (isAsked(test, returns as number[][], memory)) {
        throw new Error(`${test.name}: the asked outcome came out`);
      }
    },
  };
}
