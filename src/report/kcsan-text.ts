// A data race as text, in the shape of a KCSAN report: the functions, then each access with its kind, address, size,
// task and CPU, then how the value changed.
import type { AccessKind } from '../check/access-event.ts';
import type { DataRace } from '../check/data-race.ts';
import type { ExecutionRecord, RecordedStep } from '../explore/record.ts';
import { heldBefore, lockSpans } from './lock-spans.ts';
import { addressOf, commOf, hexValue, lockName, pidOf, stepNumber, wordName } from './names.ts';
import type { Names } from './names.ts';
import { WIDTH } from './text.ts';

const RULE = '='.repeat(66);
const BYTES = 4;
/** Values of more words than these are not kept in a step. */
const MAX_VALUE_WORDS = 2;

const PLAIN_WORDS: Partial<Record<AccessKind, string>> = { 'plain-read': 'read', 'plain-write': 'write' };
const MARKED_READS: readonly AccessKind[] = ['read', 'acquire', 'wait'];
const MARKED_WRITES: readonly AccessKind[] = ['write', 'release', 'unlock', 'write-unlock'];

/** What a step did, as KCSAN says it. */
export function accessPhrase(step: RecordedStep): string {
  const plain = PLAIN_WORDS[step.kind];
  if (plain !== undefined) return plain;
  if (MARKED_WRITES.includes(step.kind)) return 'write (marked)';
  return MARKED_READS.includes(step.kind) || !step.stored ? 'read (marked)' : 'read-write (marked)';
}

/** The report. `steps` are those of the execution whose events were judged. */
export function renderDataRace(race: DataRace, record: ExecutionRecord, names: Names = {}): string[] {
  const first = stepAt(record, race.first);
  const second = stepAt(record, race.second);
  const changed = valueChange(second) ?? valueChange(first);
  return [
    RULE,
    cut(`BUG: KCSAN: data-race in ${functionOf(first)} / ${functionOf(second)}`),
    '',
    ...accessLines(first, race.word, names),
    '',
    ...accessLines(second, race.word, names),
    '',
    ...(changed === undefined ? [] : [changed, '']),
    `Reported by pagerace on: CPU: ${String(second.cpu)} PID: ${String(pidOf(second.cpu))} Comm: ${commOf(second.cpu)}`,
    RULE,
  ];
}

/** The race in two lines, in the same order of facts, each with its step and the locks held there. */
export function raceFacts(race: DataRace, record: ExecutionRecord, names: Names = {}): string[] {
  const spans = lockSpans(record);
  const facts = [race.first, race.second].map((index) => {
    const step = stepAt(record, index);
    const held = heldBefore(spans, step.cpu, index).map((span) => lockName(names, span));
    const locks = `locks held: ${held.length === 0 ? 'none' : held.join(', ')}`;
    const access = `${accessPhrase(step)} ${wordName(names, race.word)} by CPU${String(step.cpu)}`;
    return { access: `${access} at step ${stepNumber(step)}`, locks };
  });
  const width = Math.max(...facts.map(({ access }) => access.length));
  return facts.map(({ access, locks }) => `${access.padEnd(width)}  ${locks}`);
}

function stepAt(record: ExecutionRecord, index: number): RecordedStep {
  const step = record.steps[index];
  if (step === undefined) throw new Error(`stepAt: the execution has no step ${String(index)}`);
  return step;
}

function functionOf(step: RecordedStep): string {
  return step.where[0] ?? `thread ${String(step.cpu)}`;
}

function accessLines(step: RecordedStep, word: number, names: Names): string[] {
  const name = names.word?.(word);
  const called = name === undefined ? '' : ` (${name})`;
  const place = `${addressOf(step.word)}${called} of ${String(step.width * BYTES)} bytes`;
  const task = `by task ${String(pidOf(step.cpu))} on cpu ${String(step.cpu)}:`;
  return [
    `${accessPhrase(step)} to ${place} ${task}`,
    ...(step.where.length === 0 ? [functionOf(step)] : step.where).map((fn) => ` ${fn}`),
  ].map(cut);
}

/** What a step that stored made of the value, with all digits. */
function valueChange(step: RecordedStep): string | undefined {
  if (!step.stored || step.width > MAX_VALUE_WORDS) return undefined;
  const digits = 2 * BYTES * step.width;
  const full = (value: string): string => `0x${value.slice(2).padStart(digits, '0')}`;
  const before = full(hexValue(step.before, step.beforeHi));
  const after = full(hexValue(step.after, step.afterHi));
  return before === after ? undefined : `value changed: ${before} -> ${after}`;
}

function cut(line: string): string {
  return line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line;
}
