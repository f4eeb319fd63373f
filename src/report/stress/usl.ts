// The universal scalability law, fitted: how much of the work is serial, and how much the CPUs cost each other.
//
//   X(N) = λN / (1 + σ(N − 1) + κN(N − 1))
//
// λ is the rate of one CPU, σ the share that only one CPU can do at a time (contention), κ the price of keeping each pair
// of CPUs in agreement (coherency). N. J. Gunther, "A General Theory of Computational Scalability Based on Rational
// Functions", arXiv:0808.1431.

/** A rate at a number of CPUs, in anything a second. */
export interface Sample {
  readonly cpus: number;
  readonly rate: number;
}

/** A fit by least squares of measured / fitted - 1, under 0 <= σ <= 1 and κ >= 0. */
export interface UslFit {
  /** In the unit of the rates. */
  readonly lambda: number;
  readonly sigma: number;
  readonly kappa: number;
  /** The CPU counts it was fitted over, ascending: outside of them it says nothing. */
  readonly cpus: readonly number[];
  /** Root mean square of measured / fitted - 1. */
  readonly residual: number;
  /** Where X(N) is greatest, if that is within the fitted counts. */
  readonly peak?: number;
}

/** Terms to fit, and so the distinct CPU counts that are needed at least. */
export const USL_TERMS = 3;

/**
 * Rates scatter in proportion to themselves, so what is made small is the square of measured / fitted - 1. With
 * N / X(N) = a·1 + b(N - 1) + cN(N - 1), where λ = 1/a, σ = b/a, κ = c/a, that is linear in a, b and c: one solution, no
 * start to guess. Where it breaks a bound, the best within the bounds lies on one of their faces; each is tried.
 */
const ONE = (): number => 1;
const CONTENTION = (n: number): number => n - 1;
const COHERENCY = (n: number): number => n * (n - 1);
const SERIAL = (n: number): number => n;

interface Face {
  readonly basis: readonly ((n: number) => number)[];
  readonly terms: (t: readonly number[]) => readonly [a: number, b: number, c: number];
}
const FACES: readonly Face[] = [
  { basis: [ONE, CONTENTION, COHERENCY], terms: ([a = 0, b = 0, c = 0]) => [a, b, c] },
  { basis: [ONE, COHERENCY], terms: ([a = 0, c = 0]) => [a, 0, c] },
  { basis: [SERIAL, COHERENCY], terms: ([a = 0, c = 0]) => [a, a, c] },
  { basis: [ONE, CONTENTION], terms: ([a = 0, b = 0]) => [a, b, 0] },
  { basis: [ONE], terms: ([a = 0]) => [a, 0, 0] },
  { basis: [SERIAL], terms: ([a = 0]) => [a, a, 0] },
  { basis: [COHERENCY], terms: ([c = 0]) => [0, 0, c] },
];

/** Solves a small system by elimination with pivoting; undefined where it has no single solution. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] | undefined {
  const rows = matrix.map((row, i) => [...row, right[i] ?? 0]);
  const size = rows.length;
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let r = column + 1; r < size; r++) {
      if (Math.abs(rows[r]?.[column] ?? 0) > Math.abs(rows[pivot]?.[column] ?? 0)) pivot = r;
    }
    const [chosen, other] = [rows[pivot] ?? [], rows[column] ?? []];
    [rows[column], rows[pivot]] = [chosen, other];
    const head = chosen[column] ?? 0;
    if (head === 0 || !Number.isFinite(head)) return undefined;
    for (let r = 0; r < size; r++) {
      const row = rows[r] ?? [];
      const factor = (row[column] ?? 0) / head;
      if (r !== column) rows[r] = row.map((value, k) => value - factor * (chosen[k] ?? 0));
    }
  }
  return rows.map((row, i) => (row[size] ?? 0) / (row[i] ?? 1));
}

/** The x for which Σ (row · x - 1)² is least. Columns are brought to one size first, which keeps the digits. */
function leastSquares(rows: readonly (readonly number[])[]): number[] | undefined {
  const columns = (rows[0] ?? []).map((_, i) => rows.map((row) => row[i] ?? 0));
  const sizes = columns.map((column) => Math.hypot(...column));
  const unit = columns.map((column, i) => column.map((value) => value / (sizes[i] ?? 1)));
  const dot = (a: readonly number[], b: readonly number[]): number =>
    a.reduce((sum, value, k) => sum + value * (b[k] ?? 0), 0);
  const found = solve(
    unit.map((a) => unit.map((b) => dot(a, b))),
    unit.map((a) => a.reduce((sum, value) => sum + value, 0)),
  );
  return found?.map((value, i) => value / (sizes[i] ?? 1));
}

/** What the law gives at n CPUs. */
export function uslRate({ lambda, sigma, kappa }: Pick<UslFit, 'lambda' | 'sigma' | 'kappa'>, n: number): number {
  return (lambda * n) / (1 + sigma * (n - 1) + kappa * n * (n - 1));
}

/** Where the law is greatest, if within the counts. */
function peakOf(sigma: number, kappa: number, cpus: readonly number[]): number | undefined {
  const peak = kappa === 0 ? Infinity : Math.sqrt(Math.max(0, 1 - sigma) / kappa);
  return peak >= (cpus[0] ?? 0) && peak <= (cpus.at(-1) ?? 0) ? peak : undefined;
}

/** The best a, b and c within the bounds, and its sum of squares. */
function bestTerms(samples: readonly Sample[]): readonly [a: number, b: number, c: number] | undefined {
  let best: readonly [number, number, number] | undefined;
  let least = Infinity;
  for (const { basis, terms } of FACES) {
    const rows = samples.map(({ cpus, rate }) => basis.map((g) => (g(cpus) * rate) / cpus));
    const t = leastSquares(rows);
    if (t === undefined) continue;
    const [a, b, c] = terms(t);
    if (!(a >= 0 && b >= 0 && b <= a && c >= 0)) continue;
    const squares = rows.reduce((sum, row) => sum + (row.reduce((at, g, i) => at + g * (t[i] ?? 0), 0) - 1) ** 2, 0);
    if (squares < least) [best, least] = [[a, b, c], squares];
  }
  return best;
}

/**
 * The fit. undefined where samples have fewer than three distinct CPU counts, not the one CPU that λ is the rate of, or
 * a rate that is not above 0; and where they are so odd that no rate of one CPU fits them.
 */
export function fitUsl(samples: readonly Sample[]): UslFit | undefined {
  const cpus = [...new Set(samples.map((sample) => sample.cpus))].sort((a, b) => a - b);
  if (cpus.length < USL_TERMS || cpus[0] !== 1 || samples.some(({ rate }) => !(rate > 0))) return undefined;
  const [a = 0, b = 0, c = 0] = bestTerms(samples) ?? [];
  if (a === 0) return undefined;
  const law = { lambda: 1 / a, sigma: b / a, kappa: c / a };
  const squares = samples.reduce((sum, { cpus: n, rate }) => sum + (rate / uslRate(law, n) - 1) ** 2, 0);
  const peak = peakOf(law.sigma, law.kappa, cpus);
  return { ...law, cpus, residual: Math.sqrt(squares / samples.length), ...(peak === undefined ? {} : { peak }) };
}
