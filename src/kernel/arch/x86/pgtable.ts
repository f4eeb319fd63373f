// x86-64 page-table entries: bits, and the functions that build and change entry values (no memory is touched here).
//
//   63  62..59  58           57       51..12  11          10       9        8       7    6  5  4    3    2   1   0
//   NX  PKEY    SAVED_DIRTY  DEVMAP   pfn     SOFT_DIRTY  UFFD_WP  SPECIAL  GLOBAL  PAT  D  A  PCD  PWT  US  RW  P
//
// An entry that is read-only never has the hardware Dirty bit, since that would make it a shadow-stack page: its dirty
// state is kept in bit 58 (SAVED_DIRTY) and comes back to bit 6 when the entry becomes writable.
import type { Cpu } from '../../cpu.ts';
import type { Entry } from '../../memory.ts';

export const _PAGE_PRESENT = 0x1;
export const _PAGE_RW = 0x2;
export const _PAGE_USER = 0x4;
export const _PAGE_ACCESSED = 0x20;
export const _PAGE_DIRTY = 0x40;
/** PROT_NONE: the GLOBAL bit of an entry that is not PRESENT. */
export const _PAGE_PROTNONE = 0x100;
export const _PAGE_SPECIAL = 0x200;
export const _PAGE_UFFD_WP = 0x400;
export const _PAGE_SOFT_DIRTY = 0x800;
/** Bit 58, in the high half. */
export const _PAGE_SAVED_DIRTY_HI: number = 1 << 26;
/** Bit 63, in the high half. */
export const _PAGE_NX_HI: number = 1 << 31;
/** An entry that points to a lower table: P RW US A D. */
export const _PAGE_TABLE = 0x67;

const PFN_MASK_LO = 0xfffff000 | 0;
const PFN_MASK_HI = 0x000fffff;
const ERRATUM_MASK = _PAGE_ACCESSED | _PAGE_DIRTY;
/** What pte_modify keeps of the old entry. */
const CHG_MASK_LO =
  PFN_MASK_LO | 0x18 | _PAGE_SPECIAL | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_SOFT_DIRTY | _PAGE_UFFD_WP;
const CHG_MASK_HI = PFN_MASK_HI | _PAGE_SAVED_DIRTY_HI | (1 << 25);

export const PAGE_SIZE = 4096;
export const PMD_SIZE = 0x200000;
export const PUD_SIZE = 0x40000000;
export const PGDIR_SIZE = 0x8000000000;
export const PTRS_PER_PTE = 512;
/** First address that user space cannot have (47 bits). */
export const TASK_SIZE = 0x7ffffffff000;

/** The empty entry. */
export const NO_ENTRY: Entry = { lo: 0, hi: 0 };

const nx = (lo: number): Entry => ({ lo, hi: _PAGE_NX_HI });
const PAGE_NONE: Entry = { lo: _PAGE_ACCESSED | _PAGE_PROTNONE, hi: 0 };
const PAGE_READONLY = nx(0x25);
const PAGE_COPY = nx(0x25);
const PAGE_SHARED = nx(0x27);
const PAGE_READONLY_EXEC: Entry = { lo: 0x25, hi: 0 };
const PAGE_COPY_EXEC: Entry = { lo: 0x25, hi: 0 };
const PAGE_SHARED_EXEC: Entry = { lo: 0x27, hi: 0 };
/** Indexed by VM_READ | VM_WRITE | VM_EXEC | VM_SHARED. A private writable mapping starts read-only (copy on write). */
const protection_map: readonly Entry[] = [
  PAGE_NONE,
  PAGE_READONLY,
  PAGE_COPY,
  PAGE_COPY,
  PAGE_READONLY_EXEC,
  PAGE_READONLY_EXEC,
  PAGE_COPY_EXEC,
  PAGE_COPY_EXEC,
  PAGE_NONE,
  PAGE_READONLY,
  PAGE_SHARED,
  PAGE_SHARED,
  PAGE_READONLY_EXEC,
  PAGE_READONLY_EXEC,
  PAGE_SHARED_EXEC,
  PAGE_SHARED_EXEC,
];

