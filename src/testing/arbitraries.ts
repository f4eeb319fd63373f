// fast-check arbitraries for races: programs that collide, machines, defences that are off.
import type fc from 'fast-check';
import { DEFENCES } from '../kernel/defences.ts';
import { LOCK_ALGORITHMS } from '../kernel/locking/spinlock.ts';
import { LOCKING_DESIGNS } from '../kernel/mm/flags.ts';
import type { Op } from '../kernel/program.ts';
import type { MachineConfig } from '../machine/config.ts';
import { designOf } from '../machine/design.ts';
import { indexOfName } from '../machine/usage-error.ts';
import { arenaOf, mapRegion, numbered, operationIn, partOf, wholeIn } from './operations.ts';
import type { Arena, ArenaOptions } from './operations.ts';
import { smallerPrograms } from './smaller-programs.ts';
import type { RacePrograms } from './smaller-programs.ts';
import { ValueArbitrary, weighted } from './value-arbitrary.ts';

/** The most CPUs that programs are made for: a schedule of more is read by nobody. */
export const MAX_PROGRAM_CPUS = 8;
const MAX_OPERATIONS = 100;
const DEFAULT_OPERATIONS = 3;
/** Set-up operations beside those that map the arena. */
const MAX_BEFORE = 2;

/** How long a program is, and where it works. */
export interface CpuProgramOptions extends ArenaOptions {
  /** Operations of a program at most: 1 to 100, default 3. */
  readonly operations?: number;
}

/** How many CPUs there are. */
export interface CpuProgramsOptions extends CpuProgramOptions {
  /** CPUs at most: 2 to 8, default 2. With 3, half of the cases have 2. */
  readonly cpus?: number;
}

function isOps(value: unknown): value is Op[] {
  return Array.isArray(value) && value.every((op: unknown) => typeof op === 'object' && op !== null && 'op' in op);
}

function isPrograms(value: unknown): value is RacePrograms {
  if (typeof value !== 'object' || value === null || !('setup' in value) || !('programs' in value)) return false;
  return isOps(value.setup) && Array.isArray(value.programs) && value.programs.every(isOps);
}

function operationsIn(arena: Arena, most: number, random: fc.Random): Op[] {
  return Array.from({ length: random.nextInt(1, most) }, () => operationIn(arena, random));
}

/** The operations that map all of what cpuProgram's programs work on, for a set-up. */
export function mapArena(options: ArenaOptions = {}): Op[] {
  return arenaOf(options).regions.map(mapRegion);
}

/**
 * A program of one CPU: loads, stores, and calls that change mappings, on a few pages. `mapArena` with the same options
 * maps these. Stores have values of their own. Throws a UsageError for options that make no sense.
 */
export function cpuProgram(options: CpuProgramOptions = {}): fc.Arbitrary<readonly Op[]> {
  const arena = arenaOf(options);
  const most = operationsMost(options);
  return new ValueArbitrary<readonly Op[]>({
    generate: (random) => numbered([], [operationsIn(arena, most, random)]).programs[0] ?? [],
    smaller: (ops) =>
      smallerPrograms({ setup: [], programs: [ops] })
        .map(({ programs }) => programs[0] ?? [])
        .filter((smaller) => smaller.length > 0),
    is: isOps,
  });
}

function operationsMost({ operations = DEFAULT_OPERATIONS }: CpuProgramOptions): number {
  return wholeIn('operations', operations, 1, MAX_OPERATIONS, DEFAULT_OPERATIONS);
}

/**
 * Programs for several CPUs that collide on a few pages, and the set-up that maps these. They shrink to fewer CPUs (two
 * at least), operations and pages, wherever they come from. Throws a UsageError for options that make no sense.
 */
export function cpuPrograms(options: CpuProgramsOptions = {}): fc.Arbitrary<RacePrograms> {
  const whole = arenaOf(options);
  const most = operationsMost(options);
  const cpusMost = wholeIn('cpus', options.cpus ?? 2, 2, MAX_PROGRAM_CPUS, 2);
  return new ValueArbitrary<RacePrograms>({
    generate: (random) => {
      const arena = partOf(whole, random);
      const cpus = random.nextInt(2, cpusMost);
      const before = Array.from({ length: random.nextInt(0, MAX_BEFORE) }, () => operationIn(arena, random));
      const setup = [...arena.regions.map(mapRegion), ...before];
      return numbered(
        setup,
        Array.from({ length: cpus }, () => operationsIn(arena, most, random)),
      );
    },
    smaller: smallerPrograms,
    is: isPrograms,
  });
}

