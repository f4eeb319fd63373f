// Slices of recordings: faults in a row that can all be replayed, and that shrink to one.
import fc from 'fast-check';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { readPerfScript } from '../../src/recording/perf-script.ts';
import type { Recording } from '../../src/recording/perf-script.ts';
import { planReplay } from '../../src/recording/plan.ts';
import type { ReplayPlan } from '../../src/recording/plan.ts';
import { recordingSlice } from '../../src/testing/index.ts';

const file = fileURLToPath(new URL('../recording/recordings/four-threads-one-region.perf.txt.gz', import.meta.url));
let recording: Recording;
beforeAll(async () => {
  recording = await readPerfScript(file);
});

const faultLines = ({ events }: Recording): number[] =>
  events.flatMap((event) => (event.kind === 'fault' ? [event.line] : []));
const replayedLines = (plan: ReplayPlan): number[] =>
  plan.items
    .flat()
    .flatMap((item) => item?.fault?.line ?? [])
    .sort((a, b) => a - b);

it('has faults in a row, all of which are replayed', () => {
  const all = replayedLines(planReplay(recording, 1));
  fc.assert(
    fc.property(recordingSlice(recording, { faults: 30 }), (slice) => {
      const lines = faultLines(slice);
      expect(lines.length).toBeGreaterThanOrEqual(1);
      expect(lines.length).toBeLessThanOrEqual(30);
      const first = all.indexOf(lines[0] ?? -1);
      expect(all.slice(first, first + lines.length)).toEqual(lines);
      expect(replayedLines(planReplay(slice, 2))).toEqual(lines);
    }),
    { numRuns: 30 },
  );
});

it('shrinks to the one fault that matters', () => {
  const lines = replayedLines(planReplay(recording, 1));
  const wanted = lines[Math.floor(lines.length / 2)] ?? -1;
  const { counterexample } = fc.check(
    fc.property(recordingSlice(recording), (slice) => !faultLines(slice).includes(wanted)),
    { examples: [[recording]], numRuns: 1 },
  );
  const [slice] = counterexample ?? [];
  expect(slice === undefined ? [] : faultLines(slice)).toEqual([wanted]);
});

it('refuses a recording of which nothing can be replayed', () => {
  expect(() => recordingSlice({ name: 'empty.txt', lines: 0, events: [] })).toThrow();
});
