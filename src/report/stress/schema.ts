// What a results file must be, field by field: the shape of src/stress/results.ts, and what its figures owe each other.
//
// A file comes from anywhere, so nothing of it is believed before this has seen it. Fields that are not known are left
// out; text loses its control characters, which a terminal would obey.
import * as v from 'valibot';
import { RESULTS_KIND, RESULTS_VERSION } from '../../stress/results.ts';
import type { StressResults } from '../../stress/results.ts';
import { UsageError } from '../../machine/usage-error.ts';

/** Ends every complaint about a file's content. */
const ADVICE = "give a file that 'pagerace stress' wrote, for example sweep.json";
/** Longest text of a field: a finding is a few lines. */
const MAX_TEXT = 10_000;
/** Rounds of one point: as many as a sweep may be asked for. */
const MAX_ROUNDS = 1_000_000;
/** CPUs of one point: far more than a machine can have. */
const MAX_CPUS = 1024;

/** A text on one line, without control characters (and without the marks that turn its direction). */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}

const text = v.pipe(
  v.string(),
  v.maxLength(MAX_TEXT, `is longer than ${String(MAX_TEXT)} characters`),
  v.transform(printable),
);
const name = v.pipe(text, v.nonEmpty('is empty'));
const amount = v.pipe(v.number(), v.finite('is not finite'), v.minValue(0, 'is negative'));
const count = v.pipe(amount, v.safeInteger('is not a whole number'));
const cpuCount = v.pipe(
  count,
  v.minValue(1, 'is less than 1'),
  v.maxValue(MAX_CPUS, `is more than ${String(MAX_CPUS)}`),
);

function ascending(values: readonly number[]): boolean {
  return values.every((value, i) => i === 0 || value > (values[i - 1] ?? value));
}

const histogram = v.pipe(
  v.object({ upToNs: v.array(amount), counts: v.array(count) }),
  v.check(({ upToNs, counts }) => upToNs.length === counts.length, 'has not as many counts as bounds'),
  v.check(({ upToNs }) => ascending(upToNs), 'has bounds that do not ascend'),
);

const latency = v.pipe(
  v.object({
    timed: count,
    oneIn: v.pipe(count, v.minValue(1, 'is less than 1')),
    p50Ns: amount,
    p99Ns: amount,
    p999Ns: amount,
    maxNs: amount,
    histogram,
  }),
  v.check((it) => it.p50Ns <= it.p99Ns && it.p99Ns <= it.p999Ns, 'has percentiles that do not ascend'),
);

const lockUse = v.object({
  lock: name,
  acquisitions: count,
  contended: count,
  waitTotalNs: amount,
  waitMaxNs: amount,
  waitMeanNs: amount,
  holdsTimed: count,
  holdMaxNs: v.exactOptional(amount),
  holdMeanNs: v.exactOptional(amount),
  holder: v.exactOptional(v.object({ cpu: count, times: count })),
  spins: count,
  parks: count,
});

const round = v.object({ seconds: amount, faults: count, faultsPerSecond: amount, perCpu: v.array(count) });

const counterexample = v.object({
  scenario: name,
  token: name,
  steps: count,
  preemptions: count,
  judge: text,
  message: text,
  command: name,
});

const point = v.pipe(
  v.object({
    workload: name,
    cpus: cpuCount,
    locking: name,
    lock: name,
    without: v.array(name),
    command: text,
    verdict: v.picklist(['held', 'violated', 'not decided']),
    bounds: text,
    findings: v.array(v.object({ judge: text, message: text, round: count })),
    counterexample: v.exactOptional(counterexample),
    rounds: v.pipe(v.array(round), v.maxLength(MAX_ROUNDS, `has more than ${String(MAX_ROUNDS)} rounds`)),
    faultsPerSecond: amount,
    spread: amount,
    latency: v.exactOptional(latency),
    locks: v.array(lockUse),
    fairness: v.exactOptional(v.pipe(amount, v.maxValue(1.000001, 'is more than 1'))),
    lostRaces: v.record(text, count),
    lostPerMillion: v.exactOptional(amount),
    parks: count,
    warnings: v.array(text),
  }),
  v.check(
    // A CPU that died has no figure.
    ({ cpus, rounds }) => rounds.every(({ perCpu }) => perCpu.length <= cpus),
    'has a round with figures of more CPUs than it has',
  ),
);

const host = v.object({
  processor: text,
  cores: cpuCount,
  memoryBytes: amount,
  platform: text,
  release: text,
  node: text,
});

const schema = v.object({
  kind: v.literal(RESULTS_KIND),
  version: v.literal(RESULTS_VERSION),
  pagerace: text,
  started: v.pipe(
    text,
    v.check((it) => !Number.isNaN(Date.parse(it)), 'is not a date'),
  ),
  seconds: amount,
  command: text,
  seed: v.pipe(v.number(), v.finite('is not finite')),
  host,
  points: v.pipe(v.array(point), v.minLength(1, 'is empty: nothing was measured')),
}) satisfies v.GenericSchema<unknown, StressResults>;

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
function claims(document: unknown, key: string): unknown {
  return typeof document === 'object' && document !== null
    ? Object.entries(document).find(([k]) => k === key)?.[1]
    : undefined;
}

function refuseOthers(document: unknown, file: string): void {
  const kind = claims(document, 'kind');
  if (kind !== RESULTS_KIND) {
    const is =
      typeof kind === 'string' ? `its kind is '${printable(kind).slice(0, 60)}', not` : 'it does not say that it is';
    throw new UsageError(`${file} is JSON, but ${is} '${RESULTS_KIND}': ${ADVICE}.`);
  }
  const version = claims(document, 'version');
  if (version !== RESULTS_VERSION) {
    const is = typeof version === 'number' ? `version ${String(version)}` : 'no known version';
    throw new UsageError(
      `${file} has results of ${is}, and this pagerace reads version ${String(RESULTS_VERSION)}: measure again with this pagerace, or report with the one that measured, for example pagerace stress.`,
    );
  }
}

/** The JSON value of a text. Throws a UsageError. */
function parseJson(content: string, file: string): unknown {
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

/** Two points that are one: a sweep measures each once. */
function refuseTwins(results: StressResults, file: string): void {
  const seen = new Set<string>();
  results.points.forEach(({ workload, cpus, locking, lock, without }, i) => {
    const key = JSON.stringify([workload, cpus, locking, lock, without]);
    if (seen.has(key)) {
      throw new UsageError(
        `${file} measures the same twice (points[${String(i)}]: ${workload}, ${locking}, ${lock}, ${String(cpus)} CPUs): ${ADVICE}.`,
      );
    }
    seen.add(key);
  });
}

/** The results in a JSON text. `file` names it in complaints. Throws a UsageError for whatever is wrong with it. */
export function parseResults(content: string, file: string): StressResults {
  const document = parseJson(content, file);
  refuseOthers(document, file);
  const parsed = v.safeParse(schema, document, { abortEarly: true });
  if (!parsed.success) {
    const [problem] = parsed.issues;
    const place = placeOf(v.getDotPath(problem) ?? '');
    throw new UsageError(`${file} can't be used, since ${place === '' ? 'it' : place} ${wrong(problem)}: ${ADVICE}.`);
  }
  refuseTwins(parsed.output, file);
  return parsed.output;
}
