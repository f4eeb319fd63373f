// An execution as JSON for other programs, with a version: documented by the types here, and read back by the same file.
import type { ExecutionRecord } from '../explore/record.ts';
import { UsageError } from '../machine/usage-error.ts';
import type { MachineState } from './machine-state.ts';

const FORMAT = 'pagerace-execution';
const VERSION = 1;

/** What is around the execution: how it came about, so that whoever reads the document can replay it. */
export interface ExecutionContext {
  readonly scenario?: string;
  readonly cpus?: number;
  readonly memoryModel?: string;
  /** Names of the defences that were off. */
  readonly without?: readonly string[];
  readonly locking?: string;
  readonly lock?: string;
  readonly steps?: number;
  readonly size?: number;
  /** What was found, one sentence. */
  readonly message?: string;
  /** The command that replays it. */
  readonly replay?: string;
}

/** The document. Steps, waits and errors are those of ExecutionRecord; the values of notes are reduced to plain data. */
export interface ExecutionDocument extends ExecutionRecord {
  readonly format: typeof FORMAT;
  readonly version: typeof VERSION;
  readonly context: ExecutionContext;
  /** Of the kernel: the machine before the first step, and after each. */
  readonly states?: readonly MachineState[];
}

/** The document of a record, and of the machine's states if they are given: plain data, for JSON.stringify. */
export function executionDocument(
  record: ExecutionRecord,
  context: ExecutionContext = {},
  states?: readonly MachineState[],
): ExecutionDocument {
  const steps = record.steps.map((step) => ({
    ...step,
    notes: step.notes.map(({ note, values }) => ({ note, values: values.map((value) => plain(value, 0)) })),
  }));
  const { token, end, waiting, errors, watched } = record;
  const seen = watched === undefined || watched.length === 0 ? {} : { watched };
  return {
    format: FORMAT,
    version: VERSION,
    context,
    token,
    end,
    steps,
    waiting,
    errors,
    ...seen,
    ...(states === undefined ? {} : { states }),
  };
}

/** Reads a document back. Throws a UsageError for anything else. */
export function parseExecution(text: string): ExecutionDocument {
  const document = parsed(text);
  if (typeof document !== 'object' || document === null || (document as { format?: unknown }).format !== FORMAT) {
    throw new UsageError(`This is not an execution: a file that 'pagerace replay --format json' wrote is needed.`);
  }
  const { version, steps, token } = document as Partial<ExecutionDocument>;
  if (version !== VERSION) {
    throw new UsageError(
      `The execution has version ${String(version)}, and this pagerace reads version ${String(VERSION)}: record it again.`,
    );
  }
  if (!Array.isArray(steps) || typeof token !== 'string') {
    throw new UsageError('The execution is damaged: it has no steps or no token; record it again.');
  }
  return document as ExecutionDocument;
}

/** The schedule in a document that `explore --json` or `replay --format json` wrote, and how it came about. */
export function readToken(text: string, file: string): { token: string; context: ExecutionContext } {
  const document = (parsed(text) ?? {}) as {
    format?: unknown;
    context?: ExecutionContext;
    token?: unknown;
    failure?: { token?: unknown } | null;
  };
  const token = document.token ?? document.failure?.token;
  const isOurs = typeof document.format === 'string' && document.format.startsWith('pagerace-');
  if (isOurs && typeof token === 'string') return { token, context: document.context ?? {} };
  throw new UsageError(
    isOurs
      ? `${file} has no failure in it: there is nothing to replay; give a token, for example 0:4,1:6,0:2.`
      : `${file} is not what 'pagerace explore --json' or 'pagerace replay --format json' wrote: give such a file, or a token, for example 0:4,1:6,0:2.`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Objects within the values of a note are kept so deep: what a remark names, not all that hangs on it. */
const MAX_DEPTH = 2;

function plain(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return `0x${value.toString(16)}`;
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value !== 'object' || value === null || depth >= MAX_DEPTH) return null;
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field, depth + 1)]));
}
