// Reads a trace of memory events: the text of tracefs, of `perf script`, or of `run --trace`, plain or gzip.
import { gunzipSync } from 'node:zlib';
import { readInputFile } from '../machine/input-file.ts';
import type { InputKind } from '../machine/input-file.ts';
import { UsageError } from '../machine/usage-error.ts';

/** One event of a thread. */
export interface TraceLine {
  readonly tid: number;
  readonly name: string;
  /** As printed, without what perf adds. */
  readonly fields: string;
}

const MAX_BYTES = 256 * 1024 * 1024;
const EXAMPLE = 'for example what run --trace writes, or /sys/kernel/tracing/trace';
const TRACE: InputKind = { what: 'a trace', example: EXAMPLE, maxBytes: MAX_BYTES, smaller: 'trace a shorter run' };

/** `comm-pid [cpu] flags seconds.microseconds: event: fields`; older kernels have no fifth flag, some a tgid. */
const TRACEFS = /^\s*(?:.+?)-(\d+)\s+(?:\(\s*[-\d]+\)\s+)?\[\d+\]\s+[^\s]{4,5}\s+\d+\.\d+:\s+([a-z]\w*):\s(.*)$/;
/** `comm pid/tid [cpu] seconds: group:event: fields`, and a column of perf's own at the end. */
const PERF = /^\s*(?:.+?)\s+-?\d+\/(-?\d+)\s+\[\d+\]\s+\d+\.\d+:\s+[a-z]\w*:([a-z]\w*):\s(.*?)(?:\s{8,}[0-9a-f]+)?$/;

/** perf's own event of a fault, taken in the program or in the kernel: its fields are the address alone. */
export const PERF_FAULT = 'page-faults';
const FAULT = /^\s*(?:.+?)\s+-?\d+\/(-?\d+)\s+\[\d+\]\s+\d+\.\d+:\s+(page-faults):\s+([0-9a-f]+)$/;

/** The events of a trace, in its order. Lines that are no events are passed over; a text without any is refused. */
export function parseTrace(text: string, name: string): TraceLine[] {
  const lines: TraceLine[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) continue;
    const match = TRACEFS.exec(line) ?? PERF.exec(line) ?? FAULT.exec(line);
    if (match !== null) lines.push({ tid: Number(match[1]), name: match[2] ?? '', fields: match[3] ?? '' });
  }
  if (!lines.some((line) => line.name === 'page_fault_user')) {
    throw new UsageError(`${name} has no page_fault_user event in it: give a trace with them, ${EXAMPLE}.`);
  }
  return lines;
}

/** Reads a trace. Throws a UsageError for whatever is wrong with it. */
export async function readTraceFile(path: string): Promise<TraceLine[]> {
  let bytes = await readInputFile(path, TRACE);
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      bytes = gunzipSync(bytes, { maxOutputLength: MAX_BYTES });
    } catch {
      throw new UsageError(`${path} is a damaged gzip file, or larger than 256 MiB: compress it again, ${EXAMPLE}.`);
    }
  }
  return parseTrace(bytes.toString('utf8'), path);
}
