// The classic litmus tests with their published verdicts: sc and tso as herd7 7.57 says with its sc and x86tso models,
// pso as a model of store buffers in order per word says. Traces under sc agree with Nidhugg's and GenMC's figures.
import type { AskedOutcome, LitmusTest, PerModel } from './test.ts';
import { parseThread, wordsOf } from './test.ts';

const threeOf = <T>([sc, tso, pso]: readonly [T, T, T]): PerModel<T> => ({ sc, tso, pso });

/** `verdicts`: A for allowed, f for forbidden, under sc, tso, pso; `outcomes`: how many under each. */
function litmus(
  name: string,
  threads: string,
  registers: AskedOutcome['registers'],
  memory: AskedOutcome['memory'],
  verdicts: string,
  traces: number,
  outcomes?: readonly [sc: number, tso: number, pso: number],
  interleavings?: number,
): LitmusTest {
  const text = threads.split(' || ');
  const parsed = text.map(parseThread);
  const allows = (model: number): boolean => verdicts[model] === 'A';
  return {
    name,
    text,
    words: wordsOf(parsed),
    threads: parsed,
    asked: { registers, memory },
    allowed: threeOf([allows(0), allows(1), allows(2)]),
    traces,
    interleavings,
    outcomes: outcomes && threeOf(outcomes),
  };
}

const increment = 'R x; W x=r0+1';

/** Every test, the best known first. */
export const LITMUS_TESTS: readonly LitmusTest[] = [
  litmus('SB', 'W x=1; R y || W y=1; R x', [[0], [0]], {}, 'fAA', 3, [3, 4, 4], 6),
  litmus('SB+mfence+po', 'W x=1; F; R y || W y=1; R x', [[0], [0]], {}, 'fAA', 3, [3, 4, 4]),
  litmus('SB+mfences', 'W x=1; F; R y || W y=1; F; R x', [[0], [0]], {}, 'fff', 3, [3, 3, 3]),
  litmus(
    'SB+rfi-pos',
    'W x=1; R x; R y || W y=1; R y; R x',
    [
      [1, 0],
      [1, 0],
    ],
    {},
    'fAA',
    3,
    [3, 4, 4],
    20,
  ),
  litmus('SB+rmw', 'X x=1; R y || X y=1; R x', [[0], [0]], {}, 'fff', 3, [3, 3, 3]),
  litmus('n6', 'W x=1; R x; R y || W y=1; W x=2', [[1, 0]], { x: [1] }, 'fAA', 4, [4, 5, 6], 10),
  litmus('MP', 'W x=1; W y=1 || R y; R x', [[], [1, 0]], {}, 'ffA', 3, [3, 3, 4]),
  litmus('MP+mfence+po', 'W x=1; F; W y=1 || R y; R x', [[], [1, 0]], {}, 'fff', 3, [3, 3, 3]),
  litmus('MP+po+mfence', 'W x=1; W y=1 || R y; F; R x', [[], [1, 0]], {}, 'ffA', 3, [3, 3, 4]),
  litmus('MP+mfences', 'W x=1; F; W y=1 || R y; F; R x', [[], [1, 0]], {}, 'fff', 3, [3, 3, 3]),
  litmus('LB', 'R x; W y=1 || R y; W x=1', [[1], [1]], {}, 'fff', 3, [3, 3, 3]),
  litmus('S', 'W x=2; W y=1 || R y; W x=1', [[], [1]], { x: [2] }, 'ffA', 3, [3, 3, 4]),
  litmus('S+mfence+po', 'W x=2; F; W y=1 || R y; W x=1', [[], [1]], { x: [2] }, 'fff', 3),
  litmus('S+po+mfence', 'W x=2; W y=1 || R y; F; W x=1', [[], [1]], { x: [2] }, 'ffA', 3),
  litmus('S+mfences', 'W x=2; F; W y=1 || R y; F; W x=1', [[], [1]], { x: [2] }, 'fff', 3),
  litmus('R', 'W x=1; W y=1 || W y=2; R x', [[], [0]], { y: [2] }, 'fAA', 3, [3, 4, 4]),
  litmus('R+mfence+po', 'W x=1; F; W y=1 || W y=2; R x', [[], [0]], { y: [2] }, 'fAA', 3),
  litmus('R+mfences', 'W x=1; F; W y=1 || W y=2; F; R x', [[], [0]], { y: [2] }, 'fff', 3),
  litmus('2+2W', 'W x=2; W y=1 || W y=2; W x=1', [], { x: [2], y: [2] }, 'ffA', 3, [3, 3, 4]),
  litmus('2+2W+mfence+po', 'W x=2; F; W y=1 || W y=2; W x=1', [], { x: [2], y: [2] }, 'ffA', 3),
  litmus('2+2W+mfences', 'W x=2; F; W y=1 || W y=2; F; W x=1', [], { x: [2], y: [2] }, 'fff', 3),
  litmus('IRIW', 'W x=1 || W y=1 || R x; R y || R y; R x', [[], [], [1, 0], [1, 0]], {}, 'fff', 15, [15, 15, 15], 180),
  litmus('WRC', 'W x=1 || R x; W y=1 || R y; R x', [[], [1], [1, 0]], {}, 'fff', 7, [7, 7, 7], 30),
  litmus('RWC', 'W x=1 || R x; R y || W y=1; R x', [[], [1, 0], [0]], {}, 'fAA', 7, [7, 8, 8], 30),
  litmus('RWC+mfence', 'W x=1 || R x; R y || W y=1; F; R x', [[], [1, 0], [0]], {}, 'fff', 7, [7, 7, 7]),
  litmus('ISA2', 'W x=1; W y=1 || R y; W z=1 || R z; R x', [[], [1], [1, 0]], {}, 'ffA', 7, [7, 7, 8], 90),
  litmus('ISA2+mfence+po+po', 'W x=1; F; W y=1 || R y; W z=1 || R z; R x', [[], [1], [1, 0]], {}, 'fff', 7, [7, 7, 7]),
  litmus('WWC', 'W x=2 || R x; W y=1 || R y; W x=1', [[], [2], [1]], { x: [2] }, 'fff', 9, [9, 9, 9], 30),
  litmus('3.LB', 'R x; W y=1 || R y; W z=1 || R z; W x=1', [[1], [1], [1]], {}, 'fff', 7, [7, 7, 7], 90),
  litmus('CoRR', 'W x=1 || R x; R x', [[], [1, 0]], {}, 'fff', 3, [3, 3, 3], 3),
  litmus('CoWW', 'W x=1; W x=2', [], { x: [1] }, 'fff', 1, [1, 1, 1]),
  litmus('CoRW1', 'R x; W x=1', [[1]], {}, 'fff', 1, [1, 1, 1]),
  litmus('CoWR', 'W x=1; R x || W x=2', [[2]], { x: [1] }, 'fff', 3, [3, 3, 3], 3),
  litmus('CoRW2', 'W x=1 || R x; W x=2', [[], [1]], { x: [1] }, 'fff', 3, [3, 3, 3], 3),
  litmus('LOST', [increment, increment].join(' || '), [], { x: [1] }, 'AAA', 4, [3, 3, 3], 6),
  litmus('LOST3', [increment, increment, increment].join(' || '), [], { x: [1, 2] }, 'AAA', 36, [16, 16, 16], 90),
  litmus(
    'LOST4',
    [increment, increment, increment, increment].join(' || '),
    [],
    { x: [1, 2, 3] },
    'AAA',
    576,
    [109, 109, 109],
    2520,
  ),
  litmus('LOST+rmw', 'A x || A x', [], { x: [1] }, 'fff', 2, [2, 2, 2]),
];
