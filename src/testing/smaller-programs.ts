// What is smaller than some programs that fail: fewer CPUs, fewer operations, fewer pages, simpler operations.
//
// Everything here is a function of the operations alone. The boldest candidates come first: most failures need two
// operations that meet on one page.
import type { Op } from '../kernel/program.ts';
import { WORD_BYTES, numbered } from './operations.ts';
import { PAGE_BYTES, pageOf, pagesIn, pagesTouched } from '../stress/pages.ts';

/** What a machine is made ready with, and what each CPU then does. */
export interface RacePrograms {
  /** Done by CPU 0 at full speed, before the race. */
  readonly setup: readonly Op[];
  /** One program for each CPU. */
  readonly programs: readonly (readonly Op[])[];
}

/** Pairs of operations that are tried alone. */
const MAX_PAIRS = 12;
/** A race is between two. */
const MIN_CPUS = 2;

/** Smaller programs, those that are smaller by most in front. */
export function smallerPrograms(programs: RacePrograms): RacePrograms[] {
  return [
    ...pairsAlone(programs),
    ...withoutCpus(programs),
    ...withoutOperations(programs),
    ...withoutSetup(programs),
    ...onFewerPages(programs),
    ...withSmallerSetup(programs),
    ...withSimplerOperations(programs),
    ...withOwnWords(programs),
  ].map(({ setup, programs: ops }) => numbered(setup, ops));
}

/** Operations by which CPUs wait for one another: a program without one of them is another program. */
function isSync(op: Op): boolean {
  return op.op === 'await' || op.op === 'advance' || op.op === 'barrier' || (op.op === 'repeat' && op.ops.some(isSync));
}

const isMap = (op: Op): boolean => op.op === 'mmap';

/** Two operations of two CPUs that meet on a page, each the whole program of its CPU. */
function pairsAlone({ setup, programs }: RacePrograms): RacePrograms[] {
  const bare = setup.filter(isMap);
  const isSmall =
    programs.length <= MIN_CPUS && programs.every((ops) => ops.length <= 1) && bare.length === setup.length;
  if (isSmall || programs.flat().some(isSync)) return [];
  const pairs: RacePrograms[] = [];
  programs.forEach((ops, cpu) => {
    for (const other of programs.slice(cpu + 1)) {
      for (const a of ops) {
        const pages = new Set(pagesTouched(a));
        for (const b of other) {
          if (pagesTouched(b).some((page) => pages.has(page))) pairs.push({ setup: bare, programs: [[a], [b]] });
        }
      }
    }
  });
  return pairs.slice(0, MAX_PAIRS);
}

function withoutCpus({ setup, programs }: RacePrograms): RacePrograms[] {
  if (programs.length <= MIN_CPUS) return [];
  return programs.flatMap((ops, cpu) => (ops.some(isSync) ? [] : [{ setup, programs: programs.toSpliced(cpu, 1) }]));
}

/** Half of a program, then each operation. */
function withoutOperations({ setup, programs }: RacePrograms): RacePrograms[] {
  return programs.flatMap((ops, cpu) =>
    fewer(ops).map((kept) => ({ setup, programs: programs.map((other, i) => (i === cpu ? kept : other)) })),
  );
}

function withoutSetup({ setup, programs }: RacePrograms): RacePrograms[] {
  const bare = setup.filter(isMap);
  const all = bare.length < setup.length ? [{ setup: bare, programs }] : [];
  return [...all, ...setup.map((_, i) => ({ setup: setup.toSpliced(i, 1), programs }))];
}

function fewer(ops: readonly Op[]): (readonly Op[])[] {
  const half = Math.ceil(ops.length / 2);
  const halves = ops.length < 3 || ops.some(isSync) ? [] : [ops.slice(half), ops.slice(0, half)];
  return [...halves, ...ops.flatMap((op, i) => (isSync(op) ? [] : [ops.toSpliced(i, 1)]))];
}

