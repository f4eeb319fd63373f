// Flags that say what is explored and how it is shown, the same for every command that explores or replays.
import type { Command } from 'commander';
import type { MemoryModel } from '../explore/program.ts';
import { MEMORY_MODELS } from '../explore/program.ts';
import type { ScenarioOptions } from '../explore/scenarios.ts';
import { UsageError, indexOfName } from '../machine/usage-error.ts';
import { FORMATS, parseFormat } from '../report/formats.ts';
import type { Format } from '../report/formats.ts';
import { parseNames, parseWhole } from './options.ts';

export interface TargetFlags {
  readonly cpus?: number;
  readonly locking?: string;
  readonly lock?: string;
  readonly without?: string[];
  readonly memoryModel?: MemoryModel;
  readonly format: Format;
  readonly steps?: number;
  readonly size?: number;
}

/** A memory model by its name. Throws a UsageError. */
export function parseModel(text: string): MemoryModel {
  return MEMORY_MODELS[indexOfName('Memory model', text, MEMORY_MODELS)] ?? 'sc';
}

/** Adds the flags. `more`: formats that only this command knows. */
export function withTargetFlags(command: Command, more: readonly string[] = []): Command {
  const formats = [...FORMATS, ...more];
  return command
    .option('--cpus <n>', 'CPUs; default: the fewest that the scenario needs', parseWhole('--cpus', '2'))
    .option('--memory-model <model>', 'sc, tso or pso; default: what the scenario needs', parseModel)
    .option('--without <defences>', 'defences to take away, with commas', parseNames)
    .option('--locking <design>', 'split, mm, cmpxchg, none, or a file with your own')
    .option('--lock <algorithm>', 'qspinlock, ticket or test-and-set')
    .option('--size <n>', 'how large a program of the catalogue is', parseWhole('--size', '3'))
    .option('--steps <n>', 'steps after which an execution is called a livelock', parseWhole('--steps', '20000'))
    .option(
      '--format <format>',
      spoken(formats),
      (text) => (more.includes(text) ? text : parseFormat(text, formats)),
      'table',
    );
}

/** `table, ftrace, json or chrome`. */
function spoken(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1) ?? ''}`;
}

/** The part of them that chooses the machine: only what was given. */
export function scenarioOptions(flags: Omit<TargetFlags, 'format'>): ScenarioOptions {
  const { cpus, locking, lock, without } = flags;
  return {
    ...(cpus === undefined ? {} : { cpus }),
    ...(locking === undefined ? {} : { locking }),
    ...(lock === undefined ? {} : { lock }),
    ...(without === undefined || without.length === 0 ? {} : { without }),
  };
}

/** A number of seconds, with or without a fraction. */
export function parseSeconds(text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(value > 0)) {
    throw new UsageError(`--seconds '${text}' is not a time: use a number above 0, for example --seconds 60.`);
  }
  return value;
}
