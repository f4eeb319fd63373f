// Links of the lab: whatever is shown comes back, and whatever is not a link is refused in one sentence.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MEMORY_MODELS } from '../../src/explore/program.ts';
import { LESSONS, SCENARIOS } from '../../src/explore/scenarios.ts';
import { DEFENCES } from '../../src/kernel/defences.ts';
import { LOCKING_DESIGNS } from '../../src/kernel/mm/flags.ts';
import { LEVELS } from '../../src/lab/model/levels.ts';
import { planOf } from '../../src/lab/model/plan.ts';
import { MODES, Session } from '../../src/lab/model/session.ts';
import type { Shown } from '../../src/lab/model/session.ts';
import { MAX_TITLE, decodeLink, encodeLink } from '../../src/lab/model/share.ts';
import { UsageError } from '../../src/machine/usage-error.ts';

const plans = fc.constantFrom(...SCENARIOS, ...LESSONS).chain(({ name, cpus }) =>
  fc
    .record({
      cpus: fc.constantFrom(...cpus),
      locking: fc.constantFrom(...LOCKING_DESIGNS.map((design) => design.name)),
      without: fc.subarray(DEFENCES.map((defence) => defence.name)),
      memoryModel: fc.constantFrom(...MEMORY_MODELS),
    })
    .map((options) => planOf({ scenario: name, ...options })),
);
const turns = fc.array(
  fc.tuple(fc.nat(3), fc.option(fc.nat(99_999), { nil: undefined }), fc.integer({ min: 1, max: 999 })),
  { minLength: 1, maxLength: 30 },
);
const tokens = turns.map((list) =>
  list
    .map(([cpu, word, steps]) => `${String(cpu)}${word === undefined ? '' : `w${String(word)}`}:${String(steps)}`)
    .join(','),
);
const titles = fc.string({ unit: 'grapheme', maxLength: 60 }).filter((title) => title.length <= MAX_TITLE);
const states: fc.Arbitrary<Shown> = fc.record({
  plan: plans,
  token: fc.option(tokens, { nil: undefined }),
  cursor: fc.nat(20_000),
  mode: fc.constantFrom(...MODES),
  title: titles,
  level: fc.option(fc.constantFrom(...LEVELS.map(({ id }) => id)), { nil: undefined }),
});

describe('a link', () => {
  it('says all that is shown', () => {
    fc.assert(
      fc.property(states, (shown) => {
        const link = encodeLink(shown);
        expect(decodeLink(`#${link}`)).toEqual(shown);
        // What browsers, mail programs and chats leave alone.
        expect(link).toMatch(/^[\w.:,=&%-]+$/);
      }),
      { numRuns: 200 },
    );
  });

  it('leads a session back to where another stands', () => {
    const session = new Session(planOf({ scenario: 'first-touch', without: ['ptl'] }));
    for (const name of ['0', '1', '1', '0', '1']) session.choose(name);
    session.setTitle('what, then? (100 %)');
    session.setMode('schedule');
    session.goTo(20);
    const other = new Session(planOf({ scenario: 'cow' }));
    other.show(decodeLink(encodeLink(session.shown))!);
    expect(other.shown).toEqual(session.shown);
    expect(other.steps.map(({ text }) => text)).toEqual(session.steps.map(({ text }) => text));
  });

  it('with a level alone is that level, from its beginning', () => {
    for (const { id, plan, mode } of LEVELS) {
      expect(decodeLink(`#v=1&level=${id}`)).toEqual({
        plan,
        token: undefined,
        cursor: 0,
        mode,
        title: '',
        level: id,
      });
    }
  });

  it.each(['', '#', '#v=1'])("of '%s' says nothing", (fragment) => {
    expect(decodeLink(fragment)).toBeUndefined();
  });

  it('cuts a title that is too long, and mends half a character', () => {
    const shown = { ...new Session(planOf({ scenario: 'cow' })).shown, title: `\ud83d${'x'.repeat(MAX_TITLE)}` };
    expect(decodeLink(encodeLink(shown))?.title).toBe(`\ufffd${'x'.repeat(MAX_TITLE - 1)}`);
  });
});

