// How the kernel's words and locks are judged: which of its own data races are known and do no harm.
//
// Linux v6.8 has these unmarked accesses, too, or marks them as races that are meant (data_race()). All else that races
// is a finding. The hardware's walks and user programs are never a side of a data race.
import type { AccessEvent } from '../check/access-event.ts';
import { CACHE_MEM_CGROUP, CACHE_VMA, LOCK_PMD, LOCK_PTL, mem_cgroup, vma } from '../kernel/layout.ts';
import type { Layout } from '../kernel/layout.ts';
import type { Machine } from '../machine/boot.ts';
import type { JudgeRules } from './judges.ts';

/** Accesses to one field that may race. */
export interface BenignRace {
  readonly field: string;
  /** Where in v6.8. */
  readonly where: string;
  readonly why: string;
  readonly isOf: (layout: Layout, first: AccessEvent, second: AccessEvent) => boolean;
}

/** Words of a 64-bit entry. */
const ENTRY = 2;

export const BENIGN_RACES: readonly BenignRace[] = [
  {
    field: 'pgd, pud, pmd',
    where:
      'pud_alloc, pmd_alloc, pte_alloc, include/linux/mm.h: p4d_none(*p4d), pud_none(*pud), pmd_none(*pmd); ' +
      'handle_pte_fault, mm/memory.c: pmd_none(*vmf->pmd)',
    why: 'a look without the lock; whoever installs a table, or maps one, looks once more with it',
    isOf: (layout, first, second) => isEntry(layout, first) && isEntry(layout, second),
  },
  {
    field: 'vma->anon_vma',
    where: 'anon_vma_prepare, include/linux/rmap.h; vmf_anon_prepare and lock_vma_under_rcu, mm/memory.c',
    why: 'set once and never changed while the VMA is held; __anon_vma_prepare looks once more with the lock',
    isOf: (layout, first, second) => fieldOf(layout, CACHE_VMA, first, second) === vma.anon_vma,
  },
  {
    field: 'memcg->failcnt',
    where: 'page_counter_try_charge, mm/page_counter.c: data_race(c->failcnt++)',
    why: 'a statistic, which the comment there says may be inaccurate',
    isOf: (layout, first, second) => fieldOf(layout, CACHE_MEM_CGROUP, first, second) === mem_cgroup.failcnt,
  },
];

/**
 * Whether an access is to an entry of a page table, and to nothing else: all other accesses to RAM are to a user's word,
 * or to a whole page. Plain ones are those to upper tables, since PTEs are read by ptep_get, which is marked.
 */
function isEntry({ ram }: Layout, { word, width }: AccessEvent): boolean {
  return width === ENTRY && word >= ram;
}

/** The field of an object of a cache in which two accesses meet; -1: in none. */
function fieldOf(layout: Layout, cache: number, first: AccessEvent, second: AccessEvent): number {
  const size = layout.object_words[cache]!;
  const offset = Math.max(first.word, second.word) - layout.objects[cache]!;
  return offset >= 0 && offset < size * layout.object_counts[cache]! ? offset % size : -1;
}

/**
 * Page-table locks, of which mremap holds two (spin_lock_nested): mmap_lock, held for write, keeps away whoever could
 * take them the other way round.
 */
const NESTED_LOCKS: ReadonlySet<number> = new Set([LOCK_PTL, LOCK_PMD]);

/** The rules for a machine. `known`: the races that are not told. */
export function kernelRules(machine: Machine, known: readonly BenignRace[] = BENIGN_RACES): JudgeRules {
  const { layout } = machine;
  return {
    races: {
      dependencies: true,
      // pmd_install's smp_wmb relies on it: who follows an entry to a table sees all that was done to the table before.
      pointers: (word, width) => width === ENTRY && word >= layout.ram,
      benign: (first, second) => known.some(({ isOf }) => isOf(layout, first, second)),
    },
    locks: { classOf: ({ lockClass }) => lockClass, nested: NESTED_LOCKS },
  };
}
