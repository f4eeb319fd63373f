// Where every structure lives in the machine's one SharedArrayBuffer.
//
// A kernel pointer is the index of a 32-bit word (0 is NULL), a field is an offset in words: `folio + page._refcount`.
// Fields marked `long` are 64-bit integers below 2^53 and start at an even offset. The layout is a pure function of
// the sizes in the header, so every CPU that attaches to the buffer computes the same one.

import { METER_WORDS } from './counters.ts';

export * from './counters.ts';

/** struct page: one for each frame of RAM, 64 bytes as in Linux. */
export const page = {
  flags: 0,
  _refcount: 1,
  /** Number of PTEs that map the page, minus one. */
  _mapcount: 2,
  /** anon_vma pointer plus PAGE_MAPPING_ANON; 0 where the page is nobody's. */
  mapping: 3,
  /** long: linear page index in the VMA's object. */
  index: 4,
  /** list_head: buddy list, per-CPU list or LRU list. */
  lru: 6,
  /** Order of a free block (PG_buddy), level of a page table (PG_table: 1 pte … 4 pgd). */
  private: 8,
  memcg_data: 9,
  /** PAGE_TYPE_*: what the frame is, where it is neither a folio nor free on a per-CPU list. */
  page_type: 10,
  /** spinlock: the split page-table lock of a page-table page. */
  ptl: 11,
  pt_mm: 14,
  /** Order it was allocated with, plus one, while it is allocated; 0 while it is free. Read by judges alone. */
  allocated: 15,
} as const;
/** log2 of the words in a struct page. */
export const PAGE_STRUCT_SHIFT = 4;

export const PAGE_TYPE_NONE = 0;
export const PAGE_TYPE_BUDDY = 1;
export const PAGE_TYPE_TABLE = 2;
/** Never handed to the allocator: the zero page. */
export const PAGE_TYPE_RESERVED = 3;

/** PG_*: bit numbers in page.flags, v6.8. */
export const PG_locked = 0;
export const PG_uptodate = 3;
export const PG_lru = 5;
export const PG_active = 8;
export const PG_anon_exclusive = 17;
export const PG_swapbacked = 19;

export const list_head = { next: 0, prev: 1 } as const;
export const LIST_HEAD_WORDS = 2;

/** spinlock_t: the lock word of the chosen algorithm, who holds it (CPU + 1, for verdicts), a second algorithm word. */
export const spinlock = { val: 0, holder: 1, serving: 2 } as const;

/** struct rw_semaphore: bit 0 writer, bit 1 waiters, readers above bit 8; the writer (CPU + 1, for verdicts). */
export const rwsem = { count: 0, owner: 1 } as const;

/** struct percpu_counter: global part, its raw spinlock, then one word per CPU. */
export const percpu_counter = { count: 0, lock: 1, counters: 4 } as const;

export const MM_ANONPAGES = 1;
export const NR_MM_COUNTERS = 4;

/** struct mm_struct. */
export const mm_struct = {
  /** Word of the top page table in RAM. */
  pgd: 0,
  mm_users: 1,
  page_table_lock: 2,
  mmap_lock: 5,
  mm_lock_seq: 7,
  /** RCU pointer to the current maple node. */
  mm_mt: 8,
  map_count: 9,
  flags: 10,
  pgtables_bytes: 11,
  memcg: 12,
  /** The tlb code's set of CPUs that may hold translations: two words, bit per CPU. */
  cpu_bitmap: 13,
  id: 15,
  /** long */
  start_brk: 16,
  /** long */
  brk: 18,
  /** long: below it mmap looks for free ranges, top down. */
  mmap_base: 20,
  /** In pages. */
  total_vm: 22,
  def_flags: 23,
  /** In pages: VMAs with VM_LOCKED. */
  locked_vm: 24,
  /** The process's userfaultfd_ctx: the spinlock of both queues, then their list_heads. */
  fault_pending_wqh_lock: 25,
  /** Faults that no monitor has read yet. */
  fault_pending_wqh: 28,
  /** Faults that a monitor has read and not answered. */
  fault_wqh: 30,
  /** How many are in the first queue, and in both. */
  nr_faults_pending: 32,
  nr_faults: 33,
  /** NR_MM_COUNTERS percpu_counters, each percpu_counter.counters + cpus words. */
  rss_stat: 34,
} as const;

