// Replays a plan on real threads and compares what was taken with what was recorded.
import { eventsOf, judge } from '../check/verdict.ts';
import type { Verdict } from '../check/verdict.ts';
import { Machine } from '../machine/boot.ts';
import type { MachineConfig } from '../machine/config.ts';
import type { CpuOutcome } from '../machine/gang.ts';
import { snapshot } from '../machine/snapshot.ts';
import { readTrace } from '../machine/trace-events.ts';
import type { MachineTrace } from '../machine/trace-events.ts';
import { ENOMEM, SIGKILL } from '../kernel/mm/flags.ts';
import type { Item, ReplayPlan } from './plan.ts';

/** One access that did not take the fault that was recorded. */
export interface Difference {
  address: number;
  tid: number;
  recorded: number;
  taken: number;
  signal: number;
  /** Why, where that is known. */
  reason: string | undefined;
}

/** What a replay came to. */
export interface ReplayReport {
  name: string;
  comm: string;
  cpus: number;
  threads: number;
  recorded: number;
  calls: number;
  replayed: number;
  skipped: { reason: string; count: number }[];
  /** Accesses on pages of one thread that took exactly the recorded fault. */
  matched: number;
  /** Accesses on pages that several threads touch, and how many of them took the recorded fault. */
  shared: number;
  sharedMatched: number;
  differences: { reason: string; kernelOnly: number; simulationOnly: number }[];
  unexplained: Difference[];
  racesLost: number;
  faults: number;
  frames: number;
  rssPeak: number;
  seconds: number;
  locks: { name: string; acquisitions: number; contentions: number; spins: number; parks: number }[];
  verdict: Verdict;
}

const PAGE = 4096;

/** Why an access on a page of several threads may differ: who comes first is up to the threads. */
const REASON_RACE = 'threads race for the page';
/** A fault that finds no memory is taken again, until there is some or the process is killed. */
const REASON_RETRIED = 'no memory could be had at first';
const REASON_KILLED = 'the process was killed, out of memory';
const REASON_CALL = 'a system call before found no memory';
const REASON_STOPPED = 'the run did not end';

interface Compared {
  /** Accesses that were made. */
  replayed: number;
  matched: number;
  shared: number;
  sharedMatched: number;
  /** Accesses that were not made: the process was dead by then, or the machine stopped. */
  unreached: number;
  differences: Difference[];
}

/** The operation at which a CPU's program ended, if it did before its last. */
function endOf(outcome: CpuOutcome): number {
  if (outcome.status === 'done') return Infinity;
  let last = -1;
  for (let i = 0; i < outcome.faults.length; i++) {
    if (outcome.faults[i] !== 0 || outcome.signals[i] !== 0 || outcome.values[i] !== 0) last = i;
  }
  return last;
}

/** What in the run as a whole makes faults come out otherwise. */
interface Circumstances {
  /** An allocation failed somewhere. */
  lacked: boolean;
  /** And for that a recorded system call failed, so that what it should have mapped or unmapped is not so. */
  callFailed: boolean;
}

function reasonOf(isShared: boolean, taken: number, signal: number, run: Circumstances): string | undefined {
  if (signal === SIGKILL) return REASON_KILLED;
  if (run.lacked && taken > 1 && signal === 0) return REASON_RETRIED;
  if (run.callFailed) return REASON_CALL;
  return isShared && signal === 0 ? REASON_RACE : undefined;
}

function isFailedCall(item: Item | undefined, value: number | undefined): boolean {
  return item?.change === true && value === -ENOMEM;
}

