// The comparison, on runs written by hand: what counts as the same, what is explained, and how a program gets smaller.
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compare } from '../../src/conform/compare.ts';
import { lonePrograms, monitoredPrograms, programsOf } from '../../src/conform/generate.ts';
import { KNOWN, explain, versionOf } from '../../src/conform/known.ts';
import type { Difference } from '../../src/conform/known.ts';
import type { About, Look, Run, Step } from '../../src/conform/observation.ts';
import { KINDS, MACHINE, PAGE, WINDOWS, canRun, populates, programLines, stepsOf } from '../../src/conform/program.ts';
import type { Operation, Program } from '../../src/conform/program.ts';
import { EEXIST, ENOENT } from '../../src/kernel/mm/flags.ts';
import { smaller } from '../../src/conform/shrink.ts';

const A = WINDOWS[0]!.start;
const ABOUT: About = { release: '6.18.1', zeroPfn: '3b32', softDirty: false, movesBrk: true, userfaultfd: 'all' };
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

  it('knows where a fill that failed has left an anon_vma, which only shows later', () => {
    const fill: Operation = { op: 'uffd_zeropage', addr: A + PAGE, length: PAGE };
    const forked: Program = { before: [fill, { op: 'fork', child: 1 }], threads: [], after: [] };
    const of = (value: number, anonVma: number, child: string): Run => {
      const own: Look = { ...look(['0']), anonVmas: new Map([[A, anonVma]]) };
      const step: Step = { value, signal: 0, minor: 0, major: 0, seen: [own] };
      return { start: [look([])], steps: [step, { ...step, value: 0, seen: [own, { ...look([child]), process: 1 }] }] };
    };
    const compared = (value: number, anonVma: number): [string[], string[]] => {
      const [linux, simulated] = [of(value, 9, zero(0x3b32)), of(value, anonVma, '0')];
      const { differences, explained } = compare(forked, linux, simulated, ABOUT, BASE_PFN);
      return [differences.map(({ name }) => name), [...explained.keys()]];
    };
    expect(compared(-ENOENT, 0)).toEqual([[], ['fill-prepares']]);
    expect(compared(-ENOENT, 5)).toEqual([['process 1 page a[0]'], []]);
    expect(compared(-EEXIST, 0)).toEqual([['process 1 page a[0]'], []]);
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

  it('of monitors are of the operations that meet them', () => {
    const watch: Operation = { op: 'uffd_register', addr: A, length: PAGE, how: 'copy', value: 1 };
    const minor = { name: 'minor faults', linux: '1', simulated: '0' };
    const named = (more: Partial<Difference>, about = ABOUT): string | undefined =>
      explain(difference(more), about, [])?.name;
    expect(named({ ...minor, history: [watch, load] })).toBe('first-fault-waits');
    expect(named({ ...minor, history: [watch, load] }, { ...ABOUT, release: '6.8.1' })).toBeUndefined();
    expect(named({ ...minor, history: [load] })).toBeUndefined();
    expect(named({ ...minor, linux: '0', simulated: '1', history: [watch, load] })).toBeUndefined();
    const operation: Operation = { op: 'madvise', addr: A, length: PAGE, advice: 23 };
    const major = { operation, name: 'major faults', linux: '1', simulated: '0' };
    expect(named({ ...major, history: [watch, operation] })).toBe('populate-tried');
    expect(named({ ...major, history: [operation] })).toBeUndefined();
    const fork: Operation = { op: 'fork', child: 1 };
    const copied = { operation: fork, name: 'process 1 page a[0]', linux: 'resident', simulated: 'absent' };
    expect(named({ ...copied, fillFailed: true })).toBe('fill-prepares');
    expect(named({ ...copied, operation: load, fillFailed: true })).toBeUndefined();
    expect(named(copied)).toBeUndefined();
  });

  it('have names of their own, and a reason in a sentence', () => {
    expect(new Set(KNOWN.map(({ name }) => name)).size).toBe(KNOWN.length);
    for (const { why } of KNOWN) expect(why).toMatch(/^[A-Z].*\.$/);
  });
});

const anyProgram = fc.oneof(lonePrograms(MACHINE.kinds), monitoredPrograms(MACHINE.kinds));

