// Verdicts: what they are made of, and how they read.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exitCodeOf, judge, judgeMachine, renderFindings, renderVerdict, wrap } from '../../src/check/verdict.ts';
import type { MemoryEvent } from '../../src/check/user-memory.ts';
import { mm_struct, page } from '../../src/kernel/layout.ts';
import { boot } from '../../src/machine/boot.ts';
import type { GangOutcome } from '../../src/machine/gang.ts';
import { snapshot } from '../../src/machine/snapshot.ts';
import { HandMachine, LISTED } from '../support/hand-machine.ts';

const ADDR = 0x75e52fc77004;
const lostStore: MemoryEvent[] = [
  { cpu: 1, kind: 'store', addr: ADDR, length: 4, value: 2, invoked: 1, returned: 2 },
  { cpu: 0, kind: 'load', addr: ADDR, length: 4, value: 0, invoked: 3, returned: 4 },
];
const stuck = [{ judge: 'stuck', message: 'deadlock: every CPU waits for another', details: [] }];
const died = [{ judge: 'died', message: 'CPU 1 died in the run: out of memory', details: [] }];
const run = '2 CPUs, one run';

describe('judgeMachine', () => {
  it('holds, and says what was looked at', () => {
    const atRest = snapshot(new HandMachine().buffer);
    expect(judgeMachine({ run, atRest, events: [] })).toEqual({
      kind: 'held',
      findings: [],
      bounds: '2 CPUs, one run, all invariants at rest, 0 words of user memory',
    });
  });
  it('is violated by the machine, by its memory, or by what is left after exit', () => {
    const machine = new HandMachine();
    const afterExit = snapshot(machine.buffer);
    machine.words[machine.page(LISTED) + page._refcount] = 4;
    const atRest = snapshot(machine.buffer);
    expect(judgeMachine({ run, atRest }).findings.map((f) => f.judge)).toEqual(['I2']);
    expect(judgeMachine({ run, events: lostStore }).findings.map((f) => f.judge)).toEqual(['I13']);
    expect(judgeMachine({ run, afterExit }).findings.map((f) => f.judge)).toEqual(['leak', 'leak', 'leak']);
    expect(judgeMachine({ run, afterExit }).kind).toBe('violated');
  });
  it('judges a machine that did not come to an end by that alone', () => {
    const events = lostStore;
    expect(judgeMachine({ run, events, stuck })).toEqual({
      kind: 'stuck',
      findings: stuck,
      bounds: 'the run did not end',
    });
    expect(judgeMachine({ run, events, stuck, died })).toMatchObject({
      kind: 'violated',
      findings: [...died, ...stuck],
    });
  });
  it('does not call held what it could not decide', () => {
    // No order explains the second load, and there are more orders of the stores than can be tried.
    const stores = Array.from({ length: 30 }, (_, cpu): MemoryEvent => ({
      ...lostStore[0]!,
      cpu,
      value: 5,
      returned: 99,
    }));
    const first: MemoryEvent = { ...lostStore[0]!, kind: 'load', cpu: 40, value: 5, invoked: 10, returned: 20 };
    const second: MemoryEvent = { ...first, value: 0, invoked: 30, returned: 40 };
    const { kind, bounds } = judgeMachine({ run, events: [...stores, first, second] });
    expect([kind, bounds]).toEqual(['not decided', '2 CPUs, one run, 1 word of user memory, 1 of them not decided']);
  });
  it('has an exit code for each verdict', () => {
    expect((['held', 'violated', 'not decided', 'stuck'] as const).map(exitCodeOf)).toEqual([0, 1, 3, 124]);
  });
});

describe('judge', () => {
  const outcome: GangOutcome = { cpus: [], died: [], seconds: 0 };
  const started = (): ReturnType<typeof boot> => {
    const machine = boot({ cpus: 2, memory: 4 * 1024 * 1024, stuckMs: 50 });
    const map = { op: 'mmap', addr: ADDR - 4, length: 4096, prot: 3, flags: 0x32 } as const;
    machine.runHere([map, { op: 'store', addr: ADDR, value: 1 }]);
    return machine;
  };
  it('judges at rest and after exit', () => {
    expect(judge(started(), outcome, { exit: true })).toEqual({
      kind: 'held',
      findings: [],
      bounds: '2 CPUs, one run, all invariants at rest, leaks after exit',
    });
  });
  it('says who holds what holds up the exit', () => {
    const machine = started();
    machine.words[machine.mm + mm_struct.mmap_lock] = 1;
    machine.words[machine.mm + mm_struct.mmap_lock + 1] = 2;
    const { kind, findings } = judge(machine, outcome, { exit: true });
    expect(kind).toBe('violated');
    expect(findings.map((f) => f.judge)).toEqual(['locks', 'stuck']);
    expect(findings[0]?.details[0]).toMatch(/^mmap_lock \(word 0x[0-9a-f]+\) held by CPU 1$/);
    expect(findings[1]?.message).toMatch(
      /^BUG: soft lockup - CPU#0 stuck for .* waits for mmap_lock .* held by CPU 1$/,
    );
  });
});

describe('text', () => {
  it('fits 80 columns and loses nothing', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, maxLength: 120, unit: fc.constantFrom('a', '7', '(') }), { minLength: 1 }),
        (words) => {
          const lines = wrap(words.join(' '), '  I13    ', '         ');
          for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
          expect(lines.join('').replaceAll(' ', '')).toBe(`I13${words.join('')}`);
        },
      ),
    );
  });
  it('shows the judge, the sentence and what disagrees', () => {
    const findings = judgeMachine({ run, events: lostStore }).findings;
    expect(
      renderFindings([...findings, { judge: 'I2', message: '1 folio leaked', details: ['pfn 0x1', 'and 2 more'] }]),
    ).toEqual([
      '  I13    lost store: CPU 1 stored 0x2 at 0x75e52fc77004, later load by CPU 0',
      '         returned 0x0; no order of the stores explains it',
      '  I2     1 folio leaked',
      '           pfn 0x1',
      '           and 2 more',
    ]);
  });
  it('begins with the verdict and its bounds', () => {
    expect(renderVerdict({ kind: 'held', findings: [], bounds: run })).toEqual(['verdict: held (2 CPUs, one run)']);
  });
});
