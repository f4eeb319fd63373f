// Values of models, arguments and results: when two are the same, and how they are shown to people.
import { UsageError } from '../machine/usage-error.ts';

/** Entries of a plain object by name. */
function entriesOf(value: object): [string, unknown][] {
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * A text that two values share if and only if they are the same: primitives by value (0 and -0 differ, NaN is NaN),
 * arrays, typed arrays, maps, sets and plain objects by what is in them. Throws a UsageError for anything else.
 */
export function keyOf(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (typeof value === 'bigint') return `${String(value)}n`;
  if (value === undefined || value === null || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map(keyOf).join()}]`;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return `${value.constructor.name}[${Array.from(value as unknown as Iterable<number>, keyOf).join()}]`;
  }
  if (value instanceof Map) return `Map{${Array.from(value, ([k, v]) => `${keyOf(k)}:${keyOf(v)}`).join()}}`;
  if (value instanceof Set) return `Set{${Array.from(value, keyOf).join()}}`;
  if (typeof value === 'object') {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      return `{${entriesOf(value)
        .map(([name, inner]) => `${JSON.stringify(name)}:${keyOf(inner)}`)
        .join()}}`;
    }
  }
  const what = typeof value === 'object' ? value.constructor.name : typeof value;
  throw new UsageError(
    `a ${what} in a model's state or a result can't be compared: use numbers, strings, arrays and plain objects (for a state, or give the model key())`,
  );
}

/** Whether two values have the same key. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  const isPrimitive = (value: unknown): boolean => typeof value !== 'object' || value === null;
  return !isPrimitive(a) && !isPrimitive(b) && keyOf(a) === keyOf(b);
}

/** A value as people read it: `[1, 2]`, `{ id: 3 }`, `undefined`. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`;
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return `{ ${Object.entries(value)
      .map(([name, inner]) => `${name}: ${shown(inner)}`)
      .join(', ')} }`;
  }
  try {
    return keyOf(value);
  } catch {
    return String(value);
  }
}
