// The seed's fault: every value as the machine computes it, and every branch of do_anonymous_page to its end.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SEED_ADDRESS, SEED_BASE_PFN, SEED_PFN, traceFault } from '../../src/machine/trace.ts';
import type { Trace, TraceOptions } from '../../src/machine/trace.ts';

const seed: TraceOptions = {
  address: SEED_ADDRESS,
  pfn: SEED_PFN,
  basePfn: SEED_BASE_PFN,
  softDirty: true,
  prot: 'rw',
  read: false,
  shared: false,
  memcgLimit: undefined,
  oom: false,
  unstable: false,
  secondCpu: false,
};
const steps = (trace: Trace): number[] => trace.steps.map((step) => step.step);
const values = (trace: Trace, step: number): Record<string, string | number> =>
  trace.steps.find((s) => s.step === step)?.values ?? {};

describe('the seed', () => {
  const trace = traceFault(seed);

  it('ends with the seed’s entry by way of the ones between', () => {
    expect(trace.entries).toEqual(['0x800000038944c025', '0x840000038944c825', '0x800000038944c867']);
    expect(trace.pte).toBe('0x800000038944c867');
    expect(trace.pagemap).toBe('0x818000000038944c');
    expect(trace.indices).toEqual({ pgd: 235, pud: 404, pmd: 382, pte: 119 });
    for (const upper of Object.values(trace.upper)) expect(upper).toMatch(/067$/);
    expect(trace.resultName).toBe('0');
  });

  it('has the seed’s eleven steps', () => {
    expect(steps(trace)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(values(trace, 1)).toMatchObject({ flags: '0x255', vm_flags: '0x8100073' });
    expect(values(trace, 5)).toMatchObject({ pfn: '0x38944c', refcount: 1, mapcount: 0 });
    expect(values(trace, 8)).toMatchObject({ held_by: 'CPU 0', lock_word: '0x1', pte: '0x0' });
    expect(values(trace, 9)).toMatchObject({ rss: 1, refcount: 2, mapcount: 1, index: '0x75e52fc77', lru_batch: 1 });
    expect(values(trace, 11)).toMatchObject({ held_by: 'nobody', lock_word: '0x0' });
  });
});

describe('other machines', () => {
  it('has no soft-dirty bit without CONFIG_MEM_SOFT_DIRTY', () => {
    const trace = traceFault({ ...seed, softDirty: false });
    expect(trace.pte).toBe('0x800000038944c067');
    expect(trace.pagemap).toBe('0x810000000038944c');
    expect(values(trace, 1)).toMatchObject({ vm_flags: '0x100073' });
  });

  it('leaves NX out of an executable mapping, and RW out of a read-only one', () => {
    expect(traceFault({ ...seed, prot: 'rwx' }).pte).toBe('0x38944c867');
    expect(traceFault({ ...seed, prot: 'r', read: true, pfn: undefined }).resultName).toBe('0');
  });

  it('puts any frame and any address into the entry and the indices', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 16, max: 0x7fff_ffff }),
        fc.integer({ min: 0x1000, max: 0x7_0000 }),
        (page, base) => {
          const address = page * 4096;
          const trace = traceFault({ ...seed, address, basePfn: base, pfn: base + 77 });
          const pfn = BigInt(base + 77);
          expect(BigInt(trace.pte)).toBe(0x8000000000000867n | (pfn << 12n));
          expect(BigInt(trace.pagemap)).toBe(0x8180000000000000n | pfn);
          const { pgd, pud, pmd, pte } = trace.indices;
          expect(((pgd * 512 + pud) * 512 + pmd) * 512 + pte).toBe(page);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('the other branches', () => {
  it('--read maps the zero page: special, read-only, no folio, no RSS', () => {
    const trace = traceFault({ ...seed, read: true, pfn: undefined });
    expect(steps(trace)).toEqual([1, 2, 3, 7, 8, 10, 11]);
    expect(trace.pte).toBe('0x8000000388000225');
    expect(trace.pagemap).toBe('0x8080000000388000');
    expect(trace.rss).toBe(0);
  });

  const ends: [name: string, options: Partial<TraceOptions>, steps: number[], result: string][] = [
    ['--shared', { shared: true }, [1], 'VM_FAULT_SIGBUS'],
    ['--oom', { oom: true }, [1, 2, 3, 4, 5], 'VM_FAULT_OOM'],
    ['--memcg-limit 0', { memcgLimit: 0 }, [1, 2, 3, 4, 5, 6], 'VM_FAULT_OOM'],
    ['--unstable', { unstable: true }, [1, 2, 3, 4, 5, 6, 7, 8, 11], 'VM_FAULT_SIGBUS'],
    ['--read --unstable', { unstable: true, read: true, pfn: undefined }, [1, 2, 3, 7, 8, 11], 'VM_FAULT_SIGBUS'],
    ['--second-cpu', { secondCpu: true }, [1, 2, 3, 4, 5, 6, 7, 8, 11], '0'],
    ['--read --second-cpu', { secondCpu: true, read: true, pfn: undefined }, [1, 2, 3, 7, 8, 11], '0'],
  ];
  it.each(ends)('%s', (_name, options, expected, result) => {
    const trace = traceFault({ ...seed, ...options });
    expect(steps(trace)).toEqual(expected);
    expect(trace.resultName).toBe(result);
  });

  it('--second-cpu: the loser’s folio goes back and the winner’s page stays', () => {
    const trace = traceFault({ ...seed, secondCpu: true });
    expect(trace.pte).not.toBe('0x800000038944c867');
    expect(trace.rss).toBe(1);
  });
});
