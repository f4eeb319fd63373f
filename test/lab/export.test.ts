// What the lab saves: the formats of replay, a picture, and a page that is one file.
import { runInNewContext } from 'node:vm';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { EXPORTS, exported, fileName } from '../../src/lab/model/export.ts';
import type { ExportFormat, LabFiles } from '../../src/lab/model/export.ts';
import { openables } from '../../src/lab/model/open-file.ts';
import { planOf } from '../../src/lab/model/plan.ts';
import { Session } from '../../src/lab/model/session.ts';
import { decodeLink } from '../../src/lab/model/share.ts';
import { singlePage } from '../../src/lab/model/single-page.ts';
import { parseExecution } from '../../src/report/execution-json.ts';

const TOKEN = '0:79,1:87,0:8.whlf5';

function failing(): Session {
  const session = new Session(planOf({ scenario: 'first-touch', without: ['ptl'] }));
  session.load(TOKEN);
  return session;
}

const FILES: LabFiles = {
  script: 'const end = "</script><script><!--";\nexport const answer = 42;\n',
  style: 'a::after { content: "</style>"; }',
  sources: JSON.stringify({ files: [{ name: 'a.ts', text: '</script>' }], runs: [] }),
};
const none = (): Promise<LabFiles> => Promise.reject(new Error('not asked for'));
const as = (session: Session, name: ExportFormat['name']): Promise<string> =>
  exported(session, name, () => Promise.resolve(FILES));

it('saves in every format, with nothing that a format does not need', async () => {
  const session = failing();
  for (const { name } of EXPORTS) {
    if (name !== 'html') expect((await exported(session, name, none)).length).toBeGreaterThan(100);
  }
  expect(fileName(session, EXPORTS[0]!)).toBe('pagerace-first-touch-violated.txt');
  const command = `pagerace replay ${TOKEN} --scenario first-touch --cpus 2 --without ptl`;
  expect((await as(session, 'table')).replace(/\n\s+/g, ' ')).toContain(command);
});

it('saves JSON that it opens again', async () => {
  const session = failing();
  const text = await as(session, 'json');
  expect(parseExecution(text).token).toBe(TOKEN);
  const [opened] = openables('failure.json', text);
  expect(opened?.shown).toMatchObject({ plan: session.plan, token: TOKEN, cursor: 0, title: 'failure.json' });
  expect(opened?.label).toMatch(/^first-touch without ptl: lost store/);
});

it('saves what nobody has taken a step of', async () => {
  const session = new Session(planOf({ scenario: 'cow' }));
  for (const { name } of EXPORTS) expect((await as(session, name)).length).toBeGreaterThan(0);
  expect(await as(session, 'svg')).toContain('nobody has taken a step');
  expect(fileName(session, EXPORTS[0]!)).toBe('pagerace-cow-under-way.txt');
});

describe('the picture', () => {
  it('has a title, a description, and every step that has a name', async () => {
    const session = failing();
    session.setTitle('<b> & "c"\u0007');
    const svg = await as(session, 'svg');
    const { document } = parseHTML(svg);
    expect(document.querySelector('title')?.textContent).toBe('<b> & "c"\ufffd');
    const texts = [...document.querySelectorAll('text')].map(({ textContent }) => textContent);
    for (const { step, text } of session.steps) {
      if (text === undefined) continue;
      const number = String(step.index + 1);
      expect(texts).toContain(number);
      expect(texts).toContain(`${number.padStart(4)}  CPU${String(step.cpu)}  ${text}`);
    }
  });

  it('tells CPUs apart by pattern, and stays within its frame', async () => {
    const svg = await as(failing(), 'svg');
    const { document } = parseHTML(svg);
    const [, , width = 0, height = 0] = (document.querySelector('svg')?.getAttribute('viewBox') ?? '')
      .split(' ')
      .map(Number);
    const patterns = [...document.querySelectorAll('pattern path')].map((path) => path.getAttribute('d'));
    expect(new Set(patterns).size).toBe(2);
    for (const box of document.querySelectorAll('rect[x]')) {
      expect(Number(box.getAttribute('x')) + Number(box.getAttribute('width'))).toBeLessThanOrEqual(width);
    }
    for (const text of document.querySelectorAll('text')) {
      expect(Number(text.getAttribute('y'))).toBeLessThanOrEqual(height);
    }
  });

  it('shows who waits in a deadlock', async () => {
    const session = new Session(planOf({ scenario: 'lock-inversion' }));
    session.load('0:11,1:11');
    const svg = await as(session, 'svg');
    expect(svg.match(/waits for ptl/g)).toHaveLength(2);
    expect(svg.match(/holds ptl/g)).toHaveLength(2);
  });
});

describe('the page', () => {
  it('is one file, which leads nowhere else and begins where the reader stands', async () => {
    const session = failing();
    session.goTo(20);
    const page = await as(session, 'html');
    const { document } = parseHTML(page);
    for (const element of document.querySelectorAll('[src], [href]')) {
      expect(element.getAttribute('src') ?? element.getAttribute('href')).toMatch(/^data:/);
    }
    const policy = document.querySelector('meta[http-equiv]')?.getAttribute('content') ?? '';
    expect(policy).toMatch(/^default-src 'none';/);
    expect(policy).not.toMatch(/https?:|\*/);
    expect(decodeLink(document.getElementById('lab-start')?.textContent ?? '')).toEqual(session.shown);
  });

  it('holds script, style and sources whole, whatever they end like', () => {
    const page = singlePage({ ...FILES, fragment: 'v=1', title: '</title><script>' });
    // Each element ends where it should: there are as many ends as beginnings.
    expect(page.match(/<script/g)).toHaveLength(3);
    expect(page.match(/<\/script/g)).toHaveLength(3);
    expect(page.match(/<\/style/g)).toHaveLength(1);
    expect(page).not.toContain('<!--');
    const inner = (id: string): string => new RegExp(`id="${id}"[^>]*>([^]*?)</`).exec(page)?.[1] ?? '';
    expect(JSON.parse(inner('lab-sources'))).toEqual(JSON.parse(FILES.sources));
    const script = inner('lab-script');
    expect(runInNewContext(`${script.replace('export ', '')}; [end, answer];`)).toEqual(['</script><script><!--', 42]);
    // A page that saves itself saves the same.
    expect(
      singlePage({ ...FILES, script, sources: inner('lab-sources'), fragment: 'v=1', title: '</title><script>' }),
    ).toBe(page);
    // The first line of the script is where the page says.
    const line = Number(/data-line="(\d+)"/.exec(page)?.[1]);
    expect(page.split('\n')[line - 1]).toContain('const end');
  });
});
