// Which words of user memory programs load or store: what they hold in the end is read once more, for the judge.
import type { Op } from '../kernel/program.ts';

const PAGE_BYTES = 4096;
const WORD_BYTES = 4;

/** Addresses of the aligned words that operations load or store, each once, from the lowest on. */
export function wordsAccessed(ops: readonly Op[]): number[] {
  return [...new Set(ops.flatMap(wordsOf))].sort((a, b) => a - b);
}

function wordsOf(op: Op): number[] {
  switch (op.op) {
    case 'repeat':
      return op.ops.flatMap(wordsOf);
    case 'touch':
      return Array.from({ length: op.pages }, (_, i) => op.addr + i * PAGE_BYTES);
    case 'load':
    case 'store':
    case 'atomic_add': {
      const first = Math.floor(op.addr / WORD_BYTES) * WORD_BYTES;
      const size = op.op === 'atomic_add' ? WORD_BYTES : (op.size ?? WORD_BYTES);
      return Array.from({ length: Math.ceil((op.addr + size - first) / WORD_BYTES) }, (_, i) => first + i * WORD_BYTES);
    }
    default:
      return [];
  }
}
