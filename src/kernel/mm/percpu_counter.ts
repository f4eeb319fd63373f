// percpu_counter (lib/percpu_counter.c): a counter that each CPU adds to in a word of its own.
//
// The local part is folded into the global one, under a raw spinlock, once it is large enough; readers of the global
// part alone may be off by a batch for each CPU, a sum of all parts is exact.
import type { Cpu } from '../cpu.ts';
import { D_RSS_ATOMIC, defended } from '../defences.ts';
import { LOCK_PERCPU_COUNTER, percpu_counter } from '../layout.ts';
import { spin_lock_irqsave, spin_unlock_irqrestore } from '../locking/spinlock.ts';
import { local_read, local_write, read, write } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';

/** Local parts are folded at this size: max(32, 2 CPUs). */
function percpu_counter_batch(cpu: Cpu): number {
  return Math.max(32, 2 * cpu.cpus);
}

/** percpu_counter_add_batch. */
export function* percpu_counter_add(cpu: Cpu, counter: Word, amount: number): Steps<void> {
  if (!defended(cpu, D_RSS_ATOMIC)) {
    // One word for all CPUs, read and written without anything to make the two one: updates get lost (R27).
    const value = yield* read(cpu, counter + percpu_counter.count);
    yield* write(cpu, counter + percpu_counter.count, value + amount);
    return;
  }
  const local = counter + percpu_counter.counters + cpu.id;
  const count = local_read(cpu, local) + amount;
  const batch = percpu_counter_batch(cpu);
  if (count < batch && count > -batch) {
    local_write(cpu, local, count);
    return;
  }
  yield* spin_lock_irqsave(cpu, counter + percpu_counter.lock, LOCK_PERCPU_COUNTER);
  yield* write(cpu, counter + percpu_counter.count, (yield* read(cpu, counter + percpu_counter.count)) + count);
  local_write(cpu, local, 0);
  yield* spin_unlock_irqrestore(cpu, counter + percpu_counter.lock);
}

/** percpu_counter_sum: exact while nobody adds. */
export function* percpu_counter_sum(cpu: Cpu, counter: Word): Steps<number> {
  yield* spin_lock_irqsave(cpu, counter + percpu_counter.lock, LOCK_PERCPU_COUNTER);
  let sum = yield* read(cpu, counter + percpu_counter.count);
  for (let id = 0; id < cpu.cpus; id++) sum += yield* read(cpu, counter + percpu_counter.counters + id);
  yield* spin_unlock_irqrestore(cpu, counter + percpu_counter.lock);
  return sum;
}
