// What a stress sweep writes down: one JSON document, which `pagerace report` reads and people keep.
//
// Times are in nanoseconds, rates a second. A number that could not be measured is absent, never 0.

/** What a results file says it is, and the version of its shape. */
export const RESULTS_KIND = 'pagerace stress results';
export const RESULTS_VERSION = 1;

/** The computer that a sweep ran on. */
export interface StressHost {
  readonly processor: string;
  /** Processors that the operating system lets the process use. */
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly release: string;
  readonly node: string;
}

/** A log-linear histogram: upper bounds of its buckets that hold something, in ascending order, and their counts. */
export interface LatencyHistogram {
  readonly upToNs: readonly number[];
  readonly counts: readonly number[];
}

/** How long faults took. */
export interface FaultLatency {
  /** Faults that were timed: one in `oneIn`. */
  readonly timed: number;
  readonly oneIn: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly p999Ns: number;
  readonly maxNs: number;
  readonly histogram: LatencyHistogram;
}

/** One lock class, over all CPUs: the columns of `perf lock contention`, and how long it was held. */
export interface LockUse {
  readonly lock: string;
  readonly acquisitions: number;
  /** How often somebody had to wait; waits in all, the longest, and their mean. */
  readonly contended: number;
  readonly waitTotalNs: number;
  readonly waitMaxNs: number;
  readonly waitMeanNs: number;
  /** Holds that were timed, the longest of them, and their mean; absent where none was. */
  readonly holdsTimed: number;
  readonly holdMaxNs?: number;
  readonly holdMeanNs?: number;
  /** The CPU that was waited for most often, and how often; absent where nobody waited. */
  readonly holder?: { readonly cpu: number; readonly times: number };
  /** Times that a waiter looked at the lock, and that one went to sleep. */
  readonly spins: number;
  readonly parks: number;
}

/** One round: every CPU runs the workload once, from a barrier. */
export interface StressRound {
  readonly seconds: number;
  readonly faults: number;
  readonly faultsPerSecond: number;
  /** Faults of each CPU. */
  readonly perCpu: readonly number[];
}

/** Something that a judge found, and the explorer's schedule that explains it, where it found one. */
export interface StressFinding {
  readonly judge: string;
  readonly message: string;
  /** The round it was found after, from 0. */
  readonly round: number;
}

/** A schedule of a scenario that goes wrong in the same way. */
export interface StressCounterexample {
  readonly scenario: string;
  readonly token: string;
  readonly steps: number;
  readonly preemptions: number;
  readonly judge: string;
  readonly message: string;
  /** The command that replays it. */
  readonly command: string;
}

/** One point of a sweep. */
export interface StressPoint {
  readonly workload: string;
  readonly cpus: number;
  /** Locking design, lock algorithm, and defences that are off. */
  readonly locking: string;
  readonly lock: string;
  readonly without: readonly string[];
  /** The command that measures this point alone. */
  readonly command: string;
  readonly verdict: 'held' | 'violated' | 'not decided';
  /** What the verdict covers, or why there is none. */
  readonly bounds: string;
  readonly findings: readonly StressFinding[];
  readonly counterexample?: StressCounterexample;
  /** In the order they ran; warm-up rounds are not among them. */
  readonly rounds: readonly StressRound[];
  /** Median over rounds, and the median of how far rounds are from it. */
  readonly faultsPerSecond: number;
  readonly spread: number;
  /** Absent where no fault was timed. */
  readonly latency?: FaultLatency;
  readonly locks: readonly LockUse[];
  /** Jain's index of the CPUs' faults: 1 all alike, 1/cpus one has them all. Absent where CPUs have different work. */
  readonly fairness?: number;
  /** Faults that found their entry filled when they came to fill it, and other races lost, by name. */
  readonly lostRaces: Readonly<Record<string, number>>;
  /** Stores that were lost, in a million faults; only for points that were violated. */
  readonly lostPerMillion?: number;
  readonly parks: number;
  /** What to read the figures with: too few cores, nobody ever waited, rounds too short, outliers. */
  readonly warnings: readonly string[];
}

/** A whole sweep. */
export interface StressResults {
  readonly kind: typeof RESULTS_KIND;
  readonly version: typeof RESULTS_VERSION;
  /** pagerace's own version. */
  readonly pagerace: string;
  /** When it began (ISO 8601) and how long it took. */
  readonly started: string;
  readonly seconds: number;
  readonly command: string;
  /** Seed of the order in which points were measured. */
  readonly seed: number;
  readonly host: StressHost;
  readonly points: readonly StressPoint[];
}
