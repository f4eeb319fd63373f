// Builds the project: one type-checked program, emitted twice. The whole of it goes to dist as it is; src/kernel goes
// once more through the eraser to dist/src/kernel-direct. Nothing is written unless all of it is right.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const stamp = join(dist, '.stamp');

/** Hash of all that the output depends on. */
function inputsHash() {
  const hash = createHash('sha256');
  const files = [
    'node_modules/typescript/package.json',
    'tsconfig.json',
    'package.json',
    '.build/build.mjs',
    '.build/erase.mjs',
    '.build/inline.mjs',
    '.build/stepped.mjs',
    '.build/constants.mjs',
  ];
  for (const folder of ['src', 'workers']) {
    for (const name of readdirSync(join(root, folder), { recursive: true })) {
      if (name.endsWith('.ts')) files.push(join(folder, name));
    }
  }
  for (const file of files.sort()) hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

const hash = inputsHash();
if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) process.exit(0);

// Only now, since the compiler takes its time to load.
const { default: ts } = await import('typescript');
const { EraseError, erase } = await import('./erase.mjs');
const { inlineTable } = await import('./inline.mjs');

function fail(diagnostics) {
  const host = { getCanonicalFileName: (f) => f, getCurrentDirectory: () => root, getNewLine: () => '\n' };
  process.stderr.write(ts.formatDiagnosticsWithColorAndContext(diagnostics, host));
  process.exit(1);
}

/** Emits into `files`; kernel sources of the erased program end up in kernel-direct. */
function emit(program, files, erased) {
  const kernel = join(root, 'src', 'kernel') + sep;
  const sources = program.getSourceFiles().filter((source) => source.fileName.startsWith(kernel));
  const transformers = erased ? { before: [erase(inlineTable(sources), program.getTypeChecker())] } : {};
  for (const source of program.getSourceFiles()) {
    if (source.isDeclarationFile || (erased && !source.fileName.startsWith(kernel))) continue;
    const write = (name, text) => {
      if (erased && name.endsWith('.d.ts')) return;
      const place = relative(dist, name);
      files.set(erased ? place.replace(join('src', 'kernel'), join('src', 'kernel-direct')) : place, text);
    };
    const { diagnostics } = program.emit(source, write, undefined, false, transformers);
    if (diagnostics.length > 0) fail(diagnostics);
  }
}

const config = ts.getParsedCommandLineOfConfigFile(
  join(root, 'tsconfig.json'),
  {},
  {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => fail([diagnostic]),
  },
);
const program = ts.createProgram(config.fileNames, config.options);
const problems = ts.getPreEmitDiagnostics(program);
if (problems.length > 0) fail(problems);
const files = new Map();
emit(program, files, false);
try {
  emit(program, files, true);
} catch (error) {
  if (!(error instanceof EraseError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}

const fresh = `${dist}.new-${process.pid}`;
for (const [name, text] of files) {
  const file = join(fresh, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
const main = join(fresh, 'src', 'cli', 'main.js');
if (existsSync(main)) chmodSync(main, 0o755);
writeFileSync(join(fresh, '.stamp'), hash);
// Two renames, so that whoever starts meanwhile (another build, a test run) finds a whole dist, not one half deleted.
const old = `${dist}.old-${process.pid}`;
try {
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(fresh, dist);
} catch (error) {
  // Another build came in between; if it built the same, there is nothing left to do.
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== hash) throw error;
} finally {
  for (const folder of [old, fresh]) rmSync(folder, { recursive: true, force: true });
}
