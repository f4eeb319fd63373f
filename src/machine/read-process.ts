// The address spaces of a snapshot: counters, VMAs with their anon_vma chains, and a walk of every page table.
import {
  CACHE_ANON_VMA_CHAIN,
  CACHE_MAPLE_NODE,
  CACHE_MM,
  CACHE_VMA,
  FRAME_WORDS,
  MAPLE_SLOT_WORDS,
  NR_MM_COUNTERS,
  NR_PROCESSES,
  PAGE_TYPE_TABLE,
  anon_vma_chain as avc_struct,
  header,
  maple_node,
  maple_slot,
  mm_struct,
  percpu_counter,
  vma as vm_area,
} from '../kernel/layout.ts';
import {
  entry_value,
  pmd_bad,
  pmd_none,
  pte_none,
  pte_pfn,
  pte_present,
  pte_special,
} from '../kernel/arch/x86/pgtable.ts';
import type { Frames } from './read-frames.ts';
import { hex } from './reader.ts';
import type { Reader } from './reader.ts';
import type { MmRecord, VmaRecord } from './snapshot.ts';

const PTRS_PER_TABLE = 512;
const LEVEL_NAMES: readonly string[] = ['', 'pte', 'pmd', 'pud', 'pgd'];
/** Ways into one table that are walked: the second shows what is then mapped twice, a third would show nothing new. */
const MAX_WAYS = 2;

/** All live address spaces. Counts in `frames.mappedBy` what they map. */
export function readMms(m: Reader, frames: Frames): MmRecord[] {
  const free = m.freeObjects(CACHE_MM, 'mm_struct');
  const ways = new Uint8Array(m.at.frames);
  const mms: MmRecord[] = [];
  const size = m.at.object_words[CACHE_MM] ?? 1;
  for (let i = 0; i < m.at.max_mms; i++) {
    const mm = (m.at.objects[CACHE_MM] ?? 0) + i * size;
    if (!free.has(mm) && m.word(mm + mm_struct.pgd) !== 0) mms.push(readMm(m, frames, ways, mm));
  }
  return mms;
}

function processOf(m: Reader, mm: number): number {
  for (let process = 0; process < NR_PROCESSES; process++) {
    if (m.word(header.processes + process) === mm) return process;
  }
  return -1;
}

function readMm(m: Reader, frames: Frames, ways: Uint8Array, mm: number): MmRecord {
  const record: MmRecord = {
    word: mm,
    id: m.word(mm + mm_struct.id),
    process: processOf(m, mm),
    users: m.word(mm + mm_struct.mm_users),
    rss: [],
    rssGlobal: [],
    pgtablesBytes: m.word(mm + mm_struct.pgtables_bytes),
    memcg: m.word(mm + mm_struct.memcg),
    flags: m.word(mm + mm_struct.flags),
    mapCount: m.word(mm + mm_struct.map_count),
    totalVm: m.word(mm + mm_struct.total_vm),
    lockedVm: m.word(mm + mm_struct.locked_vm),
    startBrk: m.long(mm + mm_struct.start_brk),
    brk: m.long(mm + mm_struct.brk),
    vmas: readVmas(m, mm),
    mappings: [],
    tables: [],
  };
  for (let member = 0; member < NR_MM_COUNTERS; member++) {
    const counter = mm + mm_struct.rss_stat + member * m.at.percpu_counter_words;
    const count = m.word(counter + percpu_counter.count);
    let sum = count;
    for (let cpu = 0; cpu < m.at.cpus; cpu++) sum += m.word(counter + percpu_counter.counters + cpu);
    record.rss.push(sum);
    record.rssGlobal.push(count);
  }
  const pgd = m.frameOfRam(m.word(mm + mm_struct.pgd));
  if (pgd < 0) m.problem('I5', `pgd of mm ${String(record.id)} is ${hex(m.word(mm + mm_struct.pgd))}, no frame`);
  else new TableWalk(m, frames, ways, record).walk(pgd, 4, 0);
  return record;
}

/** One walk over the page tables of an mm. */
class TableWalk {
  private readonly m: Reader;
  private readonly frames: Frames;
  private readonly ways: Uint8Array;
  private readonly record: MmRecord;

  constructor(m: Reader, frames: Frames, ways: Uint8Array, record: MmRecord) {
    this.m = m;
    this.frames = frames;
    this.ways = ways;
    this.record = record;
  }

