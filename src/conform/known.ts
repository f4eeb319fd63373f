// The differences that are known and explained: between the kernel that is simulated (v6.8, a machine of its own) and
// the one that runs here. Each is as narrow as it can be told; whatever is not here is a failure.
import {
  EFAULT,
  EINVAL,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MAP_LOCKED,
  MAP_POPULATE,
  MREMAP_DONTUNMAP,
} from '../kernel/mm/flags.ts';
import type { About, Look } from './observation.ts';
import { PAGE } from './program.ts';
import type { Operation } from './program.ts';

/** One observable that differs. */
export interface Difference {
  /** Of which step: its index in stepsOf(). */
  step: number;
  operation: Operation | 'join';
  /** All operations up to this one, itself included. */
  history: readonly (Operation | 'join')[];
  /** What the operation returned on Linux and here. */
  returned: readonly [linux: string, simulated: string];
  name: string;
  linux: string | undefined;
  simulated: string | undefined;
}

/** A known difference. */
export interface Known {
  readonly name: string;
  /** Why the kernels differ there, in a sentence. */
  readonly why: string;
  readonly explains: (difference: Difference, about: About, simulated: readonly Look[]) => boolean;
  /**
   * Where what follows from it goes further than can be told: the program is compared up to here, and differences of
   * these names belong to it.
   */
  readonly ends?: (name: string) => boolean;
}

const TABLE_BYTES = 0x200000;
const KB = /^(-?\d+) kB$/;

function kbOf(text: string | undefined): number {
  return Number(KB.exec(text ?? '')?.[1] ?? NaN);
}

/** The version as a number that can be compared: 6.18 is 618. */
export function versionOf({ release }: Pick<About, 'release'>): number {
  const [, major = '0', minor = '0'] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return Number(major) * 100 + Number(minor);
}

/** Whether an operation discards all that a page table maps at least once over. */
function discardsTables(operation: Operation | 'join'): boolean {
  if (operation === 'join' || operation.op !== 'madvise' || operation.advice !== MADV_DONTNEED) return false;
  return operation.length >= TABLE_BYTES;
}

const FAULT = `error ${String(EFAULT)}`;
const INVALID = `error ${String(EINVAL)}`;

function isMremap(operation: Operation | 'join'): operation is Extract<Operation, { op: 'mremap' }> {
  return operation !== 'join' && operation.op === 'mremap';
}

const pagesOf = (bytes: number): number => Math.ceil(bytes / PAGE);

/** A field of smaps, which is named by the VMA's first address. */
const isOfVma = (name: string): boolean => /^(process \d+ )?[0-9a-f]{8,} /.test(name);

/** A VMA of a list of maps: its range, and all else that is said of it. */
function rangesOf(maps: string): { start: string; end: string; rest: string }[] {
  return [...maps.matchAll(/([0-9a-f]+)-([0-9a-f]+) ([^,]*)/g)].map(([, start = '', end = '', rest = '']) => ({
    start,
    end,
    rest,
  }));
}

/**
 * Whether Linux has in one VMA what are several here, of which some have an anon_vma (all of them the same) and others
 * none, and all else is the same.
 */
function isJoined(linux: string, simulated: string, anonVmas: ReadonlyMap<number, number>): boolean {
  const ours = rangesOf(simulated);
  return (
    rangesOf(linux).every(({ start, end, rest }) => {
      const parts: number[] = [];
      let at = start;
      while (at !== end && ours[0]?.start === at && ours[0].rest === rest) {
        parts.push(anonVmas.get(parseInt(at, 16)) ?? 0);
        at = ours.shift()?.end ?? '';
      }
      const kinds = new Set(parts);
      return at === end && (parts.length === 1 || (kinds.size === 2 && kinds.has(0)));
    }) && ours.length === 0
  );
}

/** The process that an observable is of, by its name. */
function processOf(name: string): number {
  return Number(/^process (\d+) /.exec(name)?.[1] ?? 0);
}

function isAdvice(operation: Operation | 'join', advice: number): boolean {
  return operation !== 'join' && operation.op === 'madvise' && operation.advice === advice;
}

/** Whether an operation makes pages present without touching them. */
function populates(operation: Operation | 'join'): boolean {
  if (operation === 'join') return false;
  if (operation.op === 'mmap') return (operation.flags & (MAP_POPULATE | MAP_LOCKED)) !== 0;
  return (
    operation.op === 'mlock' || isAdvice(operation, MADV_POPULATE_READ) || isAdvice(operation, MADV_POPULATE_WRITE)
  );
}

const isRegistration = (operation: Operation | 'join'): boolean =>
  operation !== 'join' && operation.op === 'uffd_register';

