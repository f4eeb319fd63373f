// do_wp_page: a write to a page that is mapped read-only (mm/memory.c:3435, v6.8).
//
// Private anonymous memory knows two cases: the page is ours alone, then the entry becomes writable where it is; or it
// is the zero page, or other processes of the family map it, then it is copied outside the lock, and the entry is looked
// at again before it is replaced.
import type { Cpu } from '../cpu.ts';
import { count_vm_event, page_address, page_to_pfn, pfn_to_page } from '../cpu.ts';
import { flush_tlb_page } from '../arch/x86/tlb.ts';
import {
  NO_ENTRY,
  pfn_pte,
  pte_mkdirty,
  pte_mkwrite,
  pte_mkyoung,
  pte_pfn,
  pte_special,
  pte_sw_mkyoung,
} from '../arch/x86/pgtable.ts';
import { D_COW_FLUSH, D_COW_RECHECK, defended } from '../defences.ts';
import {
  FRAME_WORDS,
  LOST_RACE_WP,
  MM_ANONPAGES,
  PGREUSE,
  PG_anon_exclusive,
  PG_lru,
  mm_struct,
  page,
  vma as vm_area,
} from '../layout.ts';
import { READ_ONCE, atomic_fetch_or, copy_words, read, read_64, xchg_64 } from '../memory.ts';
import type { Entry, Steps, Word } from '../memory.ts';
import { __folio_mark_uptodate, add_mm_counter } from './anon.ts';
import { SITE_FOLIO } from './fail_page_alloc.ts';
import {
  FAULT_FLAG_VMA_LOCK,
  LOCKING_CMPXCHG,
  PAGE_MAPPING_ANON,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_WRITE,
} from './flags.ts';
import { mem_cgroup_charge } from './memcontrol.ts';
import { vma_end_read } from './mmap_lock.ts';
import { GFP_HIGHUSER_MOVABLE, GFP_HIGHUSER_MOVABLE_ZERO, alloc_page, drain_store_buffer } from './page_alloc.ts';
import { pte_changed, pte_offset_map_lock, pte_unmap_unlock, set_pte_from } from './pgtable-generic.ts';
import { __anon_vma_prepare, folio_add_new_anon_rmap, folio_move_anon_rmap, folio_remove_rmap_pte } from './rmap.ts';
import {
  folio_add_lru,
  folio_get,
  folio_put,
  folio_try_get,
  folio_trylock,
  folio_unlock,
  lru_add_drain,
} from './swap.ts';
import type { VmFault } from './vmf.ts';

/** vm_normal_page: the struct page of a PTE, 0 where it has none (the zero page), or none of this machine. */
export function vm_normal_page(cpu: Cpu, pte: Entry): Word {
  if (pte_special(pte)) return 0;
  const frame = pte_pfn(pte) - cpu.base_pfn;
  return frame >= 0 && frame < cpu.layout.frames ? pfn_to_page(cpu, pte_pfn(pte)) : 0;
}

/** maybe_mkwrite: writable if the VMA is. */
function maybe_mkwrite(pte: Entry, vm_flags: number): Entry {
  return (vm_flags & VM_WRITE) !== 0 ? pte_mkwrite(pte) : pte;
}

/** do_wp_page: entered with the PTL held and vmf.orig_pte valid; returns with it dropped. */
export function* do_wp_page(cpu: Cpu, vmf: VmFault): Steps<number> {
  const folio = vm_normal_page(cpu, vmf.orig_pte);
  // Without a PTL the folio could be freed at any moment: first it is held, then looked for once more.
  const held = folio !== 0 && cpu.locking === LOCKING_CMPXCHG;
  if (held && !(yield* hold_unlocked(cpu, vmf, folio))) return 0;
  if (folio !== 0 && ((yield* READ_ONCE(cpu, folio + page.mapping)) & PAGE_MAPPING_ANON) !== 0) {
    const exclusive = ((yield* READ_ONCE(cpu, folio + page.flags)) & (1 << PG_anon_exclusive)) !== 0;
    if (exclusive || (yield* wp_can_reuse_anon_folio(cpu, folio, vmf.vma, held ? 2 : 1))) {
      if (!exclusive) yield* atomic_fetch_or(cpu, folio + page.flags, 1 << PG_anon_exclusive);
      yield* wp_page_reuse(cpu, vmf);
      if (held) yield* folio_put(cpu, folio);
      return 0;
    }
  }
  if (folio !== 0 && !held) yield* folio_get(cpu, folio);
  yield* pte_unmap_unlock(cpu, vmf.ptl);
  return yield* wp_page_copy(cpu, vmf, folio);
}

