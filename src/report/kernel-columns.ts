// What a table shows of the machine after each step: the entries that programs meet in, RSS, who holds the lock.
//
// Which columns a table has follows from what its programs touch and from which of them changed: one that stays as it
// was tells nothing.
import { PAGE_STRUCT_SHIFT, header, mem_cgroup } from '../kernel/layout.ts';
import type { Op } from '../kernel/program.ts';
import type { KernelSpec } from '../explore/kernel-setup.ts';
import type { ExecutionRecord, RecordedStep } from '../explore/record.ts';
import type { Watch } from '../explore/recorder.ts';
import type { Machine } from '../machine/boot.ts';
import { entryPfn, walkAddress } from '../machine/proc/walk.ts';
import type { StateColumn } from './interleaving-text.ts';
import { holderOf, letterOf, rssOf } from './machine-state.ts';

const PAGE_BYTES = 4096;
/** Pages that have a column, and columns that a table has at most: the CPUs need the room. */
const MAX_PAGES = 2;
const MAX_COLUMNS = 4;
/** What a page is called in a program: p the first, q the second … */
const PAGE_NAMES = 'pqrstuvw';

/** User addresses that an operation touches. */
export function addressesOf(op: Op): number[] {
  if (op.op === 'repeat') return op.ops.flatMap(addressesOf);
  if (op.op === 'lock_two_tables') return [op.first, op.second];
  if (op.op === 'mremap') return op.new_addr === undefined ? [op.addr] : [op.addr, op.new_addr];
  return 'addr' in op ? [op.addr] : [];
}

/** The pages that the programs of a spec touch, from the lowest on. */
export function pagesOf(spec: KernelSpec): number[] {
  const pages = spec.programs.flat().flatMap(addressesOf);
  return [...new Set(pages.map((address) => Math.floor(address / PAGE_BYTES) * PAGE_BYTES))].sort((a, b) => a - b);
}

/** `p[1]` for the second word of the first page that the programs touch, `p[1]+2` for a byte of it; `p` for the page. */
export function addressName(pages: readonly number[], address: number, asPage = false): string {
  const at = pages.indexOf(Math.floor(address / PAGE_BYTES) * PAGE_BYTES);
  const name = PAGE_NAMES[at];
  if (at < 0 || name === undefined) return `0x${address.toString(16)}`;
  const byte = address % 4;
  const word = `${name}[${String(((address % PAGE_BYTES) - byte) / 4)}]`;
  return asPage ? name : byte === 0 ? word : `${word}+${String(byte)}`;
}

/** Everything about a machine that a table may show. */
export function kernelWatches(spec: KernelSpec): (machine: Machine) => Watch[] {
  return (machine) => {
    const pages = pagesOf(spec).slice(0, MAX_PAGES);
    const suffix = (i: number): string => (pages.length === 1 ? '' : ` ${PAGE_NAMES[i] ?? ''}`);
    const entries = pages.map((address, i) => ({
      name: `pte${suffix(i)}`,
      read: () => entryText(machine, walkAddress(machine, address).pte),
    }));
    const [first] = pages;
    const table = first === undefined ? [] : [{ name: 'pmd', read: () => tableText(machine, first) }];
    const lock = first === undefined ? [] : [{ name: 'ptl', read: () => holderText(machine, first) }];
    return [
      ...table,
      ...entries,
      { name: 'rss', read: () => String(rssOf(machine)) },
      ...lock,
      { name: 'usage', read: () => String(machine.words[machine.memcg + mem_cgroup.usage] ?? 0) },
    ];
  };
}

function entryText(machine: Machine, pte: bigint): string {
  if (pte === 0n) return 'none';
  const zero = ((machine.words[header.zero_page] ?? 0) - machine.layout.mem_map) >> PAGE_STRUCT_SHIFT;
  const pfn = entryPfn(pte);
  return pfn === machine.config.basePfn + zero ? 'zero' : `0x${pfn.toString(16)}`;
}

function tableText(machine: Machine, address: number): string {
  const { pmd } = walkAddress(machine, address);
  return pmd === 0n ? 'none' : `0x${entryPfn(pmd).toString(16)}`;
}

/** Who holds the lock of an address's PTE table, under the design that the machine has. */
function holderText(machine: Machine, address: number): string {
  const holder = holderOf(machine, walkAddress(machine, address).pmd);
  if (holder === undefined) return '-';
  return holder < 0 ? 'free' : `CPU${String(holder)}`;
}

/** Letters for the folios of an execution, in the order in which the fault path allocates them. */
export class FolioLetters {
  private readonly letters = new Map<number, string>();

  constructor(record: ExecutionRecord, machine: Machine) {
    const pages = record.steps.flatMap(({ notes }) =>
      notes.filter(({ note }) => note === 'alloc_anon_folio').map(({ values }) => values[1]),
    );
    for (const page of pages) if (typeof page === 'number' && page !== 0) this.letter(pfnOf(machine, page));
  }

  private letter(pfn: number): void {
    if (!this.letters.has(pfn)) this.letters.set(pfn, letterOf(this.letters.size));
  }

  /** The letter of a frame; undefined: it is no folio of this execution. */
  of(pfn: number): string | undefined {
    return this.letters.get(pfn);
  }

  /** A text with frame numbers replaced by their letters. */
  inText(text: string): string {
    return text.replace(/(?:pfn |frame )*0x[0-9a-f]+/g, (found) => {
      const letter = this.letters.get(Number(found.replace(/^.*0x/, '0x')));
      return letter === undefined ? found : `${found.startsWith('0x') ? '' : 'folio '}${letter}`;
    });
  }
}

/** The page frame number of a struct page. */
export function pfnOf(machine: Machine, pageWord: number): number {
  return machine.config.basePfn + ((pageWord - machine.layout.mem_map) >> PAGE_STRUCT_SHIFT);
}

/** The columns of what was watched and changed. */
export function changedColumns(record: ExecutionRecord, letters: FolioLetters): StateColumn[] {
  const changed = (record.watched ?? []).filter(({ values }) => values.some((value) => value !== values[0]));
  return changed.slice(0, MAX_COLUMNS).map(({ name, values }) => ({
    name,
    after: (step: RecordedStep) => shortened(letters.inText(values[step.index] ?? '')),
  }));
}

/** The last digits of a frame number. */
function shortened(value: string): string {
  return value.replace(/^0x[0-9a-f]*([0-9a-f]{3})$/, '..$1');
}
