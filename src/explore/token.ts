// A schedule in one line, safe in a shell and in a URL: `0:4,1:6,0:2` is four steps of CPU 0, six of CPU 1, two of CPU 0.
//
// Every access counts, seen by others or not. `0w:1` takes the oldest buffered store of CPU 0 to memory, `0w12:1` its
// oldest store that others see at word 12. A suffix `.k3x7q` names what the schedule was made for: a token of another program,
// configuration or version is refused, not replayed to some other end.
import { UsageError } from '../machine/usage-error.ts';
import type { Execution } from './execution.ts';

/** Version of what a schedule means: of the steps that programs take and of the token's form. */
export const TOKEN_VERSION = 1;

const EXAMPLE = '0:4,1:6,0:2';
/** The token of a schedule in which nobody ever goes. */
const NOTHING = '0:0';
/** Longest token that is read, in characters. */
const MAX_TOKEN = 1_000_000;
const MAX_COUNT = 1_000_000_000;

/** A part of a schedule: so many steps of one proc. */
export interface Turn {
  readonly proc: string;
  readonly steps: number;
}

/** A token taken apart. */
export interface Schedule {
  readonly turns: readonly Turn[];
  /** What it was made for; undefined: it does not say. */
  readonly fingerprint: string | undefined;
}

/** Five characters that tell one subject from another. */
export function fingerprint(subject: string): string {
  // FNV-1a over the UTF-16 units.
  let hash = 0x811c9dc5;
  for (const char of `${String(TOKEN_VERSION)} ${subject}`) {
    hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
  }
  return (hash >>> 0).toString(36).padStart(7, '0').slice(-5);
}

/** The token of a schedule that an execution kept. */
export function tokenOf(execution: Execution): string {
  const { schedule } = execution;
  const turns: string[] = [];
  for (let i = 0; i < schedule.length; i += 2) {
    turns.push(`${execution.procName(schedule[i]!)}:${String(schedule[i + 1])}`);
  }
  return turns.length === 0 ? NOTHING : turns.join(',');
}

/** Takes a token apart. Throws a UsageError where it is none. */
export function parseToken(token: string): Schedule {
  const shown = token.length > 40 ? `${token.slice(0, 40)}…` : token;
  const refuse = (why: string): never => {
    throw new UsageError(
      `'${shown}' is no schedule token: ${why}; a token is CPU:steps, separated by commas, such as ${EXAMPLE}`,
    );
  };
  if (token.length > MAX_TOKEN) refuse(`it is longer than ${String(MAX_TOKEN)} characters`);
  const [schedule = '', suffix, more] = token.trim().split('.');
  if (more !== undefined || (suffix !== undefined && !/^[0-9a-z]{5}$/.test(suffix))) {
    refuse('what follows the point must be five letters or digits');
  }
  const turns = schedule.split(',').map((part): Turn => {
    const [, proc = '', steps = ''] =
      /^(\d{1,3}(?:w\d{0,10})?):(\d{1,10})$/.exec(part) ?? refuse(`'${part}' is not CPU:steps`);
    if (Number(steps) > MAX_COUNT) refuse(`'${part}' has more than ${MAX_COUNT.toLocaleString('en')} steps`);
    return { proc, steps: Number(steps) };
  });
  return { turns, fingerprint: suffix };
}

/** Refuses a token that says it was made for something else. */
export function checkFingerprint(schedule: Schedule, subject: string, token: string): void {
  if (schedule.fingerprint === undefined || schedule.fingerprint === fingerprint(subject)) return;
  throw new UsageError(
    `the token ${token} was made for another program, configuration or version than ${subject}: give the options it was printed with`,
  );
}

/** Why a proc does not go on where a schedule has more steps of it. */
function whyStopped(execution: Execution, proc: number): string {
  if (proc >= execution.cpus) return 'has no store that could go out';
  const isOver = !execution.isAlive(proc) || execution.pending(proc).kind === 'idle';
  return isOver ? 'has ended' : 'has to wait';
}

/** Takes what is left of an execution to its end: whoever goes, goes on as far as it can, then the lowest that can. */
export function finish(execution: Execution): void {
  while (execution.errors.length === 0 && !execution.overran) {
    let proc = execution.schedule.at(-2) ?? 0;
    if (!execution.isEnabled(proc)) {
      proc = 0;
      while (proc < execution.procs && !execution.isEnabled(proc)) proc++;
      if (proc === execution.procs) return;
    }
    execution.take(proc);
  }
}

/**
 * Runs an execution along a schedule; what that leaves open goes on without preempting anybody, so that a schedule that is
 * cut short is not taken for one in which nobody can go on. Throws a UsageError where the schedule can't be followed.
 */
export function follow(execution: Execution, schedule: Schedule): void {
  const numbers = schedule.turns.map(({ proc }) => execution.procByName(proc));
  execution.restart();
  let at = 0;
  for (const [i, { proc, steps }] of schedule.turns.entries()) {
    const number = numbers[i]!;
    if (number < 0) {
      throw new UsageError(
        `the token can't be followed: there is no '${proc}' here, only CPUs 0 to ${String(execution.cpus - 1)} under the memory model ${execution.model}`,
      );
    }
    const taken = execution.takeCounted(number, steps);
    if (taken < steps) {
      throw new UsageError(
        `the token can't be followed: after ${String(at + taken)} steps '${proc}' ${whyStopped(execution, number)}; it was made for something else`,
      );
    }
    at += taken;
  }
  finish(execution);
}
