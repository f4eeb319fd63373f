// A concurrent object under test: its sequential model, the operations to try, and the object itself, as a stepped
// class for the explorer, as a class in a module for real threads, or as both.
import fc from 'fast-check';
import type { Processor, Steps } from '../explore/index.ts';
import { UsageError } from '../machine/usage-error.ts';
import type { Model } from './linearizability.ts';

/** One call of a method. */
export interface Call {
  readonly method: string;
  readonly args: readonly unknown[];
}

/** Methods by name, each with an arbitrary for each of its arguments. */
export type Operations = Readonly<Record<string, readonly fc.Arbitrary<unknown>[]>>;

/** An object whose methods are stepped functions. */
export type SteppedObject = Readonly<Record<string, (...args: never[]) => Steps<unknown>>>;

/**
 * A class over shared memory, where it is for real threads. Each thread makes an object of it, `new Class(memory,
 * thread)`, over the same SharedArrayBuffer; arguments and results must be such as can be sent to a worker.
 */
export interface ClassModule {
  /** The module's URL: new URL('./ring.js', import.meta.url). */
  readonly url: string | URL;
  /** The name under which it exports the class; default: `default`. */
  readonly export?: string;
}

/** What is tested. One of `stepped` and `module` must be given. */
export interface ConcurrentObject<S = unknown, R = unknown> {
  readonly name: string;
  /** How many 32-bit words it lies in. */
  readonly words: number;
  /** How many of them are halves of 64-bit words, which lie in front; in 64-bit words. Stepped form only. */
  readonly words64?: number;
  /** What the words hold at first; 0 where nothing is given. */
  readonly init?: readonly number[];
  /** What the words are called. */
  readonly wordNames?: readonly string[];
  readonly model: Model<S, Call, R>;
  /** What threads may call: all the same, or, in an array, each its own (a producer and a consumer). */
  readonly operations: Operations | readonly Operations[];
  /** Makes a thread's object for the explorer: `(cpu) => new Ring(cpu)`. `cpu.id` is the thread's number. */
  readonly stepped?: (cpu: Processor) => object;
  readonly module?: ClassModule;
}

/** Calls that one thread makes first, alone, and then calls of threads side by side. */
export interface ParallelProgram {
  readonly first: readonly Call[];
  readonly threads: readonly (readonly Call[])[];
}

/** How large generated programs are. */
export interface ProgramSize {
  /** Threads; default 2, or as many as the object has different operations for. */
  readonly threads?: number;
  /** Calls of each thread at most; default 3. */
  readonly calls?: number;
  /** Calls before the threads begin, at most; default 3. */
  readonly first?: number;
}

const DEFAULT_CALLS = 3;
const MAX_THREADS = 16;

function isPerThread(operations: ConcurrentObject['operations']): operations is readonly Operations[] {
  return Array.isArray(operations);
}

function callArbitrary(object: ConcurrentObject, operations: Operations): fc.Arbitrary<Call> {
  const calls = Object.entries(operations).map(([method, args]) =>
    fc.record({ method: fc.constant(method), args: fc.tuple(...args) }, { noNullPrototype: true }),
  );
  if (calls.length === 0) {
    throw new UsageError(
      `${object.name} has no operations to try: name methods with arbitraries for their arguments, for example { push: [fc.nat()], pop: [] }`,
    );
  }
  return fc.oneof(...calls);
}

function whole(what: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new UsageError(
    `${what} ${String(value)}: give a whole number from ${String(least)} to ${String(most)}, for example ${String(Math.max(least, 2))}`,
  );
}

/** Programs for an object. They shrink to fewer threads (one without calls is none), fewer calls, smaller arguments. */
export function parallelProgram(object: ConcurrentObject, size: ProgramSize = {}): fc.Arbitrary<ParallelProgram> {
  const { operations } = object;
  const count = isPerThread(operations) ? operations.length : 2;
  const threads = whole('threads', size.threads ?? count, 1, MAX_THREADS);
  if (isPerThread(operations) && threads !== count) {
    throw new UsageError(
      `${object.name} has operations for ${String(count)} threads, but ${String(threads)} threads are asked for: leave threads away, or give one set of operations for all`,
    );
  }
  const most = whole('calls', size.calls ?? DEFAULT_CALLS, 1, 1000);
  const calls = Array.from({ length: threads }, (_, thread) =>
    callArbitrary(object, isPerThread(operations) ? (operations[thread] ?? {}) : operations),
  );
  return fc.record(
    {
      first: fc.array(fc.oneof(...calls), { maxLength: whole('first', size.first ?? DEFAULT_CALLS, 0, 1000) }),
      threads: fc.tuple(...calls.map((call) => fc.array(call, { maxLength: most, size: 'max' }))),
    },
    { noNullPrototype: true },
  );
}
