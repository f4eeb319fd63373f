// `pagerace run`: a recording of a real program, replayed on real threads.
import { Command } from 'commander';
import { exitCodeOf } from '../check/verdict.ts';
import { readPerfScript } from '../recording/perf-script.ts';
import { planReplay } from '../recording/plan.ts';
import { replay } from '../recording/replay.ts';
import { checkConfig } from '../machine/config.ts';
import type { MachineConfig } from '../machine/config.ts';
import { renderReplay } from '../report/replay-text.ts';
import { grouped, shellLine } from '../report/text.ts';
import { parseFailAlloc, parseNames, parseSize, parseWhole } from './options.ts';

interface Flags {
  cpus: number;
  locking: string;
  lock: string;
  without: string[];
  memory: number;
  failAlloc?: MachineConfig['failAlloc'];
  json?: true;
}

/** The part of the command line that describes the machine, checked before anything is read. */
function machineOf(flags: Flags): MachineConfig {
  return checkConfig({
    cpus: flags.cpus,
    locking: flags.locking,
    lock: flags.lock,
    without: flags.without,
    memory: flags.memory,
    maxVmas: 4096,
    ...(flags.failAlloc === undefined ? {} : { failAlloc: flags.failAlloc }),
  });
}

/** `argv`: the command line that it is part of, to be printed as what runs it again. */
export function runCommand(argv: readonly string[]): Command {
  return new Command('run')
    .description('replay page faults recorded from a real program, on real threads')
    .argument('<recording>', 'what perf script printed, plain or gzip')
    .option('--cpus <n>', 'CPUs, each a thread', parseWhole('--cpus', '2'), 2)
    .option('--locking <design>', 'split, mm, cmpxchg, none, or a file with your own', 'split')
    .option('--lock <algorithm>', 'qspinlock, ticket or test-and-set', 'qspinlock')
    .option('--without <defences>', 'defences to take away, with commas', parseNames, [])
    .option('--memory <size>', 'RAM', parseSize, 256 * 1024 * 1024)
    .option('--fail-alloc <spec>', 'fail allocations: probability=, interval=, times=, sites=', parseFailAlloc)
    .option('--json', 'one JSON document')
    .action(async (path: string, flags: Flags) => {
      const config = machineOf(flags);
      const plan = planReplay(await readPerfScript(path), config.cpus);
      const report = await replay(plan, config, (faults) => {
        process.stderr.write(`${grouped(faults)} of ${grouped(plan.faults)} faults\n`);
      });
      process.stdout.write(`${flags.json === true ? JSON.stringify(report, null, 2) : renderReplay(report, true)}\n`);
      if (report.verdict.kind !== 'held' && flags.json !== true) {
        process.stdout.write(`again: ${shellLine(['pagerace', ...argv])}\n`);
      }
      process.exitCode = exitCodeOf(report.verdict.kind);
    });
}
