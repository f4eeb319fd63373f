// What one step is called in a table: `W x=1` and `R y -> 0` for programs over words, the fault path's own headings for
// the kernel.
import type { AccessKind } from '../check/access-event.ts';
import type { ExecutionRecord, RecordedStep } from '../explore/record.ts';
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

function before(step: RecordedStep): string {
  return valueText(step.before, step.beforeHi);
}

function after(step: RecordedStep): string {
  return valueText(step.after, step.afterHi);
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
const UPDATES: Partial<Record<AccessKind, string>> = { rmw: 'RMW', cmpxchg: 'CAS', add: 'ADD' };

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
  readonly name: (step: RecordedStep) => string;
}

const isNone = (step: RecordedStep): boolean => step.before === 0 && step.beforeHi === 0;
const STORES: readonly AccessKind[] = ['write', 'cmpxchg', 'rmw', 'plain-write'];

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
  { fn: 'check_stable_address_space', kinds: ['read'], name: () => 'LOCK: recheck, MMF_UNSTABLE' },
  { fn: 'pmd_install', kinds: STORES, name: () => 'CHECK: pte_alloc, install the table' },
  { fn: '__anon_vma_prepare', kinds: ['lock'], name: () => 'PREPARATION: anon_vma, lock' },
  { fn: '__anon_vma_prepare', kinds: ['unlock'], name: () => 'PREPARATION: anon_vma, unlock' },
];
/** Steps of other paths. */
const OTHER_STEPS: readonly KernelStep[] = [
  {
    fn: 'handle_pte_fault',
    kinds: ['read'],
    name: (step) => (isNone(step) ? 'pte is none: fault' : 'pte is there'),
  },
  { fn: 'set_pte_from', kinds: STORES, name: (step) => `set_pte${step.stored ? '' : ' fails'}` },
  { fn: 'zap_present_pte', kinds: ['rmw'], name: () => 'zap: pte taken out' },
];
const NOTES: Readonly<Record<string, string>> = {
  zero_page: 'DECISION: zero page or real page',
  alloc_anon_folio: 'ALLOCATION: alloc_anon_folio',
  mem_cgroup_charge: 'ACCOUNTING: mem_cgroup_charge',
  lost: 'lost, the folio goes back',
  unstable: 'unstable, VM_FAULT_SIGBUS',
  add_mm_counter: 'INSERTION: rss + 1',
  oom_kill: 'oom_kill',
};

/**
 * Names the kernel's steps: those of the fault path by their headings in the trace, locks, and what user programs do.
 * All else is a CPU's own business. The innermost function decides.
 */
export function kernelNamer(record: ExecutionRecord, names: Names = {}): StepNamer {
  const remarks = notesAfter(record);
  return (step) => {
    const noted = (remarks.get(step.index) ?? []).map(({ note }) => NOTES[note]).filter((text) => text !== undefined);
    const own = nameKernelStep(step, names);
    const parts = own === undefined ? noted : [own, ...noted];
    return parts.length === 0 ? undefined : parts.join('; ');
  };
}

function nameKernelStep(step: RecordedStep, names: Names): string | undefined {
  const { kind, where } = step;
  if (kind === 'user-write') return step.stored ? `*p = ${after(step)}` : '*p = ..., buffered';
  if (kind === 'user-read') return `*p -> ${before(step)}`;
  const inFault = where.includes('do_anonymous_page');
  if (inFault && where.includes('pte_offset_map_lock') && kind === 'lock') return `LOCK: ${lockName(names, step)}`;
  if (inFault && where.includes('pte_unmap_unlock') && kind === 'unlock') return `UNLOCK: ${lockName(names, step)}`;
  const known = [...(inFault ? FAULT_STEPS : []), ...OTHER_STEPS];
  const found = known.find((rule) => where[0] === rule.fn && rule.kinds.includes(kind));
  if (found !== undefined) return found.name(step);
  const callers = known.find((rule) => where.slice(1, 3).includes(rule.fn) && rule.kinds.includes(kind));
  if (callers !== undefined && kind.endsWith('lock')) return callers.name(step);
  return kind === 'lock' || kind === 'write-lock' ? `${kind} ${lockName(names, step)}` : undefined;
}
