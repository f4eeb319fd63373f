// A program that runs on both kernels: its operations, the addresses it works on, and how the oracle is told.
import {
  MADV_DONTNEED,
  MADV_NORMAL,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MAP_NORESERVE,
} from '../kernel/mm/flags.ts';
import type { Op } from '../kernel/program.ts';

/** Bytes of an access. */
export type AccessSize = 1 | 2 | 4 | 8;

/** One operation. All numbers are in bytes, or the kernel's own constants. `child` and `process` are 0 to 3. */
export type Operation =
  | { op: 'mmap'; addr: number; length: number; prot: number; flags: number }
  | { op: 'munmap'; addr: number; length: number }
  | { op: 'mprotect'; addr: number; length: number; prot: number }
  | { op: 'madvise'; addr: number; length: number; advice: number }
  | { op: 'brk'; addr: number }
  | { op: 'load'; addr: number; size?: AccessSize }
  | { op: 'store'; addr: number; value: number; size?: AccessSize }
  | { op: 'touch'; addr: number; pages: number; write: boolean; value: number }
  | { op: 'atomic_add'; addr: number; value: number }
  | { op: 'mremap'; addr: number; old_length: number; new_length: number; flags: number; new_addr?: number }
  | { op: 'mlock'; addr: number; length: number }
  | { op: 'munlock'; addr: number; length: number }
  | { op: 'fork'; child: number }
  | { op: 'as'; process: number }
  | { op: 'exit_process'; process: number }
  | { op: 'clear_refs' };

export type Kind = Operation['op'];
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
];

/** What programs may be made of. */
export interface Abilities {
  readonly kinds: readonly Kind[];
  /** Accesses of other sizes than 4 bytes, and such as are not aligned. */
  readonly sizes: boolean;
  /** Flags of mmap beside PRIVATE, ANONYMOUS and FIXED. */
  readonly mapFlags: readonly number[];
  readonly advice: readonly number[];
}

/** What the simulated machine can do of all this: programs are made of nothing else. */
export const MACHINE: Abilities = {
  kinds: KINDS.filter((kind) => !['atomic_add', 'mremap', 'mlock', 'munlock'].includes(kind)),
  sizes: false,
  mapFlags: [MAP_NORESERVE],
  advice: [MADV_NORMAL, MADV_DONTNEED, MADV_POPULATE_READ, MADV_POPULATE_WRITE],
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
    case 'clear_refs':
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

/** All operations in the order in which their results are told, and where the threads are joined: one step more. */
export function stepsOf({ before, threads, after }: Program): (Operation | 'join')[] {
  return [...before, ...threads.flat(), ...(threads.length > 0 ? (['join'] as const) : []), ...after];
}

/** As the simulated machine takes it. */
export function machineOp(operation: Operation): Op {
  return operation as Op;
}
