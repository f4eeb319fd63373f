// The build writes all or nothing: a broken source leaves the last good dist where it was, and says where it is broken.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
let project: string;

const KERNEL = `export const STEPPED = true as boolean;
export function* step(): Generator<number, string, void> {
  yield 1;
  return STEPPED ? 'stepped' : 'direct';
}
`;

function write(name: string, text: string): void {
  writeFileSync(join(project, name), text);
}

function build(): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, ['.build/build.mjs'], { cwd: project, encoding: 'utf8' });
  return { status, stderr };
}

const built = (name: string): string => readFileSync(join(project, 'dist', name), 'utf8');

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'pagerace-build-'));
  cpSync(join(root, '.build'), join(project, '.build'), { recursive: true });
  cpSync(join(root, 'package.json'), join(project, 'package.json'));
  // As the project's, but for types that these sources do not need: to read those takes most of a build.
  const config = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8')) as { compilerOptions: object };
  const compilerOptions = { ...config.compilerOptions, lib: ['ES2023'], types: [] };
  write('tsconfig.json', JSON.stringify({ ...config, compilerOptions }));
  symlinkSync(join(root, 'node_modules'), join(project, 'node_modules'));
  for (const folder of ['src/kernel', 'workers']) mkdirSync(join(project, folder), { recursive: true });
  write('src/kernel/memory.ts', KERNEL);
  write('workers/cpu.ts', `export { step } from '../src/kernel/memory.ts';\n`);
});

afterAll(() => {
  rmSync(project, { recursive: true, force: true });
});

describe('build', () => {
  it('emits the sources, the workers and the erased twin, and nothing else', async () => {
    expect(build()).toEqual({ status: 0, stderr: '' });
    expect(readdirSync(project).filter((name) => name.startsWith('dist'))).toEqual(['dist']);
    expect(built('workers/cpu.js')).toContain('../src/kernel/memory.js');
    expect(built('src/kernel/memory.js')).toContain('yield 1');
    expect(built('src/kernel/memory.d.ts')).toContain('Generator');
    const href = `file://${join(project, 'dist/src/kernel-direct/memory.js')}`;
    expect(((await import(/* @vite-ignore */ href)) as { step: () => string }).step()).toBe('direct');
  });

  it('does nothing when no source has changed', () => {
    const before = statSync(join(project, 'dist')).ino;
    expect(build().status).toBe(0);
    expect(statSync(join(project, 'dist')).ino).toBe(before);
  });

  it.each([
    ['a type error', `export const x: number = 'text';\n`, /memory\.ts.*:1:14.*TS2322/s],
    [
      'a yield whose value is used',
      `${KERNEL}\nexport function* bad(): Generator {\n  f(yield 1);\n}\nfunction f(_: unknown): void {}\n`,
      /memory\.ts:8: a yield must stand alone/,
    ],
  ])('leaves the last good dist on %s and says where', (_what, source, message) => {
    const before = built('src/kernel-direct/memory.js');
    write('src/kernel/memory.ts', source);
    const { status, stderr } = build();
    expect(status).toBe(1);
    expect(stderr.replace(/\x1b\[\d+m/g, '')).toMatch(message);
    expect(built('src/kernel-direct/memory.js')).toBe(before);
    expect(existsSync(join(project, 'dist', '.stamp'))).toBe(true);
    write('src/kernel/memory.ts', KERNEL);
  });
});

describe('the built lab', () => {
  // A variable of the environment decides it elsewhere, and tests have another one than releases.
  it("is without the framework's checks for its own authors, whoever built it", () => {
    const script = readFileSync(join(root, 'dist', 'lab', 'lab.js'), 'utf8');
    expect(script).toContain('pagerace');
    expect(script).not.toContain('__svelte_meta');
  });
});
