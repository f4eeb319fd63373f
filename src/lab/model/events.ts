// What on a timeline is worth going to, by kind: the places that keys and buttons jump between.
import type { FailureText } from '../../report/failure-text.ts';
import type { MachineState } from '../../report/machine-state.ts';
import type { Outcome } from '../../report/timeline.ts';
import type { StepView } from './session.ts';

/** `named`: a step that others may care for; `pte`: an entry of a page that programs meet in changed. */
export type EventKind = 'named' | 'preemption' | 'lock' | 'pte' | 'violation';

/** Where events are: numbers of steps after which one has just happened, in ascending order. */
export type Events = Readonly<Record<EventKind, readonly number[]>>;

/** What events are read off. */
export interface EventSource {
  readonly steps: readonly StepView[];
  /** The machine after so many steps. */
  readonly stateAfter: (steps: number) => Pick<MachineState, 'pages'>;
  /** Locks that have a lane, by their word: releasing one is an event as well. */
  readonly locks: readonly number[];
  /** See violationsOf. */
  readonly violations: readonly number[];
}

/** All events of a timeline. */
export function eventsOf({ steps, stateAfter, locks, violations }: EventSource): Events {
  const where = (wanted: (view: StepView) => boolean): number[] =>
    steps.filter(wanted).map(({ step }) => step.index + 1);
  let entries = entriesOf(stateAfter(0));
  const changes: number[] = [];
  for (const { step } of steps) {
    const now = entriesOf(stateAfter(step.index + 1));
    if (now !== entries) changes.push(step.index + 1);
    entries = now;
  }
  return {
    named: where(({ text }) => text !== undefined),
    preemption: where(({ step }) => step.preempts),
    lock: where(({ step, text }) => step.kind.endsWith('lock') && (text !== undefined || locks.includes(step.word))),
    pte: changes,
    violation: violations,
  };
}

function entriesOf({ pages }: Pick<MachineState, 'pages'>): string {
  return pages.map(({ pte }) => pte).join(' ');
}

/**
 * Where an execution that ended badly went wrong: where a store went over another that its CPU had not seen, and the end,
 * where the judges speak.
 */
export function violationsOf(outcome: Outcome | undefined, text: FailureText, length: number): number[] {
  if (outcome === undefined || (outcome.complaint === undefined && outcome.findings.length === 0)) return [];
  const { race } = text.options;
  const places = race === undefined ? [length] : [race.second + 1, length];
  return [...new Set(places)];
}

/** The first event after so many steps; undefined: there is none. */
export function nextAfter(places: readonly number[], cursor: number): number | undefined {
  return places.find((place) => place > cursor);
}

/** The last event before so many steps. */
export function lastBefore(places: readonly number[], cursor: number): number | undefined {
  return places.findLast((place) => place < cursor);
}
