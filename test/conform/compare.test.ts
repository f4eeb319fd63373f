// The comparison, on runs written by hand: what counts as the same, what is explained, and how a program gets smaller.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compare } from '../../src/conform/compare.ts';
import { lonePrograms, programsOf } from '../../src/conform/generate.ts';
import { KNOWN, explain, versionOf } from '../../src/conform/known.ts';
import type { Difference } from '../../src/conform/known.ts';
import type { About, Look, Run, Step } from '../../src/conform/observation.ts';
import { KINDS, MACHINE, PAGE, WINDOWS, programLines, stepsOf } from '../../src/conform/program.ts';
import type { Operation, Program } from '../../src/conform/program.ts';
import { smaller } from '../../src/conform/shrink.ts';

const A = WINDOWS[0]!.start;
const ABOUT: About = { release: '6.18.1', zeroPfn: '3b32', softDirty: false, movesBrk: true, userfaultfd: true };
const BASE_PFN = 0x100000;
const load: Operation = { op: 'load', addr: A };

/** What a process shows whose window a has these entries in pagemap. */
function look(entries: readonly string[], own = 0): Look {
  return {
    process: 0,
    smaps: '',
    status: `VmSize:\t${String(100 + own)} kB\nVmLck:\t0 kB\nRssAnon:\t${String(own)} kB\nVmPTE:\t${String(own)} kB`,
    mincore: WINDOWS.map(({ pages }, w) =>
      w === 0 ? entries.map((e) => (e === '0' ? '0' : '1')).join('') : '-'.repeat(pages),
    ),
    pagemap: WINDOWS.map((_, w) => (w === 0 ? entries.join(' ') : '0')),
  };
}

function run(own: number, ...steps: readonly (readonly string[])[]): Run {
  const step = (entries: readonly string[]): Step => ({
    value: '0',
    signal: 0,
    minor: 0,
    major: 0,
    seen: [look(entries, own)],
  });
  return { start: [look([], own)], steps: steps.map(step) };
}

const program = (count: number): Program => ({
  before: Array.from({ length: count }, () => load),
  threads: [],
  after: [],
});
const differing = (linux: Run, simulated: Run): string[] =>
  compare(program(linux.steps.length), linux, simulated, ABOUT, BASE_PFN).differences.map(({ name }) => name);

const PRESENT = 0x81n << 56n;
const frame = (pfn: number): string => (PRESENT | BigInt(pfn)).toString(16);
const zero = (pfn: number): string => ((0x80n << 56n) | BigInt(pfn)).toString(16);

describe('compare', () => {
  it('takes frames for the same where they stand for the same', () => {
    const linux = run(400, [frame(0x999), zero(0x3b32)], [frame(0x999), frame(0x777)]);
    const simulated = run(0, [frame(0x100005), zero(BASE_PFN)], [frame(0x100005), frame(0x100009)]);
    expect(differing(linux, simulated)).toEqual([]);
  });

  it('sees that a frame was replaced, that two pages share one, and that a page is not the zero page', () => {
    const stays = run(0, [frame(1)], [frame(1)]);
    expect(differing(stays, run(0, [frame(BASE_PFN + 1)], [frame(BASE_PFN + 2)]))).toEqual(['page a[0]']);
    const apart = run(0, [frame(1), frame(2)]);
    expect(differing(apart, run(0, [frame(BASE_PFN + 1), frame(BASE_PFN + 1)]))).toEqual(['page a[1]']);
    expect(differing(run(0, [zero(0x3b32)]), run(0, [zero(BASE_PFN + 1)]))).toEqual(['page a[0]']);
  });

  it('ends at the first step that differs', () => {
    const { differences } = compare(
      program(3),
      run(0, ['0'], [frame(1)], ['0']),
      run(0, ['0'], ['0'], [frame(1)]),
      ABOUT,
      BASE_PFN,
    );
    expect(differences.map(({ step, name, linux, simulated }) => [step, name, linux, simulated])).toEqual([
      [1, 'page a[0]', 'resident present exclusive new frame', 'absent'],
    ]);
  });

  it('compares no frames where they are not to be had', () => {
    const about = { ...ABOUT, zeroPfn: '0' };
    const { differences } = compare(
      program(1),
      run(0, [PRESENT.toString(16)]),
      run(0, [frame(BASE_PFN + 1)]),
      about,
      BASE_PFN,
    );
    expect(differences).toEqual([]);
  });

  it('holds threads that share pages against what is possible', () => {
    const shared: Program = {
      before: [],
      threads: [[{ op: 'store', addr: A, value: 7 }], [load]],
      shares: true,
      after: [],
    };
    const step = (value: string, minor: number): Step => ({ value, signal: 0, minor, major: 0, seen: null });
    const of = (value: string, minor: number): Run => ({
      start: [look([])],
      steps: [{ ...step('0', 1), value: 0 }, step(value, minor), { ...step('0', 0), seen: [look([frame(1)])] }],
    });
    const names = (a: Run, b: Run): string[] =>
      compare(shared, a, b, ABOUT, BASE_PFN).differences.map(({ name }) => name);
    expect(names(of('7', 1), of('0', 2))).toEqual([]);
    expect(names(of('7', 1), of('8', 1))).toEqual(['value']);
    expect(names(of('7', 1), of('7', 9))).toEqual(['minor faults']);
  });
});

