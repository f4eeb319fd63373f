// A target from a file: an ES module whose default export is a program or a kernel spec, or a kernel spec as JSON.
//
// Everything in it is checked before anything runs; each mistake is one sentence.
import { existsSync, readFileSync } from 'node:fs';
import { basename, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Op } from '../kernel/program.ts';
import { checkConfig } from '../machine/config.ts';
import type { MachineConfig } from '../machine/config.ts';
import { UsageError, nearest } from '../machine/usage-error.ts';
import type { KernelSpec } from './kernel-setup.ts';
import { checkProgram } from './options.ts';
import type { Program } from './program.ts';
import { PROGRAMS } from './programs/registry.ts';
import { LESSONS, SCENARIOS } from './scenarios.ts';
import type { ScenarioOptions } from './scenarios.ts';
import { programOf } from './subject-spec.ts';
import { targetNamed } from './target.ts';
import type { Target } from './target.ts';

const MODULES: readonly string[] = ['.js', '.mjs', '.ts', '.mts'];
/** The most CPUs that a kernel spec may have: a schedule of more is read by nobody. */
const MAX_SPEC_CPUS = 8;
const MAX_OPS = 1000;

/** Whether a name on the command line is a file's: it has an extension or a directory. */
function isFile(name: string): boolean {
  return /[./\\]/.test(name);
}

/** A scenario by its name, or what a file holds. Throws a UsageError. */
export async function targetOf(name: string, options: ScenarioOptions = {}, size?: number): Promise<Target> {
  if (!isFile(name)) return named(name, options, size);
  if (size !== undefined) {
    throw new UsageError(
      `${name} is a file, and --size is for programs of the catalogue: leave it out, for example pagerace explore ${name}.`,
    );
  }
  const path = resolve(name);
  if (!existsSync(path)) {
    throw new UsageError(`There is no file ${name}: give a file, or a scenario, for example first-touch.`);
  }
  if (extname(path) === '.json') return targetFrom(readJson(path, name), name, options);
  const target = targetFrom(await importDefault(path, name), name, options);
  return target.kind === 'program' ? { ...target, module: pathToFileURL(path).href } : target;
}

function named(name: string, options: ScenarioOptions, size: number | undefined): Target {
  if (PROGRAMS.some((program) => program.name === name)) {
    refuseOptions(name, options);
    return { kind: 'program', name, program: programOf(size === undefined ? { name } : { name, size }) };
  }
  const names = [...SCENARIOS, ...LESSONS, ...PROGRAMS].map((known) => known.name);
  if (!names.includes(name)) {
    throw new UsageError(
      `Scenario '${name}' is not known: see 'pagerace list'; did you mean '${nearest(name, names)}'? A file is given with its path, for example ./my-race.mjs.`,
    );
  }
  if (size === undefined) return targetNamed(name, options);
  throw new UsageError(`Scenario ${name} has no size: leave --size out, and use --cpus, for example --cpus 2.`);
}

/** Options that are for the kernel mean nothing to a program over words. */
function refuseOptions(name: string, options: ScenarioOptions): void {
  const [given] = Object.keys(options);
  if (given === undefined) return;
  throw new UsageError(
    `${name} is a program over words, and --${given} is for the kernel: leave it out, for example pagerace explore ${name}.`,
  );
}

function readJson(path: string, name: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`${name} is not JSON: ${sentenceOf(error)}; see 'pagerace explore --help' for an example.`);
  }
}

async function importDefault(path: string, name: string): Promise<unknown> {
  if (!MODULES.includes(extname(path))) {
    throw new UsageError(`${name} is neither a module nor JSON: give a file that ends in .mjs, .js or .json.`);
  }
  try {
    const module = (await import(pathToFileURL(path).href)) as { default?: unknown };
    return module.default;
  } catch (error) {
    throw new UsageError(
      `${name} can't be loaded: ${sentenceOf(error)}; it must be an ES module, for example race.mjs.`,
    );
  }
}

