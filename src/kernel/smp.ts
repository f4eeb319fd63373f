// Waiting, stopping and interrupting: what one CPU does while another must act first.
//
// Every loop in the kernel that waits for another CPU waits in smp_cond_load. In the stepped execution that is one
// step, during which the CPU is disabled until the word changes, so spinning costs no schedules. In the direct
// execution the CPU spins, then halts, answers interrupts, polls STOP, and calls the machine stuck after stuck_ms.
import type { Cpu } from './cpu.ts';
import { count_lock, cpu_area_of } from './cpu.ts';
import {
  CPU_ONLINE,
  IPI_SLOT_WORDS,
  LOCK_IPI,
  LOCK_USERFAULT_READ,
  PARK_BUCKETS,
  STOP_NONE,
  STOP_STUCK,
  cpu_area,
  header,
  ipi_slot,
  lock_stat,
} from './layout.ts';
import {
  READ_ONCE,
  STEPPED,
  control_add,
  control_cmpxchg,
  control_read,
  control_write,
  halt,
  kick,
  local_write,
  smp_store_release,
  xchg,
} from './memory.ts';
import type { Steps, Word } from './memory.ts';
import { flush_tlb_func } from './arch/x86/tlbflush.ts';
import { drain_local_stock } from './mm/memcontrol.ts';
import { fatal_signal_pending, recalc_sigpending } from './mm/oom_kill.ts';

/** Thrown in a CPU whose machine was stopped: the run is over and the machine is thrown away. */
export class CpuStopped extends Error {
  readonly stuck: boolean;
  constructor(stuck: boolean) {
    super(stuck ? 'stuck: a wait lasted too long' : 'stopped');
    this.name = 'CpuStopped';
    this.stuck = stuck;
  }
}

/** Longest halt: an interrupt or STOP that comes without a kick is seen this soon. */
const HALT_MS = 1;

/** Throws CpuStopped if the machine was stopped. Direct execution only: a stepped CPU is simply not resumed. */
export function poll_stop(cpu: Cpu): void {
  if (control_read(cpu, header.stop) !== STOP_NONE) throw new CpuStopped(false);
}

function bucket(cpu: Cpu, word: Word): Word {
  return cpu.layout.parked + (word & (PARK_BUCKETS - 1));
}

/**
 * Whether a wait is for what programs do, at their barrier or as a monitor of their faults: how long the others take to
 * get there is their own affair, as on a host that has other work, and one that never comes is itself found stuck.
 */
function waits_for_programs(word: Word, lock_class: number): boolean {
  return word === header.barrier_generation || lock_class === LOCK_USERFAULT_READ;
}

/** Records that this CPU waits too long for `word`, stops the machine, and does not return. */
export function declare_stuck(cpu: Cpu, word: Word, lock_class: number, holder: Word): never {
  if (control_cmpxchg(cpu, header.stop, STOP_NONE, STOP_STUCK) === STOP_NONE) {
    control_write(cpu, header.stuck_word, word);
    control_write(cpu, header.stuck_class, lock_class);
    control_write(cpu, header.stuck_holder, holder === 0 ? 0 : control_read(cpu, holder));
    control_write(cpu, header.stuck_cpu, cpu.id + 1);
  }
  throw new CpuStopped(true);
}

/**
 * Waits until `ready(value of word)` holds and returns that value (smp_cond_load_acquire). `lock_class` says in
 * statistics and verdicts what is waited for, `holder` the word with the number (plus one) of the CPU that holds it, if
 * there is one. While it waits with interrupts on, the CPU answers interrupts; outside RCU readers, waiting is a
 * quiescent state, so that a CPU that waits for a lock never holds up the grace period its holder waits for.
 */
export function* smp_cond_load(
  cpu: Cpu,
  word: Word,
  ready: (value: number) => boolean,
  lock_class: number,
  holder: Word = 0,
): Steps<number> {
  if (STEPPED && cpu.explored) return yield* explored_wait(cpu, word, ready, lock_class, holder);
  let value = yield* READ_ONCE(cpu, word);
  if (ready(value)) return value;
  local_write(cpu, cpu.area + cpu_area.waiting_class, lock_class);
  control_write(cpu, cpu.area + cpu_area.waiting_word, word);
  const spin_threshold = control_read(cpu, header.pv_lock_spins);
  let spins = 0;
  let deadline = 0;
  const ipi_pending = cpu.area + cpu_area.ipi_pending;
  while (!ready(value)) {
    if (cpu.about_wait('wait', word, ready, cpu.irqs_off === 0 ? ipi_pending : 0)) yield cpu.step;
    if (!STEPPED) {
      poll_stop(cpu);
      spins += 1;
      if (spins >= spin_threshold) {
        const now = performance.now();
        if (deadline === 0) deadline = now + control_read(cpu, header.stuck_ms);
        else if (now > deadline && !waits_for_programs(word, lock_class)) declare_stuck(cpu, word, lock_class, holder);
        count_lock(cpu, lock_class, lock_stat.parks, 1);
        control_add(cpu, bucket(cpu, word), 1);
        if (control_read(cpu, ipi_pending) === 0 || cpu.irqs_off > 0) halt(cpu, word, value, HALT_MS);
        control_add(cpu, bucket(cpu, word), -1);
        spins = spin_threshold >> 1;
      }
    }
    if (cpu.irqs_off === 0) yield* handle_interrupts(cpu);
    if (cpu.rcu_nesting === 0) rcu_note_context_switch(cpu);
    value = yield* READ_ONCE(cpu, word);
  }
  control_write(cpu, cpu.area + cpu_area.waiting_word, 0);
  if (!STEPPED) count_lock(cpu, lock_class, lock_stat.spins, spins);
  return value;
}

