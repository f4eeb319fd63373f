// How often real threads show that a defence is gone: a few short rounds, counted honestly.
import { race } from './race.ts';
import { workload } from './workloads.ts';

/** The workload in which CPUs meet where a defence stands. What is not here has none: threads are not tried. */
const WORKLOADS: Readonly<Record<string, string>> = {
  ptl: 'same-page',
  pte_recheck: 'same-page',
  pmd_install_recheck: 'same-page',
  cow_recheck: 'read-then-write',
  rss_atomic: 'same-page',
  zone_lock: 'page_fault1',
};

const CPUS = 2;
const ROUNDS = 3;
const PAGES = 5000;
const MEMORY: number = 64 * 1024 * 1024;

/** In how many rounds something broke without a defence; undefined where no workload is made for it. */
export async function sightings(defence: string): Promise<{ seen: number; rounds: number } | undefined> {
  const name = WORKLOADS[defence];
  if (name === undefined) return undefined;
  let seen = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { verdict } = await race({ cpus: CPUS, memory: MEMORY, without: [defence] }, workload(name), PAGES);
    if (verdict.kind !== 'held') seen += 1;
  }
  return { seen, rounds: ROUNDS };
}
