// Links through the page: what is copied there leads back to where it was copied, in a new page and in one that is open.
import { expect, it } from 'vitest';
import { MEMORY_MODELS } from '../../src/explore/program.ts';
import { LESSONS, SCENARIOS } from '../../src/explore/scenarios.ts';
import { Random } from '../../src/explore/random.ts';
import { DEFENCES } from '../../src/kernel/defences.ts';
import { LEVELS } from '../../src/lab/model/levels.ts';
import { planOf } from '../../src/lab/model/plan.ts';
import { MODES, Session } from '../../src/lab/model/session.ts';
import type { Shown } from '../../src/lab/model/session.ts';
import { LIMIT_MS, useLabBrowser } from '../support/lab-browser.ts';

/** Random states whose links are followed; all of 200 where PAGERACE_RUNS asks for them. */
const LINKS = Number(process.env.PAGERACE_RUNS ?? 5);

const lab = useLabBrowser();

/** A point that can be linked to, by chance. */
function randomShown(seed: number): Shown {
  const random = new Random(seed);
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)]!;
  const { name, cpus } = pick([...SCENARIOS, ...LESSONS]);
  const without = DEFENCES.map((defence) => defence.name).filter(() => random.below(6) === 0);
  const plan = planOf({ scenario: name, cpus: pick(cpus), without, memoryModel: pick(MEMORY_MODELS) });
  const session = new Session(plan);
  for (let left = 40; left > 0 && session.choices.length > 0; left--) session.choose(pick(session.choices));
  const title = pick(['', 'a lost store', 'what, then? (100 %) & more', '“überschrieben” 丁']);
  const level = pick([undefined, ...LEVELS.map(({ id }) => id)]);
  return { plan, token: session.token(), cursor: random.below(session.length + 1), mode: pick(MODES), title, level };
}

it(
  'leads by its own link to where it stood',
  async () => {
    const address = await lab.serve(true);
    await lab.withPage(address, async (page) => {
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      for (let seed = 0; seed < LINKS; seed++) {
        const shown = randomShown(seed);
        await page.evaluate((what) => {
          globalThis.pagerace.session.show(what);
        }, shown);
        await page.evaluate(() => navigator.clipboard.writeText('-'));
        await page.keyboard.press('c');
        const copied = (): Promise<string> => page.evaluate(() => navigator.clipboard.readText());
        await expect.poll(copied, { timeout: LIMIT_MS }).not.toBe('-');
        const link = await copied();
        expect(link.startsWith(`${address}#v=1&`)).toBe(true);
        await page.evaluate(
          (what) => {
            globalThis.pagerace.session.show(what);
          },
          new Session(planOf({ scenario: 'cow' })).shown,
        );
        // To go where the address says that one is already is not to go anywhere.
        await page.waitForFunction((to) => location.href !== to, link, { timeout: LIMIT_MS });
        // In a page of its own, after another file, and in one that is open.
        if (seed === 0) {
          await page.goto(`${address}lab.css`);
          await page.goto(link, { timeout: LIMIT_MS });
          await page.getByRole('region', { name: 'Verdict' }).waitFor({ timeout: LIMIT_MS });
        } else {
          await page.evaluate((to) => {
            location.href = to;
          }, link);
        }
        const found = await page.waitForFunction(
          (token) => {
            const { session } = globalThis.pagerace;
            return session.shown.token === token ? JSON.stringify(session.shown) : false;
          },
          shown.token,
          { timeout: LIMIT_MS },
        );
        expect(JSON.parse(String(await found.jsonValue()))).toEqual(JSON.parse(JSON.stringify(shown)));
      }
    });
  },
  LIMIT_MS * (1 + LINKS / 20),
);
