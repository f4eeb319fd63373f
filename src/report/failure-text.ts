// A failure told in one piece: the table with the machine's state, what came of it from user space outwards, the race.
import type { DataRace } from '../check/data-race.ts';
import { findDataRaces } from '../check/data-race.ts';
import type { Finding } from '../check/finding.ts';
import { LOCK_CLASSES } from '../kernel/layout.ts';
import type { ExecutionRecord, RecordedStep } from '../explore/record.ts';
import type { Target, TargetReplay } from '../explore/target.ts';
import { renderInterleaving } from './interleaving-text.ts';
import type { Consequence, InterleavingOptions } from './interleaving-text.ts';
import { FolioLetters, addressName, changedColumns, pagesOf, pfnOf } from './kernel-columns.ts';
import type { Names } from './names.ts';
import { stepNumber } from './names.ts';
import { kernelNamer, nameAccess } from './step-names.ts';
import type { StepNamer } from './step-names.ts';
import { renderDataRace } from './kcsan-text.ts';

/** Consequences that are told at most: the first ones say most. */
const MAX_CONSEQUENCES = 4;

/** What a finding of each judge is told as, from user space outwards. */
const LABELS: readonly (readonly [judge: string, label: string])[] = [
  ['I13', 'user memory'],
  ['I2', 'lost folio'],
  ['I5', 'lost table'],
  ['I8', 'reverse map'],
  ['I6', 'memory group'],
  ['I7', 'allocator'],
  ['I3', 'on exit'],
  ['I4', 'on exit'],
  ['I1', 'page map'],
  ['I12', 'on exit'],
  ['dmesg', 'kernel log'],
];

/** A replayed failure, ready to be told. */
export interface FailureText {
  readonly target: Target;
  readonly replayed: TargetReplay;
  readonly names: Names;
  readonly nameStep: StepNamer;
  readonly options: InterleavingOptions;
}

/** Everything that tables and other formats need to tell a replayed execution of a target. */
export function failureText(target: Target, replayed: TargetReplay, replay?: string): FailureText {
  const { record, machine, nameOf } = replayed;
  const names: Names = {
    word: nameOf,
    ...(target.kind === 'kernel' ? { lock: ({ lockClass }) => kernelLockName(lockClass) } : {}),
  };
  const common = { names, ...(replay === undefined ? {} : { replay }) };
  const race = staleStore(record);
  if (target.kind === 'program' || machine === undefined) {
    const nameStep = (step: RecordedStep): string => nameAccess(step, names);
    const options = { ...common, nameStep, reason: reasonOf(record, nameStep), ...raceOption(race) };
    return { target, replayed, names, nameStep, options };
  }
  const letters = new FolioLetters(record, machine);
  const pages = pagesOf(target.spec);
  const nameStep = kernelNamer(record, {
    ...names,
    folio: (page) => letters.of(pfnOf(machine, page)),
    address: (address, asPage) => addressName(pages, address, asPage),
  });
  const options: InterleavingOptions = {
    ...common,
    nameStep,
    folds: false,
    cpus: target.spec.programs.length,
    columns: changedColumns(record, letters),
    reason: reasonOf(record, nameStep),
    consequences: consequencesOf(replayed.findings, record, letters, pages, nameStep),
    ...raceOption(race),
  };
  return { target, replayed, names, nameStep, options };
}

/** Classes are told by their kernel names, page-table locks as people call them. */
function kernelLockName(lockClass: number): string | undefined {
  return LOCK_CLASSES[lockClass]?.replace(/^ptlock$/, 'ptl');
}

function raceOption(race: DataRace | undefined): { race?: DataRace } {
  return race === undefined ? {} : { race };
}

/** The table and all around it. */
export function renderFailure(text: FailureText): string {
  return renderInterleaving(text.replayed.record, text.options);
}

/** A replayed data race, in the shape of a KCSAN report. */
export function renderKcsan(text: FailureText): string[] {
  const { record, rules } = text.replayed;
  const [race] = findDataRaces(record.steps, { ...rules.races, limit: 1 });
  return race === undefined ? [] : renderDataRace(race, record, text.names);
}

const ATOMIC: readonly string[] = ['rmw', 'cmpxchg', 'add'];

/**
 * A store over another CPU's that its CPU has not seen: it looked at the word before, and acts on what it saw. Entries
 * of tables first.
 */
