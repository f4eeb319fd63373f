// The fit of the universal scalability law: terms that are known come back, noise is fitted best, and bounds hold.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fitUsl, uslRate } from '../../../src/report/stress/usl.ts';
import type { Sample } from '../../../src/report/stress/usl.ts';

/** One CPU and two more counts at least, in any order. */
const counts = fc
  .uniqueArray(fc.integer({ min: 2, max: 256 }), { minLength: 2, maxLength: 11 })
  .chain((more) => fc.shuffledSubarray([1, ...more], { minLength: more.length + 1 }));
const unit = (max: number): fc.Arbitrary<number> => fc.double({ min: 0, max, noNaN: true });
const law = fc.record({ lambda: fc.double({ min: 1, max: 1e8, noNaN: true }), sigma: unit(1), kappa: unit(0.2) });
const noise = fc.array(fc.double({ min: -0.3, max: 0.3, noNaN: true }), { minLength: 12, maxLength: 12 });

function samplesOf(terms: { lambda: number; sigma: number; kappa: number }, cpus: readonly number[]): Sample[] {
  return cpus.map((n) => ({ cpus: n, rate: uslRate(terms, n) }));
}

const squares = (samples: readonly Sample[], rate: (n: number) => number): number =>
  samples.reduce((sum, { cpus, rate: measured }) => sum + (measured / rate(cpus) - 1) ** 2, 0);

describe('fitUsl', () => {
  it('finds the terms that the rates were made with', () => {
    fc.assert(
      fc.property(law, counts, (terms, cpus) => {
        const fit = fitUsl(samplesOf(terms, cpus))!;
        expect(fit.residual).toBeLessThan(1e-6);
        expect(fit.sigma).toBeCloseTo(terms.sigma, 4);
        expect(fit.kappa).toBeCloseTo(terms.kappa, 4);
        expect(fit.lambda / terms.lambda).toBeCloseTo(1, 4);
        expect(fit.cpus).toEqual([...cpus].sort((a, b) => a - b));
      }),
      { numRuns: 500 },
    );
  });

  it('fits noisy rates at least as well as the terms that they were made with, whatever their order and unit', () => {
    fc.assert(
      fc.property(law, counts, noise, unit(1e6), (terms, cpus, off, unitOf) => {
        const samples = samplesOf(terms, cpus).map(({ cpus: n, rate }, i) => ({ cpus: n, rate: rate * (1 + off[i]!) }));
        const fit = fitUsl(samples)!;
        const truth = squares(samples, (n) => uslRate(terms, n));
        expect(squares(samples, (n) => uslRate(fit, n))).toBeLessThanOrEqual(truth * (1 + 1e-9) + 1e-9);
        expect(fit.sigma).toBeGreaterThanOrEqual(0);
        expect(fit.sigma).toBeLessThanOrEqual(1);
        expect(fit.kappa).toBeGreaterThanOrEqual(0);

        const scale = 1 + unitOf;
        const again = fitUsl([...samples].reverse().map(({ cpus: n, rate }) => ({ cpus: n, rate: rate * scale })))!;
        expect(again.residual).toBeCloseTo(fit.residual, 6);
        for (const n of cpus) expect(uslRate(again, n) / scale / uslRate(fit, n)).toBeCloseTo(1, 4);
      }),
      { numRuns: 500 },
    );
  });

  it('finds nothing better near by', () => {
    const near = fc.tuple(unit(2), unit(2), unit(2));
    fc.assert(
      fc.property(law, counts, noise, near, (terms, cpus, off, [l, s, k]) => {
        const samples = samplesOf(terms, cpus).map(({ cpus: n, rate }, i) => ({ cpus: n, rate: rate * (1 + off[i]!) }));
        const fit = fitUsl(samples)!;
        const other = { lambda: fit.lambda * l, sigma: Math.min(1, fit.sigma * s), kappa: fit.kappa * k };
        const error = squares(samples, (n) => uslRate(fit, n));
        expect(error).toBeLessThanOrEqual(squares(samples, (n) => uslRate(other, n)) * (1 + 1e-9) + 1e-9);
      }),
      { numRuns: 500 },
    );
  });

  it('calls rates that grow faster than the CPUs free of contention, and says nothing of a negative one', () => {
    const fit = fitUsl([1, 2, 4, 8].map((n) => ({ cpus: n, rate: n ** 1.2 })))!;
    expect([fit.sigma, fit.kappa]).toEqual([0, 0]);
    expect(fit.residual).toBeGreaterThan(0.01);
  });

  it('says where the peak is, within the counts alone', () => {
    const terms = { lambda: 1000, sigma: 0.1, kappa: 0.01 };
    const peak = Math.sqrt((1 - terms.sigma) / terms.kappa);
    expect(fitUsl(samplesOf(terms, [1, 4, 8, 16]))!.peak).toBeCloseTo(peak, 6);
    expect(fitUsl(samplesOf(terms, [1, 4, 8]))!.peak).toBeUndefined();
    expect(fitUsl(samplesOf({ ...terms, kappa: 0 }, [1, 4, 8]))!.peak).toBeUndefined();
    // It falls from the first CPU on: the peak is before what was measured.
    expect(fitUsl(samplesOf({ ...terms, kappa: 2 }, [1, 2, 4]))!.peak).toBeUndefined();
  });

  it('needs three different CPU counts, one CPU among them, and rates above 0', () => {
    const twice = [1, 1, 2, 2, 2].map((cpus) => ({ cpus, rate: cpus }));
    expect(fitUsl(twice)).toBeUndefined();
    expect(fitUsl([])).toBeUndefined();
    expect(fitUsl([2, 3, 4].map((cpus) => ({ cpus, rate: cpus })))).toBeUndefined();
    expect(fitUsl([1, 2, 4].map((cpus) => ({ cpus, rate: cpus === 2 ? 0 : cpus })))).toBeUndefined();
  });

  it('does not fit what no rate of one CPU fits', () => {
    const odd = [0.001, 1000, 1];
    expect(fitUsl([1, 2, 4].map((cpus, i) => ({ cpus, rate: odd[i]! })))).toBeUndefined();
  });
});
