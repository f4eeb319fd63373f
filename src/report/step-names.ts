// What one step is called in a table: `W x=1` and `R y -> 0` for programs over words, the fault path's own headings for
// the kernel.
import type { AccessKind } from '../check/access-event.ts';
import type { ExecutionRecord, RecordedStep } from '../explore/record.ts';
import { LOCK_IPI, LOCK_LRU, LOCK_PAGE_TABLE, LOCK_PCP, LOCK_PERCPU_COUNTER, LOCK_SLAB } from '../kernel/layout.ts';
import { MMF_UNSTABLE } from '../kernel/mm/flags.ts';
import { hexValue, lockName, wordName } from './names.ts';
import type { Names } from './names.ts';

/** Names a step; undefined: it matters to its own CPU only, and a table folds it away. */
export type StepNamer = (step: RecordedStep) => string | undefined;

/** Longest value that a step keeps, in words. */
const MAX_VALUE_WORDS = 2;
/** Values below are easier to read in decimal. */
const MAX_DECIMAL = 1000;

function valueText(lo: number, hi: number): string {
  return hi === 0 && Math.abs(lo) < MAX_DECIMAL ? String(lo) : hexValue(lo, hi);
}

/** The word behind one that was touched alone says nothing about it. */
function before(step: RecordedStep): string {
  return valueText(step.before, step.width > 1 ? step.beforeHi : 0);
}

function after(step: RecordedStep): string {
  return valueText(step.after, step.width > 1 ? step.afterHi : 0);
}

const READS: Partial<Record<AccessKind, string>> = {
  read: 'R',
  'plain-read': 'plain R',
  acquire: 'R.acquire',
  wait: 'wait',
  'hw-read': 'walk',
  'user-read': 'load',
};
const WRITES: Partial<Record<AccessKind, string>> = {
  write: 'W',
  'plain-write': 'plain W',
  release: 'W.release',
  'user-write': 'store',
  drain: 'drain',
};
const UPDATES: Partial<Record<AccessKind, string>> = { rmw: 'RMW', cmpxchg: 'CAS', add: 'ADD', 'user-rmw': 'xadd' };

/** Names an access as litmus tests do: what it did, to which word, with which value. */
export function nameAccess(step: RecordedStep, names: Names = {}): string {
  const { kind } = step;
  if (kind === 'mb' || kind === 'wmb' || kind === 'idle' || kind === 'note') return kind;
  if (kind.endsWith('lock')) return `${kind} ${lockName(names, step)}${lockFailed(step) ? ' fails' : ''}`;
  const word = wordName(names, step.word);
  const long = step.width > MAX_VALUE_WORDS ? `${word} and ${String(step.width - 1)} more` : undefined;
  const read = READS[kind];
  if (read !== undefined) return long === undefined ? `${read} ${word} -> ${before(step)}` : `${read} ${long}`;
  const write = WRITES[kind];
  // What waits in a store buffer is not in memory yet, where the step would have its value from.
  if (write !== undefined && !step.stored) return `${write} ${long ?? word}, buffered`;
  if (write !== undefined) return long === undefined ? `${write} ${word}=${after(step)}` : `${write} ${long}`;
  const update = UPDATES[kind] ?? kind;
  return step.stored
    ? `${update} ${word} ${before(step)}->${after(step)}`
    : `${update} ${word} -> ${before(step)} fails`;
}

function lockFailed(step: RecordedStep): boolean {
  return step.kind.endsWith('trylock') && !step.stored;
}

/** The remarks made right after each step of its CPU and before the next: a record has them with the latter. */
export function notesAfter(record: ExecutionRecord): ReadonlyMap<number, RecordedStep['notes']> {
  const notes = new Map<number, RecordedStep['notes']>();
  const last = new Map<number, number>();
  for (const step of record.steps) {
    const previous = last.get(step.cpu);
    if (previous !== undefined && step.notes.length > 0) notes.set(previous, step.notes);
    last.set(step.cpu, step.index);
  }
  return notes;
}

