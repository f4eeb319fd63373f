// A walk of a live process's page table, and its entries of /proc/PID/pagemap.
import {
  FRAME_SHIFT,
  MAPLE_SLOT_WORDS,
  PAGE_STRUCT_SHIFT,
  maple_node,
  maple_slot,
  mm_struct,
  page,
  vma as vm_area,
} from '../../kernel/layout.ts';
import { pgd_index, pmd_index, pte_index, pud_index } from '../../kernel/arch/x86/pgtable.ts';
import { VM_READ, VM_SOFTDIRTY } from '../../kernel/mm/flags.ts';
import type { Machine } from '../boot.ts';

/** The entries on the way to an address, top down; an entry that is not reached is 0. */
export interface Walk {
  indices: [number, number, number, number];
  pgd: bigint;
  pud: bigint;
  pmd: bigint;
  pte: bigint;
}

function entryAt(machine: Machine, table: number, index: number): bigint {
  const lo = machine.words[table + 2 * index] ?? 0;
  const hi = machine.words[table + 2 * index + 1] ?? 0;
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

const PFN_MASK = (1n << 52n) - 4096n;

/** pfn in an entry. */
export function entryPfn(entry: bigint): number {
  return Number((entry & PFN_MASK) >> 12n);
}

/** Walks the process's page table as the hardware would. */
export function walkAddress(machine: Machine, address: number): Walk {
  const indices: Walk['indices'] = [pgd_index(address), pud_index(address), pmd_index(address), pte_index(address)];
  const entries: bigint[] = [];
  let table = machine.words[machine.mm + mm_struct.pgd] ?? 0;
  for (const index of indices) {
    const entry = table === 0 ? 0n : entryAt(machine, table, index);
    entries.push(entry);
    const frame = entryPfn(entry) - machine.config.basePfn;
    const inside = (entry & 1n) !== 0n && frame >= 0 && frame < machine.layout.frames;
    table = inside ? machine.layout.ram + (frame << FRAME_SHIFT) : 0;
  }
  const [pgd = 0n, pud = 0n, pmd = 0n, pte = 0n] = entries;
  return { indices, pgd, pud, pmd, pte };
}

const PM_SOFT_DIRTY = 1n << 55n;
const PM_MMAP_EXCLUSIVE = 1n << 56n;
const PM_PRESENT = 1n << 63n;

/** vm_flags of the VMA that covers an address, 0 where none does. */
function vmFlagsAt(machine: Machine, address: number): number {
  const { words } = machine;
  const doubles = new Float64Array(machine.buffer);
  const node = words[machine.mm + mm_struct.mm_mt] ?? 0;
  const count = node === 0 ? 0 : Math.min(words[node + maple_node.count] ?? 0, machine.layout.max_vmas);
  for (let i = 0; i < count; i++) {
    const slot = node + maple_node.slots + i * MAPLE_SLOT_WORDS;
    const start = doubles[(slot + maple_slot.start) >> 1] ?? 0;
    const end = doubles[(slot + maple_slot.end) >> 1] ?? 0;
    if (start <= address && address < end) return words[(words[slot + maple_slot.vma] ?? 0) + vm_area.vm_flags] ?? 0;
  }
  return 0;
}

/** Whether a user may read at an address. */
export function readableAt(machine: Machine, address: number): boolean {
  return (vmFlagsAt(machine, address) & VM_READ) !== 0;
}

/** The 64-bit entry of /proc/PID/pagemap for an address (fs/proc/task_mmu.c), as root sees it. */
export function pagemapEntry(machine: Machine, address: number): bigint {
  const { pte } = walkAddress(machine, address);
  let entry = 0n;
  if ((vmFlagsAt(machine, address) & VM_SOFTDIRTY) !== 0) entry |= PM_SOFT_DIRTY;
  if ((pte & 0x101n) === 0n) return entry;
  if ((pte & 0x800n) !== 0n) entry |= PM_SOFT_DIRTY;
  const frame = entryPfn(pte) - machine.config.basePfn;
  const struct = machine.layout.mem_map + (frame << PAGE_STRUCT_SHIFT);
  const special = (pte & 0x200n) !== 0n;
  // mapcount 1: nobody else maps it. The zero page has no count of its own.
  if (!special && machine.words[struct + page._mapcount] === 0) entry |= PM_MMAP_EXCLUSIVE;
  return entry | PM_PRESENT | BigInt(entryPfn(pte));
}
