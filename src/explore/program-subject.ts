// A program over words as something the explorer can drive.
import type { Steps } from '../kernel/memory.ts';
import type { Program } from './program.ts';
import type { Complaint, ExecutionEnd, Subject } from './subject.ts';
import { ThreadCpu } from './thread-cpu.ts';

/** Runs a program's threads over a memory of their own, set back before each execution. */
export class ProgramSubject implements Subject {
  readonly name: string;
  readonly cpus: readonly ThreadCpu[];
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly everyStep = true;
  private readonly program: Program;
  private readonly initial: Int32Array;

  constructor(program: Program, name: string) {
    this.name = name;
    this.program = program;
    const words = program.words + (program.words & 1);
    const memory = new SharedArrayBuffer(Math.max(words, 2) * 4);
    this.words = new Int32Array(memory);
    this.initial = new Int32Array(this.words.length);
    this.initial.set(program.init ?? []);
    this.cpus = program.threads.map((_, id) => new ThreadCpu(memory, id));
  }

  restart(): readonly Steps<unknown>[] {
    this.reset();
    return this.cpus.map((_, id) => this.start(id));
  }

  /** Sets memory back. */
  reset(): void {
    this.words.set(this.initial);
  }

  /** One thread, from its start. */
  start(cpu: number): Steps<unknown> {
    // Called as a function: as a method of the list it would be `Array.name` in reports.
    const thread = this.program.threads[cpu]!;
    return thread(this.cpus[cpu]!);
  }

  /** The program's words, copied. */
  memory(): Int32Array {
    return this.words.slice(0, this.program.words);
  }

  judge(end: ExecutionEnd): Complaint | undefined {
    if (this.program.check === undefined) return undefined;
    try {
      this.program.check({ memory: this.memory(), returns: end.returns });
      return undefined;
    } catch (error) {
      return { judge: 'check', message: error instanceof Error ? error.message : String(error) };
    }
  }

  nameOf(word: number): string {
    return this.program.names?.words?.[word] ?? `word ${String(word)}`;
  }
}
