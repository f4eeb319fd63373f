// The lab in a browser: what its panels show is what the command line's replay says, in every mode and width, isolated or
// not, from a server, a static folder or a file.
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { replayTarget } from '../../src/explore/target.ts';
import { statesOf } from '../../src/report/timeline.ts';
import { planOf, targetOf } from '../../src/lab/model/plan.ts';
import { auditOf } from '../support/axe.ts';
import { EXAMPLE, LIMIT_MS, randomToken, useLabBrowser } from '../support/lab-browser.ts';
import { stateText } from '../support/lab-text.ts';

/** Random schedules whose every step is compared; all hundred where PAGERACE_RUNS asks for them. */
const SCHEDULES = Number(process.env.PAGERACE_RUNS ?? 3);

/** One step in so many is painted before it is compared. */
const PAINTED = 16;

const lab = useLabBrowser();

describe('the panels', () => {
  const plans = [
    planOf({ scenario: 'first-touch', without: ['pte_recheck'] }),
    planOf({ scenario: 'first-touch', without: ['ptl'], cpus: 3 }),
    planOf({ scenario: 'fault-vs-dontneed' }),
    planOf({ scenario: 'cow', locking: 'cmpxchg' }),
    planOf({ scenario: 'same-table' }),
    planOf({ scenario: 'uptodate', without: ['uptodate_barrier'] }),
  ];

  it(
    'show after each step what the replay of the same token says',
    async () => {
      const address = await lab.serve(true);
      await lab.withPage(address, async (page) => {
        for (let seed = 0; seed < SCHEDULES; seed++) {
          const plan = plans[seed % plans.length]!;
          const token = randomToken(plan, seed);
          const shown = await page.evaluate(
            async ([what, schedule, painted]) => {
              const { session } = globalThis.pagerace;
              session.setPlan(what);
              session.load(schedule);
              const states: string[][] = [];
              for (let step = 0; step <= session.length; step++) {
                session.goTo(step);
                // The panels follow at once. Whether they stay so when the step has been painted is seen at some of
                // the steps: painting takes ten times as long.
                await (step % painted === 0
                  ? new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)))
                  : Promise.resolve());
                const cells = document.querySelectorAll('[data-state]');
                states.push(
                  [...cells].map((cell) => {
                    const text = cell.textContent.replace(/\s+/g, ' ').trim();
                    return `${cell.getAttribute('data-state') ?? ''}: ${text}`.trim();
                  }),
                );
              }
              return states;
            },
            [plan, token, PAINTED] as const,
          );
          const target = targetOf(plan);
          const { nameOf } = replayTarget(target, token, { memoryModel: plan.memoryModel });
          const states = statesOf(target, token, plan.memoryModel).map((state) =>
            stateText(state, plan.memoryModel !== 'sc', nameOf),
          );
          expect(shown).toEqual(states);
        }
      });
    },
    LIMIT_MS * (3 + SCHEDULES / 6),
  );
});

describe('the page', () => {
  const modes = ['watch', 'schedule', 'explore', 'predict'] as const;
  const views = [360, 768, 1440].flatMap((width) =>
    (['light', 'dark'] as const).flatMap((colorScheme) => modes.map((mode) => ({ width, colorScheme, mode }))),
  );
  // Axe takes seconds for each: every width and both schemes are there once, and all of them where PAGERACE_RUNS asks for as many.
  const chosen = SCHEDULES >= views.length ? views : views.filter((_, i) => i % 11 === 0);

  it.each(chosen)(
    'has nothing that axe objects to, and nothing that sticks out: $width px, $colorScheme, $mode',
    async ({ width, colorScheme, mode }) => {
      const address = await lab.serve(true);
      await lab.withPage(
        `${address}${EXAMPLE}&at=150&mode=${mode}`,
        async (page) => {
          await page.waitForTimeout(500);
          const { violations, kept } = await auditOf(page);
          expect(violations).toEqual([]);
          expect(kept).toContain('color-contrast');
          const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          expect(wider).toBeLessThanOrEqual(0);
        },
        { width, colorScheme },
      );
    },
    LIMIT_MS,
  );

  it(
    'asks no other host for anything, and for the sources once they come into sight',
    async () => {
      const address = await lab.serve(true);
      const context = await lab.browser.newContext();
      try {
        const page = await context.newPage();
        const asked: string[] = [];
        page.on('request', (request) => asked.push(request.url()));
        await page.goto(`${address}${EXAMPLE}`, { timeout: LIMIT_MS });
        const panel = page.getByRole('region', { name: 'Source' });
        await panel.getByText("loading the kernel's source").waitFor({ timeout: LIMIT_MS });
        const sources = `${address}sources.json`;
        expect(asked).not.toContain(sources);
        await panel.scrollIntoViewIfNeeded();
        await page.getByRole('region', { name: /src.kernel/ }).waitFor({ timeout: LIMIT_MS });
        expect(asked).toContain(sources);
        expect(asked.length).toBeGreaterThan(2);
        expect(asked.filter((url) => !url.startsWith(address) && !url.startsWith('data:'))).toEqual([]);
      } finally {
        await context.close();
      }
    },
    LIMIT_MS,
  );

  it(
    'says why threads can not race where it is not isolated, and does all else',
    async () => {
      const address = await lab.serve(false);
      await lab.withPage(`${address}${EXAMPLE}`, async (page) => {
        expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
        await page.getByText('Cross-Origin-Opener-Policy').waitFor({ timeout: LIMIT_MS });
        await page.getByText('violated: lost store').waitFor({ timeout: LIMIT_MS });
        await page.locator('[data-choice]', { hasText: 'fail' }).first().waitFor({ timeout: LIMIT_MS });
      });
    },
    LIMIT_MS,
  );
});

