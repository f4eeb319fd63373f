// What a monitor asks of its userfaultfd: register, unregister, copy, zeropage, wake, close (fs/userfaultfd.c).
//
// All return what Linux's ioctls do: 0 or the bytes that were filled, or a negative error number.
import type { Cpu } from '../cpu.ts';
import { PAGE_SIZE, TASK_SIZE, pte_none } from '../arch/x86/pgtable.ts';
import { VM_OPS_NONE, vma as vm_area } from '../layout.ts';
import { READ_ONCE_64, read, read_long } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { EINVAL, ENOMEM, EPERM, VM_MAYWRITE, VM_UFFD_MISSING } from '../mm/flags.ts';
import { find_pmd } from '../mm/khugepaged.ts';
import { all_vmas, find_vma } from '../mm/maple.ts';
import { mmap_write_lock, mmap_write_unlock, vma_start_write } from '../mm/mmap_lock.ts';
import { pte_offset_map_lock, pte_unmap_unlock } from '../mm/pgtable-generic.ts';
import { mfill_atomic } from '../mm/userfaultfd.ts';
import { vm_flags_reset, vma_isolate, vma_merge } from '../mm/vma.ts';
import { wake_userfault } from './userfaultfd.ts';
import type { AddressRange } from './userfaultfd.ts';

/** validate_range. */
function is_valid_range(start: number, length: number): boolean {
  if (start % PAGE_SIZE !== 0 || length % PAGE_SIZE !== 0) return false;
  return start >= PAGE_SIZE && length > 0 && start < TASK_SIZE && length <= TASK_SIZE - start;
}

/** The VMAs that have a part of [start, end). */
function* vmas_in(cpu: Cpu, mm: Word, start: number, end: number): Steps<Word[]> {
  const inside: Word[] = [];
  for (const vma of yield* all_vmas(cpu, mm)) {
    const vm_end = yield* read_long(cpu, vma + vm_area.vm_end);
    if (vm_end > start && (yield* read_long(cpu, vma + vm_area.vm_start)) < end) inside.push(vma);
  }
  return inside;
}

/** vma_can_userfault, for all of them. Linux lets shared memory be watched as well; its faults are not modelled. */
function* can_userfault(cpu: Cpu, vmas: readonly Word[]): Steps<number> {
  if (vmas.length === 0) return -EINVAL;
  for (const vma of vmas) {
    if ((yield* read(cpu, vma + vm_area.vm_ops)) !== VM_OPS_NONE) return -EINVAL;
    if (((yield* read(cpu, vma + vm_area.vm_flags)) & VM_MAYWRITE) === 0) return -EPERM;
  }
  return 0;
}

/**
 * userfaultfd_set_vm_flags for [start, end), under mmap_lock for write: one VMA after the other, each merged with its
 * neighbours before the next. 0 or -ENOMEM: what comes before is done.
 */
function* set_watched(cpu: Cpu, mm: Word, start: number, end: number, watched: number): Steps<number> {
  for (let at = start; at < end;) {
    const vma = yield* find_vma(cpu, mm, at);
    if (vma === 0) break;
    const from = Math.max(at, yield* read_long(cpu, vma + vm_area.vm_start));
    if (from >= end) break;
    at = Math.min(end, yield* read_long(cpu, vma + vm_area.vm_end));
    const vm_flags = yield* read(cpu, vma + vm_area.vm_flags);
    if ((vm_flags & VM_UFFD_MISSING) === watched) continue;
    const inside = yield* vma_isolate(cpu, mm, vma, from, at);
    if (inside === 0) return -ENOMEM;
    yield* vma_start_write(cpu, mm, inside);
    yield* vm_flags_reset(cpu, inside, (vm_flags & ~VM_UFFD_MISSING) | watched);
    yield* vma_merge(cpu, mm, inside);
  }
  return 0;
}

/** The pages of [start, end) that are in a VMA and missing, added to `missing` as ranges. Under mmap_lock for write. */
function* find_missing(cpu: Cpu, mm: Word, start: number, end: number, missing: AddressRange[]): Steps<void> {
  for (const vma of yield* vmas_in(cpu, mm, start, end)) {
    const to = Math.min(end, yield* read_long(cpu, vma + vm_area.vm_end));
    let first = Math.max(start, yield* read_long(cpu, vma + vm_area.vm_start));
    for (let at = first; at < to; at += PAGE_SIZE) {
      if (yield* is_missing(cpu, mm, at)) continue;
      if (at > first) missing.push({ start: first, end: at });
      first = at + PAGE_SIZE;
    }
    if (to > first) missing.push({ start: first, end: to });
  }
}

