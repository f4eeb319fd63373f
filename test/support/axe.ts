// What axe objects to on a page that a test has open.
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

/**
 * Every rule of axe, or those that are named: each violation with the elements that it is about, and the rules that were
 * kept. It runs in the page alone, which is why the page must have no frames, and describes violations only: to describe
 * each element that is as it should be takes twice the time.
 */
export async function auditOf(
  page: Page,
  rules?: readonly string[],
): Promise<{ violations: (readonly [rule: string, elements: readonly string[]])[]; kept: string[] }> {
  expect(page.frames()).toHaveLength(1);
  const axe = new AxeBuilder({ page }).options({ resultTypes: ['violations'] }).setLegacyMode();
  if (rules !== undefined) axe.withRules([...rules]);
  const { violations, passes } = await axe.analyze();
  return {
    violations: violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)] as const),
    kept: passes.map(({ id }) => id),
  };
}
