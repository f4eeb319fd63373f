// The package as it is published: packed, unpacked into a new project beside fast-check and vitest, which runs the
// README's example of a property as it stands there, and whose types resolve in both ways that TypeScript has.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const [section = ''] = /^## Properties of the kernel$.*?(?=^## )/ms.exec(readme) ?? [];
const [example = '', printed = '', kept = ''] = [...section.matchAll(/^```(?:ts)?\n(.*?)^```$/gms)].map(
  ([, text]) => text,
);

/** For each program that is run: for what hangs, since machines are shared. */
const LIMIT_MS = 120_000;
const project = mkdtempSync(join(tmpdir(), 'pagerace-package-'));
afterAll(() => {
  rmSync(project, { recursive: true, force: true });
});

interface Ran {
  readonly status: number | null;
  readonly output: string;
}

/** Runs a program in a folder, outside of the vitest that runs this. */
function run(command: string, args: readonly string[], cwd = project): Promise<Ran> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST')));
  return new Promise((resolve) => {
    const child = execFile(command, args, { cwd, env, timeout: LIMIT_MS }, (_error, stdout, stderr) => {
      resolve({ status: child.exitCode, output: `${stdout}${stderr}` });
    });
  });
}

/** A program that the checkout has installed. */
function runInstalled(file: string, args: readonly string[]): Promise<Ran> {
  return run(process.execPath, [join(root, 'node_modules', file), ...args]);
}

/** Puts what the checkout has installed into the project, without a registry. */
function link(name: string): void {
  const target = join(project, 'node_modules', name);
  mkdirSync(dirname(target), { recursive: true });
  symlinkSync(join(root, 'node_modules', name), target);
}

beforeAll(async () => {
  const packed = await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', project], root);
  expect(packed.status, packed.output).toBe(0);
  const into = join(project, 'node_modules', 'pagerace');
  mkdirSync(into, { recursive: true });
  const unpacked = await run('tar', ['-xzf', packed.output.trim(), '-C', into, '--strip-components', '1']);
  expect(unpacked.status, unpacked.output).toBe(0);
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(into, 'package.json'), 'utf8')) as Record<
    'dependencies' | 'peerDependencies',
    Record<string, string>
  >;
  for (const name of [...Object.keys(dependencies), ...Object.keys(peerDependencies), '@types/node']) link(name);
  writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }\n');
  writeFileSync(join(project, 'race.test.ts'), example);
}, LIMIT_MS);

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[];
  }[];
}

describe("the README's property", { timeout: LIMIT_MS }, () => {
  it('holds for what Linux does, and comes down to what is printed there without the recheck', async () => {
    const reporters = ['--reporter=default', '--reporter=json', '--outputFile.json=results.json'];
    const { output } = await runInstalled('vitest/vitest.mjs', ['run', '--root', project, ...reporters]);
    const report = JSON.parse(readFileSync(join(project, 'results.json'), 'utf8')) as Report;
    const results = report.testResults.flatMap(({ assertionResults }) => assertionResults);
    expect(
      results.map(({ title, status }) => `${status}: ${title}`),
      output,
    ).toEqual([
      'passed: holds in every locking design',
      'passed: holds on real threads',
      'failed: holds without the recheck',
    ]);
    expect(output).toContain('The smallest failure found: 2 CPUs, 1 page, 2 operations, 1 preemption');
    expect(output).not.toContain('Failed Suites');
    // Where the README leaves lines out it says so by three dots.
    let from = 0;
    for (const part of printed.split(/^\.\.\.\n/m)) {
      const at = output.indexOf(part, from);
      expect(at, `${part}\nis not in\n${output}`).toBeGreaterThanOrEqual(from);
      from = at + part.length;
    }
    // The error says all of it: nothing that it holds is printed after it.
    expect(output).not.toContain('Serialized Error');
  });

  it('is kept by lines that pass until it is mended', async () => {
    writeFileSync(join(project, 'kept.test.ts'), kept);
    const { status, output } = await runInstalled('vitest/vitest.mjs', ['run', '--root', project, 'kept.test.ts']);
    expect(status, output).toBe(0);
  });
});

describe('types', { timeout: LIMIT_MS }, () => {
  beforeAll(() => {
    writeFileSync(join(project, 'uses.ts'), uses);
  });

  const uses = `
import { expect } from 'vitest';
import { boot } from 'pagerace';
import { explore } from 'pagerace/explore';
import type { Exploration } from 'pagerace/explore';
import { cpuPrograms, schedule } from 'pagerace/testing';
import type { RaceCase, Schedule } from 'pagerace/testing';
import type fc from 'fast-check';
import 'pagerace/testing/vitest';

const schedules: fc.Arbitrary<Schedule> = schedule({ cpus: 2 });
const race: RaceCase = { setup: [], programs: [[{ op: 'load', addr: 4096 }], []] };
const exploration: Exploration = explore({ words: 1, threads: [] });
expect(boot()).toHoldInvariants();
expect(exploration).not.toBeViolated('I13');
expect(race).toReplay('0:1', 'I13', { memoryModel: 'tso' });
// @ts-expect-error: a judge is named by text
expect(exploration).toBeViolated(13);
// @ts-expect-error: there is no such memory model
expect(race).toReplay('0:1', 'I13', { memoryModel: 'rc11' });
// @ts-expect-error: there is no such option
cpuPrograms({ cpu: 3 });
export { schedules };
`;

  it.concurrent.each([
    ['NodeNext', 'NodeNext'],
    ['ESNext', 'Bundler'],
  ])('resolve with module %s and moduleResolution %s', async (module, moduleResolution) => {
    const name = `tsconfig.${moduleResolution}.json`;
    const compilerOptions = {
      target: 'ES2023',
      module,
      moduleResolution,
      lib: ['ES2023', 'ES2024.SharedMemory', 'ES2024.ArrayBuffer', 'ESNext.Disposable', 'DOM'],
      types: ['node'],
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
    };
    writeFileSync(join(project, name), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    const { status, output } = await runInstalled('typescript/bin/tsc', ['-p', name]);
    expect(output).toBe('');
    expect(status).toBe(0);
  });
});
