// What a bench writes down with --json: one document, of which `pagerace report` reads the faults a second.
import type { BenchResult } from './bench.ts';
import type { ExploreBench } from './explore-bench.ts';
import type { StressHost } from './results.ts';

/** What the document says it is, and the version of its shape. */
export const BENCH_KIND = 'pagerace bench results';
export const BENCH_VERSION = 1;

/** What every bench says. */
export interface BenchHeader {
  readonly kind: typeof BENCH_KIND;
  readonly version: typeof BENCH_VERSION;
  /** pagerace's own version. */
  readonly pagerace: string;
  /** When it began (ISO 8601) and how long it took. */
  readonly started: string;
  readonly seconds: number;
  readonly command: string;
  readonly host: StressHost;
}

/** The document: the parts that were asked for. */
export type BenchDocument = BenchHeader & Partial<BenchResult> & { readonly explore?: ExploreBench };
