// Which pages operations are about.
import type { Op } from '../kernel/program.ts';

export const PAGE_BYTES = 4096;
const WORD_BYTES = 4;

/** The pages that an operation is about: their first addresses; none where it is about no address. */
export function pagesTouched(op: Op): number[] {
  if (op.op === 'repeat') return op.ops.flatMap(pagesTouched);
  if (!('addr' in op)) return [];
  if (op.op === 'mremap')
    return [...pagesOf(op.addr, op.old_length), ...pagesOf(op.new_addr ?? op.addr, op.new_length)];
  const first = pageOf(op.addr);
  return Array.from({ length: pagesIn(op) }, (_, i) => first + i * PAGE_BYTES);
}

function pagesOf(addr: number, length: number): number[] {
  return Array.from({ length: Math.ceil(length / PAGE_BYTES) }, (_, i) => pageOf(addr) + i * PAGE_BYTES);
}

/** First address of the page of an address. */
export function pageOf(addr: number): number {
  return Math.floor(addr / PAGE_BYTES) * PAGE_BYTES;
}

/** How many pages an operation is about. */
export function pagesIn(op: Op): number {
  if ('length' in op) return Math.max(1, Math.ceil(op.length / PAGE_BYTES));
  if (op.op === 'mremap') return Math.max(1, Math.ceil(op.old_length / PAGE_BYTES));
  if (op.op === 'touch') return Math.max(1, op.pages);
  if (op.op !== 'load' && op.op !== 'store') return 1;
  return (pageOf(op.addr + (op.size ?? WORD_BYTES) - 1) - pageOf(op.addr)) / PAGE_BYTES + 1;
}
