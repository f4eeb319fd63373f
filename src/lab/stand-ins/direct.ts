// Stands in for src/machine/direct.ts in a browser: the same erased kernel, bundled.
import * as erased from '@erased-kernel';
import type * as stepped from '../../kernel/index.ts';
import type { Direct } from '../../machine/direct.ts';

const untyped: unknown = erased;

/** The kernel at full speed. */
export const kernel: Direct<typeof stepped> = untyped as Direct<typeof stepped>;
