// do_user_addr_fault: from the exception to handle_mm_fault and back to the program (arch/x86/mm/fault.c:1230, v6.8).
//
// First the VMA's own lock is tried; whatever can't be decided under it is done again under mmap_lock.
import type { Cpu } from '../../cpu.ts';
import { count_vm_event } from '../../cpu.ts';
import {
  OOM_FAULT,
  PAGEFAULTS_USER,
  SIGBUS_EVENTS,
  SIGSEGV_EVENTS,
  VMA_LOCK_RETRY,
  VMA_LOCK_SUCCESS,
  vma as vm_area,
} from '../../layout.ts';
import { read, read_long } from '../../memory.ts';
import type { Steps, Word } from '../../memory.ts';
import {
  FAULT_FLAG_DEFAULT,
  FAULT_FLAG_INSTRUCTION,
  FAULT_FLAG_TRIED,
  FAULT_FLAG_USER,
  FAULT_FLAG_VMA_LOCK,
  FAULT_FLAG_WRITE,
  SIGBUS,
  SIGKILL,
  SIGSEGV,
  VM_ACCESS_FLAGS,
  VM_FAULT_COMPLETED,
  VM_FAULT_ERROR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGSEGV,
  VM_GROWSDOWN,
  VM_WRITE,
  X86_PF_INSTR,
  X86_PF_PROT,
  X86_PF_USER,
  X86_PF_WRITE,
} from '../../mm/flags.ts';
import { find_vma } from '../../mm/maple.ts';
import { handle_mm_fault } from '../../mm/memory.ts';
import {
  lock_vma_under_rcu,
  mmap_read_lock,
  mmap_read_unlock,
  mmap_write_downgrade,
  mmap_write_lock,
  mmap_write_unlock,
  vma_end_read,
} from '../../mm/mmap_lock.ts';
import { fatal_signal_pending, pagefault_out_of_memory } from '../../mm/oom_kill.ts';
import { expand_stack } from '../../mm/stack.ts';
import { TASK_SIZE } from './pgtable.ts';

/** access_error: the VMA does not allow what the program did. */
function access_error(error_code: number, vm_flags: number): boolean {
  if ((error_code & X86_PF_WRITE) !== 0) return (vm_flags & VM_WRITE) === 0;
  if ((error_code & X86_PF_PROT) !== 0) return true;
  return (vm_flags & VM_ACCESS_FLAGS) === 0;
}

/** lock_mm_and_find_vma: the VMA with mmap_lock held for read; 0 with nothing held. Grows a stack on the way. */
function* lock_mm_and_find_vma(cpu: Cpu, mm: Word, address: number): Steps<Word> {
  yield* mmap_read_lock(cpu, mm);
  let vma = yield* find_vma(cpu, mm, address);
  if (vma !== 0 && (yield* read_long(cpu, vma + vm_area.vm_start)) <= address) return vma;
  if (vma === 0 || ((yield* read(cpu, vma + vm_area.vm_flags)) & VM_GROWSDOWN) === 0) {
    yield* mmap_read_unlock(cpu, mm);
    return 0;
  }
  // Expanding changes the VMA, so it needs the write lock; what was found may have changed while none was held.
  yield* mmap_read_unlock(cpu, mm);
  yield* mmap_write_lock(cpu, mm);
  vma = yield* find_vma(cpu, mm, address);
  if (vma !== 0 && (yield* read_long(cpu, vma + vm_area.vm_start)) > address) {
    const grows = ((yield* read(cpu, vma + vm_area.vm_flags)) & VM_GROWSDOWN) !== 0;
    if (!grows || (yield* expand_stack(cpu, mm, vma, address)) !== 0) vma = 0;
  }
  if (vma === 0) {
    yield* mmap_write_unlock(cpu, mm);
    return 0;
  }
  yield* mmap_write_downgrade(cpu, mm);
  return vma;
}

/** Handles the fault under the VMA lock. -1: must be done under mmap_lock. Otherwise the VM_FAULT_* result. */
function* fault_under_vma_lock(cpu: Cpu, mm: Word, error_code: number, address: number, flags: number): Steps<number> {
  const vma = yield* lock_vma_under_rcu(cpu, mm, address);
  if (vma === 0) return -1;
  if (access_error(error_code, yield* read(cpu, vma + vm_area.vm_flags))) {
    yield* vma_end_read(cpu, vma);
    return -1;
  }
  const fault = yield* handle_mm_fault(cpu, vma, address, flags | FAULT_FLAG_VMA_LOCK);
  if ((fault & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)) === 0) yield* vma_end_read(cpu, vma);
  if ((fault & VM_FAULT_RETRY) === 0) {
    count_vm_event(cpu, VMA_LOCK_SUCCESS);
    return fault;
  }
  count_vm_event(cpu, VMA_LOCK_RETRY);
  return -1;
}

/**
 * do_user_addr_fault: 0 if the program may touch the address again, else the signal it gets: SIGSEGV, SIGBUS, or
 * SIGKILL where memory is out for good. `error_code` is X86_PF_*.
 */
export function* do_user_addr_fault(cpu: Cpu, mm: Word, error_code: number, address: number): Steps<number> {
  count_vm_event(cpu, PAGEFAULTS_USER);
  let flags = FAULT_FLAG_DEFAULT;
  if ((error_code & X86_PF_USER) !== 0) flags |= FAULT_FLAG_USER;
  if ((error_code & X86_PF_WRITE) !== 0) flags |= FAULT_FLAG_WRITE;
  if ((error_code & X86_PF_INSTR) !== 0) flags |= FAULT_FLAG_INSTRUCTION;
  if (address >= TASK_SIZE) return bad_area(cpu);
  if ((flags & FAULT_FLAG_USER) !== 0) {
    const fault = yield* fault_under_vma_lock(cpu, mm, error_code, address, flags);
    if (fault >= 0) return yield* fault_result(cpu, mm, fault);
    // It may have slept, and been killed meanwhile.
    if (fatal_signal_pending(cpu)) return SIGKILL;
  }
  for (;;) {
    const vma = yield* lock_mm_and_find_vma(cpu, mm, address);
    if (vma === 0) return bad_area(cpu);
    if (access_error(error_code, yield* read(cpu, vma + vm_area.vm_flags))) {
      yield* mmap_read_unlock(cpu, mm);
      return bad_area(cpu);
    }
    const fault = yield* handle_mm_fault(cpu, vma, address, flags);
    if ((fault & VM_FAULT_COMPLETED) !== 0) return 0;
    if ((fault & VM_FAULT_RETRY) === 0) {
      yield* mmap_read_unlock(cpu, mm);
      return yield* fault_result(cpu, mm, fault);
    }
    if (fatal_signal_pending(cpu)) return SIGKILL;
    flags |= FAULT_FLAG_TRIED;
  }
}

/** bad_area: SIGSEGV. */
function bad_area(cpu: Cpu): number {
  count_vm_event(cpu, SIGSEGV_EVENTS);
  return SIGSEGV;
}

/** What the program gets for a fault's result. */
function* fault_result(cpu: Cpu, mm: Word, fault: number): Steps<number> {
  if ((fault & VM_FAULT_ERROR) === 0) {
    cpu.oom_retries = 0;
    return 0;
  }
  if ((fault & VM_FAULT_OOM) !== 0) {
    count_vm_event(cpu, OOM_FAULT);
    return (yield* pagefault_out_of_memory(cpu, mm)) ? SIGKILL : 0;
  }
  if ((fault & VM_FAULT_SIGSEGV) !== 0) return bad_area(cpu);
  count_vm_event(cpu, SIGBUS_EVENTS);
  return SIGBUS;
}
