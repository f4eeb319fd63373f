// The levels of the campaign: what runs, what is to be reached, and what is to be learnt from it. Data only; what a
// reader has reached is in campaign.ts.
//
// Each has a schedule that reaches its goal. The explorer found it; a test replays it, so that a kernel whose steps have
// changed says so.
import { UsageError, nearest } from '../../machine/usage-error.ts';
import { FAULT_LEVELS } from './levels-faults.ts';
import { OTHER_LEVELS } from './levels-others.ts';
import type { Plan } from './plan.ts';
import type { Mode } from './session.ts';

/**
 * What is to be reached. `break`: one of the judges speaks, of so many things at least. `hold`: the execution ends, and
 * nothing is wrong. `claim`: no schedule breaks it, which the reader says and the explorer checks.
 */
export type Goal =
  | { readonly kind: 'break'; readonly judges: readonly string[]; readonly least?: number }
  | { readonly kind: 'hold' }
  | { readonly kind: 'claim' };

/** One answer to a level's question, and what it means to give it. */
export interface Answer {
  readonly text: string;
  readonly isRight: boolean;
  readonly means: string;
}

/** One level. */
export interface Level {
  /** Its name in links. */
  readonly id: string;
  readonly title: string;
  readonly plan: Plan;
  readonly mode: Mode;
  /** What runs. */
  readonly story: string;
  readonly goal: Goal;
  /** The goal in words, as an order. */
  readonly task: string;
  /** To be guessed before anything runs. */
  readonly question: string;
  readonly answers: readonly Answer[];
  readonly hint: string;
  /** A schedule that reaches the goal; of a claim, one that comes as close to breaking it as there is. */
  readonly schedule: string;
  /** What there was to learn. */
  readonly lesson: string;
  /** Name of the defence that v6.8 has here; undefined: `where` and `evidence` stand for it. */
  readonly defence?: string;
  readonly where?: string;
  readonly evidence?: string;
}

/** All levels, in the order they are played. */
export const LEVELS: readonly Level[] = [...FAULT_LEVELS, ...OTHER_LEVELS];

/** The level of that name. Throws a UsageError that names those there are. */
export function levelNamed(id: string): Level {
  const found = LEVELS.find((level) => level.id === id);
  if (found !== undefined) return found;
  const ids = LEVELS.map((level) => level.id);
  throw new UsageError(`There is no level '${id}': there are ${ids.join(', ')}; did you mean '${nearest(id, ids)}'?`);
}
