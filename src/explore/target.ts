// What a command explores or replays: a kernel scenario, or a program over words, under one set of options.
//
// Tokens of kernel scenarios say what they were made for, so that one that is replayed under other options is refused,
// with those that it wants.
import type { Finding } from '../check/finding.ts';
import { LOCKING_DESIGNS } from '../kernel/mm/flags.ts';
import { DEFENCES } from '../kernel/defences.ts';
import * as layoutModule from '../kernel/layout.ts';
import type { Machine } from '../machine/boot.ts';
import { lockingIdentity } from '../machine/design.ts';
import { UsageError } from '../machine/usage-error.ts';
import { kernelRules } from './benign-races.ts';
import { explore, exploreSubject, replay, replaySubject } from './explore.ts';
import type { About, Exploration, Replay, ReplayOptions } from './explore.ts';
import type { KernelSpec } from './kernel-setup.ts';
import { KernelSubject } from './kernel-subject.ts';
import type { JudgeRules } from './judges.ts';
import type { ExploreOptions } from './options.ts';
import { MEMORY_MODELS } from './program.ts';
import type { MemoryModel, Program } from './program.ts';
import type { Watch } from './recorder.ts';
import { LESSONS, SCENARIOS, scenarioNamed, specOf } from './scenarios.ts';
import type { Scenario, ScenarioOptions } from './scenarios.ts';
import { fingerprint, parseToken } from './token.ts';

/** The kernel on its machine. */
export interface KernelTarget {
  readonly kind: 'kernel';
  readonly name: string;
  readonly spec: KernelSpec;
  readonly scenario: Scenario | undefined;
}

/** A program over words. */
export interface ProgramTarget {
  readonly kind: 'program';
  readonly name: string;
  readonly program: Program;
  /** URL of the module that it is from. */
  readonly module?: string;
}

export type Target = KernelTarget | ProgramTarget;

/** A scenario of the catalogue as a target. Throws a UsageError for a name or options that there are not. */
export function targetNamed(name: string, options: ScenarioOptions = {}): KernelTarget {
  const scenario = scenarioNamed(name);
  return { kind: 'kernel', name, spec: specOf(scenario, options), scenario };
}

/** The memory model that a target is explored under where none is asked for. */
export function defaultModel(target: Target): MemoryModel {
  return target.kind === 'kernel' ? (target.scenario?.memoryModel ?? 'sc') : 'sc';
}

/** Version of what a schedule of weak memory names: the first word of a store that others see. */
const WEAK_VERSION = 2;

/** Where everything lies in a small machine, as a fingerprint of it. */
const LAYOUT: string = fingerprint(
  JSON.stringify([
    WEAK_VERSION,
    Object.entries(layoutModule).filter(([, value]) => typeof value !== 'function'),
    layoutModule.layout({
      cpus: 2,
      frames: 256,
      max_vmas: 16,
      max_mms: 4,
      max_memcgs: 16,
      maple_nodes: 16,
      design_words: 16,
    }),
  ]),
);

/**
 * What the tokens of a kernel target are made for. Under weak memory they name words by number, so that a token of another
 * layout would take out another store.
 */
function identityOf(spec: KernelSpec, memoryModel: MemoryModel): string {
  const { locking = 'split', without = [] } = spec.config ?? {};
  const programs = fingerprint(JSON.stringify([spec.setup, spec.programs]));
  const off = [...without].sort().join(',');
  return `${spec.name} ${String(spec.programs.length)} ${programs} ${lockingIdentity(locking)} ${off} ${memoryModel}${memoryModel === 'sc' ? '' : ` ${LAYOUT}`}`;
}

/** How a kernel target is judged, and what its tokens are made for. */
export function kernelAbout(subject: KernelSubject, spec: KernelSpec, memoryModel: MemoryModel): About {
  return { rules: kernelRules(subject.machine), identity: identityOf(spec, memoryModel) };
}

/** Explores a target. */
export function exploreTarget(target: Target, options: ExploreOptions = {}): Exploration {
  if (target.kind === 'program') return explore(target.program, options);
  const memoryModel = options.memoryModel ?? defaultModel(target);
  const subject = new KernelSubject(target.spec);
  return exploreSubject(subject, { ...options, memoryModel }, kernelAbout(subject, target.spec, memoryModel));
}

