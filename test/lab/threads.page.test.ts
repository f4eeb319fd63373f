// Threads of the lab's page that die, and pages that are closed while threads run.
import { expect, it } from 'vitest';
import { EXAMPLE, LIMIT_MS, useLabBrowser } from '../support/lab-browser.ts';

const lab = useLabBrowser();

it(
  'says in one sentence that a search could not be started, and begins it again with the next step',
  async () => {
    const address = await lab.serve(true);
    const context = await lab.browser.newContext({ viewport: { width: 1440, height: 900 } });
    try {
      const page = await context.newPage();
      let asked = 0;
      // The page is the first that asks for the script; its threads come after it.
      await context.route('**/lab.js', (route) => ((asked += 1) === 1 ? route.continue() : route.abort()));
      await page.goto(`${address}${EXAMPLE}`, { timeout: LIMIT_MS });
      const panel = page.getByRole('region', { name: 'Who runs next' });
      await panel
        .getByText('the search ended: a worker could not be started; it begins again with the next step')
        .waitFor({ timeout: LIMIT_MS });
      await context.unroute('**/lab.js');
      await page.keyboard.press('ArrowRight');
      await panel.locator('[data-choice]').filter({ hasText: 'fail' }).first().waitFor({ timeout: LIMIT_MS });
      expect(await panel.getByText('the search ended').count()).toBe(0);
    } finally {
      await context.close();
    }
  },
  LIMIT_MS,
);

it(
  'leaves no thread when the page is closed in the middle of a race',
  async () => {
    const address = await lab.serve(true);
    const context = await lab.browser.newContext();
    const cdp = await lab.browser.newBrowserCDPSession();
    const renderers = async (): Promise<Map<number, number>> => {
      const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
      return new Map(processInfo.filter(({ type }) => type === 'renderer').map(({ id, cpuTime }) => [id, cpuTime]));
    };
    try {
      const page = await context.newPage();
      await page.goto(`${address}${EXAMPLE}`, { timeout: LIMIT_MS });
      await page.getByRole('button', { name: /^Race \d threads/ }).click();
      await page.locator('[data-rounds]:not([data-rounds="0"])').waitFor({ timeout: LIMIT_MS });
      expect(page.workers().length).toBeGreaterThan(2);
      // The process that runs the threads is the one that has worked most.
      const [busiest] = [...(await renderers())].sort(([, a], [, b]) => b - a)[0]!;
      await page.close();
      await expect.poll(async () => (await renderers()).has(busiest), { timeout: LIMIT_MS }).toBe(false);
      const { targetInfos } = await cdp.send('Target.getTargets');
      expect(targetInfos.filter(({ url }) => url.startsWith(address))).toEqual([]);
    } finally {
      await cdp.detach();
      await context.close();
    }
  },
  LIMIT_MS,
);
