// One race: boot a machine, run a workload on real threads, judge it.
import { eventsOf, judge } from '../check/verdict.ts';
import type { Verdict } from '../check/verdict.ts';
import { boot } from '../machine/boot.ts';
import type { MachineConfig } from '../machine/config.ts';
import type { Workload } from './workloads.ts';

/** What a race came to. */
export interface RaceResult {
  verdict: Verdict;
  /** Page faults that all CPUs took. */
  faults: number;
  /** Faults that found the entry taken under the lock. */
  lostRaces: number;
  seconds: number;
}

/** Races a workload of `pages` pages once. */
export async function race(config: Partial<MachineConfig>, work: Workload, pages: number): Promise<RaceResult> {
  const machine = boot(config);
  const { setup, programs, verify } = work.make(machine.config.cpus, pages);
  if (setup.length > 0) machine.setUp(setup);
  const outcome = await machine.run(programs, { history: true });
  const alive = outcome.died.length === 0 && outcome.cpus.every((cpu) => cpu.status === 'done');
  const check = alive && verify.length > 0 ? [machine.runHere(verify, 0, true)] : [];
  const lostRaces = machine.event('lost_race_anon') + machine.event('lost_race_wp');
  const verdict = judge(machine, outcome, { events: eventsOf([...outcome.cpus, ...check]), exit: true });
  return {
    verdict,
    faults: outcome.cpus.reduce((sum, cpu) => sum + cpu.totalFaults, 0),
    lostRaces,
    seconds: outcome.seconds,
  };
}
