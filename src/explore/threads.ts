// Replays a schedule on real threads, every step gated, and compares the end with that of the stepped replay: what the
// explorer found is something that threads can do.
import { Execution } from './execution.ts';
import { GATE_WORDS, gate } from './gate.ts';
import type { GateAnswer, GateTask } from './gate.ts';
import { KernelSubject } from './kernel-subject.ts';
import type { MemoryModel } from './program.ts';
import { aboutOf, loadSubject } from './subject-spec.ts';
import type { SubjectSpec } from './subject-spec.ts';
import type { Subject } from './subject.ts';
import { checkFingerprint, follow, parseToken, tokenOf } from './token.ts';
import { UsageError } from '../machine/usage-error.ts';
import { WarmPools } from '../machine/warm-pools.ts';

const workerFile = new URL('../../workers/gate.js', import.meta.url).href;
/** How long a thread waits for its turn before the replay is given up, in milliseconds. */
const TURN_MS = 5000;
/** How long threads wait for the next replay, in milliseconds. */
const IDLE_MS = 1000;
const pools = new WarmPools<GateTask, GateAnswer>(workerFile, IDLE_MS);

/** How a replay on threads came out. */
export interface ThreadReplay {
  /** Steps that threads took. */
  readonly steps: number;
  /** Whether memory and what threads returned are what the stepped replay ended with, word for word. */
  readonly same: boolean;
  /** The first word that differs. */
  readonly differs: { readonly word: number; readonly stepped: number; readonly threads: number } | undefined;
  /** What threads threw that did not throw when stepped. */
  readonly errors: readonly string[];
}

/** The turns of a token, one entry for each step, as indices of its procs' names. */
function expand(token: string): { turns: Int32Array; procs: string[] } {
  const procs: string[] = [];
  const turns: number[] = [];
  for (const { proc, steps } of parseToken(token).turns) {
    if (!procs.includes(proc)) procs.push(proc);
    for (let i = 0; i < steps; i++) turns.push(procs.indexOf(proc));
  }
  return { turns: Int32Array.from(turns), procs };
}

/** Replays a token on as many threads as there are CPUs. Throws a UsageError for a token that can't be followed. */
export async function replayOnThreads(
  spec: SubjectSpec,
  token: string,
  { memoryModel = 'sc' }: { memoryModel?: MemoryModel } = {},
): Promise<ThreadReplay> {
  const subject = await loadSubject(spec);
  const schedule = parseToken(token);
  const { identity } = aboutOf(spec, subject, memoryModel);
  if (identity !== undefined) checkFingerprint(schedule, identity, token);
  const execution = new Execution(subject, memoryModel);
  follow(execution, schedule);
  if (execution.steps > 1_000_000)
    throw new UsageError(`the token has ${String(execution.steps)} steps: too many for threads`);
  const expected = Int32Array.from(subject.words);
  const stepped = endOf(subject, execution);

  const { turns, procs } = expand(tokenOf(execution));
  const common = {
    gate: new SharedArrayBuffer(GATE_WORDS * 4),
    turns,
    procs,
    memoryModel,
    shared: subject.everyStep ? undefined : execution.shared.listBefore(),
    limitMs: TURN_MS,
  };
  // The same memory, set back: the threads do it all again.
  subject.restart();
  const tasks = subject.cpus.map((_, cpu): GateTask => ({ ...common, cpu, ...work(subject, spec, cpu) }));
  // Each waits for the turns of the others: all of them run at once.
  const pool = pools.of(tasks.length);
  const answers = await Promise.all(tasks.map((task) => pool.run(task)));
  const word = expected.findIndex((value, i) => value !== subject.words[i]);
  const threw = new Set(execution.errors.map((error) => error.message));
  const errors = answers.flatMap(({ error }) => (error === undefined || threw.has(error) ? [] : [error]));
  const returns = answers.map(({ returned }) => returned ?? null);
  const differs = word < 0 ? undefined : { word, stepped: expected[word]!, threads: subject.words[word]! };
  return {
    steps: Atomics.load(new Int32Array(common.gate), gate.taken),
    same: differs === undefined && errors.length === 0 && JSON.stringify(returns) === JSON.stringify(stepped),
    differs,
    errors,
  };
}

/** What threads return or observe when stepped. */
function endOf(subject: Subject, execution: Execution): unknown[] {
  if (subject instanceof KernelSubject) {
    return subject.observations.map((seen) => [...seen.values]);
  }
  return execution.end().returns.map((returned) => returned ?? null);
}

function work(subject: Subject, spec: SubjectSpec, cpu: number): Partial<GateTask> {
  if (subject instanceof KernelSubject) {
    const { machine } = subject;
    const { memory, design } = machine;
    return { kernel: { memory, design, ops: subject.programs[cpu]! } };
  }
  return { program: { spec, memory: subject.words.buffer } };
}
