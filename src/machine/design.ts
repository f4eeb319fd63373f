// Locking designs of the user's own: reading one from its file, and making its rules for a CPU of either execution.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileFunction } from 'node:vm';
import { design_kernel } from '../kernel/mm/design.ts';
import type { DesignKernel, LockingDesign, LockingRules } from '../kernel/mm/design.ts';
import { LOCKING_DESIGNS } from '../kernel/mm/flags.ts';
import { designTexts } from './design-source.ts';
import type { DesignTexts } from './design-source.ts';
import { kernel } from './direct.ts';
import { UsageError, indexOfName } from './usage-error.ts';

/** A design as plain data, which goes to other threads. */
export interface DesignSource extends DesignTexts {
  /** As it was given, for messages and commands. */
  readonly path: string;
  readonly name: string;
  readonly what: string;
  /** Words of the machine that it asks for. */
  readonly words: number;
  /** Of the text: eight hexadecimal digits. */
  readonly fingerprint: string;
}

/** The most words that a design may ask for. */
const MAX_WORDS = 65_536;
const MAX_BYTES = 1024 * 1024;
/** What generator functions have in common. */
const GENERATOR: unknown = Object.getPrototypeOf(design_kernel.READ_ONCE);
const STEPPED_NAMES: ReadonlySet<string> = new Set(
  Object.entries(design_kernel)
    .filter(
      ([name, value]) =>
        typeof value === 'function' && !['table_words', 'own_words', 'pte_same', 'pte_none'].includes(name),
    )
    .map(([name]) => name),
);

/** Designs that were read, by file: each once, as modules are. */
const known = new Map<string, DesignSource>();
const compiled = new Map<string, LockingDesign>();

/** Whether `--locking` names a file, by having a directory or an extension. */
function isFile(locking: string): boolean {
  return /[./\\]/.test(locking);
}

function fileOf(path: string): string {
  return path.startsWith('file:') ? fileURLToPath(path) : resolve(path);
}

/** What `locking` names: a file's design; undefined for one of LOCKING_DESIGNS. Throws a UsageError. */
export function designOf(locking: string): DesignSource | undefined {
  if (!isFile(locking)) {
    const names = LOCKING_DESIGNS.map((design) => design.name);
    if (names.includes(locking)) return undefined;
    try {
      indexOfName('Locking design', locking, names);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(`${error.message} A design of your own is given with its path, for example ./my-design.js.`);
    }
  }
  const file = fileOf(locking);
  let source = known.get(file);
  if (source === undefined) {
    source = readDesign(file, locking);
    known.set(file, source);
  }
  return source.path === locking ? source : { ...source, path: locking };
}

/** Takes over a design that another thread has read, so that both run the same text. */
export function adoptDesign(source: DesignSource | undefined): void {
  if (source !== undefined) known.set(fileOf(source.path), source);
}

/** What a locking design is called in identities: the name, and for a file's the fingerprint of its text as well. */
export function lockingIdentity(locking: string): string {
  const design = designOf(locking);
  return design === undefined ? locking : `${design.name}:${design.fingerprint}`;
}

function readDesign(file: string, path: string): DesignSource {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' || code === 'ENOTDIR' ? 'There is no file' : 'There is no reading';
    throw new UsageError(
      `${why} ${path}: --locking takes a design's name or its file, for example split or ./my-design.js.`,
    );
  }
  if (text.length > MAX_BYTES)
    throw new UsageError(`${path} is larger than 1 MiB: a locking design is some lines of JavaScript.`);
  const texts = designTexts(text, path, STEPPED_NAMES);
  const fingerprint = createHash('sha256').update(text).digest('hex').slice(0, 8);
  const source = { path, ...texts, name: '', what: '', words: 0, fingerprint };
  const rules = checkedRules(rulesOf(source, 'stepped', design_kernel), path);
  return { ...source, name: rules.name, what: rules.what, words: rules.words ?? 0 };
}

