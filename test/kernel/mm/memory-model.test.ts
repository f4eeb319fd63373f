// Programs of one CPU against a model that knows nothing of kernels: pages of bytes, each with rights, or none.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { eventsOf, judge, renderVerdict } from '../../../src/check/verdict.ts';
import {
  EFAULT,
  EINVAL,
  ENOMEM,
  MADV_DONTNEED,
  MADV_FREE,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  SIGSEGV,
} from '../../../src/kernel/mm/flags.ts';
import type { Op } from '../../../src/kernel/program.ts';
import { boot } from '../../../src/machine/boot.ts';

const PAGE = 4096;
/** On both sides of a 2 MiB boundary, so that entries move from one page table to another. */
const A = 0x75e52fdfc000;
const PAGES = 8;
const MAP_FLAGS = 0x32;

interface ModelPage {
  bytes: Uint8Array;
  prot: number;
  locked: boolean;
}

/** What an operation came to. */
interface Seen {
  value: number;
  signal: number;
}

/** Memory as a user thinks of it. */
class Model {
  /** What came of an operation depends on which pages are one VMA, and the model has none. */
  isUnsure = false;
  private readonly pages = new Map<number, ModelPage>();

  run(op: Op): Seen {
    switch (op.op) {
      case 'load':
      case 'store':
        return this.access(op.addr, op.size ?? 4, op.op === 'store' ? op.value : undefined);
      case 'atomic_add': {
        const before = this.access(op.addr, 4, undefined, PROT_WRITE);
        if (before.signal === 0) this.access(op.addr, 4, (before.value + op.value) >>> 0);
        return before;
      }
      case 'mmap':
        for (const n of pagesOf(op)) this.pages.set(n, fresh(op.prot));
        return { value: op.addr, signal: 0 };
      case 'munmap':
        for (const n of pagesOf(op)) this.pages.delete(n);
        return { value: 0, signal: 0 };
      case 'mprotect':
        return { value: this.upToHole(pagesOf(op), (page) => (page.prot = op.prot)), signal: 0 };
      case 'mlock':
      case 'munlock':
        return { value: this.lock(pagesOf(op), op.op === 'mlock'), signal: 0 };
      case 'madvise':
        return { value: this.advise(pagesOf(op), op.advice), signal: 0 };
      case 'mremap':
        return { value: this.move(op), signal: 0 };
      default:
        throw new Error(`the model knows no ${op.op}`);
    }
  }

  /** A load, or a store of `value`: nothing is stored unless all of it may be. */
  private access(addr: number, size: number, value: number | undefined, needs = PROT_NONE): Seen {
    const wanted = value === undefined ? needs : PROT_WRITE;
    for (const at of [addr, addr + size - 1]) {
      const { prot = PROT_NONE } = this.pages.get(Math.floor(at / PAGE)) ?? {};
      if (prot === PROT_NONE || (prot & wanted) !== wanted) return { value: 0, signal: SIGSEGV };
    }
    let loaded = 0;
    for (let i = size - 1; i >= 0; i--) {
      const { bytes } = this.pages.get(Math.floor((addr + i) / PAGE))!;
      loaded = loaded * 256 + bytes[(addr + i) % PAGE]!;
      if (value !== undefined) bytes[(addr + i) % PAGE] = Math.floor(value / 256 ** i) % 256;
    }
    return { value: value === undefined ? loaded : 0, signal: 0 };
  }

  private upToHole(numbers: readonly number[], change: (page: ModelPage) => void): number {
    for (const n of numbers) {
      const page = this.pages.get(n);
      if (page === undefined) return -ENOMEM;
      change(page);
    }
    return 0;
  }

  private lock(numbers: readonly number[], locked: boolean): number {
    const error = this.upToHole(numbers, (page) => (page.locked = locked));
    const none = numbers.some((n) => this.pages.get(n)?.prot === PROT_NONE);
    return error === 0 && locked && none ? -ENOMEM : error;
  }

  private advise(numbers: readonly number[], advice: number): number {
    let error = 0;
    for (const n of numbers) {
      const page = this.pages.get(n);
      if (page === undefined) error = -ENOMEM;
      else if (page.locked) return -EINVAL;
      else if (advice === MADV_DONTNEED) page.bytes.fill(0);
    }
    return error;
  }

