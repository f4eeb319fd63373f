// The lab in a browser: what its panels show is what the command line's replay says, in every mode and width, isolated or
// not, from a server, a static folder or a file.
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import sirv from 'sirv';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Execution } from '../../src/explore/execution.ts';
import { KernelSubject } from '../../src/explore/kernel-subject.ts';
import { Random } from '../../src/explore/random.ts';
import { randomWalk } from '../../src/explore/strategies.ts';
import { replayTarget } from '../../src/explore/target.ts';
import { tokenOf } from '../../src/explore/token.ts';
import type { Session } from '../../src/lab/model/session.ts';
import { statesOf } from '../../src/report/timeline.ts';
import { planOf, targetOf } from '../../src/lab/model/plan.ts';
import type { Plan } from '../../src/lab/model/plan.ts';
import { NO_CHROMIUM, findChromium } from '../support/chromium.ts';
import { stateText } from '../support/lab-text.ts';

declare global {
  /** What the page shows its console. */
  var pagerace: { readonly session: Session };
}

const LIMIT_MS = 120_000;
const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'dist', 'lab');
const executablePath = findChromium();
/** Random schedules whose every step is compared; all hundred where PAGERACE_RUNS asks for them. */
const SCHEDULES = Number(process.env.PAGERACE_RUNS ?? 6);

const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** A lost store, where the reader stands after 150 of its steps. */
const EXAMPLE = '#v=1&scenario=first-touch&cpus=2&without=pte_recheck&s=0:59,1:88,0:29.dh710';

let browser: Browser | undefined;
const servers: Server[] = [];

/** Serves the lab; its address. */
async function serve(isolated: boolean): Promise<string> {
  const handler = sirv(folder, {
    setHeaders: (response) => {
      if (isolated) for (const [name, value] of Object.entries(ISOLATION)) response.setHeader(name, value);
    },
  });
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`;
}

beforeAll(async () => {
  if (executablePath === undefined) return;
  execFileSync(process.execPath, [join(root, '.build', 'lab.mjs')], { cwd: root, timeout: LIMIT_MS });
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'], timeout: LIMIT_MS });
}, LIMIT_MS);
beforeEach(({ skip }) => {
  skip(browser === undefined, NO_CHROMIUM);
});
afterAll(async () => {
  await browser?.close();
  for (const server of servers) server.close();
}, LIMIT_MS);

interface View {
  readonly width?: number;
  readonly colorScheme?: 'light' | 'dark';
}

/** A page of the lab; whatever goes wrong in it fails the test that uses it. */
async function withPage(
  address: string,
  body: (page: Page) => Promise<void>,
  { width = 1440, colorScheme = 'light' }: View = {},
): Promise<void> {
  const context = await browser!.newContext({ viewport: { width, height: 900 }, colorScheme, reducedMotion: 'reduce' });
  try {
    const page = await context.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    await page.goto(address, { timeout: LIMIT_MS });
    await page.getByRole('heading', { name: 'Page table' }).waitFor({ timeout: LIMIT_MS });
    await body(page);
    expect(errors).toEqual([]);
  } finally {
    await context.close();
  }
}

/** A schedule of a plan at random. */
function randomToken(plan: Plan, seed: number): string {
  const execution = new Execution(new KernelSubject(targetOf(plan).spec), plan.memoryModel);
  // Once more where it found out that words are shared: it passed choices by.
  do randomWalk(execution, new Random(seed));
  while (execution.discovered);
  return tokenOf(execution);
}

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
      const address = await serve(true);
      await withPage(address, async (page) => {
        for (let seed = 0; seed < SCHEDULES; seed++) {
          const plan = plans[seed % plans.length]!;
          const token = randomToken(plan, seed);
          const shown = await page.evaluate(
            async ([what, schedule]) => {
              const { session } = globalThis.pagerace;
              session.setPlan(what);
              session.load(schedule);
              const states: string[][] = [];
              for (let step = 0; step <= session.length; step++) {
                session.goTo(step);
                await new Promise((resolve) => setTimeout(resolve, 0));
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
            [plan, token] as const,
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
    LIMIT_MS * 3,
  );
});

describe('the page', () => {
  const modes = ['watch', 'schedule', 'explore', 'predict'] as const;
  const views = [360, 768, 1440].flatMap((width) =>
    (['light', 'dark'] as const).flatMap((colorScheme) => modes.map((mode) => ({ width, colorScheme, mode }))),
  );
  // Axe takes seconds for each: every width, scheme and mode is there once or more, and all of them where PAGERACE_RUNS asks for as many.
  const chosen = SCHEDULES >= views.length ? views : views.filter((_, i) => i % 7 === 0);

  it.each(chosen)(
    'has nothing that axe objects to, and nothing that sticks out: $width px, $colorScheme, $mode',
    async ({ width, colorScheme, mode }) => {
      const address = await serve(true);
      await withPage(
        `${address}${EXAMPLE}&at=150&mode=${mode}`,
        async (page) => {
          await page.waitForTimeout(500);
          const { violations } = await new AxeBuilder({ page }).analyze();
          expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
          const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          expect(wider).toBeLessThanOrEqual(0);
        },
        { width, colorScheme },
      );
    },
    LIMIT_MS,
  );

  it(
    'asks no other host for anything',
    async () => {
      const address = await serve(true);
      const context = await browser!.newContext();
      try {
        const page = await context.newPage();
        const asked: string[] = [];
        page.on('request', (request) => asked.push(request.url()));
        await page.goto(`${address}${EXAMPLE}`, { timeout: LIMIT_MS });
        await page.getByRole('region', { name: /src.kernel/ }).waitFor({ timeout: LIMIT_MS });
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
      const address = await serve(false);
      await withPage(`${address}${EXAMPLE}`, async (page) => {
        expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
        await page.getByText('Cross-Origin-Opener-Policy').waitFor({ timeout: LIMIT_MS });
        await page.getByText('violated: lost store').waitFor({ timeout: LIMIT_MS });
        await page.locator('[data-choice]', { hasText: 'fail' }).first().waitFor({ timeout: LIMIT_MS });
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
      const address = await serve(true);
      await withPage(`${address}${EXAMPLE}`, async (page) => {
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
      const address = await serve(true);
      await withPage(`${address}#v=1&scenario=first-touch&cpus=2`, async (page) => {
        const rounds = SCHEDULES >= 100 ? 50_000 : 4000;
        expect(await race(page, (_, raced) => raced >= rounds)).toBe(0);
      });
    },
    LIMIT_MS,
  );
});
