// Is a history of operations linearizable: did a concurrent object do what its sequential model could have done, each
// operation at one moment between its invocation and its return?
//
// The search is that of src/check/linearize.ts. A model may part operations that have nothing to do with each other
// (keys of a map): a history is linearizable exactly if the history of each part is (Herlihy and Wing, 1990), and
// parts are decided one by one.
import { linearize } from '../check/linearize.ts';
import type { Interval, Specification } from '../check/linearize.ts';
import { UsageError } from '../machine/usage-error.ts';
import { keyOf, same } from './value.ts';

/** What an operation can do in a state. */
export interface Outcome<S, R> {
  readonly state: S;
  readonly result: R;
}

/** A sequential object. Its functions have no side effects: `next` returns a new state, and leaves the old as it is. */
export interface Model<S, Op, R> {
  init(): S;
  /** What an operation does in a state; of several outcomes any is allowed, of none (an empty array) it can't run. */
  next(state: S, operation: Op): Outcome<S, R> | readonly Outcome<S, R>[];
  /** Two states with the same key are the same; if not given, states with the same content are. */
  key?(state: S): string;
  /** Whether a result that was seen is one that is allowed; if not given, it must have the same content. */
  equals?(seen: R, allowed: R): boolean;
  /** The part of the object that an operation is about; operations of different parts must not influence each other. */
  partition?(operation: Op): string;
}

/** The number of the thread that sets an object up, before all others begin. */
export const SETUP_THREAD = -1;

/** One operation as it was seen. It comes before another if it `returned` earlier than the other was `invoked`. */
export interface Executed<Op, R> extends Interval {
  /** From 0; SETUP_THREAD for what came before the threads. */
  readonly thread: number;
  readonly operation: Op;
  /** Undefined for one that has not returned, for which `returned` is Infinity. */
  readonly result: R | undefined;
}

export type History<Op, R> = readonly Executed<Op, R>[];

/** An operation that no order explains, and the results that would have been explained instead. */
export interface Unexplained<Op, R> {
  readonly executed: Executed<Op, R>;
  readonly instead: readonly R[];
}

/** What a check came to. `visited`: states that the search looked at. */
export type Linearizability<Op, R> = { readonly visited: number } & (
  | { readonly verdict: 'held'; readonly order: History<Op, R> }
  | {
      readonly verdict: 'violated';
      /**
       * An order of the longest beginning that has one: of all that had returned before an unexplained operation did.
       * What was running then is pending in it.
       */
      readonly order: History<Op, R>;
      /** The first operation that no order explains; one for each part of the object where there is one. */
      readonly unexplained: readonly Unexplained<Op, R>[];
    }
  | { readonly verdict: 'not decided' }
);

/** States that one check may visit if nothing else is said: a second or two. */
const DEFAULT_BUDGET = 200_000;
/** Results that are tried in the place of one that no order explains. */
const MAX_TRIED = 16;

/**
 * Searches for an order of the operations that the model allows. Pending operations may have taken effect or not.
 * Throws a UsageError for a history or a model that makes no sense. `budget`: states to look at, at most.
 */
export function checkLinearizability<S, Op, R>(
  history: History<Op, R>,
  model: Model<S, Op, R>,
  { budget = DEFAULT_BUDGET }: { readonly budget?: number } = {},
): Linearizability<Op, R> {
  checkHistory(history);
  const specification = new ModelSpecification(model);
  const orders: History<Op, R>[] = [];
  const unexplained: Unexplained<Op, R>[] = [];
  let visited = 0;
  let decided = true;
  for (const part of partsOf(history, model)) {
    const result = linearize(part, specification, budget - visited);
    visited += result.visited;
    if (result.kind === 'not decided') decided = false;
    if (result.kind === 'held') orders.push(result.order);
    if (result.kind !== 'violated') continue;
    const found = cut(part, result.operation, specification, budget);
    orders.push(found.order);
    unexplained.push(found.unexplained);
  }
  if (unexplained.length > 0) return { verdict: 'violated', order: merged(orders), unexplained, visited };
  return decided ? { verdict: 'held', order: merged(orders), visited } : { verdict: 'not decided', visited };
}

function checkHistory(history: History<unknown, unknown>): void {
  for (const [i, { invoked, returned, thread }] of history.entries()) {
    if (Number.isInteger(thread) && invoked <= returned) continue;
    throw new UsageError(
      `operation ${String(i)} of the history: thread ${String(thread)}, invoked at ${String(invoked)}, returned at ${String(returned)}: give a thread's number and times of which the first is not the later, for example thread 0, invoked at 1, returned at 2`,
    );
  }
}

function partsOf<S, Op, R>(history: History<Op, R>, model: Model<S, Op, R>): Iterable<History<Op, R>> {
  if (model.partition === undefined) return [history];
  const parts = new Map<string, Executed<Op, R>[]>();
  for (const executed of history) {
    const name = model.partition(executed.operation);
    const part = parts.get(name);
    if (part === undefined) parts.set(name, [executed]);
    else part.push(executed);
  }
  return parts.values();
}

/** How many steps of each model were watched for changes of the state that they were given, and how many are at most. */
const watched = new WeakMap<object, number>();
const WATCHED_STEPS = 1000;

/** A model, as what operations were seen to do. */
class ModelSpecification<S, Op, R> implements Specification<Executed<Op, R>, S> {
  readonly initial: S;
  private readonly model: Model<S, Op, R>;
  /** Set while results are collected that the model allows `asked`. */
  asked: Executed<Op, R> | undefined = undefined;
  readonly allowed = new Map<string, R>();

