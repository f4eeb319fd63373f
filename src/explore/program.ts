// What can be explored: threads as stepped functions over shared words, and what must be true in the end.
import type { Processor, Steps } from '../kernel/memory.ts';

/**
 * One thread: a stepped function of its CPU. What it returns is kept with the end state. It takes nothing from anywhere
 * but its words, and leaves nothing anywhere else: a search runs it only as often as it has to.
 */
export type Thread = (cpu: Processor) => Steps<unknown>;

/** The end of one execution. */
export interface EndState {
  /** The program's words, as signed 32-bit integers. */
  readonly memory: Int32Array;
  /** What each thread returned; undefined for one that threw. */
  readonly returns: readonly unknown[];
}

/** A program over `words` shared 32-bit words. */
export interface Program {
  readonly words: number;
  /** How many 64-bit words there are: they lie in front, word 2i and 2i + 1. Their count is part of `words`. */
  readonly words64?: number;
  /** What the words hold at first; 0 where nothing is given. */
  readonly init?: readonly number[];
  readonly threads: readonly Thread[];
  /** Names of words and threads, for people. */
  readonly names?: { readonly words?: readonly string[]; readonly threads?: readonly string[] };
  /** Throws to reject an end state. */
  readonly check?: (end: EndState) => void;
}

/** sc: a store is seen at once. tso: it waits in its CPU's store buffer, first in first out. pso: in order per word only. */
export type MemoryModel = 'sc' | 'tso' | 'pso';
export const MEMORY_MODELS: readonly MemoryModel[] = ['sc', 'tso', 'pso'];

/** The most words a program can have: one page of RAM per kibiword, 16 MiB in all. */
export const MAX_WORDS: number = 4 * 1024 * 1024;
/** The most threads a program can have: a schedule token's CPUs, and the width of the explorer's clocks. */
export const MAX_THREADS = 64;
