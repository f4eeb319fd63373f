// Results of a stress sweep as a machine might have measured them, made from a seed: for what reads such files.
//
// Rates follow the universal scalability law with terms of each design up to the host's cores, and stand still beyond;
// rounds scatter around them. Without locks, shared pages lose stores where two CPUs meet.
import { RESULTS_KIND, RESULTS_VERSION } from '../../src/stress/results.ts';
import type {
  FaultLatency,
  LockUse,
  StressCounterexample,
  StressPoint,
  StressResults,
  StressRound,
} from '../../src/stress/results.ts';
import { uslRate } from '../../src/report/stress/usl.ts';

/** What a made sweep is of. */
export interface MadeSweep {
  readonly seed?: number;
  readonly cores?: number;
  readonly cpus?: readonly number[];
  readonly workloads?: readonly string[];
  readonly designs?: readonly string[];
  readonly rounds?: number;
}

interface Design {
  /** Terms of the law on pages of one's own, and how much worse on shared ones. */
  readonly sigma: number;
  readonly kappa: number;
  readonly shared: number;
  readonly lock: string | undefined;
}

const DESIGNS: Readonly<Record<string, Design>> = {
  split: { sigma: 0.04, kappa: 0.002, shared: 4, lock: 'ptlock' },
  mm: { sigma: 0.22, kappa: 0.02, shared: 1.2, lock: 'page_table_lock' },
  cmpxchg: { sigma: 0.02, kappa: 0.003, shared: 4, lock: undefined },
  none: { sigma: 0.01, kappa: 0.001, shared: 4, lock: undefined },
};
/** Workloads in which CPUs meet on the same pages. */
const SHARED: readonly string[] = ['same-page', 'pairs'];
/** Faults a second of one CPU. */
const ONE_CPU = 390_000;
const FAULTS = 40_000;

type Random = () => number;

/** Mulberry32: numbers from 0 to 1 that a seed decides. */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Nearly normal, of mean 0 and deviation 1. */
const scatter = (random: Random): number => random() + random() + random() + random() - 2;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function roundsOf(random: Random, cpus: number, rate: number, rounds: number): StressRound[] {
  return Array.from({ length: rounds }, (_, i) => {
    const slow = i === rounds - 1 && random() < 0.2 ? 0.8 : 1;
    const perSecond = Math.round(rate * slow * (1 + 0.02 * scatter(random)));
    const perCpu = Array.from({ length: cpus }, () => Math.round(FAULTS * (1 + 0.01 * scatter(random))));
    const faults = perCpu.reduce((sum, n) => sum + n, 0);
    return { seconds: Number((faults / perSecond).toFixed(6)), faults, faultsPerSecond: perSecond, perCpu };
  });
}

/** A log-linear histogram, eight buckets an octave: most faults near `typical` ns, a few far beyond. */
function latencyOf(random: Random, typical: number, timed: number): FaultLatency {
  const counts = new Map<number, number>();
  for (let i = 0; i < 2000; i++) {
    const far = random() < 0.015 ? 8 + 60 * random() * random() : 1;
    const ns = typical * far * 2 ** (0.5 * scatter(random));
    const octave = Math.floor(Math.log2(ns));
    const bucket = Math.floor((ns / 2 ** octave - 1) * 8);
    const upTo = Math.round(2 ** octave * (1 + (bucket + 1) / 8)) - 1;
    counts.set(upTo, (counts.get(upTo) ?? 0) + 1);
  }
  const upToNs = [...counts.keys()].sort((a, b) => a - b);
  const weights = upToNs.map((upTo) => Math.round((counts.get(upTo)! * timed) / 2000));
  const all = weights.reduce((sum, n) => sum + n, 0);
  const quantile = (q: number): number => {
    let below = 0;
    return upToNs.find((_, i) => (below += weights[i]!) >= q * all)!;
  };
  return {
    timed: all,
    oneIn: 16,
    p50Ns: quantile(0.5),
    p99Ns: quantile(0.99),
    p999Ns: quantile(0.999),
    maxNs: upToNs.at(-1)!,
    histogram: { upToNs, counts: weights },
  };
}

function lockUse(random: Random, lock: string, acquisitions: number, contended: number, meanWait: number): LockUse {
  const holdsTimed = Math.round(acquisitions / 16);
  return {
    lock,
    acquisitions,
    contended,
    waitTotalNs: Math.round(contended * meanWait),
    waitMaxNs: contended === 0 ? 0 : Math.round(meanWait * (6 + 20 * random())),
    waitMeanNs: contended === 0 ? 0 : Math.round(meanWait),
    holdsTimed,
    ...(holdsTimed === 0
      ? {}
      : { holdMaxNs: Math.round(9000 + 30_000 * random()), holdMeanNs: Math.round(120 + 80 * random()) }),
    ...(contended === 0 ? {} : { holder: { cpu: Math.floor(random() * 2), times: Math.ceil(contended * 0.6) } }),
    spins: contended * 14,
    parks: Math.round(contended / 20),
  };
}

function locksOf(random: Random, design: Design, cpus: number, faults: number, heat: number): LockUse[] {
  const share = cpus === 1 ? 0 : Math.min(0.6, heat * (cpus - 1));
  const wait = 700 * cpus;
  const locks = [
    lockUse(random, 'vm_lock', faults, 0, 0),
    lockUse(random, 'pcp->lock', Math.round(faults * 1.02), Math.round(faults * share * 0.002), wait / 2),
    lockUse(random, 'zone->lock', Math.round(faults / 63), Math.round((faults / 63) * share), wait * 2),
  ];
  if (design.lock !== undefined) locks.unshift(lockUse(random, design.lock, faults, Math.round(faults * share), wait));
  return locks;
}

