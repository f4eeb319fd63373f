// Locking designs of the user's own: what their modules may be, and that both their executions are the same design.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { boot } from '../../src/machine/boot.ts';
import { adoptDesign, designOf, lockingIdentity } from '../../src/machine/design.ts';
import { designTexts } from '../../src/machine/design-source.ts';
import { header } from '../../src/kernel/layout.ts';
import { UsageError } from '../../src/machine/usage-error.ts';
import { arenaMap, program } from '../support/programs.ts';

const folder = mkdtempSync(join(tmpdir(), 'pagerace-design-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

let files = 0;

/** A file with this text; each has a name of its own, since a file is read once. */
function file(text: string): string {
  files += 1;
  const path = join(folder, `design-${String(files)}.js`);
  writeFileSync(path, text);
  return path;
}

const example = (name: string): string => fileURLToPath(new URL(`../races/designs/${name}.js`, import.meta.url));

/** A module whose design has these members. */
const withMembers = (members: string): string => `export default (kernel) => ({ ${members} });\n`;
const NAMED = "name: 'mine', what: 'something'";
const LOCKS = '*lock(cpu, entries) {}, *unlock(cpu, entries, taken) {}';

function refusal(path: string): string {
  try {
    designOf(path);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error(`${path} is taken`);
}

describe('a module that is none', () => {
  it('is named where there is no file', () => {
    expect(refusal('./no-such-design.js')).toMatch(/^There is no file \.\/no-such-design\.js: .*for example/);
    expect(refusal(join(example('bit-locks'), 'below.js'))).toMatch(/There is no file/);
    expect(refusal(folder + '/.')).toMatch(/There is no reading/);
    expect(refusal('splt')).toMatch(/'splt' is not known: use one of split.*\.\/my-design\.js/);
  });

  it.each([
    ['no default export', 'export const a = 1;', /no default export/],
    ['two exports', `${withMembers(NAMED)} export const a = 1;`, /no default export alone/],
    ['a value', 'export default 5;', /is no function/],
    ['no JavaScript', 'export default (', /no JavaScript module/],
    ['an import', "import fs from 'node:fs';\nexport default () => ({});", /line 1: a locking design imports nothing/],
    ['an import on the way', "export default () => import('node:fs');", /imports nothing/],
    ['a promise', 'export default async () => ({});', /does not wait for promises/],
    ['no object', 'export default () => 5;', /returns no object/],
    ['an exception', "export default () => { throw new Error('oops'); };", /threw 'oops'/],
    ['no name', withMembers(LOCKS), /has no name/],
    ['a name with blanks', withMembers(`name: 'my design', what: 'x', ${LOCKS}`), /has no name/],
    ["the kernel's name", withMembers(`name: 'split', what: 'x', ${LOCKS}`), /give it another name.*my-split/],
    ['no description', withMembers(`name: 'mine', ${LOCKS}`), /does not say what it does/],
    ['no lock', withMembers(`${NAMED}, *unlock() {}`), /has no lock/],
    ['no unlock', withMembers(`${NAMED}, *lock() {}`), /has no unlock/],
    ['a lock that is not stepped', withMembers(`${NAMED}, lock() {}, *unlock() {}`), /a lock that is no generator/],
    [
      'a recheck that is not stepped',
      withMembers(`${NAMED}, ${LOCKS}, changed() {}`),
      /a changed that is no generator/,
    ],
    ['too many words', withMembers(`${NAMED}, ${LOCKS}, words: 1e9`), /asks for 1000000000 words: give 0 to/],
    ['a plain yield', withMembers(`${NAMED},\n*lock() { yield 1; }, *unlock() {}`), /line 2: a plain yield/],
    [
      'an access without yield*',
      withMembers(`${NAMED},\n*lock(cpu) {\nif (kernel.cmpxchg(cpu, 0, 0, 1) === 0) return; }, *unlock() {}`),
      /line 3: kernel\.cmpxchg\(…\) is stepped.*write yield\* kernel\.cmpxchg/,
    ],
    [
      'an access by another name without yield*',
      `export default ({ READ_ONCE: look }) => ({ ${NAMED}, *lock(cpu) { look(cpu, 0); }, *unlock() {} });`,
      /line 1: look\(…\) is stepped/,
    ],
    [
      'a stepped function of its own without yield*',
      `function* wait() {}\n${withMembers(`${NAMED}, *lock() { wait(); }, *unlock() {}`)}`,
      /line 2: wait\(…\) is stepped/,
    ],
  ])('is refused in one sentence: %s', (_, text, says) => {
    const path = file(text);
    const message = refusal(path);
    expect(message).toMatch(says);
    expect(message).toContain(path);
    expect(message.trim().split('\n')).toHaveLength(1);
  });
});

describe('the two texts of a module', () => {
  const direct = (body: string): string => {
    const texts = designTexts(`export default function* f() { ${body} }`, 'f.js', new Set());
    return texts.direct
      .replace(/\s+/g, ' ')
      .replace('exported.default = function f() {', '')
      .replace(/ \};$/, '')
      .trim();
  };

  it.each([
    ['yield* g();', 'void ( g());'],
    ['const x = yield* g(); return yield* h(x);', 'const x = ( g()); return ( h(x));'],
    ['x = (yield* a(), yield* b());', 'x = (void ( a()), ( b()));'],
    ['return 1 + (yield* yield* g());', 'return 1 + ( ( ( g())));'],
    ['for (;;) yield* (g());', 'for (;;) void ( (g()));'],
    ['const o = { *m() { yield* g(); } };', 'const o = { m() { void ( g()); } };'],
    ['class A { static *m() {} *[k]() {} }', 'class A { static m() {} [k]() {} }'],
    ['const h = function /* * */ * () {};', 'const h = function /* * */ () {};'],
    ['const three = 1 * 3;', 'const three = 1 * 3;'],
    ['let a = b\n yield* g()', 'let a = b void ( g())'],
  ])('%s', (body, expected) => {
    expect(direct(body)).toBe(expected);
  });

  it('keep their lines, so that a stack trace names them', () => {
    const { path } = designOf(example('bit-locks'))!;
    const { stepped, direct: erased } = designOf(path)!;
    expect(erased.split('\n')).toHaveLength(stepped.split('\n').length);
  });

  it('are the same design: programs of one CPU leave the same memory, word for word', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(program(0, 30), fc.constantFrom('bit-locks', 'reader-writer'), (ops, name) => {
        const config = { cpus: 1, memory: 2 * 1024 * 1024, maxVmas: 64, locking: example(name) };
        const direct = boot(config);
        const stepped = boot(config);
        direct.runHere([arenaMap, ...ops]);
        const { deadlock } = stepped.runStepped([[arenaMap, ...ops]], (ready) => ready[0] ?? 0);
        expect(deadlock).toEqual([]);
        expect(Buffer.from(direct.buffer).equals(Buffer.from(stepped.buffer))).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});

describe('a design', () => {
  it('is known by its name and its text, wherever it lies', () => {
    const text = withMembers(`${NAMED}, ${LOCKS}`);
    const [here, there, other] = [file(text), file(text), file(`${text}// another\n`)];
    expect(lockingIdentity(here)).toBe(lockingIdentity(there));
    expect(lockingIdentity(other)).not.toBe(lockingIdentity(here));
    expect(lockingIdentity(here)).toMatch(/^mine:[0-9a-f]{8}$/);
    expect(lockingIdentity('mm')).toBe('mm');
  });

  it('is what a thread was given, whatever has become of its file', () => {
    const path = file(withMembers(`${NAMED}, ${LOCKS}`));
    const given = designOf(path)!;
    const moved = { ...given, path: join(folder, 'gone.js') };
    adoptDesign(moved);
    expect(designOf(moved.path)!.fingerprint).toBe(given.fingerprint);
  });

  it('has the words it asked for, all 0, and the machine knows that it is its own', () => {
    const machine = boot({ cpus: 2, locking: file(withMembers(`${NAMED}, ${LOCKS}, words: 100`)) });
    const { design, ram } = machine.layout;
    expect(ram - design).toBeGreaterThanOrEqual(100);
    expect([...machine.words.subarray(design, design + 100)].every((word) => word === 0)).toBe(true);
    expect(machine.words[header.locking]).toBe(-1);
    expect(machine.design?.name).toBe('mine');
    expect(machine.layout.words).toBeGreaterThanOrEqual(boot({ cpus: 2 }).layout.words);
  });

  it('can be given as a URL', () => {
    expect(designOf(new URL('../races/designs/bit-locks.js', import.meta.url).href)?.name).toBe('bit-locks');
  });
});
