// A history as a table: a column per thread, downwards in time; and what a check of it came to, in sentences.
import { WIDTH, wrapText } from '../report/text.ts';
import { SETUP_THREAD } from './linearizability.ts';
import type { Executed, History, Linearizability } from './linearizability.ts';
import { shown } from './value.ts';

/** How operations and results are written; what is not given is written as JavaScript writes it. */
export interface HistoryWords<Op, R> {
  readonly operation?: (operation: Op) => string;
  readonly result?: (result: R) => string;
}

/** Where a thread's operation begins, runs on, or ends. */
interface Row {
  readonly thread: number;
  readonly text: string;
  /** Threads in the middle of an operation. */
  readonly running: ReadonlySet<number>;
  /** No order explains what ends here. */
  readonly marked: boolean;
}

/** Columns narrower than this are no help: each line then names its thread. */
const MIN_COLUMN = 14;
const GAP = '  ';
const MARK = '>';

/** A method call as it is written. */
export function callText(operation: unknown): string {
  if (typeof operation === 'object' && operation !== null && 'method' in operation && 'args' in operation) {
    const { method, args } = operation;
    if (typeof method === 'string' && Array.isArray(args)) return `${method}(${args.map(shown).join(', ')})`;
  }
  return shown(operation);
}

class Writer<Op, R> {
  private readonly words: HistoryWords<Op, R>;

  constructor(words: HistoryWords<Op, R>) {
    this.words = words;
  }

  operation({ operation }: Executed<Op, R>): string {
    return this.words.operation?.(operation) ?? callText(operation);
  }

  result(result: R): string {
    return this.words.result?.(result) ?? shown(result);
  }

  /** How an operation ends. */
  end({ result }: Executed<Op, R>): string {
    return result === undefined ? 'done' : `= ${this.result(result)}`;
  }

  /** The whole in one line: `push(1) = true`. */
  whole(executed: Executed<Op, R>): string {
    const { result, returned } = executed;
    if (returned === Infinity) return `${this.operation(executed)}, which has not returned`;
    return result === undefined ? this.operation(executed) : `${this.operation(executed)} ${this.end(executed)}`;
  }

  byWhom(executed: Executed<Op, R>): string {
    const { thread } = executed;
    return thread === SETUP_THREAD ? this.whole(executed) : `${this.whole(executed)} (thread ${String(thread)})`;
  }
}

/** The history as a table in at most 80 columns; operations that are `marked` are so by a `>` in the margin. */
export function historyTable<Op, R>(
  history: History<Op, R>,
  marked: ReadonlySet<Executed<Op, R>> = new Set(),
  words: HistoryWords<Op, R> = {},
): string[] {
  const writer = new Writer(words);
  const lines: string[] = [];
  const setup = history.filter(({ thread }) => thread === SETUP_THREAD);
  if (setup.length > 0) {
    lines.push(
      ...wrapText(setup.map((executed) => writer.whole(executed)).join(', '), '  first    ', '           '),
      '',
    );
  }
  const parallel = history.filter(({ thread }) => thread !== SETUP_THREAD);
  const threads = [...new Set(parallel.map(({ thread }) => thread))].sort((a, b) => a - b);
  return [...lines, ...tableLines(rowsOf(parallel, marked, writer), threads)];
}

function rowsOf<Op, R>(
  history: History<Op, R>,
  marked: ReadonlySet<Executed<Op, R>>,
  writer: Writer<Op, R>,
): readonly Row[] {
  const events = history.flatMap((executed) => [
    { executed, begins: true, at: executed.invoked },
    ...(executed.returned === Infinity ? [] : [{ executed, begins: false, at: executed.returned }]),
  ]);
  events.sort((a, b) => a.at - b.at || Number(b.begins) - Number(a.begins));
  const running = new Set<number>();
  const rows: Row[] = [];
  for (let i = 0; i < events.length; i++) {
    const event = events[i];
    if (event === undefined) break;
    const { executed, begins } = event;
    const { thread } = executed;
    const alone = begins && events[i + 1]?.executed === executed;
    // Nothing happens between the beginning and the end: one line says both.
    if (alone) i += 1;
    if (begins && !alone) running.add(thread);
    else running.delete(thread);
    const text = alone ? writer.whole(executed) : begins ? writer.operation(executed) : writer.end(executed);
    const isMarked = marked.has(executed) && (alone || !begins);
    rows.push({ thread, text, running: new Set(running), marked: isMarked });
  }
  return rows;
}

function tableLines(rows: readonly Row[], threads: readonly number[]): string[] {
  if (threads.length === 0) return [];
  const margin = `${MARK} `.length;
  const room = Math.floor((WIDTH - margin) / threads.length) - GAP.length;
  if (room < MIN_COLUMN) {
    return rows.map(({ thread, text, marked }) =>
      clipped(`${marked ? MARK : ' '} ${`thread ${String(thread)}`.padEnd(9)}  ${text}`, WIDTH),
    );
  }
  const widths = threads.map((thread) => {
    const texts = rows.filter((row) => row.thread === thread).map(({ text }) => text.length);
    return Math.min(room, Math.max(MIN_COLUMN, ...texts));
  });
  const line = (mark: string, cells: readonly string[]): string =>
    `${mark} ${cells.map((cell, i) => clipped(cell, widths[i] ?? 0).padEnd(widths[i] ?? 0)).join(GAP)}`.trimEnd();
  return [
    line(
      ' ',
      threads.map((thread) => `thread ${String(thread)}`),
    ),
    line(
      ' ',
      widths.map((width) => '-'.repeat(width)),
    ),
    ...rows.map((row) =>
      line(
        row.marked ? MARK : ' ',
        threads.map((thread) => (thread === row.thread ? row.text : row.running.has(thread) ? '|' : '')),
      ),
    ),
  ];
}

function clipped(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}

/** What a check came to, told with the history it is about: table, order, and what no order explains. */
export function linearizabilityText<Op, R>(
  history: History<Op, R>,
  checked: Linearizability<Op, R>,
  words: HistoryWords<Op, R> = {},
): string {
  const writer = new Writer(words);
  const unexplained = checked.verdict === 'violated' ? checked.unexplained : [];
  const lines = historyTable(history, new Set(unexplained.map(({ executed }) => executed)), words);
  lines.push('');
  const orderText = (order: History<Op, R>): string =>
    order.length === 0 ? 'nothing' : order.map((executed) => writer.byWhom(executed)).join(', ');
  if (checked.verdict === 'held') lines.push(...wrapText(`in order: ${orderText(checked.order)}`, '  ', '    '));
  if (checked.verdict === 'not decided') lines.push('  not decided: the search grew too large');
  if (checked.verdict === 'violated') {
    for (const { executed, instead } of unexplained) {
      const others = instead.map((result) => writer.result(result)).join(' or ');
      const could = others === '' ? 'nor any other result' : `it could have been ${others}`;
      lines.push(...wrapText(`no order explains ${writer.byWhom(executed)}; ${could}`, '  ', '    '));
    }
    lines.push(...wrapText(`all that had returned before: ${orderText(checked.order)}`, '  ', '    '));
  }
  return lines.join('\n');
}

/** What no order explains, in one sentence. */
export function unexplainedSentence<Op, R>(
  checked: Extract<Linearizability<Op, R>, { verdict: 'violated' }>,
  words: HistoryWords<Op, R> = {},
): string {
  const writer = new Writer(words);
  const named = checked.unexplained.map(({ executed }) => writer.byWhom(executed));
  return `no order of the operations explains ${named.join(', nor ')}`;
}
