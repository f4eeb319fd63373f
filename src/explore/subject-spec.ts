// What to explore, as data: a scenario of the kernel or a program of the catalogue, for other threads and for files.
import { UsageError, nearest } from '../machine/usage-error.ts';
import { KernelSubject } from './kernel-subject.ts';
import type { About } from './explore.ts';
import type { MemoryModel, Program } from './program.ts';
import { PROGRAMS } from './programs/registry.ts';
import { ProgramSubject } from './program-subject.ts';
import { kernelAbout } from './target.ts';
import { SCENARIOS, scenarioNamed, specOf } from './scenarios.ts';
import type { ScenarioOptions } from './scenarios.ts';
import type { Subject } from './subject.ts';

/** A scenario or program by name, and how it is to be run. */
export interface SubjectSpec {
  readonly name: string;
  /** For scenarios of the kernel. */
  readonly options?: ScenarioOptions;
  /** For programs that have a size. */
  readonly size?: number;
}

/** Makes what a spec names. Throws a UsageError that names what there is. */
export function subjectOf(spec: SubjectSpec): Subject {
  const { name, options = {}, size } = spec;
  if (SCENARIOS.some((scenario) => scenario.name === name)) {
    return new KernelSubject(specOf(scenarioNamed(name), options));
  }
  return new ProgramSubject(programOf(spec), size === undefined ? name : `${name}(${String(size)})`);
}

/** The program of the catalogue that a spec names. Throws a UsageError that names what there is. */
export function programOf({ name, size }: SubjectSpec): Program {
  const entry = PROGRAMS.find((program) => program.name === name);
  if (entry === undefined) {
    const names = [...SCENARIOS, ...PROGRAMS].map((known) => known.name);
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
  return kernelAbout(subject, specOf(scenarioNamed(spec.name), spec.options), memoryModel);
}

/** A spec in one line: what a checkpoint is for. */
export function specText(spec: SubjectSpec): string {
  const { name, options = {}, size } = spec;
  const { cpus, locking, lock, without = [] } = options;
  const parts = [
    size === undefined ? name : `${name}(${String(size)})`,
    cpus === undefined ? '' : `${String(cpus)} CPUs`,
    locking === undefined ? '' : `locking ${locking}`,
    lock === undefined ? '' : `lock ${lock}`,
    without.length === 0 ? '' : `without ${[...without].sort().join(',')}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}