/** Under the entry's lock: who copies a page, or flushes an entry to change it, leaves nothing there for a moment. */
function* is_missing(cpu: Cpu, mm: Word, address: number): Steps<boolean> {
  const pmd = yield* find_pmd(cpu, mm, address);
  const pte = pmd === 0 ? 0 : yield* pte_offset_map_lock(cpu, mm, pmd, address, cpu.vmf);
  if (pte === 0) return true;
  const entry = yield* READ_ONCE_64(cpu, pte);
  yield* pte_unmap_unlock(cpu, cpu.vmf.ptl);
  return pte_none(entry);
}

/**
 * UFFDIO_REGISTER with MODE_MISSING: faults on missing pages of the range go to the monitor from now on. -EINVAL for a
 * range that is none or has no VMA, or one that is not anonymous. `missing`, if given, gets the pages that are missing.
 */
export function* userfaultfd_register(
  cpu: Cpu,
  mm: Word,
  start: number,
  length: number,
  missing?: AddressRange[],
): Steps<number> {
  if (!is_valid_range(start, length)) return -EINVAL;
  const end = start + length;
  yield* mmap_write_lock(cpu, mm);
  let error = yield* can_userfault(cpu, yield* vmas_in(cpu, mm, start, end));
  if (error === 0) error = yield* set_watched(cpu, mm, start, end, VM_UFFD_MISSING);
  if (error === 0 && missing !== undefined) yield* find_missing(cpu, mm, start, end, missing);
  yield* mmap_write_unlock(cpu, mm);
  return error;
}

/**
 * UFFDIO_UNREGISTER: missing pages of the range are filled with zeroes from now on, and faults that wait there go on.
 * v6.8 wakes them before it locks the VMA; a fault that holds the VMA by its own lock alone, and is not queued yet, would
 * then wait for ever. Here they are woken once no fault can still be on its way.
 */
export function* userfaultfd_unregister(cpu: Cpu, mm: Word, start: number, length: number): Steps<number> {
  if (!is_valid_range(start, length)) return -EINVAL;
  const end = start + length;
  yield* mmap_write_lock(cpu, mm);
  let error = yield* can_userfault(cpu, yield* vmas_in(cpu, mm, start, end));
  if (error === 0) error = yield* set_watched(cpu, mm, start, end, 0);
  if (error === 0) yield* wake_userfault(cpu, mm, start, end);
  yield* mmap_write_unlock(cpu, mm);
  return error;
}

/** userfaultfd_release: the monitor closes its userfaultfd, or ends. Nothing is watched any more, everybody goes on. */
export function* userfaultfd_release(cpu: Cpu, mm: Word): Steps<number> {
  yield* mmap_write_lock(cpu, mm);
  const watched: AddressRange[] = [];
  for (const vma of yield* all_vmas(cpu, mm)) {
    if (((yield* read(cpu, vma + vm_area.vm_flags)) & VM_UFFD_MISSING) === 0) continue;
    const start = yield* read_long(cpu, vma + vm_area.vm_start);
    watched.push({ start, end: yield* read_long(cpu, vma + vm_area.vm_end) });
  }
  let error = 0;
  for (const { start, end } of watched) if (error === 0) error = yield* set_watched(cpu, mm, start, end, 0);
  yield* mmap_write_unlock(cpu, mm);
  yield* wake_userfault(cpu, mm, 0, TASK_SIZE);
  return error;
}

/**
 * UFFDIO_COPY of pages whose words all are `value`, or UFFDIO_ZEROPAGE where that is undefined: fills missing pages of
 * the range, in order, and wakes who waits for them. Bytes filled, of which there may be fewer than asked for; where
 * there are none, -EINVAL (no such range), -ENOENT (not in one watched VMA), -EEXIST (the page is there), -ENOMEM,
 * -EAGAIN, and nobody is woken.
 */
export function* userfaultfd_fill(
  cpu: Cpu,
  mm: Word,
  start: number,
  length: number,
  value: number | undefined,
): Steps<number> {
  if (!is_valid_range(start, length)) return -EINVAL;
  const filled = yield* mfill_atomic(cpu, mm, start, length, value);
  if (filled > 0) yield* wake_userfault(cpu, mm, start, start + filled);
  return filled;
}

/** UFFDIO_WAKE: faults on the range that wait go on, whether their pages are there or not. */
export function* userfaultfd_wake(cpu: Cpu, mm: Word, start: number, length: number): Steps<number> {
  if (!is_valid_range(start, length)) return -EINVAL;
  yield* wake_userfault(cpu, mm, start, start + length);
  return 0;
}
