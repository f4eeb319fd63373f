// What a CPU executes: user loads and stores, system calls, and the kernel's own actors (reaper, retraction, drains).
//
// A program is data, so that it can be generated, shrunk, sent to a worker, and run by both executions. What it
// observes (values, faults taken, signals) is private to its CPU until the program has ended.
import type { Cpu } from './cpu.ts';
import { vm_event } from './cpu.ts';
import { is_word_access, user_access_bytes, user_atomic_add } from './arch/x86/access.ts';
import { user_access } from './arch/x86/mmu.ts';
import { PAGE_SIZE, page_align } from './arch/x86/pgtable.ts';
import { TLB_FLUSH_ALL, cpumask_clear_cpu, cpumask_set_cpu } from './arch/x86/tlb.ts';
import { flush_tlb_local } from './arch/x86/tlbflush.ts';
import type { AddressRange } from './fs/userfaultfd.ts';
import { clear_refs_write } from './fs/task_mmu.ts';
import { mmput } from './kernel/fork.ts';
import type { LeftOut } from './kernel/fork.ts';
import {
  context_switch,
  current_mm,
  current_process,
  exit_process,
  kernel_clone,
  use_process,
} from './kernel/process.ts';
import {
  CPU_OFFLINE,
  CPU_ONLINE,
  LOCK_IPI,
  MAJ_FLT,
  MIN_FLT,
  STOP_NONE,
  cpu_area,
  header,
  mm_struct,
} from './layout.ts';
import { rcu_quiescent } from './locking/rcu.ts';
import {
  STEPPED,
  atomic_fetch_add,
  control_add,
  control_write,
  local_read,
  smp_store_release,
  local_read_long,
} from './memory.ts';
import type { Steps, Word } from './memory.ts';
import { is_monitor_op, monitor_call } from './monitor.ts';
import type { MonitorOp } from './monitor.ts';
import { MADV_DONTNEED, MADV_DONTNEED_LOCKED, MAP_FIXED, MREMAP_FIXED, SIGKILL, EFAULT } from './mm/flags.ts';
import { lock_pte_table, retract_page_table } from './mm/khugepaged.ts';
import { lock_two_tables } from './mm/lock_two_tables.ts';
import { sys_madvise } from './mm/madvise.ts';
import { sys_brk, sys_mmap, sys_munmap } from './mm/mmap.ts';
import { sys_mlock, sys_munlock } from './mm/mlock.ts';
import { sys_mprotect } from './mm/mprotect.ts';
import { sys_mremap } from './mm/mremap.ts';
import { fatal_signal_pending, oom_reap_task_mm } from './mm/oom_kill.ts';
import { drain_pages } from './mm/pcp.ts';
import {
  EVENT_ADD,
  EVENT_CLEAR,
  EVENT_DISCARD,
  EVENT_FORK,
  EVENT_LEFT_OUT,
  EVENT_LOAD,
  EVENT_MOVE,
  EVENT_STORE,
  EVENT_UNWATCHED,
} from './observations.ts';
import type { Observations } from './observations.ts';
import { do_idle, handle_interrupts, poll_stop, rcu_note_context_switch, smp_cond_load, wake_waiters } from './smp.ts';

const WORD_BYTES = 4;

/** Bytes of a load or store. */
export type AccessSize = 1 | 2 | 4 | 8;

/**
 * One operation of a program. Addresses and lengths in bytes. Loads and stores are of `size` bytes, 4 if it is left out,
 * at any address; values are unsigned, those of eight bytes below 2^53.
 */