/** struct vm_area_struct. */
export const vma = {
  /** long */
  vm_start: 0,
  /** long */
  vm_end: 2,
  /** long */
  vm_pgoff: 4,
  /** Entry: the protection bits of its PTEs. */
  vm_page_prot: 6,
  vm_flags: 8,
  vm_mm: 9,
  anon_vma: 10,
  anon_vma_chain: 11,
  vm_lock: 13,
  vm_lock_seq: 15,
  detached: 16,
  /** 0: anonymous. VM_OPS_FILE, VM_OPS_SHMEM: a region whose faults are counted and skipped. */
  vm_ops: 17,
  /** Next in a list of VMAs being unmapped. */
  next: 18,
} as const;
export const VMA_WORDS = 20;
export const VM_OPS_NONE = 0;
export const VM_OPS_FILE = 1;
export const VM_OPS_SHMEM = 2;

/** struct anon_vma. */
export const anon_vma = {
  root: 0,
  rwsem: 1,
  refcount: 3,
  num_children: 4,
  num_active_vmas: 5,
  parent: 6,
  /** list_head of anon_vma_chains (Linux: an interval tree). */
  rb_root: 8,
} as const;
export const ANON_VMA_WORDS = 10;

/** struct anon_vma_chain. */
export const anon_vma_chain = {
  vma: 0,
  anon_vma: 1,
  same_vma: 2,
  /** list_head in the anon_vma's rb_root. */
  rb: 4,
} as const;
export const ANON_VMA_CHAIN_WORDS = 6;

/** Maple node: an immutable sorted array of ranges, replaced whole and freed after a grace period. */
export const maple_node = { count: 0, slots: 2 } as const;
/** One range of a maple node. */
export const maple_slot = {
  /** long */
  start: 0,
  /** long */
  end: 2,
  vma: 4,
} as const;
export const MAPLE_SLOT_WORDS = 6;

/** struct mem_cgroup; all counts in pages. */
export const mem_cgroup = {
  parent: 0,
  id: 1,
  usage: 2,
  max: 3,
  high: 4,
  watermark: 5,
  failcnt: 6,
  events_low: 7,
  events_high: 8,
  events_max: 9,
  events_oom: 10,
  events_oom_kill: 11,
} as const;
export const MEM_CGROUP_WORDS = 16;
/** memory.max: no limit. */
export const PAGE_COUNTER_MAX = 0x7fffffff;

/** struct zone. */
export const zone = {
  lock: 0,
  /** First frame index, and frames spanned. */
  start_frame: 3,
  spanned_pages: 4,
  managed_pages: 5,
  watermark_min: 6,
  watermark_low: 7,
  watermark_high: 8,
  /** NR_FREE_PAGES: the global part; each CPU holds a difference (cpu_area.zone_diff). */
  nr_free_pages: 9,
  /** MAX_PAGE_ORDER + 1 times { list_head, nr_free }. */
  free_area: 10,
  /** pages reserved against allocations that could have used zone i: lowmem_reserve[MAX_NR_ZONES]. */
  lowmem_reserve: 44,
  stat_threshold: 47,
} as const;
export const ZONE_WORDS = 48;
export const MAX_PAGE_ORDER = 10;
export const free_area = { free_list: 0, nr_free: 2 } as const;
export const FREE_AREA_WORDS = 3;
export const ZONE_NORMAL = 2;
export const MAX_NR_ZONES = 3;

/** struct per_cpu_pages: one per CPU and zone; order-0 pages, most recently freed first. */
export const per_cpu_pages = {
  lock: 0,
  count: 3,
  high: 4,
  high_min: 5,
  high_max: 6,
  batch: 7,
  alloc_factor: 8,
  free_count: 9,
  list: 10,
} as const;
export const PER_CPU_PAGES_WORDS = 12;

