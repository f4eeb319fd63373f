// The reduction explores every behaviour, each once: against published counts, and against an enumeration that shares no
// code with it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explore } from '../../src/explore/index.ts';
import type { MemoryModel, Program } from '../../src/explore/index.ts';
import { LITMUS_TESTS } from '../../src/explore/litmus/catalogue.ts';
import { litmusProgram } from '../../src/explore/litmus/test.ts';
import {
  addIncrement,
  binc,
  cinc,
  lostUpdate,
  mutexIncrement,
  rw,
  wainc,
  writers,
  xaddIncrement,
} from '../../src/explore/programs/increments.ts';
import { pageFault } from '../../src/explore/programs/page-fault.ts';
import { filesystem, indexer, lastzero, paperExample, readers } from '../../src/explore/programs/published.ts';
import { countTraces, endKey, endStates } from '../support/enumerate.ts';
import { buildProgram, randomPrograms } from '../support/random-program.ts';

const MODELS: readonly MemoryModel[] = ['sc', 'tso', 'pso'];
/** Random programs that are compared; their seed is fixed so that a failure comes again. */
const PROGRAMS = Number(process.env.PAGERACE_PROGRAMS ?? 500);

/** Everything that a strategy finds at the end of executions, deadlocks included, as the enumerator names it. */
function endsBy(program: Program, strategy: 'dpor' | 'exhaustive', memoryModel: MemoryModel) {
  const ends = new Set<string>();
  const exploration = explore(
    { ...program, check: () => undefined },
    {
      strategy,
      memoryModel,
      stopAtFailure: false,
      shrink: false,
      audit: strategy === 'dpor',
      auditSchedules: 0,
      onExecution: ({ memory, returns, waiting }) => ends.add(endKey(memory, returns, waiting)),
    },
  );
  return { ends, exploration };
}

const count = (program: Program): [number, number] => {
  const { executions, blocked } = explore(program, { stopAtFailure: false, shrink: false });
  return [executions, blocked];
};

describe('published counts', () => {
  it.each<[string, Program, number]>([
    ['readers(2)', readers(2), 4],
    ['readers(8)', readers(8), 256],
    ['readers(13)', readers(13), 8192],
    ['lastzero(5)', lastzero(5), 64],
    ['lastzero(10)', lastzero(10), 3328],
    ['lastzero(15)', lastzero(15), 147_456],
    ['indexer(11)', indexer(11), 1],
    ['indexer(12)', indexer(12), 8],
    ['indexer(13)', indexer(13), 64],
    ['indexer(15)', indexer(15), 4096],
    ['filesystem(14)', filesystem(14), 2],
    ['filesystem(16)', filesystem(16), 8],
    ['filesystem(18)', filesystem(18), 32],
    ['filesystem(19)', filesystem(19), 64],
    ['lost update of 2', lostUpdate(2), 4],
    ['lost update of 3', lostUpdate(3), 36],
    ['lost update of 4', lostUpdate(4), 576],
    ['atomic increment of 4', xaddIncrement(4), 24],
    ['atomic increment of 6', xaddIncrement(6), 720],
    ['additions that return nothing', addIncrement(4), 1],
    ['increments under one lock, 3', mutexIncrement(3), 6],
    ['increments under one lock, 5', mutexIncrement(5), 120],
    ['two atomic increments of 3', binc(3), 36],
    ['three atomic increments of 3', cinc(3), 216],
    ['6 writers', writers(6), 720],
    ['a write and 4 atomic additions', wainc(4), 120],
    ['read and blind write of 4', rw(4), 576],
    ["the paper's example", paperExample(), 5],
    ['a page fault on 2 CPUs', pageFault(2), 4],
    ['a page fault on 3 CPUs', pageFault(3), 15],
    ['a page fault on 4 CPUs', pageFault(4), 64],
    ['a page fault on 5 CPUs', pageFault(5), 325],
  ])(
    '%s',
    (_, program, executions) => {
      expect(count(program)).toEqual([executions, 0]);
    },
    60_000,
  );
});

describe('litmus tests', () => {
  it.each(LITMUS_TESTS.map((test) => [test.name, test] as const))('%s', (_, test) => {
    const program = litmusProgram(test);
    for (const model of MODELS) {
      const { verdict } = explore(program, { memoryModel: model });
      expect([model, verdict]).toEqual([model, test.allowed[model] ? 'violated' : 'held']);
      const { ends } = endsBy(program, 'dpor', model);
      if (test.outcomes !== undefined) expect([model, ends.size]).toEqual([model, test.outcomes[model]]);
    }
    expect(endsBy(program, 'dpor', 'sc').exploration.executions).toBe(test.traces);
  });
});

describe('random programs', () => {
  it(`come to the same ends by dpor and by brute force under every memory model, ${String(PROGRAMS)} programs`, () => {
    fc.assert(
      fc.property(randomPrograms(), (data) => {
        const program = buildProgram(data);
        for (const model of MODELS) {
          const { ends, exploration } = endsBy(program, 'dpor', model);
          expect([...ends].sort()).toEqual([...endStates(program, model)].sort());
          expect(exploration.audit?.duplicates).toBe(0);
        }
      }),
      { numRuns: PROGRAMS, seed: 20_100 },
    );
  });

  it('explore each Mazurkiewicz trace exactly once, and abandon none, under sc', () => {
    fc.assert(
      fc.property(randomPrograms(), (data) => {
        const program = buildProgram(data);
        const { exploration } = endsBy(program, 'dpor', 'sc');
        expect([exploration.executions, exploration.blocked]).toEqual([countTraces(program), 0]);
      }),
      { numRuns: PROGRAMS, seed: 20_101 },
    );
  });

  it('come to the same ends by dpor and by every schedule', () => {
    fc.assert(
      fc.property(randomPrograms({ threads: 2, words: 2, ops: 3, steps: 6 }), (data) => {
        const program = buildProgram(data);
        for (const model of MODELS) {
          const all = endsBy(program, 'exhaustive', model);
          expect([...endsBy(program, 'dpor', model).ends].sort()).toEqual([...all.ends].sort());
        }
      }),
      { numRuns: 60, seed: 20_102 },
    );
  });
});