const bad: [what: string, fragment: string, says: RegExp][] = [
  ['no version', 'scenario=first-touch', /no version: .*#v=1/],
  ['an unknown version', 'v=2&scenario=first-touch', /version '2'.*reads version 1/],
  ['an unknown field', 'v=1&scenario=first-touch&cpu=2', /'cpu'.*did you mean 'cpus'/],
  ['a field twice', 'v=1&scenario=cow&scenario=rss', /'scenario' twice/],
  ['an empty field', 'v=1&scenario=', /'scenario' is empty/],
  ['no field at all', 'hello', /'hello' is not field=value/],
  ['what can not be decoded', 'v=1&scenario=cow&title=%E0%A4', /'title' can't be decoded/],
  ['an unknown scenario', 'v=1&scenario=first-tuch', /'first-tuch' is not known.*first-touch/],
  ['options without a scenario', 'v=1&cpus=2', /no scenario for its field 'cpus'/],
  ['nothing to show', 'v=1&at=3', /no scenario/],
  ['too many CPUs', 'v=1&scenario=retract&cpus=9', /for 2 CPUs, not 9/],
  ['CPUs that are no number', 'v=1&scenario=cow&cpus=two', /'cpus' is 'two'/],
  ['a cursor that is none', 'v=1&scenario=cow&at=-1', /'at' is '-1'/],
  ['a huge cursor', `v=1&scenario=cow&at=${'9'.repeat(400)}`, /'at' is '9{40}…'/],
  ['an unknown defence', 'v=1&scenario=cow&without=ptk', /'ptk' is not known.*ptl/],
  ['an unknown locking design', 'v=1&scenario=cow&locking=splt', /'splt' is not known.*split/],
  ['an unknown memory model', 'v=1&scenario=cow&model=tos', /'tos' is not known.*tso/],
  ['an unknown mode', 'v=1&scenario=cow&mode=look', /'look' is not known.*watch/],
  ['an unknown level', 'v=1&level=no-lok', /'no-lok'.*did you mean 'no-lock'/],
  ['a token that is none', 'v=1&scenario=cow&s=0:x', /is no schedule token/],
  ['a title that is too long', `v=1&scenario=cow&title=${'x'.repeat(300)}`, /300 characters/],
  ['a link without an end', `v=1&scenario=cow&title=${'x'.repeat(600_000)}`, /longer than 500000/],
];

describe('what is no link is refused in one sentence:', () => {
  it.each(bad)('%s', (_what, fragment, says) => {
    const read = (): unknown => decodeLink(`#${fragment}`);
    expect(read).toThrow(UsageError);
    expect(read).toThrow(says);
  });

  it('a damaged one never does anything worse', () => {
    const whole = encodeLink({ ...new Session(planOf({ scenario: 'cow' })).shown, title: 'a b', token: '0:4,1:6' });
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(5), fc.string({ maxLength: 5 }), (at, cut, put) => {
        try {
          decodeLink(whole.slice(0, at) + put + whole.slice(at + cut));
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
    );
  });

  it.each([
    ['made for something else', 's=0:4.zzzzz', /another version/],
    ['that nobody can follow', 's=0:4000', /can't be followed/],
    ['that ends before the cursor', 's=0:4&at=5', /no step 5: the schedule has 4 steps/],
  ])('a schedule %s, and nothing that was shown is lost', (_what, fields, says) => {
    const session = new Session(planOf({ scenario: 'first-touch' }));
    session.choose('1');
    const before = session.shown;
    const shown = decodeLink(`v=1&scenario=cow&${fields}`)!;
    expect(() => {
      session.show(shown);
    }).toThrow(says);
    expect(session.shown).toEqual(before);
  });
});
