// Explorations of the kernel for tests: every end that a search reaches, by digest, and the judges that spoke.
import { Dpor } from '../../src/explore/dpor.ts';
import { Execution } from '../../src/explore/execution.ts';
import { KernelSubject } from '../../src/explore/kernel-subject.ts';
import type { MemoryModel } from '../../src/explore/program.ts';
import { Random } from '../../src/explore/random.ts';
import { scenarioNamed, specOf } from '../../src/explore/scenarios.ts';
import type { ScenarioOptions } from '../../src/explore/scenarios.ts';

/** Clock entries for store buffers under weak memory: more words than a scenario's CPUs share. */
const DRAINS = 64;

export interface Found {
  subject: KernelSubject;
  execution: Execution;
  executions: number;
  blocked: number;
  /** Everything was explored. */
  finished: boolean;
  ends: Set<string>;
  judges: Set<string>;
  /** Executions that did not come to their end: why. */
  broken: string[];
}

export interface Limits {
  model?: MemoryModel;
  executions?: number;
  /** Ends the search once one of these judges has spoken. */
  until?: readonly string[];
}

export function subjectOf(name: string, options: ScenarioOptions = {}): KernelSubject {
  return new KernelSubject(specOf(scenarioNamed(name), options));
}

/** Looks at the execution that has just ended. */
function look(found: Found): void {
  const { execution, subject } = found;
  if (execution.overran) found.broken.push('livelock');
  else if (execution.errors.length > 0) found.broken.push(execution.errors.map(({ message }) => message).join());
  else if (!execution.isOver()) {
    found.broken.push('deadlock');
    found.judges.add('deadlock');
  } else {
    found.ends.add(subject.endDigest());
    for (const { judge } of subject.verdict().findings) found.judges.add(judge);
  }
}

/** Explores by DPOR, beginning again while more words turn out to be shared. */
export function exploreAll(subject: KernelSubject, limits: Limits = {}): Found {
  const { model = 'sc', executions = 20_000, until = [] } = limits;
  const execution = new Execution(subject, model);
  const width = subject.cpus.length + (model === 'sc' ? 0 : DRAINS);
  for (;;) {
    const dpor = new Dpor(execution, width);
    const found: Found = {
      subject,
      execution,
      executions: 0,
      blocked: 0,
      finished: false,
      ends: new Set(),
      judges: new Set(),
      broken: [],
    };
    dpor.run(() => {
      look(found);
      return until.some((judge) => found.judges.has(judge)) ? 'stop' : 'go on';
    }, executions);
    if (execution.discovered) continue;
    found.executions = dpor.executions;
    found.blocked = dpor.blocked;
    found.finished = dpor.isFinished;
    return found;
  }
}

/** Ends that random schedules reach; `run` is how long a CPU goes on for, about. */
export function randomEnds(subject: KernelSubject, execution: Execution, schedules: number, seed: number): Set<string> {
  const random = new Random(seed);
  const ends = new Set<string>();
  for (let n = 0; n < schedules; n++) {
    const run = 1 + (n % 16);
    let current = -1;
    execution.restart();
    for (;;) {
      const enabled = Array.from({ length: execution.procs }, (_, proc) => proc).filter((proc) =>
        execution.isEnabled(proc),
      );
      if (enabled.length === 0) break;
      if (!enabled.includes(current) || random.below(run) === 0) current = enabled[random.below(enabled.length)]!;
      execution.take(current);
    }
    ends.add(subject.endDigest());
  }
  return ends;
}
