// struct vm_fault: what one fault knows. Each CPU has one and handles one fault at a time, so it is private to it.
import { NO_ENTRY } from '../arch/x86/pgtable.ts';
import type { Entry, Word } from '../memory.ts';

/** struct vm_fault. */
export class VmFault {
  vma: Word = 0;
  mm: Word = 0;
  /** FAULT_FLAG_*. */
  flags = 0;
  /** Page-aligned user address. */
  address = 0;
  /** The address as the program used it. */
  real_address = 0;
  pgd: Word = 0;
  pud: Word = 0;
  pmd: Word = 0;
  /** The mapped PTE, 0 while none is mapped. */
  pte: Word = 0;
  /** The page-table lock of `pte`, 0 where the locking design has none. */
  ptl: Word = 0;
  orig_pte: Entry = NO_ENTRY;
}