/** Every recorded access and call against what came of it. `lacked`: an allocation failed somewhere in the run. */
function compare(plan: ReplayPlan, outcomes: readonly CpuOutcome[], lacked: boolean): Compared {
  const result: Compared = { replayed: 0, matched: 0, shared: 0, sharedMatched: 0, unreached: 0, differences: [] };
  const callFailed =
    lacked && outcomes.some(({ cpu, values }) => plan.items[cpu]?.some((item, i) => isFailedCall(item, values[i])));
  const call = (item: Item, value: number): void => {
    // Only calls that succeeded are in the plan: one that fails here is a difference.
    if (value >= 0) return;
    const reason = callFailed ? REASON_CALL : undefined;
    result.differences.push({ address: item.start, tid: item.tid, recorded: 0, taken: 0, signal: 0, reason });
  };
  for (const outcome of outcomes) {
    const end = endOf(outcome);
    (plan.items[outcome.cpu] ?? []).forEach((item: Item | undefined, i) => {
      if (item === undefined) return;
      if (item.change) {
        call(item, outcome.values[i] ?? 0);
        return;
      }
      if (i > end) {
        result.unreached += 1;
        return;
      }
      result.replayed += 1;
      const taken = outcome.faults[i] ?? 0;
      const signal = outcome.signals[i] ?? 0;
      const isShared = plan.sharedPages.has(Math.floor(item.start / PAGE));
      if (isShared) result.shared += 1;
      if (taken === 1 && signal === 0) {
        if (isShared) result.sharedMatched += 1;
        else result.matched += 1;
        return;
      }
      const reason = reasonOf(isShared, taken, signal, { lacked, callFailed });
      result.differences.push({ address: item.start, tid: item.tid, recorded: 1, taken, signal, reason });
    });
  }
  return result;
}

/** Differences with a reason, by reason and direction. */
function grouped(differences: readonly Difference[]): ReplayReport['differences'] {
  const groups = new Map<string, { kernelOnly: number; simulationOnly: number }>();
  for (const difference of differences) {
    if (difference.reason === undefined) continue;
    const group = groups.get(difference.reason) ?? { kernelOnly: 0, simulationOnly: 0 };
    group.kernelOnly += Math.max(0, difference.recorded - difference.taken);
    group.simulationOnly += Math.max(0, difference.taken - difference.recorded);
    groups.set(difference.reason, group);
  }
  return [...groups].map(([reason, group]) => ({ reason, ...group }));
}

/**
 * Replays the plan on a fresh machine. `onProgress` is called about once a second with the faults taken so far, `onTrace`
 * with what the CPUs traced, where the machine has trace buffers: what programs did, without set-up and exit.
 */
export async function replay(
  plan: ReplayPlan,
  config: Partial<MachineConfig>,
  onProgress?: (faults: number) => void,
  onTrace?: (trace: MachineTrace) => void,
): Promise<ReplayReport> {
  const machine = new Machine({ maxVmas: 4096, ...config, cpus: plan.programs.length });
  if (plan.startBrk !== undefined) machine.setStartBrk(plan.startBrk);
  machine.withoutFailures(() => machine.setUp(plan.setup));
  const timer =
    onProgress &&
    setInterval(() => {
      onProgress(machine.event('pagefaults_user'));
    }, 1000);
  machine.setTracing(true);
  const outcome = await machine.run(plan.programs, { history: true });
  machine.setTracing(false);
  clearInterval(timer);
  onTrace?.(readTrace(machine.buffer));
  const ended = outcome.died.length === 0 && outcome.cpus.every((cpu) => cpu.status !== 'stopped');
  const at = snapshot(machine.buffer);
  const frames = at.allocated.reduce((sum, order) => sum + (order > 0 ? 1 : 0), 0);
  const rssPeak = at.mms.reduce((sum, mm) => sum + (mm.rss[1] ?? 0), 0);
  const lacked = machine.event('oom_fault') + machine.event('fail_page_alloc') > 0;
  const compared = compare(plan, outcome.cpus, lacked);
  const skipped = [...plan.skipped].map(([reason, count]) => ({ reason, count }));
  if (compared.unreached > 0)
    skipped.push({ reason: ended ? REASON_KILLED : REASON_STOPPED, count: compared.unreached });
  const locks = machine.lockStats();
  const racesLost =
    machine.event('lost_race_anon') +
    machine.event('lost_race_wp') +
    machine.event('lost_race_pte_alloc') +
    machine.event('lost_race_anon_vma');
  const verdict = judge(machine, outcome, { events: eventsOf(outcome.cpus), exit: ended });
  return {
    name: plan.name,
    comm: plan.comm,
    cpus: plan.programs.length,
    threads: plan.threads,
    recorded: plan.faults,
    calls: plan.calls,
    replayed: compared.replayed,
    skipped,
    matched: compared.matched,
    shared: compared.shared,
    sharedMatched: compared.sharedMatched,
    differences: grouped(compared.differences),
    unexplained: compared.differences.filter((difference) => difference.reason === undefined),
    racesLost,
    faults: outcome.cpus.reduce((sum, cpu) => sum + cpu.totalFaults, 0),
    frames,
    rssPeak,
    seconds: outcome.seconds,
    locks,
    verdict,
  };
}
