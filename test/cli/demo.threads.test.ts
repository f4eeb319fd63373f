// The demo as people see it; what threads make differ from run to run is masked.
import { expect, it } from 'vitest';
import { expectGolden } from '../support/golden.ts';
import { runCliProcess } from '../support/run-cli.ts';

/** Numbers that threads decide. */
function masked(text: string): string {
  return text
    .replace(/(lost folios)(?: +[\d,]+){4}(?: +<- not in every round)?/g, '$1     #     #     #     #')
    .replace(/in \d of 8 rounds/, 'in # of 8 rounds')
    .replace(/on \d+ cores?$/m, 'on # cores');
}

it('tells why the page-table lock exists', async () => {
  const { status, stdout } = runCliProcess(['demo']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/lock \+ recheck {2}lost folios +0 +0 +0 +0\n/);
  await expectGolden(masked(stdout).trimEnd(), 'demo');
});
