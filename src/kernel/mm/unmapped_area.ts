// Where a new mapping goes (get_unmapped_area, vm_unmapped_area in mm/mmap.c; arch/x86/kernel/sys_x86_64.c).
//
// A kernel with transparent huge pages aligns what is 2 MiB or more; there are none here, so nothing is aligned.
import type { Cpu } from '../cpu.ts';
import { PAGE_SIZE, TASK_SIZE, page_align, page_align_down } from '../arch/x86/pgtable.ts';
import { mm_struct, vma as vm_area } from '../layout.ts';
import { read, read_long } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { EINVAL, ENOMEM, EPERM, MAP_FIXED, VM_GROWSDOWN } from './flags.ts';
import { all_vmas, find_vma } from './maple.ts';

/** Gap kept free below a stack: 256 pages (stack_guard_gap). */
export const STACK_GUARD_GAP: number = 256 * PAGE_SIZE;
/** vm.mmap_min_addr. */
export const MMAP_MIN_ADDR: number = PAGE_SIZE;
/** TASK_UNMAPPED_BASE: from here on it is looked upwards where there is no room below mmap_base. */
const MMAP_LEGACY_BASE: number = page_align(TASK_SIZE / 3);

/** vm_start_gap: where a VMA begins, with what must stay free below it if it is a stack. */
export function* vm_start_gap(cpu: Cpu, vma: Word): Steps<number> {
  const start = yield* read_long(cpu, vma + vm_area.vm_start);
  if (((yield* read(cpu, vma + vm_area.vm_flags)) & VM_GROWSDOWN) === 0) return start;
  return Math.max(0, start - STACK_GUARD_GAP);
}

/** find_vma_intersection: the first VMA that touches [start, end), or 0. */
export function* find_vma_intersection(cpu: Cpu, mm: Word, start: number, end: number): Steps<Word> {
  const vma = yield* find_vma(cpu, mm, start);
  return vma !== 0 && (yield* read_long(cpu, vma + vm_area.vm_start)) < end ? vma : 0;
}

/** unmapped_area_topdown: the highest free range of `length` below mmap_base; -ENOMEM if there is none. */
function* unmapped_area_topdown(cpu: Cpu, mm: Word, length: number): Steps<number> {
  let top = yield* read_long(cpu, mm + mm_struct.mmap_base);
  const vmas = yield* all_vmas(cpu, mm);
  for (const vma of vmas.reverse()) {
    if (top - length >= (yield* read_long(cpu, vma + vm_area.vm_end))) break;
    top = Math.min(top, yield* vm_start_gap(cpu, vma));
  }
  return top - length >= MMAP_MIN_ADDR ? top - length : -ENOMEM;
}

/** unmapped_area: the lowest free range of `length` from MMAP_LEGACY_BASE on; -ENOMEM if there is none. */
function* unmapped_area(cpu: Cpu, mm: Word, length: number): Steps<number> {
  let at = MMAP_LEGACY_BASE;
  for (const vma of yield* all_vmas(cpu, mm)) {
    const end = yield* read_long(cpu, vma + vm_area.vm_end);
    if (end <= at) continue;
    if (at + length <= (yield* vm_start_gap(cpu, vma))) break;
    at = end;
  }
  return at + length <= TASK_SIZE ? at : -ENOMEM;
}

/** arch_get_unmapped_area_topdown: the hint if nothing is in its way, else the highest room that there is. */
function* arch_get_unmapped_area_topdown(cpu: Cpu, mm: Word, hint: number, length: number): Steps<number> {
  const address = page_align_down(hint);
  if (address !== 0 && address <= TASK_SIZE - length) {
    const vma = yield* find_vma(cpu, mm, address);
    if (vma === 0 || address + length <= (yield* vm_start_gap(cpu, vma))) return address;
  }
  const found = yield* unmapped_area_topdown(cpu, mm, length);
  return found >= 0 ? found : yield* unmapped_area(cpu, mm, length);
}

/** get_unmapped_area: the address for a mapping of `length` bytes, or a negative error. `flags` is MAP_*. */
export function* get_unmapped_area(cpu: Cpu, mm: Word, address: number, length: number, flags: number): Steps<number> {
  if (length > TASK_SIZE) return -ENOMEM;
  const fixed = (flags & MAP_FIXED) !== 0;
  const found = fixed ? address : yield* arch_get_unmapped_area_topdown(cpu, mm, address, length);
  if (found < 0) return found;
  if (found > TASK_SIZE - length) return -ENOMEM;
  if (found % PAGE_SIZE !== 0) return -EINVAL;
  return found < MMAP_MIN_ADDR ? -EPERM : found;
}