/** A schedule of a target, replayed. */
export interface TargetReplay extends Replay {
  /** All that the machine's judges say. */
  readonly findings: readonly Finding[];
  /** What people call a word. */
  readonly nameOf: (word: number) => string;
  /** The machine as it ended. */
  readonly machine: Machine | undefined;
  /** How words and locks were judged. */
  readonly rules: JudgeRules;
}

/** Replays a schedule of a target. `watch` says what of the machine is looked at after each step. */
export function replayTarget(
  target: Target,
  token: string,
  options: ReplayOptions = {},
  watch: (machine: Machine) => readonly Watch[] = () => [],
): TargetReplay {
  if (target.kind === 'program') {
    const { names } = target.program;
    const nameOf = (word: number): string => names?.words?.[word] ?? `word ${String(word)}`;
    return { ...replay(target.program, token, options), findings: [], nameOf, machine: undefined, rules: {} };
  }
  const memoryModel = options.memoryModel ?? defaultModel(target);
  refuseOthers(target, memoryModel, token);
  const subject = new KernelSubject(target.spec);
  const about = kernelAbout(subject, target.spec, memoryModel);
  const replayed = replaySubject(subject, token, { ...options, memoryModel }, about, watch(subject.machine));
  const findings =
    replayed.record.end === 'complete' && replayed.record.errors.length === 0 ? subject.verdict().findings : [];
  const { machine } = subject;
  return { ...replayed, findings, nameOf: (word) => subject.nameOf(word), machine, rules: about.rules ?? {} };
}

/** A schedule of a target as a token that says what it was made for. */
export function tokenFor(target: KernelTarget, memoryModel: MemoryModel, schedule: string): string {
  return `${schedule}.${fingerprint(identityOf(target.spec, memoryModel))}`;
}

/** Refuses a token that says that it was made for something else, and says for what if that can be found. */
export function refuseOthers(target: KernelTarget, memoryModel: MemoryModel, token: string): void {
  const wanted = parseToken(token).fingerprint;
  if (wanted === undefined || wanted === fingerprint(identityOf(target.spec, memoryModel))) return;
  const options = optionsOf(wanted, target);
  throw new UsageError(
    options === undefined
      ? `the token ${token} was made by another version, or for options that are not known: explore again`
      : `the token ${token} was made for other options: give ${options}`,
  );
}

/** The options that a fingerprint was made for, tried one after another; those of the target's scenario first. */
function optionsOf(wanted: string, { name: first, spec: asked }: KernelTarget): string | undefined {
  const scenarios = [...SCENARIOS, ...LESSONS].sort((a, b) => Number(b.name === first) - Number(a.name === first));
  const sets = [[], ...DEFENCES.map(({ name }) => [name]), ['ptl', 'pte_recheck']];
  const own = asked.config?.locking ?? 'split';
  const designs = [...new Set([own, ...LOCKING_DESIGNS.map(({ name }) => name)])];
  for (const scenario of scenarios) {
    for (const cpus of scenario.cpus) {
      for (const locking of designs) {
        for (const without of sets) {
          const spec = specOf(scenario, { cpus, locking, without });
          const memoryModel = MEMORY_MODELS.find((model) => fingerprint(identityOf(spec, model)) === wanted);
          if (memoryModel === undefined) continue;
          const { name } = scenario;
          return `--scenario ${name} ${optionText({ cpus, locking, without, memoryModel })}`;
        }
      }
    }
  }
  return undefined;
}

/** Options as they are typed; without those that are as if nothing were typed, but for the CPUs. */
export function optionText(options: ScenarioOptions & { readonly memoryModel?: MemoryModel }): string {
  const { cpus, locking = 'split', lock = 'qspinlock', without = [], memoryModel } = options;
  return [
    cpus === undefined ? '' : `--cpus ${String(cpus)}`,
    locking === 'split' ? '' : `--locking ${locking}`,
    lock === 'qspinlock' ? '' : `--lock ${lock}`,
    without.length === 0 ? '' : `--without ${without.join(',')}`,
    memoryModel === undefined ? '' : `--memory-model ${memoryModel}`,
  ]
    .filter((text) => text !== '')
    .join(' ');
}
