// A campaign: programs by the thousand, in batches, on both kernels; what differs is tried again and made small.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Difference } from './known.ts';
import { compare } from './compare.ts';
import type { Comparison } from './compare.ts';
import type { Run } from './observation.ts';
import type { Oracle } from './oracle.ts';
import { KINDS, stepsOf } from './program.ts';
import type { Kind, Program } from './program.ts';
import { smaller, upTo } from './shrink.ts';
import type { Simulated } from './simulated.ts';

/** Programs that are given to the oracle at once: it works on them while the machine is busy. */
const BATCH = 32;
/** Tries of a program that differed once: what does not come again was the machine's surroundings. */
const CONFIRMATIONS = 2;
/** Smaller programs that are tried at once before there are more of them. */
const FIRST_TRIES = 8;
/** Times that a program may get smaller. */
const MAX_ROUNDS = 200;

/** A program on which the kernels differ, as small as it came. */
export interface Failure {
  /** Which of the programs it was, from 1. */
  number: number;
  program: Program;
  differences: Difference[];
}

/** What a campaign came to. */
export interface Outcome {
  programs: number;
  /** Operations that were compared, by kind. */
  operations: Partial<Record<Kind, number>>;
  /** How often each known difference was met. */
  explained: Record<string, number>;
  /** Programs that differed once and not again. */
  unsteady: number;
  /** Programs that the oracle could not run to their end. */
  unanswered: number;
  failures: Failure[];
  seconds: number;
}

/** Both kernels. */
export interface Sides {
  readonly oracle: Pick<Oracle, 'about' | 'ask'>;
  readonly simulated: Simulated;
}

export interface CampaignOptions {
  /** Failures after which it ends. */
  readonly maxFailures?: number;
  readonly onProgress?: (done: number) => void;
}

/** Compares programs on both kernels; undefined for what the oracle could not run. */
export async function compareAll(
  { oracle, simulated }: Sides,
  programs: readonly Program[],
): Promise<(Comparison | undefined)[]> {
  const asked = oracle.ask(programs);
  const ours: (Run | Error)[] = [];
  for (const program of programs) {
    ours.push(await simulated.run(program).catch(asError));
    // What the oracle says has to be read meanwhile: it waits once its pipe is full.
    await nextTurn();
  }
  const theirs = await asked;
  return programs.map((program, i) => {
    const [a, b] = [theirs[i], ours[i]];
    if (a === undefined || b === undefined) return undefined;
    return b instanceof Error ? failed(program, b) : compare(program, a, b, oracle.about, simulated.basePfn);
  });
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** A program that the machine does not get through differs as a whole. */
function failed(program: Program, { message }: Error): Comparison {
  const steps = stepsOf(program);
  const last = {
    step: steps.length - 1,
    operation: steps.at(-1) ?? 'join',
    history: steps,
    returned: ['', ''] as const,
  };
  const difference = { ...last, name: 'the whole program', linux: 'comes to its end', simulated: message };
  return { differences: [difference], explained: new Map<string, number>() };
}

/** What differs in a program each time that it is run; nothing where it once does not. */
async function steady(sides: Sides, program: Program): Promise<Difference[]> {
  let differences: Difference[] = [];
  const again = await compareAll(
    sides,
    Array.from({ length: CONFIRMATIONS }, () => program),
  );
  for (const comparison of again) {
    if (comparison === undefined || comparison.differences.length === 0) return [];
    differences = comparison.differences;
  }
  return differences;
}

/** The first of some programs that differs each time that it is run, and what differs. */
async function firstFailing(sides: Sides, programs: readonly Program[]): Promise<[number, Difference[]] | undefined> {
  for (let at = 0, size = FIRST_TRIES; at < programs.length; at += size, size = BATCH) {
    const comparisons = await compareAll(sides, programs.slice(at, at + size));
    for (const [i, comparison] of comparisons.entries()) {
      if (comparison === undefined || comparison.differences.length === 0) continue;
      const confirmed = await steady(sides, programs[at + i]!);
      if (confirmed.length > 0) return [at + i, confirmed];
    }
  }
  return undefined;
}

/** The smallest program that this one leads to and that still differs. */
export async function shrink(sides: Sides, failing: Program, first: Difference[]): Promise<[Program, Difference[]]> {
  let [program, differences] = [failing, first];
  for (const cut of upTo(program, first[0]?.step ?? 0)) {
    const confirmed = await steady(sides, cut);
    if (confirmed.length > 0) [program, differences] = [cut, confirmed];
  }
  // Where one was smaller the next is looked for: those before it were no better a moment ago, and come last.
  for (let round = 0, from = 0; round < MAX_ROUNDS; round++) {
    const candidates = smaller(program);
    const order = [...candidates.slice(from), ...candidates.slice(0, from)];
    const found = await firstFailing(sides, order);
    if (found === undefined) break;
    [program, differences] = [order[found[0]]!, found[1]];
    from = (from + found[0]) % candidates.length;
  }
  return [program, differences];
}

function countKinds(program: Program, counts: Partial<Record<Kind, number>>): void {
  for (const operation of stepsOf(program)) {
    if (operation !== 'join') counts[operation.op] = (counts[operation.op] ?? 0) + 1;
  }
}

/** Runs all of some programs. */
export async function campaign(
  sides: Sides,
  programs: readonly Program[],
  options: CampaignOptions = {},
): Promise<Outcome> {
  const since = performance.now();
  const outcome: Outcome = {
    programs: 0,
    operations: {},
    explained: {},
    unsteady: 0,
    unanswered: 0,
    failures: [],
    seconds: 0,
  };
  for (let at = 0; at < programs.length && outcome.failures.length < (options.maxFailures ?? 1); at += BATCH) {
    const batch = programs.slice(at, at + BATCH);
    const comparisons = await compareAll(sides, batch);
    for (const [i, comparison] of comparisons.entries()) {
      outcome.programs += 1;
      countKinds(batch[i]!, outcome.operations);
      if (comparison === undefined) {
        outcome.unanswered += 1;
        continue;
      }
      for (const [name, times] of comparison.explained)
        outcome.explained[name] = (outcome.explained[name] ?? 0) + times;
      if (comparison.differences.length === 0) continue;
      const confirmed = await steady(sides, batch[i]!);
      if (confirmed.length === 0) {
        outcome.unsteady += 1;
        continue;
      }
      const [program, differences] = await shrink(sides, batch[i]!, confirmed);
      outcome.failures.push({ number: at + i + 1, program, differences });
      if (outcome.failures.length >= (options.maxFailures ?? 1)) break;
    }
    options.onProgress?.(outcome.programs);
  }
  outcome.seconds = (performance.now() - since) / 1000;
  return outcome;
}

/** The kinds in the order in which they are listed. */
export function kindsOf(counts: Partial<Record<Kind, number>>): Kind[] {
  return KINDS.filter((kind) => counts[kind] !== undefined);
}
