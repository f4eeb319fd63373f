// Stands in for the few names of Node's modules that reach the bundle.

/** How many cores the browser says there are. */
export function availableParallelism(): number {
  return navigator.hardwareConcurrency;
}

/** Channels of the browser's own. */
export const MessageChannel: typeof globalThis.MessageChannel = globalThis.MessageChannel;
