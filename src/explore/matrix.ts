// The defence matrix: each defence taken away in a scenario that is made for it, and what is then found.
import { DEFENCES } from '../kernel/defences.ts';
import type { Defence } from '../kernel/defences.ts';
import { indexOfName } from '../machine/usage-error.ts';
import type { Exploration } from './explore.ts';
import { SCENARIOS } from './scenarios.ts';
import type { Scenario } from './scenarios.ts';
import { exploreTarget, targetNamed } from './target.ts';
import type { KernelTarget } from './target.ts';

/** Seconds that one search may take: every one of the catalogue takes far less. */
const SECONDS = 60;

/** One defence, gone. */
export interface MatrixRow {
  readonly defence: Defence;
  readonly scenario: Scenario;
  readonly target: KernelTarget;
  readonly exploration: Exploration;
}

/** The defence of that name. Throws a UsageError that names those there are. */
export function defenceNamed(name: string): Defence {
  const names = DEFENCES.map((defence) => defence.name);
  return DEFENCES[indexOfName('Defence', name, names)]!;
}

/** The scenarios that put a defence to the test; the first is the plainest. */
export function scenariosOf(defence: Defence): Scenario[] {
  return SCENARIOS.filter(({ defences }) => Object.hasOwn(defences, defence.name));
}

/** Explores a scenario without a defence; undefined where no scenario is made for it. */
export function matrixRow(defence: Defence): MatrixRow | undefined {
  const [scenario] = scenariosOf(defence);
  if (scenario === undefined) return undefined;
  const target = targetNamed(scenario.name, { without: [defence.name] });
  return { defence, scenario, target, exploration: exploreTarget(target, { seconds: SECONDS }) };
}