export const KNOWN: readonly Known[] = [
  {
    name: 'pt-reclaim',
    why: 'From v6.14 MADV_DONTNEED of 2 MiB and more also frees page tables that it empties (CONFIG_PT_RECLAIM).',
    explains: ({ name, history, linux, simulated }, about) =>
      versionOf(about) >= 614 &&
      name.endsWith('VmPTE') &&
      history.some(discardsTables) &&
      kbOf(linux) < kbOf(simulated),
  },
  {
    name: 'unfaulted-merge',
    why: 'From v6.16 a VMA without an anon_vma is merged with a neighbour that has one; v6.8 does so in one order only.',
    explains: ({ name, linux = '', simulated = '' }, about, looks) => {
      const anonVmas = looks.find(({ process }) => process === processOf(name))?.anonVmas ?? new Map<number, number>();
      return versionOf(about) >= 616 && name.endsWith('maps') && isJoined(linux, simulated, anonVmas);
    },
    ends: isOfVma,
  },
  {
    name: 'mremap-many',
    why: 'From v6.17 mremap moves what lies in several VMAs, and over holes, where the length stays the same.',
    explains: ({ operation, returned: [linux, simulated] }, about) =>
      versionOf(about) >= 617 &&
      isMremap(operation) &&
      operation.new_addr !== undefined &&
      pagesOf(operation.old_length) === pagesOf(operation.new_length) &&
      simulated === FAULT &&
      !linux.startsWith('error'),
    ends: () => true,
  },
  {
    name: 'mremap-checks',
    why: 'From v6.17 mremap checks all that it is given before it looks for the VMA or unmaps anything.',
    explains: ({ operation, returned: [linux, simulated] }, about) =>
      versionOf(about) >= 617 &&
      isMremap(operation) &&
      [FAULT, INVALID].includes(linux) &&
      [FAULT, INVALID].includes(simulated) &&
      (linux !== simulated || operation.new_addr !== undefined),
    ends: () => true,
  },
  {
    name: 'mremap-dontunmap-length',
    why: 'Before v6.17 MREMAP_DONTUNMAP compares its lengths in bytes, not in pages.',
    explains: ({ operation, returned: [linux, simulated] }, about) =>
      versionOf(about) >= 617 &&
      isMremap(operation) &&
      (operation.flags & MREMAP_DONTUNMAP) !== 0 &&
      operation.old_length !== operation.new_length &&
      pagesOf(operation.old_length) === pagesOf(operation.new_length) &&
      simulated === INVALID &&
      !linux.startsWith('error'),
    ends: () => true,
  },
  {
    name: 'pageout-young',
    why: 'From v6.9 MADV_PAGEOUT leaves pages young; v6.8 makes them old first.',
    explains: ({ name, history, linux, simulated }, about) =>
      versionOf(about) >= 609 &&
      name.endsWith('Referenced') &&
      history.some((operation) => isAdvice(operation, MADV_PAGEOUT)) &&
      kbOf(linux) > kbOf(simulated),
  },
  {
    name: 'populate-referenced',
    why: 'Pages that a system call makes present are also marked as referenced on Linux, for reclaim, which is not modelled.',
    explains: ({ name, history, linux, simulated }) =>
      name.endsWith('Referenced') && history.some(populates) && kbOf(linux) > kbOf(simulated),
  },
  {
    name: 'populate-dirty',
    why: 'A page given to MADV_FREE is dirty again on Linux once a system call asks for it to be written, not here.',
    explains: ({ name, history }) =>
      / (Pss_Dirty|Private_Clean|Private_Dirty|Shared_Clean|Shared_Dirty|LazyFree)$/.test(name) &&
      history.some((operation) => isAdvice(operation, MADV_FREE)) &&
      history.some(populates),
  },
  {
    name: 'lazyfree-batch',
    why: 'MADV_FREE marks pages at once here; Linux when the CPU has 15 of them, or drains its batches.',
    explains: ({ name, history, linux, simulated }) =>
      name.endsWith('LazyFree') &&
      history.some((operation) => isAdvice(operation, MADV_FREE)) &&
      kbOf(linux) < kbOf(simulated),
  },
  {
    name: 'first-fault-waits',
    why: 'From v6.10 a fault of a VMA without an anon_vma has the VMA by its own lock. v6.8 takes mmap_lock: if it waited for a monitor there, it is a major fault.',
    explains: ({ name, operation, history, linux, simulated }, about) =>
      versionOf(about) >= 610 &&
      operation !== 'join' &&
      ['load', 'store', 'touch', 'atomic_add'].includes(operation.op) &&
      history.some(isRegistration) &&
      (name === 'minor faults' ? Number(linux) > Number(simulated) : name === 'major faults' && linux === '0'),
  },
  {
    name: 'populate-tried',
    why: 'From v6.9 MADV_POPULATE_WRITE counts as a major fault one that it takes again after it has waited for a monitor.',
    explains: ({ name, operation, history, linux, simulated }, about) =>
      versionOf(about) >= 609 &&
      isAdvice(operation, MADV_POPULATE_WRITE) &&
      history.some(isRegistration) &&
      (name === 'minor faults' ? Number(linux) < Number(simulated) : name === 'major faults' && simulated === '0'),
  },
  {
    name: 'fill-prepares',
    why: 'From v6.9 UFFDIO_COPY and _ZEROPAGE give a VMA an anon_vma before they look whether it is watched: a fork copies its entries.',
    explains: ({ name, operation, history }, about) =>
      versionOf(about) >= 609 &&
      operation !== 'join' &&
      operation.op === 'fork' &&
      name.startsWith(`process ${String(operation.child)} `) &&
      history.some((each) => each !== 'join' && (each.op === 'uffd_copy' || each.op === 'uffd_zeropage')),
    ends: () => true,
  },
  {
    name: 'rss-slack',
    why: 'Before v6.17 RssAnon in status leaves out what CPUs count for themselves: at most 32 pages each.',
    explains: ({ name, linux, simulated }, about) =>
      versionOf(about) < 617 &&
      name.endsWith('RssAnon') &&
      Math.abs(kbOf(linux) - kbOf(simulated)) < (32 * PAGE) / 1024,
  },
];

/** The known difference that this one is, if it is one. `simulated`: what the machine showed after the step. */
export function explain(difference: Difference, about: About, simulated: readonly Look[] | null): Known | undefined {
  return KNOWN.find(({ explains }) => explains(difference, about, simulated ?? []));
}
