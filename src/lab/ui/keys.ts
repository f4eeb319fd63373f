// What each key does. The table is all there is: the page's listener looks keys up in it, and the dialog shows it.
import { lastBefore, nextAfter } from '../model/events.ts';
import type { EventKind } from '../model/events.ts';
import type { Player } from '../model/player.ts';
import type { Session } from '../model/session.ts';
import { viewOf } from '../model/view.ts';

/** What keys act on. */
export interface KeyContext {
  readonly session: Session;
  readonly player: Player;
  readonly copyLink: () => void;
  readonly find: () => void;
  readonly help: () => void;
}

/** The part of a keyboard event that matters. */
export interface Stroke {
  readonly key: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
}

/** One line of the table. */
export interface Key {
  /** As people read them. */
  readonly names: readonly string[];
  readonly what: string;
  /** The event's own names. */
  readonly keys: readonly string[];
  readonly shift?: true;
  readonly run: (context: KeyContext, key: string) => void;
}

function goTo({ session, player }: KeyContext, kind: EventKind, forward: boolean): void {
  const places = viewOf(session).events[kind];
  // Who is to say what comes is not told where.
  const known = session.mode === 'predict' ? places.filter((at) => at <= session.cursor) : places;
  const at = forward ? nextAfter(known, session.cursor) : lastBefore(known, session.cursor);
  if (at === undefined) player.tell(`no ${kind} ${forward ? 'after' : 'before'} step ${String(session.cursor)}`);
  else session.goTo(at);
}

function jump(kind: EventKind, forward: boolean): (context: KeyContext) => void {
  return (context) => {
    goTo(context, kind, forward);
  };
}

function move(by: number): (context: KeyContext) => void {
  return ({ session }) => {
    session.goTo(session.cursor + by);
  };
}

function choose({ session, player }: KeyContext, cpu: string): void {
  const went = player.singles ? session.chooseStep(cpu) : session.choose(cpu);
  if (went) return;
  const state = session.moment.cpus[Number(cpu)];
  if (state === undefined)
    player.tell(`there is no CPU ${cpu}: they are 0 to ${String(session.moment.cpus.length - 1)}`);
  else if (state.status === 'ready') player.tell(`CPU ${cpu} can't go on: it is over`);
  else player.tell(`CPU ${cpu} can't go on: it ${STATUS[state.status]}`);
}

const STATUS = { waiting: 'waits', ended: 'has ended', idle: 'has nothing left to do' } as const;

function toggleDefence(name: string): (context: KeyContext) => void {
  return ({ session }) => {
    session.toggleDefence(name);
    // Who looks on is shown an execution; who schedules begins one.
    if (session.mode !== 'schedule') session.runOn();
  };
}

/** All keys, in the order of the dialog. */
export const KEYS: readonly Key[] = [
  {
    names: ['Space'],
    what: 'play or pause',
    keys: [' '],
    run: ({ player }) => {
      player.toggle();
    },
  },
  { names: ['→'], what: 'a step on', keys: ['ArrowRight'], run: move(1) },
  { names: ['←'], what: 'a step back', keys: ['ArrowLeft'], run: move(-1) },
  { names: ['.'], what: 'to the next step with a name', keys: ['.'], run: jump('named', true) },
  { names: [','], what: 'to the previous step with a name', keys: [','], run: jump('named', false) },
  {
    names: ['Shift', '→'],
    what: 'to the next preemption',
    keys: ['ArrowRight'],
    shift: true,
    run: jump('preemption', true),
  },
  {
    names: ['Shift', '←'],
    what: 'to the previous preemption',
    keys: ['ArrowLeft'],
    shift: true,
    run: jump('preemption', false),
  },
  {
    names: ['Home'],
    what: 'to the start',
    keys: ['Home'],
    run: ({ session }) => {
      session.goTo(0);
    },
  },
  {
    names: ['End'],
    what: 'to the end',
    keys: ['End'],
    run: ({ session }) => {
      session.goTo(session.length);
    },
  },
  { names: ['N'], what: 'to the next violation', keys: ['n', 'N'], run: jump('violation', true) },
  { names: ['P'], what: 'to the previous violation', keys: ['p', 'P'], run: jump('violation', false) },
  {
    names: ['0', '…', '7'],
    what: 'let that CPU take a step; what came after is dropped',
    keys: ['0', '1', '2', '3', '4', '5', '6', '7'],
    run: choose,
  },
  {
    names: ['U'],
    what: 'undo the last choice',
    keys: ['u', 'U'],
    run: ({ session }) => {
      session.undo();
    },
  },
  {
    names: ['F'],
    what: 'fork: drop what comes after',
    keys: ['f', 'F'],
    run: ({ session }) => {
      session.fork();
    },
  },
  {
    names: ['E'],
    what: 'tell and take single accesses, or whole steps',
    keys: ['e', 'E'],
    run: ({ player }) => {
      player.singles = !player.singles;
    },
  },
  {
    names: ['A'],
    what: 'set or remove marker A',
    keys: ['a', 'A'],
    run: ({ player }) => {
      player.mark('A');
    },
  },
  {
    names: ['B'],
    what: 'set or remove marker B',
    keys: ['b', 'B'],
    run: ({ player }) => {
      player.mark('B');
    },
  },
  { names: ['L'], what: 'page-table lock on or off', keys: ['l', 'L'], run: toggleDefence('ptl') },
  { names: ['R'], what: 'recheck under the lock on or off', keys: ['r', 'R'], run: toggleDefence('pte_recheck') },
  {
    names: ['C'],
    what: 'copy the link',
    keys: ['c', 'C'],
    run: ({ copyLink }) => {
      copyLink();
    },
  },
  {
    names: ['/'],
    what: 'find an event',
    keys: ['/'],
    run: ({ find }) => {
      find();
    },
  },
  {
    names: ['?'],
    what: 'these keys',
    keys: ['?'],
    run: ({ help }) => {
      help();
    },
  },
];

/** What a stroke does; undefined: nothing of the lab's. */
export function keyOf({ key, shiftKey, ctrlKey, altKey, metaKey }: Stroke): Key | undefined {
  if (ctrlKey || altKey || metaKey) return undefined;
  const isArrow = key.startsWith('Arrow');
  return KEYS.find(({ keys, shift }) => keys.includes(key) && (!isArrow || (shift ?? false) === shiftKey));
}

/** What the element that has the focus keeps for itself: everything, the keys that work it, or nothing. */
export type Focus = 'field' | 'slider' | 'choice' | 'button' | 'none';

/** Whether a stroke is the element's that has the focus, and not the lab's. */
export function isKept(focus: Focus, { key }: Stroke): boolean {
  if (focus === 'field') return true;
  if (focus === 'button') return key === ' ';
  if (focus === 'slider') return key.startsWith('Arrow') || key === 'Home' || key === 'End';
  return focus === 'choice' && (key.startsWith('Arrow') || key === ' ');
}

/** What an element keeps for itself when it has the focus. */
export function focusOf(element: Element): Focus {
  if (element.closest('textarea, select, [contenteditable], dialog') !== null) return 'field';
  const type = element.tagName === 'INPUT' ? (element.getAttribute('type') ?? 'text') : undefined;
  if (type === 'range') return 'slider';
  if (type === 'radio') return 'choice';
  if (type === 'checkbox' || type === 'button') return 'button';
  if (type !== undefined) return 'field';
  return element.closest('button, a, summary, [role=button], [role=treeitem]') === null ? 'none' : 'button';
}
