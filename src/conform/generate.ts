// Random programs of memory operations, by fast-check: a few pages where tables meet, ranges that overlap, calls that
// fail among those that do not. Most programs are of a few kinds and keep coming back to a few pages: among operations of
// every kind on every page hardly two have to do with each other (Groce et al., Swarm testing, ISSTA 2012).
import fc from 'fast-check';
import {
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
} from '../kernel/mm/flags.ts';
import type { AccessSize } from '../kernel/program.ts';
import { ARENA_START, MACHINE, MONITOR_KINDS, PAGE, START_BRK, WINDOWS } from './program.ts';
import type { Kind, Operation, Program, Window } from './program.ts';

const MAP_FLAGS: number = MAP_PRIVATE | MAP_ANONYMOUS;
const READ_WRITE: number = PROT_READ | PROT_WRITE;
const MAX_OPERATIONS = 18;
const MAX_RANGE = 7;

/** How often each kind comes, in proportion. */
const WEIGHTS: Readonly<Record<Kind, number>> = {
  store: 6,
  load: 4,
  touch: 4,
  mmap: 3,
  munmap: 3,
  mprotect: 4,
  madvise: 4,
  brk: 3,
  atomic_add: 3,
  mremap: 4,
  mlock: 3,
  munlock: 3,
  fork: 4,
  as: 5,
  exit_process: 4,
  clear_refs: 4,
  uffd_register: 3,
  uffd_unregister: 3,
  uffd_copy: 3,
  uffd_zeropage: 3,
  uffd_wake: 3,
  uffd_close: 3,
};

/** Kinds that come together or not at all. Accesses always come. */
const FEATURES: readonly (readonly Kind[])[] = [
  ['mmap'],
  ['munmap'],
  ['mprotect'],
  ['madvise'],
  ['brk'],
  ['atomic_add'],
  ['mremap'],
  ['mlock', 'munlock'],
  ['fork', 'as', 'exit_process'],
  ['clear_refs'],
];
const ACCESSES: readonly Kind[] = ['load', 'store', 'touch'];
const MAX_FEATURES = 3;
const MAX_HOT_PAGES = 3;
const MAX_HOT_OFFSETS = 2;

const mapped = WINDOWS.filter(({ start }) => start !== START_BRK);

/** A page of a window: mostly of the first, now and then one behind its end. */
const anyPage: fc.Arbitrary<number> = fc
  .oneof(
    { weight: 6, arbitrary: fc.constant(WINDOWS[0]!) },
    ...WINDOWS.slice(1).map((window) => ({ weight: 1, arbitrary: fc.constant(window) })),
  )
  .chain(({ start, pages }) => fc.nat(pages).map((i) => start + i * PAGE));

/** Lengths of what is mapped: it may be made present as a whole. */
const mapLength: fc.Arbitrary<number> = fc.oneof(
  { weight: 30, arbitrary: fc.integer({ min: 1, max: MAX_RANGE }).map((pages) => pages * PAGE) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: MAX_RANGE }).map((pages) => pages * PAGE - 100) },
  { weight: 1, arbitrary: fc.constant(0) },
);

/** Lengths of ranges of which only what is mapped counts. */
const rangeLength: fc.Arbitrary<number> = fc.oneof(
  { weight: 30, arbitrary: mapLength },
  { weight: 1, arbitrary: fc.constantFrom(0x200000, 0x40000000) },
);

/** Where in a page something is accessed: at both ends, across words, across its end. */
const anyOffset: fc.Arbitrary<number> = fc.constantFrom(0, 4, 1, 6, 2044, 4092, 4093, 4095);

const value: fc.Arbitrary<number> = fc.integer({ min: 1, max: 255 });
const size: fc.Arbitrary<AccessSize | undefined> = fc.constantFrom<AccessSize | undefined>(undefined, 1, 2, 4, 8);
const rights: fc.Arbitrary<number> = fc.constantFrom(
  READ_WRITE,
  READ_WRITE,
  READ_WRITE,
  PROT_READ,
  PROT_READ,
  PROT_NONE,
  PROT_WRITE,
  7,
);
const processNumber: fc.Arbitrary<number> = fc.integer({ min: 0, max: 3 });

const withSize = (bytes: AccessSize | undefined): { size?: AccessSize } => (bytes === undefined ? {} : { size: bytes });

const mapFlags: fc.Arbitrary<number> = fc
  .tuple(fc.constantFrom(MAP_FIXED, MAP_FIXED, MAP_FIXED, 0), fc.constantFrom(0, 0, 0, ...MACHINE.mapFlags))
  .map(([fixed, more]) => MAP_FLAGS | fixed | more);

type Operations = { readonly [K in Kind]: fc.Arbitrary<Extract<Operation, { op: K }>> };

