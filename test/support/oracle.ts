// The oracle of the tests, or why there is none.
import { afterAll } from 'vitest';
import { NoOracle, Oracle } from '../../src/conform/oracle.ts';
import type { Run } from '../../src/conform/observation.ts';
import { programLines } from '../../src/conform/program.ts';
import type { Sides } from '../../src/conform/campaign.ts';

/** Starts an oracle for a file of tests, which is stopped after them; where there can be none, the reason. */
export async function oracleOrReason(): Promise<Oracle | string> {
  try {
    const oracle = await Oracle.start();
    afterAll(() => oracle.stop());
    return oracle;
  } catch (error) {
    if (error instanceof NoOracle) return error.message;
    throw error;
  }
}

/**
 * An oracle that is asked about each program once, for tests that give the same ones to many machines. Who gives the same
 * program twice at a time wants to know whether the kernel does the same twice: that is asked each time.
 */
export function remembering(oracle: Oracle | string): Sides['oracle'] | string {
  if (typeof oracle === 'string') return oracle;
  const known = new Map<string, Run | undefined>();
  return {
    about: oracle.about,
    async ask(programs) {
      const texts = programs.map((program) => programLines(0, program));
      if (new Set(texts).size < texts.length) return await oracle.ask(programs);
      const fresh = [...texts.keys()].filter((i) => !known.has(texts[i]!));
      const answers = await oracle.ask(fresh.map((i) => programs[i]!));
      for (const [n, i] of fresh.entries()) known.set(texts[i]!, answers[n]);
      return texts.map((text) => known.get(text));
    },
  };
}
