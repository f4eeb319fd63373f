// Stands in for src/machine/garbage.ts in a browser, which counts the memory of machines itself.

/** Nothing to be done. */
export function makeRoom(): void {
  // The browser's collector feels the weight of shared memory.
}