/** One operation of each kind, on such pages, and of accesses at such places in them. */
function operationsAt(page: fc.Arbitrary<number>, offset: fc.Arbitrary<number>): Operations {
  // Addresses of calls are of pages, and now and then in the middle of one.
  const callAddress = fc.oneof(
    { weight: 30, arbitrary: page },
    { weight: 1, arbitrary: page.map((address) => address + 8) },
  );
  const accessAddress = fc.tuple(page, offset).map(([address, behind]) => address + behind);
  return {
    mmap: fc
      .tuple(callAddress, mapLength, rights, mapFlags)
      .map(([addr, length, prot, flags]) => ({ op: 'mmap', addr, length, prot, flags })),
    munmap: fc.tuple(callAddress, rangeLength).map(([addr, length]) => ({ op: 'munmap', addr, length })),
    mprotect: fc
      .tuple(callAddress, rangeLength, rights)
      .map(([addr, length, prot]) => ({ op: 'mprotect', addr, length, prot })),
    madvise: fc
      .tuple(callAddress, rangeLength, fc.constantFrom(MADV_DONTNEED, ...MACHINE.advice))
      .map(([addr, length, advice]) => ({ op: 'madvise', addr, length, advice })),
    brk: fc
      .tuple(fc.integer({ min: -1, max: 8 }), fc.constantFrom(0, 0, 100))
      .map(([pages, more]) => ({ op: 'brk', addr: START_BRK + pages * PAGE + more })),
    load: fc.tuple(accessAddress, size).map(([addr, bytes]) => ({ op: 'load', addr, ...withSize(bytes) })),
    store: fc
      .tuple(accessAddress, value, size)
      .map(([addr, stored, bytes]) => ({ op: 'store', addr, value: stored, ...withSize(bytes) })),
    touch: fc
      .tuple(page, fc.integer({ min: 1, max: MAX_RANGE }), fc.boolean(), value)
      .map(([addr, pages, write, stored]) => ({ op: 'touch', addr, pages, write, value: stored })),
    atomic_add: fc
      .tuple(page, fc.constantFrom(0, 4, 4092), value)
      .map(([addr, offset, added]) => ({ op: 'atomic_add', addr: addr + offset, value: added })),
    mremap: fc
      .tuple(
        callAddress,
        rangeLength,
        mapLength,
        fc.constantFrom(
          0,
          MREMAP_MAYMOVE,
          MREMAP_MAYMOVE,
          MREMAP_MAYMOVE | MREMAP_FIXED,
          MREMAP_MAYMOVE | MREMAP_FIXED,
          MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
        ),
        page,
      )
      .map(([addr, before, after, flags, to]) => ({
        op: 'mremap',
        addr,
        old_length: before,
        new_length: after,
        flags,
        ...((flags & MREMAP_FIXED) === 0 ? {} : { new_addr: to }),
      })),
    mlock: fc.tuple(callAddress, rangeLength).map(([addr, length]) => ({ op: 'mlock', addr, length })),
    munlock: fc.tuple(callAddress, rangeLength).map(([addr, length]) => ({ op: 'munlock', addr, length })),
    fork: fc.integer({ min: 1, max: 3 }).map((child) => ({ op: 'fork', child })),
    as: processNumber.map((process) => ({ op: 'as', process })),
    exit_process: fc.integer({ min: 1, max: 3 }).map((process) => ({ op: 'exit_process', process })),
    clear_refs: fc.constant({ op: 'clear_refs' }),
    uffd_register: fc
      .tuple(callAddress, mapLength, fc.constantFrom('copy' as const, 'zeropage' as const), value)
      .map(([addr, length, how, filled]) => ({ op: 'uffd_register', addr, length, how, value: filled })),
    uffd_unregister: fc
      .tuple(callAddress, mapLength)
      .map(([addr, length]) => ({ op: 'uffd_unregister', addr, length })),
    uffd_copy: fc
      .tuple(callAddress, mapLength, value)
      .map(([addr, length, filled]) => ({ op: 'uffd_copy', addr, length, value: filled })),
    uffd_zeropage: fc.tuple(callAddress, mapLength).map(([addr, length]) => ({ op: 'uffd_zeropage', addr, length })),
    uffd_wake: fc.tuple(callAddress, mapLength).map(([addr, length]) => ({ op: 'uffd_wake', addr, length })),
    uffd_close: fc.constant({ op: 'uffd_close' }),
  };
}

/** Values among which a few come more often than the others. */
function mostly(hot: readonly number[], any: fc.Arbitrary<number>): fc.Arbitrary<number> {
  return fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...hot) }, { weight: 1, arbitrary: any });
}

