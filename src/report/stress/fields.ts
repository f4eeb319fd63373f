// The fields that results files have in common, and how what is wrong with one of them is said.
import * as v from 'valibot';
import type { StressHost } from '../../stress/results.ts';
import { UsageError } from '../../machine/usage-error.ts';

/** Ends every complaint about a file's content. */
export const ADVICE = "give a file that 'pagerace stress' or 'pagerace bench --json' wrote, for example sweep.json";
/** Longest text of a field: a finding is a few lines. */
const MAX_TEXT = 10_000;
/** CPUs of one point: far more than a machine can have. */
const MAX_CPUS = 1024;

/** A text on one line, without control characters (and without the marks that turn its direction). */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}

export const text: v.GenericSchema<string> = v.pipe(
  v.string(),
  v.maxLength(MAX_TEXT, `is longer than ${String(MAX_TEXT)} characters`),
  v.transform(printable),
);
export const name: v.GenericSchema<string> = v.pipe(text, v.nonEmpty('is empty'));
export const amount: v.GenericSchema<number> = v.pipe(
  v.number(),
  v.finite('is not finite'),
  v.minValue(0, 'is negative'),
);
export const count: v.GenericSchema<number> = v.pipe(amount, v.safeInteger('is not a whole number'));
export const cpuCount: v.GenericSchema<number> = v.pipe(
  count,
  v.minValue(1, 'is less than 1'),
  v.maxValue(MAX_CPUS, `is more than ${String(MAX_CPUS)}`),
);

export const host: v.GenericSchema<StressHost> = v.object({
  processor: text,
  cores: cpuCount,
  memoryBytes: amount,
  platform: text,
  release: text,
  node: text,
});

export const started: v.GenericSchema<string> = v.pipe(
  text,
  v.check((it) => !Number.isNaN(Date.parse(it)), 'is not a date'),
);

/** `points.3.rounds.0.seconds` as one writes it: `points[3].rounds[0].seconds`. */
function placeOf(path: string): string {
  return path.replace(/\.(\d+)(?=\.|$)/g, '[$1]');
}

/** What is wrong, in words, where the validator has none of ours. */
function wrong(problem: v.BaseIssue<unknown>): string {
  if (problem.received === 'undefined') return 'is missing';
  if (problem.received === 'null') return 'is null, and what could not be measured is left out';
  if (problem.received === 'NaN') return 'is not a number';
  if (problem.kind === 'validation' || problem.type === 'check') return problem.message;
  return `is ${printable(problem.received).slice(0, 60)}, and must be ${problem.expected ?? 'something else'}`;
}

/** What a JSON document says it is. */
export function claims(document: unknown, key: string): unknown {
  return typeof document === 'object' && document !== null
    ? Object.entries(document).find(([k]) => k === key)?.[1]
    : undefined;
}

/** Refuses what says that it is something else. */
export function refuseOthers(document: unknown, file: string, expected: string, known: number): void {
  const kind = claims(document, 'kind');
  if (kind !== expected) {
    const is =
      typeof kind === 'string' ? `its kind is '${printable(kind).slice(0, 60)}', not` : 'it does not say that it is';
    throw new UsageError(`${file} is JSON, but ${is} '${expected}': ${ADVICE}.`);
  }
  const version = claims(document, 'version');
  if (version !== known) {
    const is = typeof version === 'number' ? `version ${String(version)}` : 'no known version';
    throw new UsageError(
      `${file} has results of ${is}, and this pagerace reads version ${String(known)}: measure again with this pagerace, or report with the one that measured, for example pagerace stress.`,
    );
  }
}

/** The JSON value of a text. Throws a UsageError. */
export function parseJson(content: string, file: string): unknown {
  if (content.trim() === '') throw new UsageError(`${file} is empty: ${ADVICE}.`);
  try {
    return JSON.parse(content);
  } catch (error) {
    const why = printable(error instanceof Error ? error.message : '').slice(0, 120);
    const nan = /(?:NaN|Infinity)/.test(why) || /[:[,]\s*-?(?:NaN|Infinity)\b/.test(content);
    throw new UsageError(
      nan
        ? `${file} is not JSON, since it has NaN or Infinity where a number belongs, and what could not be measured is left out: ${ADVICE}.`
        : `${file} is not JSON (${why}): ${ADVICE}.`,
    );
  }
}

/** A document as its shape has it, without what the shape does not know. Throws a UsageError for what is wrong with it. */
export function checked<Shape extends v.GenericSchema>(
  shape: Shape,
  document: unknown,
  file: string,
): v.InferOutput<Shape> {
  const parsed = v.safeParse(shape, document, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [problem] = parsed.issues;
  const place = placeOf(v.getDotPath(problem) ?? '');
  throw new UsageError(`${file} can't be used, since ${place === '' ? 'it' : place} ${wrong(problem)}: ${ADVICE}.`);
}
