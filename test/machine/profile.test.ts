// The profile of one call: what ran inside, and nothing of what ran around it.
import type { Profiler } from 'node:inspector';
import { expect, it } from 'vitest';
import { profiled, selfTimes } from '../../src/machine/profile.ts';

function spinFor(milliseconds: number): number {
  const end = performance.now() + milliseconds;
  let turns = 0;
  while (performance.now() < end) turns += 1;
  return turns;
}

it('gives what the call gives, and finds where its time went', () => {
  const { result, times } = profiled(() => spinFor(100));
  expect(result).toBeGreaterThan(0);
  // V8's own work has no source, and a sample of it is as long as the machine kept the thread waiting.
  expect(times.find(({ url }) => url !== '')?.name).toBe(spinFor.name);
});

it('lets errors of the call through, and can be used again', () => {
  expect(() =>
    profiled(() => {
      throw new Error('broken');
    }),
  ).toThrow('broken');
  expect(profiled(() => 1).result).toBe(1);
});

it('sums samples under the call by function, the longest first', () => {
  const frame = (functionName: string, url: string): Profiler.ProfileNode['callFrame'] => ({
    functionName,
    url,
    scriptId: '0',
    lineNumber: 0,
    columnNumber: 0,
  });
  const profile: Profiler.Profile = {
    startTime: 0,
    endTime: 100,
    nodes: [
      { id: 1, callFrame: frame('(root)', ''), children: [2, 3] },
      { id: 2, callFrame: frame('dispatch', '') },
      { id: 3, callFrame: frame('measured', 'profile.js'), children: [4, 5] },
      { id: 4, callFrame: frame('a', 'a.js'), children: [6] },
      { id: 5, callFrame: frame('b', 'b.js') },
      { id: 6, callFrame: frame('b', 'b.js') },
    ],
    samples: [2, 4, 5, 6, 1],
    timeDeltas: [50, 10, 4, 7, 9],
  };
  expect(selfTimes(profile)).toEqual([
    { name: 'b', url: 'b.js', microseconds: 11 },
    { name: 'a', url: 'a.js', microseconds: 10 },
  ]);
});
