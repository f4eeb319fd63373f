// `pagerace demo`: the seed's fault in short, then the same race with and without its defences, then a recording.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { SEED_ADDRESS, SEED_BASE_PFN, SEED_PFN, traceFault } from '../machine/trace.ts';
import { readPerfScript } from '../recording/perf-script.ts';
import { planReplay } from '../recording/plan.ts';
import { replay } from '../recording/replay.ts';
import { renderReplay } from '../report/replay-text.ts';
import { bad, bold, dim, good, grouped, wrapText } from '../report/text.ts';
import { renderTrace } from '../report/trace-text.ts';
import { race } from '../stress/race.ts';
import type { RaceResult } from '../stress/race.ts';
import { workload } from '../stress/workloads.ts';

const PAGES = 20_000;
const CPUS = 2;
const MEMORY: number = 256 * 1024 * 1024;
/** Tries that a broken machine has to show its fault: threads race, so it may hold once. */
const TRIES = 5;

const say = (...lines: readonly string[]): void => {
  process.stdout.write(`${lines.join('\n')}\n`);
};

async function raceUntilShown(without: readonly string[]): Promise<RaceResult> {
  let result = await race({ cpus: CPUS, memory: MEMORY, without }, workload('same-page'), PAGES);
  for (let i = 1; i < TRIES && without.length > 0 && result.verdict.kind === 'held'; i++) {
    result = await race({ cpus: CPUS, memory: MEMORY, without }, workload('same-page'), PAGES);
  }
  return result;
}

function tell(title: string, result: RaceResult): void {
  const held = result.verdict.kind === 'held';
  say(`${held ? good('held    ') : bad('violated')} ${bold(title)}`);
  say(...wrapText(`${grouped(result.faults)} faults, ${grouped(result.lostRaces)} found the entry taken`, '         '));
  const shown = ['I13', 'I2', 'I3'].flatMap((name) =>
    result.verdict.findings.filter((finding) => finding.judge === name).slice(0, 1),
  );
  for (const finding of shown) {
    say(...wrapText(finding.message, '         ', '           '));
    if (finding.judge === 'I13')
      for (const detail of finding.details.slice(0, 1))
        say(...wrapText(detail, '           ', '             ').map(dim));
  }
}

/** The recording that comes with the project's source. */
function recordingPath(): string | undefined {
  const path = fileURLToPath(
    new URL('../../../test/recording/recordings/four-threads-one-region.perf.txt.gz', import.meta.url),
  );
  return existsSync(path) ? path : undefined;
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('the seed’s fault, the race it must survive, and a recorded program')
    .action(async () => {
      say(bold('One fault: what Linux does the first time a program stores to a page'), '');
      say(
        renderTrace(
          traceFault({
            address: SEED_ADDRESS,
            pfn: SEED_PFN,
            basePfn: SEED_BASE_PFN,
            softDirty: true,
            prot: 'rw',
            read: false,
            shared: false,
            memcgLimit: undefined,
            oom: false,
            unstable: false,
            secondCpu: false,
          }),
          true,
        ),
        '',
      );
      say(bold(`${String(CPUS)} CPUs store to the same ${grouped(PAGES)} fresh pages at once, on real threads`), '');
      tell('all defences on', await raceUntilShown([]));
      tell('without the pte_none recheck under the lock', await raceUntilShown(['pte_recheck']));
      tell('without the page-table lock', await raceUntilShown(['ptl']));
      tell('without the recheck when a page table is installed', await raceUntilShown(['pmd_install_recheck']));
      const path = recordingPath();
      if (path === undefined) return;
      say('', bold('A recorded program: four threads that fault in one region'), '');
      const report = await replay(planReplay(await readPerfScript(path), CPUS), { memory: MEMORY });
      say(renderReplay(report, false));
      say('', 'next: pagerace trace --second-cpu, pagerace run <recording>, pagerace list');
    });
}
