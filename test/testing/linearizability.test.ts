// The linearizability checker against all orders tried one after the other, and what it says of a history to people.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SETUP_THREAD, checkLinearizability, linearizabilityText } from '../../src/testing/index.ts';
import type { Executed, History, Model } from '../../src/testing/index.ts';
import { keyOf, shown } from '../../src/testing/value.ts';
import { expectGolden } from '../support/golden.ts';

interface Op {
  readonly name: 'write' | 'read' | 'swap' | 'put' | 'take';
  /** The key of a map's entry; registers and queues have one. */
  readonly key: number;
  readonly value: number;
}
type Result = number | null | undefined;

/** Registers by key: write, read, and a compare-and-swap from 0. */
const registers: Model<Readonly<Record<number, number>>, Op, Result> = {
  init: () => ({}),
  next(state, { name, key, value }) {
    const now = state[key] ?? 0;
    if (name === 'read') return { state, result: now };
    if (name === 'write') return { state: { ...state, [key]: value }, result: undefined };
    return { state: now === 0 ? { ...state, [key]: value } : state, result: now };
  },
};

/** A bag from which any value may be taken: a model with a choice. */
const bag: Model<readonly number[], Op, Result> = {
  init: () => [],
  next(state, { name, value }) {
    if (name === 'put') return { state: [...state, value].sort(), result: undefined };
    if (state.length === 0) return { state, result: null };
    return state.map((result, i) => ({ state: state.toSpliced(i, 1), result }));
  },
};

/** All orders that respect time, tried one after the other, without any memory. */
function bruteForce<S>(history: History<Op, Result>, model: Model<S, Op, Result>, state: S = model.init()): boolean {
  if (history.every(({ returned }) => returned === Infinity)) return true;
  const firstReturn = Math.min(...history.map(({ returned }) => returned));
  return history.some((executed, i) => {
    if (executed.invoked > firstReturn) return false;
    const outcomes = [model.next(state, executed.operation)].flat();
    return outcomes.some(
      (outcome) =>
        (executed.returned === Infinity || outcome.result === executed.result) &&
        bruteForce(history.toSpliced(i, 1), model, outcome.state),
    );
  });
}

/** Small histories of a few threads: intervals of any lengths, results of any kind, some operations pending. */
function anyHistory(
  names: readonly Op['name'][],
  keys: number,
  results: readonly Result[],
): fc.Arbitrary<History<Op, Result>> {
  const operation = fc.record({
    thread: fc.nat(2),
    name: fc.constantFrom(...names),
    key: fc.nat(keys - 1),
    value: fc.integer({ min: 1, max: 2 }),
    result: fc.constantFrom(...results),
    gap: fc.nat(2),
    length: fc.nat(6),
    isPending: fc.nat(7).map((n) => n === 0),
  });
  return fc.array(operation, { maxLength: 7 }).map((all) => {
    const free = [0, 0, 0];
    const pending = [false, false, false];
    return all.flatMap(({ thread, name, key, value, result, gap, length, isPending }): Executed<Op, Result>[] => {
      if (pending[thread]!) return [];
      const invoked = free[thread]! + gap;
      free[thread] = invoked + length + 1;
      pending[thread] = isPending;
      const isVoid = name === 'write' || name === 'put';
      return [
        {
          thread,
          operation: { name, key, value },
          result: isPending || isVoid ? undefined : result,
          invoked,
          returned: isPending ? Infinity : invoked + length,
        },
      ];
    });
  });
}

/** Whether an order is one: none before one that had returned before it began, and what the model allows. */
function isOrder<S>(order: History<Op, Result>, model: Model<S, Op, Result>): boolean {
  const inTime = order.every((one, i) => order.slice(i + 1).every((later) => later.returned >= one.invoked));
  let states = [model.init()];
  for (const { operation, result, returned } of order) {
    const outcomes = states.flatMap((state) => [model.next(state, operation)].flat());
    states = outcomes.filter((outcome) => returned === Infinity || outcome.result === result).map(({ state }) => state);
  }
  return inTime && states.length > 0;
}

const MODELS = [
  { name: 'registers', model: registers, history: anyHistory(['write', 'read', 'swap'], 1, [0, 1, 2]) },
  { name: 'registers in two parts', model: registers, history: anyHistory(['write', 'read', 'swap'], 2, [0, 0, 1]) },
  { name: 'a bag', model: bag, history: anyHistory(['put', 'put', 'take'], 1, [null, 1, 2]) },
];

