// Growing a stack downwards (expand_stack_locked, mm/mmap.c). Under mmap_lock for write.
import type { Cpu } from '../cpu.ts';
import { PAGE_SIZE, page_align_down } from '../arch/x86/pgtable.ts';
import { mm_struct, vma as vm_area } from '../layout.ts';
import { read, read_long, write, write_long } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { ENOMEM, EPERM, VM_ACCESS_FLAGS, VM_GROWSDOWN, VM_LOCKED } from './flags.ts';
import { all_vmas } from './maple.ts';
import { account_locked_vm, mlock_future_ok } from './mlock.ts';
import { vma_start_write } from './mmap_lock.ts';
import { anon_vma_lock_write, anon_vma_prepare, anon_vma_unlock_write } from './rmap.ts';
import { MMAP_MIN_ADDR, STACK_GUARD_GAP } from './unmapped_area.ts';
import { vma_relink } from './vma.ts';

/** RLIMIT_STACK: 8 MiB. */
const STACK_LIMIT = 0x800000;

/** expand_downwards: the VMA starts at `address`'s page afterwards. 0, -EPERM or -ENOMEM. */
export function* expand_stack(cpu: Cpu, mm: Word, vma: Word, address: number): Steps<number> {
  const start = page_align_down(address);
  if (start < MMAP_MIN_ADDR) return -EPERM;
  const vmas = yield* all_vmas(cpu, mm);
  const below = vmas[vmas.indexOf(vma) - 1];
  if (below !== undefined) {
    const accessible = ((yield* read(cpu, below + vm_area.vm_flags)) & VM_ACCESS_FLAGS) !== 0;
    const stack = ((yield* read(cpu, below + vm_area.vm_flags)) & VM_GROWSDOWN) !== 0;
    const end = yield* read_long(cpu, below + vm_area.vm_end);
    if (end > start || (accessible && !stack && start - end < STACK_GUARD_GAP)) return -ENOMEM;
  }
  // Before the size is looked at: the anon_vma stays where the stack turns out to be too long.
  if ((yield* anon_vma_prepare(cpu, vma)) !== 0) return -ENOMEM;
  const old_start = yield* read_long(cpu, vma + vm_area.vm_start);
  if ((yield* read_long(cpu, vma + vm_area.vm_end)) - start > STACK_LIMIT) return -ENOMEM;
  const grow = (old_start - start) / PAGE_SIZE;
  const pgoff = yield* read_long(cpu, vma + vm_area.vm_pgoff);
  const vm_flags = yield* read(cpu, vma + vm_area.vm_flags);
  if (grow > pgoff || !(yield* mlock_future_ok(cpu, mm, vm_flags, grow * PAGE_SIZE))) return -ENOMEM;
  yield* vma_start_write(cpu, mm, vma);
  const anon_vma = yield* read(cpu, vma + vm_area.anon_vma);
  yield* anon_vma_lock_write(cpu, anon_vma);
  yield* write_long(cpu, vma + vm_area.vm_start, start);
  yield* write_long(cpu, vma + vm_area.vm_pgoff, pgoff - grow);
  yield* anon_vma_unlock_write(cpu, anon_vma);
  if ((yield* vma_relink(cpu, mm, vmas)) !== 0) {
    yield* write_long(cpu, vma + vm_area.vm_start, old_start);
    yield* write_long(cpu, vma + vm_area.vm_pgoff, pgoff);
    return -ENOMEM;
  }
  yield* write(cpu, mm + mm_struct.total_vm, (yield* read(cpu, mm + mm_struct.total_vm)) + grow);
  if ((vm_flags & VM_LOCKED) !== 0) yield* account_locked_vm(cpu, mm, grow);
  return 0;
}
