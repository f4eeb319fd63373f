// A program that runs on both kernels: its operations, the addresses it works on, and how the oracle is told.
import {
  MADV_COLD,
  MADV_DODUMP,
  MADV_DOFORK,
  MADV_DONTDUMP,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_KEEPONFORK,
  MADV_NOHUGEPAGE,
  MADV_NORMAL,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_RANDOM,
  MADV_REMOVE,
  MADV_SEQUENTIAL,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_LOCKED,
  MAP_NORESERVE,
  MAP_POPULATE,
} from '../kernel/mm/flags.ts';
import type { Op } from '../kernel/program.ts';
import type { About } from './observation.ts';

/** Kinds that are about a process's userfaultfd. */
export type MonitorKind =
  'uffd_register' | 'uffd_unregister' | 'uffd_copy' | 'uffd_zeropage' | 'uffd_wake' | 'uffd_close';

/** Kinds of operations that both kernels can do. */
export type Kind =
  | 'mmap'
  | 'munmap'
  | 'mprotect'
  | 'madvise'
  | 'brk'
  | 'load'
  | 'store'
  | 'touch'
  | 'atomic_add'
  | 'mremap'
  | 'mlock'
  | 'munlock'
  | 'fork'
  | 'as'
  | 'exit_process'
  | 'clear_refs'
  | MonitorKind;

/** How a monitor answers faults: with a page whose words are all `value`, or with the page of zeroes. */
export interface Answer {
  how: 'copy' | 'zeropage';
  value: number;
}

/** One operation. A registration also says how the process's monitor answers from then on, whatever comes of it. */
export type Operation =
  Extract<Op, { op: Exclude<Kind, 'uffd_register'> }> | (Extract<Op, { op: 'uffd_register' }> & Answer);

export const MONITOR_KINDS: readonly MonitorKind[] = [
  'uffd_register',
  'uffd_unregister',
  'uffd_copy',
  'uffd_zeropage',
  'uffd_wake',
  'uffd_close',
];

export const KINDS: readonly Kind[] = [
  'mmap',
  'munmap',
  'mprotect',
  'madvise',
  'brk',
  'load',
  'store',
  'touch',
  'atomic_add',
  'mremap',
  'mlock',
  'munlock',
  'fork',
  'as',
  'exit_process',
  'clear_refs',
  ...MONITOR_KINDS,
];

/** Whether the running kernel lets the oracle do operations of a kind. */
export function canCompare(kind: Kind, { movesBrk, userfaultfd }: Pick<About, 'movesBrk' | 'userfaultfd'>): boolean {
  if ((MONITOR_KINDS as readonly Kind[]).includes(kind)) return userfaultfd !== 'none';
  return kind !== 'brk' || movesBrk;
}

/** What the simulated machine can do of all that the oracle can: programs are made of nothing else. */
export const MACHINE: {
  readonly kinds: readonly Kind[];
  /** Flags of mmap beside PRIVATE, ANONYMOUS and FIXED. */
  readonly mapFlags: readonly number[];
  readonly advice: readonly number[];
} = {
  kinds: KINDS,
  mapFlags: [MAP_NORESERVE, MAP_POPULATE, MAP_LOCKED, MAP_GROWSDOWN, MAP_FIXED_NOREPLACE],
  advice: [
    MADV_NORMAL,
    MADV_RANDOM,
    MADV_SEQUENTIAL,
    MADV_WILLNEED,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_REMOVE,
    MADV_DONTFORK,
    MADV_DOFORK,
    MADV_HUGEPAGE,
    MADV_NOHUGEPAGE,
    MADV_DONTDUMP,
    MADV_DODUMP,
    MADV_WIPEONFORK,
    MADV_KEEPONFORK,
    MADV_COLD,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_DONTNEED_LOCKED,
  ],
};

/** A program: what one thread does first, what each of several does at once, what one does afterwards. */
export interface Program {
  before: Operation[];
  threads: Operation[][];
  /** The threads work on the same pages: who comes first is open, and so is what follows from that. */
  shares?: boolean;
  after: Operation[];
}

export const PAGE = 4096;
const GIB: number = 1024 ** 3;
/** An entry of the top page table that nothing else uses, in the oracle's processes too. */
export const ARENA_START = 0x200000000000;
export const ARENA_END: number = ARENA_START + 512 * GIB;
/** Where the oracle puts the break. */
export const START_BRK: number = ARENA_START + 64 * GIB;