/** All that programs do on one page, then one page less. */
function onFewerPages({ setup, programs }: RacePrograms): RacePrograms[] {
  const pages = [...new Set(programs.flat().flatMap(pagesTouched))];
  const [first] = pages;
  if (first === undefined || pages.length < 2) return [];
  const moved = (from: (page: number) => boolean, to: number): RacePrograms => ({
    setup,
    programs: programs.map((ops) => ops.map((op) => onPage(op, from, to))),
  });
  const others = pages.slice(1);
  const onto = pages.slice(0, MAX_PAIRS).map((page) => moved(() => true, page));
  const onlyMoved = others.length < 2 ? [] : others.map((page) => moved((other) => other === page, first));
  return [...onto, ...onlyMoved].filter((candidate) => countPages(candidate) < pages.length);
}

function countPages({ programs }: RacePrograms): number {
  return new Set(programs.flat().flatMap(pagesTouched)).size;
}

/** An operation that begins on one of the pages `from`: on the page `to` alone. */
function onPage(op: Op, from: (page: number) => boolean, to: number): Op {
  if (!('addr' in op) || !from(pageOf(op.addr))) return op;
  return { ...onePage(op), addr: to + (op.addr % PAGE_BYTES) };
}

type Placed = Extract<Op, { addr: number }>;

function onePage(op: Placed): Placed {
  if ('length' in op) return { ...op, length: PAGE_BYTES };
  if (op.op === 'mremap') return { ...op, old_length: PAGE_BYTES, new_length: PAGE_BYTES };
  return op.op === 'touch' ? { ...op, pages: 1 } : op;
}

/** Regions that reach from the first to the last page that is used. */
function withSmallerSetup({ setup, programs }: RacePrograms): RacePrograms[] {
  const used = [...setup.filter((op) => !isMap(op)), ...programs.flat()].flatMap(pagesTouched);
  return setup.flatMap((op, i) => {
    if (op.op !== 'mmap') return [];
    const inside = used.filter((page) => page >= op.addr && page < op.addr + op.length);
    if (inside.length === 0) return [];
    const addr = Math.min(...inside);
    const length = Math.max(...inside) + PAGE_BYTES - addr;
    if (length >= op.length) return [];
    return [{ setup: setup.map((other, j) => (i === j ? { ...op, addr, length } : other)), programs }];
  });
}

/** A store or a load in place of something longer; fewer pages. */
function withSimplerOperations({ setup, programs }: RacePrograms): RacePrograms[] {
  return programs.flatMap((ops, cpu) =>
    ops.flatMap((op, i) =>
      simpler(op).map((instead) => ({
        setup,
        programs: programs.map((other, j) => (j === cpu ? other.map((old, k) => (k === i ? instead : old)) : other)),
      })),
    ),
  );
}

function simpler(op: Op): Op[] {
  if (op.op === 'repeat') return op.times > 1 ? [{ ...op, times: 1 }] : [];
  if (!('addr' in op) || op.op === 'store') return [];
  const word = op.addr - (op.addr % WORD_BYTES);
  const store: Op = { op: 'store', addr: word, value: 0 };
  if (op.op === 'load') return [store];
  const small = pagesIn(op) > 1 ? [onePage(op)] : [];
  return [store, { op: 'load', addr: word }, ...small];
}

/** Every CPU on a word of its own, the first for CPU 0: so tables are easiest to read. */
function withOwnWords({ setup, programs }: RacePrograms): RacePrograms[] {
  const own = programs.map((ops, cpu) =>
    ops.map((op) => (op.op === 'store' || op.op === 'load' ? { ...op, addr: pageOf(op.addr) + cpu * WORD_BYTES } : op)),
  );
  const differs = own.some((ops, cpu) =>
    ops.some((op, i) => {
      const before = programs[cpu]?.[i];
      return 'addr' in op && before !== undefined && 'addr' in before && op.addr !== before.addr;
    }),
  );
  return differs ? [{ setup, programs: own }] : [];
}
