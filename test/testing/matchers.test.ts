// The matchers: what passes, what does not, and what is said then.
import { describe, expect, it } from 'vitest';
import '../../src/testing/vitest.ts';
import { explore } from '../../src/explore/explore.ts';
import { programOf } from '../../src/explore/subject-spec.ts';
import { scenarioNamed, specOf } from '../../src/explore/scenarios.ts';
import { judge } from '../../src/check/verdict.ts';
import { boot } from '../../src/machine/boot.ts';
import type { Machine } from '../../src/machine/boot.ts';
import { preemptingChooser } from '../../src/machine/stepped.ts';
import type { SteppedOutcome } from '../../src/machine/stepped.ts';
import { exploreCase } from '../../src/testing/index.ts';
import type { RaceCase } from '../../src/testing/index.ts';
import { expectGolden } from '../support/golden.ts';

const { setup, programs } = specOf(scenarioNamed('first-touch'));
const right: RaceCase = { setup, programs };
const broken: RaceCase = { setup, programs, config: { without: ['pte_recheck'] } };
const ADDR = 0x75e52fc77000;

/** A machine after two CPUs have raced for a page, one preempted where it hurts if there is no recheck. */
function raced(without: readonly string[]): { machine: Machine; outcome: SteppedOutcome; parts: unknown[] } {
  for (let at = 1; at < 300; at++) {
    const machine = boot({ cpus: 2, memory: 1024 * 1024, maxVmas: 16, without });
    const before = machine.runHere(setup, 0, true);
    const outcome = machine.runStepped(programs, preemptingChooser(0, [{ at, to: 1 }]), true);
    const after = machine.runHere(
      [
        { op: 'load', addr: ADDR },
        { op: 'load', addr: ADDR + 4 },
      ],
      0,
      true,
    );
    const lost = [0, 1].some((i) => after.values[i] !== i + 1);
    if (lost || (without.length === 0 && at === 100))
      return { machine, outcome, parts: [before, ...outcome.cpus, after] };
  }
  throw new Error('raced: no preemption does it');
}

/** What an expectation that is not met says. */
function saidBy(expectation: () => void): string {
  try {
    expectation();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error('the expectation was met');
}

describe('a machine that is right', () => {
  const { machine, outcome, parts } = raced([]);

  it('is what is expected, and not the opposite', () => {
    expect(machine).toHoldInvariants();
    expect(parts).toHaveLostNoStores();
    expect(outcome).toHaveLostNoStores();
    expect(machine).toLeakNothing();
    expect(machine).toLeakNothing();
  });

  it('says what it is where the opposite is expected', async () => {
    const said = [
      saidBy(() => {
        expect(machine).not.toHoldInvariants();
      }),
      saidBy(() => {
        expect(parts).not.toHaveLostNoStores();
      }),
      saidBy(() => {
        expect(machine).not.toLeakNothing();
      }),
    ];
    await expectGolden(said.join('\n\n'), 'matchers-right');
  });
});

describe('neg: a machine that is broken', () => {
  it('says what is broken', async () => {
    const { machine, parts } = raced(['pte_recheck']);
    expect(machine).not.toHoldInvariants();
    expect(parts).not.toHaveLostNoStores();
    const said = [
      saidBy(() => {
        expect(machine).toHoldInvariants();
      }),
      saidBy(() => {
        expect(parts).toHaveLostNoStores();
      }),
      saidBy(() => {
        expect(machine).toLeakNothing();
      }),
    ];
    expect(machine).not.toLeakNothing();
    await expectGolden(said.join('\n\n'), 'matchers-broken');
  });
});

describe('explorations', () => {
  const held = exploreCase(right, { schedules: 'all', judges: [] });
  const violated = exploreCase(broken, { strategy: 'bounded' });
  const undecided = exploreCase(right, { schedules: 3, strategy: 'bounded' });

  it('hold, or are violated', () => {
    expect(held).toHold();
    expect(held).not.toBeViolated();
    expect(violated).toBeViolated();
    expect(violated).toBeViolated(violated.failure?.judge);
    expect(violated).not.toBeViolated('I12');
    expect(violated).not.toHold();
    expect(undecided).not.toHold();
    expect(undecided).not.toBeViolated();
  });

  it('say what came of them', async () => {
    const said = [
      saidBy(() => {
        expect(violated).toHold();
      }),
      saidBy(() => {
        expect(undecided).toHold();
      }),
      saidBy(() => {
        expect(held).not.toHold();
      }),
      saidBy(() => {
        expect(violated).toBeViolated('I12');
      }),
      saidBy(() => {
        expect(held).toBeViolated();
      }),
    ];
    await expectGolden(said.join('\n\n'), 'matchers-explorations');
  });

  it('may be verdicts, of machines', () => {
    const { machine, outcome } = raced([]);
    expect(judge(machine, outcome, { exit: true })).toHold();
    const { machine: bad, outcome: how } = raced(['pte_recheck']);
    expect(judge(bad, how, { exit: true })).toBeViolated('I2');
  });
});

describe('toReplay', () => {
  const token = exploreCase(broken, { strategy: 'bounded' }).failure?.token ?? '';

  it('follows tokens of cases and of programs', () => {
    expect(broken).toReplay(token);
    expect(broken).toReplay(token, 'I13');
    expect(broken).toReplay(token, 'I2');
    expect(broken).not.toReplay(token, 'I12');
    expect(right).not.toReplay(token);
    const program = programOf({ name: 'lost-update', size: 2 });
    expect(program).toReplay(explore(program).failure?.token ?? '');
  });

  it('says why one does not replay', async () => {
    const said = [
      saidBy(() => {
        expect(right).toReplay(token.replace(/\..*/, ''));
      }),
      saidBy(() => {
        expect(right).toReplay(token);
      }),
      saidBy(() => {
        expect(broken).toReplay(token, 'I12');
      }),
      saidBy(() => {
        expect(broken).not.toReplay(token);
      }),
    ];
    await expectGolden(said.join('\n\n'), 'matchers-replay');
  });
});

describe('mistakes', () => {
  it.each([
    [
      (): void => {
        expect(7).toHoldInvariants();
      },
      'toHoldInvariants is about a machine: give one, for example expect(boot()).toHoldInvariants()',
    ],
    [
      (): void => {
        expect({}).toHold();
      },
      'toHold is about an exploration or a verdict: give one, for example expect(explore(program)).toHold()',
    ],
    [
      (): void => {
        expect(boot({ memory: 1024 * 1024 })).toHaveLostNoStores();
      },
      'toHaveLostNoStores is about what runs gave that kept a history: give one, for example expect(await machine.run(programs, { history: true })).toHaveLostNoStores()',
    ],
    [
      (): void => {
        expect([boot({ memory: 1024 * 1024 }).runHere([])]).toHaveLostNoStores();
      },
      'toHaveLostNoStores needs a history of loads and stores: keep one, for example machine.run(programs, { history: true })',
    ],
    [
      (): void => {
        expect('case').toReplay('0:1');
      },
      "toReplay is about a case or a program: give one, for example expect({ setup, programs }).toReplay('0:4,1:6')",
    ],
  ])('are told in one sentence, negated or not (%#)', (expectation, sentence) => {
    expect(expectation).toThrow(sentence);
  });
});
