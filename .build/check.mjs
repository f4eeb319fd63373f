// `npm run check`: everything about the source that is not a test, and the tests under coverage, which counts the code
// that runs in worker threads. `--coverage <folder>` reads what an earlier run of the tests left there (with
// NODE_V8_COVERAGE) instead of running them again.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => join(root, 'node_modules', '.bin', name);

function run(what, command, args, env = {}) {
  process.stdout.write(`check: ${what}\n`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) {
    process.stderr.write(`check: ${what} failed\n`);
    process.exit(1);
  }
}

run('build', process.execPath, ['.build/build.mjs']);
run('types of the tests', bin('tsc'), ['-p', 'tsconfig.test.json']);
run('types of the pages', bin('svelte-check'), ['--tsconfig', 'tsconfig.test.json', '--output', 'human']);
run('lint', bin('eslint'), ['.']);
run('format', bin('prettier'), ['--check', '--log-level', 'warn', '.']);
run('dead code', bin('knip'), ['--no-progress']);
run('package', bin('publint'), ['--strict']);

// Node writes what every thread ran, workers included; c8 maps it back through the source maps. The direct twin is
// the same source as the stepped kernel, so both count for it.
const given = process.argv.indexOf('--coverage');
const folder = given === -1 ? mkdtempSync(join(tmpdir(), 'pagerace-coverage-')) : process.argv[given + 1];
// On exit, since that is how a failed step ends.
if (given === -1) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
else if (folder === undefined) throw new Error('--coverage needs a folder');
if (given === -1) run('tests under coverage', bin('vitest'), ['run'], { NODE_V8_COVERAGE: folder });
const read = ['report', '--temp-directory', folder, '--include', 'dist/**', '--include', 'src/**'];
run('coverage', bin('c8'), [...read, '--reporter', 'text-summary', '--check-coverage', '--lines', '80']);
