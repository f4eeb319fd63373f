// What the bits of a page-table entry say, in words.
import {
  _PAGE_ACCESSED,
  _PAGE_DIRTY,
  _PAGE_PRESENT,
  _PAGE_PROTNONE,
  _PAGE_RW,
  _PAGE_SOFT_DIRTY,
  _PAGE_SPECIAL,
  _PAGE_UFFD_WP,
  _PAGE_USER,
} from '../../kernel/arch/x86/pgtable.ts';
import { entryPfn } from '../../machine/proc/walk.ts';

/** Bits of the low half, from the lowest on: the letter that a row of bits has, and what it means. */
const LOW: readonly (readonly [bit: number, name: string, meaning: string])[] = [
  [_PAGE_PRESENT, 'P', 'present'],
  [_PAGE_RW, 'RW', 'writable'],
  [_PAGE_USER, 'US', 'for user mode'],
  [_PAGE_ACCESSED, 'A', 'accessed'],
  [_PAGE_DIRTY, 'D', 'dirty'],
  [_PAGE_PROTNONE, 'G', 'global, or PROT_NONE where it is not present'],
  [_PAGE_SPECIAL, 'SPECIAL', 'special: no struct page stands behind it, as for the zero page'],
  [_PAGE_UFFD_WP, 'UFFD_WP', 'write-protected by userfaultfd'],
  [_PAGE_SOFT_DIRTY, 'SOFT_DIRTY', 'soft-dirty'],
];
const SAVED_DIRTY = 1n << 58n;
const NX = 1n << 63n;

/** One bit that is set. */
export interface EntryBit {
  readonly name: string;
  readonly meaning: string;
}

/** An entry taken apart. */
export interface EntryText {
  /** Hexadecimal with 0x; `none` for the empty one. */
  readonly text: string;
  readonly isNone: boolean;
  readonly pfn: number;
  readonly bits: readonly EntryBit[];
  /** All of it as one sentence. */
  readonly sentence: string;
}

/** Entries that were taken apart: a page asks for the same few in every step. */
const known = new Map<string, EntryText>();
const MAX_KNOWN = 4096;

/** Takes an entry, in hexadecimal digits, apart. */
export function entryText(hex: string): EntryText {
  let text = known.get(hex);
  if (text === undefined) {
    if (known.size >= MAX_KNOWN) known.clear();
    text = takenApart(hex);
    known.set(hex, text);
  }
  return text;
}

function takenApart(hex: string): EntryText {
  const entry = BigInt(`0x${hex}`);
  const low = Number(entry & 0xfffn);
  const bits: EntryBit[] = LOW.filter(([bit]) => (low & bit) !== 0).map(([, name, meaning]) => ({ name, meaning }));
  if ((entry & SAVED_DIRTY) !== 0n) bits.push({ name: 'SAVED_DIRTY', meaning: 'dirty, kept while it is read-only' });
  if ((entry & NX) !== 0n) bits.push({ name: 'NX', meaning: 'not executable' });
  const pfn = entryPfn(entry);
  if (entry === 0n) return { text: 'none', isNone: true, pfn: 0, bits, sentence: 'none: nothing is there' };
  const said = bits.map(({ name, meaning }) => `${name} ${meaning}`).join(', ');
  return { text: `0x${hex}`, isNone: false, pfn, bits, sentence: `frame 0x${pfn.toString(16)}; ${said}` };
}
