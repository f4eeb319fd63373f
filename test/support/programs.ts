// Random programs that collide: a few pages around a page-table boundary, every kind of operation.
import fc from 'fast-check';
import type { Op } from '../../src/kernel/program.ts';

const PAGE = 4096;
/** Eight pages on both sides of a 2 MiB boundary, so that two page tables are in play. */
export const ARENA = 0x75e52fdfc000;
export const ARENA_PAGES = 8;
const RW = 3;
const FIXED = 0x32;

export const arenaMap: Op = { op: 'mmap', addr: ARENA, length: ARENA_PAGES * PAGE, prot: RW, flags: FIXED };

const range = fc
  .tuple(fc.nat(ARENA_PAGES - 1), fc.integer({ min: 1, max: ARENA_PAGES }))
  .map(([first, pages]) => ({ addr: ARENA + first * PAGE, length: Math.min(pages, ARENA_PAGES - first) * PAGE }));
const bytes = fc.tuple(fc.nat(ARENA_PAGES - 1), fc.nat(15)).map(([page, n]) => ARENA + page * PAGE + n);
const size = fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const);
const page = fc.nat(ARENA_PAGES - 1).map((n) => ARENA + n * PAGE);
const word = fc.tuple(fc.nat(ARENA_PAGES - 1), fc.nat(3)).map(([page, n]) => ARENA + page * PAGE + n * 4);

/** One operation; `value` makes stores tell themselves apart. */
export function anyOp(value: fc.Arbitrary<number>): fc.Arbitrary<Op> {
  return fc.oneof(
    { weight: 8, arbitrary: fc.record({ op: fc.constant('store' as const), addr: word, value }) },
    { weight: 5, arbitrary: word.map((addr): Op => ({ op: 'load', addr })) },
    { weight: 2, arbitrary: range.map((r): Op => ({ op: 'mmap', ...r, prot: RW, flags: FIXED })) },
    { weight: 1, arbitrary: range.map((r): Op => ({ op: 'munmap', ...r })) },
    {
      weight: 2,
      arbitrary: fc.tuple(range, fc.constantFrom(0, 1, 3)).map(([r, prot]): Op => ({ op: 'mprotect', ...r, prot })),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(range, fc.constantFrom(4, 4, 22, 23, 8, 10, 18, 20))
        .map(([r, advice]): Op => ({ op: 'madvise', ...r, advice })),
    },
    {
      weight: 1,
      arbitrary: fc.nat(ARENA_PAGES - 1).map((n): Op => ({ op: 'retract_page_table', addr: ARENA + n * PAGE })),
    },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('store' as const), addr: bytes, value, size }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('load' as const), addr: bytes, size }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant('atomic_add' as const), addr: word, value: fc.nat(9) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constantFrom('mlock' as const, 'munlock' as const),
        addr: page,
        length: fc.constant(PAGE),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(page, page, fc.constantFrom(3, 3, 7, 0)).map(([addr, target, flags]): Op => {
        return { op: 'mremap', addr, old_length: PAGE, new_length: PAGE, flags, new_addr: target };
      }),
    },
    { weight: 1, arbitrary: fc.nat(16).map((n): Op => ({ op: 'brk', addr: 0x555555560000 + n * PAGE })) },
  );
}

/** A program whose stores carry distinct values: CPU in the high bits, a counter below. */
export function program(cpu: number, maxLength: number): fc.Arbitrary<Op[]> {
  return fc
    .array(anyOp(fc.constant(0)), { minLength: 1, maxLength })
    .map((ops) => ops.map((op, i) => (op.op === 'store' ? { ...op, value: (cpu + 1) * 0x10000 + i + 1 } : op)));
}

/** One program per CPU. */
export function programs(cpus: number, maxLength: number): fc.Arbitrary<Op[][]> {
  return fc.tuple(...Array.from({ length: cpus }, (_, cpu) => program(cpu, maxLength)));
}
