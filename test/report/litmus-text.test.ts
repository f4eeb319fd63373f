// The litmus table as people see it, against its golden file.
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { LITMUS_TESTS } from '../../src/explore/litmus/catalogue.ts';
import { renderLitmus } from '../../src/report/litmus-text.ts';
import type { LitmusRow } from '../../src/report/litmus-text.ts';

const golden = (name: string): string => fileURLToPath(new URL(`../golden/${name}.txt`, import.meta.url));

function row(name: string, more: Partial<LitmusRow> = {}): LitmusRow {
  const { allowed } = LITMUS_TESTS.find((test) => test.name === name)!;
  return { name, published: allowed, explorer: allowed, plain: undefined, atomics: undefined, ...more };
}

it('is as in the golden file', async () => {
  const never = { seen: 0, instances: 1_800_000 };
  const lines = renderLitmus([
    row('SB', { plain: { seen: 966_040, instances: 1_900_544 }, atomics: never }),
    row('R', { plain: { seen: 3, instances: 2_129_920 }, atomics: never }),
    row('MP', { plain: never, atomics: never }),
    row('ISA2+mfence+po+po'),
    row('IRIW', { explorer: { sc: false, tso: undefined, pso: undefined } }),
  ]);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(golden('litmus-table'));
});

it('says where the three disagree', () => {
  const seen = { seen: 1, instances: 10 };
  const text = renderLitmus([
    row('SB', { explorer: { sc: true, tso: true, pso: true } }),
    row('MP', { plain: seen }),
    row('LB', { atomics: seen }),
  ]).join('\n');
  expect(text).toContain('the explorer disagrees with what is published: SB\n');
  expect(text).toContain('plain accesses show what tso forbids: MP\n');
  expect(text).toMatch(/atomics show what sc forbids: LB$/);
});