/** Operations of these kinds, on these pages and at these places in them more than on others. */
function operationOf(
  kinds: readonly Kind[],
  pages: readonly number[],
  offsets: readonly number[],
): fc.Arbitrary<Operation> {
  const operations = operationsAt(mostly(pages, anyPage), mostly(offsets, anyOffset));
  return fc.oneof(
    ...kinds.map((kind) => ({ weight: WEIGHTS[kind], arbitrary: operations[kind] as fc.Arbitrary<Operation> })),
  );
}

/** Some of these kinds: accesses and a few features, or all of them. */
function someKinds(kinds: readonly Kind[]): fc.Arbitrary<readonly Kind[]> {
  const features = FEATURES.filter((feature) => feature.some((kind) => kinds.includes(kind)));
  const accesses = ACCESSES.filter((kind) => kinds.includes(kind));
  if (features.length <= 1 || accesses.length === 0) return fc.constant(kinds);
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant(kinds) },
    {
      weight: 5,
      arbitrary: fc
        .subarray([...features], { minLength: 1, maxLength: MAX_FEATURES })
        .map((chosen) => [...accesses, ...chosen.flat().filter((kind) => kinds.includes(kind))]),
    },
  );
}

/** A window whole, readable and writable. */
function wholeWindow({ start, pages }: Window): Operation {
  return { op: 'mmap', addr: start, length: pages * PAGE, prot: READ_WRITE, flags: MAP_FLAGS | MAP_FIXED };
}

/** What most programs begin with: something that is mapped. */
const opening: fc.Arbitrary<readonly Operation[]> = fc.oneof<fc.MaybeWeightedArbitrary<readonly Operation[]>[]>(
  { weight: 6, arbitrary: fc.constant([wholeWindow(WINDOWS[0]!)]) },
  { weight: 2, arbitrary: fc.constant(mapped.map(wholeWindow)) },
  { weight: 1, arbitrary: fc.constant([]) },
);

/** What memory has in the end, at these places of these pages: nothing else shows it. */
function loadsOf(pages: readonly number[], offsets: readonly number[]): Operation[] {
  return pages.flatMap((address) => offsets.map((offset) => ({ op: 'load', addr: address + offset })));
}

/** Programs of one thread that begin with some operations of these kinds, and go on with some kinds of them. */
function programsFrom(
  kinds: readonly Kind[],
  beginning: fc.Arbitrary<readonly Operation[]>,
  kindsOfOne: fc.Arbitrary<readonly Kind[]>,
): fc.Arbitrary<Program> {
  const hotPages = fc.uniqueArray(anyPage, { minLength: 1, maxLength: MAX_HOT_PAGES });
  const hotOffsets = fc.uniqueArray(anyOffset, { minLength: 1, maxLength: MAX_HOT_OFFSETS });
  const operations = fc
    .tuple(kindsOfOne, hotPages, hotOffsets)
    .chain(([some, pages, offsets]) =>
      fc
        .array(operationOf(some, pages, offsets), { minLength: 1, maxLength: MAX_OPERATIONS, size: 'max' })
        .map((list) => [...list, ...(some.includes('load') ? loadsOf(pages, offsets) : [])]),
    );
  return fc.tuple(beginning, operations).map(([first, rest]) => ({
    before: [...first.filter(({ op }) => kinds.includes(op)), ...rest],
    threads: [],
    after: [],
  }));
}

/** A program of one thread. */
export function lonePrograms(kinds: readonly Kind[]): fc.Arbitrary<Program> {
  return programsFrom(kinds, opening, someKinds(kinds));
}

/** What is of a monitor among some kinds, and what is not. */
function parted(kinds: readonly Kind[]): [ofMonitors: Kind[], others: Kind[]] {
  const isOfMonitor = (kind: Kind): boolean => (MONITOR_KINDS as readonly Kind[]).includes(kind);
  return [kinds.filter(isOfMonitor), kinds.filter((kind) => !isOfMonitor(kind))];
}

/** A program of one thread with a monitor, which mostly watches the first window from the beginning. */
export function monitoredPrograms(kinds: readonly Kind[]): fc.Arbitrary<Program> {
  const [ofMonitors, others] = parted(kinds);
  const [{ start, pages }] = WINDOWS as readonly [Window, ...Window[]];
  const watch = operationsAt(anyPage, anyOffset).uffd_register.map((each) => [
    { ...each, addr: start, length: pages * PAGE },
  ]);
  const beginning = fc
    .tuple(opening, fc.oneof({ weight: 4, arbitrary: watch }, { weight: 1, arbitrary: fc.constant([]) }))
    .map(([first, watched]) => [...first, ...watched]);
  return programsFrom(
    kinds,
    beginning,
    someKinds(others).map((some) => [...some, ...ofMonitors]),
  );
}

const MAX_THREADS = 3;
const MAX_THREAD_OPERATIONS = 5;

