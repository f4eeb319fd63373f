// The two page-table locks that mremap holds at once (move_ptes, mm/mremap.c), without what mremap holds around them.
//
// v6.8 takes them in whatever order the addresses come, and may: it holds mmap_lock for write, so that nobody else in
// the process holds two. Here nothing is held around them, which is how the two orders can meet.
import type { Cpu } from '../cpu.ts';
import { pmd_none } from '../arch/x86/pgtable.ts';
import { READ_ONCE_64 } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { find_pmd, lock_pte_table } from './khugepaged.ts';
import { pte_lockptr, pte_unmap_unlock, ptl_lock, ptl_unlock, table_of } from './pgtable-generic.ts';

/**
 * Takes the page-table locks of two addresses in this order, once if they are the same lock, and gives them back. False
 * if one of the addresses has no table.
 */
export function* lock_two_tables(cpu: Cpu, mm: Word, first: number, second: number): Steps<boolean> {
  const pmd = yield* find_pmd(cpu, mm, second);
  if (pmd === 0 || !(yield* lock_pte_table(cpu, mm, first))) return false;
  const { ptl } = cpu.vmf;
  const pmdval = yield* READ_ONCE_64(cpu, pmd);
  const table = pmd_none(pmdval) ? 0 : table_of(cpu, pmdval);
  const other = table === 0 ? ptl : pte_lockptr(cpu, mm, table);
  if (other !== ptl) {
    yield* ptl_lock(cpu, other, mm, table, 1);
    yield* ptl_unlock(cpu, other);
  }
  yield* pte_unmap_unlock(cpu, ptl);
  return table !== 0;
}
