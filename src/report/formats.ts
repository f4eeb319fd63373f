// One replayed execution in the formats that people and their tools read: a table, ftrace text, JSON, a Chrome trace.
import { UsageError, nearest } from '../machine/usage-error.ts';
import { chromeTrace } from './chrome-trace.ts';
import { executionDocument } from './execution-json.ts';
import type { ExecutionContext } from './execution-json.ts';
import { renderFailure, renderKcsan } from './failure-text.ts';
import type { FailureText } from './failure-text.ts';
import { renderFtrace } from './ftrace-text.ts';
import { pfnOf } from './kernel-columns.ts';
import type { MachineState } from './machine-state.ts';

export type Format = 'table' | 'ftrace' | 'json' | 'chrome';
export const FORMATS: readonly Format[] = ['table', 'ftrace', 'json', 'chrome'];

/** A format by its name. Throws a UsageError that names `allowed`. */
export function parseFormat(text: string, allowed: readonly string[] = FORMATS): Format {
  const found = FORMATS.find((format) => format === text);
  if (found !== undefined) return found;
  throw new UsageError(
    `Format '${text}' is not known: use ${allowed.join(', ')}, for example --format ${nearest(text, allowed)}.`,
  );
}

/** The execution in a format; `states` go into JSON. */
export function renderExecution(
  format: Format,
  text: FailureText,
  context: ExecutionContext,
  states?: readonly MachineState[],
): string {
  const { record, machine } = text.replayed;
  switch (format) {
    case 'table':
      return [renderFailure(text), ...raceReport(text)].join('\n\n');
    case 'ftrace':
      return renderFtrace(record, {
        ...(machine === undefined ? {} : { pfnOf: (page) => pfnOf(machine, page) }),
        rssAfter: (step) => Number(record.watched?.find(({ name }) => name === 'rss')?.values[step.index] ?? 0),
      });
    case 'json':
      return JSON.stringify(executionDocument(record, context, states), null, 2);
    case 'chrome': {
      const { names, nameStep } = text;
      return JSON.stringify(
        chromeTrace(record, { names, nameStep, title: context.replay ?? text.target.name }),
        null,
        2,
      );
    }
  }
}

/** What a complaint of the judge of data races is about, in the shape of a KCSAN report. */
function raceReport(text: FailureText): string[] {
  if (text.replayed.complaint?.judge !== 'data-race') return [];
  const lines = renderKcsan(text);
  return lines.length === 0 ? [] : [lines.join('\n')];
}
