// The demo's text: why the page-table lock exists, and why it is not enough. The claim comes before the evidence.
import type { Exploration } from '../explore/explore.ts';
import { bold, dim, grouped, table, wrapText } from './text.ts';

/** One set of rules, explored to the end. */
export interface RuleSet {
  readonly name: string;
  readonly without: readonly string[];
  /** Every behaviour, by dpor. */
  readonly exploration: Exploration;
  /** Schedules with so many preemptions at most. */
  readonly preemptions: number;
  readonly few: Exploration;
}

const brokenOf = ({ failures }: Exploration): number => Object.values(failures).reduce((sum, n) => sum + n, 0);

/** What threads did under one set of rules: lost folios per round. */
export interface ThreadRounds {
  readonly name: string;
  readonly lost: readonly number[];
}

const INDENT = '      ';

/** A part's title with the flag that makes it. */
export function partTitle(part: string, title: string, without: readonly string[]): string {
  const flag = without.length === 0 ? '' : `--without ${without.join(',')}`;
  return `${bold(`[${part}] ${title.padEnd(48)}`)} ${flag}`.trimEnd();
}

/** How much was tried, and how much of it broke. */
export function countLines({ exploration, preemptions, few }: RuleSet): string[] {
  const broken = brokenOf(exploration);
  const all = `${grouped(exploration.executions)} behaviours, which is all there are (dpor: every schedule shows one of them); ${grouped(broken)} ${broken === 1 ? 'breaks' : 'break'} the page table.`;
  const some = `Of the ${grouped(few.executions)} schedules with at most ${String(preemptions)} preemptions, ${grouped(brokenOf(few))} do.`;
  return wrapText(`${all} ${some}`, INDENT);
}

/** The smallest failure in a line. */
export function smallestLine({ exploration: { failure } }: RuleSet): string {
  if (failure === undefined) return `${INDENT}held: 2 CPUs, 1 page, every schedule`;
  const preemptions = `${String(failure.preemptions)} preemption${failure.preemptions === 1 ? '' : 's'}`;
  return `${INDENT}Smallest failure, ${preemptions}: ${failure.token}`;
}

/** All rule sets side by side. */
export function ruleTable(sets: readonly RuleSet[]): string[] {
  const rows = sets.map(({ name, exploration }) => [
    name,
    grouped(exploration.executions),
    grouped(brokenOf(exploration)),
    grouped(exploration.failures.I13 ?? 0),
    exploration.verdict,
  ]);
  return table([['rule set', 'behaviours', 'broken', 'lost stores', 'verdict'], ...rows], ' ');
}

/** Real threads: how often they show it, and the difference to the explorer. */
export function threadLines(cpus: number, cores: number, pages: number, rounds: readonly ThreadRounds[]): string[] {
  const count = rounds[0]?.lost.length ?? 0;
  const width = Math.max(...rounds.map(({ name }) => name.length));
  const lines = rounds.map(({ name, lost }) => {
    const cells = lost.map((n) => grouped(n).padStart(6)).join('');
    const unseen = lost.some((n) => n === 0) && lost.some((n) => n > 0) ? dim('  <- not in every round') : '';
    return ` ${name.padEnd(width)}  lost folios${cells}${unseen}`;
  });
  const broken = rounds.filter(({ lost }) => lost.some((n) => n > 0));
  const seen = broken.reduce((sum, { lost }) => sum + lost.filter((n) => n > 0).length, 0);
  const tried = rounds.slice(0, -1).length * count;
  return [
    bold(
      `Now on real threads: ${String(count)} rounds of ${grouped(pages)} pages, ${String(cpus)} CPUs on ${String(cores)} core${cores === 1 ? '' : 's'}`,
    ),
    ...lines,
    ...wrapText(
      `Threads showed it in ${String(seen)} of ${String(tried)} rounds without a rule, among ${grouped(pages)} pages each. The explorer needs one page, finds it every time, and says when there is nothing to find.`,
      ' ',
    ),
  ];
}
