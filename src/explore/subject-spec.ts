// What to explore, as data: a scenario of the kernel or a program of the catalogue, or what a file holds, for other
// threads and for files.
import { readFileSync } from 'node:fs';
import { lockingIdentity } from '../machine/design.ts';
import { UsageError, nearest } from '../machine/usage-error.ts';
import type { About } from './explore.ts';
import type { KernelSpec } from './kernel-setup.ts';
import { KernelSubject } from './kernel-subject.ts';
import { checkProgram } from './options.ts';
import type { MemoryModel, Program } from './program.ts';
import { PROGRAMS } from './programs/registry.ts';
import { ProgramSubject } from './program-subject.ts';
import { kernelAbout } from './target.ts';
import type { Target } from './target.ts';
import { LESSONS, SCENARIOS, scenarioNamed, specOf } from './scenarios.ts';
import type { ScenarioOptions } from './scenarios.ts';
import type { Subject } from './subject.ts';
import { fingerprint } from './token.ts';

/** A scenario or program by name, and how it is to be run; or what a file holds. */
export interface SubjectSpec {
  readonly name: string;
  /** For scenarios of the kernel. */
  readonly options?: ScenarioOptions;
  /** For programs that have a size. */
  readonly size?: number;
  /** Programs for the kernel from a file: the name only says what they are called. */
  readonly kernel?: KernelSpec;
  /** URL of a module whose default export is a program over words. Functions can't be sent: each thread loads it. */
  readonly module?: string;
}

/** The spec of a target that was asked for under these options. */
export function specOfTarget(target: Target, options: ScenarioOptions, size?: number): SubjectSpec {
  const { name } = target;
  if (target.kind === 'kernel' && target.scenario === undefined) return { name, kernel: target.spec };
  if (target.kind === 'program' && target.module !== undefined) return { name, module: target.module };
  return { name, options, ...(size === undefined ? {} : { size }) };
}

/** Makes what a spec is of. Throws a UsageError that names what there is. */
export async function loadSubject(spec: SubjectSpec): Promise<Subject> {
  if (spec.module === undefined) return subjectOf(spec);
  return new ProgramSubject(await loadProgram(spec), spec.name);
}

/** The program that a spec is of. Throws a UsageError that names what there is. */
export async function loadProgram(spec: SubjectSpec): Promise<Program> {
  if (spec.module === undefined) return programOf(spec);
  const { default: program } = (await import(spec.module)) as { default: Program };
  checkProgram(program);
  return program;
}

/** Makes what a spec names, or the programs for the kernel that it holds. Throws a UsageError that names what there is. */
export function subjectOf(spec: SubjectSpec): Subject {
  const { name, options = {}, size, kernel } = spec;
  if (kernel !== undefined) return new KernelSubject(kernel);
  if ([...SCENARIOS, ...LESSONS].some((scenario) => scenario.name === name)) {
    return new KernelSubject(specOf(scenarioNamed(name), options));
  }
  return new ProgramSubject(programOf(spec), size === undefined ? name : `${name}(${String(size)})`);
}

/** The program of the catalogue that a spec names. Throws a UsageError that names what there is. */
export function programOf({ name, size }: SubjectSpec): Program {
  const entry = PROGRAMS.find((program) => program.name === name);
  if (entry === undefined) {
    const names = [...SCENARIOS, ...LESSONS, ...PROGRAMS].map((known) => known.name);
    throw new UsageError(
      `scenario '${name}' is not known: use one of ${names.join(', ')}, for example ${nearest(name, names)}`,
    );
  }
  const { parameter } = entry;
  if (size !== undefined && (parameter === undefined || size < parameter.least || size > parameter.most)) {
    const allowed =
      parameter === undefined
        ? 'it has no size: leave it out'
        : `give ${String(parameter.least)} to ${String(parameter.most)}, for example ${String(parameter.default)}`;
    throw new UsageError(`${name} of size ${String(size)}: ${allowed}`);
  }
  return entry.make(size);
}

/** How what a spec names is judged, and what its tokens are made for. */
export function aboutOf(spec: SubjectSpec, subject: Subject, memoryModel: MemoryModel): About {
  if (!(subject instanceof KernelSubject)) return { rules: {} };
  return kernelAbout(subject, spec.kernel ?? specOf(scenarioNamed(spec.name), spec.options), memoryModel);
}

/** A spec in one line: what a checkpoint is for. */
export function specText(spec: SubjectSpec): string {
  const { name, options = {}, size, kernel, module } = spec;
  // What a file holds may be another thing the next time.
  if (kernel !== undefined) return `${name} (${fingerprint(JSON.stringify(kernel))})`;
  if (module !== undefined) return `${name} (${fingerprint(readFileSync(new URL(module), 'utf8'))})`;
  const { cpus, locking, lock, without = [] } = options;
  const parts = [
    size === undefined ? name : `${name}(${String(size)})`,
    cpus === undefined ? '' : `${String(cpus)} CPUs`,
    locking === undefined ? '' : `locking ${lockingIdentity(locking)}`,
    lock === undefined ? '' : `lock ${lock}`,
    without.length === 0 ? '' : `without ${[...without].sort().join(',')}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}
