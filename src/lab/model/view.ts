// What panels read off a session's timeline that costs more than a step may: worked out once for each timeline, however
// often the reader moves on it.
import type { Waiting } from '../../explore/record.ts';
import type { FailureText } from '../../report/failure-text.ts';
import { addressName, pagesOf } from '../../report/kernel-columns.ts';
import { lockName } from '../../report/names.ts';
import { nameAccess } from '../../report/step-names.ts';
import { eventsOf, violationsOf } from './events.ts';
import type { Events } from './events.ts';
import { StepLayout, lanesOf, widthOf } from './lanes.ts';
import type { Lanes } from './lanes.ts';
import { domainOf, questionsOf } from './predict.ts';
import type { Player } from './player.ts';
import type { Question } from './predict.ts';
import type { Session, StepView } from './session.ts';

/** One timeline as panels show it. */
export interface TimelineView {
  readonly steps: readonly StepView[];
  readonly cpus: number;
  readonly lanes: Lanes;
  /** A name for each lock that has a lane. */
  readonly lockNames: readonly string[];
  readonly layout: StepLayout;
  readonly events: Events;
  /** See questionsOf. */
  readonly questions: readonly Question[];
  /** What a step is called, also one without a name of its own. */
  readonly told: (view: StepView) => string;
}

/** What panels along the timeline are given. `version` goes up with every change of the session or the player. */
export interface TimelineProps {
  readonly session: Session;
  readonly player: Player;
  readonly version: number;
  /** The version that has been painted: equal to `version` from the frame after a change on. */
  readonly painted: number;
  readonly view: TimelineView;
  readonly cursor: number;
  /** What is to come is not told. */
  readonly hides: boolean;
}

const views = new WeakMap<FailureText, TimelineView>();

/** The view of what a session shows now. */
export function viewOf(session: Session): TimelineView {
  const { text } = session;
  let view = views.get(text);
  if (view === undefined) {
    view = makeView(session, text);
    views.set(text, view);
  }
  return view;
}

function makeView(session: Session, text: FailureText): TimelineView {
  const { steps, timeline, length, outcome } = session;
  const lanes = lanesOf(
    steps.map(({ step }) => step),
    waitingAt(session),
  );
  const names = lanes.locks.map((lock) => lockName(text.names, lock));
  const { setup, programs } = timeline.target.spec;
  const pages = pagesOf(timeline.target.spec);
  const told: string[] = [];
  const domain = domainOf([...setup, ...programs.flat()], (address) => addressName(pages, address));
  return {
    steps,
    cpus: timeline.subject.cpus.length,
    lanes,
    lockNames: names.map((name, i) => numbered(names, name, i)),
    layout: new StepLayout(steps.map(({ text: name }) => widthOf(name))),
    events: eventsOf({
      steps,
      stateAfter: (count) => timeline.after(count).state,
      locks: lanes.locks.map(({ word }) => word),
      violations: violationsOf(outcome, text, length),
    }),
    questions: questionsOf(steps, domain),
    told: ({ step, text: name }) => name ?? (told[step.index] ??= nameAccess(step, text.names)),
  };
}

/** Who waits for a lock where the timeline ends. */
function waitingAt({ timeline, length }: Session): Waiting[] {
  return timeline
    .after(length)
    .cpus.flatMap(({ status, kind, word, lockClass, holder }, cpu) =>
      status === 'waiting' && kind.endsWith('lock') ? [{ cpu, word, lockClass, holder }] : [],
    );
}

/** Locks of one name are told apart by their order. */
function numbered(names: readonly string[], name: string, at: number): string {
  if (names.indexOf(name) === names.lastIndexOf(name)) return name;
  const before = names.slice(0, at).filter((other) => other === name).length;
  return `${name} #${String(before + 1)}`;
}

/** The step that led to a place, in one sentence: `step 9 of 95, CPU 1, WRITE: set_ptes`. */
export function sentenceAt({ steps, told }: TimelineView, cursor: number): string {
  const view = steps[cursor - 1];
  if (view === undefined) return `before step 1 of ${String(steps.length)}`;
  const { cpu, preempts } = view.step;
  const where = `step ${String(cursor)} of ${String(steps.length)}`;
  return `${where}, CPU ${String(cpu)}, ${told(view)}${preempts ? ', preempts' : ''}`;
}
