// gangProperty: a fast-check property on real threads. What threads show, the explorer explains: from then on it judges,
// so that programs shrink by a judge that always says the same.
import fc from 'fast-check';
import { wholeIn } from './operations.ts';
import { runRounds } from '../stress/case-rounds.ts';
import { judgeEnd } from './race-end.ts';
import { checkCaseOptions, exploreCase } from './race-case.ts';
import type { CaseOptions, RaceCase } from './race-case.ts';
import type { RaceBody } from './race-end.ts';
import { RaceFailure } from './race-failure.ts';
import type { Sighting } from '../stress/case-rounds.ts';
import { raceCases } from './race-property.ts';
import type { RaceArbitraries } from './race-property.ts';

/** How cases are run on threads, and explored once one has failed there; everything has a default. */
export interface GangPropertyOptions extends CaseOptions {
  /** Rounds of a case in one task: 1 to 5,000, default 200; fewer of cases for which a machine would be too large. */
  readonly rounds?: number;
  /** Milliseconds for the rounds of a case, default 20,000. */
  readonly limitMs?: number;
  /** Schedules among which an explanation of what threads showed is looked for, default 500. */
  readonly explanations?: number;
}

const DEFAULT_ROUNDS = 200;
const MAX_ROUNDS = 5000;
const DEFAULT_LIMIT_MS = 20_000;
const MAX_LIMIT_MS = 3_600_000;
const DEFAULT_EXPLANATIONS = 500;

/**
 * Cases, each smaller one with what threads showed of the one that it was made from. Threads can't be asked about it:
 * they may show nothing this time.
 */
class SeenCases extends fc.Arbitrary<RaceCase> {
  private readonly cases: fc.Arbitrary<RaceCase>;
  private readonly sightings = new WeakMap<RaceCase, Sighting>();

  constructor(cases: fc.Arbitrary<RaceCase>) {
    super();
    this.cases = cases;
  }

  sightingOf(race: RaceCase): Sighting | undefined {
    return this.sightings.get(race);
  }

  saw(race: RaceCase, sighting: Sighting): void {
    this.sightings.set(race, sighting);
  }

  override generate(random: fc.Random, bias: number | undefined): fc.Value<RaceCase> {
    return this.cases.generate(random, bias);
  }

  override canShrinkWithoutContext(value: unknown): value is RaceCase {
    return this.cases.canShrinkWithoutContext(value);
  }

  override shrink(race: RaceCase, context?: unknown): fc.Stream<fc.Value<RaceCase>> {
    const sighting = this.sightings.get(race);
    return this.cases.shrink(race, context).map((smaller) => {
      if (sighting !== undefined) this.sightings.set(smaller.value_, sighting);
      return smaller;
    });
  }
}

/**
 * The property that every case holds in all rounds on real threads: the machine's judges find nothing, and `body`, asked
 * after each round, neither throws nor returns false. Fails with a RaceFailure, which says what was seen, and by which
 * schedule it is explained. Threads and the explorer are judged by the same. Throws a UsageError for options that make no
 * sense.
 */
export function gangProperty(
  arbitraries: RaceArbitraries = {},
  body?: RaceBody,
  options: GangPropertyOptions = {},
): fc.IAsyncPropertyWithHooks<[RaceCase]> {
  const { rounds = DEFAULT_ROUNDS, limitMs = DEFAULT_LIMIT_MS, explanations = DEFAULT_EXPLANATIONS, ...rest } = options;
  checkCaseOptions(rest);
  const gang = {
    rounds: wholeIn('rounds', rounds, 1, MAX_ROUNDS, DEFAULT_ROUNDS),
    limitMs: wholeIn('limitMs', limitMs, 1, MAX_LIMIT_MS, DEFAULT_LIMIT_MS),
  };
  const explaining: CaseOptions = {
    ...rest,
    schedules: wholeIn('explanations', explanations, 1, 1e6, DEFAULT_EXPLANATIONS),
  };
  const cases = new SeenCases(raceCases(arbitraries));
  return fc.asyncProperty(cases, async (race) => {
    const before = cases.sightingOf(race);
    if (before !== undefined) {
      const { failure } = exploreCase(race, rest, body);
      if (failure !== undefined) throw new RaceFailure({ race, found: failure, options: rest, body, sighting: before });
      return;
    }
    const sighting = await (body === undefined
      ? runRounds(race, gang)
      : runRounds(race, gang, (round) => judgeEnd(body, { race, ...round })));
    if (sighting === undefined) return;
    cases.saw(race, sighting);
    const { failure, executions } = exploreCase(race, explaining, body);
    throw new RaceFailure({ race, found: failure, options: rest, body, sighting, tried: executions });
  });
}