/** The cmpxchg design's way to a reference, as gup_fast_pte_range has it. False: the entry has changed, and is left. */
function* hold_unlocked(cpu: Cpu, vmf: VmFault, folio: Word): Steps<boolean> {
  const held = yield* folio_try_get(cpu, folio);
  if (held && !(yield* pte_changed(cpu, vmf.pte, vmf.orig_pte))) return true;
  yield* pte_unmap_unlock(cpu, vmf.ptl);
  if (held) yield* folio_put(cpu, folio);
  return false;
}

/**
 * wp_can_reuse_anon_folio: nobody else holds a reference (`own` are ours: that of the entry, and any beside it), so no
 * other process maps the folio any more: it becomes this VMA's. Only this CPU's LRU batch is drained: a reference in
 * another CPU's batch costs a copy.
 */
function* wp_can_reuse_anon_folio(cpu: Cpu, folio: Word, vma: Word, own: number): Steps<boolean> {
  if ((yield* READ_ONCE(cpu, folio + page._refcount)) > own + 2) return false;
  if (((yield* READ_ONCE(cpu, folio + page.flags)) & (1 << PG_lru)) === 0) yield* lru_add_drain(cpu);
  if ((yield* READ_ONCE(cpu, folio + page._refcount)) > own) return false;
  if (!(yield* folio_trylock(cpu, folio))) return false;
  const alone = (yield* READ_ONCE(cpu, folio + page._refcount)) === own;
  if (alone) yield* folio_move_anon_rmap(cpu, folio, vma);
  yield* folio_unlock(cpu, folio);
  return alone;
}

/** wp_page_reuse: the same page, now dirty and writable. Drops the PTL. */
function* wp_page_reuse(cpu: Cpu, vmf: VmFault): Steps<void> {
  const vm_flags = yield* read(cpu, vmf.vma + vm_area.vm_flags);
  const entry = maybe_mkwrite(pte_mkdirty(cpu, pte_mkyoung(vmf.orig_pte)), vm_flags);
  if (yield* set_pte_from(cpu, vmf.pte, vmf.orig_pte, entry)) count_vm_event(cpu, PGREUSE);
  else count_vm_event(cpu, LOST_RACE_WP);
  yield* pte_unmap_unlock(cpu, vmf.ptl);
}

/** vmf_anon_prepare: under the VMA lock alone no anon_vma can be made: 0, VM_FAULT_RETRY or VM_FAULT_OOM. */
function* vmf_anon_prepare(cpu: Cpu, vmf: VmFault): Steps<number> {
  if ((yield* read(cpu, vmf.vma + vm_area.anon_vma)) !== 0) return 0;
  if ((vmf.flags & FAULT_FLAG_VMA_LOCK) !== 0) {
    yield* vma_end_read(cpu, vmf.vma);
    return VM_FAULT_RETRY;
  }
  return (yield* __anon_vma_prepare(cpu, vmf.vma)) === 0 ? 0 : VM_FAULT_OOM;
}

