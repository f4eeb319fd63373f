// The litmus table for a terminal: what is published, what the explorer finds, and what real threads show.
import type { PerModel } from '../explore/litmus/test.ts';
import { MEMORY_MODELS } from '../explore/program.ts';
import { grouped, wrapText } from './text.ts';

/** How often real threads showed the asked outcome. */
export interface LitmusShare {
  readonly seen: number;
  readonly instances: number;
}

/** One test's row. */
export interface LitmusRow {
  readonly name: string;
  /** Whether each model allows the asked outcome: as published, and as the explorer found (undefined: not decided). */
  readonly published: PerModel<boolean>;
  readonly explorer: PerModel<boolean | undefined>;
  /** undefined: not run on real threads. */
  readonly plain: LitmusShare | undefined;
  readonly atomics: LitmusShare | undefined;
}

const NAME_WIDTH = 20;
const MODEL_WIDTH = 5;
const SHARE_WIDTH = 11;

function verdict(allowed: boolean | undefined): string {
  return allowed === undefined ? '?' : allowed ? 'yes' : 'no';
}

function share(found: LitmusShare | undefined): string {
  if (found === undefined || found.instances === 0) return '-';
  if (found.seen === 0) return 'never';
  const percent = (100 * found.seen) / found.instances;
  return percent < 0.1 ? '< 0.1 %' : `${percent.toFixed(1)} %`;
}

function line(
  name: string,
  published: readonly string[],
  explorer: readonly string[],
  shares: readonly string[],
): string {
  const models = (cells: readonly string[]): string => cells.map((cell) => cell.padEnd(MODEL_WIDTH)).join('');
  const last = shares.map((cell) => cell.padStart(SHARE_WIDTH)).join('');
  return `${name.padEnd(NAME_WIDTH)} ${models(published)}  ${models(explorer)}${last}`.trimEnd();
}

/** Names of the rows of which `wrong` says so, as a sentence; nothing where there are none. */
function remark(rows: readonly LitmusRow[], sentence: string, wrong: (row: LitmusRow) => boolean): string[] {
  const names = rows.filter(wrong).map(({ name }) => name);
  return names.length === 0 ? [] : wrapText(`${sentence}: ${names.join(', ')}`);
}

/** The table, at most 80 columns wide. */
export function renderLitmus(rows: readonly LitmusRow[]): string[] {
  const instances = rows
    .flatMap(({ plain, atomics }) => [plain, atomics])
    .reduce((sum, it) => sum + (it?.instances ?? 0), 0);
  const seenOutside = (found: LitmusShare | undefined, allowed: boolean | undefined): boolean =>
    found !== undefined && found.seen > 0 && allowed === false;
  return [
    'Is the relaxed outcome allowed, and how often do real threads show it?',
    '',
    line('', ['published'.padEnd(3 * MODEL_WIDTH)], ['explorer'.padEnd(3 * MODEL_WIDTH)], ['real', 'threads']),
    line('test', MEMORY_MODELS, MEMORY_MODELS, ['plain', 'atomics']),
    ...rows.map(({ name, published, explorer, plain, atomics }) =>
      line(
        name,
        MEMORY_MODELS.map((model) => verdict(published[model])),
        MEMORY_MODELS.map((model) => verdict(explorer[model])),
        [share(plain), share(atomics)],
      ),
    ),
    '',
    ...(instances === 0
      ? []
      : wrapText(`${grouped(instances)} instances on real threads; "never" is what was observed, not a promise.`)),
    ...remark(rows, 'the explorer disagrees with what is published', ({ published, explorer }) =>
      MEMORY_MODELS.some((model) => explorer[model] !== undefined && explorer[model] !== published[model]),
    ),
    ...remark(rows, 'plain accesses show what tso forbids', ({ plain, explorer }) => seenOutside(plain, explorer.tso)),
    ...remark(rows, 'atomics show what sc forbids', ({ atomics, explorer }) => seenOutside(atomics, explorer.sc)),
  ];
}