/**
 * A wait under the explorer: looking and finding is one step, for which the CPU is disabled until there is something to
 * be found, so that a wait is never a read that failed.
 */
function* explored_wait(
  cpu: Cpu,
  word: Word,
  ready: (value: number) => boolean,
  lock_class: number,
  holder: Word,
): Steps<number> {
  const also = interrupt_word(cpu);
  for (;;) {
    if (cpu.about_lock('wait', word, ready, lock_class, holder, also)) yield cpu.step;
    const value = control_read(cpu, word);
    if (ready(value)) return value;
    yield* handle_interrupts(cpu);
  }
}

/** For a wait under the explorer: the word whose change ends it, because this CPU is interrupted; 0 with interrupts off. */
export function interrupt_word(cpu: Cpu): Word {
  return cpu.irqs_off === 0 ? cpu.area + cpu_area.ipi_pending : 0;
}

/** Reports that this CPU holds no RCU-protected pointer: every grace period begun so far may end without it. */
export function rcu_note_context_switch(cpu: Cpu): void {
  const seq = control_read(cpu, header.rcu_gp_seq);
  if (cpu.words[cpu.area + cpu_area.rcu_qs] !== seq) control_write(cpu, cpu.area + cpu_area.rcu_qs, seq);
}

/** Wakes CPUs that halted on `word` after it was written. Free where nobody is halted; nothing when stepped. */
export function wake_waiters(cpu: Cpu, word: Word): void {
  if (!STEPPED && cpu.words[bucket(cpu, word)] !== 0) kick(cpu, word);
}

/** Answers the interprocessor interrupts that are pending for this CPU. */
export function* handle_interrupts(cpu: Cpu): Steps<void> {
  const pending = cpu.area + cpu_area.ipi_pending;
  if ((yield* READ_ONCE(cpu, pending)) === 0) return;
  yield* xchg(cpu, pending, 0);
  recalc_sigpending(cpu);
  yield* drain_local_stock(cpu);
  for (let from = 0; from < cpu.cpus; from++) {
    const slot = cpu.area + cpu.layout.ipi_slots + from * IPI_SLOT_WORDS;
    if ((yield* READ_ONCE(cpu, slot + ipi_slot.state)) === 0) continue;
    flush_tlb_func(cpu, slot);
    yield* smp_store_release(cpu, slot + ipi_slot.state, 0);
    wake_waiters(cpu, slot + ipi_slot.state);
  }
}

/** do_idle under the explorer: a CPU whose program has ended answers interrupts, and never goes offline. */
export function* do_idle(cpu: Cpu): Steps<never> {
  for (;;) {
    if (cpu.about_wait('idle', cpu.area + cpu_area.ipi_pending, is_pending)) yield cpu.step;
    yield* handle_interrupts(cpu);
  }
}

const is_pending = (value: number): boolean => value !== 0;

/**
 * Under the explorer: idles until `ready(value of word)` holds, and is then true; false once the process was killed. An
 * execution may end while a CPU is here, as it may when all others have nothing left to do.
 */
export function* idle_until(cpu: Cpu, word: Word, ready: (value: number) => boolean): Steps<boolean> {
  const also = interrupt_word(cpu);
  for (;;) {
    if (cpu.about_wait('idle', word, ready, also)) yield cpu.step;
    if (ready(control_read(cpu, word))) return true;
    yield* handle_interrupts(cpu);
    if (fatal_signal_pending(cpu)) return false;
  }
}

/** Raises the interrupt line of CPU `target` after its slot was filled, and wakes it if it is halted. */
export function* raise_interrupt(cpu: Cpu, target: number): Steps<void> {
  const area = cpu_area_of(cpu, target);
  yield* xchg(cpu, area + cpu_area.ipi_pending, 1);
  if (STEPPED) return;
  const waiting = control_read(cpu, area + cpu_area.waiting_word);
  if (waiting !== 0) kick(cpu, waiting);
}

/** Whether CPU `target` runs programs and therefore answers interrupts. */
export function cpu_online(cpu: Cpu, target: number): boolean {
  return control_read(cpu, cpu_area_of(cpu, target) + cpu_area.state) === CPU_ONLINE;
}

/**
 * Waits until CPU `target` has answered the request in `slot`, or has gone offline (it flushes everything before it
 * runs again).
 */
export function* wait_for_answer(cpu: Cpu, slot: Word, target: number): Steps<void> {
  const state = cpu_area_of(cpu, target) + cpu_area.state;
  yield* smp_cond_load(
    cpu,
    slot + ipi_slot.state,
    (value) => value === 0 || control_read(cpu, state) !== CPU_ONLINE,
    LOCK_IPI,
  );
}
