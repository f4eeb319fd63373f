// Stands in for src/machine/live.ts in a browser, where no CPU is driven operation by operation.
import type * as Comlink from 'comlink';

/** Nothing in the lab asks for a live CPU. */
export function comlinkEndpoint(): Comlink.Endpoint {
  throw new Error('live CPUs are for Node');
}