export type Op =
  | { op: 'mmap'; addr: number; length: number; prot: number; flags: number; file?: boolean }
  | { op: 'munmap'; addr: number; length: number }
  | { op: 'mprotect'; addr: number; length: number; prot: number }
  | { op: 'madvise'; addr: number; length: number; advice: number }
  | { op: 'brk'; addr: number }
  /** mremap: to `new_addr` with MREMAP_FIXED, and near it with MREMAP_DONTUNMAP; 0 if it is left out. */
  | { op: 'mremap'; addr: number; old_length: number; new_length: number; flags: number; new_addr?: number }
  | { op: 'mlock'; addr: number; length: number }
  | { op: 'munlock'; addr: number; length: number }
  | { op: 'load'; addr: number; size?: AccessSize }
  | { op: 'store'; addr: number; value: number; size?: AccessSize }
  /** lock xadd of an aligned 32-bit word: its value is what was there. */
  | { op: 'atomic_add'; addr: number; value: number }
  /** One load or store in each of `pages` pages, at addr, addr + 4096 … */
  | { op: 'touch'; addr: number; pages: number; write: boolean; value: number }
  | { op: 'repeat'; times: number; ops: Op[] }
  /** Waits until progress counter `counter` has reached `value`. */
  | { op: 'await'; counter: number; value: number }
  | { op: 'advance'; counter: number }
  /** Waits until every CPU of the gang is here. */
  | { op: 'barrier' }
  | { op: 'retract_page_table'; addr: number }
  | { op: 'oom_reap' }
  | { op: 'drain_pages'; cpu: number }
  /** Takes the page-table lock of an address and never gives it back: for those who test what happens then. */
  | { op: 'hold_ptl'; addr: number }
  /** Takes the page-table locks of two addresses, in this order, and gives them back. */
  | { op: 'lock_two_tables'; first: number; second: number }
  /** The process forks: `child` is the number of the new one, which no CPU runs yet. 0 or a negative error. */
  | { op: 'fork'; child: number }
  /** This CPU runs process `process` from here on. 0 or a negative error. */
  | { op: 'as'; process: number }
  /** Ends a process that no CPU runs. 0 or a negative error. */
  | { op: 'exit_process'; process: number }
  /** Nothing in the process is soft-dirty afterwards (echo 4 > /proc/self/clear_refs). */
  | { op: 'clear_refs' }
  | MonitorOp
  | { op: 'exit' };

/**
 * The CPU begins to run programs in the mm, one of the table of processes: it answers interrupts from now on, and starts
 * with an empty TLB.
 */
export function* cpu_up(cpu: Cpu, mm: Word): Steps<void> {
  flush_tlb_local(cpu, 0, TLB_FLUSH_ALL);
  rcu_note_context_switch(cpu);
  yield* use_process(cpu, mm);
  control_write(cpu, cpu.area + cpu_area.state, CPU_ONLINE);
  yield* cpumask_set_cpu(cpu, mm);
}

/** The CPU stops running programs. Nobody waits for its answers any more. */
export function* cpu_down(cpu: Cpu): Steps<void> {
  yield* handle_interrupts(cpu);
  yield* rcu_quiescent(cpu);
  control_write(cpu, cpu.area + cpu_area.state, CPU_OFFLINE);
  // A request that came in between is answered by being offline: whoever sent it is looking for that.
  flush_tlb_local(cpu, 0, TLB_FLUSH_ALL);
  for (let other = 0; other < cpu.cpus; other++) wake_waiters(cpu, cpu.area + cpu.layout.ipi_slots + other * 6);
  const mm = current_mm(cpu);
  yield* cpumask_clear_cpu(cpu, mm);
  yield* mmput(cpu, mm);
}

/** Runs a program on a CPU that is up, and takes the CPU down. False if the process was killed on the way. */
export function* run_cpu(cpu: Cpu, ops: readonly Op[], seen: Observations): Steps<boolean> {
  const alive = yield* run_program(cpu, ops, seen);
  yield* cpu_down(cpu);
  return alive;
}

/** Runs a program on a CPU that the explorer drives, which then idles: it is up before the first step and stays up. */
export function* run_explored(cpu: Cpu, ops: readonly Op[], seen: Observations): Steps<never> {
  yield* run_program(cpu, ops, seen);
  return yield* do_idle(cpu);
}

/** Between two accesses or system calls: the point where a user program can be interrupted. */
function* user_mode(cpu: Cpu): Steps<void> {
  // Plain looks: a CPU that is late by an access or two is nothing to anybody.
  if (!STEPPED && local_read(cpu, header.stop) !== STOP_NONE) poll_stop(cpu);
  if (STEPPED || local_read(cpu, cpu.area + cpu_area.ipi_pending) !== 0) yield* handle_interrupts(cpu);
}

/** Runs a program to its end. False if the process that it then ran was killed on the way. */
export function* run_program(cpu: Cpu, ops: readonly Op[], seen: Observations): Steps<boolean> {
  const minor = vm_event(cpu, MIN_FLT);
  const major = vm_event(cpu, MAJ_FLT);
  const alive = yield* run_ops(cpu, ops, seen);
  seen.min_flt += vm_event(cpu, MIN_FLT) - minor;
  seen.maj_flt += vm_event(cpu, MAJ_FLT) - major;
  return alive;
}