describe('the checker', () => {
  it.each(MODELS)('agrees with all orders tried one after the other: $name', ({ name, model, history }) => {
    const counts = { held: 0, violated: 0, 'not decided': 0 };
    const partition = name.includes('parts') ? { partition: ({ key }: Op) => String(key) } : {};
    const checkedModel = { ...model, ...partition } as Model<unknown, Op, Result>;
    fc.assert(
      fc.property(history, (events) => {
        const expected = bruteForce(events, model as Model<unknown, Op, Result>);
        const checked = checkLinearizability(events, checkedModel);
        expect(checked.verdict).toBe(expected ? 'held' : 'violated');
        counts[checked.verdict] += 1;
      }),
      { numRuns: 2000 },
    );
    expect(counts.held).toBeGreaterThan(300);
    expect(counts.violated).toBeGreaterThan(300);
  });

  it.each(MODELS)(
    'gives an order that is one, and says what would have been explained: $name',
    ({ model, history }) => {
      const any = model as Model<unknown, Op, Result>;
      fc.assert(
        fc.property(history, (some) => {
          // No two return at once, so that there is one first return that nothing explains.
          const events = some.map((one, i) => ({ ...one, returned: one.returned + i / 100 }));
          const checked = checkLinearizability(events, any);
          if (checked.verdict === 'not decided') throw new Error('not decided');
          expect(isOrder(checked.order, any)).toBe(true);
          if (checked.verdict === 'held') {
            const returned = events.filter((one) => one.returned !== Infinity);
            expect(returned.every((one) => checked.order.includes(one))).toBe(true);
            return;
          }
          for (const { executed, instead } of checked.unexplained) {
            const before = events.filter(({ returned }) => returned < executed.returned);
            expect(before.every((one) => checked.order.includes(one))).toBe(true);
            const prefix = (result: Result): History<Op, Result> =>
              events
                .filter(({ invoked }) => invoked <= executed.returned)
                .map((one) =>
                  one === executed
                    ? { ...one, result }
                    : one.returned > executed.returned
                      ? { ...one, returned: Infinity }
                      : one,
                );
            expect(bruteForce(prefix(executed.result), any)).toBe(false);
            for (const result of [null, 0, 1, 2, undefined]) {
              expect(instead.includes(result)).toBe(bruteForce(prefix(result), any));
            }
          }
        }),
        { numRuns: 500 },
      );
    },
  );

  it('decides long histories of many threads', () => {
    const history: Executed<Op, Result>[] = [];
    for (let i = 0; i < 5000; i++) {
      const operation = (name: Op['name'], value: number): Op => ({ name, key: i % 10, value });
      history.push(
        { thread: 0, operation: operation('write', i), result: undefined, invoked: 10 * i, returned: 10 * i + 8 },
        {
          thread: 1,
          operation: operation('write', i + 1),
          result: undefined,
          invoked: 10 * i + 1,
          returned: 10 * i + 7,
        },
        { thread: 2, operation: operation('read', 0), result: i, invoked: 10 * i + 2, returned: 10 * i + 9 },
      );
    }
    expect(checkLinearizability(history, registers).verdict).toBe('held');
    const parted = { ...registers, partition: ({ key }: Op) => String(key) };
    const checked = checkLinearizability(history, parted);
    expect(checked.verdict).toBe('held');
    const wrong = history.with(-1, { ...history.at(-1)!, result: -1 });
    expect(checkLinearizability(wrong, parted).verdict).toBe('violated');
  });

  it('says that it does not know when its budget is used up', () => {
    const operation = { name: 'put', key: 0, value: 1 } as const;
    const puts = Array.from({ length: 20 }, (_, thread) => ({
      thread,
      operation: { ...operation, value: thread },
      result: undefined,
      invoked: 0,
      returned: 10 + thread,
    }));
    const take = {
      thread: 0,
      operation: { ...operation, name: 'take' },
      result: 99,
      invoked: 50,
      returned: 51,
    } as const;
    expect(checkLinearizability<readonly number[], Op, Result>([...puts, take], bag, { budget: 1000 }).verdict).toBe(
      'not decided',
    );
  });

  it('refuses a model that changes the state it is given, and a history that makes no sense', () => {
    const changing: Model<number[], Op, Result> = {
      init: () => [],
      next(state, { value }) {
        state.push(value);
        return { state, result: undefined };
      },
    };
    const put = {
      thread: 0,
      operation: { name: 'put', key: 0, value: 1 },
      result: undefined,
      invoked: 1,
      returned: 2,
    } as const;
    expect(() => checkLinearizability<number[], Op, Result>([put], changing)).toThrow(
      "the model's next() has changed the state it was given: return a new state instead, for example [...state, value]",
    );
    expect(() => checkLinearizability<readonly number[], Op, Result>([{ ...put, returned: 0 }], bag)).toThrow(
      'operation 0 of the history: thread 0, invoked at 1, returned at 0: give',
    );
  });
});

