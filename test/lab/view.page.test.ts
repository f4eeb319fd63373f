// The lab's page at sizes that readers have: a large screen, and one that is zoomed; and without motion.
import { expect, it } from 'vitest';
import { MODES } from '../../src/lab/model/session.ts';
import { EXAMPLE, LIMIT_MS, sticksOut, useLabBrowser } from '../support/lab-browser.ts';

const lab = useLabBrowser();

it.each([
  ['at 1920 px', { width: 1920 }],
  // Zoom makes pixels larger, and so there are fewer of them.
  ['at 1440 px and 200 %', { width: 720, deviceScaleFactor: 2 }],
  ['at 360 px', { width: 360 }],
])(
  'has nothing that sticks out %s',
  async (_size, view) => {
    const address = await lab.serve(true);
    await lab.withPage(
      `${address}${EXAMPLE}&at=147&level=no-recheck`,
      async (page) => {
        for (const mode of MODES) {
          await page.evaluate((what) => {
            globalThis.pagerace.session.setMode(what);
          }, mode);
          expect([mode, await sticksOut(page)]).toEqual([mode, []]);
        }
      },
      view,
    );
  },
  LIMIT_MS,
);

it(
  'moves nothing where the reader wants no motion, whatever a panel asks for',
  async () => {
    const address = await lab.serve(true);
    await lab.withPage(`${address}${EXAMPLE}`, async (page) => {
      await page.addStyleTag({
        content:
          '@keyframes turn { to { rotate: 1turn } } .panel { animation: turn 9s; transition: all 9s; scroll-behavior: smooth }',
      });
      await page.keyboard.press('Space');
      await page.waitForFunction(() => globalThis.pagerace.session.cursor > 0, undefined, { timeout: LIMIT_MS });
      expect(await page.evaluate(() => document.getAnimations().length)).toBe(0);
      const kinds = await page
        .locator('*')
        .evaluateAll((all) => [
          ...new Set(all.filter(({ isConnected }) => isConnected).map((one) => getComputedStyle(one).scrollBehavior)),
        ]);
      expect(kinds).toEqual(['auto']);
    });
  },
  LIMIT_MS,
);
