// Events of the Chrome trace format, as Perfetto and Chromium read them.

/** One event; times in microseconds. */
export interface ChromeEvent {
  /** Slice, metadata, an arrow's start and end, instant, counter. */
  readonly ph: 'X' | 'M' | 's' | 'f' | 'i' | 'C';
  readonly pid: number;
  readonly tid: number;
  readonly name: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly cat?: string;
  readonly id?: number;
  /** Of an arrow's end: it belongs to the slice around it. */
  readonly bp?: 'e';
  /** Of an instant: it is its track's. */
  readonly s?: 't';
  readonly args?: Readonly<Record<string, unknown>>;
}

export interface ChromeTrace {
  readonly traceEvents: readonly ChromeEvent[];
  readonly otherData: Readonly<Record<string, string>>;
}

/** Traces are of one machine, which is one process there. */
export const PID = 1;

/** What a track, or with tid 0 the process, is called and where it stands. */
export function metadata(tid: number, name: string, args: Readonly<Record<string, unknown>>): ChromeEvent {
  return { ph: 'M', pid: PID, tid, name, args };
}
