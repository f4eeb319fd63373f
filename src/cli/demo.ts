// `pagerace demo`: why the page-table lock exists, computed as it runs: the lock taken away, the recheck taken away,
// both there; then the same on real threads, and a recorded program.
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { exploreTarget, replayTarget, targetNamed } from '../explore/target.ts';
import type { KernelTarget } from '../explore/target.ts';
import { readPerfScript } from '../recording/perf-script.ts';
import { planReplay } from '../recording/plan.ts';
import { replay } from '../recording/replay.ts';
import { countLines, partTitle, ruleTable, smallestLine, threadLines } from '../report/demo-text.ts';
import type { RuleSet, ThreadRounds } from '../report/demo-text.ts';
import { replayCommand } from '../report/exploration-text.ts';
import { failureText, renderFailure } from '../report/failure-text.ts';
import { kernelWatches } from '../report/kernel-columns.ts';
import { bold, grouped, wrapText } from '../report/text.ts';
import { race } from '../stress/race.ts';
import { workload } from '../stress/workloads.ts';

const SCENARIO = 'first-touch';
const CPUS = 2;
/** Schedules are also counted by preemptions, up to so many: few enough to take no time. */
const PREEMPTIONS = 2;
/** Real threads: rounds of so many pages each. */
const ROUNDS = 4;
const PAGES = 5000;
const THREAD_MEMORY: number = 64 * 1024 * 1024;
const REPLAY_MEMORY: number = 256 * 1024 * 1024;

const NO_LOCK = { name: 'recheck only', without: ['ptl'] };
const NO_RECHECK = { name: 'lock only', without: ['pte_recheck'] };
const NEITHER = { name: 'neither', without: ['ptl', 'pte_recheck'] };
const BOTH = { name: 'lock + recheck', without: [] };

const say = (...lines: readonly string[]): void => {
  process.stdout.write(`${lines.join('\n')}\n`);
};

/** Explores one set of rules to the end: every behaviour, and every schedule of few preemptions. */
function exploreRules({ name, without }: { name: string; without: readonly string[] }): RuleSet {
  const target = targetNamed(SCENARIO, { without });
  const exploration = exploreTarget(target, { stopAtFailure: false });
  const few = exploreTarget(target, {
    strategy: 'bounded',
    preemptions: PREEMPTIONS,
    stopAtFailure: false,
    shrink: false,
    judges: [],
  });
  return { name, without, exploration, preemptions: PREEMPTIONS, few };
}

function tellFailure(rules: RuleSet): void {
  const { failure, memoryModel } = rules.exploration;
  if (failure === undefined) return;
  const target: KernelTarget = targetNamed(SCENARIO, { without: rules.without });
  const replayed = replayTarget(target, failure.token, {}, kernelWatches(target.spec));
  const again = replayCommand(failure.token, { name: SCENARIO, options: { without: rules.without } }, memoryModel);
  say('', renderFailure(failureText(target, replayed, again)));
}

function tellRules(): void {
  say(bold('Two CPUs store to the same untouched page at the same moment. Who maps it?'), '');
  const noLock = exploreRules(NO_LOCK);
  say(partTitle('1/3', 'No page-table lock; the recheck is kept', noLock.without));
  say(...countLines(noLock), smallestLine(noLock));
  tellFailure(noLock);
  const noRecheck = exploreRules(NO_RECHECK);
  say('', partTitle('2/3', 'The lock is kept; no recheck under it', noRecheck.without));
  say(...countLines(noRecheck), smallestLine(noRecheck));
  say(
    ...wrapText(
      'Each CPU takes the lock in good order, and the second stores over the entry of the first without looking: a lock without the second look only chooses whose store is lost.',
      '      ',
    ),
  );
  const both = exploreRules(BOTH);
  say('', partTitle('3/3', 'The lock and the recheck, as Linux does it', both.without));
  say(...countLines(both), smallestLine(both));
  say('', ...ruleTable([both, noLock, noRecheck, exploreRules(NEITHER)]), '');
}

async function tellThreads(): Promise<void> {
  const rounds: ThreadRounds[] = [];
  for (const { name, without } of [NO_LOCK, NO_RECHECK, BOTH]) {
    const lost: number[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const { verdict } = await race({ cpus: CPUS, memory: THREAD_MEMORY, without }, workload('same-page'), PAGES);
      lost.push(
        verdict.findings.filter(({ judge }) => judge === 'I2').reduce((sum, { message }) => sum + leading(message), 0),
      );
    }
    rounds.push({ name, lost });
  }
  say(...threadLines(CPUS, availableParallelism(), PAGES, rounds));
}

/** The number that a finding begins with: how many. */
function leading(message: string): number {
  return Number.parseInt(message, 10) || 0;
}

/** The recording that comes with the project's source. */
function recordingPath(): string | undefined {
  const path = fileURLToPath(
    new URL('../../../test/recording/recordings/four-threads-one-region.perf.txt.gz', import.meta.url),
  );
  return existsSync(path) ? path : undefined;
}

async function tellRecording(): Promise<void> {
  const path = recordingPath();
  if (path === undefined) return;
  const report = await replay(planReplay(await readPerfScript(path), CPUS), { memory: REPLAY_MEMORY });
  say('', bold('And a recorded program: four threads that fault in one region'));
  say(
    ...wrapText(
      `${grouped(report.replayed)} of its ${grouped(report.recorded)} page faults replayed on ${String(CPUS)} CPUs, every lock and recheck in place: ${report.verdict.kind}.`,
      ' ',
    ),
  );
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('why the page-table lock exists, and why it is not enough')
    .action(async () => {
      tellRules();
      await tellThreads();
      await tellRecording();
      say('', `next: pagerace why            what every other lock and recheck is for`);
      say(`      pagerace explore first-touch --cpus 3 --without ptl`);
      say(`      pagerace trace          one fault, step by step`);
    });
}
