// What of a machine a person follows from step to step: the entries on the way to the pages that programs meet in, the
// frames behind them, accounts, TLBs, locks and store buffers. Plain numbers and texts, the same for the command line's
// JSON and for the lab's panels. It is read after every single step, so it reads a few words and searches nothing.
import {
  FRAME_SHIFT,
  MM_ANONPAGES,
  PAGE_STRUCT_SHIFT,
  PAGE_TYPE_TABLE,
  TLB_ENTRIES,
  TLB_ENTRY_WORDS,
  cpu_area,
  folio_batch,
  header,
  mem_cgroup,
  mm_struct,
  page as page_struct,
  percpu_counter,
  spinlock,
} from '../kernel/layout.ts';
import { LOCKING_MM, LOCKING_SPLIT } from '../kernel/mm/flags.ts';
import type { Execution } from '../explore/execution.ts';
import type { Machine } from '../machine/boot.ts';
import { entryPfn, walkAddress } from '../machine/proc/walk.ts';

/** One page that programs meet in, and the entries on the way to it; hexadecimal, without leading zeroes. */
export interface PageState {
  readonly address: number;
  readonly pgd: string;
  readonly pud: string;
  readonly pmd: string;
  readonly pte: string;
  /** CPU that holds the lock of its entry; -1 nobody; undefined where the design has no such lock, or no table. */
  readonly ptl?: number;
}

/** What a frame is used for. */
export type FrameKind = 'folio' | 'table' | 'zero page' | 'free';

/** One frame that is in play. */
export interface FrameState {
  readonly pfn: number;
  readonly kind: FrameKind;
  /** Its letter, in the order of allocation; the zero page and tables have none. */
  readonly letter?: string;
  readonly refcount: number;
  /** How many entries map it, by its own count; Linux keeps one less. */
  readonly mapcount: number;
  /** Whether a memory group pays for it. */
  readonly charged: boolean;
  /** CPU in whose LRU batch it waits; -1 none. */
  readonly batch: number;
  /** Words of it that user programs address, by offset in bytes. */
  readonly words: readonly (readonly [offset: number, value: number])[];
}

/** One translation that a CPU keeps. */
export interface TlbState {
  readonly cpu: number;
  readonly address: number;
  /** The entry it was filled with; hexadecimal. */
  readonly entry: string;
}

/** A machine after one step. */
export interface MachineState {
  readonly pages: readonly PageState[];
  readonly frames: readonly FrameState[];
  /** Anonymous pages of the process. */
  readonly rss: number;
  /** Pages that its memory group pays for. */
  readonly usage: number;
  readonly tlb: readonly TlbState[];
  /** Stores that are not in memory yet, the oldest first. */
  readonly buffers: readonly { readonly cpu: number; readonly word: number; readonly value: number }[];
}

/** Reads states of one machine. Folios get their letters as they are seen, in the order of allocation. */
export class StateReader {
  private readonly machine: Machine;
  private readonly execution: Execution;
  private readonly pages: readonly number[];
  /** Byte offsets in a page that programs address. */
  private readonly offsets: readonly number[];
  /** Frame numbers of folios, in the order in which they were allocated. */
  private readonly folios: number[] = [];

  constructor(execution: Execution, machine: Machine, addresses: readonly number[]) {
    this.execution = execution;
    this.machine = machine;
    this.pages = [...new Set(addresses.map((address) => address - (address % PAGE_BYTES)))].sort((a, b) => a - b);
    this.offsets = [...new Set(addresses.map((address) => address % PAGE_BYTES))].sort((a, b) => a - b);
  }

  /** A folio was allocated: its struct page. */
  allocated(pageWord: number): void {
    const frame = (pageWord - this.machine.layout.mem_map) >> PAGE_STRUCT_SHIFT;
    if (pageWord !== 0 && !this.folios.includes(frame)) this.folios.push(frame);
  }

  /** Forgets all folios but the first so many: the execution went back. */
  forget(kept: number): void {
    this.folios.length = Math.min(kept, this.folios.length);
  }

  get folioCount(): number {
    return this.folios.length;
  }

  /** The machine as it is. */
  read(): MachineState {
    const { machine } = this;
    const { words } = machine;
    const pages = this.pages.map((address) => this.pageState(address));
    return {
      pages,
      frames: this.frameStates(pages),
      rss: rssOf(machine),
      usage: words[machine.memcg + mem_cgroup.usage]!,
      tlb: this.tlbStates(),
      buffers: this.bufferStates(),
    };
  }

  private pageState(address: number): PageState {
    const { machine } = this;
    const { pgd, pud, pmd, pte } = walkAddress(machine, address);
    const ptl = holderOf(machine, pmd);
    const entries = { pgd: pgd.toString(16), pud: pud.toString(16), pmd: pmd.toString(16), pte: pte.toString(16) };
    return { address, ...entries, ...(ptl === undefined ? {} : { ptl }) };
  }

