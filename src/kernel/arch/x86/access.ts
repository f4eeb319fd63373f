// A user program's accesses that are not of one aligned 32-bit word: other sizes, any alignment, and the locked add.
//
// As on hardware, an access that reaches into a second page is two translations, and both must succeed before a byte
// is touched. What is aligned to its size is one access; anything else is done word by word, low to high, as hardware
// may do what crosses a cache line. Bytes of a word that are not stored keep what other CPUs store there meanwhile.
import type { Cpu } from '../../cpu.ts';
import { user_fetch_add, user_load, user_load_64, user_store_64, user_store_bytes } from '../../memory.ts';
import type { Steps, Word } from '../../memory.ts';
import { SIGBUS } from '../../mm/flags.ts';
import { MAX_FAULTS_PER_ACCESS, take_fault, translate } from './mmu.ts';
import type { AccessResult } from './mmu.ts';
import { PAGE_SIZE } from './pgtable.ts';

const WORD_BYTES = 4;
const LONG_BYTES = 8;
const HALF = 0x100000000;

/** Whether an access is of one aligned 32-bit word. */
export function is_word_access(address: number, size: number): boolean {
  return size === WORD_BYTES && Math.floor(address / WORD_BYTES) * WORD_BYTES === address;
}

/**
 * A load or store of `size` bytes (1, 2, 4 or 8) at any address, with all the faults it takes. Values are unsigned; of
 * eight bytes loaded that are 2^53 or more, the result is the nearest number; its halves are exact.
 */
export function* user_access_bytes(
  cpu: Cpu,
  mm: Word,
  address: number,
  size: number,
  write: boolean,
  value: number,
  result: AccessResult,
): Steps<void> {
  const second = (Math.floor(address / PAGE_SIZE) + 1) * PAGE_SIZE;
  const crosses = address + size > second;
  result.value = 0;
  result.signal = 0;
  for (let faults = 0; faults < MAX_FAULTS_PER_ACCESS; faults++) {
    result.faults = faults;
    const low = yield* translate(cpu, mm, address, write);
    const high = low === 0 || !crosses ? low : yield* translate(cpu, mm, second, write);
    if (high !== 0) {
      if (write) yield* store_bytes(cpu, low, high, address, size, value);
      else yield* load_bytes(cpu, low, high, address, size, result);
      return;
    }
    result.signal = yield* take_fault(cpu, mm, low === 0 ? address : second);
    if (result.signal !== 0) {
      result.faults = faults + 1;
      return;
    }
  }
  result.signal = SIGBUS;
}

/**
 * lock xadd of the aligned 32-bit word at `address`: result.value is what was there. The hardware wants to write from
 * the start. An address that is not aligned gets SIGBUS, as where the kernel traps split locks.
 */
export function* user_atomic_add(
  cpu: Cpu,
  mm: Word,
  address: number,
  value: number,
  result: AccessResult,
): Steps<void> {
  result.value = 0;
  result.faults = 0;
  result.signal = is_word_access(address, WORD_BYTES) ? 0 : SIGBUS;
  if (result.signal !== 0) return;
  for (let faults = 0; faults < MAX_FAULTS_PER_ACCESS; faults++) {
    result.faults = faults;
    const word = yield* translate(cpu, mm, address, true);
    if (word !== 0) {
      result.value = (yield* user_fetch_add(cpu, word, value)) >>> 0;
      return;
    }
    result.signal = yield* take_fault(cpu, mm, address);
    if (result.signal !== 0) {
      result.faults = faults + 1;
      return;
    }
  }
  result.signal = SIGBUS;
}

function low_half(value: number): number {
  return value | 0;
}

function high_half(value: number): number {
  return Math.floor(value / HALF) | 0;
}

/** Byte `i` of a value in halves. */
function byte_of(lo: number, hi: number, i: number): number {
  return ((i < WORD_BYTES ? lo : hi) >>> ((i & 3) << 3)) & 0xff;
}

/** Loads from the word `low` of the first byte, and from `high` on where the second page begins. */
function* load_bytes(
  cpu: Cpu,
  low: Word,
  high: Word,
  address: number,
  size: number,
  result: AccessResult,
): Steps<void> {
  const offset = address - Math.floor(address / WORD_BYTES) * WORD_BYTES;
  if (size === LONG_BYTES && offset === 0 && (low & 1) === 0) {
    yield* user_load_64(cpu, low);
    set_loaded(result, cpu.scratch32[0]!, cpu.scratch32[1]!);
    return;
  }
  let lo = 0;
  let hi = 0;
  for (let i = -offset; i < size; i += WORD_BYTES) {
    const word = yield* user_load(cpu, word_at(low, high, address, i, offset));
    for (let byte = Math.max(i, 0); byte < Math.min(i + WORD_BYTES, size); byte++) {
      const bits = ((word >>> ((byte - i) << 3)) & 0xff) << ((byte & 3) << 3);
      if (byte < WORD_BYTES) lo |= bits;
      else hi |= bits;
    }
  }
  set_loaded(result, lo, hi);
}

function set_loaded(result: AccessResult, lo: number, hi: number): void {
  result.low = lo >>> 0;
  result.high = hi >>> 0;
  result.value = result.high * HALF + result.low;
}

/** See load_bytes. */
function* store_bytes(cpu: Cpu, low: Word, high: Word, address: number, size: number, value: number): Steps<void> {
  const offset = address - Math.floor(address / WORD_BYTES) * WORD_BYTES;
  const lo = low_half(value);
  const hi = high_half(value);
  if (size === LONG_BYTES && offset === 0 && (low & 1) === 0) {
    yield* user_store_64(cpu, low, lo, hi);
    return;
  }
  for (let i = -offset; i < size; i += WORD_BYTES) {
    let bits = 0;
    let mask = 0;
    for (let byte = Math.max(i, 0); byte < Math.min(i + WORD_BYTES, size); byte++) {
      bits |= byte_of(lo, hi, byte) << ((byte - i) << 3);
      mask |= 0xff << ((byte - i) << 3);
    }
    yield* user_store_bytes(cpu, word_at(low, high, address, i, offset), bits, mask);
  }
}

/** The word of RAM of the aligned word that lies `i` bytes behind `address`: no word lies in two pages. */
function word_at(low: Word, high: Word, address: number, i: number, offset: number): Word {
  const left = (Math.floor(address / PAGE_SIZE) + 1) * PAGE_SIZE - address;
  return i < left ? low + ((i + offset) >> 2) : high + ((i - left) >> 2);
}
