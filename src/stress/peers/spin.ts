// Spin (Holzmann, spinroot.com), a model checker that keeps the states it has been to: programs of the registry in its
// language Promela, checkers of them with and without its partial-order reduction, and what the checkers print.
//
// A step of ours is a step of the model: what a thread does on its own before its next access belongs to the access. One
// model has all programs and takes any number of threads, since compiling a checker takes a second and running it not.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identifier, isInstalled, run, runBuildStep, unbuilt } from './peer.ts';
import type { Peer, PeerFound, PeerOptions, PeerProgram, PeerResult } from './peer.ts';

interface Model {
  /** What thread `i` does to `x` under `lock`. */
  readonly thread: readonly string[];
  /** What must hold once all of `threads` threads are done. */
  readonly finally: string;
}

const LOCK = 'atomic { !lock -> lock = true };';
const UNLOCK = 'lock = false;';

/** The steps of src/explore/programs/page-fault.ts. The store is an exchange that fails over another's page. */
function pageFault({ lock = true, recheck = true }: { lock?: boolean; recheck?: boolean } = {}): Model {
  const install = 'd_step { assert(x == 0); x = i + 1 }';
  const store = recheck ? ['if', ':: x != 0', `:: else -> ${install}`, 'fi;'] : [`${install};`];
  const fault = lock ? [LOCK, ...store, UNLOCK] : store;
  return {
    thread: ['if', ':: x != 0', ':: else ->', ...fault.map((line) => `  ${line}`), 'fi'],
    finally: 'x != 0',
  };
}

const MODELS: Readonly<Record<PeerProgram, Model>> = {
  'lost-update': {
    thread: ['byte seen;', 'seen = x;', 'x = seen + (1 << i)'],
    finally: 'x == (1 << threads) - 1',
  },
  'page-fault': pageFault(),
  'page-fault-no-recheck': pageFault({ recheck: false }),
  'page-fault-no-lock': pageFault({ lock: false }),
  mutex: { thread: ['byte seen;', LOCK, 'seen = x;', 'x = seen + 1;', UNLOCK], finally: 'x == threads' },
  xadd: { thread: ['byte seen;', 'd_step { seen = x; x = seen + 1 }'], finally: 'x == threads' },
};

/** The Promela model of some programs. Its environment says which, by its place, and how many threads, eight at most. */
export function spinModel(programs: readonly PeerProgram[]): string {
  const runs = programs.map((program, at) => `:: program == ${String(at)} -> run ${identifier(program)}(i)`);
  const ends = programs.map((program, at) => `(program != ${String(at)} || ${MODELS[program].finally})`);
  return [
    'byte program, threads, x;',
    'bool lock;',
    '',
    ...programs.flatMap((program) => [
      `proctype ${identifier(program)}(byte i) {`,
      ...MODELS[program].thread.map((line) => `  ${line}`),
      '}',
      '',
    ]),
    'init {',
    '  byte i;',
    '  atomic {',
    '    c_code { now.program = atoi(getenv("PROGRAM")); now.threads = atoi(getenv("THREADS")); };',
    '    for (i : 0 .. threads - 1) {',
    '      if',
    ...runs.map((line) => `      ${line}`),
    '      fi',
    '    }',
    '  };',
    '  _nr_pr == 1;',
    `  assert(${ends.join(' && ')})`,
    '}',
    '',
  ].join('\n');
}

/** What a checker prints of its search. */
export interface SpinFigures {
  /** States that it kept. */
  readonly states: number;
  /** Steps that it took, those to states that it had been to included. */
  readonly transitions: number;
  /** Violations that it came to, by as many ways as it found. */
  readonly errors: number;
  /** By a clock of hundredths. */
  readonly seconds: number;
  /** Whether it did all that there is to do: no depth or memory ran out. */
  readonly complete: boolean;
}

/** Reads a checker's output. Throws where it is not one. */
export function parseSpin(output: string): SpinFigures {
  const figure = (pattern: RegExp): number => {
    const found = pattern.exec(output)?.[1];
    if (found === undefined) throw new Error(`Spin printed no ${pattern.source}: ${output.trim().slice(0, 200)}`);
    return Number(found);
  };
  return {
    states: figure(/^\s*(\d\S*) states, stored/m),
    transitions: figure(/^\s*(\d\S*) transitions/m),
    errors: figure(/errors: (\d+)/),
    seconds: figure(/elapsed time (\d\S*) seconds/),
    complete: !/max search depth too small|search incomplete|out of memory|not completed/i.test(output),
  };
}

const NAME = 'Spin';
const SEARCHES = [
  { peer: 'Spin', checker: 'reduced', flags: [] },
  { peer: 'Spin, no reduction', checker: 'whole', flags: ['-DNOREDUCE'] },
] as const;
/** Of a checker's clock, in seconds. */
const TICK = 0.01;
/** A hash table of 2^20 places, no end at the first violation, paths of at most 100,000 steps. */
const CHECKER_FLAGS = ['-w20', '-c0', '-m100000'];

/** Compiles a checker for each way to search; they take any size. */
export async function buildSpin({ folder, programs, limit }: PeerOptions): Promise<Peer> {
  const absent = ['spin', 'gcc'].find((tool) => !isInstalled(tool));
  if (absent !== undefined) return { name: NAME, missing: `not installed (no ${absent})` };
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'model.pml'), spinModel(programs));
    await runBuildStep(folder, 'spin', ['-a', 'model.pml']);
    for (const { checker, flags } of SEARCHES) {
      await runBuildStep(folder, 'gcc', ['-O2', '-w', '-DSAFETY', ...flags, 'pan.c', '-o', checker]);
    }
  } catch (error) {
    return unbuilt(NAME, error);
  }
  return {
    name: NAME,
    async run(program, size) {
      const results: PeerResult[] = [];
      if (!programs.includes(program)) return results;
      const env = { PROGRAM: String(programs.indexOf(program)), THREADS: String(size) };
      for (const { peer, checker } of SEARCHES) {
        const { output, status } = await run(`./${checker}`, CHECKER_FLAGS, { limit, cwd: folder, env });
        const found =
          status === undefined
            ? { count: undefined, violated: false, seconds: limit, tick: TICK, ended: false }
            : foundOf(parseSpin(output));
        results.push({ peer, program, size, counted: 'states', ...found });
      }
      return results;
    },
  };
}

function foundOf({ states, transitions, errors, seconds, complete }: SpinFigures): PeerFound {
  return { count: states, transitions, violated: errors > 0, seconds, tick: TICK, ended: complete };
}
