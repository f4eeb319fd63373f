// A machine's trace in the formats that tools read, and in a sentence for people.
import type { MachineTrace } from '../../machine/trace-events.ts';
import { grouped } from '../text.ts';
import { machineChromeTrace } from './chrome.ts';
import { renderMachineFtrace } from './ftrace.ts';
import type { TaskOf } from './ftrace.ts';

export type TraceFormat = 'ftrace' | 'chrome';
export const TRACE_FORMATS: readonly TraceFormat[] = ['ftrace', 'chrome'];

/** The trace in a format, with its last line ended; `title` says what it is of. */
export function renderMachineTrace(format: TraceFormat, trace: MachineTrace, taskOf: TaskOf, title: string): string {
  if (format === 'ftrace') return renderMachineFtrace(trace, taskOf);
  return `${JSON.stringify(machineChromeTrace(trace, taskOf, title))}\n`;
}

/** How much was traced into a file, and what was lost on which CPU. */
export function traceSummary(path: string, trace: MachineTrace): string {
  const lost = trace.cpus
    .filter((cpu) => cpu.lost > 0)
    .map((cpu) => `${grouped(cpu.lost)} on CPU ${String(cpu.cpu)}`)
    .join(', ');
  const end = lost === '' ? 'none lost' : `the oldest lost, ${lost}: give more room, for example --trace-buffer 64M`;
  return `${path}: ${grouped(trace.events.length)} events, ${end}`;
}
