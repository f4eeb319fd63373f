// pagerace/testing/vitest: importing it gives vitest's `expect` the matchers, and their types.
import { expect } from 'vitest';
import { raceMatchers } from './matchers.ts';
import type { RaceMatchers, ReplayingOptions } from './matchers.ts';

declare module 'vitest' {
  // vitest's own declaration has this parameter, by this name and default, and takes members from an interface alone.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any, @typescript-eslint/no-empty-object-type
  interface Matchers<T = any> extends RaceMatchers<T> {}
}

expect.extend(raceMatchers);

export type { RaceMatchers, ReplayingOptions };
