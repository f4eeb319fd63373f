// mm_mt: which VMA covers an address.
//
// Linux keeps the ranges in a maple tree whose nodes are replaced, never changed, so that readers need RCU alone. Here
// the tree is one such node: a sorted array that a writer (mmap_lock held for write) replaces whole.
import type { Cpu } from '../cpu.ts';
import { CACHE_MAPLE_NODE, MAPLE_SLOT_WORDS, maple_node, maple_slot, mm_struct, vma as vm_area } from '../layout.ts';
import { call_rcu_free } from '../locking/rcu.ts';
import {
  local_read,
  local_read_long,
  local_write,
  local_write_long,
  read,
  read_long,
  smp_store_release,
} from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { kmem_cache_alloc_wait } from './slab.ts';

function slot_of(node: Word, index: number): Word {
  return node + maple_node.slots + index * MAPLE_SLOT_WORDS;
}

/** Index of the first range of `node` that ends above `address`; the number of ranges if none does. */
function* lower_bound(cpu: Cpu, node: Word, address: number): Steps<number> {
  let low = 0;
  let high = yield* read(cpu, node + maple_node.count);
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((yield* read_long(cpu, slot_of(node, middle) + maple_slot.end)) > address) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** mas_walk: the VMA that covers `address` in `node`, or 0. */
export function* mt_walk(cpu: Cpu, node: Word, address: number): Steps<Word> {
  const index = yield* lower_bound(cpu, node, address);
  if (index === (yield* read(cpu, node + maple_node.count))) return 0;
  const slot = slot_of(node, index);
  return (yield* read_long(cpu, slot + maple_slot.start)) <= address ? yield* read(cpu, slot + maple_slot.vma) : 0;
}

/** find_vma: the first VMA of the mm that ends above `address`, or 0. Under mmap_lock. */
export function* find_vma(cpu: Cpu, mm: Word, address: number): Steps<Word> {
  const node = yield* read(cpu, mm + mm_struct.mm_mt);
  const index = yield* lower_bound(cpu, node, address);
  if (index === (yield* read(cpu, node + maple_node.count))) return 0;
  return yield* read(cpu, slot_of(node, index) + maple_slot.vma);
}

/** All VMAs of the mm in address order. Under mmap_lock. */
export function* all_vmas(cpu: Cpu, mm: Word): Steps<Word[]> {
  const node = yield* read(cpu, mm + mm_struct.mm_mt);
  const count = yield* read(cpu, node + maple_node.count);
  const vmas: Word[] = [];
  for (let i = 0; i < count; i++) vmas.push(yield* read(cpu, slot_of(node, i) + maple_slot.vma));
  return vmas;
}

/** vma_iter_bulk_store: puts a VMA behind all others of a tree that only this CPU can see, so that no step is made. */
export function mt_bulk_store(cpu: Cpu, mm: Word, vma: Word): void {
  const node = local_read(cpu, mm + mm_struct.mm_mt);
  const count = local_read(cpu, node + maple_node.count);
  const slot = slot_of(node, count);
  local_write_long(cpu, slot + maple_slot.start, local_read_long(cpu, vma + vm_area.vm_start));
  local_write_long(cpu, slot + maple_slot.end, local_read_long(cpu, vma + vm_area.vm_end));
  local_write(cpu, slot + maple_slot.vma, vma);
  local_write(cpu, node + maple_node.count, count + 1);
}

/** Whether the mm's tree has room for `more` ranges. */
export function* mt_has_room(cpu: Cpu, mm: Word, more: number): Steps<boolean> {
  const node = yield* read(cpu, mm + mm_struct.mm_mt);
  return (yield* read(cpu, node + maple_node.count)) + more <= cpu.layout.max_vmas;
}

/**
 * Replaces the mm's tree by one with `vmas` (in address order, their vm_start and vm_end final), and frees the old one
 * after a grace period. Under mmap_lock for write. False when out of memory: nothing changed.
 */
export function* mt_replace(cpu: Cpu, mm: Word, vmas: readonly Word[]): Steps<boolean> {
  if (vmas.length > cpu.layout.max_vmas) return false;
  const node = yield* kmem_cache_alloc_wait(cpu, CACHE_MAPLE_NODE);
  if (node === 0) return false;
  // Nobody can see the new node yet: filling it is not a step.
  local_write(cpu, node + maple_node.count, vmas.length);
  let slot = slot_of(node, 0);
  for (const vma of vmas) {
    local_write_long(cpu, slot + maple_slot.start, yield* read_long(cpu, vma + vm_area.vm_start));
    local_write_long(cpu, slot + maple_slot.end, yield* read_long(cpu, vma + vm_area.vm_end));
    local_write(cpu, slot + maple_slot.vma, vma);
    slot += MAPLE_SLOT_WORDS;
  }
  const old = yield* read(cpu, mm + mm_struct.mm_mt);
  yield* smp_store_release(cpu, mm + mm_struct.mm_mt, node);
  if (old !== 0) yield* call_rcu_free(cpu, CACHE_MAPLE_NODE, old);
  return true;
}
