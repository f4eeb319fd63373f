// Results files are checked to the last field: what is right comes through as it is, what is wrong is one sentence.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/machine/usage-error.ts';
import { parseJson } from '../../../src/report/stress/fields.ts';
import { checkResults } from '../../../src/report/stress/schema.ts';
import type { StressResults } from '../../../src/stress/results.ts';
import { stressResults } from '../../support/stress-results.ts';

const parseResults = (content: string, file: string): StressResults => checkResults(parseJson(content, file), file);

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const small = (): Json =>
  JSON.parse(JSON.stringify(stressResults({ workloads: ['same-page'], designs: ['none'], cpus: [1, 2] }))) as Json;

/** Every place of a document that holds a single value. */
function leaves(value: Json, path: readonly string[] = []): (readonly string[])[] {
  if (value === null || typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
}

/** The document with another value in one place; undefined takes it away. */
function changed(document: Json, path: readonly string[], to: Json | undefined): Json {
  const copy = structuredClone(document) as Record<string, Json>;
  const last = path.at(-1)!;
  const parent = path.slice(0, -1).reduce((at, key) => at[key] as Record<string, Json>, copy);
  if (to === undefined) Reflect.deleteProperty(parent, last);
  else parent[last] = to;
  return copy;
}

function complaint(content: string): string {
  try {
    parseResults(content, 'sweep.json');
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    const { message } = error as UsageError;
    expect(message).toMatch(/^sweep\.json .*for example .*\.$/);
    expect(message).not.toMatch(/[\n\r]/);
    return message;
  }
  throw new Error('nothing was wrong with it');
}

const text = (path: string, to: Json | undefined): string => JSON.stringify(changed(small(), path.split('.'), to));

describe('parseResults', () => {
  it('takes what a sweep writes as it is, and leaves out what it does not know', () => {
    const results = stressResults();
    expect(parseResults(JSON.stringify(results), 'sweep.json')).toEqual(results);
    const more = { ...results, later: { deep: [1, 2] } };
    expect(parseResults(JSON.stringify(more), 'sweep.json')).toEqual(results);
  });

  it('refuses a value of another type, wherever it stands', () => {
    const document = small();
    const places = leaves(document).filter(([first]) => first !== 'kind' && first !== 'version');
    const wrong = (value: unknown): Json[] => [null, {}, [], true, typeof value === 'string' ? 7 : 'seven'];
    const valueAt = (path: readonly string[]): unknown =>
      path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], document);
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.nat({ max: 4 }), (path, which) => {
        const to = wrong(valueAt(path))[which]!;
        expect(complaint(JSON.stringify(changed(document, path, to)))).toMatch(/sweep\.json can't be used, since /);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['an empty file', '', /is empty/],
    ['a file of blanks', ' \n\t', /is empty/],
    ['no JSON', 'workload,cpus\nsame-page,2\n', /is not JSON/],
    ['cut JSON', JSON.stringify(stressResults()).slice(0, 5000), /is not JSON/],
    [
      'NaN',
      '{"kind": "pagerace stress results", "version": 1, "seconds": NaN}',
      /has NaN or Infinity where a number belongs/,
    ],
    ['JSON of another tool', '{"results": [{"command": "sleep 1", "mean": 1}]}', /does not say that it is/],
    ['a list', '[]', /does not say that it is/],
    ['a number', '7', /does not say that it is/],
    ['null', 'null', /does not say that it is/],
    ['another kind', '{"kind": "pagerace stress report", "version": 1}', /its kind is 'pagerace stress report', not/],
    ['a later version', text('version', 2), /has results of version 2, and this pagerace reads version 1/],
    ['a version that is none', text('version', 'new'), /has results of no known version/],
    ['no point', text('points', []), /points is empty: nothing was measured/],
    [
      'a number that was NaN',
      text('points.1.faultsPerSecond', null),
      /points\[1\]\.faultsPerSecond is null, and what could/,
    ],
    ['a missing number', text('points.0.rounds.2.seconds', undefined), /points\[0\]\.rounds\[2\]\.seconds is missing/],
    ['a text for a number', text('host.cores', 'two'), /host\.cores is "two", and must be number/],
    ['a negative rate', text('points.0.faultsPerSecond', -1), /points\[0\]\.faultsPerSecond is negative/],
    ['half a fault', text('points.0.rounds.0.faults', 0.5), /rounds\[0\]\.faults is not a whole number/],
    ['no CPU', text('points.0.cpus', 0), /points\[0\]\.cpus is less than 1/],
    [
      'a figure of a CPU that is not there',
      text('points.0.rounds.0.perCpu', [1, 2]),
      /points\[0\] has a round with figures of more/,
    ],
    [
      'an unknown verdict',
      text('points.0.verdict', 'fine'),
      /points\[0\]\.verdict is "fine", and must be .*"violated"/,
    ],
    [
      'bounds without counts',
      text('points.0.latency.histogram.counts', [1]),
      /histogram has not as many counts as bounds/,
    ],
    [
      'bounds that fall',
      text('points.0.latency.histogram', { upToNs: [9, 7], counts: [1, 1] }),
      /bounds that do not ascend/,
    ],
    ['percentiles that fall', text('points.0.latency.p999Ns', 1), /latency has percentiles that do not ascend/],
    ['a date that is none', text('started', 'yesterday'), /started is not a date/],
    [
      'the same point twice',
      text('points.1.cpus', 1).replace(/"perCpu":\[(\d+),\d+\]/g, '"perCpu":[$1]'),
      /measures the same twice/,
    ],
  ])('says what is wrong: %s', (_name, content, says) => {
    expect(complaint(content)).toMatch(says);
  });

  it('says that a number is too large to be one', () => {
    expect(complaint(text('seconds', 12345).replace('12345', '1e999'))).toMatch(/seconds is not finite/);
  });

  it('takes control characters and marks of direction out of text, so that no terminal obeys them', () => {
    const odd = 'a\u001b[31mred\u0007\n\u202eb';
    const { points } = parseResults(text('points.0.workload', odd), 'sweep.json');
    expect(points[0]!.workload).toBe('a [31mred b');
  });
});
