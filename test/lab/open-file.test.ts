// Files that the lab opens, and those that it does not: one sentence each.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exploreTarget, targetNamed } from '../../src/explore/target.ts';
import { MAX_FILE, checkSize, openables } from '../../src/lab/model/open-file.ts';
import { Session } from '../../src/lab/model/session.ts';
import { planOf } from '../../src/lab/model/plan.ts';
import { UsageError } from '../../src/machine/usage-error.ts';
import { explorationDocument } from '../../src/report/exploration-text.ts';
import { RESULTS_KIND } from '../../src/stress/results.ts';

function exploration(without: string[]): object {
  const asked = { name: 'first-touch', options: { without } };
  return explorationDocument(asked, exploreTarget(targetNamed(asked.name, asked.options)), undefined);
}
const failing = exploration(['ptl']);
const point = {
  workload: 'same-page',
  locking: 'split',
  without: ['ptl'],
  counterexample: { scenario: 'first-touch', token: '0:79,1:87,0:8.whlf5', message: 'lost store' },
};
const sweep = (...points: object[]): object => ({ kind: RESULTS_KIND, version: 1, points });

describe('opens', () => {
  it.each([
    ['what explore --json wrote', failing, 1],
    ['a list of them, as why --json writes it', [failing, exploration([]), failing], 2],
    ['what stress --json wrote', sweep(point, { ...point, counterexample: undefined }, { ...point, locking: 'mm' }), 2],
  ])('%s', (_what, value, count) => {
    const found = openables('a.json', JSON.stringify(value));
    expect(found).toHaveLength(count);
    const session = new Session(planOf({ scenario: 'cow' }));
    session.show(found[0]!.shown);
    expect(session.outcome?.complaint?.judge).toBe('I13');
    expect(session.plan).toMatchObject({ scenario: 'first-touch', without: ['ptl'] });
  });
});

const text = (value: unknown): string => JSON.stringify(value);
const bad: [what: string, text: string, says: RegExp][] = [
  ['no JSON', '{"format":', /a\.json is not JSON, or cut off/],
  ['a text', 'hello', /is not JSON/],
  ['another JSON', '{"a":1}', /is not a file of pagerace/],
  ['null', 'null', /is not a file of pagerace/],
  ['an empty list', '[]', /has no failure in it/],
  ['an unknown version', text({ ...failing, version: 2 }), /has version 2, and this page reads version 1/],
  ['no context', text({ ...failing, context: undefined }), /its field context is not what it should be/],
  ['a context that is damaged', text({ ...failing, context: { scenario: 7 } }), /its field context\.scenario/],
  ['defences that are no list', text({ ...failing, context: { scenario: 'cow', without: 'ptl' } }), /context\.without/],
  ['a token that is none', text({ ...failing, token: 5 }), /its field token/],
  ['an unknown scenario', text({ ...failing, context: { scenario: './mine.mjs' } }), /'\.\/mine\.mjs' is not known/],
  ['another lock', text({ ...failing, context: { scenario: 'cow', lock: 'ticket' } }), /--lock ticket/],
  ['an exploration that held', text(exploration([])), /has no failure in it/],
  ['a sweep that held', text(sweep({ ...point, counterexample: undefined })), /has no failure in it/],
  ['a sweep of another version', text({ ...sweep(point), version: 9 }), /has version 9/],
  ['a damaged sweep', text(sweep({ ...point, without: 3 })), /its field points\.0\.without/],
];

describe('refuses in one sentence', () => {
  it.each(bad)('%s', (_what, content, says) => {
    const open = (): unknown => openables('a.json', content);
    expect(open).toThrow(UsageError);
    expect(open).toThrow(says);
  });

  it('whatever else there is', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom('format', 'kind', 'context', 'failure', 'token'), (json, field) => {
        for (const content of [json, text({ ...failing, [field]: JSON.parse(json) as unknown })]) {
          try {
            openables('a.json', content);
          } catch (error) {
            expect(error).toBeInstanceOf(UsageError);
          }
        }
      }),
    );
  });

  it('a file of 1 GB, and an empty one, before they are read', () => {
    expect(() => {
      checkSize('huge.json', 1024 ** 3);
    }).toThrow(/huge\.json has 1024 MiB, and at most 64 are read/);
    expect(() => {
      checkSize('none.json', 0);
    }).toThrow(/is empty/);
    expect(() => {
      checkSize('fits.json', MAX_FILE);
    }).not.toThrow();
  });
});