  /** One page moves, and may grow by more. */
  private move(op: Extract<Op, { op: 'mremap' }>): number {
    const { addr, new_length: length, flags, new_addr: target = 0 } = op;
    const from = addr / PAGE;
    const to = target / PAGE;
    const page = this.pages.get(from);
    if (page === undefined) return -EFAULT;
    if (to <= from && from < to + length / PAGE) return -EINVAL;
    for (let i = 0; i < length / PAGE; i++) this.pages.set(to + i, { ...fresh(page.prot), locked: page.locked });
    this.pages.set(to, page);
    if ((flags & MREMAP_DONTUNMAP) !== 0 && page.locked) {
      // move_vma unlocks all of the VMA that stays, which it does not split.
      for (const n of [from - 1, from + 1]) if (this.pages.get(n)?.locked === true) this.isUnsure = true;
    }
    if ((flags & MREMAP_DONTUNMAP) === 0) this.pages.delete(from);
    else this.pages.set(from, fresh(page.prot));
    return target;
  }
}

function fresh(prot: number): ModelPage {
  return { bytes: new Uint8Array(PAGE), prot, locked: false };
}

function pagesOf({ addr, length }: { addr: number; length: number }): number[] {
  return Array.from({ length: length / PAGE }, (_, i) => addr / PAGE + i);
}

const range = fc
  .tuple(fc.nat(PAGES - 1), fc.integer({ min: 1, max: PAGES }))
  .map(([first, pages]) => ({ addr: A + first * PAGE, length: Math.min(pages, PAGES - first) * PAGE }));
const page = fc.nat(PAGES - 1).map((n) => A + n * PAGE);
/** Near the beginning of a page, or its end. */
const place = fc.tuple(page, fc.integer({ min: -8, max: 24 })).map(([addr, n]) => addr + n);
const rights = fc.constantFrom(PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE);
const size = fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const);

const store = fc.tuple(place, size, fc.maxSafeNat()).map(([addr, bytes, value]): Op => {
  return { op: 'store', addr, size: bytes, value: value % 256 ** bytes };
});
const moves = fc
  .tuple(page, page, fc.integer({ min: 1, max: 3 }), fc.boolean())
  .map(([addr, target, pages, keep]): Op => {
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED | (keep ? MREMAP_DONTUNMAP : 0);
    const length = keep ? PAGE : pages * PAGE;
    return { op: 'mremap', addr, old_length: PAGE, new_length: length, flags, new_addr: target };
  });

const operation: fc.Arbitrary<Op> = fc.oneof(
  { weight: 8, arbitrary: store },
  { weight: 8, arbitrary: fc.tuple(place, size).map(([addr, bytes]): Op => ({ op: 'load', addr, size: bytes })) },
  {
    weight: 3,
    arbitrary: fc.tuple(page, fc.nat(3), fc.nat(0xffff)).map(([addr, n, value]): Op => {
      return { op: 'atomic_add', addr: addr + 4 * n, value };
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(range, rights).map(([r, prot]): Op => ({ op: 'mmap', ...r, prot, flags: MAP_FLAGS })),
  },
  { weight: 1, arbitrary: range.map((r): Op => ({ op: 'munmap', ...r })) },
  { weight: 2, arbitrary: fc.tuple(range, rights).map(([r, prot]): Op => ({ op: 'mprotect', ...r, prot })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(range, fc.constantFrom(MADV_DONTNEED, MADV_FREE))
      .map(([r, advice]): Op => ({ op: 'madvise', ...r, advice })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(range, fc.constantFrom('mlock' as const, 'munlock' as const))
      .map(([r, op]): Op => ({ op, ...r })),
  },
  { weight: 3, arbitrary: moves },
);

it('is what a model of pages of bytes says, whatever is done to it', { timeout: 240_000 }, () => {
  const begin: Op = { op: 'mmap', addr: A, length: PAGES * PAGE, prot: PROT_READ | PROT_WRITE, flags: MAP_FLAGS };
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 40 }), (ops) => {
      const machine = boot({ cpus: 1, memory: 2 * 1024 * 1024, maxVmas: 64 });
      const model = new Model();
      const all = [begin, ...ops];
      const expected = all.map((op) => ({ op, ...model.run(op) }));
      fc.pre(!model.isUnsure);
      const outcome = machine.runHere(all, 0, true);
      const seen = all.map((op, i) => ({ op, value: outcome.values[i], signal: outcome.signals[i] }));
      expect(seen).toEqual(expected);
      const verdict = judge(
        machine,
        { cpus: [outcome], steps: 0, deadlock: [], unfinished: false },
        {
          events: eventsOf([outcome]),
          exit: true,
        },
      );
      expect(renderVerdict(verdict).join('\n')).toMatch(/^verdict: held/);
    }),
    { numRuns: 300 },
  );
});
