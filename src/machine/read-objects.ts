// The kernel's objects in a snapshot: anon_vmas, memory groups, caches, what CPUs hold privately, and held locks.
import {
  CACHE_ANON_VMA,
  CACHE_ANON_VMA_CHAIN,
  CACHE_MEM_CGROUP,
  CPU_ONLINE,
  KMEM_CACHE_WORDS,
  LOCK_CLASSES,
  LOCK_ANON_VMA,
  LOCK_LRU,
  LOCK_MMAP,
  LOCK_PAGE_TABLE,
  LOCK_PCP,
  LOCK_PERCPU_COUNTER,
  LOCK_PTL,
  LOCK_SLAB,
  LOCK_TASK,
  LOCK_VMA,
  LOCK_ZONE,
  MAX_NR_ZONES,
  NR_CACHES,
  NR_MM_COUNTERS,
  PAGE_STRUCT_SHIFT,
  PAGE_TYPE_TABLE,
  PER_CPU_PAGES_WORDS,
  TLB_ENTRIES,
  TLB_ENTRY_WORDS,
  VM_EVENTS,
  ZONE_WORDS,
  anon_vma as anon_vma_struct,
  anon_vma_chain as avc_struct,
  cpu_area,
  header,
  kmem_cache,
  lruvec,
  mem_cgroup,
  mm_struct,
  page,
  per_cpu_pages,
  percpu_counter,
  rwsem,
  spinlock,
  vma as vm_area,
  zone as zone_struct,
} from '../kernel/layout.ts';
import type { VmEvent } from '../kernel/layout.ts';
import { RWSEM_FLAG_WAITERS } from '../kernel/locking/rwsem.ts';
import { LOCK_TICKET } from '../kernel/locking/spinlock.ts';
import { LOCKING_OWN } from '../kernel/mm/flags.ts';
import { TABLE_PTE } from '../kernel/mm/pgalloc.ts';
import { batchOf, rcuPending, walkPcpList } from './read-frames.ts';
import type { Frames } from './read-frames.ts';
import { hex } from './reader.ts';
import type { Reader } from './reader.ts';
import type { AnonVmaRecord, CpuRecord, HeldLock, MemcgRecord, MmRecord, ObjectRecord } from './snapshot.ts';

/** Names of the object caches, by CACHE_* number. */
const CACHE_NAMES: readonly string[] = [
  'mm_struct',
  'vm_area_struct',
  'anon_vma',
  'anon_vma_chain',
  'mem_cgroup',
  'maple_node',
];

/** What each CPU holds. Marks the frames on its lists as free. */
export function readCpus(m: Reader, frames: Frames): CpuRecord[] {
  return Array.from({ length: m.at.cpus }, (_, cpu): CpuRecord => {
    const area = m.area(cpu);
    const pcp = Array.from({ length: MAX_NR_ZONES }, (_unused, zone) => {
      const at = area + m.at.pcp + zone * PER_CPU_PAGES_WORDS;
      return {
        zone,
        count: m.word(at + per_cpu_pages.count),
        listed: walkPcpList(m, frames, cpu, zone),
        high: m.word(at + per_cpu_pages.high),
        batch: m.word(at + per_cpu_pages.batch),
      };
    });
    return {
      cpu,
      state: m.word(area + cpu_area.state),
      stockMemcg: m.word(area + cpu_area.stock_memcg),
      stockPages: m.word(area + cpu_area.stock_pages),
      batch: batchOf(m, cpu),
      pcp,
      tlb: m.word(area + cpu_area.state) === CPU_ONLINE ? readTlb(m, area + m.at.tlb) : [],
    };
  });
}

/** The event counters, summed over all CPUs. */
export function readEvents(m: Reader): Record<VmEvent, number> {
  const sums = {} as Record<VmEvent, number>;
  VM_EVENTS.forEach((name, i) => {
    sums[name] = 0;
    for (let cpu = 0; cpu < m.at.cpus; cpu++) sums[name] += m.word(m.area(cpu) + cpu_area.vm_events + i);
  });
  return sums;
}

function readTlb(m: Reader, tlb: number): CpuRecord['tlb'] {
  const entries: CpuRecord['tlb'] = [];
  for (let i = 0; i < TLB_ENTRIES; i++) {
    const entry = tlb + i * TLB_ENTRY_WORDS;
    const number = m.long(entry) - 1;
    if (number >= 0) entries.push({ address: number * 4096, lo: m.word(entry + 2), hi: m.word(entry + 3) });
  }
  return entries;
}

/** Objects that are not on their cache's free list. */
function liveObjects(m: Reader, cache: number): number[] {
  const free = m.freeObjects(cache, CACHE_NAMES[cache] ?? '?');
  const size = m.at.object_words[cache] ?? 1;
  const first = m.at.objects[cache] ?? 0;
  const live: number[] = [];
  for (let i = 0; i < (m.at.object_counts[cache] ?? 0); i++) {
    if (!free.has(first + i * size)) live.push(first + i * size);
  }
  return live;
}

/** Counts the objects of every cache. A count that the cache itself has wrong is a problem of judge `slab`. */
export function readObjects(m: Reader): ObjectRecord[] {
  const pending = Array.from({ length: m.at.cpus }, (_, cpu) => rcuPending(m, cpu)).flat();
  return CACHE_NAMES.map((cache, number) => {
    const out = (m.at.object_counts[number] ?? 0) - m.freeObjects(number, cache).size;
    const inUse = m.word(m.cache(number) + kmem_cache.in_use);
    if (inUse !== out) m.problem('slab', `BUG ${cache}: ${String(inUse)} objects in use, ${String(out)} not free`);
    const waiting = pending.filter((callback) => callback.cache === number).length;
    return { cache, live: out - waiting, pending: waiting };
  });
}

