// Which pages operations are about.
import type { Op } from '../kernel/program.ts';

export const PAGE_BYTES = 4096;

/** The pages that an operation is about: their first addresses; none where it is about no address. */
export function pagesTouched(op: Op): number[] {
  if (op.op === 'repeat') return op.ops.flatMap(pagesTouched);
  if (!('addr' in op)) return [];
  const first = pageOf(op.addr);
  return Array.from({ length: pagesIn(op) }, (_, i) => first + i * PAGE_BYTES);
}

/** First address of the page of an address. */
export function pageOf(addr: number): number {
  return Math.floor(addr / PAGE_BYTES) * PAGE_BYTES;
}

/** How many pages an operation is about. */
export function pagesIn(op: Op): number {
  if ('length' in op) return Math.max(1, Math.ceil(op.length / PAGE_BYTES));
  return op.op === 'touch' ? Math.max(1, op.pages) : 1;
}