function* run_ops(cpu: Cpu, ops: readonly Op[], seen: Observations): Steps<boolean> {
  for (let i = 0; i < ops.length; i++) {
    const op = ops[i]!;
    yield* user_mode(cpu);
    if (fatal_signal_pending(cpu)) return false;
    if (op.op === 'exit') return true;
    if (op.op === 'repeat') {
      for (let n = 0; n < op.times; n++) {
        if (!(yield* run_ops(cpu, op.ops, seen))) return false;
      }
      continue;
    }
    cpu.op = i;
    if (cpu.note('op', i, op)) yield cpu.step;
    const minor = vm_event(cpu, MIN_FLT);
    const signal = yield* run_op(cpu, current_mm(cpu), op, i, seen);
    if (i < seen.signals.length) {
      seen.signals[i] = signal;
      seen.minor_faults[i] = vm_event(cpu, MIN_FLT) - minor;
    }
    yield* rcu_quiescent(cpu);
    if (signal === SIGKILL) return false;
  }
  return true;
}

/** One operation. Returns the signal it ended with, 0 for none. */
function* run_op(cpu: Cpu, mm: Word, op: Op, i: number, seen: Observations): Steps<number> {
  switch (op.op) {
    case 'load':
      yield* access(cpu, mm, op.addr, op.size ?? WORD_BYTES, false, 0, seen);
      break;
    case 'store':
      yield* access(cpu, mm, op.addr, op.size ?? WORD_BYTES, true, op.value, seen);
      break;
    case 'atomic_add':
      yield* atomic_add(cpu, mm, op.addr, op.value, seen);
      break;
    case 'touch':
      return yield* touch(cpu, mm, op, i, seen);
    default: {
      const value = yield* system_call(cpu, mm, op, seen);
      if (i < seen.values.length) seen.values[i] = value;
      return 0;
    }
  }
  if (i < seen.values.length) {
    seen.values[i] = seen.access.value;
    seen.faults[i] = seen.access.faults;
  }
  return seen.access.signal;
}

/** One load or store, with its place in the history. */
function* access(
  cpu: Cpu,
  mm: Word,
  addr: number,
  size: number,
  write: boolean,
  value: number,
  seen: Observations,
): Steps<void> {
  const result = seen.access;
  const is_word = is_word_access(addr, size);
  if (is_word && !seen.keeps_history) {
    yield* user_access(cpu, mm, addr, write, value, result);
    seen.total_faults += result.faults;
    return;
  }
  const invoked = seen.keeps_history ? control_add(cpu, header.clock, 1) : 0;
  if (is_word) yield* user_access(cpu, mm, addr, write, value, result);
  else yield* user_access_bytes(cpu, mm, addr, size, write, value, result);
  seen.total_faults += result.faults;
  if (!seen.keeps_history) return;
  // The read-modify-write of the clock also drains this core's store buffer: what returned is seen by everybody.
  const returned = control_add(cpu, header.clock, 1);
  const kind = write ? EVENT_STORE : EVENT_LOAD;
  const process = current_process(cpu);
  seen.record(kind, addr, write ? value : result.value, invoked, returned, result.signal, process, size);
}

/** One atomic add, with its place in the history. */
function* atomic_add(cpu: Cpu, mm: Word, addr: number, value: number, seen: Observations): Steps<void> {
  const result = seen.access;
  const invoked = seen.keeps_history ? control_add(cpu, header.clock, 1) : 0;
  yield* user_atomic_add(cpu, mm, addr, value, result);
  seen.total_faults += result.faults;
  if (!seen.keeps_history) return;
  const returned = control_add(cpu, header.clock, 1);
  seen.record(EVENT_ADD, addr, result.value, invoked, returned, result.signal, current_process(cpu), value);
}

function* touch(
  cpu: Cpu,
  mm: Word,
  op: { addr: number; pages: number; write: boolean; value: number },
  i: number,
  seen: Observations,
): Steps<number> {
  let faults = 0;
  let signal = 0;
  const end = op.addr + op.pages * PAGE_SIZE;
  for (let addr = op.addr; addr < end && signal === 0; addr += PAGE_SIZE) {
    yield* user_mode(cpu);
    if (fatal_signal_pending(cpu)) return SIGKILL;
    yield* access(cpu, mm, addr, WORD_BYTES, op.write, op.value, seen);
    faults += seen.access.faults;
    signal = seen.access.signal;
  }
  if (i < seen.faults.length) seen.faults[i] = faults;
  return signal;
}

