// Memory control groups: who pays for a page (mm/memcontrol.c, v6.8).
//
// Each CPU holds up to 64 pages of one group, charged but unused, so that most charges touch no shared word. Another
// CPU's stock can't be taken from outside: it is asked, by an interrupt, to give it back.
import type { Cpu } from '../cpu.ts';
import { cpu_area_of } from '../cpu.ts';
import {
  CACHE_MEM_CGROUP,
  CPU_ONLINE,
  PAGE_COUNTER_MAX,
  cpu_area,
  header,
  mem_cgroup,
  mm_struct,
  page,
} from '../layout.ts';
import {
  READ_ONCE,
  WRITE_ONCE,
  atomic_add,
  atomic_fetch_add,
  control_read,
  local_read,
  local_write,
  read,
  write,
} from '../memory.ts';
import type { Steps, Word } from '../memory.ts';
import { raise_interrupt } from '../smp.ts';
import { ENOMEM } from './flags.ts';
import { page_counter_try_charge, page_counter_uncharge } from './page_counter.ts';
import { kmem_cache_alloc } from './slab.ts';

const MEMCG_CHARGE_BATCH = 64;
/** MAX_RECLAIM_RETRIES: times that a charge which found room in vain tries again. */
const MAX_RECLAIM_RETRIES = 16;

/** mem_cgroup_css_alloc: a group below `parent` (0: the root) with a limit in pages; 0 when out of memory. */
export function* mem_cgroup_create(cpu: Cpu, parent: Word, max: number): Steps<Word> {
  const memcg = yield* kmem_cache_alloc(cpu, CACHE_MEM_CGROUP);
  if (memcg === 0) return 0;
  yield* write(cpu, memcg + mem_cgroup.parent, parent);
  yield* write(cpu, memcg + mem_cgroup.id, (yield* atomic_fetch_add(cpu, header.memcg_ids, 1)) + 1);
  yield* write(cpu, memcg + mem_cgroup.max, max);
  yield* write(cpu, memcg + mem_cgroup.high, PAGE_COUNTER_MAX);
  return memcg;
}

/** A process moves to a group, as by a write to cgroup.procs: what was charged for it before stays where it is. */
export function* mem_cgroup_attach(cpu: Cpu, mm: Word, memcg: Word): Steps<void> {
  yield* write(cpu, mm + mm_struct.memcg, memcg);
}

/** memcg_memory_event: counts an event in memory.events of a group and of those above it, but for the root. */
export function* memcg_memory_event(cpu: Cpu, memcg: Word, event: number): Steps<void> {
  for (let at = memcg; is_charged(cpu, at); at = yield* read(cpu, at + mem_cgroup.parent)) {
    yield* atomic_add(cpu, at + event, 1);
  }
}

/** drain_stock: what the CPU whose area this is holds goes back to its group. By that CPU, or while it is offline. */
function* drain_stock(cpu: Cpu, area: Word): Steps<void> {
  const memcg = local_read(cpu, area + cpu_area.stock_memcg);
  const pages = local_read(cpu, area + cpu_area.stock_pages);
  local_write(cpu, area + cpu_area.stock_pages, 0);
  local_write(cpu, area + cpu_area.stock_memcg, 0);
  if (pages > 0) yield* page_counter_uncharge(cpu, memcg, pages);
}

/** drain_local_stock: answers another CPU's drain_all_stock. */
export function* drain_local_stock(cpu: Cpu): Steps<void> {
  if ((yield* READ_ONCE(cpu, cpu.area + cpu_area.stock_flush)) === 0) return;
  yield* WRITE_ONCE(cpu, cpu.area + cpu_area.stock_flush, 0);
  yield* drain_stock(cpu, cpu.area);
}

/** drain_all_stock: this CPU's stock, those of CPUs that run nothing, and the others are asked to. */
export function* drain_all_stock(cpu: Cpu): Steps<void> {
  yield* drain_stock(cpu, cpu.area);
  for (let id = 0; id < cpu.cpus; id++) {
    if (id === cpu.id) continue;
    const area = cpu_area_of(cpu, id);
    if (control_read(cpu, area + cpu_area.state) !== CPU_ONLINE) {
      yield* drain_stock(cpu, area);
      continue;
    }
    yield* WRITE_ONCE(cpu, area + cpu_area.stock_flush, 1);
    yield* raise_interrupt(cpu, id);
  }
}

/** consume_stock: whether this CPU's stock of the group had enough. */
function consume_stock(cpu: Cpu, memcg: Word, pages: number): boolean {
  const left = local_read(cpu, cpu.area + cpu_area.stock_pages) - pages;
  if (left < 0 || local_read(cpu, cpu.area + cpu_area.stock_memcg) !== memcg) return false;
  local_write(cpu, cpu.area + cpu_area.stock_pages, left);
  return true;
}

