// What is compared of a step: every observable by a name, as text. Frame numbers and what a process has for itself
// differ between kernels by nature, so they are told by classes and by differences from the start.
import { parseCounters, parseSmaps } from '../machine/proc/parse.ts';
import type { About, Look, Step } from './observation.ts';
import { WINDOWS, isInArena } from './program.ts';
import type { Operation } from './program.ts';

/** Observables by their names, in the order in which they are compared. */
export type View = Map<string, string>;

/** Fields of status that are compared, as differences from the start. */
const STATUS_FIELDS = ['VmSize', 'VmLck', 'RssAnon', 'VmPTE'];
/** Fields of smaps that depend on the processor or on what was switched on for huge pages. */
const SMAPS_IGNORED: ReadonlySet<string> = new Set(['THPeligible', 'ProtectionKey']);

const PFN_DIGITS = 14;
const PFN_MASK = (1n << 55n) - 1n;

/** Which kernel an observation is of, as far as its reading depends on it. */
export type Reading = Pick<About, 'zeroPfn'>;

/** Frame number and flags of an entry of pagemap. */
function entryOf(text: string): { pfn: string; flags: string } {
  if (text === '0') return { pfn: '0', flags: '' };
  const entry = BigInt(`0x${text}`);
  const letters: [bigint, string][] = [
    [63n, 'present'],
    [62n, 'swapped'],
    [61n, 'file'],
    [57n, 'uffd-wp'],
    [56n, 'exclusive'],
    [55n, 'soft-dirty'],
  ];
  const flags = letters.filter(([bit]) => (entry & (1n << bit)) !== 0n).map(([, name]) => name);
  const pfn = (entry & (1n << 63n)) === 0n ? '0' : (entry & PFN_MASK).toString(16);
  return { pfn, flags: flags.join(' ') };
}

/** Where a frame was seen in the step before: which of its pages has it still, or has it now. */
type Frames = Map<string, string>;

/** What smaps says of a process: its VMAs in one text, and their sizes by name. */
interface Regions {
  smaps: string;
  maps: string;
  sizes: [string, string][];
}

/** What an operation returned: an address, the number of an error, a value. */
function valueText(operation: Operation | 'join', value: number | string): string {
  if (typeof value === 'string') return `0x${value}`;
  if (value < 0) return `error ${String(-value)}`;
  const isAddress = operation !== 'join' && ['mmap', 'mremap', 'brk'].includes(operation.op);
  if (!isAddress) return String(value);
  // Where a mapping is put that may go anywhere is each kernel's own choice.
  return isInArena(value) ? value.toString(16) : 'outside of the arena';
}

/** Turns a run's steps into views, one after the other. */
export class Viewer {
  private readonly base: Map<string, number>;
  private readonly zeroPfn: string;
  private before: Frames;
  private readonly read: Map<number, Regions> = new Map<number, Regions>();

  constructor(start: readonly Look[], { zeroPfn }: Reading) {
    // All processes of a program have the same of their own, since they are forked from one.
    this.base = new Map(Object.entries(parseCounters(start[0]?.status ?? '')));
    this.zeroPfn = zeroPfn;
    this.before = new Map<string, string>();
  }

  /** The view of an operation's step. `isOrdered`: it can be told which frames stayed where they were. */
  view(operation: Operation | 'join', step: Step, isOrdered: boolean): View {
    const view: View = new Map([
      ['value', valueText(operation, step.value)],
      ['signal', String(step.signal)],
      ['minor faults', String(step.minor)],
      ['major faults', String(step.major)],
    ]);
    if (step.seen === null) return view;
    const frames: Frames = new Map<string, string>();
    view.set('processes', step.seen.map(({ process }) => process).join(' '));
    for (const look of step.seen) this.look(view, look, frames, isOrdered);
    this.before = frames;
    return view;
  }

  private look(view: View, look: Look, frames: Frames, isOrdered: boolean): void {
    const named = look.process === 0 ? '' : `process ${String(look.process)} `;
    const regions = this.regions(look);
    view.set(`${named}maps`, regions.maps);
    this.pages(view, named, look, frames, isOrdered);
    for (const [field, size] of regions.sizes) view.set(named + field, size);
    const status = parseCounters(look.status);
    for (const field of STATUS_FIELDS) {
      view.set(`${named}${field}`, `${String((status[field] ?? NaN) - (this.base.get(field) ?? NaN))} kB`);
    }
  }

  /** What smaps says; most operations change nothing of it, so it is read but once. */
  private regions({ process, smaps }: Look): Regions {
    const known = this.read.get(process);
    if (known?.smaps === smaps) return known;
    const vmas = parseSmaps(smaps);
    const maps = vmas.map(({ start, end, permissions, vmFlags, name }) =>
      [`${start.toString(16)}-${end.toString(16)}`, permissions, name, ...vmFlags]
        .filter((word) => word !== '')
        .join(' '),
    );
    const sizes = vmas.flatMap(({ start, sizes: fields }) =>
      Object.entries(fields)
        .filter(([field]) => !SMAPS_IGNORED.has(field))
        .map(([field, kb]): [string, string] => [`${start.toString(16)} ${field}`, `${String(kb)} kB`]),
    );
    const regions = { smaps, maps: maps.join(', '), sizes };
    this.read.set(process, regions);
    return regions;
  }

  private pages(view: View, named: string, look: Look, frames: Frames, isOrdered: boolean): void {
    WINDOWS.forEach(({ name, pages }, w) => {
      const entries = (look.pagemap[w] ?? '').split(' ');
      for (let i = 0; i < pages; i++) {
        const { pfn, flags } = entryOf(entries[i] ?? '0');
        const place = `${named}${name}[${String(i)}]`;
        const resident = look.mincore[w]?.[i] ?? '?';
        const words = [resident === '-' ? 'unmapped' : resident === '1' ? 'resident' : 'absent'];
        if (flags !== '') words.push(flags);
        if (pfn !== '0' && this.zeroPfn !== '0') words.push(this.frameOf(pfn, place, frames, isOrdered));
        view.set(`${named}page ${name}[${String(i)}]`, words.join(' '));
      }
    });
  }

  /** A frame by what is known of it: the zero page, that of another page, that of a page before, or a new one. */
  private frameOf(pfn: string, place: string, frames: Frames, isOrdered: boolean): string {
    if (pfn.padStart(PFN_DIGITS, '0') === this.zeroPfn.padStart(PFN_DIGITS, '0')) return 'zero page';
    const other = frames.get(pfn);
    if (other !== undefined) return `frame of ${other}`;
    frames.set(pfn, place);
    if (!isOrdered) return 'frame';
    const before = this.before.get(pfn);
    return before === undefined ? 'new frame' : before === place ? 'same frame' : `frame of ${before} before`;
  }
}
