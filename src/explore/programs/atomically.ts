// Blocks that a program's author declares atomic: one step over a run of words, whatever is done with them.
import type { Processor, Steps, Word } from '../../kernel/memory.ts';

/**
 * Runs `body` on `count` words from `word` in one step. It counts as a read-modify-write of all of them, so that it is
 * ordered with every other access to one of them.
 */
export function* atomically<T>(
  cpu: Processor,
  word: Word,
  count: number,
  body: (words: Int32Array<SharedArrayBuffer>) => T,
): Steps<T> {
  if (cpu.about('rmw', word, count)) yield cpu.step;
  return body(cpu.words.subarray(word, word + count));
}

/** `count` threads or words, each made from its number. */
export function each<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
