// The lab from wherever it can come: a server that isolates it, a folder on a server that does not, one file from a disk.
// Each shows the same, asks nobody else, and survives damaged links and workers that die.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { planOf } from '../../src/lab/model/plan.ts';
import { Session } from '../../src/lab/model/session.ts';
import type { Shown } from '../../src/lab/model/session.ts';
import { viewOf } from '../../src/lab/model/view.ts';
import { EXAMPLE, LIMIT_MS, shownState, useLabBrowser } from '../support/lab-browser.ts';
import { stateText } from '../support/lab-text.ts';
import { MAIN, runCli } from '../support/run-cli.ts';

const TOKEN = '0:59,1:88,0:29.dh710';
const FAILING = ['--scenario', 'first-touch', '--without', 'pte_recheck'];

const lab = useLabBrowser();
const scratch = mkdtempSync(join(tmpdir(), 'pagerace-site-'));
let server: { readonly url: string; readonly end: () => void } | undefined;

/** `pagerace lab`; the address that it prints. */
async function startServer(): Promise<{ url: string; end: () => void }> {
  const child = spawn(process.execPath, [MAIN, 'lab', TOKEN, ...FAILING], { stdio: ['ignore', 'pipe', 'ignore'] });
  const url = await new Promise<string>((resolve, reject) => {
    const late = setTimeout(() => {
      reject(new Error('it printed no address'));
    }, LIMIT_MS);
    child.stdout.once('data', (data: Buffer) => {
      clearTimeout(late);
      resolve(data.toString().trim());
    });
    child.once('exit', () => {
      reject(new Error('it ended'));
    });
  });
  return { url, end: () => child.kill('SIGINT') };
}

beforeAll(async () => {
  expect(await runCli(['lab', '--out', join(scratch, 'site')])).toMatchObject({ status: 0 });
  const { stdout } = await runCli(['replay', TOKEN, ...FAILING, '--format', 'html']);
  writeFileSync(join(scratch, 'lost store.html'), stdout);
  server = await startServer();
}, LIMIT_MS);
afterAll(() => {
  server?.end();
  rmSync(scratch, { recursive: true, force: true });
});

/** What the page says of the failure, all that the model says of it in Node. */
async function checkFailure(page: Page): Promise<void> {
  const session = new Session(planOf({ scenario: 'first-touch', without: ['pte_recheck'] }));
  session.load(TOKEN);
  const consequences = session.text.options.consequences ?? [];
  expect(consequences.length).toBeGreaterThan(1);
  const verdict = page.getByRole('region', { name: 'Verdict' });
  expect(await verdict.getByRole('heading').innerText()).toBe(`✗ violated: ${consequences[0]?.label ?? ''}`);
  const told = await verdict.locator('dl > div').allInnerTexts();
  expect(told.map((text) => text.replace(/\s+/g, ' '))).toEqual(
    consequences.map(({ label, text }) => `${label} ${text}`),
  );

  const { told: nameOf } = viewOf(session);
  const named = session.steps.filter(({ text }) => text !== undefined);
  const rows = new Set<string>();
  for (const key of ['Home', 'End']) {
    await page.keyboard.press(key);
    await page.waitForFunction((at) => globalThis.pagerace.session.cursor === at, key === 'Home' ? 0 : session.length);
    for (const text of await page.locator('[data-at]').allInnerTexts()) rows.add(text.replace(/[\s▸]+/g, ' ').trim());
  }
  expect([...rows].sort()).toEqual(
    named
      .map((view) => `${String(view.step.index + 1)} CPU${String(view.step.cpu)} ${nameOf(view)}`.replace(/\s+/g, ' '))
      .sort(),
  );

  session.goTo(session.length);
  const { subject } = session.timeline;
  expect(await shownState(page)).toEqual(stateText(session.moment.state, false, (word) => subject.nameOf(word)));

  await page.keyboard.press('Home');
  await page
    .locator('[data-choice]')
    .filter({ hasText: /\d ways on fail/ })
    .first()
    .waitFor({ timeout: LIMIT_MS });
}