function counterexampleOf(locking: string): StressCounterexample {
  const token = '0:79,1:87,0:8.whlf5';
  return {
    scenario: 'first-touch',
    token,
    steps: 174,
    preemptions: 1,
    judge: 'I13',
    message: 'lost store: CPU 1 stored 0x2 at 0x75e52fc77004, later load by CPU 0 returned 0x0; no order explains it',
    command: `pagerace replay ${token} --scenario first-touch --locking ${locking}`,
  };
}

function warningsOf(cpus: number, cores: number, contended: number): string[] {
  const warnings: string[] = [];
  if (cpus > cores) {
    warnings.push(`${String(cpus)} CPUs on ${String(cores)} cores: rates beyond the cores say how threads share them`);
  }
  if (cpus > 1 && contended === 0) {
    warnings.push('nobody ever waited for a lock: use more CPUs, or a workload in which they meet, such as same-table');
  }
  return warnings;
}

/** One point. */
function pointOf(
  random: Random,
  workload: string,
  name: string,
  cpus: number,
  cores: number,
  rounds: number,
): StressPoint {
  const design = DESIGNS[name]!;
  const shared = SHARED.includes(workload);
  const heat = shared ? design.shared : 1;
  const terms = { lambda: ONE_CPU, sigma: Math.min(0.9, design.sigma * heat), kappa: design.kappa * heat };
  const beyond = Math.max(0, cpus - cores);
  const rate = uslRate(terms, Math.min(cpus, cores)) * (1 + 0.015 * scatter(random)) * 0.97 ** beyond;
  const ran = roundsOf(random, cpus, rate, rounds);
  const faults = ran.reduce((sum, round) => sum + round.faults, 0);
  const perSecond = median(ran.map((round) => round.faultsPerSecond));
  const wrong = name === 'none' && shared && cpus > 1;
  const undecided = name === 'mm' && workload === 'pairs' && cpus === 8;
  const locks = locksOf(random, design, cpus, faults, terms.sigma);
  const lost = Math.round(40 * cpus * random() + 1);
  return {
    workload,
    cpus,
    locking: name,
    lock: 'qspinlock',
    without: [],
    command: `pagerace stress ${workload} --cpus ${String(cpus)} --locking ${name} --lock qspinlock --pages 4096 --rounds ${String(rounds)}`,
    verdict: wrong ? 'violated' : undecided ? 'not decided' : 'held',
    bounds: undecided
      ? 'the loads that check user memory took longer than they may'
      : `${String(rounds)} rounds, every judge after each, leaks after exit`,
    findings: wrong
      ? [
          { judge: 'I2', message: `${String(lost)} folios are allocated and nothing maps them`, round: 0 },
          {
            judge: 'I3',
            message: `BUG: Bad rss-counter state mm:00000001 type:MM_ANONPAGES val:${String(lost)}`,
            round: 1,
          },
        ]
      : [],
    ...(wrong ? { counterexample: counterexampleOf(name) } : {}),
    rounds: ran,
    faultsPerSecond: perSecond,
    spread: median(ran.map((round) => Math.abs(round.faultsPerSecond - perSecond))),
    latency: latencyOf(random, (1.9e9 * Math.min(cpus, cores)) / rate / 2 / 1.3, Math.round(faults / 16)),
    locks,
    fairness: Number((1 - 0.01 * random()).toFixed(4)),
    lostRaces: shared && cpus > 1 ? { pte_recheck: Math.round(faults * 0.3 * (1 - 1 / cpus)) } : {},
    ...(wrong ? { lostPerMillion: Number(((lost * 1e6) / faults).toFixed(2)) } : {}),
    parks: locks.reduce((sum, lock) => sum + lock.parks, 0),
    warnings: warningsOf(
      cpus,
      cores,
      locks.reduce((sum, lock) => sum + lock.contended, 0),
    ),
  };
}

/** A sweep: three workloads, four designs, 1 to 8 CPUs on a host of two cores, unless told otherwise. */
export function stressResults(made: MadeSweep = {}): StressResults {
  const { seed = 1, cores = 2, cpus = [1, 2, 4, 8], rounds = 5 } = made;
  const { workloads = ['page_fault1', 'same-page', 'pairs'], designs = ['split', 'mm', 'cmpxchg', 'none'] } = made;
  const random = randomOf(seed);
  const points = workloads.flatMap((workload) =>
    designs.flatMap((design) => cpus.map((n) => pointOf(random, workload, design, n, cores, rounds))),
  );
  return {
    kind: RESULTS_KIND,
    version: RESULTS_VERSION,
    pagerace: '0.1.0',
    started: '2026-01-15T09:30:00.000Z',
    seconds: Number(
      points.reduce((sum, point) => sum + point.rounds.reduce((s, r) => s + r.seconds, 0), 30).toFixed(1),
    ),
    command: `pagerace stress ${workloads.join(' ')} --cpus ${cpus.join(',')} --locking ${designs.join(',')} --rounds ${String(rounds)} --out sweep.json`,
    seed,
    host: {
      processor: 'AMD EPYC 7B13',
      cores,
      memoryBytes: 8 * 1024 ** 3,
      platform: 'linux',
      release: '6.8.0-45-generic',
      node: 'v20.19.0',
    },
    points,
  };
}
