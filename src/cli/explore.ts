// `pagerace explore`: tries schedules of a scenario or of a program in a file, and tells the smallest failure.
import { Command } from 'commander';
import type { Exploration } from '../explore/explore.ts';
import type { ExploreOptions, Progress, Strategy } from '../explore/options.ts';
import { exploreInPool } from '../explore/parallel.ts';
import { specOfTarget } from '../explore/subject-spec.ts';
import { targetOf } from '../explore/target-file.ts';
import { defaultModel, exploreTarget, replayTarget } from '../explore/target.ts';
import type { Target } from '../explore/target.ts';
import { contextOf, explorationDocument, renderExploration, replayCommand } from '../report/exploration-text.ts';
import type { Asked } from '../report/exploration-text.ts';
import { failureText } from '../report/failure-text.ts';
import type { FailureText } from '../report/failure-text.ts';
import { renderExecution } from '../report/formats.ts';
import { kernelWatches } from '../report/kernel-columns.ts';
import { grouped } from '../report/text.ts';
import { parseWhole } from './options.ts';
import { parseSeconds, scenarioOptions, withTargetFlags } from './target-options.ts';
import type { TargetFlags } from './target-options.ts';

interface Flags extends TargetFlags {
  readonly strategy?: Strategy;
  readonly workers?: number;
  readonly resume?: string;
  readonly seconds?: number;
  readonly executions?: number;
  readonly preemptions?: number;
  readonly depth?: number;
  readonly seed?: number;
  readonly audit?: true;
  readonly json?: true;
}

/** held, violated, not decided. */
const EXIT_CODES = { held: 0, violated: 1, 'not decided': 3 } as const;

const EXAMPLE = `
A file is an ES module whose default export is a program,
  { words: 2, threads: [function* (cpu) { … }, …], check({ memory }) { … } }
or a program per CPU for the kernel, which may be JSON, too:
  { "setup": [{ "op": "mmap", "addr": 4194304, "length": 4096, "prot": 3,
      "flags": 50 }],
    "programs": [[{ "op": "store", "addr": 4194304, "value": 1 }],
                 [{ "op": "load", "addr": 4194304 }]] }
Exit codes: 0 held, 1 violated, 2 usage, 3 not decided.`;

function exploreOptions(flags: Flags): ExploreOptions {
  const { strategy, seconds, executions, preemptions, depth, seed, audit, memoryModel, steps } = flags;
  const given = { strategy, seconds, executions, preemptions, depth, seed, audit, memoryModel, steps };
  return { ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)), onProgress };
}

function onProgress({ executions, seconds, share }: Progress): void {
  const part = share === undefined || share <= 0 ? '' : `, about ${(share * 100).toPrecision(2)} %`;
  process.stderr.write(`${grouped(executions)} executions in ${seconds.toFixed(1)} s${part}\n`);
}

function stepsOf({ steps }: Asked): { steps?: number } {
  return steps === undefined ? {} : { steps };
}

/** The failure of an exploration, replayed for those who read it. */
function replayedFailure(target: Target, asked: Asked, exploration: Exploration): FailureText | undefined {
  const { failure, memoryModel } = exploration;
  if (failure === undefined) return undefined;
  const watch = target.kind === 'kernel' ? kernelWatches(target.spec) : undefined;
  const replayed = replayTarget(target, failure.token, { memoryModel, ...stepsOf(asked) }, watch);
  return failureText(target, replayed, replayCommand(failure.token, asked, memoryModel));
}

function print(flags: Flags, target: Target, asked: Asked, exploration: Exploration): void {
  const { failure, memoryModel } = exploration;
  const again = failure === undefined ? undefined : replayCommand(failure.token, asked, memoryModel);
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify(explorationDocument(asked, exploration, again), null, 2)}\n`);
    return;
  }
  const text = replayedFailure(target, asked, exploration);
  if (flags.format === 'table' || text === undefined) {
    const report = `${renderExploration(target, asked, exploration, text)}\n`;
    // Where another format was asked for and there is no failure to show, its place stays empty.
    (flags.format === 'table' ? process.stdout : process.stderr).write(report);
    return;
  }
  const context = {
    ...contextOf(asked, memoryModel, failure?.message),
    ...(again === undefined ? {} : { replay: again }),
  };
  process.stdout.write(`${renderExecution(flags.format, text, context)}\n`);
}

/** Here, or on a pool of workers, or on from a file. */
async function search(target: Target, asked: Asked, flags: Flags): Promise<Exploration> {
  const { workers, resume } = flags;
  const options = exploreOptions(flags);
  if (workers === undefined && resume === undefined) return exploreTarget(target, options);
  return exploreInPool(
    specOfTarget(target, asked.options, asked.size),
    { ...options, memoryModel: flags.memoryModel ?? defaultModel(target) },
    { ...(workers === undefined ? {} : { workers }), ...(resume === undefined ? {} : { checkpoint: resume }) },
  );
}

export function exploreCommand(): Command {
  const command = new Command('explore')
    .description('try every schedule of a scenario, or of a program in a file')
    .argument('<scenario>', "a scenario's name (see 'pagerace list'), or a file")
    .option('--strategy <name>', 'dpor, exhaustive, bounded, pct or random; default: dpor')
    .option('--workers <n>', 'threads to share the search among', parseWhole('--workers', '2'))
    .option('--resume <file>', 'file to keep the search in, and to go on from')
    .option('--seconds <n>', 'seconds to search at most', parseSeconds)
    .option('--executions <n>', 'executions at most', parseWhole('--executions', '10000'))
    .option('--preemptions <n>', 'bounded: preemptions at most', parseWhole('--preemptions', '2'))
    .option('--depth <n>', 'pct: ordering constraints that a failure may need', parseWhole('--depth', '3'))
    .option('--seed <n>', 'pct, random: where the random numbers begin', parseWhole('--seed', '1'))
    .option('--audit', 'dpor: count what was explored twice, and, where all schedules can be run, what was missed');
  return withTargetFlags(command)
    .option('--json', 'one JSON document; replay takes it')
    .addHelpText('after', EXAMPLE)
    .action(async (name: string, flags: Flags) => {
      const asked: Asked = { name, options: scenarioOptions(flags), steps: flags.steps, size: flags.size };
      const target = await targetOf(name, asked.options, flags.size);
      const exploration = await search(target, asked, flags);
      print(flags, target, asked, exploration);
      process.exitCode = EXIT_CODES[exploration.verdict];
    });
}
