// The lab in a browser, for the tests of its page: a Chromium, servers for it, and pages whose errors fail the test.
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import sirv from 'sirv';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { Execution } from '../../src/explore/execution.ts';
import { KernelSubject } from '../../src/explore/kernel-subject.ts';
import { Random } from '../../src/explore/random.ts';
import { randomWalk } from '../../src/explore/strategies.ts';
import { tokenOf } from '../../src/explore/token.ts';
import { targetOf } from '../../src/lab/model/plan.ts';
import type { Plan } from '../../src/lab/model/plan.ts';
import type { Session } from '../../src/lab/model/session.ts';
import { ISOLATION } from '../../src/lab/serve.ts';
import { NO_CHROMIUM, findChromium } from './chromium.ts';

declare global {
  /** What the page shows its console. */
  var pagerace: { readonly session: Session };
}

/** Bound for one wait. */
export const LIMIT_MS = 60_000;
const folder = join(import.meta.dirname, '..', '..', 'dist', 'lab');

/** A lost store: where the first CPU has seen an empty entry the other one maps the page. */
export const EXAMPLE = '#v=1&scenario=first-touch&cpus=2&without=pte_recheck&s=0:59,1:88,0:29.dh710';

/** How a page is looked at. */
export interface View extends Pick<BrowserContextOptions, 'colorScheme' | 'reducedMotion' | 'deviceScaleFactor'> {
  readonly width?: number;
}

/** A page that tests use one after the other: its script is compiled once. */
interface Kept {
  readonly context: BrowserContext;
  readonly page: Page;
}

/** A browser that lives as long as the tests of a file. */
export interface LabBrowser {
  readonly browser: Browser;
  /** Serves a folder, the built lab unless said otherwise; its address, which ends in a slash. */
  serve(isolated: boolean, what?: string): Promise<string>;
  /**
   * Opens the lab, in a page that remembers nothing of the test before; whatever goes wrong in it fails the test that uses
   * it.
   */
  withPage(address: string, body: (page: Page) => Promise<void>, view?: View): Promise<void>;
}

/** For the tests of a file: starts a browser before them, skips them where there is none, and ends all after them. */
export function useLabBrowser(): LabBrowser {
  const executablePath = findChromium();
  const servers: Server[] = [];
  const addresses = new Map<string, string>();
  /** By what can't be changed of a page that there is. */
  const pages = new Map<number, Kept>();
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (executablePath === undefined) return;
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'], timeout: LIMIT_MS });
  }, LIMIT_MS);
  beforeEach(({ skip }) => {
    skip(browser === undefined, NO_CHROMIUM);
  });
  afterAll(async () => {
    await browser?.close();
    for (const server of servers) server.close();
  }, LIMIT_MS);

  return {
    get browser() {
      return browser!;
    },
    async serve(isolated, what = folder) {
      const key = JSON.stringify([isolated, what]);
      const served = addresses.get(key);
      if (served !== undefined) return served;
      const handler = sirv(what, {
        setHeaders: (response) => {
          if (isolated) for (const [name, value] of Object.entries(ISOLATION)) response.setHeader(name, value);
        },
      });
      const server = createServer(handler);
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`;
      addresses.set(key, address);
      return address;
    },
    async withPage(address, body, view = {}) {
      const { width = 1440, reducedMotion = 'reduce', colorScheme = 'light', deviceScaleFactor = 1 } = view;
      let kept = pages.get(deviceScaleFactor);
      if (kept === undefined) {
        const context = await browser!.newContext({ deviceScaleFactor });
        kept = { context, page: await context.newPage() };
      }
      // A test that fails leaves who knows what: the next gets another page.
      pages.delete(deviceScaleFactor);
      const { context, page } = kept;
      const errors: string[] = [];
      const failed = (error: Error): void => {
        errors.push(error.message);
      };
      try {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ reducedMotion, colorScheme });
        page.on('pageerror', failed);
        await page.goto(address, { timeout: LIMIT_MS });
        await page.getByRole('heading', { name: 'Page table' }).waitFor({ timeout: LIMIT_MS });
        await body(page);
        expect(errors).toEqual([]);
        // Away, to a file of the same server: nothing runs any more, and what was stored can be reached.
        await page.goto(new URL('lab.css', address).href, { timeout: LIMIT_MS });
        await page.evaluate(() => {
          localStorage.clear();
          sessionStorage.clear();
        });
        await context.clearPermissions();
        page.off('pageerror', failed);
        pages.set(deviceScaleFactor, kept);
      } finally {
        if (!pages.has(deviceScaleFactor)) await context.close();
      }
    },
  };
}

/** A schedule of a plan at random. */
export function randomToken(plan: Plan, seed: number): string {
  const execution = new Execution(new KernelSubject(targetOf(plan).spec), plan.memoryModel);
  // Once more where it found out that words are shared: it passed choices by.
  do randomWalk(execution, new Random(seed));
  while (execution.discovered);
  return tokenOf(execution);
}

/**
 * Presses digits and small letters as fast as the page takes them: the browser gets each press and its release, and none
 * waits until the page has painted the one before.
 */
export async function pressFast(page: Page, keys: readonly string[]): Promise<void> {
  const cdp = await page.context().newCDPSession(page);
  await Promise.all(
    keys.flatMap((key) => {
      const upper = key.toUpperCase();
      const event = {
        key,
        code: `${/\d/.test(key) ? 'Digit' : 'Key'}${upper}`,
        windowsVirtualKeyCode: upper.charCodeAt(0),
      };
      return [
        cdp.send('Input.dispatchKeyEvent', { ...event, type: 'keyDown', text: key }),
        cdp.send('Input.dispatchKeyEvent', { ...event, type: 'keyUp' }),
      ];
    }),
  );
  await cdp.detach();
}

/** What the page-table panel shows, one line for each thing, as `stateText` says it. */
export async function shownState(page: Page): Promise<string[]> {
  const cells = await page
    .locator('[data-state]')
    .evaluateAll((found) => found.map((cell) => [cell.getAttribute('data-state') ?? '', cell.textContent] as const));
  return cells.map(([name, text]) => `${name}: ${text.replace(/\s+/g, ' ').trim()}`.trim());
}

/** What is wider than the page, or than its panel: tag and text of each. Whatever scrolls by itself may be. */
export async function sticksOut(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    if (document.documentElement.scrollWidth > innerWidth) found.push('the page');
    for (const element of document.body.querySelectorAll('*')) {
      const { left, right, width } = element.getBoundingClientRect();
      if (width === 0) continue;
      let edge = innerWidth;
      let isCut = false;
      for (let up = element.parentElement; up !== null; up = up.parentElement) {
        if (getComputedStyle(up).overflowX !== 'visible') isCut = true;
        if (up.matches('.panel')) edge = Math.min(edge, up.getBoundingClientRect().right);
      }
      const isHidden = getComputedStyle(element).clipPath !== 'none';
      if (!isCut && !isHidden && (left < 0 || right > edge + 1)) {
        found.push(`${element.tagName} ${element.textContent.trim().slice(0, 40)}`);
      }
    }
    return found;
  });
}
