// The same programs on real threads: thousands of rounds of a plan, at full speed, counted.
//
// It runs in a thread of its own that starts the CPUs' threads, since booting and judging take longer than a page may
// stand still.
import { runRounds } from '../../stress/case-rounds.ts';
import { targetOf } from './plan.ts';
import type { Plan } from './plan.ts';

/** Some rounds of a plan. */
export interface RaceRequest {
  readonly plan: Plan;
  readonly rounds: number;
}

/** What came of them. */
export interface RaceBatch {
  readonly rounds: number;
  /** Times that something was lost, as the judge that says most to a user counts them. */
  readonly losses: number;
  /** What was found, one sentence. */
  readonly message: string | undefined;
}

/** Longest time of one batch, in milliseconds. */
const LIMIT_MS = 20_000;

/** Runs one batch on as many threads as the plan has CPUs. Throws a UsageError for programs that can't be repeated. */
export async function raceBatch({ plan, rounds }: RaceRequest): Promise<RaceBatch> {
  const { spec } = targetOf(plan);
  const { setup, programs, config = {} } = spec;
  const { locking, without } = config;
  const race = {
    setup,
    programs,
    config: { ...(locking === undefined ? {} : { locking }), ...(without === undefined ? {} : { without }) },
  };
  const seen = await runRounds(race, { rounds, limitMs: LIMIT_MS });
  if (seen === undefined) return { rounds, losses: 0, message: undefined };
  const { finding } = seen;
  return { rounds: seen.rounds, losses: seen.count, message: finding.message };
}
