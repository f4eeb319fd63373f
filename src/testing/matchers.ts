// vitest matchers for races, as plain functions: machines, explorations, schedules that replay.
import { judgeEmpty, judgeSnapshot } from '../check/invariants.ts';
import type { Finding } from '../check/finding.ts';
import { judgeUserMemory } from '../check/user-memory.ts';
import { eventsOf, renderFindings } from '../check/verdict.ts';
import type { Verdict } from '../check/verdict.ts';
import type { Exploration, Replay } from '../explore/explore.ts';
import { replay } from '../explore/explore.ts';
import type { MemoryModel, Program } from '../explore/program.ts';
import type { Complaint } from '../explore/subject.ts';
import { Machine } from '../machine/boot.ts';
import { snapshot } from '../machine/snapshot.ts';
import { UsageError } from '../machine/usage-error.ts';
import { wrapText } from '../report/text.ts';
import { replayCase } from './race-case.ts';
import type { RaceCase } from './race-case.ts';
import type { RaceBody } from './race-end.ts';

/** What a matcher answers, as vitest wants it. */
export interface Matched {
  readonly pass: boolean;
  readonly message: () => string;
}

/** What an expectation of a race looks like. */
export interface RaceMatchers<R = unknown> {
  /** A Machine, at rest after a run, breaks none of the invariants. CPUs' private batches are drained for it. */
  toHoldInvariants(): R;
  /** No store of a run with a history was lost: what `run`, `runHere` or `runStepped` gave, or a list of such. */
  toHaveLostNoStores(): R;
  /** A Machine has everything back once its process is ended, which this does. */
  toLeakNothing(): R;
  /** An Exploration or a Verdict is `held`. */
  toHold(): R;
  /** An Exploration or a Verdict is `violated`, by that judge if one is named. */
  toBeViolated(judge?: string): R;
  /** A case, or a program over words, breaks along the schedule of a token, by that judge if one is named. */
  toReplay(token: string, judge?: string, options?: ReplayingOptions): R;
}