/** Some pages in a row that programs work on. */
export interface Window {
  readonly name: string;
  readonly start: number;
  readonly pages: number;
}

/** Across the border of two page tables, across that of two middle directories, far from all below, and the heap. */
export const WINDOWS: readonly Window[] = [
  { name: 'a', start: ARENA_START + 0x200000 - 6 * PAGE, pages: 12 },
  { name: 'b', start: ARENA_START + GIB - 3 * PAGE, pages: 6 },
  { name: 'c', start: ARENA_START + 3 * GIB, pages: 8 },
  { name: 'heap', start: START_BRK, pages: 8 },
];

/** Whether a mapping at an address is of use: programs give back what the kernel put elsewhere. */
export function isInArena(address: number): boolean {
  return address >= ARENA_START && address < ARENA_END;
}

/** The numbers of an operation, in the order of the oracle's line. */
function numbersOf(operation: Operation): readonly number[] {
  switch (operation.op) {
    case 'mmap':
      return [operation.addr, operation.length, operation.prot, operation.flags];
    case 'munmap':
    case 'mlock':
    case 'munlock':
      return [operation.addr, operation.length];
    case 'mprotect':
      return [operation.addr, operation.length, operation.prot];
    case 'madvise':
      return [operation.addr, operation.length, operation.advice];
    case 'brk':
      return [operation.addr];
    case 'load':
      return [operation.addr, operation.size ?? 4];
    case 'store':
      return [operation.addr, operation.size ?? 4, operation.value];
    case 'touch':
      return [operation.addr, operation.pages, operation.write ? 1 : 0, operation.value];
    case 'atomic_add':
      return [operation.addr, operation.value];
    case 'mremap': {
      const { addr, old_length, new_length, flags, new_addr } = operation;
      return [addr, old_length, new_length, flags, new_addr ?? 0];
    }
    case 'fork':
      return [operation.child];
    case 'as':
    case 'exit_process':
      return [operation.process];
    case 'uffd_register':
      return [operation.addr, operation.length, operation.how === 'zeropage' ? 1 : 0, operation.value];
    case 'uffd_unregister':
    case 'uffd_zeropage':
    case 'uffd_wake':
      return [operation.addr, operation.length];
    case 'uffd_copy':
      return [operation.addr, operation.length, operation.value];
    case 'clear_refs':
    case 'uffd_close':
      return [];
  }
}

const BEFORE = -1;
const AFTER = -2;

function operationLine(thread: number, operation: Operation): string {
  return `O ${String(thread)} ${operation.op} ${numbersOf(operation).join(' ')}`;
}

/** A program as the oracle reads it: P and an id, a W for each window, an O for each operation, E. */
export function programLines(id: number, { before, threads, after }: Program): string {
  return [
    `P ${String(id)}`,
    ...WINDOWS.map(({ start, pages }) => `W ${String(start)} ${String(pages)}`),
    ...before.map((operation) => operationLine(BEFORE, operation)),
    ...threads.flatMap((operations, thread) => operations.map((operation) => operationLine(thread, operation))),
    ...after.map((operation) => operationLine(AFTER, operation)),
    'E\n',
  ].join('\n');
}

/** Whether an operation makes pages present without touching them. */
export function populates(operation: Operation): boolean {
  if (operation.op === 'mmap') return (operation.flags & (MAP_POPULATE | MAP_LOCKED)) !== 0;
  if (operation.op === 'mlock') return true;
  return operation.op === 'madvise' && [MADV_POPULATE_READ, MADV_POPULATE_WRITE].includes(operation.advice);
}

/** Whether the running kernel lets the oracle do all of a program. */
export function canRun({ before, threads, after }: Program, about: Pick<About, 'movesBrk' | 'userfaultfd'>): boolean {
  const operations = [...before, ...threads.flat(), ...after];
  if (!operations.every(({ op }) => canCompare(op, about))) return false;
  const isMonitored = operations.some(({ op }) => op === 'uffd_register');
  return !(isMonitored && about.userfaultfd === 'user' && operations.some(populates));
}

/** All operations in the order in which their results are told, and where the threads are joined: one step more. */
export function stepsOf({ before, threads, after }: Program): (Operation | 'join')[] {
  return [...before, ...threads.flat(), ...(threads.length > 0 ? (['join'] as const) : []), ...after];
}
