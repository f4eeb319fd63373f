// A bench that is made up: the same figures on every machine, of a host with two cores.
import type { BenchFaults } from '../../src/report/stress/bench-schema.ts';
import { BENCH_KIND, BENCH_VERSION } from '../../src/stress/bench-results.ts';
import { stressResults } from './stress-results.ts';

/** Runs of one point. */
const RUNS = 5;

/** What `pagerace bench --json` writes of faults. `kernel`: whether there was a C compiler to measure it with. */
export function benchResults({ kernel = true }: { readonly kernel?: boolean } = {}): BenchFaults {
  const { host } = stressResults();
  const runs = (rate: number): number[] =>
    Array.from({ length: RUNS }, (_, run) => rate * (1 + ((run * 2) % RUNS) / 20));
  const points = (['page_fault1', 'same-table'] as const).flatMap((loop, which) =>
    [1, 2, 4].map((cpus) => ({
      loop,
      cpus,
      simulated: runs((400_000 * cpus) / (1 + 0.3 * which * (cpus - 1))),
      kernel: kernel ? runs((1_500_000 * cpus) / (1 + 0.2 * which * (cpus - 1))) : [],
      contended: 100 * which * (cpus - 1),
    })),
  );
  return {
    kind: BENCH_KIND,
    version: BENCH_VERSION,
    pagerace: '0.1.0',
    started: '2026-01-02T03:04:05.678Z',
    seconds: 90,
    command: 'pagerace bench --only faults --json',
    host,
    points,
  };
}
