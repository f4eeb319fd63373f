// What the lab runs: a scenario of the catalogue under one set of options, as everything that is shared names it.
import { DEFENCES } from '../../kernel/defences.ts';
import { LOCKING_DESIGNS } from '../../kernel/mm/flags.ts';
import { MEMORY_MODELS } from '../../explore/program.ts';
import type { MemoryModel } from '../../explore/program.ts';
import { scenarioNamed } from '../../explore/scenarios.ts';
import { defaultModel, optionText, targetNamed } from '../../explore/target.ts';
import type { KernelTarget } from '../../explore/target.ts';
import { UsageError, indexOfName } from '../../machine/usage-error.ts';

/** One thing to run. */
export interface Plan {
  readonly scenario: string;
  readonly cpus: number;
  readonly locking: string;
  /** Defences that are off, in the order of the catalogue. */
  readonly without: readonly string[];
  readonly memoryModel: MemoryModel;
}

/** A plan with the defaults of its scenario. Throws a UsageError for what does not exist. */
export function planOf(partial: Partial<Plan> & Pick<Plan, 'scenario'>): Plan {
  const scenario = scenarioNamed(partial.scenario);
  const [fewest] = scenario.cpus;
  const { cpus = fewest, locking = 'split', without = [], memoryModel } = partial;
  if (!scenario.cpus.includes(cpus)) {
    throw new UsageError(
      `${scenario.name} is for ${scenario.cpus.join(' or ')} CPUs, not ${String(cpus)}, for example ${String(fewest)}`,
    );
  }
  indexOfName(
    'Locking design',
    locking,
    LOCKING_DESIGNS.map(({ name }) => name),
  );
  const defences = DEFENCES.map(({ name }) => name);
  for (const name of without) indexOfName('Defence', name, defences);
  const model = memoryModel ?? scenario.memoryModel ?? 'sc';
  indexOfName('Memory model', model, MEMORY_MODELS);
  return {
    scenario: scenario.name,
    cpus,
    locking,
    without: defences.filter((name) => without.includes(name)),
    memoryModel: model,
  };
}

/** A plan as what the explorer takes. */
export function targetOf({ scenario, cpus, locking, without }: Plan): KernelTarget {
  return targetNamed(scenario, { cpus, locking, without });
}

/** The command that replays a schedule of a plan in a terminal. */
export function replayCommand(plan: Plan, token: string): string {
  const target = targetOf(plan);
  const isDefault = plan.memoryModel === defaultModel(target);
  const { memoryModel, ...rest } = plan;
  const options = optionText(isDefault ? rest : { ...rest, memoryModel });
  return `pagerace replay ${token} --scenario ${plan.scenario} ${options}`.trim();
}
