// Fault injection in the allocator, in the spirit of the kernel's fail_page_alloc: by chance, every n-th, at a site.
import type { Cpu } from '../cpu.ts';
import { FAIL_PAGE_ALLOC, cpu_area, header } from '../layout.ts';
import { count_vm_event } from '../cpu.ts';
import { READ_ONCE, atomic_fetch_add, cmpxchg, local_read, local_write } from '../memory.ts';
import type { Steps } from '../memory.ts';

export const SITE_FOLIO = 0;
export const SITE_PTE_TABLE = 1;
export const SITE_PMD_TABLE = 2;
export const SITE_PUD_TABLE = 3;
export const SITE_SLAB = 4;
export const SITE_PGD = 5;

/** This CPU's next pseudo-random number, 0 to 2^31 - 1 (xorshift32). */
function random31(cpu: Cpu): number {
  let x = local_read(cpu, cpu.area + cpu_area.random);
  if (x === 0) x = (local_read(cpu, header.seed) + 1) * 0x9e3779b1 + cpu.id * 0x85ebca6b;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  local_write(cpu, cpu.area + cpu_area.random, x);
  return x & 0x7fffffff;
}

/** Takes one of the failures that are left; a negative number of them has no end. */
function* take_turn(cpu: Cpu): Steps<boolean> {
  for (;;) {
    const left = yield* READ_ONCE(cpu, header.fail_times);
    if (left < 0) return true;
    if (left === 0) return false;
    if ((yield* cmpxchg(cpu, header.fail_times, left, left - 1)) === left) return true;
  }
}

/** should_fail: whether this allocation is made to fail. One plain read where injection is off. */
export function* should_fail(cpu: Cpu, site: number): Steps<boolean> {
  const probability = local_read(cpu, header.fail_probability);
  const interval = local_read(cpu, header.fail_interval);
  if ((probability | interval) === 0 || (local_read(cpu, header.fail_sites) & (1 << site)) === 0) return false;
  const chosen =
    (probability !== 0 && random31(cpu) < probability) ||
    (interval !== 0 && ((yield* atomic_fetch_add(cpu, header.fail_count, 1)) + 1) % interval === 0);
  if (!chosen) return false;
  if (!(yield* take_turn(cpu))) return false;
  count_vm_event(cpu, FAIL_PAGE_ALLOC);
  return true;
}
