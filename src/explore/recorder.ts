// Records one execution in full: every step with what it changed, where in the program it stands, and what was remarked.
import * as accessors from '../kernel/memory.ts';
import type { Step } from '../kernel/memory.ts';
import { waitingCpus } from './complaint.ts';
import { hasOnlyLooked } from './execution.ts';
import type { Execution, Listener } from './execution.ts';
import { READ, classOf } from './footprint.ts';
import type { ExecutionRecord, RecordedStep } from './record.ts';
import type { BufferedStore } from './store-buffers.ts';
import { follow, tokenOf } from './token.ts';
import type { Schedule } from './token.ts';

/** Frames of a stack that are looked at. */
const STACK_FRAMES = 60;
/** Functions that every step stands in: they say nothing about where it stands. */
const NOT_TOLD =
  /^(?:Cpu|ExploredCpu|ThreadCpu|Execution|Recorder|Object|Generator|cpu)\.|\.next$|^(?:whereNow|follow|record)$|^<anonymous>$/;
/** Functions that are one access, as the kernel's macros are. */
const ACCESSORS: ReadonlySet<string> = new Set(
  Object.values(accessors).map((accessor) => (typeof accessor === 'function' ? accessor.name : '')),
);

/** Something that is looked at after each step. */
export interface Watch {
  readonly name: string;
  readonly read: (words: Int32Array) => string;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

class Recorder implements Listener {
  readonly steps: RecordedStep[] = [];
  private readonly execution: Execution;
  private readonly notes: { note: string; values: readonly unknown[] }[][];
  private readonly where: string[][] = [];
  /** Per watch, its value after each step. */
  readonly seen: string[][];
  private open: Writable<RecordedStep> | undefined = undefined;
  private readonly watches: readonly Watch[];

  constructor(execution: Execution, watches: readonly Watch[]) {
    this.execution = execution;
    this.watches = watches;
    this.seen = watches.map(() => []);
    this.notes = Array.from({ length: execution.cpus }, () => []);
  }

  announced(cpu: number): void {
    this.where[cpu] = whereNow();
  }

  beforeStep(proc: number, step: Step, preempts: boolean): void {
    const { execution } = this;
    const { words } = execution;
    const before = words[step.word] ?? 0;
    const beforeHi = step.width > 1 ? (words[step.word + 1] ?? 0) : 0;
    const isLock = step.kind.includes('lock') || step.kind === 'wait';
    const buffered = execution.model !== 'sc' && /write$|^release$/.test(step.kind);
    const cls = hasOnlyLooked(step, before) ? READ : classOf(step, before, beforeHi, before === step.operand);
    this.open = {
      index: this.steps.length,
      cpu: proc,
      kind: step.kind,
      word: step.word,
      width: step.width,
      stored: cls !== READ && !buffered,
      lockClass: isLock ? step.lock_class : 0,
      preempts,
      before,
      beforeHi,
      after: before,
      afterHi: beforeHi,
      where: this.where[proc]!,
      notes: this.notes[proc]!,
    };
    this.notes[proc] = [];
  }

  beforeDrain(_proc: number, cpu: number, store: BufferedStore): void {
    const { words } = this.execution;
    const before = words[store.word]!;
    const beforeHi = store.data.length > 1 ? (words[store.word + 1] ?? 0) : 0;
    this.open = {
      index: this.steps.length,
      cpu,
      kind: 'drain',
      word: store.word,
      width: store.data.length,
      stored: true,
      lockClass: 0,
      preempts: false,
      before,
      beforeHi,
      after: before,
      afterHi: beforeHi,
      where: [],
      notes: [],
    };
  }

  afterStep(): void {
    const { open } = this;
    if (open === undefined) return;
    open.after = this.execution.words[open.word] ?? 0;
    open.afterHi = open.width > 1 ? (this.execution.words[open.word + 1] ?? 0) : 0;
    this.steps.push(open);
    this.open = undefined;
    for (const [i, { read }] of this.watches.entries()) this.seen[i]!.push(read(this.execution.words));
  }

  note(cpu: number, note: string, values: readonly unknown[]): void {
    // What a remark names may be an object that the CPU goes on using.
    this.notes[cpu]!.push({ note, values: values.map(copied) });
  }
}

function copied(value: unknown): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : value;
}

/**
 * The program's functions on the stack, innermost first. A generator that delegates stands on the stack below the one it
 * delegates to, so that the stack of a step is the stack of the program.
 */
function whereNow(): string[] {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_FRAMES;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = limit;
  const lines = stack.split('\n');
  const driver = lines.findIndex((line) => line.includes('Execution.resume'));
  return lines
    .slice(1, driver < 0 ? undefined : driver)
    .map((line) => /^\s*at ([\w.$<>]+) \(/.exec(line)?.[1] ?? '')
    .filter((name) => name !== '' && !NOT_TOLD.test(name) && !ACCESSORS.has(name));
}

/** Runs a schedule and records it; the rest, if the schedule ends early, goes on without preempting anybody. */
export function record(execution: Execution, schedule: Schedule, watches: readonly Watch[] = []): ExecutionRecord {
  const recorder = new Recorder(execution, watches);
  execution.listener = recorder;
  try {
    follow(execution, schedule);
  } finally {
    execution.listener = undefined;
  }
  const end = execution.overran ? 'bound' : execution.isOver() || execution.errors.length > 0 ? 'complete' : 'deadlock';
  return {
    steps: recorder.steps,
    token: tokenOf(execution),
    end,
    waiting: end === 'deadlock' ? waitingCpus(execution) : [],
    errors: [...execution.errors],
    watched: watches.map(({ name }, i) => ({ name, values: recorder.seen[i]! })),
  };
}