/** What a thread does with one page: accesses, and at times it is thrown away. */
function pageOperation(pages: readonly number[], kinds: readonly Kind[]): fc.Arbitrary<Operation> {
  const at = fc.constantFrom(...pages);
  const choices: fc.WeightedArbitrary<Operation>[] = [];
  const add = (kind: Kind, weight: number, arbitrary: fc.Arbitrary<Operation>): void => {
    if (kinds.includes(kind)) choices.push({ weight, arbitrary });
  };
  add(
    'load',
    2,
    at.map((addr) => ({ op: 'load', addr })),
  );
  add(
    'store',
    4,
    fc.tuple(at, value).map(([addr, stored]) => ({ op: 'store', addr, value: stored })),
  );
  add(
    'touch',
    1,
    fc.tuple(at, value).map(([addr, stored]) => ({ op: 'touch', addr, pages: 1, write: true, value: stored })),
  );
  add(
    'madvise',
    1,
    at.map((addr) => ({ op: 'madvise', addr, length: PAGE, advice: MADV_DONTNEED })),
  );
  return fc.oneof(...choices);
}

/** Several threads, each on pages of its own in the same window: all that is seen is certain. */
export function apartPrograms(kinds: readonly Kind[]): fc.Arbitrary<Program> {
  const [window] = WINDOWS as readonly [Window, ...Window[]];
  return fc
    .integer({ min: 2, max: MAX_THREADS })
    .chain((threads) =>
      fc.tuple(
        ...Array.from({ length: threads }, (_, thread) => {
          const pages = Array.from({ length: window.pages }, (_unused, i) => i).filter((i) => i % threads === thread);
          const addresses = pages.map((i) => window.start + i * PAGE);
          return fc.array(pageOperation(addresses, kinds), {
            minLength: 1,
            maxLength: MAX_THREAD_OPERATIONS,
            size: 'max',
          });
        }),
      ),
    )
    .map((threads) => ({
      before: [wholeWindow(window)],
      threads,
      after: kinds.includes('touch')
        ? [{ op: 'touch', addr: window.start, pages: window.pages, write: false, value: 0 }]
        : [],
    }));
}

/** Several threads on the same few pages, which nobody throws away: what is there in the end is certain, not who came. */
export function sharedPrograms(kinds: readonly Kind[]): fc.Arbitrary<Program> {
  const [window] = WINDOWS as readonly [Window, ...Window[]];
  const addresses = [5, 6].map((i) => window.start + i * PAGE);
  const operation = pageOperation(
    addresses,
    kinds.filter((kind) => kind !== 'madvise'),
  );
  return fc
    .array(fc.array(operation, { minLength: 1, maxLength: MAX_THREAD_OPERATIONS, size: 'max' }), {
      minLength: 2,
      maxLength: MAX_THREADS,
      size: 'max',
    })
    .map((threads) => ({
      before: [wholeWindow(window)],
      threads,
      shares: true,
      after: kinds.includes('munmap') ? [{ op: 'munmap', addr: ARENA_START, length: 0x40000000 }] : [],
    }));
}

/** Of so many programs one has threads that keep apart, another threads that share their pages. */
const THREADS_EVERY = 12;
/** Of so many one has a monitor. */
const MONITORED_EVERY = 3;

/** `count` programs, the same for the same seed: most of one thread, some of several. */
export function programsOf(kinds: readonly Kind[], count: number, seed: number): Program[] {
  const some = (arbitrary: fc.Arbitrary<Program>, every = THREADS_EVERY): Program[] =>
    fc.sample(arbitrary, { seed, numRuns: Math.ceil(count / every) + 1 });
  const hasAccesses = kinds.includes('load') || kinds.includes('store');
  const [ofMonitors, others] = parted(kinds);
  if (others.length === 0) return some(monitoredPrograms(kinds), 1).slice(0, count);
  const monitored = ofMonitors.length === 0 ? [] : some(monitoredPrograms(kinds), MONITORED_EVERY);
  const programs = fc
    .sample(lonePrograms(others), { seed, numRuns: Math.max(1, count) })
    .slice(0, count)
    .map((program, i) => (i % MONITORED_EVERY === 0 ? (monitored[i / MONITORED_EVERY] ?? program) : program));
  if (!hasAccesses || !kinds.includes('mmap')) return programs;
  const apart = some(apartPrograms(kinds));
  const shared = some(sharedPrograms(kinds));
  return programs.map((program, i) => {
    const nth = Math.floor(i / THREADS_EVERY);
    if (i % THREADS_EVERY === THREADS_EVERY - 1) return apart[nth] ?? program;
    return i % THREADS_EVERY === THREADS_EVERY - 2 ? (shared[nth] ?? program) : program;
  });
}