/** A step that other CPUs can tell apart: in which function, which kinds of access, and what it is called. */
interface KernelStep {
  readonly fn: string;
  readonly kinds: readonly AccessKind[];
  /** Undefined: this one is nobody else's business. */
  readonly name: (step: RecordedStep) => string | undefined;
}

const isNone = (step: RecordedStep): boolean => step.before === 0 && step.beforeHi === 0;
const STORES: readonly AccessKind[] = ['write', 'cmpxchg', 'rmw', 'plain-write'];
/** MMF_UNSTABLE in mm->flags. */
const UNSTABLE: number = 1 << MMF_UNSTABLE;

/** The fault path's steps under the headings of the trace; the first that fits counts. */
const FAULT_STEPS: readonly KernelStep[] = [
  {
    fn: 'vmf_pte_changed',
    kinds: ['read'],
    name: (step) => (isNone(step) ? 'LOCK: recheck, pte is none' : 'LOCK: recheck, pte is taken'),
  },
  {
    fn: 'set_pte_from',
    kinds: STORES,
    name: (step) =>
      !step.stored && step.kind === 'cmpxchg'
        ? 'WRITE: cmpxchg fails'
        : `WRITE: set_ptes${isNone(step) ? '' : ', overwrites'}`,
  },
  {
    fn: 'check_stable_address_space',
    kinds: ['read'],
    name: (step) => ((step.before & UNSTABLE) === 0 ? undefined : 'LOCK: recheck, MMF_UNSTABLE is set'),
  },
  {
    fn: 'install_table',
    kinds: STORES,
    name: (step) => `CHECK: pte_alloc, table in${isNone(step) ? '' : ', overwrites'}`,
  },
  { fn: '__anon_vma_prepare', kinds: ['lock'], name: () => 'PREPARATION: anon_vma, lock' },
  { fn: '__anon_vma_prepare', kinds: STORES, name: () => 'PREPARATION: anon_vma set' },
  { fn: '__anon_vma_prepare', kinds: ['unlock'], name: () => 'PREPARATION: anon_vma, unlock' },
];
/** Steps of other paths. */
const OTHER_STEPS: readonly KernelStep[] = [
  {
    fn: 'handle_pte_fault',
    kinds: ['read'],
    name: (step) => (isNone(step) ? 'pte is none: fault' : 'pte is there: fault'),
  },
  { fn: 'set_pte_from', kinds: STORES, name: (step) => `set_pte${step.stored ? '' : ' fails'}` },
  { fn: 'zap_present_pte', kinds: ['rmw'], name: () => 'zap: pte taken out' },
  { fn: 'use_entry', kinds: ['hw-read'], name: () => undefined },
];
const NOTES: Readonly<Record<string, string>> = {
  mem_cgroup_charge: 'ACCOUNTING: charged',
  lost: 'lost, the folio goes back',
  unstable: 'unstable, VM_FAULT_SIGBUS',
  add_mm_counter: 'INSERTION: rss + 1',
  oom_kill: 'oom_kill',
};
/** Locks that stand for a piece of the machine of their own, and tell nothing of the race. */
const QUIET_CLASSES: readonly number[] = [LOCK_SLAB, LOCK_LRU, LOCK_PCP, LOCK_PERCPU_COUNTER, LOCK_IPI];

/** Names for what kernel steps touch. */
export interface KernelStepNames extends Names {
  /** What a struct page's folio is called: `A`. */
  readonly folio?: (page: number) => string | undefined;
  /** What a user address is called: `p[1]`, or `p` for its page. */
  readonly address?: (address: number, asPage: boolean) => string;
}

/**
 * Names the kernel's steps: those of the fault path by their headings in the trace, locks, and what user programs do.
 * All else is a CPU's own business. The innermost function decides.
 */
export function kernelNamer(record: ExecutionRecord, names: KernelStepNames = {}): StepNamer {
  const remarks = notesAfter(record);
  const pointers = pointersOf(record, names);
  return (step) => {
    const noted = (remarks.get(step.index) ?? [])
      .map(({ note, values }) => nameNote(note, values, names))
      .filter((text) => text !== undefined);
    const own = nameKernelStep(step, names, pointers.get(step.index) ?? '*p');
    const parts = own === undefined ? noted : [own, ...noted];
    return parts.length === 0 ? undefined : parts.join('; ');
  };
}

