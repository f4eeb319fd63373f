// Text for people: times in a unit that suits them, and commands that a shell reads as the words they were made of.
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { shellLine, timeText } from '../../src/report/text.ts';

it.skipIf(process.platform === 'win32')('quotes what a shell would take apart, and only that', () => {
  expect(shellLine(['pagerace', 'run', 'a/b.txt.gz', '--cpus', '4'])).toBe('pagerace run a/b.txt.gz --cpus 4');
  const word = fc.string({ unit: 'binary-ascii', maxLength: 12 }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(fc.array(word, { minLength: 1, maxLength: 30 }), (words) => {
      const { stdout } = spawnSync('sh', ['-c', `printf '%s\\0' ${shellLine(words)}`], { encoding: 'utf8' });
      expect(stdout.split('\0').slice(0, -1)).toEqual(words);
    }),
    { numRuns: 20 },
  );
});

it.each([
  [0, '0 ns'],
  [999.4, '999 ns'],
  [999.6, '1.00 us'],
  [12_345, '12.3 us'],
  [999_499, '999 us'],
  [999_600, '1.00 ms'],
  [2_345_678, '2.35 ms'],
  [3e9, '3.00 s'],
  [1_234_567e6, '1,235 s'],
])('%d ns is %s', (ns, text) => {
  expect(timeText(ns)).toBe(text);
});
