// The campaign in a browser: every level is played by keyboard alone, its question is answered in every way, and what is
// won says where v6.8 stands.
import type { Locator, Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { DEFENCES } from '../../src/kernel/defences.ts';
import { openLevel } from '../../src/lab/model/campaign.ts';
import { LEVELS, levelNamed } from '../../src/lab/model/levels.ts';
import type { Level } from '../../src/lab/model/levels.ts';
import { Session } from '../../src/lab/model/session.ts';
import { LIMIT_MS, pressFast, useLabBrowser } from '../support/lab-browser.ts';

/** Elements that Tab goes through, at most. */
const MAX_TABS = 120;

const lab = useLabBrowser();

/**
 * What to press for a schedule, and who is to go by it. `E` changes between whole steps and single accesses, which are
 * taken only where a turn ends between two steps that others see.
 */
function pressesFor(level: Level): { readonly key: string; readonly proc: string }[] {
  const session = new Session(level.plan);
  openLevel(session, level);
  const presses: { key: string; proc: string }[] = [];
  const keyboard = { singles: false };
  const press = (proc: string, single: boolean): void => {
    if (single !== keyboard.singles) presses.push({ key: 'e', proc: '' });
    keyboard.singles = single;
    presses.push({ key: proc.includes('w') ? 'Enter' : proc, proc });
  };
  const [schedule = ''] = level.schedule.split('.');
  let end = 0;
  for (const turn of schedule.split(',')) {
    const [proc = '', steps] = turn.split(':');
    end += Number(steps);
    while (session.length < end) {
      expect(session.choose(proc)).toBe(true);
      if (session.length <= end) {
        press(proc, false);
        continue;
      }
      session.undo();
      expect(session.chooseStep(proc)).toBe(true);
      press(proc, true);
    }
  }
  if (keyboard.singles) presses.push({ key: 'e', proc: '' });
  expect(session.token()).toBe(level.schedule);
  return presses;
}

/** Goes to an element as the keyboard does. */
async function tabTo(page: Page, target: Locator, key: 'Tab' | 'Shift+Tab' = 'Tab'): Promise<void> {
  await target.waitFor({ timeout: LIMIT_MS });
  for (let i = 0; i < MAX_TABS; i++) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press(key);
  }
  throw new Error(`no ${key} leads to ${String(target)}`);
}

async function press(page: Page, target: Locator, key?: 'Tab' | 'Shift+Tab'): Promise<void> {
  await tabTo(page, target, key);
  await page.keyboard.press('Enter');
}

async function schedule(page: Page, level: Level): Promise<void> {
  let keys: string[] = [];
  for (const { key, proc } of pressesFor(level)) {
    if (key !== 'Enter') {
      keys.push(key);
      continue;
    }
    await pressFast(page, keys);
    keys = [];
    // A store that reaches memory has no key of its own: its button is pressed.
    await press(page, page.getByRole('button', { name: `${proc} the oldest store` }));
  }
  await pressFast(page, keys);
}

function campaignOf(page: Page): Locator {
  return page.getByRole('region', { name: 'Campaign' });
}

async function says(page: Page, text: string): Promise<string> {
  const said = campaignOf(page).locator('.said').filter({ hasText: text });
  await said.waitFor({ timeout: LIMIT_MS });
  return said.innerText();
}

/** Gives every answer to a level's question, and reads what it means. */
async function answerAll(page: Page, { answers }: Level): Promise<void> {
  const campaign = campaignOf(page);
  await tabTo(page, campaign.getByRole('radio').first());
  for (const [i, { isRight, means }] of answers.entries()) {
    await page.keyboard.press(i === 0 ? 'Space' : 'ArrowDown');
    const told = campaign.locator('.answer').filter({ hasText: means });
    await told.waitFor({ timeout: LIMIT_MS });
    expect(await told.innerText()).toMatch(isRight ? /^Right\. / : /^Not so\. /);
  }
}

it(
  'is won from the first level to the last by keyboard alone',
  async () => {
    await lab.withPage(await lab.serve(true), async (page) => {
      const campaign = campaignOf(page);
      await press(page, campaign.getByRole('button', { name: 'First level' }));
      for (const [i, level] of LEVELS.entries()) {
        await campaign
          .getByRole('heading', { name: `${String(i + 1)}. ${level.title}` })
          .waitFor({ timeout: LIMIT_MS });
        await answerAll(page, level);
        await schedule(page, level);
        expect(await page.evaluate(() => globalThis.pagerace.session.token())).toBe(level.schedule);
        if (level.goal.kind === 'claim') {
          await says(page, 'If you think that all do, say so.');
          await press(page, campaign.getByRole('button', { name: 'It can’t be broken' }), 'Shift+Tab');
        }
        const won = await says(page, level.goal.kind === 'claim' ? 'You are right.' : 'You did it.');
        const defence = DEFENCES.find(({ name }) => name === level.defence);
        expect(won).toContain(level.lesson);
        expect(won).toContain(`In v6.8: ${defence?.where ?? level.where ?? 'nowhere'}`);
        expect(won).toContain(defence?.evidence ?? level.evidence ?? 'no evidence');
        await campaign.getByText(`${String(i + 1)} of ${String(LEVELS.length)} done`).waitFor({ timeout: LIMIT_MS });
        if (i + 1 < LEVELS.length) await press(page, campaign.getByRole('button', { name: 'Next level' }), 'Shift+Tab');
      }
      await page.reload({ timeout: LIMIT_MS });
      const options = await campaign.locator('option').allInnerTexts();
      expect(options.filter((text) => text.endsWith('✓ done'))).toHaveLength(LEVELS.length);
    });
  },
  LIMIT_MS * 5,
);

it(
  'says what to do after a schedule that does not reach the goal, and counts none that was given',
  async () => {
    const address = await lab.serve(true);
    await lab.withPage(`${address}#v=1&level=no-lock`, async (page) => {
      const campaign = campaignOf(page);
      await schedule(page, { ...levelNamed('no-lock'), schedule: levelNamed('lucky').schedule });
      await says(page, 'It ended, and the goal is not reached');
      await press(page, campaign.getByRole('button', { name: 'Show me' }));
      await page.keyboard.press('End');
      await says(page, 'Start over to do it yourself.');
      await campaign.getByText(`0 of ${String(LEVELS.length)} done`).waitFor({ timeout: LIMIT_MS });

      await press(page, campaign.getByRole('button', { name: 'Previous level' }), 'Shift+Tab');
      await schedule(page, { ...levelNamed('lucky'), schedule: levelNamed('no-lock').schedule });
      await says(page, 'Something broke');
      // Another rule is another game.
      await page.keyboard.press('l');
      await says(page, 'The rules are not those of this level any more');
    });
  },
  LIMIT_MS,
);
