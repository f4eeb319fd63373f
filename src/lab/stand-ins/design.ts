// Stands in for src/machine/design.ts in a browser: the kernel's own locking designs; files of one's own are for the
// command line.
import { LOCKING_DESIGNS } from '../../kernel/mm/flags.ts';
import { indexOfName } from '../../machine/usage-error.ts';

/** Checks that a design is one of the kernel's. Throws a UsageError. */
export function designOf(locking: string): undefined {
  indexOfName(
    'Locking design',
    locking,
    LOCKING_DESIGNS.map(({ name }) => name),
  );
}

/** What a locking design is called in identities: its name. */
export function lockingIdentity(locking: string): string {
  designOf(locking);
  return locking;
}

/** The kernel's designs have no rules of their own. */
export function steppedRules(): undefined {
  return undefined;
}

/** As `steppedRules`. */
export function directRules(): undefined {
  return undefined;
}

/** Of a design of the kernel nothing fails on a machine with one CPU. */
export function loneFailure(_design: undefined, error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
