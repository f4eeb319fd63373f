// Arbitraries that shrink any value of theirs, wherever it came from: what is smaller is a function of the value alone.
//
// fast-check's own arbitraries remember how a value was made and shrink by that. A program from a report, or a schedule
// from a token, was made by nobody; it must shrink all the same.
import fc from 'fast-check';

/** What an arbitrary of values is made of. */
export interface ValueRules<T> {
  readonly generate: (random: fc.Random) => T;
  /** Values that are smaller, those to be tried first in front; empty for the smallest. No chain of them is endless. */
  readonly smaller: (value: T) => readonly T[];
  readonly is: (value: unknown) => boolean;
}

export class ValueArbitrary<T> extends fc.Arbitrary<T> {
  private readonly rules: ValueRules<T>;

  constructor(rules: ValueRules<T>) {
    super();
    this.rules = rules;
  }

  override generate(random: fc.Random): fc.Value<T> {
    return new fc.Value(this.rules.generate(random), undefined);
  }

  override canShrinkWithoutContext(value: unknown): value is T {
    return this.rules.is(value);
  }

  override shrink(value: T): fc.Stream<fc.Value<T>> {
    return fc.stream(
      this.rules
        .smaller(value)
        .map((smaller) => new fc.Value(smaller, undefined))
        [Symbol.iterator](),
    );
  }
}

/** Always the same value, however it was come by; it does not shrink. */
export function always<T>(value: T): fc.Arbitrary<T> {
  return new ValueArbitrary<T>({ generate: () => value, smaller: () => [], is: () => true });
}

/** One of `values`, each as often as its weight says. */
export function weighted<T>(random: fc.Random, values: readonly (readonly [weight: number, value: T])[]): T {
  let left = random.nextInt(1, Math.max(1, sumOf(values)));
  for (const [weight, value] of values) {
    left -= weight;
    if (left <= 0) return value;
  }
  throw new Error('weighted: there is nothing to choose from');
}

function sumOf(values: readonly (readonly [number, unknown])[]): number {
  return values.reduce((sum, [weight]) => sum + weight, 0);
}