  /** The frames behind the entries, and all folios of this execution, whether anything maps them or not. */
  private frameStates(pages: readonly PageState[]): FrameState[] {
    const frames = new Set<number>();
    for (const { pmd, pte } of pages) {
      for (const entry of [pmd, pte]) if (entry !== '0') frames.add(this.frameOf(entry));
    }
    for (const folio of this.folios) frames.add(folio);
    return [...frames]
      .filter((frame) => frame >= 0 && frame < this.machine.layout.frames)
      .sort((a, b) => a - b)
      .map((frame) => this.frameState(frame));
  }

  private frameOf(entry: string): number {
    return entryPfn(BigInt(`0x${entry}`)) - this.machine.config.basePfn;
  }

  private frameState(frame: number): FrameState {
    const { machine, folios, offsets } = this;
    const { words, layout, config } = machine;
    const at = layout.mem_map + (frame << PAGE_STRUCT_SHIFT);
    const kind = this.kindOf(at);
    const order = folios.indexOf(frame);
    const start = layout.ram + (frame << FRAME_SHIFT);
    const isData = kind === 'folio' || kind === 'zero page';
    return {
      pfn: config.basePfn + frame,
      kind,
      ...(order < 0 ? {} : { letter: letterOf(order) }),
      refcount: words[at + page_struct._refcount]!,
      mapcount: words[at + page_struct._mapcount]! + 1,
      charged: words[at + page_struct.memcg_data] !== 0,
      batch: this.batchOf(at),
      words: isData ? offsets.map((offset) => [offset, words[start + offset / WORD_BYTES]!] as const) : [],
    };
  }

  private kindOf(at: number): FrameKind {
    const { words } = this.machine;
    if (words[header.zero_page] === at) return 'zero page';
    if (words[at + page_struct.page_type] === PAGE_TYPE_TABLE) return 'table';
    return words[at + page_struct._refcount] === 0 ? 'free' : 'folio';
  }

  private batchOf(at: number): number {
    const { words, layout, config } = this.machine;
    for (let cpu = 0; cpu < config.cpus; cpu++) {
      const batch = layout.cpu_areas + cpu * layout.cpu_area_words + cpu_area.lru_add;
      const nr = words[batch + folio_batch.nr]!;
      for (let i = 0; i < nr; i++) if (words[batch + folio_batch.folios + i] === at) return cpu;
    }
    return -1;
  }

  /** Translations of the pages in play. */
  private tlbStates(): TlbState[] {
    const { words, layout, config, buffer } = this.machine;
    const doubles = new Float64Array(buffer);
    const found: TlbState[] = [];
    for (let cpu = 0; cpu < config.cpus; cpu++) {
      const tlb = layout.cpu_areas + cpu * layout.cpu_area_words + layout.tlb;
      for (const address of this.pages) {
        for (let i = 0; i < TLB_ENTRIES; i++) {
          const entry = tlb + i * TLB_ENTRY_WORDS;
          if (doubles[entry >> 1] !== address / PAGE_BYTES + 1) continue;
          found.push({ cpu, address, entry: hexOf(words[entry + 2]!, words[entry + 3]!) });
        }
      }
    }
    return found;
  }

  private bufferStates(): MachineState['buffers'] {
    const { execution } = this;
    if (execution.model === 'sc') return [];
    return Array.from({ length: execution.cpus }, (_, cpu) =>
      execution.buffered(cpu).map(({ word, data }) => ({ cpu, word, value: data[0] ?? 0 })),
    ).flat();
  }
}

const PAGE_BYTES = 4096;
const WORD_BYTES = 4;
/** Letters of folios before they begin again. */
const LETTERS = 20;

/** A, B, C … */
export function letterOf(order: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + (order % LETTERS));
}

function hexOf(lo: number, hi: number): string {
  return ((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0)).toString(16);
}

/** Anonymous pages of the machine's process, every CPU's difference included. */
export function rssOf(machine: Machine): number {
  const counter = machine.mm + mm_struct.rss_stat + MM_ANONPAGES * machine.layout.percpu_counter_words;
  let sum = machine.words[counter + percpu_counter.count]!;
  for (let cpu = 0; cpu < machine.config.cpus; cpu++) sum += machine.words[counter + percpu_counter.counters + cpu]!;
  return sum;
}

/** Who holds the lock of the entries below a pmd entry; -1 nobody; undefined: there is no such lock. */
export function holderOf(machine: Machine, pmd: bigint): number | undefined {
  const { words, layout, config } = machine;
  const locking = words[header.locking];
  if (locking !== LOCKING_SPLIT && locking !== LOCKING_MM) return undefined;
  let lock = machine.mm + mm_struct.page_table_lock;
  if (locking === LOCKING_SPLIT) {
    const frame = entryPfn(pmd) - config.basePfn;
    if (frame < 0 || frame >= layout.frames) return undefined;
    lock = layout.mem_map + (frame << PAGE_STRUCT_SHIFT) + page_struct.ptl;
  }
  return words[lock + spinlock.holder]! - 1;
}
