// The verdict over a run: held, violated, not decided or stuck, with every finding and the bounds of what was looked at.
import { LOCK_CLASSES, header } from '../kernel/layout.ts';
import type { Machine } from '../machine/boot.ts';
import type { GangOutcome } from '../machine/gang.ts';
import type { SteppedOutcome } from '../machine/stepped.ts';
import { snapshot } from '../machine/snapshot.ts';
import { judgeEmpty, judgeSnapshot } from './invariants.ts';
import type { Finding } from './finding.ts';
import { decodeHistory, judgeUserMemory } from './user-memory.ts';
import type { MemoryEvent } from './user-memory.ts';

export type VerdictKind = 'held' | 'violated' | 'not decided' | 'stuck';

/** A run's verdict. */
export interface Verdict {
  kind: VerdictKind;
  findings: Finding[];
  /** What was looked at: said with every `held`. */
  bounds: string;
}

/** Exit code of a command that ends with this verdict. */
export function exitCodeOf(kind: VerdictKind): number {
  return { held: 0, violated: 1, 'not decided': 3, stuck: 124 }[kind];
}

/** Who waits for what held by whom, if the machine was called stuck. */
export function stuckFindings(machine: Machine): Finding[] {
  const w = machine.words;
  const cpu = (w[header.stuck_cpu] ?? 0) - 1;
  if (cpu < 0) return [];
  const lock = LOCK_CLASSES[w[header.stuck_class] ?? 0] ?? '?';
  const holder = (w[header.stuck_holder] ?? 0) - 1;
  const word = (w[header.stuck_word] ?? 0).toString(16);
  const held = holder >= 0 ? `held by CPU ${String(holder)}` : 'held by nobody it can name';
  const seconds = (machine.config.stuckMs / 1000).toFixed(1);
  const message = `BUG: soft lockup - CPU#${String(cpu)} stuck for ${seconds}s: waits for ${lock} (word 0x${word}) ${held}`;
  return [{ judge: 'stuck', message, details: [] }];
}

/** Events of every CPU of a run. */
export function eventsOf(outcomes: readonly { cpu: number; history: Float64Array }[]): MemoryEvent[] {
  return outcomes.flatMap((outcome) => decodeHistory(outcome.cpu, outcome.history));
}

/** What judges are asked about a run. */
export interface JudgeOptions {
  /** Loads and stores of the run, for the user-memory judge. */
  events?: readonly MemoryEvent[];
  /** End the process and look for leaks. The machine is empty afterwards. */
  exit?: boolean;
}

/** Judges a machine after a run, stepped or on threads: at rest, then, if asked, after exit. */
export function judge(machine: Machine, outcome: GangOutcome | SteppedOutcome, options: JudgeOptions = {}): Verdict {
  const stopped = stoppedFindings(machine, outcome);
  if (stopped.length > 0) {
    const stuck = stopped.every((finding) => finding.judge === 'stuck');
    return { kind: stuck ? 'stuck' : 'violated', findings: stopped, bounds: 'the run did not end' };
  }
  machine.settle();
  const first = snapshot(machine.buffer);
  const findings = judgeSnapshot(first);
  const memory = judgeUserMemory(options.events ?? []);
  findings.push(...memory.findings);
  if (options.exit === true) findings.push(...judgeAfterExit(machine, findings));
  const words = options.events === undefined ? '' : `, ${String(memory.locations)} words of user memory`;
  const bounds = `${String(machine.config.cpus)} CPUs, one run, all invariants at rest${words}`;
  if (findings.length > 0) return { kind: 'violated', findings, bounds };
  return { kind: memory.undecided > 0 ? 'not decided' : 'held', findings, bounds };
}

/** Deaths, deadlocks and waits without end. */
function stoppedFindings(machine: Machine, outcome: GangOutcome | SteppedOutcome): Finding[] {
  if ('deadlock' in outcome) {
    if (outcome.unfinished) return [{ judge: 'stuck', message: 'the run passed its bound on steps', details: [] }];
    if (outcome.deadlock.length === 0) return [];
    const details = outcome.deadlock.map(
      (w) => `CPU ${String(w.cpu)} waits for ${w.lockClass} (word 0x${w.word.toString(16)})`,
    );
    return [{ judge: 'stuck', message: 'deadlock: every CPU waits for another', details }];
  }
  const died = outcome.died.map((death): Finding => {
    const message = `CPU ${String(death.cpu)} died in the run: ${death.message}`;
    return { judge: 'died', message, details: [] };
  });
  const stuck = stuckFindings(machine);
  if (died.length > 0 || stuck.length > 0) return [...died, ...stuck];
  const stopped = outcome.cpus.filter((cpu) => cpu.status === 'stopped').length;
  return stopped > 0
    ? [{ judge: 'stuck', message: `the run was stopped before its end on ${String(stopped)} CPUs`, details: [] }]
    : [];
}

/** Ends the process; new findings are what the exit itself reports and what is left. */
function judgeAfterExit(machine: Machine, before: readonly Finding[]): Finding[] {
  machine.exit();
  const after = snapshot(machine.buffer);
  const known = new Set(before.map((finding) => finding.message));
  return [...judgeSnapshot(after).filter((f) => f.judge === 'dmesg'), ...judgeEmpty(after)].filter(
    (f) => !known.has(f.message),
  );
}

const WIDTH = 80;

/** Breaks a text into lines of at most 80 columns, continued under `indent`. */
export function wrap(text: string, first: string, indent: string): string[] {
  const lines: string[] = [];
  let line = first;
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > WIDTH && line.trim() !== '') {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += (line === first || line === indent ? '' : ' ') + word;
  }
  lines.push(line.trimEnd());
  return lines;
}

/** The verdict as people read it, in 80 columns. */
export function renderVerdict(verdict: Verdict): string[] {
  const lines = [`verdict: ${verdict.kind} (${verdict.bounds})`].flatMap((text) => wrap(text, '', '  '));
  for (const finding of verdict.findings) {
    lines.push(...wrap(finding.message, `  ${finding.judge.padEnd(6)} `, '         '));
    for (const detail of finding.details) lines.push(...wrap(detail, '           ', '           '));
  }
  return lines;
}