/** vm_get_page_prot: the protection bits of a VMA's PTEs (arch/x86/mm/pgprot.c). */
export function vm_get_page_prot(vm_flags: number): Entry {
  return protection_map[vm_flags & 15] ?? PAGE_NONE;
}

/** pfn_pte: an entry for a frame with the given protection. */
export function pfn_pte(pfn: number, prot: Entry): Entry {
  return { lo: (pfn << 12) | prot.lo, hi: (pfn >>> 20) | prot.hi };
}

/** pte_pfn, pmd_pfn: the page frame number in an entry. */
export function pte_pfn(pte: Entry): number {
  return (pte.hi & PFN_MASK_HI) * 0x100000 + (pte.lo >>> 12);
}

/** pte_none: nothing there (hardware may leave stray A and D bits: KNL erratum). */
export function pte_none(pte: Entry): boolean {
  return (pte.lo & ~ERRATUM_MASK) === 0 && pte.hi === 0;
}

/** pmd_none, pud_none, pgd_none. */
export function pmd_none(pmd: Entry): boolean {
  return (pmd.lo & ~ERRATUM_MASK) === 0 && pmd.hi === 0;
}

/** pmd_bad: neither empty nor an entry that points to a table. */
export function pmd_bad(pmd: Entry): boolean {
  return (pmd.lo & 0xfff & ~_PAGE_USER) !== (_PAGE_TABLE & ~_PAGE_USER);
}

export function pte_present(pte: Entry): boolean {
  return (pte.lo & (_PAGE_PRESENT | _PAGE_PROTNONE)) !== 0;
}

/** pte_protnone: PROT_NONE, present for the kernel but not for the hardware. */
export function pte_protnone(pte: Entry): boolean {
  return (pte.lo & (_PAGE_PRESENT | _PAGE_PROTNONE)) === _PAGE_PROTNONE;
}

export function pte_same(a: Entry, b: Entry): boolean {
  return a.lo === b.lo && a.hi === b.hi;
}

export function pte_write(pte: Entry): boolean {
  return (pte.lo & _PAGE_RW) !== 0;
}

export function pte_dirty(pte: Entry): boolean {
  return (pte.lo & _PAGE_DIRTY) !== 0 || (pte.hi & _PAGE_SAVED_DIRTY_HI) !== 0;
}

export function pte_young(pte: Entry): boolean {
  return (pte.lo & _PAGE_ACCESSED) !== 0;
}

export function pte_special(pte: Entry): boolean {
  return (pte.lo & _PAGE_SPECIAL) !== 0;
}

export function pte_mkspecial(pte: Entry): Entry {
  return { lo: pte.lo | _PAGE_SPECIAL, hi: pte.hi };
}

export function pte_mkyoung(pte: Entry): Entry {
  return { lo: pte.lo | _PAGE_ACCESSED, hi: pte.hi };
}

/** pte_mkclean: not Dirty, wherever that is kept; Soft-Dirty stays. */
export function pte_mkclean(pte: Entry): Entry {
  return { lo: pte.lo & ~_PAGE_DIRTY, hi: pte.hi & ~_PAGE_SAVED_DIRTY_HI };
}

/** pte_sw_mkyoung: nothing on x86, where the hardware sets Accessed. */
export function pte_sw_mkyoung(pte: Entry): Entry {
  return pte;
}

/** mksaveddirty_shift: a read-only entry parks its Dirty bit in bit 58. */
function pte_mksaveddirty(pte: Entry): Entry {
  if ((pte.lo & (_PAGE_RW | _PAGE_DIRTY)) !== _PAGE_DIRTY) return pte;
  return { lo: pte.lo & ~_PAGE_DIRTY, hi: pte.hi | _PAGE_SAVED_DIRTY_HI };
}

