// What the document of a bench must be, as far as a report tells of it: the faults a second.
import * as v from 'valibot';
import { BENCH_KIND, BENCH_VERSION } from '../../stress/bench-results.ts';
import type { BenchHeader } from '../../stress/bench-results.ts';
import type { BenchPoint } from '../../stress/bench.ts';
import { UsageError } from '../../machine/usage-error.ts';
import { amount, checked, claims, count, cpuCount, host, refuseOthers, started, text } from './fields.ts';

/** What a report tells of a bench. */
export interface BenchFaults extends BenchHeader {
  readonly points: readonly Pick<BenchPoint, 'loop' | 'cpus' | 'simulated' | 'kernel' | 'contended'>[];
}

const rates = v.array(amount);

const point = v.object({
  loop: v.picklist(['page_fault1', 'same-table']),
  cpus: cpuCount,
  simulated: v.pipe(rates, v.minLength(1, 'is empty: nothing was measured')),
  kernel: rates,
  contended: count,
});

const schema = v.object({
  kind: v.literal(BENCH_KIND),
  version: v.literal(BENCH_VERSION),
  pagerace: text,
  started,
  seconds: amount,
  command: text,
  host,
  points: v.pipe(
    v.array(point),
    v.minLength(1, 'is empty: nothing was measured'),
    v.check(
      (points) => new Set(points.map(({ loop, cpus }) => `${loop} ${String(cpus)}`)).size === points.length,
      'measures the same twice',
    ),
  ),
}) satisfies v.GenericSchema<unknown, BenchFaults>;

/** Whether a document says that it is of a bench. */
export function isBench(document: unknown): boolean {
  return claims(document, 'kind') === BENCH_KIND;
}

/** The document of a bench, checked. `file` names it in complaints. Throws a UsageError for whatever is wrong with it. */
export function checkBench(document: unknown, file: string): BenchFaults {
  refuseOthers(document, file, BENCH_KIND, BENCH_VERSION);
  if (claims(document, 'points') === undefined) {
    throw new UsageError(
      `${file} is of a bench without faults a second, which are what a report plots: measure them, for example pagerace bench --only faults --json.`,
    );
  }
  return checked(schema, document, file);
}