describe('the ways on', () => {
  it(
    'are looked for only where they are told',
    async () => {
      const address = await lab.serve(true);
      await lab.withPage(`${address}#v=1&level=no-lock`, async (page) => {
        const first = page.locator('[data-choice]').first();
        await first.getByText('?').waitFor({ timeout: LIMIT_MS });
        // Longer than the page waits before it looks.
        await page.waitForTimeout(500);
        expect(page.workers()).toEqual([]);
        const asked = page.getByRole('checkbox', { name: 'tell me which ways on fail' });
        await asked.check();
        await first.getByText(/ways? on/).waitFor({ timeout: LIMIT_MS });
        await asked.uncheck();
        await first.getByText('?').waitFor({ timeout: LIMIT_MS });
      });
    },
    LIMIT_MS,
  );

  it(
    'are not looked for any longer once the reader has stepped',
    async () => {
      const address = await lab.serve(true);
      // So many that a short look does not see them all, and a long one begins.
      await lab.withPage(`${address}#v=1&scenario=first-touch&cpus=4`, async (page) => {
        const told = page
          .locator('[data-choice]')
          .first()
          .getByText(/ways? on/);
        await told.waitFor({ timeout: LIMIT_MS });
        // The thread that looks is busy for seconds: another answers.
        const another = page.waitForEvent('worker', { timeout: 10_000 });
        await page.keyboard.press('0');
        await another;
        await told.waitFor({ timeout: LIMIT_MS });
      });
    },
    LIMIT_MS,
  );
});

describe('a race for real', () => {
  async function race(page: Page, until: (losses: number, rounds: number) => boolean): Promise<number> {
    await page.getByRole('button', { name: /^Race \d threads/ }).click();
    const tally = page.locator('[data-rounds]');
    for (let i = 0; i < 600; i++) {
      const losses = Number(await tally.getAttribute('data-losses'));
      const rounds = Number(await tally.getAttribute('data-rounds'));
      if (until(losses, rounds)) return losses;
      await page.waitForTimeout(100);
    }
    throw new Error('the race came to nothing in a minute');
  }

  it(
    'loses stores without the recheck, and leaves no thread when it is stopped',
    async () => {
      const address = await lab.serve(true);
      await lab.withPage(`${address}${EXAMPLE}`, async (page) => {
        const before = page.workers().length;
        expect(await race(page, (losses) => losses > 0)).toBeGreaterThan(0);
        expect(page.workers().length).toBeGreaterThan(before + 2);
        await page.getByRole('button', { name: 'Stop' }).click();
        await expect.poll(() => page.workers().length, { timeout: 10_000 }).toBeLessThanOrEqual(before + 1);
      });
    },
    LIMIT_MS,
  );

  it(
    'loses nothing with every defence on',
    async () => {
      const address = await lab.serve(true);
      await lab.withPage(`${address}#v=1&scenario=first-touch&cpus=2`, async (page) => {
        // Half a minute where PAGERACE_RUNS asks for all there is.
        const until = performance.now() + (SCHEDULES >= 100 ? 30_000 : 0);
        expect(await race(page, (_, raced) => raced >= 4000 && performance.now() >= until)).toBe(0);
      });
    },
    LIMIT_MS,
  );
});