describe('programs', () => {
  it('are the same for the same seed, and of nothing but the kinds asked for', () => {
    const kinds = ['load', 'store', 'madvise'] as const;
    expect(programsOf(kinds, 40, 3)).toEqual(programsOf(kinds, 40, 3));
    expect(programsOf(kinds, 40, 3)).not.toEqual(programsOf(kinds, 40, 4));
    const lone = fc.sample(lonePrograms(kinds), { seed: 3, numRuns: 50 }).flatMap(stepsOf);
    expect(lone.every((each) => each !== 'join' && (kinds as readonly string[]).includes(each.op))).toBe(true);
  });

  it('are the same with monitors and without, but for those that have one', () => {
    const without = MACHINE.kinds.filter((kind) => !kind.startsWith('uffd_'));
    const [all, some] = [programsOf(MACHINE.kinds, 60, 1), programsOf(without, 60, 1)];
    const isMonitored = ({ before }: Program): boolean => before.some(({ op }) => op.startsWith('uffd_'));
    expect(all.filter(isMonitored).length).toBeGreaterThan(10);
    const same = all.filter((program, i) => isDeepStrictEqual(program, some[i]));
    expect(same.some(isMonitored)).toBe(false);
    expect(same.length).toBeGreaterThanOrEqual((all.length * 2) / 3);
    expect(programsOf(['uffd_wake', 'uffd_close'], 20, 1)).toHaveLength(20);
    const ofUsers = programsOf(MACHINE.kinds, 60, 1, true).filter(isMonitored);
    expect(ofUsers.length).toBeGreaterThan(10);
    expect(ofUsers.flatMap(({ before }) => before).filter(populates)).toEqual([]);
  });

  it('have every kind that the machine can do, and threads', () => {
    const programs = programsOf(MACHINE.kinds, 400, 1);
    const kinds = new Set(programs.flatMap(stepsOf).map((each) => (each === 'join' ? each : each.op)));
    for (const kind of [...MACHINE.kinds, 'join']) expect(kinds).toContain(kind);
  });

  it('get smaller, one thing at a time, until nothing is left', () => {
    const weight = (each: Program): number => JSON.stringify({ ...each, shares: undefined }).length;
    fc.assert(
      fc.property(anyProgram, (first) => {
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
      fc.property(anyProgram, choices, (first, stream) => {
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

  it('run where the kernel permits what they do', () => {
    const monitored = fc.sample(monitoredPrograms(MACHINE.kinds), { seed: 1, numRuns: 50 });
    const here = (userfaultfd: About['userfaultfd']): Program[] => {
      return monitored.filter((each) => canRun(each, { movesBrk: true, userfaultfd }));
    };
    expect(here('all')).toEqual(monitored);
    expect(here('none').every(({ before }) => before.every(({ op }) => !op.startsWith('uffd_')))).toBe(true);
    const registered = here('user').filter(({ before }) => before.some(({ op }) => op === 'uffd_register'));
    expect(registered.length).toBeGreaterThan(5);
    expect(registered.flatMap(({ before }) => before).filter(populates)).toEqual([]);
    expect(here('user').length).toBeLessThan(monitored.length);
  });

  it('are told to the oracle line by line', () => {
    const lines = programLines(7, { before: [load], threads: [[{ op: 'fork', child: 1 }]], after: [load] }).split('\n');
    expect(lines[0]).toBe('P 7');
    expect(lines.filter((line) => line.startsWith('W'))).toHaveLength(WINDOWS.length);
    expect(lines.slice(-5)).toEqual([`O -1 load ${String(A)} 4`, 'O 0 fork 1', `O -2 load ${String(A)} 4`, 'E', '']);
    const watch: Operation = { op: 'uffd_register', addr: A, length: PAGE, how: 'zeropage', value: 9 };
    expect(programLines(0, { before: [watch], threads: [], after: [] })).toContain(
      `uffd_register ${String(A)} 4096 1 9\n`,
    );
    expect(KINDS).toEqual(expect.arrayContaining([...MACHINE.kinds]));
    expect(WINDOWS.every(({ start }) => start % PAGE === 0)).toBe(true);
  });
});
