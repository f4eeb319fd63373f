// How the kernel's words and locks are judged: which of its own data races are known and do no harm.
//
// Linux has these unmarked accesses, too, or has an equivalent that needs no mark, and says why they are right. All
// else that races is a finding. The hardware's walks and user programs are never a side of a data race.
import type { AccessEvent } from '../check/access-event.ts';
import { FRAME_SHIFT, CACHE_MEM_CGROUP, CACHE_VMA, PAGE_STRUCT_SHIFT, PAGE_TYPE_TABLE } from '../kernel/layout.ts';
import { ZONE_WORDS, mem_cgroup, page, vma, zone } from '../kernel/layout.ts';
import type { Machine } from '../machine/boot.ts';
import type { JudgeRules } from './judges.ts';

/** Accesses to one field that may race. */
interface BenignRace {
  readonly field: string;
  /** Where in v6.8. */
  readonly where: string;
  readonly why: string;
  readonly isAt: (machine: Machine, word: number) => boolean;
}

const PMD_LEVEL = 2;

const BENIGN: readonly BenignRace[] = [
  {
    field: 'pmd',
    where: 'pte_alloc, include/linux/mm.h; handle_pte_fault, mm/memory.c: pmd_none(*pmd)',
    why: 'a look without the lock; pmd_install looks once more with it, pte_offset_map_lock after it',
    isAt: (machine, word) => levelOfTableWith(machine, word) === PMD_LEVEL,
  },
  {
    field: 'vma->anon_vma',
    where: 'anon_vma_prepare, include/linux/rmap.h; lock_vma_under_rcu, mm/memory.c',
    why: 'set once and never changed while the VMA is held; __anon_vma_prepare looks once more with the lock',
    isAt: (machine, word) => fieldOfObject(machine, CACHE_VMA, word) === vma.anon_vma,
  },
  {
    field: 'memcg->watermark',
    where: 'page_counter_try_charge, mm/page_counter.c',
    why: 'a statistic; the comment there says that some inaccuracy can be lived with',
    isAt: (machine, word) => fieldOfObject(machine, CACHE_MEM_CGROUP, word) === mem_cgroup.watermark,
  },
  {
    field: 'memcg->failcnt',
    where: 'page_counter_try_charge, mm/page_counter.c: data_race(c->failcnt++)',
    why: 'a statistic, marked as racy in Linux, too',
    isAt: (machine, word) => fieldOfObject(machine, CACHE_MEM_CGROUP, word) === mem_cgroup.failcnt,
  },
  {
    field: 'zone->nr_free_pages',
    where: 'zone_watermark_ok, mm/page_alloc.c',
    why: 'an estimate: CPUs keep back what they have not told the zone yet',
    isAt: ({ layout }, word) => {
      const offset = word - layout.zones;
      return offset >= 0 && word < layout.lruvec && offset % ZONE_WORDS === zone.nr_free_pages;
    },
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

/** Whether Linux has this race, too. */
function isBenign(machine: Machine, first: AccessEvent, second: AccessEvent): boolean {
  const word = Math.max(first.word, second.word);
  return BENIGN.some(({ isAt }) => isAt(machine, word));
}

/** The rules for a machine. */
export function kernelRules(machine: Machine): JudgeRules {
  return {
    races: { dependencies: true, benign: (first, second) => isBenign(machine, first, second) },
    locks: { classOf: ({ lockClass }) => lockClass },
  };
}
