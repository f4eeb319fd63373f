// page_counter: a hierarchy of usage and limit, without a lock (mm/page_counter.c).
//
// A charge is added first and checked afterwards, so that of two charges and a new limit that come together at least
// one sees the others. What does not fit is taken back, at every level where it was already added.
import type { Cpu } from '../cpu.ts';
import { D_MEMCG_ADD_THEN_CHECK, D_MEMCG_UNWIND, defended } from '../defences.ts';
import { mem_cgroup } from '../layout.ts';
import { READ_ONCE, WRITE_ONCE, atomic_add, atomic_fetch_add, control_add, read, write, xchg } from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { PRINTK_COUNTER_UNDERFLOW, printk } from '../printk.ts';

/** page_counter_cancel: takes pages back at one level. */
export function* page_counter_cancel(cpu: Cpu, memcg: Word, pages: number): Steps<void> {
  // All that the result is for is a warning, which comes of two that are one too many whoever is the last: they commute.
  if (cpu.about('add', memcg + mem_cgroup.usage, 1, -pages)) yield cpu.step;
  const left = control_add(cpu, memcg + mem_cgroup.usage, -pages) - pages;
  if (left >= 0) return;
  printk(cpu, PRINTK_COUNTER_UNDERFLOW, left, pages);
  yield* xchg(cpu, memcg + mem_cgroup.usage, 0);
}

/** page_counter_uncharge: takes pages back at every level. */
export function* page_counter_uncharge(cpu: Cpu, memcg: Word, pages: number): Steps<void> {
  for (let at = memcg; at !== 0; at = yield* read(cpu, at + mem_cgroup.parent)) {
    yield* page_counter_cancel(cpu, at, pages);
  }
}

/** One level of a charge: whether it fitted. */
function* charge_level(cpu: Cpu, memcg: Word, pages: number): Steps<boolean> {
  if (!defended(cpu, D_MEMCG_ADD_THEN_CHECK)) {
    // Looks first and adds later: between the two another CPU may take the same room (R26).
    const usage = yield* READ_ONCE(cpu, memcg + mem_cgroup.usage);
    if (usage + pages > (yield* READ_ONCE(cpu, memcg + mem_cgroup.max))) return false;
    yield* atomic_add(cpu, memcg + mem_cgroup.usage, pages);
    return true;
  }
  const usage = (yield* atomic_fetch_add(cpu, memcg + mem_cgroup.usage, pages)) + pages;
  if (usage > (yield* read(cpu, memcg + mem_cgroup.max))) {
    yield* atomic_add(cpu, memcg + mem_cgroup.usage, -pages);
    // data_race() in Linux: a statistic, which may miss some.
    yield* write(cpu, memcg + mem_cgroup.failcnt, (yield* read(cpu, memcg + mem_cgroup.failcnt)) + 1);
    return false;
  }
  if (usage > (yield* READ_ONCE(cpu, memcg + mem_cgroup.watermark))) {
    yield* WRITE_ONCE(cpu, memcg + mem_cgroup.watermark, usage);
  }
  return true;
}

/** page_counter_try_charge: 0, or the group at whose limit it failed, with nothing charged anywhere. */
export function* page_counter_try_charge(cpu: Cpu, memcg: Word, pages: number): Steps<Word> {
  for (let at = memcg; at !== 0; at = yield* read(cpu, at + mem_cgroup.parent)) {
    if (yield* charge_level(cpu, at, pages)) continue;
    if (defended(cpu, D_MEMCG_UNWIND)) {
      for (let below = memcg; below !== at; below = yield* read(cpu, below + mem_cgroup.parent)) {
        yield* page_counter_cancel(cpu, below, pages);
      }
    }
    return at;
  }
  return 0;
}

/** page_counter_set_max: sets the limit unless more is already used; tries again if usage grew meanwhile. */
export function* page_counter_set_max(cpu: Cpu, memcg: Word, pages: number): Steps<boolean> {
  for (;;) {
    const usage = yield* READ_ONCE(cpu, memcg + mem_cgroup.usage);
    if (usage > pages) return false;
    const old = yield* xchg(cpu, memcg + mem_cgroup.max, pages);
    if ((yield* READ_ONCE(cpu, memcg + mem_cgroup.usage)) <= usage || pages >= old) return true;
    yield* write(cpu, memcg + mem_cgroup.max, old);
  }
}