/** struct lruvec: lock, then a list_head and a length per LRU list. */
export const lruvec = { lru_lock: 0, lists: 3, sizes: 13 } as const;
export const LRUVEC_WORDS = 18;
export const LRU_INACTIVE_ANON = 0;
export const LRU_INACTIVE_FILE = 2;
export const NR_LRU_LISTS = 5;

export const PAGEVEC_SIZE = 15;
/** struct folio_batch of pages on their way to the LRU list. */
export const folio_batch = { nr: 0, folios: 1 } as const;

/** Object caches (slab): the lock, first free object, size and number of objects, where they are, how many are out. */
export const kmem_cache = { lock: 0, free: 3, object_words: 4, objects: 5, start: 6, in_use: 7 } as const;
export const KMEM_CACHE_WORDS = 8;
export const CACHE_MM = 0;
export const CACHE_VMA = 1;
export const CACHE_ANON_VMA = 2;
export const CACHE_ANON_VMA_CHAIN = 3;
export const CACHE_MEM_CGROUP = 4;
export const CACHE_MAPLE_NODE = 5;
export const NR_CACHES = 6;

/** Pages that an mmu_gather holds before it must flush and free: 8 on the stack, 19 batches of 510. */
export const MMU_GATHER_PAGES = 9698;
/** Entries of the per-CPU TLB, direct-mapped by page number. */
export const TLB_ENTRIES = 256;
/** One TLB entry: long page number + 1 (0: empty), then the entry's two halves. */
export const TLB_ENTRY_WORDS = 4;
/** RCU callbacks that one CPU can have waiting; the pools have as many objects to spare. */
export const RCU_CALLBACKS = 64;
/** Maple nodes among them: they are large. */
export const RCU_MAPLE_NODES = 8;
export const rcu_callback = { seq: 0, cache: 1, object: 2 } as const;
export const RCU_CALLBACK_WORDS = 3;

/** An interprocessor interrupt's request from one CPU to another: flush this range of this mm. */
export const ipi_slot = {
  /** 1 while the request waits for its answer. */
  state: 0,
  mm: 1,
  /** long */
  start: 2,
  /** long */
  end: 4,
} as const;
export const IPI_SLOT_WORDS = 6;

/** Words of the header. */
export const header = {
  magic: 0,
  version: 1,
  /** STOP_*: every wait and every operation polls it. */
  stop: 2,
  cpus: 3,
  frames: 4,
  /** Page frame number of frame 0. */
  base_pfn: 5,
  /** Bit set: the defence is off. */
  without: 6,
  locking: 7,
  lock: 8,
  soft_dirty: 9,
  /** Milliseconds that one wait may last before the machine is called stuck. */
  stuck_ms: 10,
  max_vmas: 11,
  /** First stuck CPU + 1, and what it waits for: word, class, holder + 1. */
  stuck_cpu: 12,
  stuck_word: 13,
  stuck_class: 14,
  stuck_holder: 15,
  /** Ticket clock of histories. */
  clock: 16,
  /** Start barrier of a gang: arrivals, generation. */
  barrier_arrived: 17,
  barrier_generation: 18,
  rcu_gp_seq: 19,
  dmesg_next: 20,
  /** fail_page_alloc: probability in 2^-31, every n-th, how many, site mask, seed. */
  fail_probability: 21,
  fail_interval: 22,
  fail_times: 23,
  fail_sites: 24,
  seed: 25,
  zero_page: 26,
  root_memcg: 27,
  mm_ids: 28,
  memcg_ids: 29,
  pv_lock_spins: 30,
  max_mms: 31,
  max_memcgs: 32,
  maple_nodes: 33,
  highest_pfn_taken: 34,
  fail_count: 35,
  /** 1: CPUs measure how long faults, waits and holds last. */
  metered: 36,
  /** Words that a locking design of the user's own asked for. */
  design_words: 37,
  /** spinlock of the table of processes: Linux has an alloc_lock in each task_struct. */
  task_lock: 38,
  /** By process number: its mm, 0 where there is none, PROCESS_FORKING while it is made. */
  processes: 41,
} as const;
export const HEADER_WORDS = 64;
export const MAGIC = 0x50475243;
export const VERSION = 2;
/** Processes that a machine can have at one time. */
export const NR_PROCESSES = 16;
/** In the table of processes: the number is taken, and nobody can run the process yet. */
export const PROCESS_FORKING = -1;

