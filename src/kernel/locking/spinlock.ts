// Spinlocks: one interface, three algorithms, chosen for a whole machine.
//
// qspinlock is Linux's: a pending bit for the first contender, then a queue of MCS nodes, each waiter on a word of its
// own; under the paravirt rule a waiter spins a bounded while and then halts (smp_cond_load does both). ticket is what
// Linux had before: fair, and a disaster when there are more CPUs than cores. test-and-set is what Linux falls back
// to under hypervisors it has no paravirt code for: unfair, no queue.
import type { Cpu } from '../cpu.ts';
import { count_lock, cpu_area_of } from '../cpu.ts';
import { cpu_area, lock_stat, mcs_node, spinlock } from '../layout.ts';
import {
  READ_ONCE,
  STEPPED,
  WRITE_ONCE,
  atomic_add,
  atomic_fetch_add,
  atomic_fetch_and,
  atomic_fetch_or,
  cmpxchg,
  control_add,
  control_cmpxchg,
  control_read,
  control_write,
  local_write,
  smp_store_release,
  write,
  xchg_byte,
} from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { begin_hold, begin_wait, end_hold, end_wait } from '../meter.ts';
import { handle_interrupts, interrupt_word, smp_cond_load, wake_waiters } from '../smp.ts';
import { LCB_F_SPIN, trace_contention_begin, trace_contention_end } from '../trace.ts';

export const LOCK_QSPINLOCK = 0;
export const LOCK_TICKET = 1;
/** Names of the lock algorithms; a machine's `lock` is an index. */
export const LOCK_ALGORITHMS: readonly { readonly name: string; readonly what: string }[] = [
  { name: 'qspinlock', what: 'pending bit, then an MCS queue; waiters spin, then halt (Linux with paravirt)' },
  { name: 'ticket', what: 'first come, first served, all waiters on one word (Linux before 4.2)' },
  { name: 'test-and-set', what: 'whoever swaps first; unfair (Linux under unknown hypervisors)' },
];

const _Q_LOCKED_VAL = 1;
const _Q_LOCKED_MASK = 0xff;
const _Q_PENDING_VAL = 0x100;
const _Q_LOCKED_PENDING_MASK = 0xffff;
const _Q_TAIL_MASK = ~0xffff;
const _Q_TAIL_CPU_SHIFT = 18;

/** spin_lock_init. */
export function* spin_lock_init(cpu: Cpu, lock: Word): Steps<void> {
  yield* write(cpu, lock + spinlock.val, 0);
  yield* write(cpu, lock + spinlock.holder, 0);
  yield* write(cpu, lock + spinlock.serving, 0);
}

/** spin_lock: returns with the lock held by this CPU. */
export function* spin_lock(cpu: Cpu, lock: Word, lock_class: number): Steps<void> {
  count_lock(cpu, lock_class, lock_stat.acquisitions, 1);
  if (STEPPED && cpu.explored) yield* lock_in_one_step(cpu, lock, lock_class);
  else if (cpu.lock === LOCK_TICKET) yield* ticket_lock(cpu, lock, lock_class);
  else {
    const val = yield* cmpxchg(cpu, lock, 0, _Q_LOCKED_VAL);
    if (val !== 0) {
      count_lock(cpu, lock_class, lock_stat.contentions, 1);
      const since = begin_wait(cpu, lock_class, lock + spinlock.holder);
      if (cpu.tracing) trace_contention_begin(cpu, lock, LCB_F_SPIN);
      if (cpu.lock === LOCK_QSPINLOCK) yield* queued_spin_lock_slowpath(cpu, lock, val, lock_class);
      else yield* test_and_set_slowpath(cpu, lock, lock_class);
      end_wait(cpu, lock_class, since);
      if (cpu.tracing) trace_contention_end(cpu, lock);
    }
  }
  local_write(cpu, lock + spinlock.holder, cpu.id + 1);
  if (!STEPPED && --cpu.hold_countdown === 0) begin_hold(cpu, lock, lock_class);
}

const is_zero = (val: number): boolean => val === 0;

/**
 * What the explorer makes of every algorithm: the word is one above its free value while somebody holds the lock. With
 * tickets, of which set-up has drawn some, the free value is the number being served, which stays as it is here.
 */
