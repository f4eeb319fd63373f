// What the hardware does for a load or a store: look in the TLB, walk the page table, set Accessed and Dirty, or fault.
import type { Cpu } from '../../cpu.ts';
import { FRAME_SHIFT, TLB_ENTRIES, TLB_ENTRY_WORDS, mm_struct } from '../../layout.ts';
import { local_read, local_read_long, read, read_64, try_cmpxchg_64, user_load, user_store } from '../../memory.ts';
import type { Entry, Steps, Word } from '../../memory.ts';
import { SIGBUS, X86_PF_PROT, X86_PF_USER, X86_PF_WRITE } from '../../mm/flags.ts';
import { table_of } from '../../mm/pgtable-generic.ts';
import { pgd_offset } from '../../mm/pgalloc.ts';
import { do_user_addr_fault } from './fault.ts';
import {
  PAGE_SIZE,
  _PAGE_ACCESSED,
  _PAGE_DIRTY,
  _PAGE_PRESENT,
  _PAGE_RW,
  pmd_index,
  pte_index,
  pte_pfn,
  pud_index,
} from './pgtable.ts';
import { tlb_insert } from './tlb.ts';

/** Faults that one access may take before the machine is called broken: losing races is normal, not for ever. */
const MAX_FAULTS_PER_ACCESS = 1000;

/** Result of an access: the value loaded (0 for a store), the faults it took, the signal that ended it (0: none). */
export class AccessResult {
  value = 0;
  faults = 0;
  signal = 0;
}

/** Word of RAM of a translated address, 0 where the entry's frame is not of this machine. */
function ram_word(cpu: Cpu, entry: Entry, address: number): Word {
  const frame = pte_pfn(entry) - cpu.base_pfn;
  if (frame < 0 || frame >= cpu.layout.frames) return 0;
  return cpu.ram + (frame << FRAME_SHIFT) + ((address % PAGE_SIZE) >> 2);
}

/** The word of RAM that the address translates to; 0 if it faults, with cpu.error_code as the hardware pushes it. */
export function* translate(cpu: Cpu, mm: Word, address: number, write: boolean): Steps<Word> {
  const page_number = Math.floor(address / PAGE_SIZE);
  const cached = cpu.tlb + (page_number % TLB_ENTRIES) * TLB_ENTRY_WORDS;
  if (local_read_long(cpu, cached) === page_number + 1) {
    const entry = { lo: local_read(cpu, cached + 2), hi: local_read(cpu, cached + 3) };
    if (!write || (entry.lo & (_PAGE_RW | _PAGE_DIRTY)) === (_PAGE_RW | _PAGE_DIRTY)) {
      return ram_word(cpu, entry, address);
    }
  }
  return yield* walk(cpu, mm, address, write, page_number);
}

/** The table below the entry at `slot`, 0 if there is none. */
function* next_table(cpu: Cpu, slot: Word): Steps<Word> {
  const entry = yield* read_64(cpu, slot);
  return (entry.lo & _PAGE_PRESENT) === 0 ? 0 : table_of(cpu, entry);
}

function* walk(cpu: Cpu, mm: Word, address: number, write: boolean, page_number: number): Steps<Word> {
  cpu.error_code = X86_PF_USER | (write ? X86_PF_WRITE : 0);
  let table = yield* next_table(cpu, pgd_offset(yield* read(cpu, mm + mm_struct.pgd), address));
  if (table !== 0) table = yield* next_table(cpu, table + (pud_index(address) << 1));
  if (table !== 0) table = yield* next_table(cpu, table + (pmd_index(address) << 1));
  if (table === 0) return 0;
  const slot = table + (pte_index(address) << 1);
  for (;;) {
    const found = yield* read_64(cpu, slot);
    if ((found.lo & _PAGE_PRESENT) === 0) return 0;
    if (write && (found.lo & _PAGE_RW) === 0) {
      cpu.error_code |= X86_PF_PROT;
      return 0;
    }
    const lo = found.lo | _PAGE_ACCESSED | (write ? _PAGE_DIRTY : 0);
    // Accessed and Dirty are set by a locked cycle: an entry that changed meanwhile is walked again.
    if (lo === found.lo || (yield* try_cmpxchg_64(cpu, slot, found, { lo, hi: found.hi }))) {
      const entry = { lo, hi: found.hi };
      tlb_insert(cpu, page_number, entry);
      return ram_word(cpu, entry, address);
    }
  }
}

/** A user program's load or store of the aligned 32-bit word at `address`, with all the faults it takes. */
export function* user_access(
  cpu: Cpu,
  mm: Word,
  address: number,
  write: boolean,
  value: number,
  result: AccessResult,
): Steps<void> {
  result.value = 0;
  result.faults = 0;
  result.signal = 0;
  for (let faults = 0; faults < MAX_FAULTS_PER_ACCESS; faults++) {
    result.faults = faults;
    const word = yield* translate(cpu, mm, address, write);
    if (word !== 0) {
      if (write) yield* user_store(cpu, word, value);
      else result.value = yield* user_load(cpu, word);
      return;
    }
    const signal = yield* do_user_addr_fault(cpu, mm, cpu.error_code, address);
    if (signal !== 0) {
      result.faults = faults + 1;
      result.signal = signal;
      return;
    }
  }
  result.signal = SIGBUS;
}
