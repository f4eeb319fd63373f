// One access of one execution, as judges see it: who, how, where, and whether it stored. What the values were is not
// their business.
import type { StepKind } from '../kernel/memory.ts';

/** `drain`: a store left the CPU's store buffer (weak memory models); the store itself was announced as its own step. */
export type AccessKind = StepKind | 'drain';

/** All kinds; a kind's place here is its number in tables. */
export const ACCESS_KINDS: readonly AccessKind[] = [
  'plain-read',
  'plain-write',
  'read',
  'write',
  'acquire',
  'release',
  'rmw',
  'cmpxchg',
  'add',
  'mb',
  'wmb',
  'wait',
  'idle',
  'lock',
  'trylock',
  'unlock',
  'read-lock',
  'read-trylock',
  'read-unlock',
  'write-lock',
  'write-unlock',
  'hw-read',
  'user-read',
  'user-write',
  'user-rmw',
  'note',
  'drain',
];

/** One access, as it was done. */
export interface AccessEvent {
  readonly cpu: number;
  readonly kind: AccessKind;
  /** First word and number of words touched. */
  readonly word: number;
  readonly width: number;
  /** Whether it stored: false for a load, a failed cmpxchg or trylock, and a store that went into the store buffer. */
  readonly stored: boolean;
  /** For locks and waits: the kernel's lock class (LOCK_*); 0 elsewhere. */
  readonly lockClass: number;
}
