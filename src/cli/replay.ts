// `pagerace replay`: one schedule once more, exactly, told in any format.
import { existsSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { MemoryModel } from '../explore/program.ts';
import { specOfTarget } from '../explore/subject-spec.ts';
import type { SubjectSpec } from '../explore/subject-spec.ts';
import { replayOnThreads } from '../explore/threads.ts';
import { targetOf } from '../explore/target-file.ts';
import { defaultModel, replayTarget } from '../explore/target.ts';
import type { Target } from '../explore/target.ts';
import { pageOf } from '../lab/model/export.ts';
import { planOf } from '../lab/model/plan.ts';
import { Session } from '../lab/model/session.ts';
import { labFiles } from '../lab/serve.ts';
import { UsageError } from '../machine/usage-error.ts';
import { contextOf, explorationHeading, replayCommand } from '../report/exploration-text.ts';
import type { Asked } from '../report/exploration-text.ts';
import { readToken } from '../report/execution-json.ts';
import { failureText } from '../report/failure-text.ts';
import { renderExecution } from '../report/formats.ts';
import { kernelWatches } from '../report/kernel-columns.ts';
import { bad, good, wrapText } from '../report/text.ts';
import { statesOf } from '../report/timeline.ts';
import { scenarioOptions, withTargetFlags } from './target-options.ts';
import type { TargetFlags } from './target-options.ts';

interface Flags extends Omit<TargetFlags, 'format'> {
  readonly format: TargetFlags['format'] | 'html';
  readonly scenario?: string;
  readonly threads?: true;
}

/** What is replayed: a token and flags, or what a file says that `explore --json` wrote; flags win. */
function request(given: string, flags: Flags): { token: string; flags: Flags } {
  if (!existsSync(given)) return { token: given, flags };
  const { token, context } = readToken(readFileSync(given, 'utf8'), given);
  return { token, flags: { ...(context as Partial<Flags>), ...flags } };
}

async function replay(given: string, all: Flags): Promise<void> {
  const { token, flags } = request(given, all);
  if (flags.scenario === undefined) {
    throw new UsageError(
      `The token ${token} needs its scenario or file: give --scenario, for example pagerace replay ${token} --scenario first-touch.`,
    );
  }
  const asked: Asked = { name: flags.scenario, options: scenarioOptions(flags), steps: flags.steps, size: flags.size };
  const target = await targetOf(asked.name, asked.options, flags.size);
  const memoryModel = flags.memoryModel ?? defaultModel(target);
  const steps = flags.steps === undefined ? {} : { steps: flags.steps, size: flags.size };
  const watch = target.kind === 'kernel' ? kernelWatches(target.spec) : undefined;
  const replayed = replayTarget(target, token, { memoryModel, ...steps }, watch);
  const again = replayCommand(token, asked, memoryModel);
  const { complaint } = replayed;
  const context = { ...contextOf(asked, memoryModel, complaint?.message), replay: again };
  const { format } = flags;
  const states =
    format === 'json' && target.kind === 'kernel' ? statesOf(target, replayed.record.token, memoryModel) : undefined;
  const body =
    format === 'html'
      ? page(replayed.record.token, target, asked, memoryModel)
      : renderExecution(format, failureText(target, replayed, again), context, states);
  const verdict = complaint === undefined ? good('held') : `${bad('violated')}: ${complaint.message}`;
  const rest = replayed.record.steps.length - replayed.given;
  const early =
    rest > 0
      ? wrapText(
          `the token ends after step ${String(replayed.given)}; ${rest === 1 ? '1 step' : `${String(rest)} steps`} more, which preempt nobody, to the end: ${replayed.record.token}`,
          '',
          '  ',
        )
      : [];
  const heading = [...explorationHeading(target, asked), '', ...wrapText(verdict, '', '  '), ...early, ''];
  if (format !== 'table' && early.length > 0) process.stderr.write(`${early.join('\n')}\n`);
  process.stdout.write(`${format === 'table' ? `${heading.join('\n')}\n` : ''}${body}\n`);
  process.exitCode = complaint === undefined ? 0 : 1;
  if (flags.threads === true) await replayThreads(token, specOfTarget(target, asked.options, asked.size), memoryModel);
}

/** The lab as one page that begins with the schedule. Throws a UsageError for what the lab does not show. */
function page(token: string, target: Target, { name, options }: Asked, memoryModel: MemoryModel): string {
  const { cpus, locking, lock = 'qspinlock', without } = options;
  if (lock !== 'qspinlock') {
    throw new UsageError(`--format html shows qspinlock, not --lock ${lock}: leave --lock out, or use --format table.`);
  }
  if (target.kind === 'program' || target.scenario === undefined) {
    throw new UsageError(`--format html shows scenarios of the kernel, and '${name}' is none: use --format table.`);
  }
  const plan = planOf({
    scenario: name,
    memoryModel,
    ...(cpus === undefined ? {} : { cpus }),
    ...(locking === undefined ? {} : { locking }),
    ...(without === undefined ? {} : { without }),
  });
  const session = new Session(plan);
  session.load(token);
  return pageOf(session, labFiles()).trimEnd();
}

/** The same schedule on real threads, every step gated; says whether the end is the same. */
async function replayThreads(token: string, spec: SubjectSpec, memoryModel: MemoryModel): Promise<void> {
  // What the token was made for has been looked at already.
  const [schedule = token] = token.split('.');
  const { steps, same, differs, errors } = await replayOnThreads(spec, schedule, { memoryModel });
  const word =
    differs === undefined
      ? ''
      : `, word ${String(differs.word)} is ${String(differs.threads)} and not ${String(differs.stepped)}`;
  const end = same
    ? 'the same end, word for word'
    : `another end${word}${errors.length > 0 ? `: ${errors.join('; ')}` : ''}`;
  process.stderr.write(`on real threads, step by step: ${String(steps)} steps, ${end}\n`);
  if (!same) process.exitCode = 1;
}

export function replayCommandLine(): Command {
  const command = new Command('replay')
    .description('replay one schedule exactly')
    .argument('<token>', 'a schedule token, or a file that explore --json wrote')
    .option('--scenario <name>', 'the scenario or file that the token is of');
  return withTargetFlags(command, ['html'])
    .option('--threads', 'and once more on real threads, every step gated')
    .action(replay);
}
