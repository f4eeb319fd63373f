// A user's mistake, told in one sentence that names the input, what is allowed, and an example.

/** Thrown for input that can't be used. Commands print the message and exit with 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** Levenshtein distance, for "did you mean". */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitution));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The name of `names` nearest to `name`. */
export function nearest(name: string, names: readonly string[]): string {
  return names.reduce((best, other) => (distance(name, other) < distance(name, best) ? other : best), names[0] ?? '');
}

/** Index of `name` in a catalogue; a UsageError that names the nearest right one otherwise. */
export function indexOfName(what: string, name: string, names: readonly string[]): number {
  const index = names.indexOf(name);
  if (index >= 0) return index;
  throw new UsageError(
    `${what} '${name}' is not known: use one of ${names.join(', ')}, for example ${nearest(name, names)}.`,
  );
}