describe('known differences', () => {
  const difference = (more: Partial<Difference>): Difference => ({
    step: 0,
    operation: load,
    history: [load],
    returned: ['0', '0'],
    name: 'maps',
    linux: undefined,
    simulated: undefined,
    ...more,
  });
  const joined = {
    linux: '1000-3000 rw-p rd wr',
    simulated: '1000-2000 rw-p rd wr, 2000-3000 rw-p rd wr',
  };

  /** The machine, with two VMAs that have these anon_vmas. */
  const looks = (first: number, second: number): Look[] => [
    {
      process: 0,
      smaps: '',
      status: '',
      mincore: [],
      pagemap: [],
      anonVmas: new Map([
        [0x1000, first],
        [0x2000, second],
      ]),
    },
  ];

  it('are told by the version of the kernel', () => {
    expect(versionOf({ release: '6.8.0-45-generic' })).toBe(608);
    expect(explain(difference(joined), ABOUT, looks(0, 5))?.name).toBe('unfaulted-merge');
    expect(explain(difference(joined), { ...ABOUT, release: '6.8.12' }, looks(0, 5))).toBeUndefined();
  });

  it('are no wider than they have to be', () => {
    for (const same of [looks(0, 0), looks(5, 5), looks(5, 6), null])
      expect(explain(difference(joined), ABOUT, same)).toBeUndefined();
    const other = { ...joined, simulated: '1000-2000 rw-p rd wr, 2000-3000 r--p rd' };
    expect(explain(difference(other), ABOUT, looks(0, 5))).toBeUndefined();
    expect(
      explain(difference({ linux: joined.simulated, simulated: joined.linux }), ABOUT, looks(0, 5)),
    ).toBeUndefined();
    const tables = { name: 'VmPTE', linux: '0 kB', simulated: '4 kB' };
    expect(explain(difference(tables), ABOUT, null)).toBeUndefined();
    const discard: Operation = { op: 'madvise', addr: A, length: 0x200000, advice: 4 };
    expect(explain(difference({ ...tables, history: [discard] }), ABOUT, null)?.name).toBe('pt-reclaim');
  });

  it('have names of their own, and a reason in a sentence', () => {
    expect(new Set(KNOWN.map(({ name }) => name)).size).toBe(KNOWN.length);
    for (const { why } of KNOWN) expect(why).toMatch(/^[A-Z].*\.$/);
  });
});

describe('programs', () => {
  it('are the same for the same seed, and of nothing but the kinds asked for', () => {
    const kinds = ['load', 'store', 'madvise'] as const;
    expect(programsOf(kinds, 40, 3)).toEqual(programsOf(kinds, 40, 3));
    expect(programsOf(kinds, 40, 3)).not.toEqual(programsOf(kinds, 40, 4));
    const lone = fc.sample(lonePrograms(kinds), { seed: 3, numRuns: 50 }).flatMap(stepsOf);
    expect(lone.every((each) => each !== 'join' && (kinds as readonly string[]).includes(each.op))).toBe(true);
  });

  it('have every kind that the machine can do, and threads', () => {
    const programs = programsOf(MACHINE.kinds, 400, 1);
    const kinds = new Set(programs.flatMap(stepsOf).map((each) => (each === 'join' ? each : each.op)));
    for (const kind of [...MACHINE.kinds, 'join']) expect(kinds).toContain(kind);
  });

  it('get smaller, one thing at a time, until nothing is left', () => {
    const weight = (each: Program): number => JSON.stringify({ ...each, shares: undefined }).length;
    fc.assert(
      fc.property(lonePrograms(MACHINE.kinds), (first) => {
        let current = first;
        for (let steps = 0; stepsOf(current).length > 0; steps++) {
          expect(steps).toBeLessThan(100);
          const next = smaller(current)[0]!;
          expect(weight(next)).toBeLessThan(weight(current));
          current = next;
        }
      }),
      { numRuns: 20 },
    );
  });

  it('get smaller whatever is taken of what is smaller, and never come back', () => {
    const choices = fc.infiniteStream(fc.nat());
    fc.assert(
      fc.property(lonePrograms(MACHINE.kinds), choices, (first, stream) => {
        const met = new Set<string>();
        let current = first;
        for (let next = smaller(current); next.length > 0; next = smaller(current)) {
          current = next[stream.next().value! % next.length]!;
          const text = JSON.stringify(current);
          expect(met.has(text), text).toBe(false);
          met.add(text);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('are told to the oracle line by line', () => {
    const lines = programLines(7, { before: [load], threads: [[{ op: 'fork', child: 1 }]], after: [load] }).split('\n');
    expect(lines[0]).toBe('P 7');
    expect(lines.filter((line) => line.startsWith('W'))).toHaveLength(WINDOWS.length);
    expect(lines.slice(-5)).toEqual([`O -1 load ${String(A)} 4`, 'O 0 fork 1', `O -2 load ${String(A)} 4`, 'E', '']);
    expect(KINDS).toEqual(expect.arrayContaining([...MACHINE.kinds]));
    expect(WINDOWS.every(({ start }) => start % PAGE === 0)).toBe(true);
  });
});
