// `pagerace stress`: workloads on real threads, swept over numbers of CPUs, locking designs and lock algorithms.
import { renameSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { MAX_CPUS } from '../kernel/layout.ts';
import { LOCK_ALGORITHMS } from '../kernel/locking/spinlock.ts';
import { checkConfig } from '../machine/config.ts';
import { designOf } from '../machine/design.ts';
import { UsageError, indexOfName } from '../machine/usage-error.ts';
import { recordedWorkload } from '../recording/workload.ts';
import { renderSoak, renderStress } from '../report/stress-text.ts';
import { shellLine } from '../report/text.ts';
import type { PointSpec } from '../stress/point.ts';
import { pointText, soak } from '../stress/soak.ts';
import { explain, pointsOf, sweep } from '../stress/sweep.ts';
import type { SweepListener, SweepSpec } from '../stress/sweep.ts';
import { workload } from '../stress/workloads.ts';
import type { Workload } from '../stress/workloads.ts';
import { parseNames, parseWhole } from './options.ts';
import { parseSeconds } from './target-options.ts';

interface Flags {
  readonly cpus: readonly number[];
  readonly locking: readonly string[];
  readonly lock: readonly string[];
  readonly without: readonly string[];
  readonly pages: number;
  readonly seconds: number;
  readonly rounds?: number;
  readonly repeat: number;
  readonly seed: number;
  readonly meter: boolean;
  readonly for?: number;
  readonly keep?: string;
  readonly out?: string;
  readonly json?: true;
}

/** Points that one sweep may have: a typing mistake must not run for a week. */
const MAX_POINTS = 10_000;
const MAX_PAGES = 65_536;
const MINUTE_MS = 60_000;

function parseCpus(text: string): number[] {
  const counts = parseNames(text).map(parseWhole('--cpus', '1,2,4'));
  if (counts.length > 0 && counts.every((cpus) => cpus >= 1 && cpus <= MAX_CPUS)) return counts;
  throw new UsageError(
    `--cpus '${text}' is not possible: use numbers from 1 to ${String(MAX_CPUS)} with commas, for example --cpus 1,2,4.`,
  );
}

function parseOneOf(what: string, known: readonly { readonly name: string }[]): (text: string) => string[] {
  return (text) => {
    const names = parseNames(text);
    if (names.length === 0) names.push(text);
    for (const name of names) {
      indexOfName(
        what,
        name,
        known.map((one) => one.name),
      );
    }
    return names;
  };
}

/** Locking designs: names, or files. */
function parseDesigns(text: string): string[] {
  const names = parseNames(text);
  if (names.length === 0) names.push(text);
  for (const name of names) designOf(name);
  return names;
}

const DURATION = { s: 1, m: 60, h: 3600 } as const;

/** `90s`, `10m`, `1h`: seconds. */
function parseDuration(text: string): number {
  const [, digits = '', unit = 's'] = /^(\d+(?:\.\d+)?)([smh]?)$/.exec(text) ?? [];
  const seconds = Number(digits) * DURATION[(unit === '' ? 's' : unit) as keyof typeof DURATION];
  if (digits === '' || !(seconds > 0)) {
    throw new UsageError(`--for '${text}' is not a time: use a number with s, m or h, for example --for 10m.`);
  }
  return seconds;
}

function checkCount(flag: string, value: number, most: number, example: string): void {
  if (value >= 1 && value <= most) return;
  throw new UsageError(
    `${flag} ${String(value)} is not possible: use 1 to ${String(most)}, for example ${flag} ${example}.`,
  );
}

async function workloadsOf(names: readonly string[]): Promise<Workload[]> {
  const chosen = names.length === 0 ? ['page_fault1'] : names;
  return Promise.all(chosen.map(async (name) => (/[./\\]/.test(name) ? recordedWorkload(name) : workload(name))));
}

async function specOf(names: readonly string[], flags: Flags, argv: readonly string[]): Promise<SweepSpec> {
  checkCount('--pages', flags.pages, MAX_PAGES, '4096');
  checkCount('--repeat', flags.repeat, 1000, '3');
  if (flags.rounds !== undefined) checkCount('--rounds', flags.rounds, 1_000_000, '10');
  const spec: SweepSpec = {
    workloads: await workloadsOf(names),
    cpus: flags.cpus,
    locking: flags.locking,
    locks: flags.lock,
    without: flags.without,
    pages: flags.pages,
    seconds: flags.seconds,
    rounds: flags.rounds,
    repeat: flags.repeat,
    seed: flags.seed,
    metered: flags.meter,
    command: shellLine(['pagerace', ...argv]),
  };
  const points = pointsOf(spec);
  if (points.length * spec.repeat > MAX_POINTS) {
    throw new UsageError(
      `That is ${String(points.length * spec.repeat)} measurements: ask for at most ${String(MAX_POINTS)}, for example --cpus 1,2,4 --locking split,mm.`,
    );
  }
  for (const { cpus, locking, lock, without } of points) checkConfig({ cpus, locking, lock, without });
  return spec;
}

const listener: SweepListener = {
  begins(point, done, all) {
    process.stderr.write(`${String(done + 1)} of ${String(all)}: ${pointText(point)}\n`);
  },
  explains(point, scenario) {
    process.stderr.write(`${pointText(point)}: violated; looking for a schedule of ${scenario} that is\n`);
  },
};

async function runSweep(spec: SweepSpec, flags: Flags): Promise<void> {
  const results = await sweep(spec, listener);
  const document = `${JSON.stringify(results, null, 2)}\n`;
  if (flags.out !== undefined) {
    writeFileSync(`${flags.out}.new`, document);
    renameSync(`${flags.out}.new`, flags.out);
  }
  process.stdout.write(flags.json === true ? document : `${renderStress(results)}\n`);
  process.exitCode = results.points.some(({ verdict }) => verdict === 'violated') ? 1 : 0;
}

async function runSoak(point: PointSpec, seconds: number, flags: Flags, argv: readonly string[]): Promise<void> {
  const stop = new AbortController();
  const interrupt = (): void => {
    process.stderr.write('stopping after this round\n');
    stop.abort();
  };
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const totals = await soak(point, {
    seconds,
    keep: flags.keep,
    signal: stop.signal,
    everyMs: MINUTE_MS,
    onMinute: (sofar) => {
      process.stdout.write(`${renderSoak(sofar)}\n`);
    },
  });
  process.removeListener('SIGINT', interrupt);
  process.removeListener('SIGTERM', interrupt);
  if (totals.verdict === 'held') {
    if (stop.signal.aborted && flags.keep !== undefined) {
      process.stdout.write(`stopped; go on with: ${shellLine(['pagerace', ...argv])}\n`);
    }
    return;
  }
  for (const { judge, message, round } of totals.findings) {
    process.stdout.write(`${judge}, after round ${String(round + 1)}: ${message}\n`);
  }
  const counterexample = explain(point, listener);
  if (counterexample !== undefined) process.stdout.write(`${counterexample.message}\n${counterexample.command}\n`);
  process.exitCode = 1;
}

/** `argv`: the command line that it is part of, to be printed as what runs it again. */
export function stressCommand(argv: readonly string[]): Command {
  return new Command('stress')
    .description('workloads on real threads, swept over CPUs, locking designs and locks, judged after every round')
    .argument('[workloads...]', "names (see 'pagerace list'), or recordings; page_fault1 if none is given")
    .option('--cpus <list>', 'numbers of CPUs, with commas', parseCpus, [1, 2, 4])
    .option('--locking <list>', 'split, mm, cmpxchg, none, or files with designs of your own', parseDesigns, ['split'])
    .option('--lock <list>', 'qspinlock, ticket, test-and-set', parseOneOf('Lock', LOCK_ALGORITHMS), ['qspinlock'])
    .option('--without <defences>', 'defences to take away, with commas', parseNames, [])
    .option('--pages <n>', 'pages that a workload is about', parseWhole('--pages', '4096'), 4096)
    .option('--seconds <n>', 'seconds that each point is measured', parseSeconds, 2)
    .option('--rounds <n>', 'rounds instead of seconds', parseWhole('--rounds', '10'))
    .option('--repeat <n>', 'times that each point is measured', parseWhole('--repeat', '3'), 1)
    .option('--seed <n>', 'of the order of points', parseWhole('--seed', '1'), 1)
    .option('--no-meter', 'do not time faults, waits and holds')
    .option('--for <time>', 'soak one point for so long (90s, 10m, 1h)', parseDuration)
    .option('--keep <file>', 'with --for: file to keep the totals in, and to go on from')
    .option('--out <file>', "results for 'pagerace report'")
    .option('--json', 'one JSON document')
    .action(async (names: string[], flags: Flags) => {
      const spec = await specOf(names, flags, argv);
      if (flags.for === undefined) {
        await runSweep(spec, flags);
        return;
      }
      const points = pointsOf(spec);
      const [point] = points;
      if (point === undefined || points.length > 1) {
        throw new UsageError(
          'A soak is of one point: give one workload, --cpus, --locking and --lock, for example mixed --cpus 4 --for 10m.',
        );
      }
      await runSoak(point, flags.for, flags, argv);
    });
}
