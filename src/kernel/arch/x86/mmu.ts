// What the hardware does for a load or a store: look in the TLB, walk the page table, set Accessed and Dirty, or fault.
import type { Cpu } from '../../cpu.ts';
import { FRAME_SHIFT, TLB_ENTRIES, TLB_ENTRY_WORDS, mm_struct } from '../../layout.ts';
import {
  STEPPED,
  local_read,
  local_read_long,
  read,
  try_cmpxchg_64,
  user_load,
  user_store,
  load_entry,
  entry_hi,
} from '../../memory.ts';
import type { Steps, Word } from '../../memory.ts';
import { begin_fault, end_fault } from '../../meter.ts';
import { SIGBUS, X86_PF_PROT, X86_PF_USER, X86_PF_WRITE } from '../../mm/flags.ts';
import { trace_page_fault_end, trace_page_fault_user } from '../../trace.ts';
import { do_user_addr_fault } from './fault.ts';
import { PAGE_SIZE, _PAGE_ACCESSED, _PAGE_DIRTY, _PAGE_PRESENT, _PAGE_RW, PMD_SIZE } from './pgtable.ts';
import { tlb_insert } from './tlb.ts';

/** Faults that one access may take before the machine is called broken: losing races is normal, not for ever. */
export const MAX_FAULTS_PER_ACCESS = 1000;

/** Result of an access: the value loaded, unsigned (0 for a store), the faults it took, the signal that ended it (0: none). */
export class AccessResult {
  value = 0;
  /** The halves of `value`, of loads that are not of one aligned word. */
  low = 0;
  high = 0;
  faults = 0;
  signal = 0;
}

/** Index of the frame in an entry's halves; negative or too large if it is not of this machine. */
function frame_of(cpu: Cpu, lo: number, hi: number): number {
  return (hi & 0xfffff) * 0x100000 + (lo >>> 12) - cpu.base_pfn;
}

/** Word of RAM of an address whose entry has these halves, 0 where the frame is not of this machine. */
function ram_word(cpu: Cpu, lo: number, hi: number, offset: number): Word {
  const frame = frame_of(cpu, lo, hi);
  if (frame < 0 || frame >= cpu.layout.frames) return 0;
  return cpu.ram + (frame << FRAME_SHIFT) + (offset >> 2);
}

/** The word of RAM that the address translates to; 0 if it faults, with cpu.error_code as the hardware pushes it. */
export function* translate(cpu: Cpu, mm: Word, address: number, write: boolean): Steps<Word> {
  // Addresses are doubles: a remainder would be a call into the C library, a difference is one instruction.
  const page_number = Math.floor(address / PAGE_SIZE);
  const offset = address - page_number * PAGE_SIZE;
  const cached = cpu.tlb + (page_number & (TLB_ENTRIES - 1)) * TLB_ENTRY_WORDS;
  if (local_read_long(cpu, cached) === page_number + 1) {
    const lo = local_read(cpu, cached + 2);
    if (!write || (lo & (_PAGE_RW | _PAGE_DIRTY)) === (_PAGE_RW | _PAGE_DIRTY)) {
      return ram_word(cpu, lo, local_read(cpu, cached + 3), offset);
    }
  }
  const slot = yield* walk(cpu, mm, address, write);
  return slot === 0 ? 0 : yield* use_entry(cpu, slot, page_number, offset, write);
}

/** The table below the entry at `slot`, 0 if there is none. */
function* next_table(cpu: Cpu, slot: Word): Steps<Word> {
  const lo = yield* load_entry(cpu, slot);
  if ((lo & _PAGE_PRESENT) === 0) return 0;
  const frame = frame_of(cpu, lo, entry_hi(cpu));
  return frame >= 0 && frame < cpu.layout.frames ? cpu.ram + (frame << FRAME_SHIFT) : 0;
}

/** The PTE's word, 0 if a table on the way is missing. */
function* walk(cpu: Cpu, mm: Word, address: number, write: boolean): Steps<Word> {
  cpu.error_code = X86_PF_USER | (write ? X86_PF_WRITE : 0);
  // 2 MiB units fit 32 bits, so that the upper indices are shifts.
  const units = Math.floor(address / PMD_SIZE);
  let table = yield* next_table(cpu, (yield* read(cpu, mm + mm_struct.pgd)) + (((units >> 18) & 511) << 1));
  if (table !== 0) table = yield* next_table(cpu, table + (((units >> 9) & 511) << 1));
  if (table !== 0) table = yield* next_table(cpu, table + ((units & 511) << 1));
  return table === 0 ? 0 : table + (((address - units * PMD_SIZE) >> 12) << 1);
}

/** Uses the PTE at `slot`, if it allows the access: sets Accessed and Dirty, fills the TLB. */
function* use_entry(cpu: Cpu, slot: Word, page_number: number, offset: number, write: boolean): Steps<Word> {
  for (;;) {
    const found = yield* load_entry(cpu, slot);
    const hi = entry_hi(cpu);
    if ((found & _PAGE_PRESENT) === 0) return 0;
    if (write && (found & _PAGE_RW) === 0) {
      cpu.error_code |= X86_PF_PROT;
      return 0;
    }
    const lo = found | _PAGE_ACCESSED | (write ? _PAGE_DIRTY : 0);
    // Accessed and Dirty are set by a locked cycle: an entry that changed meanwhile is walked again.
    if (lo === found || (yield* try_cmpxchg_64(cpu, slot, { lo: found, hi }, { lo, hi }))) {
      tlb_insert(cpu, page_number, lo, hi);
      return ram_word(cpu, lo, hi, offset);
    }
  }
}

/** Takes the fault of a translation of `address` that failed: 0 to try again, or the signal that ends the access. */
export function* take_fault(cpu: Cpu, mm: Word, address: number): Steps<number> {
  const since = !STEPPED && --cpu.fault_countdown === 0 ? begin_fault(cpu) : 0;
  if (cpu.tracing) trace_page_fault_user(cpu, address);
  const signal = yield* do_user_addr_fault(cpu, mm, cpu.error_code, address);
  if (cpu.tracing) trace_page_fault_end(cpu, signal);
  if (since !== 0) end_fault(cpu, since);
  return signal;
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
      else result.value = (yield* user_load(cpu, word)) >>> 0;
      return;
    }
    const signal = yield* take_fault(cpu, mm, address);
    if (signal !== 0) {
      result.faults = faults + 1;
      result.signal = signal;
      return;
    }
  }
  result.signal = SIGBUS;
}
