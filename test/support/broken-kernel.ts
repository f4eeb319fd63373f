// A kernel with one rule broken: a copy of the compiled machine in which functions of the erased kernel can be replaced by
// wrong ones. The kernel itself has no switches for that, and the copy is thrown away.
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

/** Of the copy: which of the rules is broken, by its index; none if it is -1. */
interface Switch {
  broken: number;
}
const SWITCH_FILE = 'broken-rule.js';
const SWITCH_TEXT = 'export const rule = { broken: -1 };\n';

/**
 * Replaces a function of a module's text by one that is wrong while a rule about it is broken. `rules` are of one
 * function, by their indices. Throws where it is not there, or more than once.
 */
export function withWrong(text: string, rules: ReadonlyMap<number, BrokenRule>): string {
  const [{ replaced, file }] = [...rules.values()] as [BrokenRule];
  const head = new RegExp(`^(export )?function ${replaced}\\(`, 'gm');
  const found = [...text.matchAll(head)];
  if (found.length !== 1) throw new Error(`${file} has ${String(found.length)} functions named ${replaced}, not 1`);
  const isExported = found[0]?.[1] !== undefined;
  const renamed = text.replace(head, `function right_${replaced}(`);
  const cases = [...rules].map(([i, { wrong }]) => `    case ${String(i)}: return (${wrong})(...args);`);
  const path = `${'../'.repeat(file.split('/').length - 1) || './'}${SWITCH_FILE}`;
  // Functions are hoisted, so that whoever calls it while modules are loaded finds it too; so is the switch's import.
  return `${renamed}
import { rule as rule_of_${replaced} } from '${path}';
${isExported ? 'export ' : ''}function ${replaced}(...args) {
  const right = right_${replaced};
  switch (rule_of_${replaced}.broken) {
${cases.join('\n')}
    default: return right(...args);
  }
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

/** The simulated side of a copy, which is right until a rule is broken. */
export interface BrokenKernel {
  readonly Simulated: typeof simulatedModule.Simulated;
  /** Breaks one rule and mends all others; none for undefined. */
  readonly breakRule: (rule?: BrokenRule) => void;
  /** Throws the copy away. */
  readonly remove: () => void;
}

/** The rules by the function that they replace. */
function byFunction(rules: readonly BrokenRule[]): Map<string, Map<number, BrokenRule>> {
  const groups = new Map<string, Map<number, BrokenRule>>();
  for (const [i, rule] of rules.entries()) {
    const key = `${rule.file} ${rule.replaced}`;
    groups.set(key, (groups.get(key) ?? new Map<number, BrokenRule>()).set(i, rule));
  }
  return groups;
}

/** One copy for all rules: to write and to load one takes longer than to find most of them. */
export async function brokenKernel(rules: readonly BrokenRule[]): Promise<BrokenKernel> {
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
    const direct = join(folder, 'src', 'kernel-direct');
    writeFileSync(join(direct, SWITCH_FILE), SWITCH_TEXT);
    for (const group of byFunction(rules).values()) {
      const path = join(direct, [...group.values()][0]!.file);
      writeFileSync(path, withWrong(readFileSync(path, 'utf8'), group));
    }
    const load = async (path: string): Promise<unknown> => await import(pathToFileURL(join(folder, 'src', path)).href);
    const { Simulated } = (await load('conform/simulated.js')) as typeof simulatedModule;
    const { rule: chosen } = (await load(`kernel-direct/${SWITCH_FILE}`)) as { rule: Switch };
    const breakRule = (rule?: BrokenRule): void => {
      chosen.broken = rule === undefined ? -1 : rules.indexOf(rule);
    };
    return { Simulated, breakRule, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
