// The erased twin of the kernel, typed from the stepped source: generators become the functions they return.
import type * as stepped from '../kernel/index.ts';
import type { Step } from '../kernel/memory.ts';

/** What erasing makes of one export: a stepped function returns its result at once, all else stays. */
type DirectExport<E> = E extends (...args: infer A) => Generator<Step, infer T, void> ? (...args: A) => T : E;

/** The types of a stepped module's erased twin. */
export type Direct<M> = { readonly [K in keyof M]: DirectExport<M[K]> };

/** The kernel at full speed: for real threads, and for booting. */
export const kernel: Direct<typeof stepped> = (await import(
  new URL('../kernel-direct/index.js', import.meta.url).href
)) as Direct<typeof stepped>;
