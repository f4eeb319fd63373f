// Sequences whose outcome is known, since it was measured: faults, entries of pagemap and sizes of page tables, step by
// step, on the kernel that runs here and on the simulated one.
import { describe, expect, it } from 'vitest';
import type { Run } from '../../src/conform/observation.ts';
import { ARENA_START, PAGE } from '../../src/conform/program.ts';
import type { Operation } from '../../src/conform/program.ts';
import { Simulated } from '../../src/conform/simulated.ts';
import { Viewer } from '../../src/conform/view.ts';
import type { View } from '../../src/conform/view.ts';
import { oracleOrReason } from '../support/oracle.ts';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** The first page of window a, whose first 2 MiB end six pages later; window b lies where 1 GiB begins. */
const A = ARENA_START + 2 * MIB - 6 * PAGE;
const B = ARENA_START + GIB - 3 * PAGE;
const C = ARENA_START + 3 * GIB;
const MADV_DONTNEED = 4;

const map = (addr: number, pages: number): Operation => ({
  op: 'mmap',
  addr,
  length: pages * PAGE,
  prot: 3,
  flags: 0x32,
});
const load = (addr: number): Operation => ({ op: 'load', addr });
const store = (addr: number): Operation => ({ op: 'store', addr, value: 7 });
const discard = (addr: number, pages: number): Operation => ({
  op: 'madvise',
  addr,
  length: pages * PAGE,
  advice: MADV_DONTNEED,
});

const oracle = await oracleOrReason();

/** What is expected after an operation: observables by their names. */
type Expected = readonly [operation: Operation, seen: Readonly<Record<string, string>>];

const SEQUENCES: Readonly<Record<string, readonly Expected[]>> = {
  'a read and then a write are two faults, a write at once is one': [
    [map(A, 12), { 'page a[0]': 'absent' }],
    [load(A), { 'minor faults': '1', 'page a[0]': 'resident present zero page', RssAnon: '0 kB' }],
    [load(A), { 'minor faults': '0' }],
    [store(A), { 'minor faults': '1', 'page a[0]': 'resident present exclusive new frame', RssAnon: '4 kB' }],
    [store(A + PAGE), { 'minor faults': '1', 'page a[1]': 'resident present exclusive new frame', RssAnon: '8 kB' }],
    [store(A + PAGE), { 'minor faults': '0' }],
  ],
  'two pages that were only read have the zero page both': [
    [map(A, 12), {}],
    [load(A), { 'page a[0]': 'resident present zero page' }],
    [load(A + PAGE), { 'page a[1]': 'resident present zero page', 'page a[0]': 'resident present zero page' }],
  ],
  'page tables come with the first touch below them, and stay when pages are thrown away': [
    [map(A, 12), { VmPTE: '0 kB' }],
    [map(B, 6), { VmPTE: '0 kB' }],
    [map(C, 8), { VmPTE: '0 kB' }],
    // With the whole arena comes its directory of directories.
    [store(A), { VmPTE: '12 kB' }],
    [store(A + PAGE), { VmPTE: '12 kB' }],
    [store(A + 6 * PAGE), { VmPTE: '16 kB' }],
    [store(C), { VmPTE: '24 kB' }],
    [discard(A, 12), { VmPTE: '24 kB', 'page a[0]': 'absent', 'page a[6]': 'absent', RssAnon: '4 kB' }],
    [store(A), { 'minor faults': '1', VmPTE: '24 kB', RssAnon: '8 kB' }],
  ],
  'a page that both have after a fork is copied by who writes first, and is the other’s own then': [
    [map(A, 12), {}],
    [store(A), { 'page a[0]': 'resident present exclusive new frame' }],
    [
      { op: 'fork', child: 1 },
      {
        'page a[0]': 'resident present same frame',
        'process 1 page a[0]': 'resident present frame of a[0]',
        'process 1 RssAnon': '4 kB',
      },
    ],
    [{ op: 'as', process: 1 }, {}],
    [
      store(A),
      {
        'minor faults': '1',
        'page a[0]': 'resident present exclusive same frame',
        'process 1 page a[0]': 'resident present exclusive new frame',
      },
    ],
    [{ op: 'as', process: 0 }, {}],
    // Reuse: a fault, and the frame that it had.
    [store(A), { 'minor faults': '1', 'page a[0]': 'resident present exclusive same frame' }],
    [store(A), { 'minor faults': '0' }],
  ],
};

/** What is seen after each step of a run, of a kernel whose zero page has this frame. */
function viewsOf(run: Run, operations: readonly Operation[], zeroPfn: string): View[] {
  const viewer = new Viewer(run.start, { zeroPfn });
  return operations.map((operation, i) => viewer.view(operation, run.steps[i]!, true));
}

function expectSequence(views: readonly View[], sequence: readonly Expected[], softDirty: boolean): void {
  const plain = (text: string | undefined): string | undefined => (softDirty ? text?.replace(' soft-dirty', '') : text);
  for (const [i, [operation, seen]] of sequence.entries()) {
    const found = Object.fromEntries(Object.keys(seen).map((name) => [name, plain(views[i]?.get(name))]));
    expect(found, `step ${String(i + 1)}, ${operation.op}`).toEqual(seen);
  }
}

describe.each(Object.entries(SEQUENCES))('%s', (_, sequence) => {
  const operations = sequence.map(([operation]) => operation);
  const program = { before: operations, threads: [], after: [] };

  it('on the kernel that runs here', async ({ skip }) => {
    if (typeof oracle === 'string') {
      skip(oracle);
      return;
    }
    if (oracle.about.zeroPfn === '0') skip('frame numbers are for root');
    const [run] = await oracle.ask([program]);
    expectSequence(viewsOf(run!, operations, oracle.about.zeroPfn), sequence, oracle.about.softDirty);
  });

  it.each([true, false])('on the simulated one, soft-dirty bits %s', async (softDirty) => {
    const simulated = new Simulated({ softDirty });
    const run = await simulated.run(program);
    expectSequence(viewsOf(run, operations, simulated.basePfn.toString(16)), sequence, softDirty);
  });
});
