// Programs as people read them, and as they are pasted into a test.
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../kernel/mm/flags.ts';
import * as flags from '../kernel/mm/flags.ts';
import type { Op } from '../kernel/program.ts';
import { counted } from '../check/finding.ts';
import { addressName } from '../report/kernel-columns.ts';
import { WIDTH, wrapText } from '../report/text.ts';
import { PAGE_BYTES, pagesIn, pagesTouched } from '../stress/pages.ts';
import type { RaceCase } from './race-case.ts';

const LABEL_WIDTH = 9;

/** What each CPU does, before and in the race, and what is special about the machine: in at most 80 columns. */
export function programLines({ setup, programs, config = {} }: RaceCase): string[] {
  const pages = pagesOf(programs);
  const said = (ops: readonly Op[]): string =>
    ops.length === 0 ? 'nothing' : ops.map((op) => operationText(op, pages)).join('; ');
  const machine = Object.entries(config).flatMap(([key, value]) => settingText(key, value));
  return [
    ...labelled('before', said(setup)),
    ...programs.flatMap((ops, cpu) => labelled(`CPU${String(cpu)}`, said(ops))),
    ...(machine.length === 0 ? [] : labelled('machine', machine.join(', '))),
  ];
}

function labelled(label: string, text: string): string[] {
  return wrapText(text, `  ${label.padEnd(LABEL_WIDTH)}`, ' '.repeat(LABEL_WIDTH + 2));
}

function settingText(key: string, value: unknown): string[] {
  if (Array.isArray(value)) return value.length === 0 ? [] : [`${key} ${value.map(String).join(', ')}`];
  return [typeof value === 'object' && value !== null ? `${key} ${JSON.stringify(value)}` : `${key} ${String(value)}`];
}

function pagesOf(programs: readonly (readonly Op[])[]): number[] {
  return [...new Set(programs.flat().flatMap(pagesTouched))].sort((a, b) => a - b);
}

/** How many pages programs touch. */
export function pageCount(programs: readonly (readonly Op[])[]): number {
  return pagesOf(programs).length;
}

function operationText(op: Op, pages: readonly number[]): string {
  if (op.op === 'repeat') {
    return `${String(op.times)} times (${op.ops.map((inner) => operationText(inner, pages)).join('; ')})`;
  }
  if (!('addr' in op)) {
    const rest = Object.entries(op).filter(([key]) => key !== 'op');
    return [op.op, ...rest.map(([key, value]) => `${key} ${String(value)}`)].join(' ');
  }
  const word = addressName(pages, op.addr);
  const count = pagesIn(op);
  const range = `${addressName(pages, op.addr, op.addr % PAGE_BYTES === 0)}, ${counted(count, 'page')}`;
  const each = count === 1 ? '' : ` on each of ${String(count)} pages`;
  switch (op.op) {
    case 'store':
      return `${word} = ${String(op.value)}${sizeText(op.size)}`;
    case 'load':
      return `load ${word}${sizeText(op.size)}`;
    case 'atomic_add':
      return `${word} += ${String(op.value)}`;
    case 'touch':
      return op.write ? `${word} = ${String(op.value)}${each}` : `load ${word}${each}`;
    case 'madvise':
      return `madvise ${range}, ${adviceName(op.advice)}`;
    case 'mprotect':
      return `mprotect ${range}, ${rightsName(op.prot)}`;
    case 'mmap':
      return `mmap ${range}`;
    case 'munmap':
    case 'mlock':
    case 'munlock':
      return `${op.op} ${range}`;
    case 'mremap':
      return `mremap ${range}, to ${counted(Math.ceil(op.new_length / PAGE_BYTES), 'page')}${targetText(op, pages)}`;
    default:
      return `${op.op} ${addressName(pages, op.addr, op.addr % PAGE_BYTES === 0)}`;
  }
}

function sizeText(size = 4): string {
  return size === 4 ? '' : ` (${counted(size, 'byte')})`;
}

/** Where mremap is to move to, if it is told. */
function targetText({ new_addr: target, flags: how }: Extract<Op, { op: 'mremap' }>, pages: readonly number[]): string {
  const names = ([flags.MREMAP_MAYMOVE, flags.MREMAP_FIXED, flags.MREMAP_DONTUNMAP] as const)
    .map((bit, i) => ((how & bit) === 0 ? '' : ['MAYMOVE', 'FIXED', 'DONTUNMAP'][i]))
    .filter((name) => name !== '');
  const where = target === undefined ? '' : ` at ${addressName(pages, target, target % PAGE_BYTES === 0)}`;
  return names.length === 0 ? where : `${where}, ${names.join('|')}`;
}

function adviceName(advice: number): string {
  const found = Object.entries(flags).find(([name, value]) => name.startsWith('MADV_') && value === advice);
  return found?.[0] ?? String(advice);
}

function rightsName(prot: number): string {
  const rights: readonly (readonly [number, string])[] = [
    [PROT_READ, 'PROT_READ'],
    [PROT_WRITE, 'PROT_WRITE'],
    [PROT_EXEC, 'PROT_EXEC'],
  ];
  const names = rights.filter(([bit]) => (prot & bit) !== 0).map(([, name]) => name);
  return names.length === 0 ? 'PROT_NONE' : names.join('|');
}

/** A case as an object literal that a test can hold, one operation a line. */
export function caseLiteral({ setup, programs, config = {} }: RaceCase): string[] {
  const settings = Object.keys(config).length === 0 ? [] : [`  config: ${literal(config)},`];
  const lists = programs.flatMap((ops) => list(ops, '    '));
  return ['{', ...settings, ...list(setup, '  ', 'setup: '), '  programs: [', ...lists, '  ],', '}'];
}

/** Operations in brackets: on one line where there is one at most and it has room. */
function list(ops: readonly Op[], indent: string, name = ''): string[] {
  const line = `${indent}${name}[${ops.map((op) => literal(op)).join('')}],`;
  if (ops.length <= 1 && line.length <= WIDTH) return [line];
  return [`${indent}${name}[`, ...ops.map((op) => `${indent}  ${literal(op)},`), `${indent}],`];
}

/** From where on a number is an address, or a set of flags, and better read in hexadecimal. */
const HEX_KEYS: readonly string[] = ['addr', 'new_addr', 'flags'];

/** A value as JavaScript. */
function literal(value: unknown, key = ''): string {
  if (Array.isArray(value)) return `[${value.map((part) => literal(part)).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const parts = Object.entries(value).map(([name, part]) => `${name}: ${literal(part, name)}`);
    return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`;
  }
  if (typeof value === 'number' && HEX_KEYS.includes(key)) return `0x${value.toString(16)}`;
  return typeof value === 'string' ? `'${value.replace(/[\\']/g, '\\$&')}'` : String(value);
}