/** What machines may be like. */
export interface MachineConfigOptions {
  /** Locking designs, by name or by their file; default: those of the catalogue that are meant to be right. */
  readonly locking?: readonly string[];
  /** Lock algorithms; default: all. */
  readonly lock?: readonly string[];
}

/** No lock at all is no design to be right. */
const RIGHT_DESIGNS: readonly string[] = LOCKING_DESIGNS.map(({ name }) => name).filter((name) => name !== 'none');
const ALGORITHMS: readonly string[] = LOCK_ALGORITHMS.map(({ name }) => name);

function isConfig(value: unknown): value is Partial<MachineConfig> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function oneOf<T>(random: fc.Random, values: readonly T[]): T {
  return weighted(
    random,
    values.map((value) => [1, value] as const),
  );
}

/**
 * Configurations of machines: locking design, lock algorithm, soft-dirty bits. They shrink to the default, `{}`. Throws
 * a UsageError for a design or a lock that is not known.
 */
export function machineConfig(options: MachineConfigOptions = {}): fc.Arbitrary<Partial<MachineConfig>> {
  const { locking = RIGHT_DESIGNS, lock = ALGORITHMS } = options;
  for (const name of locking) designOf(name);
  for (const name of lock) indexOfName('Lock', name, ALGORITHMS);
  const choices: readonly (readonly [keyof MachineConfig, readonly unknown[]])[] = [
    ['locking', locking],
    ['lock', lock],
    ['softDirty', [true, false]],
  ];
  return new ValueArbitrary<Partial<MachineConfig>>({
    generate: (random) => {
      const entries = choices.flatMap(([key, values]) =>
        values.length === 0 || (mayBeDefault(key, values) && random.nextInt(0, 1) === 0)
          ? []
          : [[key, oneOf(random, values)] as const],
      );
      return Object.fromEntries(entries);
    },
    smaller: (config) => {
      const optional = choices.filter(([key, values]) => key in config && mayBeDefault(key, values));
      return optional.map(([key]) => Object.fromEntries(Object.entries(config).filter(([other]) => other !== key)));
    },
    is: isConfig,
  });
}

const DEFAULTS: Partial<MachineConfig> = { locking: 'split', lock: 'qspinlock', softDirty: true };

function mayBeDefault(key: keyof MachineConfig, values: readonly unknown[]): boolean {
  return values.length === 0 || values.includes(DEFAULTS[key]);
}

/** Sizes of generated sets of defences, most of them small. */
const SIZES: readonly (readonly [weight: number, size: number])[] = [
  [4, 0],
  [6, 1],
  [3, 2],
  [1, 3],
];

/**
 * Sets of defences to be switched off, few at a time; they shrink to fewer. `names`: those to choose from, default all of
 * the catalogue. Throws a UsageError for one that is not in it.
 */
export function defences(names: readonly string[] = DEFENCES.map(({ name }) => name)): fc.Arbitrary<readonly string[]> {
  const all = DEFENCES.map(({ name }) => name);
  for (const name of names) indexOfName('Defence', name, all);
  return new ValueArbitrary<readonly string[]>({
    generate: (random) => {
      const left = [...names];
      const size = Math.min(weighted(random, SIZES), left.length);
      const chosen = Array.from({ length: size }, () => left.splice(random.nextInt(0, left.length - 1), 1)[0] ?? '');
      return chosen.sort((a, b) => all.indexOf(a) - all.indexOf(b));
    },
    smaller: (chosen) =>
      chosen.length === 0 ? [] : [[], ...(chosen.length === 1 ? [] : chosen.map((_, i) => chosen.toSpliced(i, 1)))],
    is: (value): value is readonly string[] =>
      Array.isArray(value) && value.every((name) => all.includes(String(name))),
  });
}