/** How a schedule is replayed. */
export interface ReplayingOptions {
  /** Default sc. */
  readonly memoryModel?: MemoryModel;
  /** Of a case: the body of the property that it failed, which then judges it as `body`. */
  readonly body?: RaceBody;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function refuse(matcher: string, wanted: string, example: string): never {
  throw new UsageError(`${matcher} is about ${wanted}: give one, for example ${example}`);
}

/** Says what was expected, then each finding. */
function told(what: string, findings: readonly Finding[]): string {
  return [...wrapText(what), ...renderFindings(findings)].join('\n');
}

function about(findings: readonly Finding[], expected: string, unexpected: string): Matched {
  const pass = findings.length === 0;
  return { pass, message: () => (pass ? wrapText(unexpected).join('\n') : told(expected, findings)) };
}

function machineOf(received: unknown, matcher: string): Machine {
  if (received instanceof Machine) return received;
  return refuse(matcher, 'a machine', `expect(boot()).${matcher}()`);
}

function toHoldInvariants(received: unknown): Matched {
  const machine = machineOf(received, 'toHoldInvariants');
  machine.settle();
  return about(
    judgeSnapshot(snapshot(machine.buffer)),
    'expected the machine to hold its invariants; it breaks:',
    'expected the machine to break an invariant; it holds all of them',
  );
}

function toLeakNothing(received: unknown): Matched {
  const machine = machineOf(received, 'toLeakNothing');
  if (machine.alive) machine.exit();
  return about(
    judgeEmpty(snapshot(machine.buffer)),
    'expected the machine to have everything back after its process has ended; it has not:',
    'expected the machine to leak something; it has everything back',
  );
}

/** What a CPU, or all of a run's, observed. */
interface Observed {
  readonly cpu: number;
  readonly history: Float64Array;
}

function observedOf(received: unknown): Observed[] {
  if (Array.isArray(received)) return received.flatMap(observedOf);
  if (isObject(received) && Array.isArray(received.cpus)) return received.cpus.flatMap(observedOf);
  if (isObject(received) && received.history instanceof Float64Array) return [received as unknown as Observed];
  return refuse(
    'toHaveLostNoStores',
    'what runs gave that kept a history',
    'expect(await machine.run(programs, { history: true })).toHaveLostNoStores()',
  );
}

function toHaveLostNoStores(received: unknown): Matched {
  const observed = observedOf(received);
  if (observed.every(({ history }) => history.length === 0)) {
    throw new UsageError(
      'toHaveLostNoStores needs a history of loads and stores: keep one, for example machine.run(programs, { history: true })',
    );
  }
  return about(
    judgeUserMemory(eventsOf(observed)).findings,
    'expected every load to be explained by an order of the stores; it is not:',
    'expected a store to be lost; every load is explained by an order of the stores',
  );
}

/** A verdict of either kind: what it is, what it rests on, and what is wrong. */
interface Judged {
  readonly kind: string;
  readonly bounds: string;
  readonly findings: readonly Finding[];
  readonly token: string | undefined;
}

function judgedOf(received: unknown, matcher: string): Judged {
  if (isObject(received) && 'verdict' in received && 'executions' in received && 'bounds' in received) {
    const { verdict, bounds, failure } = received as unknown as Exploration;
    if (failure === undefined) return { kind: verdict, bounds, findings: [], token: undefined };
    const { judge, message, token } = failure;
    return { kind: verdict, bounds, findings: [{ judge, message, details: [] }], token };
  }
  if (isObject(received) && 'kind' in received && 'findings' in received && 'bounds' in received) {
    const { kind, bounds, findings } = received as unknown as Verdict;
    return { kind, bounds, findings, token: undefined };
  }
  return refuse(matcher, 'an exploration or a verdict', `expect(explore(program)).${matcher}()`);
}

function judgedLines({ kind, bounds, findings, token }: Judged): string[] {
  const schedule = token === undefined ? [] : [`  along ${token}`];
  return [...wrapText(`it is ${kind} (${bounds})`), ...renderFindings(findings), ...schedule];
}

function toHold(received: unknown): Matched {
  const judged = judgedOf(received, 'toHold');
  const pass = judged.kind === 'held';
  const wanted = pass ? 'expected it not to hold, and' : 'expected it to hold, and';
  return { pass, message: () => [wanted, ...judgedLines(judged)].join('\n') };
}

function toBeViolated(received: unknown, judge?: string): Matched {
  const judged = judgedOf(received, 'toBeViolated');
  const by = judge === undefined ? '' : ` by ${judge}`;
  const pass = judged.kind === 'violated' && (judge === undefined || judged.findings.some((f) => f.judge === judge));
  const wanted = `expected it ${pass ? 'not ' : ''}to be violated${by}, and`;
  return { pass, message: () => [wanted, ...judgedLines(judged)].join('\n') };
}

/** What came of a schedule: by all judges that speak, what is wrong. */
function replayed(received: unknown, token: string, { body, ...options }: ReplayingOptions): readonly Complaint[] {
  if (isObject(received) && 'threads' in received) {
    return complaintsOf(replay(received as unknown as Program, token, options), token);
  }
  if (isObject(received) && 'programs' in received) {
    const run = replayCase(received as unknown as RaceCase, token, options, body);
    const complaints = complaintsOf(run, token);
    return [...complaints, ...run.findings.filter(({ judge }) => judge !== complaints[0]?.judge)];
  }
  return refuse('toReplay', 'a case or a program', "expect({ setup, programs }).toReplay('0:4,1:6')");
}

function complaintsOf({ complaint, record, given }: Replay, token: string): Complaint[] {
  if (given < record.steps.length) {
    throw new UsageError(`the token ${token} ends before all CPUs do: it was made for something else`);
  }
  return complaint === undefined ? [] : [complaint];
}

function toReplay(received: unknown, token: string, judge?: string, options: ReplayingOptions = {}): Matched {
  let complaints: readonly Complaint[];
  try {
    complaints = replayed(received, token, options);
  } catch (error) {
    // A token that can't be followed is one that does not replay; every other mistake is the test's.
    if (!(error instanceof UsageError) || !error.message.startsWith('the token ')) throw error;
    return { pass: false, message: () => wrapText(`expected ${token} to replay: ${error.message}`).join('\n') };
  }
  const by = judge === undefined ? 'to break' : `to break by ${judge}`;
  const pass = complaints.some((complaint) => judge === undefined || complaint.judge === judge);
  const findings = complaints.map((complaint) => ({ ...complaint, details: [] }));
  const what = `expected ${token} ${pass ? 'not ' : ''}${by}; ${findings.length === 0 ? 'it holds' : 'what breaks is:'}`;
  return { pass, message: () => told(what, findings) };
}

/** The matchers, by their names. */
export const raceMatchers: {
  readonly [Name in keyof RaceMatchers]: (received: unknown, ...rest: Parameters<RaceMatchers[Name]>) => Matched;
} = { toHoldInvariants, toHaveLostNoStores, toLeakNothing, toHold, toBeViolated, toReplay };
