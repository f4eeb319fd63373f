// A kernel with one rule broken: a copy of the compiled machine in which one function of the erased kernel is replaced by
// a wrong one. The kernel itself has no switches for that, and the copy is thrown away.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type * as simulatedModule from '../../src/conform/simulated.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What the simulated side of a comparison is made of. */
const FOLDERS = ['kernel', 'kernel-direct', 'machine', 'conform'];

/** A rule that is broken. */
export interface BrokenRule {
  /** What is wrong, as a test's name. */
  readonly name: string;
  /** File of src/kernel, and the function in it that is replaced. */
  readonly file: string;
  readonly replaced: string;
  /**
   * The wrong function, as an expression of JavaScript in its module's scope; the right one is called `right`. Numbers
   * of the layout are filled in by the caller.
   */
  readonly wrong: string;
}

/** Replaces a function of a module's text. Throws where it is not there, or more than once. */
export function withWrong(text: string, { replaced, wrong, file }: BrokenRule): string {
  const head = new RegExp(`^(export )?function ${replaced}\\(`, 'gm');
  const found = [...text.matchAll(head)];
  if (found.length !== 1) throw new Error(`${file} has ${String(found.length)} functions named ${replaced}, not 1`);
  const isExported = found[0]?.[1] !== undefined;
  const renamed = text.replace(head, `function right_${replaced}(`);
  // Functions are hoisted, so that whoever calls it while modules are loaded finds it too.
  return `${renamed}
${isExported ? 'export ' : ''}function ${replaced}(...args) {
  const right = right_${replaced};
  return (${wrong})(...args);
}
`;
}

/** Copies compiled modules, without what points to maps that are not copied. */
function copyModules(from: string, to: string): void {
  for (const name of readdirSync(from, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.js')) continue;
    mkdirSync(dirname(join(to, name)), { recursive: true });
    writeFileSync(join(to, name), readFileSync(join(from, name), 'utf8').replace(/^\/\/# sourceMappingURL=.*$/m, ''));
  }
}

/** The simulated side with a rule broken; `remove` throws the copy away. */
export async function brokenSimulated(
  rule: BrokenRule,
): Promise<{ Simulated: typeof simulatedModule.Simulated; remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'pagerace-broken-'));
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    for (const name of FOLDERS) {
      copyModules(join(root, 'dist', 'src', name), join(folder, 'src', name));
    }
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const path = join(folder, 'src', 'kernel-direct', rule.file);
    writeFileSync(path, withWrong(readFileSync(path, 'utf8'), rule));
    const url = pathToFileURL(join(folder, 'src', 'conform', 'simulated.js')).href;
    const { Simulated } = (await import(url)) as typeof simulatedModule;
    return { Simulated, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
