// How the kernel's words and locks are judged: which of its own data races are known and do no harm.
//
// Linux v6.8 has these unmarked accesses, too, or marks them as races that are meant (data_race()). All else that races
// is a finding. The hardware's walks and user programs are never a side of a data race.
import type { AccessEvent } from '../check/access-event.ts';
import { FRAME_SHIFT, CACHE_MEM_CGROUP, CACHE_VMA, PAGE_STRUCT_SHIFT, PAGE_TYPE_TABLE } from '../kernel/layout.ts';
import { mem_cgroup, page, vma } from '../kernel/layout.ts';
import type { Machine } from '../machine/boot.ts';
import type { JudgeRules } from './judges.ts';

/** Accesses to one field that may race. */
export interface BenignRace {
  readonly field: string;
  /** Where in v6.8. */
  readonly where: string;
  readonly why: string;
  readonly isAt: (machine: Machine, word: number) => boolean;
}

const PMD_LEVEL = 2;

export const BENIGN_RACES: readonly BenignRace[] = [
  {
    field: 'pgd, pud, pmd',
    where:
      'pud_alloc, pmd_alloc, pte_alloc, include/linux/mm.h: p4d_none(*p4d), pud_none(*pud), pmd_none(*pmd); ' +
      'handle_pte_fault, mm/memory.c: pmd_none(*vmf->pmd)',
    why: 'a look without the lock; whoever installs a table, or maps one, looks once more with it',
    isAt: (machine, word) => levelOfTableWith(machine, word) >= PMD_LEVEL,
  },
  {
    field: 'vma->anon_vma',
    where: 'anon_vma_prepare, include/linux/rmap.h; vmf_anon_prepare and lock_vma_under_rcu, mm/memory.c',
    why: 'set once and never changed while the VMA is held; __anon_vma_prepare looks once more with the lock',
    isAt: (machine, word) => fieldOfObject(machine, CACHE_VMA, word) === vma.anon_vma,
  },
  {
    field: 'memcg->failcnt',
    where: 'page_counter_try_charge, mm/page_counter.c: data_race(c->failcnt++)',
    why: 'a statistic, which the comment there says may be inaccurate',
    isAt: (machine, word) => fieldOfObject(machine, CACHE_MEM_CGROUP, word) === mem_cgroup.failcnt,
  },
];

/** The field of the object of a cache that a word is; -1: it is in none. */
function fieldOfObject({ layout }: Machine, cache: number, word: number): number {
  const size = layout.object_words[cache]!;
  const offset = word - layout.objects[cache]!;
  return offset >= 0 && offset < size * layout.object_counts[cache]! ? offset % size : -1;
}

/** The level of the page table that a word of RAM lies in; 0: in none. */
function levelOfTableWith({ layout, words }: Machine, word: number): number {
  if (word < layout.ram) return 0;
  const frame = (word - layout.ram) >> FRAME_SHIFT;
  const at = layout.mem_map + (frame << PAGE_STRUCT_SHIFT);
  return words[at + page.page_type] === PAGE_TYPE_TABLE ? words[at + page.private]! : 0;
}

/** The rules for a machine. `known`: the races that are not told. */
export function kernelRules(machine: Machine, known: readonly BenignRace[] = BENIGN_RACES): JudgeRules {
  const isKnown = (first: AccessEvent, second: AccessEvent): boolean => {
    const word = Math.max(first.word, second.word);
    return known.some(({ isAt }) => isAt(machine, word));
  };
  return { races: { dependencies: true, benign: isKnown }, locks: { classOf: ({ lockClass }) => lockClass } };
}