/** The operations that are not accesses: their value, or a negative error number. */
function* system_call(cpu: Cpu, mm: Word, op: Op, seen: Observations): Steps<number> {
  switch (op.op) {
    case 'mmap':
      return yield* discarding(cpu, mm, op, seen, (op.flags & MAP_FIXED) !== 0);
    case 'munmap':
      return yield* discarding(cpu, mm, op, seen, true);
    case 'madvise':
      return yield* discarding(cpu, mm, op, seen, op.advice === MADV_DONTNEED || op.advice === MADV_DONTNEED_LOCKED);
    case 'mprotect':
      return yield* sys_mprotect(cpu, mm, op.addr, op.length, op.prot);
    case 'mlock':
      return yield* sys_mlock(cpu, mm, op.addr, op.length);
    case 'munlock':
      return yield* sys_munlock(cpu, mm, op.addr, op.length);
    case 'mremap':
      return yield* mremap(cpu, mm, op, seen);
    case 'brk':
      return yield* brk(cpu, mm, op.addr, seen);
    case 'await':
      return yield* await_counter(cpu, op.counter, op.value);
    case 'advance':
      return yield* advance_counter(cpu, op.counter);
    case 'barrier':
      return yield* barrier(cpu);
    case 'retract_page_table':
      return (yield* retract_page_table(cpu, mm, op.addr)) ? 1 : 0;
    case 'oom_reap':
      return (yield* oom_reap_task_mm(cpu, mm)) ? 1 : 0;
    case 'hold_ptl':
      return yield* hold_ptl(cpu, mm, op.addr);
    case 'lock_two_tables':
      return (yield* lock_two_tables(cpu, mm, op.first, op.second)) ? 1 : 0;
    case 'fork':
      return yield* fork(cpu, op.child, seen);
    case 'as':
      return yield* context_switch(cpu, op.process);
    case 'clear_refs':
      return yield* clear_refs(cpu, mm, seen);
    case 'exit_process':
      return yield* exit_process(cpu, op.process);
    case 'drain_pages':
      yield* drain_pages(cpu, op.cpu);
      return 0;
    default:
      if (is_monitor_op(op)) return yield* monitor_call(cpu, mm, op, seen);
      throw new Error(`system_call: '${op.op}' is not a system call`);
  }
}

/** A system call after which a range may read as zero, with its place in the history if it does. */
function* discarding(
  cpu: Cpu,
  mm: Word,
  op: Extract<Op, { op: 'mmap' | 'munmap' | 'madvise' }>,
  seen: Observations,
  discards: boolean,
): Steps<number> {
  const invoked = seen.keeps_history ? control_add(cpu, header.clock, 1) : 0;
  let value = 0;
  if (op.op === 'mmap') {
    value = yield* sys_mmap(cpu, mm, op.addr, op.length, op.prot, op.flags, op.file === true);
  } else if (op.op === 'munmap') value = yield* sys_munmap(cpu, mm, op.addr, op.length);
  else value = yield* sys_madvise(cpu, mm, op.addr, op.length, op.advice);
  if (seen.keeps_history && discards) {
    const returned = control_add(cpu, header.clock, 1);
    // A call that failed may have done nothing, or a part.
    const failed = value < 0 ? 1 : 0;
    seen.record(EVENT_DISCARD, op.addr, page_align(op.length), invoked, returned, failed, current_process(cpu));
  }
  return value;
}

/** mremap; what moved, and what was given up or is new, becomes part of the history. */
function* mremap(cpu: Cpu, mm: Word, op: Extract<Op, { op: 'mremap' }>, seen: Observations): Steps<number> {
  const invoked = seen.keeps_history ? control_add(cpu, header.clock, 1) : 0;
  const target = op.new_addr ?? 0;
  const unwatched: AddressRange[] = [];
  const value = yield* sys_mremap(cpu, mm, op.addr, op.old_length, op.new_length, op.flags, target, unwatched);
  if (!seen.keeps_history) return value;
  const returned = control_add(cpu, header.clock, 1);
  const process = current_process(cpu);
  // A call that failed may have done a part, or nothing.
  const failed = value < 0 ? 1 : 0;
  const to = failed === 0 ? value : (op.flags & MREMAP_FIXED) !== 0 ? target : op.addr;
  const old_length = page_align(op.old_length);
  const new_length = page_align(op.new_length);
  const moved = Math.min(old_length, new_length);
  const record = (kind: number, addr: number, length: number): void => {
    if (length > 0) seen.record(kind, addr, length, invoked, returned, failed, process, to);
  };
  if (to !== op.addr) record(EVENT_MOVE, op.addr, moved);
  record(EVENT_DISCARD, to + moved, new_length - moved);
  record(EVENT_DISCARD, op.addr + moved, old_length - moved);
  for (const { start, end } of unwatched) record(EVENT_UNWATCHED, start, end - start);
  return value;
}