/** clear_saveddirty_shift: a writable entry takes it back. */
function pte_clear_saveddirty(pte: Entry): Entry {
  if ((pte.lo & _PAGE_RW) === 0 || (pte.hi & _PAGE_SAVED_DIRTY_HI) === 0) return pte;
  return { lo: pte.lo | _PAGE_DIRTY, hi: pte.hi & ~_PAGE_SAVED_DIRTY_HI };
}

/** pte_mkdirty: Dirty, and Soft-Dirty where the kernel tracks it; parked in bit 58 while the entry is read-only. */
export function pte_mkdirty(cpu: Cpu, pte: Entry): Entry {
  const lo = pte.lo | (cpu.soft_dirty ? _PAGE_SOFT_DIRTY : 0);
  if ((lo & _PAGE_RW) !== 0) return { lo: lo | _PAGE_DIRTY, hi: pte.hi };
  return { lo: lo & ~_PAGE_DIRTY, hi: pte.hi | _PAGE_SAVED_DIRTY_HI };
}

/** pte_mkwrite. */
export function pte_mkwrite(pte: Entry): Entry {
  const lo = pte.lo | _PAGE_RW;
  if ((pte.hi & _PAGE_SAVED_DIRTY_HI) === 0) return { lo, hi: pte.hi };
  return { lo: lo | _PAGE_DIRTY, hi: pte.hi & ~_PAGE_SAVED_DIRTY_HI };
}

/** pte_wrprotect: not writable; its Dirty bit is parked. */
export function pte_wrprotect(pte: Entry): Entry {
  return pte_mksaveddirty({ lo: pte.lo & ~_PAGE_RW, hi: pte.hi });
}

/** pte_mkold. */
export function pte_mkold(pte: Entry): Entry {
  return { lo: pte.lo & ~_PAGE_ACCESSED, hi: pte.hi };
}

/** pte_clear_soft_dirty. */
export function pte_clear_soft_dirty(pte: Entry): Entry {
  return { lo: pte.lo & ~_PAGE_SOFT_DIRTY, hi: pte.hi };
}

/** pte_modify: new protection, same frame and the same accessed and dirty state. */
export function pte_modify(pte: Entry, prot: Entry): Entry {
  const changed = {
    lo: (pte.lo & CHG_MASK_LO) | (prot.lo & ~CHG_MASK_LO),
    hi: (pte.hi & CHG_MASK_HI) | (prot.hi & ~CHG_MASK_HI),
  };
  return (pte.lo & _PAGE_RW) !== 0 ? pte_mksaveddirty(changed) : pte_clear_saveddirty(changed);
}

/** The entry as one unsigned 64-bit integer: for people and files, never on the fault path. */
export function entry_value(entry: Entry): bigint {
  return (BigInt(entry.hi >>> 0) << 32n) | BigInt(entry.lo >>> 0);
}

/** Page-table indices of a user address. */
export function pgd_index(address: number): number {
  return Math.floor(address / PGDIR_SIZE) & 511;
}
export function pud_index(address: number): number {
  return Math.floor(address / PUD_SIZE) & 511;
}
export function pmd_index(address: number): number {
  return Math.floor(address / PMD_SIZE) & 511;
}
export function pte_index(address: number): number {
  return ((address - Math.floor(address / PMD_SIZE) * PMD_SIZE) / PAGE_SIZE) & 511;
}

/** pmd_addr_end and its like: the start of the next block of `size` above `address`, or `end` where that comes first. */
export function addr_end(address: number, end: number, size: number): number {
  return Math.min(end, (Math.floor(address / size) + 1) * size);
}

/** PAGE_ALIGN_DOWN. */
export function page_align_down(address: number): number {
  return Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
}

/** PAGE_ALIGN. */
export function page_align(address: number): number {
  return Math.ceil(address / PAGE_SIZE) * PAGE_SIZE;
}
