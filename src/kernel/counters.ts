// What every CPU counts for itself: lock statistics by class, and events. layout.ts says where, and exports these too.

/** Lock classes: what lock statistics and verdicts call a lock. */
export const LOCK_CLASSES = [
  'ptlock',
  'page_table_lock',
  'pmd_lock',
  'mmap_lock',
  'vm_lock',
  'anon_vma->rwsem',
  'zone->lock',
  'pcp->lock',
  'lruvec->lru_lock',
  'percpu_counter->lock',
  'kmem_cache->lock',
  'ipi',
  'ptlock/1',
  'mmap_lock/1',
  'task_lock',
  'fault_pending_wqh.lock',
  'userfault',
  'userfaultfd read',
] as const;
export const LOCK_PTL = 0;
export const LOCK_PAGE_TABLE = 1;
export const LOCK_PMD = 2;
export const LOCK_MMAP = 3;
export const LOCK_VMA = 4;
export const LOCK_ANON_VMA = 5;
export const LOCK_ZONE = 6;
export const LOCK_PCP = 7;
export const LOCK_LRU = 8;
export const LOCK_PERCPU_COUNTER = 9;
export const LOCK_SLAB = 10;
export const LOCK_IPI = 11;
/** SINGLE_DEPTH_NESTING: the second lock of a class that fork takes while it holds the first. */
export const LOCK_PTL_NESTED = 12;
export const LOCK_MMAP_NESTED = 13;
export const LOCK_TASK = 14;
export const LOCK_FAULT_PENDING = 15;
/** No lock: a fault waits here until a monitor has answered it. */
export const LOCK_USERFAULT = 16;
/** No lock: a monitor waits here for faults. */
export const LOCK_USERFAULT_READ = 17;

/** Per-CPU statistics of one lock class. */
export const lock_stat = { acquisitions: 0, contentions: 1, spins: 2, parks: 3 } as const;
export const LOCK_STAT_WORDS = 4;

/** The most CPUs that a machine can have. */
export const MAX_CPUS = 64;

/** What a metered CPU measures of one lock class: times in nanoseconds (longs), timed holds, waits by who held it. */
export const meter_class = {
  wait_total: 0,
  wait_max: 2,
  hold_total: 4,
  hold_max: 6,
  holds: 8,
  waited_for: 16,
} as const;
export const METER_CLASS_WORDS = 80;
/** Buckets of the histogram of fault latencies: up to half a minute. */
export const LATENCY_BUCKETS = 512;
/** What a metered CPU measures: the longest fault (long), the histogram, and each lock class. */
export const meter = { latency_max: 0, latency: 2, classes: 514 } as const;
export const METER_WORDS: number = meter.classes + LOCK_CLASSES.length * METER_CLASS_WORDS;

/** Per-CPU event counters (Linux: vm_event_states and the perf software events). */
export const VM_EVENTS = [
  'pgfault',
  'pgmajfault',
  'min_flt',
  'maj_flt',
  'pgalloc',
  'pgfree',
  'pgreuse',
  'vma_lock_success',
  'vma_lock_abort',
  'vma_lock_retry',
  'vma_lock_miss',
  'allocstall',
  'oom_kill',
  'nr_tlb_remote_flush',
  'nr_tlb_remote_flush_received',
  'nr_tlb_local_flush',
  'lost_race_anon',
  'lost_race_pte_alloc',
  'lost_race_anon_vma',
  'lost_race_wp',
  'lost_race_pmd',
  'fault_skipped',
  'sigsegv',
  'sigbus',
  'oom_fault',
  'fail_page_alloc',
  'nr_anon_mapped',
  'nr_page_table_pages',
  'zero_page_mapped',
  'pagefaults_user',
] as const;
export type VmEvent = (typeof VM_EVENTS)[number];
export const PGFAULT = 0;
export const MIN_FLT = 2;
export const MAJ_FLT = 3;
export const PGALLOC = 4;
export const PGFREE = 5;
export const PGREUSE = 6;
export const VMA_LOCK_SUCCESS = 7;
export const VMA_LOCK_ABORT = 8;
export const VMA_LOCK_RETRY = 9;
export const VMA_LOCK_MISS = 10;
export const ALLOCSTALL = 11;
export const OOM_KILL = 12;
export const NR_TLB_REMOTE_FLUSH = 13;
export const NR_TLB_REMOTE_FLUSH_RECEIVED = 14;
export const NR_TLB_LOCAL_FLUSH = 15;
export const LOST_RACE_ANON = 16;
export const LOST_RACE_PTE_ALLOC = 17;
export const LOST_RACE_ANON_VMA = 18;
export const LOST_RACE_WP = 19;
export const LOST_RACE_PMD = 20;
export const FAULT_SKIPPED = 21;
export const SIGSEGV_EVENTS = 22;
export const SIGBUS_EVENTS = 23;
export const OOM_FAULT = 24;
export const FAIL_PAGE_ALLOC = 25;
export const NR_ANON_MAPPED = 26;
export const NR_PAGE_TABLE_PAGES = 27;
export const ZERO_PAGE_MAPPED = 28;
export const PAGEFAULTS_USER = 29;
