// A recording of a real program as a workload: its faults and calls, on as many CPUs, again and again.
import type { Workload } from '../stress/workloads.ts';
import { readPerfScript } from './perf-script.ts';
import { planReplay } from './plan.ts';
import type { ReplayPlan } from './plan.ts';

/** VMAs that a real program may have. */
const MAX_VMAS = 4096;

/** Reads a recording. Throws a UsageError for a file that is none. */
export async function recordedWorkload(path: string): Promise<Workload> {
  const recording = await readPerfScript(path);
  const plans = new Map<number, ReplayPlan>();
  const planFor = (cpus: number): ReplayPlan => {
    let plan = plans.get(cpus);
    if (plan === undefined) plans.set(cpus, (plan = planReplay(recording, cpus)));
    return plan;
  };
  const first = planFor(1);
  return {
    name: path,
    what: `the page faults of ${first.comm}, as they were recorded`,
    even: false,
    once: { maxVmas: MAX_VMAS, startBrk: first.startBrk },
    make: (cpus) => {
      const { setup, programs } = planFor(cpus);
      return {
        setup: [...setup],
        programs: programs.map((ops) => [...ops]),
        verify: [],
        reset: programs.map(() => []),
      };
    },
  };
}
