// `pagerace proc`: what /proc and a memory cgroup would say on Linux after a workload.
import { Command } from 'commander';
import { boot } from '../machine/boot.ts';
import { PROC_NAMES, procNamed, procObject, procText } from '../machine/proc/files.ts';
import type { ProcName } from '../machine/proc/files.ts';
import { writeProcTree } from '../machine/proc/tree.ts';
import { snapshot } from '../machine/snapshot.ts';
import type { Snapshot } from '../machine/snapshot.ts';
import { UsageError } from '../machine/usage-error.ts';
import { workload } from '../stress/workloads.ts';
import { parseSize, parseWhole } from './options.ts';

interface Flags {
  workload: string;
  pages: number;
  cpus: number;
  memory: number;
  softDirty: boolean;
  to?: string;
  json?: true;
}

/** The machine once every CPU has done its part of the workload, on a thread of its own. */
async function machineAfter(flags: Flags): Promise<Snapshot> {
  const work = workload(flags.workload);
  if (flags.pages < 1) {
    throw new UsageError(`--pages ${String(flags.pages)} is not possible: use 1 or more, for example --pages 64.`);
  }
  const machine = boot({ cpus: flags.cpus, memory: flags.memory, softDirty: flags.softDirty, ...work.once });
  if (work.once?.startBrk !== undefined) machine.setStartBrk(work.once.startBrk);
  const { setup, programs } = work.make(flags.cpus, flags.pages);
  machine.runHere(setup);
  await machine.run(programs);
  return snapshot(machine.buffer);
}

/** A number of any size as JSON can have it. */
const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value);

function textOf(s: Snapshot, names: readonly ProcName[]): string {
  if (names.length === 1 && names[0] !== undefined) return procText(s, names[0]);
  return names
    .map((name) => `==> ${name} <==\n${procText(s, name)}\n`)
    .join('\n')
    .trimEnd();
}

export function procCommand(): Command {
  return new Command('proc')
    .description("what Linux's /proc and memory cgroup files would say after a workload")
    .argument('[files...]', `of ${PROC_NAMES.join(', ')}`)
    .option('--workload <name>', "what the CPUs do, as in 'pagerace list'", 'same-page')
    .option('--pages <n>', 'pages that it is about', parseWhole('--pages', '64'), 64)
    .option('--cpus <n>', 'CPUs, each a thread', parseWhole('--cpus', '2'), 2)
    .option('--memory <size>', 'RAM', parseSize, 16 * 1024 * 1024)
    .option('--no-soft-dirty', 'a kernel without CONFIG_MEM_SOFT_DIRTY')
    .option('--to <folder>', 'all files, in a folder laid out as proc and sys/fs/cgroup, for programs that read them')
    .option('--json', 'one JSON document')
    .action(async (paths: readonly string[], flags: Flags) => {
      const names = paths.map(procNamed);
      if (names.length === 0 && flags.to === undefined) {
        throw new UsageError(
          'Nothing is asked for: name files, for example pagerace proc smaps, or a folder with --to.',
        );
      }
      const s = await machineAfter(flags);
      if (flags.to !== undefined) writeProcTree(s, flags.to);
      if (names.length === 0) return;
      const document = Object.fromEntries(names.map((name) => [name, procObject(s, name)]));
      process.stdout.write(`${flags.json === true ? JSON.stringify(document, plain, 2) : textOf(s, names)}\n`);
    });
}
