// What a machine traced as Chrome trace JSON, for Perfetto: a track per CPU with faults, waits and holds of mmap_lock as
// slices, all else as instants on it, and a counter for each kind of page that an mm has.
//
// Slices of a track must nest. A stack for each CPU sees to that, whatever was lost: what ends closes all that began
// after it, and an end without a beginning is left out. Times of one CPU are made to differ by a nanosecond at least.
import { PID, metadata } from '../chrome-event.ts';
import type { ChromeEvent, ChromeTrace } from '../chrome-event.ts';
import type { MachineEvent, MachineTrace } from '../../machine/trace-events.ts';
import { PAGE_BYTES, eventFields, lockOf } from './event-text.ts';
import type { TaskOf } from './ftrace.ts';

const NS_PER_US = 1000;

/** A slice that has begun. */
interface Open {
  readonly key: string;
  readonly name: string;
  readonly cat: string;
  readonly from: number;
  readonly args: Readonly<Record<string, unknown>>;
}

/** The slices of one CPU. */
class Track {
  readonly events: ChromeEvent[] = [];
  private readonly open: Open[] = [];
  private readonly tid: number;
  private now = 0;

  constructor(tid: number) {
    this.tid = tid;
  }

  /** Moves on to a time, or a little beyond where that has passed. Returns it. */
  tick(time: number): number {
    this.now = Math.max(time, this.now + 1);
    return this.now;
  }

  begin(key: string, name: string, cat: string, args: Readonly<Record<string, unknown>>): void {
    this.open.push({ key, name, cat, from: this.now, args });
  }

  /** Ends the last slice with this key, and what has begun inside it, if there is one. */
  end(key: string): void {
    const depth = this.open.findLastIndex((slice) => slice.key === key);
    if (depth >= 0) this.closeTo(depth);
  }

  /** Ends what is still open. */
  close(): void {
    this.now += 1;
    this.closeTo(0);
  }

  instant(name: string, args: Readonly<Record<string, unknown>>): void {
    this.events.push({ ph: 'i', pid: PID, tid: this.tid, name, cat: 'event', s: 't', ts: this.now / NS_PER_US, args });
  }

  private closeTo(depth: number): void {
    while (this.open.length > depth) {
      const slice = this.open.pop();
      if (slice === undefined) return;
      const { name, cat, from, args } = slice;
      const dur = (this.now - from) / NS_PER_US;
      this.events.push({ ph: 'X', pid: PID, tid: this.tid, name, cat, ts: from / NS_PER_US, dur, args });
    }
  }
}

/** The trace; `JSON.stringify` makes the file. `title` says what it is of. */
export function machineChromeTrace(trace: MachineTrace, taskOf: TaskOf, title: string): ChromeTrace {
  const start = trace.events[0]?.time ?? 0;
  const events: ChromeEvent[] = [metadata(0, 'process_name', { name: title })];
  const tracks = new Map(trace.cpus.map(({ cpu }) => [cpu, new Track(cpu)]));
  for (const event of trace.events) {
    const track = tracks.get(event.cpu);
    if (track === undefined) continue;
    // From 1 on: DevTools takes a time of 0 for none.
    const now = track.tick(event.time - start + NS_PER_US);
    if (event.name === 'rss_stat') events.push(counter(event, now));
    else draw(track, event, taskOf);
  }
  for (const [cpu, track] of tracks) {
    track.close();
    events.push(metadata(cpu, 'thread_name', { name: `CPU ${String(cpu)}` }));
    events.push(metadata(cpu, 'thread_sort_index', { sort_index: cpu }));
    events.push(...track.events.sort((a, b) => (a.ts ?? 0) - (b.ts ?? 0) || (b.dur ?? 0) - (a.dur ?? 0)));
  }
  const lost = trace.cpus.reduce((sum, cpu) => sum + cpu.lost, 0);
  return { traceEvents: events, otherData: { lost_events: String(lost) } };
}

function counter(event: MachineEvent, now: number): ChromeEvent {
  const { mm_id: mm = '', type = '' } = eventFields(event);
  const bytes = (event.fields[3] ?? 0) * PAGE_BYTES;
  return {
    ph: 'C',
    pid: PID,
    tid: event.cpu,
    name: `${type} of mm ${mm}`,
    ts: now / NS_PER_US,
    args: { bytes },
  };
}

/** Begins or ends a slice, or puts an instant there. */
function draw(track: Track, event: MachineEvent, taskOf: TaskOf): void {
  const fields = eventFields(event);
  const lock = lockOf(event);
  switch (event.name) {
    case 'page_fault_user': {
      const { comm, pid } = taskOf(event);
      track.begin('fault', 'page fault', 'fault', { ...fields, task: `${comm}-${String(pid)}` });
      return;
    }
    case 'page_fault_end':
      track.end('fault');
      return;
    case 'mmap_lock_start_locking':
      track.begin(`wait ${lock}`, 'wait for mmap_lock', 'wait', fields);
      return;
    case 'mmap_lock_acquire_returned': {
      track.end(`wait ${lock}`);
      if (fields.success !== 'true') return;
      // Downgrading a writer ends its hold and begins a reader's.
      track.end(`hold ${lock}`);
      track.begin(`hold ${lock}`, `hold mmap_lock for ${fields.write === 'true' ? 'write' : 'read'}`, 'hold', fields);
      return;
    }
    case 'mmap_lock_released':
      track.end(`hold ${lock}`);
      return;
    case 'contention_begin':
      track.begin(`contention ${lock}`, `contention ${fields.flags ?? ''}`, 'contention', fields);
      return;
    case 'contention_end':
      track.end(`contention ${lock}`);
      return;
    default:
      track.instant(event.name, fields);
  }
}