  constructor(model: Model<S, Op, R>) {
    this.model = model;
    this.initial = model.init();
  }

  key(state: S): string {
    return this.model.key?.(state) ?? keyOf(state);
  }

  after(state: S, executed: Executed<Op, R>): readonly S[] {
    const next = this.next(state, executed.operation);
    const outcomes = Array.isArray(next) ? (next as readonly Outcome<S, R>[]) : [next as Outcome<S, R>];
    if (executed === this.asked) for (const { result } of outcomes) this.allowed.set(keyOf(result), result);
    const { returned } = executed;
    const fits = returned === Infinity ? outcomes : outcomes.filter(({ result }) => this.equal(executed, result));
    return fits.map((outcome) => outcome.state);
  }

  private next(state: S, operation: Op): Outcome<S, R> | readonly Outcome<S, R>[] {
    const { model } = this;
    const steps = watched.get(model) ?? 0;
    if (steps === WATCHED_STEPS) return model.next(state, operation);
    watched.set(model, steps + 1);
    const before = this.key(state);
    const next = model.next(state, operation);
    if (this.key(state) === before) return next;
    throw new UsageError(
      "the model's next() has changed the state it was given: return a new state instead, for example [...state, value]",
    );
  }

  private equal({ result }: Executed<Op, R>, allowed: R): boolean {
    return this.model.equals?.(result as R, allowed) ?? same(result, allowed);
  }
}

/** A part of a history in which something is not explained, cut where that first shows. */
interface Cut<Op, R> {
  readonly order: History<Op, R>;
  readonly unexplained: Unexplained<Op, R>;
}

/**
 * Finds the first return with which a history that has no order ceases to have one. Beginnings of a history that has an
 * order have one as well, so that it is found by halving. What runs on at the cut is pending there: its result is not
 * known yet, though `from`, up to which the search of the whole has come, knew it. So the return is no earlier.
 */
function cut<S, Op, R>(
  part: History<Op, R>,
  from: Executed<Op, R>,
  specification: ModelSpecification<S, Op, R>,
  budget: number,
): Cut<Op, R> {
  const byReturn = part.filter(({ returned }) => returned !== Infinity).sort((a, b) => a.returned - b.returned);
  const beginning = (returns: number): History<Op, R> => {
    const end = byReturn[returns - 1]?.returned ?? -Infinity;
    const returned = new Set(byReturn.slice(0, returns));
    return part
      .filter((executed) => returned.has(executed) || executed.invoked <= end)
      .map((executed) => (returned.has(executed) ? executed : { ...executed, returned: Infinity, result: undefined }));
  };
  let explained = byReturn.indexOf(from);
  let unexplained = byReturn.length;
  while (unexplained - explained > 1) {
    const middle = (explained + unexplained) >> 1;
    if (linearize(beginning(middle), specification, budget).kind === 'violated') unexplained = middle;
    else explained = middle;
  }
  const before = linearize(beginning(explained), specification, budget);
  const executed = byReturn[explained];
  if (executed === undefined) throw new Error('cut: a history without returns has an order');
  return {
    order: before.kind === 'held' ? before.order : [],
    unexplained: { executed, instead: insteadOf(executed, beginning(unexplained), specification, budget) },
  };
}

/** What an operation could have returned that no order of `history`, which ends with its return, explains. */
function insteadOf<S, Op, R>(
  executed: Executed<Op, R>,
  history: History<Op, R>,
  specification: ModelSpecification<S, Op, R>,
  budget: number,
): R[] {
  specification.asked = executed;
  specification.allowed.clear();
  linearize(history, specification, budget);
  specification.asked = undefined;
  return [...specification.allowed.values()].slice(0, MAX_TRIED).filter((result) => {
    const otherwise = history.map((other) => (other === executed ? { ...executed, result } : other));
    return linearize(otherwise, specification, budget).kind === 'held';
  });
}

/** An order of one part's operations, and how far it has been merged. */
interface OrderedPart<Op, R> {
  readonly order: History<Op, R>;
  /** The earliest return of each operation and all behind it. */
  readonly firstReturns: readonly number[];
  at: number;
}

function orderedPart<Op, R>(order: History<Op, R>): OrderedPart<Op, R> {
  let first = Infinity;
  const firstReturns = order.toReversed().map(({ returned }) => (first = Math.min(first, returned)));
  return { order, firstReturns: firstReturns.reverse(), at: 0 };
}

/** One order of operations whose parts are ordered: none stands before one that came before it. */
function merged<Op, R>(orders: readonly History<Op, R>[]): History<Op, R> {
  if (orders.length <= 1) return orders[0] ?? [];
  const left = orders.filter((order) => order.length > 0).map(orderedPart);
  const result: Executed<Op, R>[] = [];
  while (left.length > 0) {
    const firstReturn = Math.min(...left.map(({ firstReturns, at }) => firstReturns[at] ?? Infinity));
    const part = left.find(({ order, at }) => (order[at]?.invoked ?? Infinity) <= firstReturn);
    const next = part?.order[part.at];
    if (part === undefined || next === undefined) throw new Error('merged: the orders of the parts contradict');
    result.push(next);
    part.at += 1;
    if (part.at === part.order.length) left.splice(left.indexOf(part), 1);
  }
  return result;
}
