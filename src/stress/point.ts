// One point of a sweep: a machine, a workload, rounds of it on real threads, and all judges after every round.
//
// A round is the workload over and over for a fraction of a second, from one barrier to the last CPU's end. Judges then
// look at the machine at rest; a short round more, a witness, keeps the history of every load and store, which the long
// one could not, for the judge of user memory. A machine that was found broken is thrown away.
import { leakedFolios } from '../check/frames.ts';
import { eventsOf, judge } from '../check/verdict.ts';
import type { Verdict } from '../check/verdict.ts';
import { boot } from '../machine/boot.ts';
import type { Machine } from '../machine/boot.ts';
import type { MachineConfig } from '../machine/config.ts';
import type { CpuOutcome, GangOutcome } from '../machine/gang.ts';
import { snapshot } from '../machine/snapshot.ts';
import type { VmEvent } from '../kernel/layout.ts';
import type { Op } from '../kernel/program.ts';
import { addLatencies, addLocks, clearMeters, noLatencies, noLocks } from './meters.ts';
import type { LatencyCounts, LockSums } from './meters.ts';
import type { StressFinding, StressRound } from './results.ts';
import type { Workload } from './workloads.ts';

/** What is measured at a point. */
export interface PointSpec {
  readonly work: Workload;
  readonly cpus: number;
  readonly locking: string;
  readonly lock: string;
  readonly without: readonly string[];
  /** Pages that the workload is about, for each CPU or for all, as it says. */
  readonly pages: number;
  /** Whether CPUs measure how long faults, waits and holds last. */
  readonly metered: boolean;
}

/** Races that a fault can lose, as results name them. */
export const LOST_RACES: Readonly<Record<string, VmEvent>> = {
  pte_recheck: 'lost_race_anon',
  cow_recheck: 'lost_race_wp',
  pte_alloc: 'lost_race_pte_alloc',
  anon_vma: 'lost_race_anon_vma',
  pmd_install: 'lost_race_pmd',
  vma_lock_retry: 'vma_lock_retry',
};

/** What was measured at a point so far. */
export interface Measured {
  readonly rounds: StressRound[];
  readonly findings: StressFinding[];
  readonly latencies: LatencyCounts;
  readonly locks: LockSums[];
  readonly lostRaces: Record<string, number>;
  /** Folios that nobody maps, over all machines. */
  lostFolios: number;
  verdict: Verdict['kind'];
  /** Seconds that a pass takes: what rounds are sized by. */
  passSeconds: number;
}

export function nothingMeasured(cpus: number): Measured {
  return {
    rounds: [],
    findings: [],
    latencies: noLatencies(),
    locks: noLocks(cpus),
    lostRaces: Object.fromEntries(Object.keys(LOST_RACES).map((name) => [name, 0])),
    lostFolios: 0,
    verdict: 'held',
    passSeconds: 0,
  };
}

const MIB = 1024 * 1024;
const PAGE = 4096;
/** Pages of a witness round: it keeps every load and store. */
const WITNESS_PAGES = 64;
/** Longest time that one round may take before its machine is stopped, in milliseconds. */
const LIMIT_MS = 60_000;
/** RAM for programs that say themselves what they map. */
const ONCE_MEMORY: number = 256 * MIB;
/** Passes of one round at most: a program is a loop, but its counts must fit somewhere. */
const MAX_PASSES = 1_000_000;

/** RAM that a workload needs: its pages for each CPU, tables, batches, and what watermarks keep. */
function memoryFor(cpus: number, pages: number): number {
  const bytes = 32 * MIB + Math.ceil(1.3 * cpus * pages * PAGE);
  return Math.ceil(bytes / MIB) * MIB;
}

function configOf({ work, cpus, pages, locking, lock, without, metered }: PointSpec): Partial<MachineConfig> {
  const { once } = work;
  const memory = once === undefined ? memoryFor(cpus, pages) : ONCE_MEMORY;
  return { cpus, memory, locking, lock, without, metered, ...(once === undefined ? {} : { maxVmas: once.maxVmas }) };
}

/** A pass that can be repeated: everybody begins it together, and it leaves everything as it was. */
function passes(programs: readonly Op[][], reset: readonly Op[][], times: number): Op[][] {
  const resets = reset.some((ops) => ops.length > 0);
  // CPUs with work of their own do not wait for each other, as on will-it-scale's loop.
  const together: Op[] = resets && reset.slice(1).every((ops) => ops.length === 0) ? [{ op: 'barrier' }] : [];
  return programs.map((ops, cpu) => [
    { op: 'repeat', times, ops: [...together, ...ops, ...together, ...(reset[cpu] ?? [])] },
  ]);
}

/** A booted machine on which rounds of one workload run, one after another. */
export class PointRun {
  private machine: Machine;
  private readonly spec: PointSpec;
  private readonly measured: Measured;
  private fresh = true;

  constructor(spec: PointSpec, measured: Measured) {
    this.spec = spec;
    this.measured = measured;
    this.machine = this.bootMachine();
  }

  private get isOnce(): boolean {
    return this.spec.work.once !== undefined;
  }

