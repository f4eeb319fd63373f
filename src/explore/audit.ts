// Checks a search against itself: that it explored no behaviour twice, and, where it is feasible to try every schedule,
// that it missed none.
import { TooManyProcsError } from './dpor.ts';
import type { Execution } from './execution.ts';
import { footprintsConflict } from './footprint.ts';
import type { Footprint } from './footprint.ts';
import { firstWidth, withWidth } from './frontier.ts';
import { Trace } from './trace.ts';

/** Steps that are run at most to count what was missed: some ten seconds, and enough for the smallest kernel scenarios. */
const MAX_STEPS = 3_000_000;

/** What an audit found. */
export interface Audit {
  /** Executions whose behaviour had been explored before. */
  readonly duplicates: number;
  /** Behaviours that the search did not reach; undefined: they were not counted. */
  readonly missed: number | undefined;
  /** Schedules that were run to count them. */
  readonly schedules: number;
  /** Why they were not counted. */
  readonly why: string | undefined;
}

/**
 * The behaviour of an execution as text: every access by its proc, and after how many accesses of each other proc that it
 * depends on it came. Executions have the same form exactly if they differ in the order of independent accesses alone.
 * Barriers are no part of it: one with nothing to wait for is no step, so the same behaviour may have it or not.
 */
export function canonicalForm(trace: Trace): string {
  const accesses: Access[] = [];
  const ofProc: number[] = [];
  const forms: string[][] = [];
  for (let event = 0; event < trace.length; event++) {
    const step = trace.footprint(event);
    if (step.width === 0) continue;
    const { proc } = step;
    const after: number[] = [];
    for (const earlier of accesses) {
      if (earlier.step.proc !== proc && footprintsConflict(earlier.step, step))
        after[earlier.step.proc] = earlier.index;
    }
    const index = (ofProc[proc] ?? 0) + 1;
    ofProc[proc] = index;
    accesses.push({ step, index });
    (forms[proc] ??= []).push(`${String(step.cls)}@${String(step.word)}${after.map(afterText).join('')}`);
  }
  return forms.map((ofOne, proc) => `${String(proc)}: ${ofOne.join(' ')}`).join('; ');
}

/** An access, and how many of its proc there were with it. */
interface Access {
  readonly step: Footprint;
  readonly index: number;
}

function afterText(index: number, proc: number): string {
  return `,${String(proc)}.${String(index)}`;
}

/** How many behaviours there are that were not found. */
export function missedBehaviours(found: ReadonlySet<string>, all: ReadonlySet<string>): number {
  let missed = 0;
  for (const behaviour of all) if (!found.has(behaviour)) missed += 1;
  return missed;
}

/**
 * Audits a search that has explored `executions` executions with the behaviours in `found`. Every schedule is run on
 * `execution`, of the same subject and with its procs in the same order, if there are no more than `most`.
 */
export function audit(found: ReadonlySet<string>, executions: number, execution: Execution, most: number): Audit {
  const duplicates = executions - found.size;
  const every = withWidth(execution, firstWidth(execution), (width) => {
    const schedules = new EverySchedule(execution, width);
    schedules.run(most);
    return schedules;
  });
  const { schedules, isFinished } = every;
  if (isFinished) {
    return { duplicates, missed: missedBehaviours(found, every.behaviours), schedules, why: undefined };
  }
  const bound = schedules > most ? `${english(most)} schedules` : `${english(MAX_STEPS)} steps`;
  const why = `too large to re-count by brute force: over ${bound}`;
  return { duplicates, missed: undefined, schedules, why };
}

/** The audit of a search that did not end: there is nothing to compare with. */
export function auditOfPart(found: ReadonlySet<string>, executions: number): Audit {
  return {
    duplicates: executions - found.size,
    missed: undefined,
    schedules: 0,
    why: 'the search ended before all was explored',
  };
}

function english(count: number): string {
  return count.toLocaleString('en');
}

/** All schedules, depth first, and what behaviours they show. */
class EverySchedule {
  readonly behaviours = new Set<string>();
  /** Schedules that were begun. */
  schedules = 0;
  isFinished = false;
  private readonly execution: Execution;
  private readonly trace: Trace;
  /** Per depth: the procs not yet tried, the current one last. */
  private readonly choices: number[][] = [];
  private steps = 0;

  constructor(execution: Execution, width: number) {
    this.execution = execution;
    this.trace = new Trace(execution, width);
  }

  /** Runs schedules until all were, or more than `most`, or too many steps. */
  run(most: number): void {
    while (!this.isFinished && this.steps <= MAX_STEPS) {
      this.schedules += 1;
      if (this.schedules > most) return;
      this.runOnce();
      this.behaviours.add(canonicalForm(this.trace));
      this.steps += this.execution.steps;
      this.backtrack();
    }
  }

  private runOnce(): void {
    const { execution, trace, choices } = this;
    execution.restart();
    for (let depth = 0; depth < trace.length; depth++) execution.take(trace.procOf(depth));
    while (!execution.overran) {
      const depth = trace.length;
      const open = (choices[depth] ??= this.enabled());
      const proc = open[open.length - 1];
      if (proc === undefined) return;
      execution.take(proc);
      if (execution.procs > trace.width) throw new TooManyProcsError();
      trace.push(execution.taken);
    }
  }

  /** The procs that can go, the first one last. */
  private enabled(): number[] {
    const enabled: number[] = [];
    for (let proc = this.execution.procs - 1; proc >= 0; proc--) {
      if (this.execution.isEnabled(proc)) enabled.push(proc);
    }
    return enabled;
  }

  private backtrack(): void {
    const { trace, choices } = this;
    choices.length = trace.length;
    // Races are found on the way; nobody reverses them here.
    trace.takeRaces(false);
    while (trace.length > 0) {
      trace.pop();
      const open = choices[trace.length]!;
      open.pop();
      if (open.length > 0) return;
      choices.length = trace.length;
    }
    this.isFinished = true;
  }
}
