// An event's fields as v6.8's tracepoints print them, and as values for tools.
import type { MachineEvent } from '../../machine/trace-events.ts';

/** Where the array of struct pages and the direct map begin on x86-64; a struct page has 64 bytes. */
const VMEMMAP_BASE = 0xffffea0000000000n;
const PAGE_OFFSET_BASE = 0xffff888000000000n;
const STRUCT_PAGE_BYTES = 64n;
const WORD_BYTES = 4n;
export const PAGE_BYTES = 4096;

/** MM_*: what rss_stat counts. */
const RSS_MEMBERS: readonly string[] = ['MM_FILEPAGES', 'MM_ANONPAGES', 'MM_SWAPENTS', 'MM_SHMEMPAGES'];
const CONTENTION_FLAGS: readonly string[] = ['SPIN', 'READ', 'WRITE', 'RT', 'PERCPU', 'MUTEX'];
const FLUSH_REASONS: readonly string[] = [
  'flush on task switch',
  'remote shootdown',
  'local shootdown',
  'local MM shootdown',
  'remote IPI send',
];
/** GFP flags by the names that the kernel has for them, compounds first. */
const GFP_NAMES: readonly (readonly [bits: number, name: string])[] = [
  [0x100cca, 'GFP_HIGHUSER_MOVABLE'],
  [0x400cc0, 'GFP_KERNEL_ACCOUNT'],
  [0xcc0, 'GFP_KERNEL'],
  [0xc00, '__GFP_RECLAIM'],
  [0x2, '__GFP_HIGHMEM'],
  [0x8, '__GFP_MOVABLE'],
  [0x40, '__GFP_IO'],
  [0x80, '__GFP_FS'],
  [0x100, '__GFP_ZERO'],
  [0x2000, '__GFP_NOWARN'],
  [0x40000, '__GFP_COMP'],
  [0x100000, '__GFP_HARDWALL'],
  [0x400000, '__GFP_ACCOUNT'],
];
/** __GFP_MOVABLE and __GFP_RECLAIMABLE, from which gfp_migratetype makes the migrate type. */
const GFP_MOVABLE_SHIFT = 3;
const MIGRATE_MASK = 3;
/** Of a page that nobody asked for by type: the one type that there is, MIGRATE_MOVABLE. */
const MIGRATE_MOVABLE = 1;

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;
/** %p, unhashed. */
const pointer = (value: bigint): string => value.toString(16).padStart(16, '0');
const structPage = (pfn: number): string => pointer(VMEMMAP_BASE + BigInt(pfn) * STRUCT_PAGE_BYTES);
const pointerTo = (word: number): string => pointer(PAGE_OFFSET_BASE + BigInt(word) * WORD_BYTES);

/** GFP flags as __print_flags prints them. */
export function gfpText(flags: number): string {
  let left = flags;
  const names: string[] = [];
  for (const [bits, name] of GFP_NAMES) {
    if ((left & bits) !== bits) continue;
    names.push(name);
    left &= ~bits;
  }
  if (left !== 0) names.push(hex(left >>> 0));
  return names.length === 0 ? 'none' : names.join('|');
}

/** Names and values in the kernel's order, as text. */
type Fields = readonly (readonly [name: string, value: string])[];

function fieldsOf({ name, fields }: MachineEvent): Fields {
  const [a = 0, b = 0, c = 0, d = 0] = fields;
  switch (name) {
    case 'page_fault_user':
      return [
        ['address', hex(a)],
        // Programs of this machine have no text: nothing points to an instruction.
        ['ip', '0x0'],
        ['error_code', hex(b)],
      ];
    case 'mm_page_alloc':
      return [
        ['page', a < 0 ? pointer(0n) : structPage(a)],
        ['pfn', hex(Math.max(0, a))],
        ['order', String(b)],
        ['migratetype', String((c >> GFP_MOVABLE_SHIFT) & MIGRATE_MASK)],
        ['gfp_flags', gfpText(c)],
      ];
    case 'mm_page_free':
      return pageFields(a, b);
    case 'mm_page_alloc_zone_locked':
      return [...pageFields(a, b), ['migratetype', String(MIGRATE_MOVABLE)], ['percpu_refill', b <= 3 ? '1' : '0']];
    case 'mm_page_pcpu_drain':
      return [...pageFields(a, 0), ['migratetype', String(MIGRATE_MOVABLE)]];
    case 'rss_stat':
      return [
        ['mm_id', String(a)],
        ['curr', String(b)],
        ['type', RSS_MEMBERS[c] ?? String(c)],
        ['size', `${String(d * PAGE_BYTES)}B`],
      ];
    case 'mm_lru_insertion':
      return [
        ['folio', structPage(a)],
        ['pfn', hex(a)],
        ['lru', String(b)],
        ['flags', pagemapFlags(c)],
      ];
    case 'mmap_lock_start_locking':
    case 'mmap_lock_released':
      return mmapLockFields(a, b, c);
    case 'mmap_lock_acquire_returned':
      return [...mmapLockFields(a, b, c), ['success', truth(d)]];
    case 'contention_begin':
      return [
        ['lock_addr', pointerTo(a)],
        ['flags', CONTENTION_FLAGS.filter((_, bit) => (b & (1 << bit)) !== 0).join('|')],
      ];
    case 'contention_end':
      return [
        ['lock_addr', pointerTo(a)],
        ['ret', '0'],
      ];
    case 'tlb_flush':
      return [
        ['pages', String(b)],
        ['reason', `${FLUSH_REASONS[a] ?? '?'} (${String(a)})`],
      ];
    case 'page_fault_end':
      return [['signal', String(a)]];
  }
}

function pageFields(pfn: number, order: number): Fields {
  return [
    ['page', structPage(pfn)],
    ['pfn', hex(pfn)],
    ['order', String(order)],
  ];
}

const truth = (value: number): string => (value === 0 ? 'false' : 'true');

function mmapLockFields(mm: number, memcg: number, write: number): Fields {
  return [
    ['mm', pointerTo(mm)],
    // The first group is the root.
    ['memcg_path', memcg <= 1 ? '/' : `/${String(memcg)}`],
    ['write', truth(write)],
  ];
}

/** Mapped, anonymous or file, in the swap cache, swap-backed, mapped to disk, with buffers. */
function pagemapFlags(flags: number): string {
  return [
    (flags & 0x1) !== 0 ? 'M' : ' ',
    (flags & 0x2) !== 0 ? 'a' : 'f',
    (flags & 0x8) !== 0 ? 's' : ' ',
    (flags & 0x10) !== 0 ? 'b' : ' ',
    (flags & 0x20) !== 0 ? 'd' : ' ',
    (flags & 0x40) !== 0 ? 'B' : ' ',
  ].join('');
}

/** The fields as the kernel prints them. */
export function eventText(event: MachineEvent): string {
  const fields = fieldsOf(event);
  const [[, first] = ['', ''], [name, second] = ['', '']] = fields;
  if (event.name === 'contention_begin' || event.name === 'contention_end') return `${first} (${name}=${second})`;
  if (event.name === 'tlb_flush') return fields.map(([field, value]) => `${field}:${value}`).join(' ');
  return fields.map(([field, value]) => `${field}=${value}`).join(' ');
}

/** The fields by name. */
export function eventFields(event: MachineEvent): Record<string, string> {
  return Object.fromEntries(fieldsOf(event));
}

/** The lock that an event of contention or of mmap_lock is about. */
export function lockOf(event: MachineEvent): string {
  return pointerTo(event.fields[0] ?? 0);
}
