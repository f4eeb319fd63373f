// The order in which a search chooses: whoever races with nobody first, those who race with each other together.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explore, writeOnce } from '../../src/explore/index.ts';
import type { Thread } from '../../src/explore/index.ts';
import { orderByRaces } from '../../src/explore/race-order.ts';
import type { Race } from '../../src/explore/race.ts';
import { countTraces } from '../support/enumerate.ts';
import { buildProgram, randomPrograms } from '../support/random-program.ts';
import type { RandomOp, RandomProgram } from '../support/random-program.ts';

/** Each proc's only event has its number. */
const trace = { procOf: (event: number): number => event };

function raceOf([earlier, proc]: readonly [number, number]): Race {
  return { earlier, later: proc, proc, footprint: { proc, cls: 0, word: 0, width: 1, also: 0 } };
}

/** Which procs a proc is connected with by races, itself included, found by going on until nothing is new. */
function groupOf(proc: number, pairs: readonly (readonly [number, number])[]): number[] {
  const group = new Set([proc]);
  for (let size = 0; size < group.size;) {
    ({ size } = group);
    for (const [a, b] of pairs) if (group.has(a) || group.has(b)) group.add(a).add(b);
  }
  return [...group].sort((a, b) => a - b);
}

/** An operation on words that lie further back. */
function moved(op: RandomOp, by: number): RandomOp {
  const body = 'body' in op ? { body: moved(op.body, by) } : {};
  return { ...op, ...body, ...('word' in op ? { word: op.word + by } : {}) } as RandomOp;
}

/** Two programs side by side, their threads in turns; only a lock, and what one of them may do to the other, is in common. */
function sideBySide(a: RandomProgram, b: RandomProgram, bridge: boolean): RandomProgram {
  const second = b.threads.map((ops) => ops.map((op) => moved(op, a.words)));
  const threads: RandomOp[][] = [];
  for (let i = 0; i < Math.max(a.threads.length, second.length); i++) {
    for (const ops of [a.threads[i], second[i]]) if (ops !== undefined) threads.push(ops);
  }
  // What the first execution may not show.
  const body = { op: 'write', word: a.words, how: 'once' } as const;
  if (bridge) threads[0] = [...threads[0]!, { op: 'if', word: 0, is: 'not zero', body }];
  return { words: a.words + b.words, threads };
}

describe('the order in which procs are chosen', () => {
  it('has whoever raced with nobody first, and then one group after another', () => {
    const races = fc.integer({ min: 1, max: 12 }).chain((procs) => {
      const proc = fc.nat(procs - 1);
      return fc.record({ procs: fc.constant(procs), pairs: fc.array(fc.tuple(proc, proc), { maxLength: 10 }) });
    });
    fc.assert(
      fc.property(races, ({ procs, pairs }) => {
        const order = orderByRaces(trace, pairs.map(raceOf), procs);
        const racing = new Set(pairs.flat());
        const all = Array.from({ length: procs }, (_, proc) => proc);
        const expected = all.filter((proc) => !racing.has(proc)).map((proc) => [proc]);
        for (const proc of all) if (!expected.flat().includes(proc)) expected.push(groupOf(proc, pairs));
        expect(order).toEqual(expected);
      }),
    );
  });
});

describe('a search', () => {
  const writes = (word: number): Thread =>
    function* (cpu) {
      yield* writeOnce(cpu, word, cpu.id + 1);
    };
  const tokens = (words: readonly number[]): string[] => {
    const found: string[] = [];
    const options = { onExecution: ({ token }: { token: string }) => found.push(token) };
    explore({ words: 8, threads: words.map(writes) }, options);
    return found;
  };

  it('chooses in that order from its first execution on', () => {
    const found = tokens([0, 1, 0, 2, 1]);
    expect(found.slice(0, 2)).toEqual(['3:1,0:1,2:1,1:1,4:1', '3:1,0:1,2:1,4:1,1:1']);
    // Nobody races with CPU 3: no execution goes back over it.
    expect(found.filter((token) => token.startsWith('3:1,'))).toHaveLength(4);
  });

  it('chooses by numbers where all race with all', () => {
    expect(tokens([0, 0, 0])[0]).toBe('0:1,1:1,2:1');
  });

  it('explores each behaviour once, and abandons none, where programs have little to do with each other', () => {
    const half = randomPrograms({ threads: 3, words: 2, ops: 3, steps: 6 });
    fc.assert(
      fc.property(half, half, fc.boolean(), (a, b, bridge) => {
        const program = { ...buildProgram(sideBySide(a, b, bridge)), check: () => undefined };
        const { executions, blocked, audit } = explore(program, {
          stopAtFailure: false,
          shrink: false,
          audit: true,
          auditSchedules: 0,
        });
        expect([executions, blocked, audit?.duplicates]).toEqual([countTraces(program), 0, 0]);
      }),
      { numRuns: Number(process.env.PAGERACE_PROGRAMS ?? 300), seed: 20_103 },
    );
  });
});