function* free_value(cpu: Cpu, lock: Word): Steps<number> {
  return cpu.lock === LOCK_TICKET ? yield* READ_ONCE(cpu, lock + spinlock.serving) : 0;
}

/** The CPU is disabled while another holds the lock, but for interrupts, which it answers; then it takes it. */
function* lock_in_one_step(cpu: Cpu, lock: Word, lock_class: number): Steps<void> {
  const free = yield* free_value(cpu, lock);
  const ready = free === 0 ? is_zero : (val: number): boolean => val === free;
  const holder = lock + spinlock.holder;
  for (;;) {
    if (cpu.about_lock('lock', lock, ready, lock_class, holder, interrupt_word(cpu), free)) yield cpu.step;
    if (control_read(cpu, lock) === free) break;
    yield* handle_interrupts(cpu);
  }
  control_write(cpu, lock, free + 1);
}

function* trylock_in_one_step(cpu: Cpu, lock: Word, lock_class: number): Steps<boolean> {
  const free = yield* free_value(cpu, lock);
  if (cpu.about_lock('trylock', lock, undefined, lock_class, lock + spinlock.holder, 0, free)) yield cpu.step;
  return control_cmpxchg(cpu, lock, free, free + 1) === free;
}

function* unlock_in_one_step(cpu: Cpu, lock: Word): Steps<void> {
  if (cpu.about_unlock('unlock', lock)) yield cpu.step;
  // Not before: whoever looks between two steps sees who holds it.
  local_write(cpu, lock + spinlock.holder, 0);
  control_add(cpu, lock, -1);
}

/** spin_trylock: whether this CPU now holds the lock. */
export function* spin_trylock(cpu: Cpu, lock: Word, lock_class: number): Steps<boolean> {
  if (STEPPED && cpu.explored) {
    if (!(yield* trylock_in_one_step(cpu, lock, lock_class))) return false;
  } else if (cpu.lock === LOCK_TICKET) {
    const serving = yield* READ_ONCE(cpu, lock + spinlock.serving);
    if ((yield* cmpxchg(cpu, lock, serving, (serving + 1) | 0)) !== serving) return false;
  } else if ((yield* cmpxchg(cpu, lock, 0, _Q_LOCKED_VAL)) !== 0) return false;
  count_lock(cpu, lock_class, lock_stat.acquisitions, 1);
  local_write(cpu, lock + spinlock.holder, cpu.id + 1);
  if (!STEPPED && --cpu.hold_countdown === 0) begin_hold(cpu, lock, lock_class);
  return true;
}

/** spin_unlock. */
export function* spin_unlock(cpu: Cpu, lock: Word): Steps<void> {
  if (!STEPPED && cpu.timed_lock === lock) end_hold(cpu);
  if (STEPPED && cpu.explored) {
    yield* unlock_in_one_step(cpu, lock);
    return;
  }
  local_write(cpu, lock + spinlock.holder, 0);
  if (cpu.lock === LOCK_TICKET) {
    const mine = yield* READ_ONCE(cpu, lock + spinlock.serving);
    yield* smp_store_release(cpu, lock + spinlock.serving, (mine + 1) | 0);
    wake_waiters(cpu, lock + spinlock.serving);
    return;
  }
  // Only the locked byte: pending bit and tail belong to those who wait.
  yield* xchg_byte(cpu, lock, 0);
  wake_waiters(cpu, lock);
}

/** spin_lock_irqsave: as spin_lock, and no interprocessor interrupt is answered until the unlock. */
export function* spin_lock_irqsave(cpu: Cpu, lock: Word, lock_class: number): Steps<void> {
  cpu.irqs_off += 1;
  yield* spin_lock(cpu, lock, lock_class);
}

/** spin_unlock_irqrestore. */
export function* spin_unlock_irqrestore(cpu: Cpu, lock: Word): Steps<void> {
  yield* spin_unlock(cpu, lock);
  cpu.irqs_off -= 1;
}

