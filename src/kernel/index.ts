// The kernel as the rest of the project sees it. The build makes an erased twin of this folder; machine/direct.ts
// types that twin from this file.
export { run_cpu, run_explored, run_program, cpu_up, cpu_down, barrier } from './program.ts';
export { Observations } from './observations.ts';
export { current_mm, current_process, process_exists } from './kernel/process.ts';
export { mm_alloc, mmput, mm_set_start_brk } from './kernel/fork.ts';
export { page_alloc_init } from './mm/mm_init.ts';
export { take_pfn_next, alloc_pages, free_pages, drain_all_pages } from './mm/page_alloc.ts';
export { kmem_cache_init } from './mm/slab.ts';
export { page_counter_set_max } from './mm/page_counter.ts';
export { drain_all_stock, mem_cgroup_attach, mem_cgroup_create } from './mm/memcontrol.ts';
export { lru_add_drain_all } from './mm/swap.ts';
export { rcu_quiescent, rcu_barrier } from './locking/rcu.ts';
export { sys_mmap, sys_munmap, sys_brk } from './mm/mmap.ts';
export { sys_mprotect } from './mm/mprotect.ts';
export { sys_madvise } from './mm/madvise.ts';
export { user_access, AccessResult } from './arch/x86/mmu.ts';
export { find_vma, all_vmas } from './mm/maple.ts';
export { do_user_addr_fault } from './arch/x86/fault.ts';
export { CpuStopped } from './smp.ts';
export { Cpu } from './cpu.ts';
export { design_kernel } from './mm/design.ts';