  private bootMachine(): Machine {
    const machine = boot(configOf(this.spec));
    const startBrk = this.spec.work.once?.startBrk;
    if (startBrk !== undefined) machine.setStartBrk(startBrk);
    const { setup } = this.spec.work.make(this.spec.cpus, this.spec.pages);
    if (setup.length > 0) machine.setUp(setup);
    this.fresh = true;
    return machine;
  }

  /** Runs passes for about so many seconds without counting them, so that threads are warm and a pass's time is known. */
  async warmUp(seconds: number): Promise<void> {
    const started = performance.now();
    for (let times = 1; ; times = Math.min(times * 4, MAX_PASSES)) {
      const outcome = await this.pass(times);
      this.measured.passSeconds = outcome.seconds / times;
      const enough = (performance.now() - started) / 1000 >= seconds;
      const broken = !isWhole(outcome) || this.judgeRound(outcome, undefined).kind !== 'held';
      if (broken || this.isOnce) this.machine = this.bootMachine();
      if (enough || broken || this.isOnce) return;
    }
  }

  /** One round of about so many seconds, judged. */
  async round(seconds: number): Promise<void> {
    const { measured } = this;
    if (this.isOnce && !this.fresh) this.machine = this.bootMachine();
    const wanted = this.isOnce ? 0 : seconds;
    const times = Math.min(Math.max(1, Math.round(wanted / Math.max(measured.passSeconds, 1e-6))), MAX_PASSES);
    clearMeters(this.machine);
    const before = this.lost();
    const outcome = await this.pass(times);
    if (outcome.seconds > 0) measured.passSeconds = outcome.seconds / times;
    const perCpu = outcome.cpus.map(({ totalFaults }) => totalFaults);
    const faults = perCpu.reduce((sum, n) => sum + n, 0);
    measured.rounds.push({ seconds: outcome.seconds, faults, faultsPerSecond: faults / outcome.seconds, perCpu });
    addLatencies(this.machine, measured.latencies);
    addLocks(this.machine, measured.locks);
    const after = this.lost();
    for (const name of Object.keys(LOST_RACES)) {
      measured.lostRaces[name] = (measured.lostRaces[name] ?? 0) + (after[name] ?? 0) - (before[name] ?? 0);
    }
    const verdict = this.judgeRound(outcome, isWhole(outcome) && !this.isOnce ? await this.witness() : undefined);
    this.take(verdict);
  }

  /** The end of the last machine: what it leaves behind after its process has ended. */
  end(): void {
    if (this.fresh) return;
    const none: GangOutcome = { cpus: [], died: [], seconds: 0 };
    this.take(judge(this.machine, none, { exit: true }));
  }

  private take(verdict: Verdict): void {
    const { measured } = this;
    const round = measured.rounds.length - 1;
    for (const { judge: name, message } of verdict.findings) measured.findings.push({ judge: name, message, round });
    if (verdict.kind === 'held') return;
    if (measured.verdict !== 'violated') measured.verdict = verdict.kind;
    measured.lostFolios += leakedFolios(snapshot(this.machine.buffer));
    this.machine = this.bootMachine();
  }

  private lost(): Record<string, number> {
    return Object.fromEntries(Object.entries(LOST_RACES).map(([name, event]) => [name, this.machine.event(event)]));
  }

  private async pass(times: number): Promise<GangOutcome> {
    const { work, cpus, pages } = this.spec;
    const { programs, reset } = work.make(cpus, pages);
    this.fresh = false;
    return this.machine.run(passes(programs, reset, times), { limitMs: LIMIT_MS });
  }

  /** A pass over few pages with every load and store kept. */
  private async witness(): Promise<GangOutcome> {
    const { work, cpus, pages } = this.spec;
    const { programs, reset, verify } = work.make(cpus, Math.min(pages, WITNESS_PAGES));
    const outcome = await this.machine.run(programs, { history: true, limitMs: LIMIT_MS });
    if (!isWhole(outcome)) return outcome;
    if (verify.length > 0) {
      const seen = this.runHere(outcome, verify, 0, true);
      if (seen !== undefined) outcome.cpus.push(seen);
    }
    reset.forEach((ops, cpu) => {
      if (ops.length > 0 && isWhole(outcome)) this.runHere(outcome, ops, cpu, false);
    });
    return outcome;
  }

  /** Runs operations in this thread after a run. Where they can't be done, that is how the run ended. */
  private runHere(outcome: GangOutcome, ops: readonly Op[], cpu: number, history: boolean): CpuOutcome | undefined {
    try {
      return this.machine.runHere(ops, cpu, history);
    } catch (error) {
      // Of a wait without an end the machine itself knows.
      if (!(error instanceof Error)) throw error;
      if (error.name !== 'CpuStopped') outcome.died.push({ cpu, message: error.message });
      return undefined;
    }
  }

  private judgeRound(outcome: GangOutcome, witness: GangOutcome | undefined): Verdict {
    if (witness === undefined) return judge(this.machine, outcome);
    const all = { ...witness, died: [...outcome.died, ...witness.died] };
    return judge(this.machine, all, { events: eventsOf(witness.cpus) });
  }
}

/** Whether every CPU came to the end of its program. */
function isWhole({ died, cpus }: GangOutcome): boolean {
  return died.length === 0 && cpus.every(({ status }) => status === 'done');
}
