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
  /^(?:Cpu|ExploredCpu|ThreadCpu|Execution|\w*Recorder|Timeline|Object|Generator|cpu)\.|\.next$|^(?:placeNow|follow|record)$|^<anonymous>$/;
/** Functions that are one access, as the kernel's macros are. */
const ACCESSORS: ReadonlySet<string> = new Set(
  Object.values(accessors).map((accessor) => (typeof accessor === 'function' ? plainName(accessor.name) : '')),
);

/** A name as it stands in the source: a bundler that puts two modules into one script may number it. */
function plainName(name: string): string {
  return name.replace(/\$\d+$/, '');
}

/** Something that is looked at after each step. */
export interface Watch {
  readonly name: string;
  readonly read: (words: Int32Array) => string;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Hears of every step of an execution. */
export class Recorder implements Listener {
  readonly steps: RecordedStep[] = [];
  protected readonly execution: Execution;
  private readonly notes: { note: string; values: readonly unknown[] }[][];
  /** Per CPU: where in the program its next step stands. */
  protected readonly where: Place[] = [];
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
    this.where[cpu] = placeNow();
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
      where: this.where[proc]!.names,
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

  /** Forgets all after the first so many steps, and what is under way. */
  protected backTo(steps: number): void {
    this.steps.length = steps;
    for (const values of this.seen) values.length = steps;
    this.open = undefined;
    for (const notes of this.notes) notes.length = 0;
  }

  note(cpu: number, note: string, values: readonly unknown[]): void {
    // What a remark names may be an object that the CPU goes on using.
    this.notes[cpu]!.push({ note, values: values.map(copied) });
  }
}

function copied(value: unknown): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : value;
}

/** Where in a program a step stands: the program's functions on the stack, innermost first. */
export interface Place {
  readonly names: readonly string[];
  /** Where in its source each of them stands, as the engine tells it: `file:line:column`. */
  readonly sources: readonly string[];
}

/** What the engine goes by when it makes a stack. */
interface StackSettings {
  stackTraceLimit: number;
  prepareStackTrace?: unknown;
}

/** Places by the stack that they were read from: a program has not many. */
const places = new Map<string, Place>();
const MAX_PLACES = 20_000;

/**
 * Where the step that is announced stands. A generator that delegates stands on the stack below the one it delegates to,
 * so that the stack of a step is the stack of the program.
 */
function placeNow(): Place {
  const errors: StackSettings = Error;
  const { stackTraceLimit, prepareStackTrace } = errors;
  errors.stackTraceLimit = STACK_FRAMES;
  errors.prepareStackTrace = programsPart;
  const { stack = '' } = new Error();
  errors.stackTraceLimit = stackTraceLimit;
  errors.prepareStackTrace = prepareStackTrace;
  let place = places.get(stack);
  if (place === undefined) {
    place = placeOf(stack);
    if (places.size < MAX_PLACES) places.set(stack, place);
  }
  return place;
}

/** The function that runs a CPU on to its next step: below it on the stack is whoever drives the execution. */
const DRIVER = 'Execution.resume';

/** A stack as the engine tells it, down to the driver: to tell all of it takes far longer. */
function programsPart(_error: Error, sites: readonly { toString(): string }[]): string {
  let stack = '';
  for (const site of sites) {
    const told = site.toString();
    if (told.includes(DRIVER)) break;
    stack += `\n    at ${told}`;
  }
  return stack;
}

function placeOf(stack: string): Place {
  const lines = stack.split('\n');
  // Engines that know of no such parts tell all of it.
  const driver = lines.findIndex((line) => line.includes(DRIVER));
  const names: string[] = [];
  const sources: string[] = [];
  for (const line of lines.slice(1, driver < 0 ? undefined : driver)) {
    const [, told = '', source = ''] = /^\s*at ([\w.$<>]+) \((.*)\)$/.exec(line) ?? [];
    const name = plainName(told);
    if (name === '' || NOT_TOLD.test(name) || ACCESSORS.has(name)) continue;
    names.push(name);
    sources.push(source);
  }
  return { names, sources };
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
