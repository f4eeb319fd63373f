// What came of an exploration, for people and as JSON, and how a failure of it is replayed.
import type { Audit } from '../explore/audit.ts';
import type { Exploration } from '../explore/explore.ts';
import { SCENARIOS } from '../explore/scenarios.ts';
import type { ScenarioOptions } from '../explore/scenarios.ts';
import { optionText } from '../explore/target.ts';
import type { Target } from '../explore/target.ts';
import type { MemoryModel } from '../explore/program.ts';
import type { ExecutionContext } from './execution-json.ts';
import { renderLockOrder } from './lockdep-text.ts';
import { LOCK_CLASSES } from '../kernel/layout.ts';
import type { FailureText } from './failure-text.ts';
import { renderExecution } from './formats.ts';
import { bad, bold, good, grouped, wrapText } from './text.ts';

/** What was typed to explore a target, as far as a replay needs it. */
export interface Asked {
  /** The scenario's name, or the file's path. */
  readonly name: string;
  readonly options: ScenarioOptions;
  /** The bound at which an execution is a livelock, where one was given. */
  readonly steps?: number | undefined;
  /** The size of a program of the catalogue, where one was given. */
  readonly size?: number | undefined;
}

/** The command that replays a schedule of what was explored. */
export function replayCommand(token: string, asked: Asked, memoryModel: MemoryModel): string {
  const scenario = SCENARIOS.find(({ name }) => name === asked.name);
  const model = memoryModel === (scenario?.memoryModel ?? 'sc') ? {} : { memoryModel };
  const steps = asked.steps === undefined ? '' : ` --steps ${String(asked.steps)}`;
  const size = asked.size === undefined ? '' : ` --size ${String(asked.size)}`;
  const options = optionText({ ...asked.options, ...model });
  return `pagerace replay ${token} --scenario ${asked.name} ${options}`.trimEnd() + size + steps;
}

/** What JSON documents say of how an execution came about. */
export function contextOf(asked: Asked, memoryModel: MemoryModel, message?: string): ExecutionContext {
  const { name, options } = asked;
  const { steps, size } = asked;
  const given = { ...(steps === undefined ? {} : { steps }), ...(size === undefined ? {} : { size }) };
  return { scenario: name, memoryModel, ...options, ...given, ...(message === undefined ? {} : { message }) };
}

/** The heading: what is explored, and what it shows. */
export function explorationHeading(target: Target, asked: Asked): string[] {
  const { without = [], locking } = asked.options;
  const title = [
    target.name,
    without.length > 0 ? `without ${without.join(', ')}` : '',
    locking === undefined || locking === 'split' ? '' : `locking ${locking}`,
  ];
  const shows = target.kind === 'kernel' ? target.scenario?.shows : undefined;
  return [bold(title.filter((part) => part !== '').join(', ')), ...(shows === undefined ? [] : wrapText(shows))];
}

/** The verdict and what it rests on. */
export function verdictLines(exploration: Exploration): string[] {
  const { verdict, bounds, failure, blocked, pct, audit } = exploration;
  const paint = verdict === 'held' ? good : bad;
  const redundant = blocked === 0 ? '' : `, ${grouped(blocked)} abandoned as redundant`;
  const chance =
    pct === undefined
      ? []
      : wrapText(
          `pct: ${grouped(pct.length)} steps, depth ${String(pct.depth)}: one execution finds a failure of that depth with a chance of at least ${pct.bound.toExponential(1)}`,
        );
  const what = failure === undefined ? '' : `: ${failure.message}`;
  const audited = audit === undefined ? [] : wrapText(auditSentence(audit), '', '  ');
  return [
    ...wrapText(`${paint(verdict)}${what}`, '', '  '),
    ...wrapText(`${bounds}${redundant}`),
    ...chance,
    ...audited,
  ];
}

function auditSentence({ duplicates, missed, schedules, why }: Audit): string {
  const twice = `audit: ${grouped(duplicates)} explored twice`;
  if (missed === undefined) return `${twice}; missed ones were not counted: ${why ?? ''}`;
  return `${twice}, ${grouped(missed)} missed, of all that ${grouped(schedules)} schedules show`;
}

/** The whole report of an exploration. `text`: its failure, replayed. */
export function renderExploration(
  target: Target,
  asked: Asked,
  exploration: Exploration,
  text: FailureText | undefined,
): string {
  const lines = [...explorationHeading(target, asked), '', ...verdictLines(exploration)];
  const { failure } = exploration;
  if (failure === undefined || text === undefined) return lines.join('\n');
  const preemptions = `${String(failure.preemptions)} preemption${failure.preemptions === 1 ? '' : 's'}`;
  const context = contextOf(asked, exploration.memoryModel, failure.message);
  lines.push('', `The smallest failure found: ${preemptions}, ${grouped(failure.steps)} steps`, '');
  lines.push(renderExecution('table', text, context));
  const { lockOrder } = failure;
  if (lockOrder !== undefined) {
    const className = (lockClass: number): string =>
      (target.kind === 'kernel' ? LOCK_CLASSES[lockClass] : text.replayed.nameOf(lockClass)) ?? String(lockClass);
    lines.push('', ...renderLockOrder(lockOrder.problem, { className }));
    const tokens = [...lockOrder.tokens].map(([n, token]) => `execution ${String(n)} is ${token}`);
    lines.push(...tokens.flatMap((said) => wrapText(said)));
  }
  return lines.join('\n');
}

/** The exploration as plain data. */
export function explorationDocument(asked: Asked, exploration: Exploration, replay: string | undefined): object {
  const { failure, ...rest } = exploration;
  const smallest =
    failure === undefined
      ? null
      : {
          token: failure.token,
          steps: failure.steps,
          preemptions: failure.preemptions,
          judge: failure.judge,
          message: failure.message,
          replay,
        };
  const context = contextOf(asked, exploration.memoryModel);
  return { format: 'pagerace-exploration', version: 1, context, ...rest, failure: smallest };
}