function* ticket_lock(cpu: Cpu, lock: Word, lock_class: number): Steps<void> {
  const ticket = yield* atomic_fetch_add(cpu, lock, 1);
  if ((yield* READ_ONCE(cpu, lock + spinlock.serving)) === ticket) return;
  count_lock(cpu, lock_class, lock_stat.contentions, 1);
  const since = begin_wait(cpu, lock_class, lock + spinlock.holder);
  if (cpu.tracing) trace_contention_begin(cpu, lock, LCB_F_SPIN);
  yield* smp_cond_load(
    cpu,
    lock + spinlock.serving,
    (serving) => serving === ticket,
    lock_class,
    lock + spinlock.holder,
  );
  end_wait(cpu, lock_class, since);
  if (cpu.tracing) trace_contention_end(cpu, lock);
}

function* test_and_set_slowpath(cpu: Cpu, lock: Word, lock_class: number): Steps<void> {
  do {
    yield* smp_cond_load(cpu, lock, (val) => val === 0, lock_class, lock + spinlock.holder);
  } while ((yield* cmpxchg(cpu, lock, 0, _Q_LOCKED_VAL)) !== 0);
}

/** The MCS node that a tail names. One context per CPU is enough: nothing takes a lock in an interrupt here. */
function decode_tail(cpu: Cpu, tail: number): Word {
  return cpu_area_of(cpu, (tail >>> _Q_TAIL_CPU_SHIFT) - 1) + cpu_area.mcs;
}

/** queued_spin_lock_slowpath (kernel/locking/qspinlock.c): `val` is what the failed fast path found. */
export function* queued_spin_lock_slowpath(cpu: Cpu, lock: Word, val: number, lock_class: number): Steps<void> {
  const holder = lock + spinlock.holder;
  if ((val & ~_Q_LOCKED_MASK) === 0) {
    const old = yield* atomic_fetch_or(cpu, lock, _Q_PENDING_VAL);
    if ((old & ~_Q_LOCKED_MASK) === 0) {
      // First in line: wait for the owner alone, then pending becomes locked; the tail above stays as it is.
      if ((old & _Q_LOCKED_MASK) !== 0) {
        yield* smp_cond_load(cpu, lock, (v) => (v & _Q_LOCKED_MASK) === 0, lock_class, holder);
      }
      yield* atomic_add(cpu, lock, _Q_LOCKED_VAL - _Q_PENDING_VAL);
      return;
    }
    if ((old & _Q_PENDING_VAL) === 0) yield* atomic_fetch_and(cpu, lock, ~_Q_PENDING_VAL);
  }
  yield* queue_and_wait(cpu, lock, lock_class);
}

function* queue_and_wait(cpu: Cpu, lock: Word, lock_class: number): Steps<void> {
  const holder = lock + spinlock.holder;
  const node = cpu.area + cpu_area.mcs;
  const tail = (cpu.id + 1) << _Q_TAIL_CPU_SHIFT;
  yield* WRITE_ONCE(cpu, node + mcs_node.locked, 0);
  yield* WRITE_ONCE(cpu, node + mcs_node.next, 0);
  let val = yield* READ_ONCE(cpu, lock);
  for (;;) {
    const found = yield* cmpxchg(cpu, lock, val, (val & ~_Q_TAIL_MASK) | tail);
    if (found === val) break;
    val = found;
  }
  if ((val & _Q_TAIL_MASK) !== 0) {
    const prev = decode_tail(cpu, val & _Q_TAIL_MASK);
    yield* WRITE_ONCE(cpu, prev + mcs_node.next, node);
    wake_waiters(cpu, prev + mcs_node.next);
    yield* smp_cond_load(cpu, node + mcs_node.locked, (v) => v !== 0, lock_class, holder);
  }
  // Head of the queue: wait for the owner and the pending contender to go.
  val = yield* smp_cond_load(cpu, lock, (v) => (v & _Q_LOCKED_PENDING_MASK) === 0, lock_class, holder);
  if ((val & _Q_TAIL_MASK) === tail) {
    // Last in the queue as well: take the lock and empty the queue in one go.
    if ((yield* cmpxchg(cpu, lock, val, _Q_LOCKED_VAL)) === val) return;
  }
  yield* atomic_fetch_or(cpu, lock, _Q_LOCKED_VAL);
  const next = yield* smp_cond_load(cpu, node + mcs_node.next, (v) => v !== 0, lock_class);
  yield* smp_store_release(cpu, next + mcs_node.locked, 1);
  wake_waiters(cpu, next + mcs_node.locked);
}
