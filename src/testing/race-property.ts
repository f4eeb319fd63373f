// raceProperty: a fast-check property that runs every generated case under the explorer, and shrinks both.
//
// It is a property, not a function to be awaited: fc.assert, fc.check, seeds, paths, examples and plugins then work as
// for any other, and fast-check shrinks programs, which is what it is good at. Schedules are shrunk inside, by the
// explorer, once, for the smallest program.
import fc from 'fast-check';
import type { MachineConfig } from '../machine/config.ts';
import { cpuPrograms } from './arbitraries.ts';
import { checkCaseOptions, exploreCase } from './race-case.ts';
import type { CaseOptions, RaceCase } from './race-case.ts';
import type { RaceBody } from './race-end.ts';
import { RaceFailure } from './race-failure.ts';
import type { RacePrograms } from './smaller-programs.ts';
import { always } from './value-arbitrary.ts';

/** What cases are made of: arbitraries, or the one value. */
export interface RaceArbitraries {
  /** Default: cpuPrograms(). */
  readonly programs?: fc.Arbitrary<RacePrograms> | RacePrograms;
  /** Default: the default machine. */
  readonly config?: fc.Arbitrary<Partial<MachineConfig>> | Partial<MachineConfig>;
  /** Defences that are off; default: none. */
  readonly without?: fc.Arbitrary<readonly string[]> | readonly string[];
}

/** Cases, put together; they shrink in all their parts. */
export function raceCases(arbitraries: RaceArbitraries = {}): fc.Arbitrary<RaceCase> {
  const { programs = cpuPrograms(), config = {}, without = [] } = arbitraries;
  return fc
    .tuple(arbitraryOf(programs), arbitraryOf(without), arbitraryOf(config))
    .map(([{ setup, programs: ops }, off, rest]) => caseOf(setup, ops, off, rest), partsOf);
}

function caseOf(
  setup: RaceCase['setup'],
  programs: RaceCase['programs'],
  without: readonly string[],
  config: Partial<MachineConfig>,
): RaceCase {
  const all = { ...config, ...(without.length === 0 ? {} : { without }) };
  return { setup, programs, ...(Object.keys(all).length === 0 ? {} : { config: all }) };
}

/** The parts of a case that somebody gives. */
function partsOf(value: unknown): [RacePrograms, readonly string[], Partial<MachineConfig>] {
  if (typeof value !== 'object' || value === null || !('programs' in value)) throw new Error('it is no case');
  const { setup, programs, config = {} } = value as RaceCase;
  const { without = [], ...rest } = config;
  return [{ setup, programs }, without, rest];
}

function arbitraryOf<T>(given: fc.Arbitrary<T> | T): fc.Arbitrary<T> {
  return given instanceof fc.Arbitrary ? given : always(given);
}

/**
 * The property that every case holds under every schedule that is tried: the machine's judges find nothing, and `body`,
 * asked at the end of each execution, neither throws nor returns false. Fails with a RaceFailure, whose message has the
 * smallest program and schedule. Throws a UsageError for options that make no sense.
 */
export function raceProperty(
  arbitraries: RaceArbitraries = {},
  body?: RaceBody,
  options: CaseOptions = {},
): fc.IPropertyWithHooks<[RaceCase]> {
  checkCaseOptions(options);
  return fc.property(raceCases(arbitraries), (race) => {
    const { failure } = exploreCase(race, options, body);
    if (failure !== undefined) throw new RaceFailure({ race, found: failure, options, body });
  });
}
