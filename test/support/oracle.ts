// The oracle of the tests, or why there is none.
import { afterAll } from 'vitest';
import { NoOracle, Oracle } from '../../src/conform/oracle.ts';

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
