// Walking the page tables of a range without making any (mm/pagewalk.c).
import type { Cpu } from '../cpu.ts';
import { NO_ENTRY, PGDIR_SIZE, PMD_SIZE, PUD_SIZE, pmd_index, pmd_none, pud_index } from '../arch/x86/pgtable.ts';
import { mm_struct } from '../layout.ts';
import { read, read_64 } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { pgd_offset } from './pgalloc.ts';
import { table_of } from './pgtable-generic.ts';

/** pgd_addr_end and its like: the first multiple of `size` above `address`. */
export function next_boundary(address: number, size: number): number {
  return (Math.floor(address / size) + 1) * size;
}

/** The first address of [start, end) that a PTE table may have an entry for; `end` if there is none. */
export function* next_mapped(cpu: Cpu, mm: Word, start: number, end: number): Steps<number> {
  const pgd = yield* read(cpu, mm + mm_struct.pgd);
  let at = start;
  while (at < end) {
    const pgdval = yield* read_64(cpu, pgd_offset(pgd, at));
    const puds = pmd_none(pgdval) ? 0 : table_of(cpu, pgdval);
    const pudval = puds === 0 ? NO_ENTRY : yield* read_64(cpu, puds + (pud_index(at) << 1));
    const pmds = pmd_none(pudval) ? 0 : table_of(cpu, pudval);
    if (pmds !== 0 && !pmd_none(yield* read_64(cpu, pmds + (pmd_index(at) << 1)))) return at;
    at = next_boundary(at, puds === 0 ? PGDIR_SIZE : pmds === 0 ? PUD_SIZE : PMD_SIZE);
  }
  return end;
}