/** brk; where the heap shrinks, what it gives up is discarded. */
function* brk(cpu: Cpu, mm: Word, addr: number, seen: Observations): Steps<number> {
  if (!seen.keeps_history) return yield* sys_brk(cpu, mm, addr);
  const invoked = control_add(cpu, header.clock, 1);
  const before = page_align(local_read_long(cpu, mm + mm_struct.brk));
  const value = yield* sys_brk(cpu, mm, addr);
  const after = page_align(value);
  const returned = control_add(cpu, header.clock, 1);
  if (after < before) {
    seen.record(EVENT_DISCARD, after, before - after, invoked, returned, 0, current_process(cpu));
  }
  return value;
}

/** clear_refs, with its place in the history. */
function* clear_refs(cpu: Cpu, mm: Word, seen: Observations): Steps<number> {
  const invoked = seen.keeps_history ? control_add(cpu, header.clock, 1) : 0;
  const value = yield* clear_refs_write(cpu, mm);
  if (seen.keeps_history) {
    const returned = control_add(cpu, header.clock, 1);
    seen.record(EVENT_CLEAR, 0, 0, invoked, returned, 0, current_process(cpu));
  }
  return value;
}

/** fork, with its place in the history. */
function* fork(cpu: Cpu, child: number, seen: Observations): Steps<number> {
  const invoked = seen.keeps_history ? control_add(cpu, header.clock, 1) : 0;
  const left_out: LeftOut[] = [];
  const value = yield* kernel_clone(cpu, child, left_out);
  if (seen.keeps_history && value === 0) {
    const returned = control_add(cpu, header.clock, 1);
    seen.record(EVENT_FORK, child, 0, invoked, returned, 0, current_process(cpu));
    // What is whole belongs to the event of the fork, so it comes first.
    left_out.sort((a, b) => Number(b.whole) - Number(a.whole));
    for (const { start, end, whole } of left_out) {
      seen.record(whole ? EVENT_LEFT_OUT : EVENT_UNWATCHED, start, end - start, invoked, returned, 0, child);
    }
  }
  return value;
}

/** A CPU that stays in its critical section, interrupts answered, until the machine is stopped. */
function* hold_ptl(cpu: Cpu, mm: Word, addr: number): Steps<number> {
  const held = yield* lock_pte_table(cpu, mm, addr);
  if (!held) return -EFAULT;
  for (;;) yield* smp_cond_load(cpu, header.magic, (magic) => magic === 0, LOCK_IPI);
}

/** Waits for another CPU's sign, which may never come once the process was killed. */
function* await_counter(cpu: Cpu, counter: number, value: number): Steps<number> {
  return yield* smp_cond_load(
    cpu,
    cpu.layout.counters + counter,
    (reached) => reached >= value || fatal_signal_pending(cpu),
    LOCK_IPI,
  );
}

function* advance_counter(cpu: Cpu, counter: number): Steps<number> {
  const reached = (yield* atomic_fetch_add(cpu, cpu.layout.counters + counter, 1)) + 1;
  wake_waiters(cpu, cpu.layout.counters + counter);
  return reached;
}

/** Barrier of all CPUs: the arrival count is reset before the generation moves, so that nobody laps anybody. */
export function* barrier(cpu: Cpu): Steps<number> {
  const generation = control_add(cpu, header.barrier_generation, 0);
  const arrived = (yield* atomic_fetch_add(cpu, header.barrier_arrived, 1)) + 1;
  if (arrived === cpu.cpus) {
    control_write(cpu, header.barrier_arrived, 0);
    yield* smp_store_release(cpu, header.barrier_generation, (generation + 1) | 0);
    wake_waiters(cpu, header.barrier_generation);
    return arrived;
  }
  yield* smp_cond_load(
    cpu,
    header.barrier_generation,
    (now) => now !== generation || fatal_signal_pending(cpu),
    LOCK_IPI,
  );
  return arrived;
}
