// The shape of the source, as rules that fail: which folder may know which, what only the kernel may do, how files look.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Each folder may import those of the groups before its own; within a group, one of two may know the other. */
const ORDER = [
  ['kernel'],
  ['machine'],
  ['check'],
  ['explore', 'stress'],
  ['testing', 'recording', 'conform', 'report'],
  ['cli', 'lab'],
];
const FOR_WORKERS = ['kernel', 'machine', 'explore', 'stress'];
/** What tools make, beside the sources. */
const MADE = /^(node_modules|dist|coverage)(\.|$)/;
const MAX_CODE_LINES = 400;

interface Source {
  path: string;
  text: string;
  tree: ts.SourceFile;
}

function sourcesIn(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const path = join(folder, name);
      const text = readFileSync(join(root, path), 'utf8');
      return { path, text, tree: ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true) };
    });
}

const code = [...sourcesIn('src'), ...sourcesIn('workers')];
const tests = sourcesIn('test');
const isKernel = (source: Source): boolean => source.path.startsWith('src/kernel/');

/** `path:line` of every node that `matches`. */
function places(sources: readonly Source[], matches: (node: ts.Node) => boolean): string[] {
  const found: string[] = [];
  for (const { path, tree } of sources) {
    const visit = (node: ts.Node): void => {
      if (matches(node)) {
        const { line } = tree.getLineAndCharacterOfPosition(node.getStart(tree));
        found.push(`${path}:${String(line + 1)}`);
      }
      ts.forEachChild(node, visit);
    };
    visit(tree);
  }
  return found;
}

/** Whether `node` is the expression `object.member`. */
function isMember(node: ts.Node, object: string, member: string): boolean {
  return ts.isPropertyAccessExpression(node) && node.getText() === `${object}.${member}`;
}

/** `src/check/frames.ts` → check; files of src itself have none. */
function folderOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

function importsOf(source: Source): string[] {
  return ts
    .preProcessFile(source.text, true, true)
    .importedFiles.map((file) => file.fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => relative(root, join(root, dirname(source.path), name)));
}

const rank = (folder: string): number => ORDER.findIndex((group) => group.includes(folder));

describe('imports', () => {
  it('knows every folder of src', () => {
    const folders = new Set(code.map((source) => folderOf(source.path)).filter((folder) => folder !== undefined));
    expect([...folders].filter((folder) => rank(folder) === -1)).toEqual([]);
  });

  it('point one way', () => {
    const wrong: string[] = [];
    const siblings = new Set<string>();
    for (const source of code) {
      const from = folderOf(source.path);
      if (from === undefined) continue;
      for (const target of importsOf(source)) {
        const to = folderOf(target);
        if (to === from) continue;
        if (to === undefined || rank(to) > rank(from)) wrong.push(`${source.path} imports ${target}`);
        else if (rank(to) === rank(from)) siblings.add(`${from} imports ${to}`);
      }
    }
    expect(wrong).toEqual([]);
    const mutual = [...siblings].filter((pair) => siblings.has(pair.split(' ').reverse().join(' ')));
    expect(mutual).toEqual([]);
  });

  it('of workers are the machine and what runs on it', () => {
    const wrong = code
      .filter((source) => source.path.startsWith('workers/'))
      .flatMap((source) => importsOf(source).map((target) => ({ source, target })))
      .filter(({ target }) => !target.startsWith('workers/') && !FOR_WORKERS.includes(folderOf(target) ?? ''));
    expect(wrong.map(({ source, target }) => `${source.path} imports ${target}`)).toEqual([]);
  });

  it('of the kernel stay in the kernel, so that they mean the same in its twin', () => {
    const wrong = code
      .filter(isKernel)
      .flatMap((source) =>
        ts.preProcessFile(source.text, true, true).importedFiles.map((file) => [source.path, file.fileName] as const),
      )
      .filter(([path, name]) => !name.startsWith('.') || !join(dirname(path), name).startsWith('src/kernel/'));
    expect(wrong).toEqual([]);
  });
});

/** Stepped code that is not the kernel: accesses for programs of one's own, the programs that come along, and classes. */
const EXPLORED = /^src\/(explore\/(accesses\.ts|programs\/|litmus\/)|testing\/explored\.ts)/;

describe('the kernel', () => {
  it('names Atomics in memory.ts alone', () => {
    const others = code.filter((source) => isKernel(source) && source.path !== 'src/kernel/memory.ts');
    expect(places(others, (node) => ts.isIdentifier(node) && node.text === 'Atomics')).toEqual([]);
  });

  it('is the only part with generators, but for what comes with the explorer to be explored', () => {
    const others = code.filter((source) => !isKernel(source) && !EXPLORED.test(source.path));
    expect(
      places(
        others,
        (node) =>
          ts.isYieldExpression(node) || (ts.isFunctionLike(node) && 'asteriskToken' in node && !!node.asteriskToken),
      ),
    ).toEqual([]);
  });

  it('takes nothing from chance or the calendar, so that a schedule replays', () => {
    const random = (node: ts.Node): boolean => isMember(node, 'Math', 'random') || isMember(node, 'Date', 'now');
    expect(places(code.filter(isKernel), random)).toEqual([]);
  });
});

describe('fast-check', () => {
  it('is imported in src/testing and by what makes programs to compare, so that who does neither needs it not', () => {
    const others = code.filter((source) => folderOf(source.path) !== 'testing');
    const importing = others
      .filter(({ path }) => path !== 'src/conform/generate.ts')
      .filter(({ text }) =>
        ts.preProcessFile(text, true, true).importedFiles.some(({ fileName }) => fileName.startsWith('fast-check')),
      );
    expect(importing.map(({ path }) => path)).toEqual([]);
    // Nothing else in src is built on src/testing.
    const built = others.filter((source) => importsOf(source).some((target) => folderOf(target) === 'testing'));
    expect(built.map(({ path }) => path)).toEqual([]);
  });
});

describe('files', () => {
  it('open with a comment that says what they are for', () => {
    const silent = [...code, ...tests].filter(({ text }) => !/^(#!.*\n)?\/[/*]/.test(text));
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it('stay short', () => {
    const long = code
      .map(({ path, text }) => ({
        path,
        lines: text.split('\n').filter((line) => !/^\s*(\/\/|\/?\*|$)/.test(line)).length,
      }))
      .filter(({ lines }) => lines > MAX_CODE_LINES);
    expect(long).toEqual([]);
  });

  it('leave nothing for later, and point to nothing that a reader has not', () => {
    const leftover = /\b(?:TODO|FIXME|XXX)\b/;
    const elsewhere = /(?<![\w./])\/(?:work|tmp|home|root)\/\w|(?<![\w.])(?:issue|helper)s?\b/i;
    // This file names the words it looks for.
    const lines = [...code, ...tests.filter(({ path }) => path !== 'test/tidy.test.ts')].flatMap(({ path, text }) =>
      text.split('\n').map((line, i) => ({ place: `${path}:${String(i + 1)}`, line })),
    );
    const found = lines.filter(({ line }) => leftover.test(line) || elsewhere.test(line));
    expect(found.map(({ place }) => place)).toEqual([]);
  });

  it('lie in src, workers and test', () => {
    const folders = readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !MADE.test(entry.name))
      .map((entry) => entry.name);
    expect(folders.sort()).toEqual(['src', 'test', 'workers']);
  });
});
