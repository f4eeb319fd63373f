// What people call a word of a machine: `pte[119]`, `mm->mmap_lock`, `zone->lock`, `user word 0x75e52fc77000`.
import { _PAGE_PRESENT } from '../kernel/arch/x86/pgtable.ts';
import * as layout from '../kernel/layout.ts';
import type { Machine } from '../machine/boot.ts';

const LEVELS: readonly string[] = ['', 'pte', 'pmd', 'pud', 'pgd'];
const CACHES: readonly string[] = ['mm', 'vma', 'anon_vma', 'anon_vma_chain', 'memcg', 'maple_node'];
const FIELDS: readonly Readonly<Record<string, number>>[] = [
  layout.mm_struct,
  layout.vma,
  layout.anon_vma,
  layout.anon_vma_chain,
  layout.mem_cgroup,
  layout.maple_node,
];
const PAGE_BYTES = 4096;

/** The last field that begins at or before `offset`. */
function fieldAt(fields: Readonly<Record<string, number>>, offset: number): string {
  let found = '';
  let best = -1;
  for (const [name, at] of Object.entries(fields)) {
    if (at > offset || at <= best) continue;
    found = name;
    best = at;
  }
  return found;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

/** Names words by what the machine is like when it is asked. */
export class KernelNames {
  private readonly machine: Machine;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  nameOf(word: number): string {
    const at = this.machine.layout;
    if (word >= at.ram) return this.ramName(word);
    if (word >= at.design) return `design word ${String(word - at.design)}`;
    if (word >= at.mem_map) return this.pageName(word);
    if (word >= at.cpu_areas) return this.cpuName(word);
    for (const [cache, start] of at.objects.entries()) {
      const offset = word - start;
      const size = at.object_words[cache]!;
      if (offset >= 0 && offset < size * at.object_counts[cache]!) return this.objectName(cache, start, offset);
    }
    if (word >= at.caches) {
      const offset = word - at.caches;
      const field = fieldAt(layout.kmem_cache, offset % layout.KMEM_CACHE_WORDS);
      return `kmem_cache(${CACHES[Math.floor(offset / layout.KMEM_CACHE_WORDS)] ?? '?'})->${field}`;
    }
    if (word >= at.lruvec) return `lruvec->${fieldAt(layout.lruvec, word - at.lruvec)}`;
    if (word >= at.zones) return this.zoneName(word - at.zones);
    if (word >= at.dmesg) return 'kernel log';
    if (word >= at.counters) return `counter ${String(word - at.counters)}`;
    return fieldAt(layout.header, word);
  }

  private zoneName(offset: number): string {
    const field = offset % layout.ZONE_WORDS;
    const name = fieldAt(layout.zone, field);
    if (name !== 'free_area') return `zone->${name}`;
    const area = field - layout.zone.free_area;
    const part = fieldAt(layout.free_area, area % layout.FREE_AREA_WORDS);
    return `zone->free_area[${String(Math.floor(area / layout.FREE_AREA_WORDS))}].${part}`;
  }

  private objectName(cache: number, start: number, offset: number): string {
    const size = this.machine.layout.object_words[cache]!;
    const index = Math.floor(offset / size);
    const field = fieldAt(FIELDS[cache]!, offset % size);
    if (cache === layout.CACHE_MM) return `mm->${field}`;
    const name = CACHES[cache]!;
    const which = cache === layout.CACHE_VMA ? this.vmaName(start + index * size) : `${name}[${String(index)}]`;
    return `${which}->${field}`;
  }

  /** `vma` alone where the process has one; else with its first address. */
  private vmaName(vma: number): string {
    const { machine } = this;
    const doubles = new Float64Array(machine.buffer);
    return `vma ${hex(doubles[(vma + layout.vma.vm_start) >> 1] ?? 0)}`;
  }

  private cpuName(word: number): string {
    const at = this.machine.layout;
    const offset = word - at.cpu_areas;
    const inArea = offset % at.cpu_area_words;
    const cpu = `CPU ${String(Math.floor(offset / at.cpu_area_words))}`;
    if (inArea >= at.tlb) return `${cpu} TLB`;
    if (inArea >= at.ipi_slots) {
      const slot = inArea - at.ipi_slots;
      const from = Math.floor(slot / layout.IPI_SLOT_WORDS);
      return `${cpu} request of CPU ${String(from)} ${fieldAt(layout.ipi_slot, slot % layout.IPI_SLOT_WORDS)}`;
    }
    if (inArea >= at.rcu_callbacks) return `${cpu} RCU callbacks`;
    if (inArea >= at.gather) return `${cpu} mmu_gather`;
    if (inArea >= at.pcp) {
      const field = (inArea - at.pcp) % layout.PER_CPU_PAGES_WORDS;
      return `${cpu} pcp->${fieldAt(layout.per_cpu_pages, field)}`;
    }
    const field = fieldAt(layout.cpu_area, inArea);
    if (field !== 'uwq') return `${cpu} ${field}`;
    return `${cpu} uwq.${fieldAt(layout.userfaultfd_wait_queue, inArea - layout.cpu_area.uwq)}`;
  }

  private pageName(word: number): string {
    const { machine } = this;
    const frame = (word - machine.layout.mem_map) >> layout.PAGE_STRUCT_SHIFT;
    const start = machine.layout.mem_map + (frame << layout.PAGE_STRUCT_SHIFT);
    const field = fieldAt(layout.page, word - start);
    if (field === 'ptl') {
      const level = this.levelOf(frame);
      return level > 1 ? `lock of the ${LEVELS[level]!} table` : 'ptl of the table';
    }
    return `page ${hex(machine.config.basePfn + frame)} ${field}`;
  }

  /** Level of the page table that a frame is, 0 if it is none. */
  private levelOf(frame: number): number {
    const { words } = this.machine;
    const page = this.machine.layout.mem_map + (frame << layout.PAGE_STRUCT_SHIFT);
    if (words[page + layout.page.page_type] !== layout.PAGE_TYPE_TABLE) return 0;
    const level = words[page + layout.page.private] ?? 0;
    return level >= 1 && level < LEVELS.length ? level : 0;
  }

  private ramName(word: number): string {
    const { machine } = this;
    const frame = (word - machine.layout.ram) >> layout.FRAME_SHIFT;
    const offset = (word - machine.layout.ram) & (layout.FRAME_WORDS - 1);
    const level = this.levelOf(frame);
    if (level > 0) return `${LEVELS[level]!}[${String(offset >> 1)}]`;
    const address = this.addressOf(frame);
    if (address !== undefined) return `user word ${hex(address + offset * 4)}`;
    return `word ${String(offset)} of page ${hex(machine.config.basePfn + frame)}`;
  }

  /** The first address of the process that a frame is mapped at. */
  private addressOf(frame: number): number | undefined {
    const root = this.machine.words[this.machine.mm + layout.mm_struct.pgd] ?? 0;
    return root === 0 ? undefined : this.search(root, 4, 0, frame);
  }

  private search(table: number, level: number, base: number, frame: number): number | undefined {
    const { words, config, layout: at } = this.machine;
    const size = PAGE_BYTES * 512 ** (level - 1);
    for (let i = 0; i < 512; i++) {
      const lo = words[table + 2 * i]!;
      if ((lo & _PAGE_PRESENT) === 0) continue;
      const below = (words[table + 2 * i + 1]! & 0xfffff) * 0x100000 + (lo >>> 12) - config.basePfn;
      if (below < 0 || below >= at.frames) continue;
      const address = base + i * size;
      if (level === 1) {
        if (below === frame) return address;
        continue;
      }
      const found = this.search(at.ram + (below << layout.FRAME_SHIFT), level - 1, address, frame);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}