function sentenceOf(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return line;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Takes apart what a file holds: `threads` make a program, `programs` a kernel spec. */
export function targetFrom(value: unknown, name: string, options: ScenarioOptions = {}): Target {
  const called = basename(name, extname(name));
  if (isObject(value) && 'threads' in value) {
    refuseOptions(name, options);
    const program = value as unknown as Program;
    checkProgram(program);
    return { kind: 'program', name: called, program };
  }
  if (isObject(value) && 'programs' in value) {
    return { kind: 'kernel', name: called, spec: specFrom(value, name, called, options), scenario: undefined };
  }
  throw new UsageError(
    `${name} has neither threads nor programs: its default export must be { words, threads } or { setup, programs, config }, for example { setup: [], programs: [[{ op: 'store', addr: 0x1000, value: 1 }]] }.`,
  );
}

function specFrom(
  value: Readonly<Record<string, unknown>>,
  name: string,
  called: string,
  options: ScenarioOptions,
): KernelSpec {
  const { setup = [], programs, config = {} } = value;
  if (!Array.isArray(programs) || programs.length === 0 || programs.length > MAX_SPEC_CPUS) {
    throw new UsageError(
      `${name} has ${Array.isArray(programs) ? String(programs.length) : 'no'} programs: give 1 to ${String(MAX_SPEC_CPUS)}, one for each CPU, for example programs: [[…], […]].`,
    );
  }
  if (options.cpus !== undefined && options.cpus !== programs.length) {
    throw new UsageError(
      `${name} is for ${String(programs.length)} CPUs, and --cpus says ${String(options.cpus)}: leave --cpus out, for example pagerace explore ${name}.`,
    );
  }
  if (!isObject(config)) throw new UsageError(`config of ${name} is no object: give, for example, { locking: 'mm' }.`);
  const merged: Partial<MachineConfig> = { ...config, ...options, cpus: programs.length };
  checkConfig(merged);
  return {
    name: called,
    config: merged,
    setup: opsFrom(setup, `setup of ${name}`),
    programs: programs.map((ops, cpu) => opsFrom(ops, `program ${String(cpu)} of ${name}`)),
  };
}

/** What each operation needs beside its name. */
const FIELDS: Readonly<Record<Op['op'], readonly string[]>> = {
  mmap: ['addr', 'length', 'prot', 'flags'],
  munmap: ['addr', 'length'],
  mprotect: ['addr', 'length', 'prot'],
  madvise: ['addr', 'length', 'advice'],
  brk: ['addr'],
  mremap: ['addr', 'old_length', 'new_length', 'flags'],
  mlock: ['addr', 'length'],
  munlock: ['addr', 'length'],
  load: ['addr'],
  store: ['addr', 'value'],
  atomic_add: ['addr', 'value'],
  touch: ['addr', 'pages', 'value'],
  repeat: ['times'],
  await: ['counter', 'value'],
  advance: ['counter'],
  barrier: [],
  retract_page_table: ['addr'],
  oom_reap: [],
  drain_pages: ['cpu'],
  hold_ptl: ['addr'],
  lock_two_tables: ['first', 'second'],
  fork: ['child'],
  as: ['process'],
  exit_process: ['process'],
  clear_refs: [],
  uffd_register: ['addr', 'length'],
  uffd_unregister: ['addr', 'length'],
  uffd_copy: ['addr', 'length', 'value'],
  uffd_zeropage: ['addr', 'length'],
  uffd_wake: ['addr', 'length'],
  uffd_serve: ['faults', 'value'],
  uffd_close: [],
  exit: [],
};

function opsFrom(value: unknown, where: string): Op[] {
  if (!Array.isArray(value)) {
    throw new UsageError(`${where} is no list: give operations, for example [{ op: 'load', addr: 0x1000 }].`);
  }
  if (value.length > MAX_OPS) {
    throw new UsageError(
      `${where} has ${String(value.length)} operations: give at most ${String(MAX_OPS)}, for example 2.`,
    );
  }
  return value.map((op, i) => opFrom(op, `operation ${String(i)} of ${where}`));
}

function opFrom(value: unknown, where: string): Op {
  const names = Object.keys(FIELDS);
  const op = isObject(value) ? value.op : undefined;
  if (!isObject(value) || typeof op !== 'string' || !names.includes(op)) {
    const said = typeof op === 'string' ? `'${op}' is not one` : 'there is none';
    throw new UsageError(
      `${where}: ${said}; use one of ${names.join(', ')}, for example ${nearest(String(op), names)}.`,
    );
  }
  for (const field of FIELDS[op as Op['op']]) {
    if (!Number.isSafeInteger(value[field])) {
      throw new UsageError(`${where}: ${op} needs a whole number as ${field}, for example ${field}: 4096.`);
    }
  }
  checkAccess(op, value, where);
  if (op === 'uffd_serve' && value.how !== 'copy' && value.how !== 'zeropage') {
    throw new UsageError(`${where}: uffd_serve needs copy or zeropage as how, for example how: 'copy'.`);
  }
  if (op === 'repeat') return { ...value, ops: opsFrom(value.ops, `ops of ${where}`) } as Op;
  return value as unknown as Op;
}

/** Bytes that loads and stores can be of. */
const SIZES: readonly unknown[] = [1, 2, 4, 8];

/** Refuses sizes and values that no access has, and atomic adds that are not of a word. */
function checkAccess(op: string, { addr, size, value }: Readonly<Record<string, unknown>>, where: string): void {
  if (op === 'atomic_add' && Number(addr) % 4 !== 0) {
    throw new UsageError(
      `${where}: ${String(addr)} is not the address of a word: use a multiple of 4, for example 4096.`,
    );
  }
  if (op !== 'load' && op !== 'store') return;
  if (size !== undefined && !SIZES.includes(size)) {
    const said = JSON.stringify(size);
    throw new UsageError(`${where}: a ${op} can't be of ${said} bytes: use 1, 2, 4 or 8, for example size: 4.`);
  }
  if (op === 'store' && size === 8 && Number(value) < 0) {
    throw new UsageError(
      `${where}: ${String(value)} is no value of eight bytes here: use 0 or more and below 2^53, for example value: 1.`,
    );
  }
}
