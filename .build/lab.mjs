// Builds the lab to dist/lab: one script for the page and its workers, one style sheet, and the kernel's sources with
// the places of the script that they became. Needs the build of the rest, whose erased kernel it takes.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lab = join(root, 'src', 'lab');
const out = join(root, 'dist', 'lab');
const stamp = join(out, '.stamp');

/** Hash of all that the output depends on. */
function inputsHash() {
  const hash = createHash('sha256');
  const files = ['package-lock.json', '.build/lab.mjs', 'dist/.stamp'];
  for (const name of readdirSync(lab, { recursive: true })) {
    if (/\.(?:svelte|css|html|ts)$/.test(name)) files.push(join('src', 'lab', name));
  }
  for (const file of files.sort()) hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

const hash = inputsHash();
if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) process.exit(0);

// The frameworks' own checks are for their authors: whoever builds, a test included, builds what readers get.
process.env.NODE_ENV = 'production';
const { build } = await import('vite');
const { svelte, vitePreprocess } = await import('@sveltejs/vite-plugin-svelte');

const machine = join(root, 'src', 'machine');
const standIn = (name) => join(lab, 'stand-ins', `${name}.ts`);
/** Modules that only Node can run, and what stands in for them. */
const STAND_INS = new Map([
  ...['gang', 'live', 'garbage', 'design', 'direct'].map((name) => [join(machine, `${name}.ts`), standIn(name)]),
  ['node:os', standIn('node')],
  ['node:worker_threads', standIn('node')],
  ['@erased-kernel', join(root, 'dist', 'src', 'kernel-direct', 'index.js')],
]);

const standIns = {
  name: 'stand-ins',
  enforce: 'pre',
  async resolveId(source, importer, options) {
    const direct = STAND_INS.get(source);
    if (direct !== undefined) return direct;
    if (importer === undefined || importer.startsWith(join(lab, 'stand-ins'))) return null;
    const resolved = await this.resolve(source, importer, { ...options, skipSelf: true });
    return resolved === null ? null : (STAND_INS.get(resolved.id) ?? null);
  },
};

/**
 * The stepped kernel's sources, and which of their lines each line of the script is: runs of [line of the script, file,
 * line of the file, how many lines go on like that], all counted from 1, files from 0.
 */
function kernelSources() {
  const kernel = join(root, 'src', 'kernel');
  const map = JSON.parse(readFileSync(join(fresh, 'lab.js.map'), 'utf8'));
  const decoded = new SourceMap(map);
  const script = readFileSync(join(fresh, 'lab.js'), 'utf8').split('\n');
  const files = new Map();
  const runs = [];
  for (const [i, text] of script.entries()) {
    const { originalSource, originalLine } = decoded.findEntry(i, text.search(/\S/));
    if (originalSource === undefined) continue;
    // Relative to where the map lies; the erased kernel has maps of its own, which lead nowhere near here.
    const source = relative(kernel, resolve(fresh, originalSource));
    if (source.startsWith('..') || !existsSync(join(kernel, source))) continue;
    if (!files.has(source)) files.set(source, files.size);
    const file = files.get(source);
    const last = runs.at(-1);
    const goesOn = last?.[1] === file && last[0] + last[3] === i + 1 && last[2] + last[3] === originalLine + 1;
    if (goesOn) last[3] += 1;
    else runs.push([i + 1, file, originalLine + 1, 1]);
  }
  const texts = [...files.keys()].map((name) => ({ name, text: readFileSync(join(kernel, name), 'utf8') }));
  return { files: texts, runs };
}

const fresh = `${out}.new-${process.pid}`;
await build({
  configFile: false,
  root: lab,
  logLevel: 'warn',
  publicDir: false,
  plugins: [
    standIns,
    svelte({ configFile: false, preprocess: vitePreprocess(), compilerOptions: { css: 'external' } }),
  ],
  build: {
    outDir: fresh,
    emptyOutDir: true,
    target: 'es2023',
    // Where a step stands is read from the stack: names must stay, and each statement its line.
    minify: false,
    sourcemap: true,
    cssCodeSplit: false,
    rollupOptions: {
      input: join(lab, 'main.ts'),
      output: {
        format: 'es',
        entryFileNames: 'lab.js',
        assetFileNames: 'lab.[ext]',
        codeSplitting: false,
        comments: { legal: true, annotation: false, jsdoc: false },
      },
    },
  },
});
writeFileSync(join(fresh, 'sources.json'), JSON.stringify(kernelSources()));
rmSync(join(fresh, 'lab.js.map'));
cpSync(join(lab, 'index.html'), join(fresh, 'index.html'));
writeFileSync(join(fresh, '.stamp'), hash);
const old = `${out}.old-${process.pid}`;
if (existsSync(out)) renameSync(out, old);
mkdirSync(dirname(out), { recursive: true });
renameSync(fresh, out);
rmSync(old, { recursive: true, force: true });
