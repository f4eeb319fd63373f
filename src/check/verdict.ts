// The verdict over a run: held, violated, not decided or stuck, with every finding and the bounds of what was looked at.
import { LOCK_CLASSES, header } from '../kernel/layout.ts';
import type { Machine } from '../machine/boot.ts';
import type { GangOutcome } from '../machine/gang.ts';
import type { SteppedOutcome } from '../machine/stepped.ts';
import { snapshot } from '../machine/snapshot.ts';
import type { Snapshot } from '../machine/snapshot.ts';
import { addressText, counted } from './finding.ts';
import type { Finding } from './finding.ts';
import { decodeHistory } from './history.ts';
import type { MemoryEvent } from './history.ts';
import { judgeEmpty, judgeSnapshot } from './invariants.ts';
import { dmesg } from './objects.ts';
import { judgeSoftDirty } from './soft-dirty.ts';
import { judgeUserMemory } from './user-memory.ts';

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

/** All that is known of a run when it is judged. Every part may be missing; what is missing is not judged. */
export interface Evidence {
  /** The machine at rest after the run, batches and stocks drained. */
  atRest?: Snapshot;
  /** The machine after its last process has ended. */
  afterExit?: Snapshot;
  /** Loads, stores and discards of all CPUs. */
  events?: readonly MemoryEvent[];
  /** Who waits for what, where the run did not end. */
  stuck?: readonly Finding[];
  /** CPUs whose thread ended before its program. */
  died?: readonly Finding[];
  /** What was run: said with the verdict. */
  run: string;
}

/** Combines all judges. A machine that did not come to an end is judged by that alone: its words are in mid-air. */
export function judgeMachine(evidence: Evidence): Verdict {
  const { atRest, afterExit, events, stuck = [], died = [] } = evidence;
  const stopped = [...died, ...stuck];
  if (stopped.length > 0) {
    return { kind: died.length > 0 ? 'violated' : 'stuck', findings: stopped, bounds: 'the run did not end' };
  }
  const findings = atRest === undefined ? [] : judgeSnapshot(atRest);
  const memory = judgeUserMemory(events ?? []);
  findings.push(...memory.findings);
  if (atRest !== undefined && events !== undefined) findings.push(...judgeSoftDirty(atRest, events));
  if (afterExit !== undefined) {
    const known = new Set(findings.map((finding) => finding.message));
    // Where something was broken before, exit breaks in other ways too: only what exit itself says is new.
    const after = findings.length === 0 ? judgeSnapshot(afterExit) : dmesg(afterExit);
    findings.push(...[...after, ...judgeEmpty(afterExit)].filter((finding) => !known.has(finding.message)));
  }
  const bounds = [evidence.run];
  if (atRest !== undefined) bounds.push('all invariants at rest');
  if (afterExit !== undefined) bounds.push('leaks after exit');
  if (events !== undefined) bounds.push(counted(memory.locations, 'word') + ' of user memory');
  if (memory.undecided > 0) bounds.push(`${String(memory.undecided)} of them not decided`);
  const kind = findings.length > 0 ? 'violated' : memory.undecided > 0 ? 'not decided' : 'held';
  return { kind, findings, bounds: bounds.join(', ') };
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
  const killed = outcome.cpus.some((cpu) => cpu.status === 'killed') ? ', the process killed: out of memory' : '';
  const run = `${counted(machine.config.cpus, 'CPU')}, one run${killed}`;
  const evidence: Evidence = { run, ...stoppedFindings(machine, outcome) };
  if (options.events !== undefined) evidence.events = options.events;
  if ((evidence.stuck?.length ?? 0) + (evidence.died?.length ?? 0) > 0) return judgeMachine(evidence);
  let heldUp = attempt(machine, () => {
    machine.settle();
  });
  evidence.atRest = snapshot(machine.buffer);
  if (heldUp === undefined && options.exit === true) {
    heldUp = attempt(machine, () => {
      machine.exit();
    });
    if (heldUp === undefined) evidence.afterExit = snapshot(machine.buffer);
  }
  const verdict = judgeMachine(evidence);
  if (heldUp === undefined) return verdict;
  // The run itself came to an end; what it left behind, such as a lock, holds up whoever comes next.
  return { ...verdict, kind: 'violated', findings: [...verdict.findings, ...heldUp] };
}

/** Does something to the machine; a wait in it without end is a finding. */
function attempt(machine: Machine, action: () => void): Finding[] | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof Error && error.name === 'CpuStopped') return stuckFindings(machine);
    if (machine.design === undefined) throw error;
    const said = error instanceof Error ? error.message : String(error);
    return [{ judge: 'died', message: `the locking design threw afterwards: ${said}`, details: [] }];
  }
  return undefined;
}

/** Deaths, deadlocks and waits without end. */
function stoppedFindings(
  machine: Machine,
  outcome: GangOutcome | SteppedOutcome,
): { stuck: Finding[]; died: Finding[] } {
  if ('deadlock' in outcome) {
    if (outcome.unfinished) return { stuck: [stuckFinding('the run passed its bound on steps')], died: [] };
    if (outcome.deadlock.length === 0) return { stuck: [], died: [] };
    const details = outcome.deadlock.map(
      (w) => `CPU ${String(w.cpu)} waits for ${w.lockClass} (word ${addressText(w.word)})`,
    );
    return { stuck: [stuckFinding('deadlock: every CPU waits for another', details)], died: [] };
  }
  const died = outcome.died.map((death): Finding => {
    const message = `CPU ${String(death.cpu)} died in the run: ${death.message}`;
    return { judge: 'died', message, details: [] };
  });
  const stuck = stuckFindings(machine);
  const stopped = outcome.cpus.filter((cpu) => cpu.status === 'stopped').length;
  if (died.length === 0 && stuck.length === 0 && stopped > 0) {
    stuck.push(stuckFinding(`the run was stopped before its end on ${counted(stopped, 'CPU')}`));
  }
  return { stuck, died };
}

function stuckFinding(message: string, details: string[] = []): Finding {
  return { judge: 'stuck', message, details };
}

const WIDTH = 80;

/** Breaks a text into lines of at most 80 columns, continued under `indent`. */
export function wrap(text: string, first: string, indent: string): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  for (let word of text.split(' ')) {
    if (!empty && line.length + 1 + word.length > WIDTH) {
      lines.push(line.trimEnd());
      line = indent;
      empty = true;
    }
    // A word that no line can hold is cut.
    for (; word.length > WIDTH - indent.length; word = word.slice(WIDTH - line.length)) {
      if (line.length + word.length <= WIDTH) break;
      lines.push(line + word.slice(0, WIDTH - line.length));
      line = indent;
    }
    line += (empty ? '' : ' ') + word;
    empty = false;
  }
  lines.push(line.trimEnd());
  return lines;
}

/** Findings as people read them, in 80 columns: the judge, what is broken, what disagrees. */
export function renderFindings(findings: readonly Finding[]): string[] {
  return findings.flatMap((finding) => [
    ...wrap(finding.message, `  ${finding.judge.padEnd(6)} `, '         '),
    ...finding.details.flatMap((detail) => wrap(detail, '           ', '             ')),
  ]);
}

/** The verdict as people read it, in 80 columns. */
export function renderVerdict(verdict: Verdict): string[] {
  return [...wrap(`verdict: ${verdict.kind} (${verdict.bounds})`, '', '  '), ...renderFindings(verdict.findings)];
}