/** Runs the module's text and calls its function. */
function rulesOf(source: DesignSource, twin: keyof DesignTexts, given: DesignKernel): LockingRules {
  const text = source[twin];
  const key = `${twin} ${source.path} ${text}`;
  let design = compiled.get(key);
  try {
    if (design === undefined) {
      const exported: { default?: unknown } = {};
      const run = compileFunction(`'use strict'; ${text}`, ['exported'], { filename: fileOf(source.path) });
      (run as (exported: { default?: unknown }) => void)(exported);
      if (typeof exported.default !== 'function') {
        throw new UsageError(
          `The default export of ${source.path} is no function: export one that is given the kernel.`,
        );
      }
      design = exported.default as LockingDesign;
      compiled.set(key, design);
    }
    return design(given);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const said = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      `${source.path} can't be used: its module threw '${said}'; it must return { name, what, lock, unlock }.`,
    );
  }
}

/** What a design's function returned, checked field by field. */
function checkedRules(rules: unknown, path: string): LockingRules {
  const wanted = 'return { name, what, *lock(cpu, entries) { … }, *unlock(cpu, entries, taken) { … } }';
  if (typeof rules !== 'object' || rules === null) {
    throw new UsageError(`The function of ${path} returns no object: ${wanted}.`);
  }
  const { name, what, words = 0, lock, unlock, changed } = rules as Partial<Record<keyof LockingRules, unknown>>;
  if (typeof name !== 'string' || !/^[a-z0-9][a-z0-9-]{0,39}$/.test(name)) {
    throw new UsageError(
      `The design of ${path} has no name: give small letters, digits and dashes, for example name: 'bit-locks'.`,
    );
  }
  if (LOCKING_DESIGNS.some((design) => design.name === name)) {
    throw new UsageError(
      `The design of ${path} is called ${name}, as one of the kernel's is: give it another name, for example my-${name}.`,
    );
  }
  if (typeof what !== 'string' || what === '') {
    throw new UsageError(
      `The design of ${path} does not say what it does: give one line, for example what: 'a lock for each 16 entries'.`,
    );
  }
  if (!Number.isInteger(words) || Number(words) < 0 || Number(words) > MAX_WORDS) {
    throw new UsageError(
      `The design of ${path} asks for ${String(words)} words: give 0 to ${String(MAX_WORDS)}, for example words: 64.`,
    );
  }
  for (const [field, value] of Object.entries({ lock, unlock, ...(changed === undefined ? {} : { changed }) })) {
    if (typeof value === 'function' && Object.getPrototypeOf(value) === GENERATOR) continue;
    const is = typeof value === 'function' ? `has a ${field} that is no generator` : `has no ${field}`;
    throw new UsageError(`The design of ${path} ${is}: give a stepped function, for example *${field}(cpu, …) { … }.`);
  }
  return rules as LockingRules;
}

/** Makes a design's rules for a CPU of the stepped kernel; undefined where the design is the kernel's. */
export function steppedRules(source: DesignSource | undefined): (() => LockingRules) | undefined {
  return source === undefined ? undefined : () => rulesOf(source, 'stepped', design_kernel);
}

/** Makes a design's rules for a CPU of a real thread. */
export function directRules(source: DesignSource | undefined): (() => LockingRules) | undefined {
  return source === undefined ? undefined : () => rulesOf(source, 'direct', kernel.design_kernel);
}

/** What is wrong with a design that fails while one CPU is alone on the machine, as a UsageError. */
export function loneFailure({ path }: DesignSource, error: unknown, stuckMs: number): UsageError {
  const { name, message } = error instanceof Error ? error : { name: '', message: String(error) };
  const what =
    name === 'CpuStopped'
      ? `lets nobody pass: a CPU that is alone on the machine waited ${String(stuckMs)} ms for a lock; unlock must undo all that lock did`
      : `fails where a CPU is alone on the machine: '${message}'; lock and unlock must come to an end there`;
  return new UsageError(`The locking design of ${path} ${what}.`);
}
