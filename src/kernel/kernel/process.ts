// The processes of a machine, by number: making one by fork, running it on a CPU, ending it.
//
// A process is its mm. The table holds one use of it (mm_users), and so does every CPU that runs it, as a thread of
// Linux does; so an mm that only the table uses is one that nobody runs.
import type { Cpu } from '../cpu.ts';
import { switch_mm } from '../arch/x86/tlb.ts';
import { LOCK_TASK, NR_PROCESSES, PROCESS_FORKING, cpu_area, header, mm_struct } from '../layout.ts';
import { spin_lock, spin_unlock } from '../locking/spinlock.ts';
import { atomic_add, cmpxchg, local_read, local_write, read, write } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { EBUSY, EEXIST, EINVAL, ENOMEM, EPERM, ESRCH } from '../mm/flags.ts';
import { recalc_sigpending } from '../mm/oom_kill.ts';
import { __mmput, dup_mm, mmput } from './fork.ts';
import type { LeftOut } from './fork.ts';

/** The mm that this CPU runs programs in. @inline */
export function current_mm(cpu: Cpu): Word {
  return local_read(cpu, cpu.area + cpu_area.current_mm);
}

/** Number of the process that this CPU runs. @inline */
export function current_process(cpu: Cpu): number {
  return local_read(cpu, cpu.area + cpu_area.current_process);
}

function slot_of(process: number): Word {
  return header.processes + process;
}

function is_number(process: number): boolean {
  return Number.isInteger(process) && process >= 0 && process < NR_PROCESSES;
}

function* task_lock(cpu: Cpu): Steps<void> {
  yield* spin_lock(cpu, header.task_lock, LOCK_TASK);
}
function* task_unlock(cpu: Cpu): Steps<void> {
  yield* spin_unlock(cpu, header.task_lock);
}

/** Number of the process whose mm this is, -1 if it is no process's. Between runs, or where the caller uses the mm. */
function process_of(cpu: Cpu, mm: Word): number {
  for (let process = 0; process < NR_PROCESSES; process++) {
    if (local_read(cpu, slot_of(process)) === mm) return process;
  }
  return -1;
}

/** Whether this mm is a process's. See process_of. */
export function process_exists(cpu: Cpu, mm: Word): boolean {
  return process_of(cpu, mm) >= 0;
}

/** The CPU comes up, to run the process whose mm this is, and uses it from now on. */
export function* use_process(cpu: Cpu, mm: Word): Steps<void> {
  const process = process_of(cpu, mm);
  if (process < 0) throw new Error('use_process: no process has this mm');
  yield* atomic_add(cpu, mm + mm_struct.mm_users, 1);
  set_current(cpu, process, mm);
}

function set_current(cpu: Cpu, process: number, mm: Word): void {
  local_write(cpu, cpu.area + cpu_area.current_process, process);
  local_write(cpu, cpu.area + cpu_area.current_mm, mm);
  recalc_sigpending(cpu);
}

/** get_task_mm: the mm of a process, with one more use; 0 if there is no such process. */
function* get_task_mm(cpu: Cpu, process: number): Steps<Word> {
  yield* task_lock(cpu);
  const mm = yield* read(cpu, slot_of(process));
  const found = mm > 0 ? mm : 0;
  if (found !== 0) yield* atomic_add(cpu, found + mm_struct.mm_users, 1);
  yield* task_unlock(cpu);
  return found;
}

/**
 * context_switch: this CPU runs process `process` from here on. 0; -EINVAL where there can be no such number, -ESRCH
 * where there is no such process.
 */
export function* context_switch(cpu: Cpu, process: number): Steps<number> {
  if (!is_number(process)) return -EINVAL;
  // Between two threads of one process nothing is switched, and no translation forgotten.
  if (process === current_process(cpu)) return 0;
  const next = yield* get_task_mm(cpu, process);
  if (next === 0) return -ESRCH;
  const prev = current_mm(cpu);
  yield* switch_mm(cpu, prev, next);
  set_current(cpu, process, next);
  yield* mmput(cpu, prev);
  return 0;
}

/**
 * kernel_clone: process `child` begins with a copy of this one's address space, and no CPU runs it yet. 0; -EINVAL where
 * there can be no such number, -EEXIST where it is taken, -ENOMEM. What the child does not have of its parent's memory is
 * added to `left_out`.
 */
export function* kernel_clone(cpu: Cpu, child: number, left_out: LeftOut[]): Steps<number> {
  if (!is_number(child)) return -EINVAL;
  if (!(yield* reserve(cpu, child))) return -EEXIST;
  const mm = yield* dup_mm(cpu, current_mm(cpu), left_out);
  yield* task_lock(cpu);
  yield* write(cpu, slot_of(child), mm);
  yield* task_unlock(cpu);
  return mm === 0 ? -ENOMEM : 0;
}

/** alloc_pid: takes the number of a process that is not there yet. */
function* reserve(cpu: Cpu, child: number): Steps<boolean> {
  yield* task_lock(cpu);
  const is_free = (yield* read(cpu, slot_of(child))) === 0;
  if (is_free) yield* write(cpu, slot_of(child), PROCESS_FORKING);
  yield* task_unlock(cpu);
  return is_free;
}

/**
 * do_exit, for a process that no CPU runs: its memory is given back, its number is free. 0; -EINVAL where there can be
 * no such number, -ESRCH where there is no such process, -EBUSY while a CPU runs it (this one, too), -EPERM for process
 * 0, which ends with the machine.
 */
export function* exit_process(cpu: Cpu, process: number): Steps<number> {
  if (!is_number(process)) return -EINVAL;
  if (process === 0) return -EPERM;
  yield* task_lock(cpu);
  const mm = yield* read(cpu, slot_of(process));
  let error = mm > 0 ? 0 : -ESRCH;
  // The table's is the only use that is left, and nobody else takes one: that needs the lock.
  if (error === 0 && (yield* cmpxchg(cpu, mm + mm_struct.mm_users, 1, 0)) !== 1) error = -EBUSY;
  if (error === 0) yield* write(cpu, slot_of(process), 0);
  yield* task_unlock(cpu);
  if (error === 0) yield* __mmput(cpu, mm);
  return error;
}