/** The copy: zeroed if the old page is the zero page. 0 when out of memory or over the group's limit. */
function* make_copy(cpu: Cpu, vmf: VmFault, old: Word): Steps<Word> {
  const gfp = old === 0 ? GFP_HIGHUSER_MOVABLE_ZERO : GFP_HIGHUSER_MOVABLE;
  const folio = yield* alloc_page(cpu, gfp, SITE_FOLIO);
  if (folio === 0) return 0;
  if (old !== 0) yield* copy_words(cpu, page_address(cpu, folio), page_address(cpu, old), FRAME_WORDS);
  const memcg = yield* read(cpu, vmf.mm + mm_struct.memcg);
  if ((yield* mem_cgroup_charge(cpu, folio, memcg)) !== 0) {
    yield* drain_store_buffer(cpu);
    yield* folio_put(cpu, folio);
    return 0;
  }
  yield* __folio_mark_uptodate(cpu, folio);
  return folio;
}

/** wp_page_copy: `old` is the page to copy, referenced; 0 for the zero page. Entered and left without locks. */
function* wp_page_copy(cpu: Cpu, vmf: VmFault, old: Word): Steps<number> {
  let ret = yield* vmf_anon_prepare(cpu, vmf);
  const folio = ret === 0 ? yield* make_copy(cpu, vmf, old) : 0;
  if (folio === 0) {
    if (ret === 0) ret = VM_FAULT_OOM;
    if (old !== 0) yield* folio_put(cpu, old);
    return ret;
  }
  let replaced = 0;
  let unused = folio;
  vmf.pte = yield* pte_offset_map_lock(cpu, vmf.mm, vmf.pmd, vmf.address, vmf);
  if (vmf.pte !== 0) {
    const changed = yield* pte_changed(cpu, vmf.pte, vmf.orig_pte);
    if (!changed || !defended(cpu, D_COW_RECHECK)) {
      if (yield* replace_page(cpu, vmf, old, folio)) {
        unused = 0;
        replaced = old;
      }
    } else count_vm_event(cpu, LOST_RACE_WP);
    yield* pte_unmap_unlock(cpu, vmf.ptl);
  }
  if (unused !== 0) {
    yield* drain_store_buffer(cpu);
    yield* folio_put(cpu, unused);
  }
  if (replaced !== 0) yield* folio_put(cpu, replaced);
  if (old !== 0) yield* folio_put(cpu, old);
  return 0;
}

/** The critical section of wp_page_copy. False if the cmpxchg design lost the entry. */
function* replace_page(cpu: Cpu, vmf: VmFault, old: Word, folio: Word): Steps<boolean> {
  const vm_flags = yield* read(cpu, vmf.vma + vm_area.vm_flags);
  const prot = yield* read_64(cpu, vmf.vma + vm_area.vm_page_prot);
  const copied = pte_sw_mkyoung(pfn_pte(page_to_pfn(cpu, folio), prot));
  const entry = maybe_mkwrite(pte_mkdirty(cpu, copied), vm_flags);
  if (old === 0) yield* add_mm_counter(cpu, vmf.mm, MM_ANONPAGES, 1);
  let expected = vmf.orig_pte;
  const flushes = defended(cpu, D_COW_FLUSH);
  if (flushes && cpu.locking !== LOCKING_CMPXCHG) {
    // Cleared and flushed first: at no time do two CPUs see two different pages here (R18).
    yield* xchg_64(cpu, vmf.pte, NO_ENTRY);
    yield* flush_tlb_page(cpu, vmf.mm, vmf.address);
    expected = NO_ENTRY;
  }
  yield* folio_add_new_anon_rmap(cpu, folio, vmf.vma, vmf.address);
  yield* folio_add_lru(cpu, folio);
  if (!(yield* set_pte_from(cpu, vmf.pte, expected, entry))) {
    yield* folio_remove_rmap_pte(cpu, folio);
    if (old === 0) yield* add_mm_counter(cpu, vmf.mm, MM_ANONPAGES, -1);
    count_vm_event(cpu, LOST_RACE_WP);
    return false;
  }
  if (flushes && cpu.locking === LOCKING_CMPXCHG) yield* flush_tlb_page(cpu, vmf.mm, vmf.address);
  // Only now may others think that they alone have the old page.
  if (old !== 0) yield* folio_remove_rmap_pte(cpu, old);
  return true;
}