/** All live anon_vmas. */
export function readAnonVmas(m: Reader): AnonVmaRecord[] {
  return liveObjects(m, CACHE_ANON_VMA).map((word) => {
    const vmas: number[] = [];
    const bound = m.at.object_counts[CACHE_ANON_VMA_CHAIN] ?? 0;
    const torn = m.walkList(word + anon_vma_struct.rb_root, bound, (link) => {
      const avc = link - avc_struct.rb;
      if (!m.isObject(CACHE_ANON_VMA_CHAIN, avc)) {
        m.problem('I8', `anon_vma ${hex(word)} lists something that is no anon_vma_chain`);
        return false;
      }
      vmas.push(m.word(avc + avc_struct.vma));
      return true;
    });
    if (torn !== undefined) m.problem('I8', `the list of anon_vma ${hex(word)} is torn: ${torn}`);
    return {
      word,
      root: m.word(word + anon_vma_struct.root),
      parent: m.word(word + anon_vma_struct.parent),
      refcount: m.word(word + anon_vma_struct.refcount),
      numChildren: m.word(word + anon_vma_struct.num_children),
      numActiveVmas: m.word(word + anon_vma_struct.num_active_vmas),
      vmas,
    };
  });
}

/** All memory groups, the root first. */
export function readMemcgs(m: Reader, memcgData: Int32Array): MemcgRecord[] {
  const charged = new Map<number, number>();
  for (const group of memcgData) if (group !== 0) charged.set(group, (charged.get(group) ?? 0) + 1);
  const live = liveObjects(m, CACHE_MEM_CGROUP);
  for (const [group, pages] of charged) {
    if (!live.includes(group))
      m.problem('I6', `${String(pages)} pages are charged to ${hex(group)}, which is no group`);
  }
  return live.map((memcg) => {
    let stock = 0;
    for (let cpu = 0; cpu < m.at.cpus; cpu++) {
      const area = m.area(cpu);
      if (m.word(area + cpu_area.stock_memcg) === memcg) stock += m.word(area + cpu_area.stock_pages);
    }
    return {
      word: memcg,
      id: m.word(memcg + mem_cgroup.id),
      parent: m.word(memcg + mem_cgroup.parent),
      usage: m.word(memcg + mem_cgroup.usage),
      max: m.word(memcg + mem_cgroup.max),
      watermark: m.word(memcg + mem_cgroup.watermark),
      events: {
        low: m.word(memcg + mem_cgroup.events_low),
        high: m.word(memcg + mem_cgroup.events_high),
        max: m.word(memcg + mem_cgroup.events_max),
        oom: m.word(memcg + mem_cgroup.events_oom),
        oomKill: m.word(memcg + mem_cgroup.events_oom_kill),
      },
      charged: charged.get(memcg) ?? 0,
      stock,
    };
  });
}

/** Every lock of the machine that is held. */
export function heldLocks(m: Reader, mms: readonly MmRecord[], pageType: Int32Array): HeldLock[] {
  const held: HeldLock[] = [];
  const ticket = m.word(header.lock) === LOCK_TICKET;
  const spin = (word: number, lockClass: number): void => {
    const free = ticket ? m.word(word + spinlock.serving) : 0;
    if (m.word(word + spinlock.val) === free) return;
    held.push({ lockClass: LOCK_CLASSES[lockClass] ?? '?', word, holder: m.word(word + spinlock.holder) - 1 });
  };
  const semaphore = (word: number, lockClass: number): void => {
    if ((m.word(word + rwsem.count) & ~RWSEM_FLAG_WAITERS) === 0) return;
    held.push({ lockClass: LOCK_CLASSES[lockClass] ?? '?', word, holder: m.word(word + rwsem.owner) - 1 });
  };
  for (let zone = 0; zone < MAX_NR_ZONES; zone++) {
    spin(m.at.zones + zone * ZONE_WORDS + zone_struct.lock, LOCK_ZONE);
    for (let cpu = 0; cpu < m.at.cpus; cpu++) {
      spin(m.area(cpu) + m.at.pcp + zone * PER_CPU_PAGES_WORDS + per_cpu_pages.lock, LOCK_PCP);
    }
  }
  for (let cache = 0; cache < NR_CACHES; cache++)
    spin(m.at.caches + cache * KMEM_CACHE_WORDS + kmem_cache.lock, LOCK_SLAB);
  spin(header.task_lock, LOCK_TASK);
  spin(m.at.lruvec + lruvec.lru_lock, LOCK_LRU);
  for (const mm of mms) {
    spin(mm.word + mm_struct.page_table_lock, LOCK_PAGE_TABLE);
    semaphore(mm.word + mm_struct.mmap_lock, LOCK_MMAP);
    for (const vma of mm.vmas) semaphore(vma.word + vm_area.vm_lock, LOCK_VMA);
    for (let member = 0; member < NR_MM_COUNTERS; member++) {
      const counter = mm.word + mm_struct.rss_stat + member * m.at.percpu_counter_words;
      spin(counter + percpu_counter.lock, LOCK_PERCPU_COUNTER);
    }
  }
  for (const word of liveObjects(m, CACHE_ANON_VMA)) semaphore(word + anon_vma_struct.rwsem, LOCK_ANON_VMA);
  // What a design of the user's own keeps in a PTE table's words when nobody holds anything is its own business.
  const own = m.word(header.locking) === LOCKING_OWN;
  for (let frame = 0; frame < pageType.length; frame++) {
    if (pageType[frame] !== PAGE_TYPE_TABLE) continue;
    const at = m.at.mem_map + (frame << PAGE_STRUCT_SHIFT);
    if (!own || m.word(at + page.private) !== TABLE_PTE) spin(at + page.ptl, LOCK_PTL);
  }
  return held;
}
