// Smaller programs than one that differs: fewer operations first, then plainer ones.
import { PAGE, WINDOWS } from './program.ts';
import type { Operation, Program, Window } from './program.ts';

/** Lists that lack a part of this one: halves first, single ones at last. */
function without<T>(list: readonly T[]): T[][] {
  const shorter: T[][] = [];
  for (let part = list.length; part >= 1; part = Math.floor(part / 2)) {
    for (let at = 0; at < list.length; at += part) shorter.push([...list.slice(0, at), ...list.slice(at + part)]);
  }
  return shorter;
}

function windowOf(address: number): Window | undefined {
  return WINDOWS.find(({ start, pages }) => start <= address && address < start + pages * PAGE);
}

/** Rights from the plainest on: to read and write, to read. */
const PLAIN_RIGHTS: readonly number[] = [3, 1];

/** Plainer values for a field of an operation, the plainest first. None leads back, so that shrinking ends. */
function plainer(name: string, value: number, operation: Operation): number[] {
  const first = WINDOWS[0]!.start;
  switch (name) {
    case 'addr':
    case 'new_addr': {
      const inPage = value % PAGE;
      const before = windowOf(value - PAGE);
      // A page's first byte, the first page of all, the first of the same window, the page before it there.
      const near = before === undefined ? [] : [before.start + inPage, value - PAGE];
      return [value - inPage, first + inPage, ...near].filter((each) => each < value);
    }
    case 'length':
    case 'old_length':
    case 'new_length': {
      const pages = Math.ceil(value / PAGE);
      return [PAGE, 2 * PAGE, (pages >> 1) * PAGE, (pages - 1) * PAGE, pages * PAGE].filter(
        (each) => each > 0 && each !== value && each <= pages * PAGE,
      );
    }
    case 'pages':
      return [1, value >> 1, value - 1].filter((each) => each >= 1 && each < value);
    case 'value':
      return [1].filter((each) => each !== value);
    case 'prot': {
      const rank = PLAIN_RIGHTS.indexOf(value);
      return rank === -1 ? [...PLAIN_RIGHTS] : PLAIN_RIGHTS.slice(0, rank);
    }
    case 'flags':
      return operation.op === 'mmap' ? [0x32].filter((each) => each !== value) : [];
    case 'child':
    case 'process':
      return [1].filter((each) => each < value);
    default:
      return [];
  }
}

/** The same operation with one of its fields plainer. */
function plainerOperations(operation: Operation): Operation[] {
  const found: Operation[] = [];
  for (const [name, value] of Object.entries(operation) as [string, unknown][]) {
    if (name === 'size') {
      const rest = { ...operation } as Extract<Operation, { op: 'load' | 'store' }>;
      delete rest.size;
      found.push(rest);
    }
    if (typeof value !== 'number') continue;
    for (const plain of plainer(name, value, operation)) found.push({ ...operation, [name]: plain });
  }
  if (operation.op === 'touch') {
    const { addr, write, value } = operation;
    found.unshift(write ? { op: 'store', addr, value } : { op: 'load', addr });
  }
  return found;
}

function plainerLists(list: readonly Operation[]): Operation[][] {
  return list.flatMap((operation, i) => plainerOperations(operation).map((plain) => list.with(i, plain)));
}

/** Lists in which two operations in a row are the end of a forked process: what it does may only be not to share. */
function endedLists(list: readonly Operation[]): Operation[][] {
  const children = list.flatMap((operation) => (operation.op === 'fork' ? [operation.child] : []));
  return [...new Set(children)].flatMap((process) =>
    list.slice(1).map((_, i) => list.toSpliced(i, 2, { op: 'exit_process', process })),
  );
}

/** The program without what comes after a step, if it is of one thread and there is something. */
export function upTo(program: Program, step: number): Program[] {
  if (program.threads.length > 0 || step + 1 >= program.before.length) return [];
  return [{ before: program.before.slice(0, step + 1), threads: [], after: [] }];
}

/** Programs that are smaller than this one in one respect, those that lack most first. */
export function smaller(program: Program): Program[] {
  const { before, threads, after } = program;
  const found: Program[] = [];
  const shares = program.shares === true ? { shares: true } : {};
  // One thread after another, where that shows it too.
  if (threads.length > 0) found.push({ before: [...before, ...threads.flat(), ...after], threads: [], after: [] });
  for (const fewer of without(after)) found.push({ ...program, after: fewer });
  for (const fewer of without(before)) found.push({ ...program, before: fewer });
  for (const ended of endedLists(before)) found.push({ ...program, before: ended });
  threads.forEach((operations, thread) => {
    if (threads.length > 2) found.push({ before, threads: threads.filter((_, i) => i !== thread), after, ...shares });
    for (const fewer of without(operations)) found.push({ ...program, threads: threads.with(thread, fewer) });
  });
  for (const plain of plainerLists(before)) found.push({ ...program, before: plain });
  threads.forEach((operations, thread) => {
    for (const plain of plainerLists(operations)) found.push({ ...program, threads: threads.with(thread, plain) });
  });
  return found;
}
