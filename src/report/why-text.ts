// What each defence is for, as a table and one by one: what breaks without it, and the smallest schedule that shows it.
import type { Exploration } from '../explore/explore.ts';
import type { MatrixRow } from '../explore/matrix.ts';
import type { Defence } from '../kernel/defences.ts';
import { bold, dim, grouped, table, wrapText } from './text.ts';

/** What each judge's finding means, in a few words. */
const BREAKS: Readonly<Record<string, string>> = {
  I1: 'page map miscounts',
  I2: 'folio lost',
  I3: 'RSS miscounted',
  I4: 'tables miscounted',
  I5: 'page table lost',
  I6: 'memcg miscounted',
  I7: 'free pages lost',
  I8: 'rmap misses pages',
  I12: 'PTE outside VMAs',
  I13: 'user memory wrong',
  dmesg: 'kernel logs a BUG',
  'soft-dirty': 'store not tracked',
  deadlock: 'deadlock',
  leak: 'memory leaked',
};

/** What threads did: in how many of so many rounds it showed; undefined: no workload is made for it. */
export type ThreadCount = { readonly seen: number; readonly rounds: number } | undefined;

/** What breaks, in words. */
export function breaksText({ verdict, failure }: Exploration): string {
  if (failure === undefined) return verdict === 'held' ? 'nothing' : 'nothing found in time';
  return BREAKS[failure.judge] ?? failure.judge;
}

function threadText(count: ThreadCount): string {
  return count === undefined ? 'not tried' : `${String(count.seen)} of ${String(count.rounds)}`;
}

/** The matrix. `threads`: as many counts as rows, where threads were asked for. */
export function matrixLines(rows: readonly MatrixRow[], threads: readonly ThreadCount[] | undefined): string[] {
  const cells = rows.map(({ defence, scenario, exploration }, i) => [
    defence.name,
    scenario.memoryModel === undefined ? scenario.name : `${scenario.name} (${scenario.memoryModel})`,
    breaksText(exploration),
    exploration.failure === undefined ? '-' : String(exploration.failure.preemptions),
    grouped(exploration.executions),
    ...(threads === undefined ? [] : [threadText(threads[i])]),
  ]);
  const headings = ['without', 'scenario', 'what breaks', 'pre', 'exec', ...(threads === undefined ? [] : ['threads'])];
  const [heading = '', ...lines] = table([headings, ...cells], ' ');
  const tokens = rows.map(({ exploration }) => exploration.failure?.token);
  return [
    bold(heading),
    ...lines.flatMap((line, i) => {
      const token = tokens[i];
      return token === undefined ? [line] : [line, dim(`   ${token}`)];
    }),
    '',
    ...wrapText(
      `pre: preemptions of the smallest failing schedule, which stands below its row; exec: executions until the first failure (dpor).${threads === undefined ? '' : ' threads: rounds on real threads that showed it.'}`,
      ' ',
    ),
    '',
    ...wrapText("next: 'pagerace why <defence>' tells one of them in full.", ' '),
  ];
}

/** What is known of a defence before anything is run. */
export function defenceLines(defence: Defence): string[] {
  const facts: readonly (readonly [string, string])[] = [
    ['where', `${defence.where} (v6.8)`],
    ['closes', defence.closes],
    ['without', defence.without],
    ['evidence', defence.evidence],
  ];
  return [
    bold(defence.name),
    '',
    ...facts.flatMap(([label, text]) => wrapText(text, `  ${label.padEnd(10)}`, ' '.repeat(12))),
  ];
}

/** What was found without it, before the table. */
export function withoutLines(row: MatrixRow, held: Exploration): string[] {
  const { scenario, exploration } = row;
  const { failure } = exploration;
  const found =
    failure === undefined
      ? `without it: ${exploration.verdict}, ${exploration.bounds}`
      : `without it: violated, after ${grouped(exploration.executions)} execution${exploration.executions === 1 ? '' : 's'}; smallest failure, ${String(failure.preemptions)} preemption${failure.preemptions === 1 ? '' : 's'}, ${grouped(failure.steps)} steps`;
  return [
    ...wrapText(`Scenario ${scenario.name}: ${scenario.shows}.`),
    '',
    ...wrapText(`with it: ${held.verdict}, ${held.bounds}`, '  ', '    '),
    ...wrapText(found, '  ', '    '),
  ];
}