describe('the text of a history', () => {
  const call = (method: string, ...args: unknown[]) => ({ method, args });
  const queue: Model<readonly number[], ReturnType<typeof call>, Result> = {
    init: () => [],
    next: (state, { method, args }) =>
      method === 'push'
        ? { state: [...state, args[0] as number], result: undefined }
        : { state: state.slice(1), result: state[0] ?? null },
  };
  const at = (
    thread: number,
    operation: ReturnType<typeof call>,
    result: Result,
    invoked: number,
    returned: number,
  ) => ({
    thread,
    operation,
    result,
    invoked,
    returned,
  });
  const first = [
    at(SETUP_THREAD, call('push', 1), undefined, -4, -3),
    at(SETUP_THREAD, call('push', 2), undefined, -2, -1),
  ];

  async function expectText(history: History<ReturnType<typeof call>, Result>, name: string): Promise<void> {
    await expectGolden(linearizabilityText(history, checkLinearizability(history, queue)), name);
  }

  it('of a violation marks what no order explains', async () => {
    await expectText(
      [
        ...first,
        at(0, call('pop'), 1, 0, 5),
        at(1, call('push', 3), undefined, 1, 2),
        at(1, call('pop'), 3, 6, 9),
        at(2, call('push', 5), undefined, 7, Infinity),
        at(0, call('push', 4), undefined, 8, 10),
      ],
      'history-violated',
    );
  });

  it('of one that is linearizable gives an order', async () => {
    await expectText(
      [...first, at(0, call('pop'), 2, 0, 5), at(1, call('pop'), 1, 1, 6), at(1, call('pop'), null, 7, 8)],
      'history-held',
    );
  });

  it('of many threads names the thread in each line', async () => {
    const threads = [0, 1, 2, 3, 4, 5];
    await expectText(
      threads.map((thread) =>
        at(thread, thread < 3 ? call('push', thread) : call('pop'), thread < 3 ? undefined : 7, thread, thread + 8),
      ),
      'history-many-threads',
    );
  });
});

describe('values', () => {
  it('have the same key if and only if they are the same', () => {
    const value = fc.anything({
      withMap: true,
      withSet: true,
      withBigInt: true,
      withTypedArray: true,
      maxDepth: 2,
      withNullPrototype: true,
    });
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(keyOf(structuredClone(a))).toBe(keyOf(a));
        let same = true;
        try {
          expect(a).toStrictEqual(b);
        } catch {
          same = false;
        }
        // What toStrictEqual finds equal has one key, unless it looks away from the order of a map or set.
        if (!same) expect(keyOf(a)).not.toBe(keyOf(b));
      }),
    );
    expect(keyOf({ a: 1, b: [2, undefined, null] })).toBe(keyOf({ b: [2, undefined, null], a: 1 }));
    expect(keyOf(0)).not.toBe(keyOf(-0));
    expect(keyOf(1)).not.toBe(keyOf('1'));
    expect(keyOf(NaN)).toBe(keyOf(NaN));
  });

  it('are refused where nobody can say whether they are the same', () => {
    expect(() => keyOf(new Date(0))).toThrow("a Date in a model's state or a result can't be compared");
    expect(() => keyOf(() => 1)).toThrow("a function in a model's state or a result can't be compared");
  });

  it('are shown as JavaScript writes them', () => {
    expect(shown({ ticket: 1, all: [1, 'a', null, undefined] })).toBe('{ ticket: 1, all: [1, "a", null, undefined] }');
    expect(shown(new Date(0))).toMatch(/1970/);
  });
});
