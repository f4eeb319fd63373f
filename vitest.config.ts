// Tests run what ships: imports of src/**.ts and workers/**.ts are answered by the compiled files in dist, which Node
// loads itself, so that there is one copy of every module and worker threads run the same files. First the unit tests
// and those whose threads take turns, a file on each core; then, one file at a time, those whose threads race and need
// all cores for that.
import { availableParallelism } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = dirname(fileURLToPath(import.meta.url));

/** Tests that start threads or processes of their own, of which it makes no difference who is fast. */
const TAKING_TURNS = [
  'test/package.threads.test.ts',
  'test/cli/conform.threads.test.ts',
  'test/conform/*.threads.test.ts',
  'test/explore/*.threads.test.ts',
];

const compiled = {
  name: 'compiled-sources',
  enforce: 'pre' as const,
  resolveId(source: string, importer: string | undefined) {
    if (!source.startsWith('.') || !source.endsWith('.ts') || importer === undefined) return undefined;
    const file = relative(root, join(dirname(importer), source));
    if (!/^(src|workers)[\\/]/.test(file)) return undefined;
    return { id: join(root, 'dist', file.replace(/\.ts$/, '.js')), external: true };
  },
};

export default defineConfig({
  plugins: [compiled],
  test: {
    globalSetup: ['test/support/build.ts'],
    reporters: ['default', './test/support/skips.ts'],
    // Bounds for what hangs, not for what is slow: machines are shared.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What is printed is compared: no colour, wherever the tests run.
    env: { NO_COLOR: '1' },
    server: { deps: { external: [new RegExp(`${sep}dist${sep}`)] } },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          pool: 'threads',
          // Modules, and what was compiled of them, are of use to the next file.
          isolate: false,
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.threads.test.ts'],
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'turns',
          pool: 'forks',
          include: TAKING_TURNS,
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'threads',
          pool: 'forks',
          include: ['test/**/*.threads.test.ts'],
          exclude: TAKING_TURNS,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