export const STOP_NONE = 0;
/** The gang was asked to stop (a CPU died, or the run was cancelled). */
export const STOP_REQUESTED = 1;
/** A wait lasted longer than stuck_ms. */
export const STOP_STUCK = 2;

/** Buckets that count CPUs halted on a word, so that a release only wakes where somebody may sleep. */
export const PARK_BUCKETS = 64;
/** Progress counters that programs can wait for. */
export const COUNTERS = 256;
/** Kernel log: a ring of records { message, cpu, 6 values as longs }. */
export const DMESG_RECORDS = 256;
export const DMESG_RECORD_WORDS = 16;

export const CPU_OFFLINE = 0;
export const CPU_ONLINE = 1;

/** Sizes from which the layout follows. */
export interface Sizes {
  cpus: number;
  frames: number;
  max_vmas: number;
  max_mms: number;
  max_memcgs: number;
  maple_nodes: number;
  design_words: number;
}

/** Offsets of what does not depend on the number of CPUs, within one CPU's area. */
export const cpu_area = {
  fence: 0,
  state: 1,
  /** Last RCU grace period this CPU has been quiescent in. */
  rcu_qs: 2,
  /** 1: the process that this CPU runs was killed; the CPU ends it when it is next in user mode. */
  fatal_signal: 3,
  ipi_pending: 4,
  /** What it waits for: word (0: it runs), lock class, deadline is private. */
  waiting_word: 5,
  waiting_class: 6,
  current_mm: 7,
  /** Frame whose clearing stores are still in this CPU's store buffer (without uptodate_barrier). */
  pending_clear: 8,
  random: 9,
  rcu_head: 10,
  rcu_tail: 11,
  stock_memcg: 12,
  stock_pages: 13,
  zone_diff: 14,
  /** Another CPU wants this CPU's stock given back. */
  stock_flush: 17,
  mcs: 18,
  lru_add: 26,
  /** One page on its way to be freed. */
  free_scratch: 42,
  lock_stats: 43,
  /** Behind the LOCK_CLASSES times LOCK_STAT_WORDS words of lock_stats. */
  vm_events: 115,
  /** Number of the process that it runs; behind vm_events, which has room for 32. */
  current_process: 147,
  /** userfaultfd_wait_queue of the fault that this CPU handles: it handles one at a time. */
  uwq: 148,
} as const;
/** struct userfaultfd_wait_queue. */
export const userfaultfd_wait_queue = {
  /** list_head in one of the queues of the mm. */
  entry: 0,
  /** long: page-aligned address of the fault. */
  address: 2,
  /** 0 in no queue, UWQ_PENDING, UWQ_READ. */
  queued: 4,
  waken: 5,
} as const;
export const UWQ_PENDING = 1;
export const UWQ_READ = 2;
const CPU_FIXED_WORDS = cpu_area.uwq + 6;
/** MCS node of a waiting CPU. Linux has one per context; here nothing takes a lock in an interrupt, so one will do. */
export const mcs_node = { next: 0, locked: 1 } as const;

/** Where everything is. All values are word indices. */
export interface Layout extends Sizes {
  parked: number;
  counters: number;
  dmesg: number;
  zones: number;
  lruvec: number;
  caches: number;
  cpu_areas: number;
  cpu_area_words: number;
  /** Offsets within a CPU's area of the parts whose size depends on the configuration. */
  pcp: number;
  gather: number;
  meters: number;
  rcu_callbacks: number;
  ipi_slots: number;
  tlb: number;
  percpu_counter_words: number;
  object_words: readonly number[];
  object_counts: readonly number[];
  objects: readonly number[];
  mem_map: number;
  /** Words of a locking design of the user's own. */
  design: number;
  ram: number;
  /** Size of the whole buffer, in words. */
  words: number;
}

