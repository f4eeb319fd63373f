// What a results file must be, field by field: the shape of src/stress/results.ts, and what its figures owe each other.
//
// A file comes from anywhere, so nothing of it is believed before this has seen it. Fields that are not known are left
// out; text loses its control characters, which a terminal would obey.
import * as v from 'valibot';
import { RESULTS_KIND, RESULTS_VERSION } from '../../stress/results.ts';
import type { StressResults } from '../../stress/results.ts';
import { UsageError } from '../../machine/usage-error.ts';
import { ADVICE, amount, checked, count, cpuCount, host, name, refuseOthers, started, text } from './fields.ts';

/** Rounds of one point: as many as a sweep may be asked for. */
const MAX_ROUNDS = 1_000_000;

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

const schema = v.object({
  kind: v.literal(RESULTS_KIND),
  version: v.literal(RESULTS_VERSION),
  pagerace: text,
  started,
  seconds: amount,
  command: text,
  seed: v.pipe(v.number(), v.finite('is not finite')),
  host,
  points: v.pipe(v.array(point), v.minLength(1, 'is empty: nothing was measured')),
}) satisfies v.GenericSchema<unknown, StressResults>;

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

/** Results, checked. `file` names them in complaints. Throws a UsageError for whatever is wrong with them. */
export function checkResults(document: unknown, file: string): StressResults {
  refuseOthers(document, file, RESULTS_KIND, RESULTS_VERSION);
  const results = checked(schema, document, file);
  refuseTwins(results, file);
  return results;
}