  /** Walks the table in `frame`, used as one of `level`, whose first entry covers `base`. */
  walk(frame: number, level: number, base: number): void {
    this.record.tables.push({ frame, level, address: base });
    if (this.frames.pageType[frame] !== PAGE_TYPE_TABLE) return;
    if (this.ways[frame]! >= MAX_WAYS) return;
    this.ways[frame]! += 1;
    const { words } = this.m;
    const table = this.m.at.ram + frame * FRAME_WORDS;
    const span = 4096 * PTRS_PER_TABLE ** (level - 1);
    for (let i = 0; i < PTRS_PER_TABLE; i++) {
      const lo = words[table + 2 * i]!;
      const hi = words[table + 2 * i + 1]!;
      if (lo === 0 && hi === 0) continue;
      if (level > 1) this.upper(lo, hi, level, base + i * span);
      else this.pte(lo, hi, base + i * span);
    }
  }

  private upper(lo: number, hi: number, level: number, address: number): void {
    const entry = { lo, hi };
    if (pmd_none(entry)) return;
    const target = this.m.frameOfPfn(pte_pfn(entry));
    const name = LEVEL_NAMES[level] ?? '?';
    const text = `bad ${name} ${hex(address)}(${entry_value(entry).toString(16).padStart(16, '0')})`;
    if (pmd_bad(entry)) this.m.problem('I5', text);
    else if (target < 0) this.m.problem('I5', `${text}: no frame of this machine`);
    else this.walk(target, level - 1, address);
  }

  private pte(lo: number, hi: number, address: number): void {
    const entry = { lo, hi };
    if (pte_none(entry)) return;
    if (!pte_present(entry)) {
      const value = entry_value(entry).toString(16).padStart(16, '0');
      this.m.problem('I10', `${hex(address)}: pte ${value} is neither empty nor present`);
      return;
    }
    const pfn = pte_pfn(entry);
    const frame = this.m.frameOfPfn(pfn);
    this.record.mappings.push({ address, lo, hi, pfn, frame });
    if (frame >= 0 && !pte_special(entry)) this.frames.mappedBy[frame]! += 1;
  }
}

/** The VMAs in the mm's tree, in its order. What is wrong with the tree is a problem of I12. */
function readVmas(m: Reader, mm: number): VmaRecord[] {
  const node = m.word(mm + mm_struct.mm_mt);
  if (!m.isObject(CACHE_MAPLE_NODE, node)) {
    m.problem('I12', `mm_mt of mm ${String(m.word(mm + mm_struct.id))} is ${hex(node)}, no maple node`);
    return [];
  }
  const count = m.word(node + maple_node.count);
  if (count < 0 || count > m.at.max_vmas) m.problem('I12', `the maple node says it has ${String(count)} ranges`);
  const vmas: VmaRecord[] = [];
  for (let i = 0; i < Math.min(count, m.at.max_vmas); i++) {
    const slot = node + maple_node.slots + i * MAPLE_SLOT_WORDS;
    const word = m.word(slot + maple_slot.vma);
    if (!m.isObject(CACHE_VMA, word)) m.problem('I12', `range ${String(i)} of the maple node leads to no VMA`);
    else vmas.push(readVma(m, mm, word, m.long(slot + maple_slot.start), m.long(slot + maple_slot.end)));
  }
  return vmas;
}

function readVma(m: Reader, mm: number, word: number, start: number, end: number): VmaRecord {
  const name = `VMA ${hex(start)}`;
  if (m.long(word + vm_area.vm_start) !== start || m.long(word + vm_area.vm_end) !== end) {
    m.problem('I12', `${name}: the tree has another range than the VMA`);
  }
  if (m.word(word + vm_area.vm_mm) !== mm) m.problem('I12', `${name}: it belongs to another mm`);
  return {
    word,
    start,
    end,
    flags: m.word(word + vm_area.vm_flags),
    pgoff: m.long(word + vm_area.vm_pgoff),
    anonVma: m.word(word + vm_area.anon_vma),
    chain: readChain(m, word, name),
    ops: m.word(word + vm_area.vm_ops),
    detached: m.word(word + vm_area.detached) !== 0,
  };
}

/** The anon_vmas of a VMA's chain. */
function readChain(m: Reader, vma: number, name: string): number[] {
  const chain: number[] = [];
  const bound = m.at.object_counts[CACHE_ANON_VMA_CHAIN] ?? 0;
  const torn = m.walkList(vma + vm_area.anon_vma_chain, bound, (link) => {
    const avc = link - avc_struct.same_vma;
    if (!m.isObject(CACHE_ANON_VMA_CHAIN, avc)) {
      m.problem('I8', `${name}: its chain has an entry that is no anon_vma_chain`);
      return false;
    }
    if (m.word(avc + avc_struct.vma) !== vma) m.problem('I8', `${name}: its chain has the entry of another VMA`);
    chain.push(m.word(avc + avc_struct.anon_vma));
    return true;
  });
  if (torn !== undefined) m.problem('I8', `${name}: its anon_vma_chain is torn: ${torn}`);
  return chain;
}
