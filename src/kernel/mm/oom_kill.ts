// Out of memory: what a fault that failed for want of a page does, and the reaper (mm/oom_kill.c).
import type { Cpu } from '../cpu.ts';
import { count_vm_event } from '../cpu.ts';
import { OOM_KILL, VM_OPS_NONE, cpu_area, mem_cgroup, mm_struct, vma as vm_area } from '../layout.ts';
import { atomic_fetch_or, local_read, local_write, read, read_long } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { PRINTK_OOM_KILL, printk } from '../printk.ts';
import { raise_interrupt } from '../smp.ts';
import { MMF_OOM_REAP_QUEUED, MMF_UNSTABLE } from './flags.ts';
import { all_vmas } from './maple.ts';
import { memcg_memory_event } from './memcontrol.ts';
import { mmap_read_trylock, mmap_read_unlock } from './mmap_lock.ts';
import { tlb_finish_mmu, tlb_gather_mmu } from './mmu_gather.ts';
import { unmap_page_range } from './zap.ts';

/** Times in a row that one CPU's fault may fail for want of memory before its process is killed. */
const OOM_RETRIES = 8;

/**
 * pagefault_out_of_memory. Linux retries the fault, having killed somebody from within the allocator; here there is
 * one process and nothing to reclaim, so after OOM_RETRIES in a row it is the one that is killed, on all its CPUs: true.
 */
export function* pagefault_out_of_memory(cpu: Cpu, mm: Word): Steps<boolean> {
  if (fatal_signal_pending(cpu)) return true;
  cpu.oom_retries += 1;
  if (cpu.oom_retries < OOM_RETRIES) return false;
  cpu.oom_retries = 0;
  // Another CPU's fault may have killed it in this very moment: once is enough.
  const before = yield* atomic_fetch_or(cpu, mm + mm_struct.flags, 1 << MMF_OOM_REAP_QUEUED);
  if ((before & (1 << MMF_OOM_REAP_QUEUED)) !== 0) return true;
  for (let id = 0; id < cpu.cpus; id++) if (id !== cpu.id) yield* raise_interrupt(cpu, id);
  count_vm_event(cpu, OOM_KILL);
  yield* memcg_memory_event(cpu, yield* read(cpu, mm + mm_struct.memcg), mem_cgroup.events_oom_kill);
  printk(cpu, PRINTK_OOM_KILL, cpu.id);
  if (cpu.note('oom_kill')) yield cpu.step;
  return true;
}

/** fatal_signal_pending: whether this CPU has heard that its process was killed. */
export function fatal_signal_pending(cpu: Cpu): boolean {
  return local_read(cpu, cpu.area + cpu_area.fatal_signal) !== 0;
}

/** What a CPU does when it is interrupted, and when it comes up: hears of a kill that was before. */
export function recalc_sigpending(cpu: Cpu): void {
  const mm = local_read(cpu, cpu.area + cpu_area.current_mm);
  const killed = mm !== 0 && (local_read(cpu, mm + mm_struct.flags) & (1 << MMF_OOM_REAP_QUEUED)) !== 0;
  local_write(cpu, cpu.area + cpu_area.fatal_signal, killed ? 1 : 0);
}

/** __oom_reap_task_mm: takes the private memory of a dying process away while its threads may still run. */
export function* oom_reap_task_mm(cpu: Cpu, mm: Word): Steps<boolean> {
  if (!(yield* mmap_read_trylock(cpu, mm))) return false;
  // Before the first page goes: from now on no fault may put a fresh page where data was (R21).
  yield* atomic_fetch_or(cpu, mm + mm_struct.flags, 1 << MMF_UNSTABLE);
  for (const vma of yield* all_vmas(cpu, mm)) {
    if ((yield* read(cpu, vma + vm_area.vm_ops)) !== VM_OPS_NONE) continue;
    const start = yield* read_long(cpu, vma + vm_area.vm_start);
    const end = yield* read_long(cpu, vma + vm_area.vm_end);
    tlb_gather_mmu(cpu, mm);
    yield* unmap_page_range(cpu, mm, start, end);
    yield* tlb_finish_mmu(cpu);
  }
  yield* mmap_read_unlock(cpu, mm);
  return true;
}
