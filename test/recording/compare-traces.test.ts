// Two traces lined up: what is equal, what differs, and how narrow the reasons are.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareTraces, linedUp } from '../../src/recording/compare-traces.ts';
import { parseTrace } from '../../src/recording/kernel-trace.ts';
import type { TraceLine } from '../../src/recording/kernel-trace.ts';
import { renderComparison } from '../../src/report/compare-text.ts';
import { expectGolden } from '../support/golden.ts';

const TID = 7;
const line = (name: string, fields = ''): TraceLine => ({ tid: TID, name, fields });
const hex = (page: number): string => `0x${(page * 4096).toString(16)}`;
const fault = (page: number): TraceLine => line('page_fault_user', `address=${hex(page)} ip=0x0 error_code=0x6`);
const alloc = (order = 0, gfp = 'GFP_HIGHUSER_MOVABLE|__GFP_ZERO'): TraceLine =>
  line('mm_page_alloc', `page=0x1 pfn=0x1 order=${String(order)} migratetype=1 gfp_flags=${gfp}`);
const free = line('mm_page_free', 'page=0x1 pfn=0x1 order=0');
const rss = line('rss_stat', 'mm_id=1 curr=1 type=MM_ANONPAGES size=4096B');
const whole = (page: number): TraceLine[] => [fault(page), alloc(), rss];
const times = (count: number, event: TraceLine): TraceLine[] => Array.from({ length: count }, () => event);

/** Events without a known reason, as `name kernel/ours`. */
function unexplained(kernel: readonly TraceLine[], ours: readonly TraceLine[]): string[] {
  return compareTraces(kernel, ours)
    .differences.filter(({ reason }) => reason === undefined)
    .map(({ event, kernelOnly, oursOnly }) => `${event} ${String(kernelOnly)}/${String(oursOnly)}`);
}

describe('compareTraces', () => {
  it('finds nothing in a trace and itself', () => {
    const pages = fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(pages, (faults) => {
        const trace = faults.flatMap(whole);
        const found = compareTraces(trace, trace);
        expect(found).toMatchObject({ differences: [], faults: faults.length, sameFaults: faults.length });
      }),
    );
  });

  it('finds each event that only one has', () => {
    const both = [...whole(1), ...whole(2)];
    expect(unexplained(both, [...both, alloc()])).toEqual(['mm_page_alloc 0/1']);
    expect(unexplained(both, [...whole(1), rss, ...whole(2)])).toEqual(['rss_stat 0/1']);
    expect(unexplained([...whole(1), rss, ...whole(2)], both)).toEqual(['rss_stat 1/0']);
    expect(unexplained(both, [...both, ...whole(3)])).toEqual([
      'page_fault_user 0/1',
      'mm_page_alloc 0/1',
      'rss_stat 0/1',
    ]);
  });

  it('takes a large folio as the reason for no more than the pages that it has', () => {
    const kernel = [fault(9), alloc(2), ...whole(20)];
    expect(unexplained(kernel, [fault(9), ...whole(8), ...whole(11), ...whole(20)])).toEqual([]);
    expect(unexplained(kernel, [fault(9), ...whole(12), ...whole(20)])).not.toEqual([]);
    // A slab's pages are no folio that is mapped.
    const slab = [fault(9), alloc(2, 'GFP_NOWAIT|__GFP_COMP'), ...whole(20)];
    expect(unexplained(slab, [fault(9), ...whole(8), ...whole(20)])).not.toEqual([]);
  });

  it('takes an LRU batch as the reason for no more frees than fit in it, where the kernel frees some', () => {
    const before = whole(1);
    expect(unexplained([...before, free], [...before, ...times(32, free)])).toEqual([]);
    expect(unexplained([...before, free], [...before, ...times(33, free)])).toEqual(['mm_page_free 0/32']);
    expect(unexplained(before, [...before, free])).toEqual(['mm_page_free 0/1']);
  });

  it('knows a fault in a system call where perf has recorded it', () => {
    const perf = (page: number): TraceLine => line('page-faults', (page * 4096).toString(16));
    const kernel = [...whole(1), perf(1), perf(3), ...whole(2), perf(2)];
    const ours = [...whole(1), ...whole(3), ...whole(2)];
    expect(unexplained(kernel, ours)).toEqual([]);
    expect(
      unexplained(
        kernel.filter(({ name }) => name !== 'page-faults'),
        ours,
      ),
    ).not.toEqual([]);
  });

  it('is told in a text', async () => {
    const kernel = [
      ...whole(1),
      ...whole(2),
      free,
      ...whole(4),
      line('tlb_flush', 'pages:1 reason:local shootdown (1)'),
    ];
    const ours = [...whole(1), ...whole(2), ...times(3, free), ...whole(4), ...whole(5)];
    await expectGolden(renderComparison(compareTraces(kernel, ours)), 'compare');
  });
});

describe('parseTrace', () => {
  it("reads perf's own faults, with their address", () => {
    const text = [
      ' faults 10033/10033 [001] 50868.158865: exceptions:page_fault_user: address=0x5599e90a2038 ip=0x1 error_code=0x4   0',
      ' faults 10033/10033 [001] 50868.158866:                          page-faults:     5599e90a2038',
    ].join('\n');
    expect(parseTrace(text, 'x').map(({ name }) => name)).toEqual(['page_fault_user', 'page-faults']);
    expect(parseTrace(text, 'x')[1]).toEqual({ tid: 10033, name: 'page-faults', fields: '5599e90a2038' });
  });
});

describe('linedUp', () => {
  it('gives a rising sequence of equal elements, as long as any', () => {
    const list = fc.array(fc.nat({ max: 3 }), { maxLength: 8 });
    /** The length by the plain recurrence. */
    const longest = (a: readonly number[], b: readonly number[]): number => {
      const [x, ...restA] = a;
      const [y, ...restB] = b;
      if (x === undefined || y === undefined) return 0;
      return x === y ? 1 + longest(restA, restB) : Math.max(longest(restA, b), longest(a, restB));
    };
    fc.assert(
      fc.property(list, list, (a, b) => {
        const pairs = linedUp(a, b);
        expect(pairs).toHaveLength(longest(a, b));
        for (const [i, j] of pairs) expect(a[i]).toBe(b[j]);
        pairs.slice(1).forEach(([i, j], n) => {
          expect(i).toBeGreaterThan(pairs[n]![0]);
          expect(j).toBeGreaterThan(pairs[n]![1]);
        });
      }),
    );
  });
});
