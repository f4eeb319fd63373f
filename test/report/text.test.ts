// A command that is printed can be typed: a shell reads the words that it was made of.
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { shellLine } from '../../src/report/text.ts';

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