/** What each step's program is about: the pointer of its load or store. */
function pointersOf(record: ExecutionRecord, names: KernelStepNames): ReadonlyMap<number, string> {
  const pointers = new Map<number, string>();
  const now = new Map<number, string>();
  for (const { index, cpu, notes } of record.steps) {
    for (const { note, values } of notes) {
      const address = note === 'op' ? fieldOf(values[1], 'addr') : undefined;
      if (typeof address === 'number' && names.address !== undefined) now.set(cpu, names.address(address, false));
    }
    const pointer = now.get(cpu);
    if (pointer !== undefined) pointers.set(index, pointer);
  }
  return pointers;
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[field] : undefined;
}

/** Operations whose steps say what they do. */
const ACCESSES: readonly string[] = ['load', 'store', 'atomic_add', 'touch'];

function nameNote(note: string, values: readonly unknown[], names: KernelStepNames): string | undefined {
  const [, second] = values;
  if (note === 'alloc_anon_folio') {
    const folio = typeof second === 'number' ? names.folio?.(second) : undefined;
    return second === 0 ? 'ALLOCATION: no memory' : `ALLOCATION: ${folio === undefined ? 'a folio' : `folio ${folio}`}`;
  }
  if (note === 'zero_page') return second === true ? 'DECISION: zero page' : undefined;
  if (note === 'op') {
    const op = fieldOf(second, 'op');
    if (typeof op !== 'string' || ACCESSES.includes(op)) return undefined;
    const given = ['addr', 'new_addr', 'first', 'second'].map((field) => fieldOf(second, field));
    const addresses = given.filter((value) => typeof value === 'number');
    const process = fieldOf(second, 'child') ?? fieldOf(second, 'process');
    if (typeof process === 'number') return `${op}(${String(process)})`;
    return `${op}(${addresses.map((address) => names.address?.(address, true) ?? '').join(', ')})`;
  }
  return NOTES[note];
}

function nameKernelStep(step: RecordedStep, names: Names, pointer: string): string | undefined {
  const { kind, where } = step;
  if (kind === 'user-write') return step.stored ? `${pointer} = ${after(step)}` : `${pointer} = ..., buffered`;
  if (kind === 'user-rmw') return `${pointer}: ${before(step)} becomes ${after(step)}`;
  if (kind === 'user-read') return `${pointer} -> ${before(step)}`;
  if (kind === 'drain') {
    return step.width > MAX_VALUE_WORDS ? 'zeroes reach memory' : `${wordName(names, step.word)} reaches memory`;
  }
  // What a locking design of the user's own does to its words.
  if (where.includes('design_lock')) return `LOCK: ${nameAccess(step, names)}`;
  if (where.includes('design_unlock')) return `UNLOCK: ${nameAccess(step, names)}`;
  const inFault = where.includes('do_anonymous_page');
  if (where.includes('pte_offset_map_lock') && kind === 'lock') return 'LOCK: ptl';
  if (where.includes('pte_unmap_unlock') && kind === 'unlock') return 'UNLOCK: ptl';
  if (where.includes('lock_two_tables') && kind.endsWith('lock')) return `${kind.toUpperCase()}: second ptl`;
  const known = [...(inFault ? FAULT_STEPS : []), ...OTHER_STEPS];
  const found = known.find((rule) => where[0] === rule.fn && rule.kinds.includes(kind));
  if (found !== undefined) return found.name(step);
  const callers = known.find((rule) => where.slice(1, 4).includes(rule.fn) && rule.kinds.includes(kind));
  if (callers !== undefined && kind.endsWith('lock') && step.lockClass === LOCK_PAGE_TABLE) return callers.name(step);
  const takes = kind === 'lock' || kind === 'write-lock' || (kind === 'trylock' && step.stored);
  if (!takes || QUIET_CLASSES.includes(step.lockClass)) return undefined;
  return `${kind} ${lockName(names, step)}`;
}
