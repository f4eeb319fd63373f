// RCU: what readers may still look at is freed only after every CPU has passed a quiescent state.
//
// Each free starts a grace period by taking the next number; a CPU reports the newest number it has seen whenever it
// holds no RCU-protected pointer (on its way back to user space, and while it waits for a lock outside a reader). A
// callback runs when every CPU that is online has reported its number.
import type { Cpu } from '../cpu.ts';
import { cpu_area_of } from '../cpu.ts';
import {
  CPU_ONLINE,
  LOCK_IPI,
  RCU_CALLBACKS,
  RCU_CALLBACK_WORDS,
  cpu_area,
  header,
  rcu_callback,
  CACHE_MAPLE_NODE,
  RCU_MAPLE_NODES,
} from '../layout.ts';
import { READ_ONCE, STEPPED, atomic_fetch_add, control_read, local_read, local_write } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { table_free } from '../mm/pgalloc.ts';
import { kmem_cache_free } from '../mm/slab.ts';
import { raise_interrupt, rcu_note_context_switch, smp_cond_load } from '../smp.ts';

/** In place of an object cache: the object is a PTE table (pte_free_defer). */
export const RCU_PAGE_TABLE = -1;

/** rcu_read_lock: costs nothing, as on a kernel without preemption. @inline */
export function rcu_read_lock(cpu: Cpu): void {
  cpu.rcu_nesting += 1;
}

/** rcu_read_unlock. @inline */
export function rcu_read_unlock(cpu: Cpu): void {
  cpu.rcu_nesting -= 1;
}

function callback(cpu: Cpu, n: number): Word {
  return cpu.area + cpu.layout.rcu_callbacks + (n % RCU_CALLBACKS) * RCU_CALLBACK_WORDS;
}

/** Whether every online CPU has been quiescent since grace period `seq` began. */
function* grace_period_over(cpu: Cpu, seq: number): Steps<boolean> {
  for (let other = 0; other < cpu.cpus; other++) {
    const area = cpu_area_of(cpu, other);
    if (control_read(cpu, area + cpu_area.state) !== CPU_ONLINE) continue;
    if ((yield* READ_ONCE(cpu, area + cpu_area.rcu_qs)) < seq) return false;
  }
  return true;
}

/** Whether one callback more would hold back objects that the pools have not to spare. */
function too_many_waiting(cpu: Cpu, tail: number, cache: number): boolean {
  const head = local_read(cpu, cpu.area + cpu_area.rcu_head);
  if (STEPPED && cpu.explored) {
    // Nothing is freed before the end of an execution: nodes held back are an allocation that fails.
    if (tail - head < RCU_CALLBACKS) return false;
    throw new Error(`call_rcu_free: explored programs are too long: more than ${String(RCU_CALLBACKS)} objects wait`);
  }
  if (tail - head >= RCU_CALLBACKS) return true;
  if (cache !== CACHE_MAPLE_NODE) return false;
  let nodes = 0;
  for (let n = head; n < tail; n++) {
    if (local_read(cpu, callback(cpu, n) + rcu_callback.cache) === CACHE_MAPLE_NODE) nodes += 1;
  }
  return nodes >= RCU_MAPLE_NODES;
}

/** Number of a grace period that begins now. Under the explorer all end with the execution, so they need no numbers. */
function* new_grace_period(cpu: Cpu): Steps<number> {
  if (STEPPED && cpu.explored) return control_read(cpu, header.rcu_gp_seq);
  return (yield* atomic_fetch_add(cpu, header.rcu_gp_seq, 1)) + 1;
}

/** call_rcu with a callback that gives `object` back to `cache` (or frees the PTE table, RCU_PAGE_TABLE). Must not be called inside a reader. */
export function* call_rcu_free(cpu: Cpu, cache: number, object: Word): Steps<void> {
  const tail = local_read(cpu, cpu.area + cpu_area.rcu_tail);
  if (too_many_waiting(cpu, tail, cache)) yield* rcu_barrier(cpu);
  const seq = yield* new_grace_period(cpu);
  const slot = callback(cpu, tail);
  local_write(cpu, slot + rcu_callback.seq, seq);
  local_write(cpu, slot + rcu_callback.cache, cache);
  local_write(cpu, slot + rcu_callback.object, object);
  local_write(cpu, cpu.area + cpu_area.rcu_tail, tail + 1);
}

/** Runs this CPU's callbacks whose grace period is over. Cheap where there are none. */
export function* rcu_quiescent(cpu: Cpu): Steps<void> {
  if (STEPPED && cpu.explored) return;
  rcu_note_context_switch(cpu);
  let head = local_read(cpu, cpu.area + cpu_area.rcu_head);
  const tail = local_read(cpu, cpu.area + cpu_area.rcu_tail);
  while (head < tail) {
    const slot = callback(cpu, head);
    if (!(yield* grace_period_over(cpu, local_read(cpu, slot + rcu_callback.seq)))) return;
    head += 1;
    local_write(cpu, cpu.area + cpu_area.rcu_head, head);
    const cache = local_read(cpu, slot + rcu_callback.cache);
    const object = local_read(cpu, slot + rcu_callback.object);
    if (cache === RCU_PAGE_TABLE) yield* table_free(cpu, object);
    else yield* kmem_cache_free(cpu, cache, object);
  }
}

/** synchronize_rcu: waits until every reader that runs now has ended. May sleep; not inside a reader. */
export function* synchronize_rcu(cpu: Cpu): Steps<void> {
  const seq = (yield* atomic_fetch_add(cpu, header.rcu_gp_seq, 1)) + 1;
  rcu_note_context_switch(cpu);
  for (let other = 0; other < cpu.cpus; other++) {
    if (other === cpu.id) continue;
    const area = cpu_area_of(cpu, other);
    const offline = (): boolean => control_read(cpu, area + cpu_area.state) !== CPU_ONLINE;
    if (offline()) continue;
    // It may be halted in a wait, and says that it is quiescent only when it wakes.
    yield* raise_interrupt(cpu, other);
    yield* smp_cond_load(cpu, area + cpu_area.rcu_qs, (v) => v >= seq || offline(), LOCK_IPI);
  }
}

/** rcu_barrier for this CPU: waits for a grace period and runs all its callbacks. */
export function* rcu_barrier(cpu: Cpu): Steps<void> {
  if (STEPPED && cpu.explored) return;
  yield* synchronize_rcu(cpu);
  yield* rcu_quiescent(cpu);
}
