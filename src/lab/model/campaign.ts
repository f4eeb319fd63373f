// Playing the campaign: whether a goal is reached, what the explorer says to a claim, and which levels are done.
import { exploreTarget } from '../../explore/target.ts';
import type { Outcome } from '../../report/timeline.ts';
import type { Goal, Level } from './levels.ts';
import { LEVELS } from './levels.ts';
import { targetOf } from './plan.ts';
import type { Plan } from './plan.ts';
import type { Session } from './session.ts';

/** Where the levels that are done are kept, and in which form. */
const KEY = 'pagerace-campaign';
const VERSION = 1;
/** Seconds that the explorer may take to check a claim: those of the campaign take a fraction of one. */
export const CLAIM_SECONDS = 10;

/** Whether an execution that came out like this is what a goal asks for. No single one proves a claim. */
export function isReached(goal: Goal, { complaint, findings }: Outcome): boolean {
  switch (goal.kind) {
    case 'claim':
      return false;
    case 'hold':
      return complaint === undefined && findings.length === 0;
    case 'break': {
      const { judges, least = 1 } = goal;
      const spoken = findings.filter(({ judge }) => judges.includes(judge));
      if (least > 1) return spoken.some(({ message }) => Number.parseInt(message, 10) >= least);
      return spoken.length > 0 || (complaint !== undefined && judges.includes(complaint.judge));
    }
  }
}

/** Whether what runs is still what a level is about: its rules can be changed under way. */
export function isPlayed(level: Level, plan: Plan): boolean {
  return JSON.stringify(plan) === JSON.stringify(level.plan);
}

/** Begins a level. */
export function openLevel(session: Session, { id, plan, mode }: Level): void {
  session.show({ plan, token: undefined, cursor: 0, mode, title: '', level: id });
}

/** Shows a schedule that reaches a level's goal, from its beginning. */
export function showSolution(session: Session, { id, plan, schedule }: Level): void {
  session.show({ plan, token: schedule, cursor: 0, mode: 'watch', title: '', level: id });
}

/** Goes on without a level, with all that is shown. */
export function leaveCampaign(session: Session): void {
  session.show({ ...session.shown, level: undefined });
}

/** What the explorer says to the claim that no schedule breaks a level. */
export interface Claim {
  readonly isRight: boolean;
  /** How it knows, one sentence. */
  readonly says: string;
}

/** Runs every schedule of a plan that differs from the others; what the explorer says to the claim that all hold. */
export function checkClaim(plan: Plan): Claim {
  const { verdict, executions, failure } = exploreTarget(targetOf(plan), {
    memoryModel: plan.memoryModel,
    judges: [],
    seconds: CLAIM_SECONDS,
  });
  const runs = `${String(executions)} execution${executions === 1 ? '' : 's'}`;
  if (failure !== undefined) return { isRight: false, says: `The explorer found one that fails: ${failure.message}.` };
  if (verdict !== 'held') return { isRight: false, says: `The explorer did not get through all of it: ${runs} held.` };
  return { isRight: true, says: `The explorer tried every schedule that differs from the others: ${runs}, all held.` };
}

/** A place for text by name, as `localStorage` is; it may throw. */
export type TextStore = Pick<Storage, 'getItem' | 'setItem'>;

/** The browser's store; undefined where there is none, or the page may not use it. */
export function browserStore(): TextStore | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}

/** The levels that are done. Kept as far as the store lets it, and in any case as long as the page lives. */
export class Progress {
  private readonly store: TextStore | undefined;
  private readonly done: Set<string>;

  constructor(store: TextStore | undefined) {
    this.store = store;
    this.done = new Set(this.read());
  }

  isDone(id: string): boolean {
    return this.done.has(id);
  }

  /** How many are done. */
  get count(): number {
    return this.done.size;
  }

  /** Marks a level as done. */
  add(id: string): void {
    if (this.done.has(id)) return;
    this.done.add(id);
    try {
      this.store?.setItem(KEY, JSON.stringify({ version: VERSION, done: [...this.done] }));
    } catch {
      // A store that is full or closed: the page remembers by itself.
    }
  }

  /** Names of levels that there are, from what was kept; nothing, if that is not ours. */
  private read(): string[] {
    try {
      const kept = JSON.parse(this.store?.getItem(KEY) ?? 'null') as { version?: unknown; done?: unknown } | null;
      const { done } = kept?.version === VERSION ? kept : { done: [] };
      return LEVELS.map(({ id }) => id).filter((id) => Array.isArray(done) && done.includes(id));
    } catch {
      return [];
    }
  }
}