function staleStore(record: ExecutionRecord): DataRace | undefined {
  const seen = new Map<string, number>();
  const stores = new Map<number, RecordedStep>();
  let found: DataRace | undefined;
  for (const step of record.steps) {
    const { cpu, word, kind, index } = step;
    const key = `${String(cpu)} ${String(word)}`;
    const last = stores.get(word);
    const isStore = step.stored && !kind.endsWith('lock') && !ATOMIC.includes(kind);
    const lookedAt = seen.get(key);
    if (isStore && last !== undefined && last.cpu !== cpu && lookedAt !== undefined && lookedAt < last.index) {
      const race: DataRace = { first: last.index, second: index, word, kinds: [last.kind, kind] };
      if (step.width === 2) return race;
      found ??= race;
    }
    if (step.stored) stores.set(word, step);
    seen.set(key, index);
  }
  return found;
}

/** Why the schedule changes hands: what the CPU that is preempted was about to do. */
function reasonOf(record: ExecutionRecord, nameStep: StepNamer): (step: RecordedStep) => string {
  return (step) => {
    const before = record.steps[step.index - 1];
    const next = record.steps.find(
      (later) => later.index > step.index && later.cpu === before?.cpu && nameStep(later) !== undefined,
    );
    if (before === undefined || next === undefined) return `preempted by CPU${String(step.cpu)}`;
    const looked = record.steps.findLast(
      ({ index, cpu, word }) => index < step.index && cpu === next.cpu && word === next.word,
    );
    const changed = record.steps.some(
      ({ index, cpu, word, stored }) =>
        index >= step.index && index < next.index && cpu !== next.cpu && word === next.word && stored,
    );
    return next.stored && changed && looked !== undefined && !looked.kind.endsWith('lock')
      ? `preempted between check (step ${stepNumber(looked)}) and act (step ${stepNumber(next)})`
      : `CPU${String(before.cpu)} is preempted before step ${stepNumber(next)}`;
  };
}

function consequencesOf(
  findings: readonly Finding[],
  record: ExecutionRecord,
  letters: FolioLetters,
  pages: readonly number[],
  nameStep: StepNamer,
): Consequence[] {
  const told = LABELS.flatMap(([judge, label]) =>
    findings
      .filter((finding) => finding.judge === judge)
      .slice(0, 1)
      .map((finding) => consequence(label, finding, { record, letters, pages, nameStep })),
  );
  const others = findings.filter(({ judge }) => judge === 'leak' || judge === 'died' || judge === 'stuck');
  const rest =
    told.length > 0 ? [] : others.map(({ message, details }) => ({ label: 'on exit', text: joined(message, details) }));
  return [...told, ...rest].slice(0, MAX_CONSEQUENCES);
}

interface Telling {
  readonly record: ExecutionRecord;
  readonly letters: FolioLetters;
  readonly pages: readonly number[];
  readonly nameStep: StepNamer;
}

function joined(message: string, details: readonly string[]): string {
  return details[0] === undefined ? message : `${message}: ${details[0]}`;
}

function consequence(label: string, finding: Finding, telling: Telling): Consequence {
  const { judge, message, details } = finding;
  const { letters, pages } = telling;
  if (judge === 'I13') {
    const text = message.includes('stored') || details[0] === undefined ? message : details[0];
    const lost =
      /^lost store: CPU (\d+) stored (0x[0-9a-f]+) at (0x[0-9a-f]+), later load by CPU \d+ returned (\S+);/.exec(text);
    if (lost === null) return { label, text: named(text, pages) };
    const [, cpu = '', value = '', address = '', read = ''] = lost;
    return { label: 'lost store', text: lostStore(Number(cpu), Number(value), Number(address), Number(read), telling) };
  }
  if (judge === 'I2') {
    const folio = /pfn (0x[0-9a-f]+)/.exec(details[0] ?? '')?.[1];
    const letter = folio === undefined ? undefined : letters.of(Number(folio));
    if (letter !== undefined) return { label, text: `${letter} is allocated and nothing maps it` };
  }
  return {
    label,
    text: message.startsWith('BUG') && judge !== 'I1' ? message : letters.inText(joined(message, details)),
  };
}

function lostStore(cpu: number, value: number, address: number, read: number, telling: Telling): string {
  const { record, pages, nameStep } = telling;
  const what = `${addressName(pages, address)} = ${String(value)}`;
  const step = record.steps.find((candidate) => candidate.cpu === cpu && nameStep(candidate) === what);
  const when =
    step === undefined
      ? `CPU${String(cpu)} stored ${what}`
      : `CPU${String(cpu)} stored ${what} at step ${stepNumber(step)}`;
  return `${when}; every later load gives ${String(read)}`;
}

function named(text: string, pages: readonly number[]): string {
  return text.replace(/0x[0-9a-f]{9,}/g, (address) => addressName(pages, Number(address)));
}
