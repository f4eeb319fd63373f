// The campaign: every level can be won as it says, and what is kept of it survives what stores do.
import { describe, expect, it } from 'vitest';
import { DEFENCES } from '../../src/kernel/defences.ts';
import {
  Progress,
  checkClaim,
  isPlayed,
  isReached,
  leaveCampaign,
  openLevel,
  showSolution,
} from '../../src/lab/model/campaign.ts';
import type { TextStore } from '../../src/lab/model/campaign.ts';
import { LEVELS, levelNamed } from '../../src/lab/model/levels.ts';
import type { Level } from '../../src/lab/model/levels.ts';
import { planOf } from '../../src/lab/model/plan.ts';
import { Session } from '../../src/lab/model/session.ts';

/** Levels that say so: what is looked for there comes without anybody being interrupted. */
const NEEDS_NO_PREEMPTION = ['lucky', 'dontneed', 'reaper'];

describe.each(LEVELS.map((level): [string, Level] => [level.id, level]))('level %s', (_id, level) => {
  it('is won by its own schedule', () => {
    const session = new Session(planOf({ scenario: 'cow' }));
    showSolution(session, level);
    const { outcome } = session;
    expect(outcome).toBeDefined();
    expect(session.token()).toBe(level.schedule);
    const { goal } = level;
    if (goal.kind === 'claim') {
      expect(outcome).toEqual({ complaint: undefined, findings: [] });
      expect(checkClaim(level.plan)).toMatchObject({ isRight: true });
    } else expect(isReached(goal, outcome!)).toBe(true);
  });

  it('is not won by letting each CPU go as far as it can, unless that is all it takes', () => {
    const session = new Session(planOf({ scenario: 'cow' }));
    openLevel(session, level);
    expect(session.length).toBe(0);
    session.runOn();
    expect(isReached(level.goal, session.outcome!)).toBe(NEEDS_NO_PREEMPTION.includes(level.id));
  });

  it('asks what has one right answer, and says where v6.8 stands', () => {
    expect(level.answers.filter(({ isRight }) => isRight)).toHaveLength(1);
    expect(level.answers.length).toBeGreaterThan(1);
    const known = DEFENCES.some(({ name }) => name === level.defence);
    expect(known || (level.where !== undefined && level.evidence !== undefined)).toBe(true);
  });
});

it('has levels with names of their own, and says so where one is not known', () => {
  expect(new Set(LEVELS.map(({ id }) => id)).size).toBe(LEVELS.length);
  expect(() => levelNamed('no-lok')).toThrow("did you mean 'no-lock'");
});

it('does not take a claim that is wrong', () => {
  const { isRight, says } = checkClaim(levelNamed('no-ptl').plan);
  expect(isRight).toBe(false);
  expect(says).toContain('lost store');
});

it('goes on from a level with all that is shown', () => {
  const session = new Session(planOf({ scenario: 'cow' }));
  const level = levelNamed('no-ptl');
  openLevel(session, level);
  session.choose('1');
  const { shown } = session;
  leaveCampaign(session);
  expect(session.shown).toEqual({ ...shown, level: undefined });
  expect(isPlayed(level, session.plan)).toBe(true);
  session.toggleDefence('ptl');
  expect(isPlayed(level, session.plan)).toBe(false);
});

describe('progress', () => {
  const kept = (text: string | null): TextStore & { text: string | null } => ({
    text,
    getItem() {
      return this.text;
    },
    setItem(_key, value) {
      this.text = value;
    },
  });

  it('is found again', () => {
    const store = kept(null);
    new Progress(store).add('no-lock');
    const again = new Progress(store);
    expect([again.isDone('no-lock'), again.isDone('no-ptl'), again.count]).toEqual([true, false, 1]);
  });

  it.each(['', '{', '[]', '7', '{"version":2,"done":["no-lock"]}', '{"version":1,"done":"no-lock"}', '{"version":1}'])(
    "begins anew where the store holds '%s'",
    (text) => {
      expect(new Progress(kept(text)).count).toBe(0);
    },
  );

  it('drops levels that there are no longer', () => {
    expect(new Progress(kept('{"version":1,"done":["gone","no-lock",3]}')).count).toBe(1);
  });

  it('goes on without a store, or with one that throws', () => {
    const fails = (): never => {
      throw new Error('denied');
    };
    for (const store of [undefined, { getItem: fails, setItem: fails }]) {
      const progress = new Progress(store);
      progress.add('no-lock');
      expect(progress.isDone('no-lock')).toBe(true);
    }
  });
});