/** refill_stock: keeps charged pages for later; another group's stock, or too large a one, is given back. */
function* refill_stock(cpu: Cpu, memcg: Word, pages: number): Steps<void> {
  if (local_read(cpu, cpu.area + cpu_area.stock_memcg) !== memcg) {
    yield* drain_stock(cpu, cpu.area);
    local_write(cpu, cpu.area + cpu_area.stock_memcg, memcg);
  }
  const stock = local_read(cpu, cpu.area + cpu_area.stock_pages) + pages;
  local_write(cpu, cpu.area + cpu_area.stock_pages, stock);
  if (stock > MEMCG_CHARGE_BATCH) yield* drain_stock(cpu, cpu.area);
}

/**
 * try_charge_memcg: 0 or -ENOMEM. Charges a batch where there is room, the rest becomes stock. At the limit nothing can
 * be reclaimed here, so all that one more try can find is what the CPUs' stocks gave back.
 */
function* try_charge(cpu: Cpu, memcg: Word, pages: number): Steps<number> {
  let drained = false;
  let batch = Math.max(MEMCG_CHARGE_BATCH, pages);
  for (let retries = MAX_RECLAIM_RETRIES; retries > 0;) {
    if (consume_stock(cpu, memcg, pages)) return 0;
    const over = yield* page_counter_try_charge(cpu, memcg, batch);
    if (over === 0) {
      if (batch > pages) yield* refill_stock(cpu, memcg, batch - pages);
      return 0;
    }
    if (batch > pages) {
      batch = pages;
      continue;
    }
    yield* memcg_memory_event(cpu, over, mem_cgroup.events_max);
    const usage = yield* READ_ONCE(cpu, over + mem_cgroup.usage);
    const margin = (yield* READ_ONCE(cpu, over + mem_cgroup.max)) - usage;
    if (margin >= pages) {
      retries -= 1;
    } else if (!drained) {
      yield* drain_all_stock(cpu);
      drained = true;
    } else {
      yield* memcg_memory_event(cpu, over, mem_cgroup.events_oom);
      break;
    }
  }
  return -ENOMEM;
}

/** Whether charges to a group are kept account of: the root's are not. */
function is_charged(cpu: Cpu, memcg: Word): boolean {
  return memcg !== 0 && memcg !== local_read(cpu, header.root_memcg);
}

/** mem_cgroup_charge: a new folio to a group. 0 or -ENOMEM. */
export function* mem_cgroup_charge(cpu: Cpu, folio: Word, memcg: Word): Steps<number> {
  if (!is_charged(cpu, memcg)) return 0;
  if ((yield* try_charge(cpu, memcg, 1)) !== 0) return -ENOMEM;
  yield* write(cpu, folio + page.memcg_data, memcg);
  return 0;
}

/** mem_cgroup_uncharge: a folio whose last reference is gone. */
export function* mem_cgroup_uncharge(cpu: Cpu, folio: Word): Steps<void> {
  const memcg = yield* read(cpu, folio + page.memcg_data);
  if (memcg === 0) return;
  yield* write(cpu, folio + page.memcg_data, 0);
  yield* page_counter_uncharge(cpu, memcg, 1);
}

/** mem_cgroup_uncharge_list: the `count` folios in `buffer`; a run of one group is uncharged at once. */
export function* mem_cgroup_uncharge_list(cpu: Cpu, buffer: Word, count: number): Steps<void> {
  let group = 0;
  let pages = 0;
  for (let i = 0; i < count; i++) {
    const folio = local_read(cpu, buffer + i);
    const memcg = yield* read(cpu, folio + page.memcg_data);
    if (memcg === 0) continue;
    yield* write(cpu, folio + page.memcg_data, 0);
    if (memcg !== group) {
      if (pages > 0) yield* page_counter_uncharge(cpu, group, pages);
      group = memcg;
      pages = 0;
    }
    pages += 1;
  }
  if (pages > 0) yield* page_counter_uncharge(cpu, group, pages);
}

/** __memcg_kmem_charge_page: a page of the kernel's own, such as a page table, is charged like a folio. */
export function* memcg_kmem_charge_page(cpu: Cpu, page_word: Word, memcg: Word): Steps<number> {
  return yield* mem_cgroup_charge(cpu, page_word, memcg);
}

/** __memcg_kmem_uncharge_page. */
export function* memcg_kmem_uncharge_page(cpu: Cpu, page_word: Word): Steps<void> {
  yield* mem_cgroup_uncharge(cpu, page_word);
}
