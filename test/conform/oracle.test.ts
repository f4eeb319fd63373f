// The oracle itself: what it tells of a program whose end is known on every Linux, and how it says that there is none.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { NoOracle, buildOracle } from '../../src/conform/oracle.ts';
import { PAGE, START_BRK, WINDOWS, stepsOf } from '../../src/conform/program.ts';
import type { Operation, Program } from '../../src/conform/program.ts';
import { Viewer } from '../../src/conform/view.ts';
import type { View } from '../../src/conform/view.ts';
import { oracleOrReason } from '../support/oracle.ts';

const oracle = await oracleOrReason();
const A = WINDOWS[0]!.start;
const map: Operation = { op: 'mmap', addr: A, length: 4 * PAGE, prot: 3, flags: 0x32 };
const folder = mkdtempSync(join(tmpdir(), 'pagerace-oracle-test-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const lone = (...before: Operation[]): Program => ({ before, threads: [], after: [] });

/** The views of a program's steps on Linux; skips the test where there is no oracle. */
async function seen(skip: (why: string) => void, program: Program): Promise<View[]> {
  if (typeof oracle === 'string') {
    skip(oracle);
    return [];
  }
  const [run] = await oracle.ask([program]);
  const viewer = new Viewer(run!.start, oracle.about);
  return stepsOf(program).map((operation, i) => viewer.view(operation, run!.steps[i]!, true));
}

describe('the oracle', () => {
  it('counts the faults, pages and tables of the program, and nothing of its own', async ({ skip }) => {
    const program = lone(map, { op: 'load', addr: A }, { op: 'store', addr: A, value: 7 }, { op: 'load', addr: A });
    const views = await seen(skip, program);
    expect(views.map((view) => view.get('minor faults'))).toEqual(['0', '1', '1', '0']);
    expect(views.map((view) => view.get('RssAnon'))).toEqual(['0 kB', '0 kB', '4 kB', '4 kB']);
    expect(views.map((view) => view.get('VmPTE'))).toEqual(['0 kB', '12 kB', '12 kB', '12 kB']);
    expect(views.map((view) => view.get('VmSize'))).toEqual(Array.from({ length: 4 }, () => '16 kB'));
    expect(views[3]?.get('value')).toBe('0x7');
  });

  it('survives signals, and knows them', async ({ skip }) => {
    const views = await seen(
      skip,
      lone(
        { op: 'store', addr: A, value: 1 },
        { ...map, prot: 1 },
        { op: 'touch', addr: A, pages: 2, write: true, value: 1 },
      ),
    );
    expect(views.map((view) => view.get('signal'))).toEqual(['11', '0', '11']);
  });

  it('looks at every process of a family', async ({ skip }) => {
    const store: Operation = { op: 'store', addr: A, value: 1 };
    const program = lone(map, store, { op: 'fork', child: 2 }, store, { op: 'as', process: 2 }, store, {
      op: 'exit_process',
      process: 2,
    });
    const views = await seen(skip, program);
    expect(views.map((view) => view.get('processes'))).toEqual(['0', '0', '0 2', '0 2', '0 2', '0 2', '0 2']);
    // The parent copies, and then the child has the page for itself.
    expect(views.map((view) => view.get('minor faults'))).toEqual(['0', '1', '0', '1', '0', '1', '0']);
    expect(views.at(-1)?.get('value')).toBe('error 16');
  });

  it('answers the faults of a process that has registered them, until it closes', async ({ skip }) => {
    if (typeof oracle !== 'string' && oracle.about.userfaultfd === 'none') skip('there is no userfaultfd here');
    const watch = (how: 'copy' | 'zeropage', value: number): Operation => {
      return { op: 'uffd_register', addr: A, length: 3 * PAGE, how, value };
    };
    const loads = [0, 1, 2, 3].map((page): Operation => ({ op: 'load', addr: A + page * PAGE + 8 }));
    const [first, second, third, last] = loads as [Operation, Operation, Operation, Operation];
    const program = lone(
      map,
      watch('copy', 0x11),
      first,
      last,
      watch('zeropage', 1),
      second,
      { op: 'uffd_close' },
      third,
    );
    const views = await seen(skip, program);
    expect(views.map((view) => view.get('value'))).toEqual([
      A.toString(16),
      '0',
      '0x11',
      '0x0',
      '0',
      '0x0',
      '0',
      '0x0',
    ]);
    expect(views.at(-3)?.get('maps')).toMatch(/um.*, /);
    expect(views.at(-1)?.get('maps')).not.toContain('um');
    expect(views.at(-1)?.get('RssAnon')).toBe('4 kB');
  });

  it('fills pages itself, and says how far it came', async ({ skip }) => {
    if (typeof oracle !== 'string' && oracle.about.userfaultfd === 'none') skip('there is no userfaultfd here');
    const fill = (pages: number): Operation => ({ op: 'uffd_copy', addr: A, length: pages * PAGE, value: 3 });
    const watch: Operation = { op: 'uffd_register', addr: A, length: 4 * PAGE, how: 'copy', value: 1 };
    const zeroes: Operation = { op: 'uffd_zeropage', addr: A + 2 * PAGE, length: PAGE };
    const wake: Operation = { op: 'uffd_wake', addr: A, length: PAGE };
    const unwatch: Operation = { op: 'uffd_unregister', addr: A, length: 4 * PAGE };
    const views = await seen(skip, lone(map, fill(1), watch, fill(2), fill(1), zeroes, wake, unwatch, fill(1)));
    expect(views.map((view) => view.get('value'))).toEqual([
      A.toString(16),
      'error 2',
      '0',
      '8192',
      'error 17',
      '4096',
      '0',
      '0',
      'error 2',
    ]);
    expect(views.every((view) => view.get('minor faults') === '0')).toBe(true);
  });

  it('runs threads at once, and tells what each came to', async ({ skip }) => {
    const threads = [0, 1].map((thread): Operation[] => [{ op: 'store', addr: A + thread * PAGE, value: thread + 1 }]);
    const views = await seen(skip, { before: [map], threads, after: [{ op: 'load', addr: A + PAGE }] });
    expect(views.map((view) => view.get('minor faults'))).toEqual(['0', '1', '1', '0', '0']);
    expect(views[3]?.get('RssAnon')).toBe('8 kB');
    expect(views[4]?.get('value')).toBe('0x2');
  });

  it('moves the break into the arena where that can be done', async ({ skip }) => {
    if (typeof oracle !== 'string' && !oracle.about.movesBrk) skip('the break cannot be moved here');
    const [view] = await seen(skip, lone({ op: 'brk', addr: START_BRK + PAGE }));
    expect(view?.get('maps')).toMatch(/^201000000000-201000001000 rw-p \[heap\]/);
  });
});

describe('where there is no oracle', () => {
  it('says that there is no compiler', ({ skip }) => {
    if (process.platform !== 'linux') skip('this is not Linux');
    // Another cache, so that it must be compiled.
    expect(() => buildOracle({ compiler: '/nowhere/cc', folder })).toThrow(
      new NoOracle("The oracle can't be compiled: there is no C compiler '/nowhere/cc'; install one, for example gcc."),
    );
  });

  it('says what the compiler said', ({ skip }) => {
    if (process.platform !== 'linux') skip('this is not Linux');
    const compiler = join(folder, 'cc');
    writeFileSync(compiler, '#!/bin/sh\necho "oracle.c:1: error: no such thing" >&2\nexit 1\n', { mode: 0o755 });
    expect(() => buildOracle({ compiler, folder })).toThrow(
      new NoOracle("The oracle can't be compiled here: oracle.c:1: error: no such thing"),
    );
  });

  it('says what this is', () => {
    expect(() => buildOracle({ platform: 'darwin' })).toThrow(
      new NoOracle(`There is no kernel to compare with: this is darwin on ${process.arch}, not Linux on x86-64.`),
    );
  });
});
