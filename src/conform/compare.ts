// Compares two runs of one program, step by step: the first step in which something differs, and what was explained.
import { ENOENT, MAP_LOCKED, MAP_POPULATE } from '../kernel/mm/flags.ts';
import { explain } from './known.ts';
import type { Difference } from './known.ts';
import type { About, Run, Step } from './observation.ts';
import { stepsOf } from './program.ts';
import type { Operation, Program } from './program.ts';
import { Viewer } from './view.ts';
import type { View } from './view.ts';

/** What a comparison came to. */
export interface Comparison {
  /** The differences of the first step that has one which is not explained. */
  differences: Difference[];
  /** How often each known difference was met. */
  explained: Map<string, number>;
}

/** Frame of the simulated zero page, as About has it. */
const firstFrame = (basePfn: number): string => basePfn.toString(16);

/** An operation in which frames are freed and then allocated: which go where is the allocator's choice. */
function reusesFrames(operation: Operation | 'join'): boolean {
  return operation === 'join' || (operation.op === 'mmap' && (operation.flags & (MAP_POPULATE | MAP_LOCKED)) !== 0);
}

function differencesOf(
  linux: View,
  simulated: View,
  at: Pick<Difference, 'step' | 'operation' | 'history' | 'fillFailed'>,
): Difference[] {
  const names = new Set([...linux.keys(), ...simulated.keys()]);
  const found: Difference[] = [];
  const returned = [linux.get('value') ?? '', simulated.get('value') ?? ''] as const;
  for (const name of names) {
    const [theirs, ours] = [linux.get(name), simulated.get(name)];
    if (theirs !== ours) found.push({ ...at, returned, name, linux: theirs, simulated: ours });
  }
  return found;
}

/** Whether two steps are the same to the letter, so that they need not be read. */
function isSame(a: Step, b: Step): boolean {
  return a.value === b.value && a.signal === b.signal && a.minor === b.minor && a.major === b.major;
}

/** Faults that one access may take where others fault on the same page: it may lose more than once. */
const MAX_RACED_FAULTS = 3;

/** Values that a load may give: nothing, or what some thread stores there. */
function possibleValues({ threads }: Program, address: number): ReadonlySet<string> {
  const stored = threads.flat().map((each) => {
    return (each.op === 'store' || each.op === 'touch') && each.addr === address ? each.value.toString(16) : '0';
  });
  return new Set(['0', ...stored]);
}

/** A step of a thread that shares its pages, held against what the rules allow: anything within them is the same. */
function allowed(program: Program, operation: Operation | 'join', step: Step): View {
  const isLoad = operation !== 'join' && operation.op === 'load';
  const isPossible = !isLoad || possibleValues(program, operation.addr).has(String(step.value));
  return new Map([
    ['value', isPossible ? 'one that was stored' : String(step.value)],
    ['signal', String(step.signal)],
    ['minor faults', step.minor <= MAX_RACED_FAULTS ? `at most ${String(MAX_RACED_FAULTS)}` : String(step.minor)],
  ]);
}

/** Whether an operation of the machine's is a fill that failed for a VMA which has no anon_vma. */
function failsUnprepared(operation: Operation | 'join', { value, seen }: Step): boolean {
  if (operation === 'join' || (operation.op !== 'uffd_copy' && operation.op !== 'uffd_zeropage')) return false;
  if (value !== -ENOENT || seen === null) return false;
  return seen.some(({ anonVmas }) => {
    const [, below] = [...(anonVmas ?? [])].findLast(([start]) => start <= operation.addr) ?? [];
    return below === 0;
  });
}

/** Compares what both kernels showed of a program. `basePfn` is the simulated machine's first frame. */
export function compare(program: Program, linux: Run, simulated: Run, about: About, basePfn: number): Comparison {
  const operations = stepsOf(program);
  const explained = new Map<string, number>();
  const theirs = new Viewer(linux.start, about);
  const ours = new Viewer(simulated.start, {
    // Without frame numbers on one side there is nothing to compare them with.
    zeroPfn: about.zeroPfn === '0' ? '0' : firstFrame(basePfn),
  });
  let fillFailed = false;
  for (const [step, operation] of operations.entries()) {
    const [a, b] = [linux.steps[step], simulated.steps[step]];
    if (a === undefined || b === undefined) throw new Error(`compare: step ${String(step)} was not answered`);
    if (a.seen === null && isSame(a, b)) continue;
    const isOrdered = !reusesFrames(operation);
    fillFailed ||= failsUnprepared(operation, b);
    const at = { step, operation, history: operations.slice(0, step + 1), fillFailed };
    const views: [View, View] =
      a.seen === null && program.shares === true
        ? [allowed(program, operation, a), allowed(program, operation, b)]
        : [theirs.view(operation, a, isOrdered), ours.view(operation, b, isOrdered)];
    const all = differencesOf(...views, at).map((difference) => ({
      difference,
      known: explain(difference, about, b.seen),
    }));
    const met = new Set(all.flatMap(({ known }) => (known === undefined ? [] : [known.name])));
    for (const name of met) explained.set(name, (explained.get(name) ?? 0) + 1);
    const ending = all.flatMap(({ known }) => (known?.ends === undefined ? [] : [known.ends]));
    const differences = all
      .filter(({ difference, known }) => known === undefined && !ending.some((covers) => covers(difference.name)))
      .map(({ difference }) => difference);
    if (ending.length > 0 && differences.length === 0) return { differences, explained };
    if (differences.length > 0) return { differences, explained };
  }
  return { differences: [], explained };
}