/** Words of a frame of RAM. */
export const FRAME_WORDS = 1024;
export const FRAME_SHIFT = 10;

/** The layout that was worked out last. */
let latest: Layout | undefined;

function fits(known: Layout, sizes: Sizes): boolean {
  return (
    known.cpus === sizes.cpus &&
    known.frames === sizes.frames &&
    known.max_vmas === sizes.max_vmas &&
    known.max_mms === sizes.max_mms &&
    known.max_memcgs === sizes.max_memcgs &&
    known.maple_nodes === sizes.maple_nodes &&
    known.design_words === sizes.design_words
  );
}

/** The layout that follows from the sizes. Each CPU asks for it, most often for a machine like the one before. */
export function layout(sizes: Sizes): Layout {
  if (latest === undefined || !fits(latest, sizes)) latest = laid_out(sizes);
  return latest;
}

function laid_out(sizes: Sizes): Layout {
  let next = HEADER_WORDS;
  const take = (words: number, align = 16): number => {
    const at = Math.ceil(next / align) * align;
    next = at + words;
    return at;
  };
  const parked = take(PARK_BUCKETS);
  const counters = take(COUNTERS);
  const dmesg = take(DMESG_RECORDS * DMESG_RECORD_WORDS);
  const zones = take(MAX_NR_ZONES * ZONE_WORDS);
  const lruvecAt = take(LRUVEC_WORDS);
  const caches = take(NR_CACHES * KMEM_CACHE_WORDS);

  const percpu_counter_words = percpu_counter.counters + sizes.cpus;
  const object_words = [
    even(mm_struct.rss_stat + NR_MM_COUNTERS * percpu_counter_words),
    VMA_WORDS,
    ANON_VMA_WORDS,
    ANON_VMA_CHAIN_WORDS,
    MEM_CGROUP_WORDS,
    maple_node.slots + sizes.max_vmas * MAPLE_SLOT_WORDS,
  ];
  const vmas = sizes.max_vmas * 2 + RCU_CALLBACKS * sizes.cpus;
  const object_counts = [sizes.max_mms, vmas, vmas, vmas * 2, sizes.max_memcgs, sizes.maple_nodes];
  const objects = object_words.map((words, i) => take(words * (object_counts[i] ?? 0)));

  let inArea = CPU_FIXED_WORDS;
  const takeInArea = (words: number): number => {
    const at = Math.ceil(inArea / 16) * 16;
    inArea = at + words;
    return at;
  };
  const pcp = takeInArea(MAX_NR_ZONES * PER_CPU_PAGES_WORDS);
  const gather = takeInArea(MMU_GATHER_PAGES + 16);
  const meters = takeInArea(METER_WORDS);
  const rcu_callbacks = takeInArea(RCU_CALLBACKS * RCU_CALLBACK_WORDS);
  const ipi_slots = takeInArea(sizes.cpus * IPI_SLOT_WORDS);
  const tlb = takeInArea(TLB_ENTRIES * TLB_ENTRY_WORDS);
  const cpu_area_words = Math.ceil(inArea / 32) * 32;
  const cpu_areas = take(cpu_area_words * sizes.cpus, 32);

  const mem_map = take(sizes.frames << PAGE_STRUCT_SHIFT);
  const design = take(sizes.design_words);
  const ram = take(sizes.frames * FRAME_WORDS, FRAME_WORDS);
  return {
    ...sizes,
    parked,
    counters,
    dmesg,
    zones,
    lruvec: lruvecAt,
    caches,
    cpu_areas,
    cpu_area_words,
    pcp,
    gather,
    meters,
    rcu_callbacks,
    ipi_slots,
    tlb,
    percpu_counter_words,
    object_words,
    object_counts,
    objects,
    mem_map,
    design,
    ram,
    words: next,
  };
}

function even(words: number): number {
  return words + (words & 1);
}
