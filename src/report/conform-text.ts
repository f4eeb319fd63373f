// What `pagerace conform` says: what was compared, and a difference with both kernels side by side.
import { kindsOf } from '../conform/campaign.ts';
import type { Failure, Outcome } from '../conform/campaign.ts';
import { KNOWN } from '../conform/known.ts';
import type { Difference } from '../conform/known.ts';
import type { About } from '../conform/observation.ts';
import { stepsOf } from '../conform/program.ts';
import type { Operation, Program } from '../conform/program.ts';
import { WIDTH, grouped, table, wrapText } from './text.ts';

const hex = (value: number): string => `0x${value.toString(16)}`;

/** Fields of operations that are addresses, lengths or sets of bits. */
const IN_HEX: ReadonlySet<string> = new Set(['addr', 'new_addr', 'length', 'old_length', 'new_length', 'flags']);

/** An operation on one line, as its name and its fields. */
export function operationText(operation: Operation): string {
  const fields = Object.entries(operation as Record<string, unknown>).filter(([name]) => name !== 'op');
  const words = fields.map(([name, value]) =>
    typeof value === 'number' && IN_HEX.has(name) ? `${name}=${hex(value)}` : `${name}=${String(value)}`,
  );
  return [operation.op, ...words].join(' ');
}

function programText(program: Program): string[] {
  let step = 0;
  const part = (title: string, operations: readonly Operation[]): string[] =>
    operations.map((operation, i) => {
      step += 1;
      return `${String(step).padStart(4)}  ${(i === 0 ? title : '').padEnd(8)}  ${operationText(operation)}`;
    });
  const lines = [
    ...part('', program.before),
    ...program.threads.flatMap((operations, thread) => part(`thread ${String(thread)}`, operations)),
  ];
  if (program.threads.length > 0) {
    step += 1;
    lines.push(`${String(step).padStart(4)}  ${''.padEnd(8)}  the threads are joined`);
  }
  return [...lines, ...part('', program.after)].flatMap((line) => wrapText(line, '', '                ').map(indented));
}

const indented = (line: string): string => `  ${line}`.slice(0, WIDTH);

/** A text cut into pieces of at most `width` characters, at spaces where there are some. */
function pieces(text: string, width: number): string[] {
  const found: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    const at = space > 0 ? space : width;
    found.push(rest.slice(0, at));
    rest = rest.slice(at).trimStart();
  }
  return [...found, rest];
}

const NAME_WIDTH = 22;
const SIDE_WIDTH = 26;

/** One observable: its name, what Linux shows, what the machine shows; the first of a table is marked. */
function sideBySide({ name, linux, simulated }: Difference, isFirst: boolean): string[] {
  const columns = [
    pieces(name, NAME_WIDTH),
    pieces(linux ?? 'not there', SIDE_WIDTH),
    pieces(simulated ?? 'not there', SIDE_WIDTH),
  ];
  const height = Math.max(...columns.map((column) => column.length));
  return Array.from({ length: height }, (_, row) => {
    const [a = '', b = '', c = ''] = columns.map((column) => column[row] ?? '');
    const mark = isFirst && row === 0 ? '>' : ' ';
    return `${mark} ${a.padEnd(NAME_WIDTH)} ${b.padEnd(SIDE_WIDTH)} ${c}`.trimEnd();
  });
}

/** Observables that are shown of a difference: what follows from the first says little more. */
const MAX_SHOWN = 12;

/** A difference: the smallest program that shows it, and both kernels side by side. */
export function failureLines({ program, differences }: Failure): string[] {
  const step = differences[0]?.step ?? 0;
  const operation = stepsOf(program)[step];
  const shown = differences.slice(0, MAX_SHOWN);
  const more = differences.length - shown.length;
  return [
    'The smallest program found:',
    ...programText(program),
    '',
    ...wrapText(
      `after step ${String(step + 1)}, ${operation === 'join' || operation === undefined ? 'the join' : operation.op}`,
    ),
    `  ${'observable'.padEnd(NAME_WIDTH)} ${'Linux'.padEnd(SIDE_WIDTH)} simulated`,
    `  ${'-'.repeat(NAME_WIDTH)} ${'-'.repeat(SIDE_WIDTH)} ${'-'.repeat(SIDE_WIDTH)}`,
    ...shown.flatMap((difference, i) => sideBySide(difference, i === 0)),
    ...(more > 0 ? [`  and ${String(more)} more that follow from it`] : []),
  ];
}

/** A count and its noun. */
const counted = (count: number, noun: string): string => `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;

/** All that a campaign came to, without its failures. */
export function outcomeLines(outcome: Outcome, about: About): string[] {
  const kinds = kindsOf(outcome.operations).map((kind) => [kind, grouped(outcome.operations[kind] ?? 0)]);
  const known = KNOWN.filter(({ name }) => outcome.explained[name] !== undefined);
  const { failures, unsteady, unanswered } = outcome;
  return [
    ...wrapText(
      `${counted(outcome.programs, 'program')} on Linux ${about.release} and on the simulated v6.8, every observable after every operation, in ${outcome.seconds.toFixed(0)} s`,
    ),
    '',
    ...table([['operation', 'compared'], ...kinds]),
    '',
    ...(about.zeroPfn === '0'
      ? wrapText('Frame numbers are not to be had, which needs root: they are not compared.')
      : []),
    ...(about.movesBrk ? [] : wrapText('The break cannot be moved here: brk is not compared.')),
    ...(about.userfaultfd
      ? []
      : wrapText(
          'userfaultfd is not to be had here, which needs root or vm.unprivileged_userfaultfd: uffd_* is not compared.',
        )),
    ...(known.length === 0 ? [] : ['known differences']),
    ...known.flatMap(({ name, why }) =>
      wrapText(`${counted(outcome.explained[name] ?? 0, 'time')}  ${name}: ${why}`, '  ', '     '),
    ),
    ...(unsteady > 0 ? wrapText(`${counted(unsteady, 'program')} differed once and not again: not counted.`) : []),
    ...(unanswered > 0 ? wrapText(`${counted(unanswered, 'program')} did not come to an end on Linux.`) : []),
    failures.length === 0
      ? 'held: 0 unexplained differences'
      : `violated: ${counted(failures.length, 'unexplained difference')}`,
  ];
}
