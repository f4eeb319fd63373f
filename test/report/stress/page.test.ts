// The page in a browser without a network and without scripts: every chart is there, nothing overflows, axe finds nothing.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import type { Browser, ConsoleMessage, Page, Request } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { analyse } from '../../../src/report/stress/analysis.ts';
import { figuresOf } from '../../../src/report/stress/figures.ts';
import { renderPage } from '../../../src/report/stress/page.ts';
import { auditOf } from '../../support/axe.ts';
import { NO_CHROMIUM, findChromium } from '../../support/chromium.ts';
import { benchResults } from '../../support/bench-results.ts';
import { stressResults } from '../../support/stress-results.ts';

const executablePath = findChromium();
const LIMIT_MS = 120_000;

// Small, since axe takes long over many cells: a design that is wrong, a point not decided, a host with room for a fit.
const report = analyse({
  sweeps: [
    {
      file: 'wrong.json',
      results: stressResults({ workloads: ['pairs'], designs: ['none'], cpus: [1, 4], rounds: 2 }),
    },
    { file: 'open.json', results: stressResults({ workloads: ['pairs'], designs: ['mm'], cpus: [8], rounds: 1 }) },
    {
      file: 'large.json',
      results: stressResults({ workloads: ['pairs'], designs: ['split'], cpus: [1, 2, 4], cores: 8, rounds: 1 }),
    },
  ],
  benches: [{ file: 'bench.json', results: benchResults() }],
});
const folder = mkdtempSync(join(tmpdir(), 'pagerace-page-'));
const file = join(folder, 'report.html');

let browser: Browser | undefined;
beforeAll(async () => {
  writeFileSync(file, renderPage(report));
  if (executablePath === undefined) return;
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'], timeout: LIMIT_MS });
}, LIMIT_MS);
beforeEach(({ skip }) => {
  skip(browser === undefined, NO_CHROMIUM);
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
}, LIMIT_MS);

interface View {
  readonly width: number;
  readonly colorScheme: 'light' | 'dark';
  readonly scripts: boolean;
}

const VIEWS: readonly View[] = [1280, 400].flatMap((width) =>
  (['light', 'dark'] as const).map((colorScheme) => ({ width, colorScheme, scripts: true })),
);
/** The narrowest that a telephone is. */
const NARROW: View = { width: 360, colorScheme: 'light', scripts: true };

/** One page with scripts and one without: to load the report again takes half as long as to open another. */
const pages = new Map<boolean, Page>();

async function pageWith(scripts: boolean): Promise<Page> {
  const open = pages.get(scripts);
  if (open !== undefined) return open;
  const context = await browser!.newContext({ offline: true, javaScriptEnabled: scripts });
  context.setDefaultTimeout(LIMIT_MS);
  const page = await context.newPage();
  pages.set(scripts, page);
  return page;
}

/** Loads the report, hands it to `look`, and tells what it asked of the network and what it complained of. */
async function open({ width, colorScheme, scripts }: View, look: (page: Page) => Promise<void>): Promise<string[]> {
  const complaints: string[] = [];
  const page = await pageWith(scripts);
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ media: 'screen', colorScheme });
  const asked = (request: Request): void => {
    if (!request.url().startsWith('file:')) complaints.push(`asks for ${request.url()}`);
  };
  const said = (message: ConsoleMessage): void => {
    complaints.push(message.text());
  };
  const failed = (error: Error): void => {
    complaints.push(error.message);
  };
  page.on('request', asked).on('console', said).on('pageerror', failed);
  try {
    await page.goto(pathToFileURL(file).href);
    await look(page);
  } finally {
    page.off('request', asked).off('console', said).off('pageerror', failed);
  }
  return complaints;
}

/** What sticks out of the window, but for what scrolls within itself. */
async function overflowing(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const out = [...document.querySelectorAll('body *')].filter(
      (element) =>
        element.parentElement?.closest('.scroll') == null && element.getBoundingClientRect().right > width + 0.5,
    );
    const names = out.map((element) => `${element.tagName} ${element.textContent}`.slice(0, 60));
    return document.documentElement.scrollWidth > width ? ['the whole page', ...names] : names;
  });
}

/** Opens the tables of the charts, and what else is folded. */
async function openDetails(page: Page): Promise<void> {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll('details')) details.open = true;
  });
}

/** Charts that are drawn: their size, and how much there is in them. */
async function charts(page: Page): Promise<{ width: number; height: number; marks: number }[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('figure > svg[role="img"]')].map((svg) => {
      const { width, height } = svg.getBoundingClientRect();
      return { width, height, marks: svg.querySelectorAll('path, rect, circle, line').length };
    }),
  );
}

describe('the page', () => {
  it.each([...VIEWS, NARROW])(
    'shows every chart at $width px, $colorScheme, and nothing sticks out',
    async (view) => {
      const complaints = await open(view, async (page) => {
        const drawn = await charts(page);
        const benchSeries = report.benches.flatMap(({ loops }) => loops.flatMap(({ series }) => series));
        expect(drawn).toHaveLength(figuresOf(report).length + benchSeries.length);
        for (const { width, height, marks } of drawn) {
          expect(width).toBeGreaterThan(200);
          expect(width).toBeLessThanOrEqual(view.width);
          expect(height).toBeGreaterThan(40);
          expect(marks).toBeGreaterThan(2);
        }
        expect(await overflowing(page)).toEqual([]);
        await openDetails(page);
        expect(await overflowing(page)).toEqual([]);
      });
      expect(complaints).toEqual([]);
    },
    LIMIT_MS,
  );

  // Axe takes long over the page: each width and each scheme once, and all of them where PAGERACE_RUNS is given.
  it.each(process.env.PAGERACE_RUNS === undefined ? VIEWS.filter((_, i) => i % 3 === 0) : VIEWS)(
    'has nothing that axe objects to at $width px, $colorScheme, its tables open',
    async (view) => {
      await open(view, async (page) => {
        await openDetails(page);
        // What does not depend on colours is the same in the dark.
        const { violations, kept } = await auditOf(page, view.colorScheme === 'dark' ? ['color-contrast'] : undefined);
        const told = violations.map(
          ([id, elements]) => `${id}: ${elements.map((html) => html.slice(0, 120)).join(' | ')}`,
        );
        expect(told).toEqual([]);
        expect(kept).toContain('color-contrast');
      });
    },
    LIMIT_MS,
  );

  it(
    'can be read with scripts off: text, charts, and tables that open',
    async () => {
      const complaints = await open({ width: 1280, colorScheme: 'light', scripts: false }, async (page) => {
        const chart = page.locator('#figure-1 svg[role="img"]');
        expect((await chart.boundingBox())!.width).toBeGreaterThan(200);
        const table = page.locator('#figure-1 table');
        expect(await table.isVisible()).toBe(false);
        await page.locator('#figure-1 summary').click();
        expect(await table.isVisible()).toBe(true);
      });
      expect(complaints).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    'prints light, without what one clicks, and no wider than the paper',
    async () => {
      // The width of A4 between the margins, at 96 pixels an inch.
      const width = Math.floor(((210 - 2 * 14) / 25.4) * 96);
      await open({ width, colorScheme: 'dark', scripts: true }, async (page) => {
        await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
        expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(255, 255, 255)');
        expect(await page.locator('nav').isVisible()).toBe(false);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      });
    },
    LIMIT_MS,
  );
});