describe('the same failure', () => {
  it.each(['a server that isolates it', 'a folder on a server without headers', 'one file from a disk'])(
    'comes from %s, and from nowhere else',
    async (from) => {
      const isFile = from === 'one file from a disk';
      const address = isFile
        ? pathToFileURL(join(scratch, 'lost store.html')).href
        : from === 'a server that isolates it'
          ? server!.url
          : `${await lab.serve(false, join(scratch, 'site'))}${EXAMPLE}`;
      const context = await lab.browser.newContext({ viewport: { width: 1440, height: 900 } });
      try {
        const page = await context.newPage();
        const asked: string[] = [];
        const errors: string[] = [];
        context.on('request', (request) => asked.push(request.url()));
        page.on('pageerror', (error) => errors.push(error.message));
        await page.goto(address, { timeout: LIMIT_MS });
        await page.getByRole('region', { name: 'Verdict' }).waitFor({ timeout: LIMIT_MS });
        await checkFailure(page);
        expect(await page.evaluate(() => crossOriginIsolated)).toBe(address === server!.url);
        expect(errors).toEqual([]);
        const own = isFile ? address : new URL('.', address).href;
        expect(asked.filter((url) => url.startsWith(own)).length).toBeGreaterThan(0);
        expect(asked.filter((url) => !url.startsWith(own) && !/^(data|blob):/.test(url))).toEqual([]);
      } finally {
        await context.close();
      }
    },
    LIMIT_MS,
  );
});

const DAMAGED: readonly (readonly [fragment: string, says: RegExp])[] = [
  ['v=2&scenario=cow', /version '2'/],
  ['scenario=cow', /no version/],
  ['v=1&scenario=cow&cpu=2', /'cpu'.*did you mean 'cpus'/],
  ['v=1&scenario=cow&scenario=rss', /'scenario' twice/],
  ['hello', /'hello' is not field=value/],
  ['v=1&scenario=cow&title=%E0%A4', /'title' can't be decoded/],
  ['v=1&scenario=first-tuch', /'first-tuch' is not known/],
  ['v=1&scenario=retract&cpus=9', /for 2 CPUs, not 9/],
  [EXAMPLE.slice(1, -3), /must be five letters or digits/],
  [`v=1&scenario=cow&s=${TOKEN}`, /made for other options: give --scenario first-touch/],
  ['v=1&scenario=cow&s=0:4000', /The token can't be followed/],
  ['v=1&scenario=cow&s=0:4&at=5', /no step 5/],
  ['v=1&scenario=cow&s=0:', /is no schedule token/],
  ['v=1&level=no-lok', /did you mean 'no-lock'/],
  ['v=1&scenario=cow&mode=look', /'look' is not known/],
];

describe('a damaged link', () => {
  it(
    'gives one sentence each time, and what is shown stays',
    async () => {
      const address = await lab.serve(true);
      await lab.withPage(`${address}${EXAMPLE}&at=150&title=mine`, async (page) => {
        const shown = (): Promise<Shown> => page.evaluate(() => globalThis.pagerace.session.shown);
        const before = await shown();
        expect(before).toMatchObject({ token: TOKEN, cursor: 150, title: 'mine' });
        for (const [fragment, says] of DAMAGED) {
          await page.evaluate((hash) => {
            location.hash = hash;
          }, fragment);
          const told = page.getByRole('alert').locator('p').filter({ hasText: says });
          await told.waitFor({ timeout: LIMIT_MS });
          const [first, sentence = ''] = (await told.innerText()).split(/(?<=^Not opened\.) /);
          expect(first).toBe('Not opened.');
          expect(sentence).not.toMatch(/\. [A-Z]/);
          expect(await shown()).toEqual(before);
          await page.getByRole('button', { name: 'Go on with what is shown' }).click();
          await told.waitFor({ state: 'detached', timeout: LIMIT_MS });
        }
      });
    },
    LIMIT_MS,
  );

  it(
    'that a page is opened with gives one sentence, and an example to go on with',
    async () => {
      const address = await lab.serve(true);
      await lab.withPage(`${address}#v=9&scenario=cow`, async (page) => {
        await page.getByRole('alert').getByText("version '9'").waitFor({ timeout: LIMIT_MS });
        await page
          .getByRole('region', { name: 'Verdict' })
          .locator('h2', { hasText: 'held' })
          .waitFor({ timeout: LIMIT_MS });
        await page.keyboard.press('ArrowRight');
        expect(await page.evaluate(() => globalThis.pagerace.session.cursor)).toBe(1);
      });
    },
    LIMIT_MS,
  );
});
