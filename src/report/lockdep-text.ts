// A broken lock order as text, in the shape of a lockdep splat: what is being taken, what is held, how the one leads
// back to the other, and the schedule that would deadlock, a column per CPU.
import type { LockOrderEdge, LockOrderExample, LockOrderProblem } from '../check/lock-order.ts';
import { addressOf, commOf, pidOf } from './names.ts';
import { wrapText } from './text.ts';

const RULE = '='.repeat(54);
const THIN_RULE = '-'.repeat(54);
/** Where the second CPU's column begins, as in lockdep. */
const SECOND_COLUMN = 31;

/** What a splat has to be told: classes are numbers, and an example only says which events it was. */
export interface LockOrderNames {
  readonly className: (lockClass: number) => string;
  /** The functions, innermost first, in which the lock of an example was taken; none if that is not known. */
  readonly where?: (example: LockOrderExample, which: 'held' | 'taken') => readonly string[];
}

/** The splat. */
export function renderLockOrder(problem: LockOrderProblem, names: LockOrderNames): string[] {
  const { edge } = problem;
  const task = `${commOf(edge.example.cpu)}/${String(pidOf(edge.example.cpu))}`;
  const circular = problem.kind === 'circular';
  return [
    RULE,
    `WARNING: possible ${circular ? 'circular locking dependency' : 'recursive locking'} detected`,
    THIN_RULE,
    `${task} is trying to acquire lock:`,
    lockLine(edge, 'taken', names),
    '',
    'but task is already holding lock:',
    lockLine(edge, 'held', names),
    '',
    ...(circular ? circularLines(problem, names) : recursiveLines(edge, names)),
    '',
    ' *** DEADLOCK ***',
    '',
    `1 lock held by ${task}:`,
    ` #0: ${lockLine(edge, 'held', names)}`,
  ];
}

function classText(edge: LockOrderEdge, which: 'held' | 'taken', names: LockOrderNames): string {
  return `(${names.className(edge[which])})`;
}

function lockLine(edge: LockOrderEdge, which: 'held' | 'taken', names: LockOrderNames): string {
  const word = which === 'held' ? edge.example.heldWord : edge.example.takenWord;
  const fn = names.where?.(edge.example, which)[0];
  const reader = (which === 'held' ? edge.heldForRead : edge.takenForRead) ? ' for read' : '';
  return `${addressOf(word)} ${classText(edge, which, names)}${reader}${fn === undefined ? '' : `, at: ${fn}`}`;
}

function circularLines(problem: LockOrderProblem, names: LockOrderNames): string[] {
  const { edge, chain } = problem;
  const backwards = [...chain].reverse();
  const last = backwards[0] ?? edge;
  const path = [edge.taken, ...chain.map(({ taken }) => taken)].map((c) => names.className(c));
  return [
    'which lock already depends on the new lock.',
    '',
    'the existing dependency chain (in reverse order) is:',
    '',
    ...backwards.flatMap((link, i) => [...linkLines(link, chain.length - i, names), '']),
    ...linkLines(edge, 0, names),
    '',
    ...(chain.length > 1 ? ['Chain exists of:', ...wrapText(path.join(' --> '), '  ', '    '), ''] : []),
    ' Possible unsafe locking scenario:',
    '',
    ...columns('CPU0', 'CPU1', 7),
    ...columns('----', '----', 7),
    ...columns(take(edge.held, edge.heldForRead, names), '', 2),
    ...columns('', take(last.held, last.heldForRead, names), 2),
    ...columns('', take(last.taken, last.takenForRead, names), 2),
    ...columns(take(edge.taken, edge.takenForRead, names), '', 2),
  ];
}

/** One link: where its lock was taken, and what was held then. */
function linkLines(link: LockOrderEdge, number: number, names: LockOrderNames): string[] {
  const { execution, cpu, heldAt, takenAt } = link.example;
  const held = `with ${names.className(link.held)} held since event ${String(heldAt)}`;
  const when = `event ${String(takenAt)} of execution ${String(execution)} on cpu ${String(cpu)}`;
  const where = names.where?.(link.example, 'taken') ?? [];
  return [
    `-> #${String(number)} ${classText(link, 'taken', names)}:`,
    ...where.map((fn) => `       ${fn}`),
    ...wrapText(`${when}, ${held}`, '       ', '         '),
  ];
}

function recursiveLines(edge: LockOrderEdge, names: LockOrderNames): string[] {
  return [
    ' Possible unsafe locking scenario:',
    '',
    '       CPU0',
    '       ----',
    `  ${take(edge.held, edge.heldForRead, names)}`,
    `  ${take(edge.taken, edge.takenForRead, names)}`,
  ];
}

function take(lockClass: number, forRead: boolean, names: LockOrderNames): string {
  return `${forRead ? 'rlock' : 'lock'}(${names.className(lockClass)});`;
}

/** A line of the scenario; a long name on the left pushes the right one to a line of its own. */
function columns(left: string, right: string, indent: number): string[] {
  const first = left === '' ? '' : ' '.repeat(indent) + left;
  if (right === '') return [first];
  if (first.length >= SECOND_COLUMN) return [first, ' '.repeat(SECOND_COLUMN) + right];
  return [first.padEnd(SECOND_COLUMN) + right];
}
