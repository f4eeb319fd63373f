// The litmus tests in the explorer and on real threads, in one table: what hardware shows must lie inside what the
// explorer allows under tso, which is the memory model of x86-64.
import { explore } from '../explore/explore.ts';
import { LITMUS_TESTS } from '../explore/litmus/catalogue.ts';
import { isAsked, litmusProgram } from '../explore/litmus/test.ts';
import type { LitmusTest } from '../explore/litmus/test.ts';
import type { MemoryModel } from '../explore/program.ts';
import { UsageError, nearest } from '../machine/usage-error.ts';
import { runLitmus } from './litmus.ts';
import type { LitmusAccesses, LitmusRun } from './litmus.ts';

/** What real threads showed of one test. */
export interface LitmusHardware {
  readonly instances: number;
  /** Instances that came to the asked outcome. */
  readonly seen: number;
  /** Outcomes that the explorer does not allow under the model that the accesses have: a bug of ours, or of the machine. */
  readonly outside: readonly string[];
  readonly failure: string | undefined;
}

/** One test's results. */
export interface LitmusResult {
  readonly test: LitmusTest;
  /** Whether the explorer came to the asked outcome; undefined: not decided. */
  readonly explorer: Readonly<Record<MemoryModel, boolean | undefined>>;
  readonly plain: LitmusHardware | undefined;
  readonly atomics: LitmusHardware | undefined;
}

/** Tests by name, all where none is given. Throws a UsageError for a name that there is not. */
export function litmusNamed(names: readonly string[]): readonly LitmusTest[] {
  if (names.length === 0) return LITMUS_TESTS;
  const known = LITMUS_TESTS.map(({ name }) => name);
  return names.map((name) => {
    const test = LITMUS_TESTS.find((other) => other.name.toLowerCase() === name.toLowerCase());
    if (test !== undefined) return test;
    throw new UsageError(
      `litmus test '${name}' is not known: use one of ${known.join(', ')}, for example ${nearest(name, known)}.`,
    );
  });
}

/** All outcomes that the explorer comes to: registers and final memory as text. */
function outcomesOf(test: LitmusTest, memoryModel: MemoryModel): Set<string> {
  const outcomes = new Set<string>();
  explore(
    { ...litmusProgram(test), check: () => undefined },
    {
      memoryModel,
      stopAtFailure: false,
      onExecution: ({ memory, returns }) => outcomes.add(JSON.stringify([returns, [...memory]])),
    },
  );
  return outcomes;
}

function hardware(test: LitmusTest, run: LitmusRun, allowed: ReadonlySet<string>): LitmusHardware {
  const seen = run.outcomes.filter(({ registers, memory }) => isAsked(test, registers, memory));
  const outside = run.outcomes
    .map(({ registers, memory }) => JSON.stringify([registers, memory]))
    .filter((outcome) => !allowed.has(outcome));
  const count = seen.reduce((sum, outcome) => sum + outcome.count, 0);
  return { instances: run.instances, seen: count, outside, failure: run.failure };
}

/** One test in the explorer under each model and, for so many seconds each way (0: not), on real threads. */
export async function litmusResult(test: LitmusTest, seconds: number): Promise<LitmusResult> {
  const verdict = (memoryModel: MemoryModel): boolean | undefined => {
    const found = explore(litmusProgram(test), { memoryModel, shrink: false }).verdict;
    return found === 'not decided' ? undefined : found === 'violated';
  };
  const explorer = { sc: verdict('sc'), tso: verdict('tso'), pso: verdict('pso') };
  // JavaScript's atomics are sequentially consistent; plain accesses are what the hardware makes of them.
  const run = async (accesses: LitmusAccesses, model: MemoryModel): Promise<LitmusHardware | undefined> =>
    seconds > 0 ? hardware(test, await runLitmus(test, accesses, { seconds }), outcomesOf(test, model)) : undefined;
  return { test, explorer, plain: await run('plain', 'tso'), atomics: await run('atomics', 'sc') };
}
