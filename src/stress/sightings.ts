// How often real threads show that a defence is gone: a few short rounds, counted honestly.
import { forkCow, forkStorm, softDirty } from './fork-workloads.ts';
import { race } from './race.ts';
import { userfault, userfaultCopy } from './userfault-workloads.ts';
import { workload } from './workloads.ts';
import type { Workload } from './workloads.ts';

const CPUS = 2;

/** A workload in which CPUs meet where a defence stands, and how many CPUs that takes. */
interface Meeting {
  readonly work: Workload;
  readonly cpus: number;
  /** Milliseconds after which a wait without end is told; the machine's own, if left out. */
  readonly stuckMs?: number;
}

const meeting = (work: Workload, cpus: number = CPUS): Meeting => ({ work, cpus });

/** By defence. What is not here has none: threads are not tried. */
const MEETINGS: Readonly<Record<string, Meeting>> = {
  ptl: meeting(workload('same-page')),
  pte_recheck: meeting(workload('same-page')),
  pmd_install_recheck: meeting(workload('same-page')),
  cow_recheck: meeting(workload('read-then-write')),
  rss_atomic: meeting(workload('same-page')),
  zone_lock: meeting(workload('page_fault1')),
  // One forks, one copies, one still writes to the old page; with more that write, one of them is running more often.
  fork_vma_lock: meeting(forkStorm, 4),
  cow_flush: meeting(forkCow),
  soft_dirty_flush: meeting(softDirty),
  uffd_missing: meeting(userfault),
  // Whoever missed its wake-up is waited for by nobody but the judge.
  uffd_must_wait: { ...meeting(userfaultCopy), stuckMs: 500 },
};

const ROUNDS = 3;
const PAGES = 5000;
const MEMORY: number = 64 * 1024 * 1024;

/** In how many rounds something broke without a defence; undefined where no workload is made for it. */
export async function sightings(defence: string): Promise<{ seen: number; rounds: number } | undefined> {
  const found = MEETINGS[defence];
  if (found === undefined) return undefined;
  let seen = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { work, ...config } = found;
    const { verdict } = await race({ ...config, memory: MEMORY, without: [defence] }, work, PAGES);
    if (verdict.kind !== 'held') seen += 1;
  }
  return { seen, rounds: ROUNDS };
}
