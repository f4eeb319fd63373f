// Parts of a recording: some of its page faults in a row, with all that came before them and made their memory.
import type fc from 'fast-check';
import { planReplay } from '../recording/plan.ts';
import type { FaultEvent, RecordedEvent, Recording } from '../recording/perf-script.ts';
import { wholeIn } from './operations.ts';
import { ValueArbitrary } from './value-arbitrary.ts';

/** How long slices are. */
export interface RecordingSliceOptions {
  /** Faults of a slice at most: 1 to 100,000, default 200. */
  readonly faults?: number;
}

const DEFAULT_FAULTS = 200;
const MAX_FAULTS = 100_000;

/**
 * Slices of a recording: faults that can be replayed, in a row, and what precedes the last of them and is no fault:
 * mappings and calls, so that the memory is there. They shrink to fewer faults. `planReplay` takes them. Throws a
 * UsageError for a recording in which nothing can be replayed.
 */
export function recordingSlice(recording: Recording, options: RecordingSliceOptions = {}): fc.Arbitrary<Recording> {
  const most = wholeIn('faults', options.faults ?? DEFAULT_FAULTS, 1, MAX_FAULTS, DEFAULT_FAULTS);
  const faults = replayable(recording);
  return new ValueArbitrary<Recording>({
    generate: (random) => {
      const count = random.nextInt(1, Math.min(most, faults.length));
      const first = random.nextInt(0, faults.length - count);
      return sliceOf(recording, faults.slice(first, first + count));
    },
    smaller: (slice) => smallerRuns(faultsOf(slice)).map((kept) => sliceOf(slice, kept)),
    is: (value): value is Recording =>
      typeof value === 'object' && value !== null && 'events' in value && Array.isArray(value.events),
  });
}

/** The faults that a plan makes accesses of. */
function replayable(recording: Recording): FaultEvent[] {
  const faults = planReplay(recording, 1)
    .items.flat()
    .flatMap((item) => item?.fault ?? []);
  return faults.sort((a, b) => a.line - b.line);
}

function faultsOf({ events }: Recording): FaultEvent[] {
  return events.filter((event) => event.kind === 'fault');
}

function sliceOf({ name, lines, events }: Recording, kept: readonly FaultEvent[]): Recording {
  const faults = new Set<RecordedEvent>(kept);
  const last = kept.at(-1)?.line ?? -1;
  return {
    name,
    lines,
    events: events.filter((event) => (event.kind === 'fault' ? faults.has(event) : event.line < last)),
  };
}

/** Parts of a run of faults: halves, then without an end. */
function smallerRuns(faults: readonly FaultEvent[]): (readonly FaultEvent[])[] {
  const half = Math.ceil(faults.length / 2);
  if (faults.length < 2) return [];
  const ends = faults.length === 2 ? [] : [faults.slice(1), faults.slice(0, -1)];
  return [faults.slice(0, half), faults.slice(half), ...ends];
}
