// Locking designs that tests run: those of the kernel that are meant to be right, and examples in files.
import { fileURLToPath } from 'node:url';
import { LOCKING_DESIGNS } from '../../src/kernel/mm/flags.ts';

/** The file of a design of test/races/designs. */
export function exampleDesign(name: string): string {
  return fileURLToPath(new URL(`../races/designs/${name}.js`, import.meta.url));
}

/** Every design that is meant to be right, as `locking` takes it. */
export const RIGHT_DESIGNS: readonly { readonly name: string; readonly locking: string }[] = [
  ...LOCKING_DESIGNS.filter(({ name }) => name !== 'none').map(({ name }) => ({ name, locking: name })),
  { name: 'bit-locks', locking: exampleDesign('bit-locks') },
];
