// What the bench reads of other programs, and how it puts runs side by side.
import { expect, it } from 'vitest';
import { checkCpuCounts, median, medianRatio, parsePerfStat } from '../../src/stress/bench.ts';

it('reads the counts of perf stat, and leaves out what could not be counted', () => {
  const text = [
    '524378,,page-faults,1203458124,100.00,,',
    '<not supported>,,lock:contention_begin,0,100.00,,',
    '77,,lock:contention_end,1203458124,100.00,,',
    '',
    'a line of the program itself',
  ].join('\n');
  expect(parsePerfStat(text)).toEqual({ 'page-faults': 524_378, 'lock:contention_end': 77 });
});

it('takes the middle of runs, and of the ratios of runs that followed each other', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(medianRatio([2, 9, 8], [1, 3, 4])).toBe(2);
});

it('refuses numbers of CPUs that it can not run', () => {
  expect(checkCpuCounts([1, 2])).toEqual([1, 2]);
  expect(() => checkCpuCounts([])).toThrow(/^--cpus '' is not possible for a bench/);
  expect(() => checkCpuCounts([0])).toThrow(/^--cpus '0' is not possible/);
});
