// relacy (Vyukov), which runs C++ code under every interleaving, or under those of a few switches: programs of the
// registry as one C++ program, and what that prints.
//
// Compiling takes longer than anything else, and grows with the numbers of threads, which are parameters of relacy's
// templates: so there is one source for all programs, in which what a thread does is chosen when it runs.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identifier, isInstalled, run, runBuildStep, unbuilt } from './peer.ts';
import type { Peer, PeerFound, PeerOptions, PeerProgram, PeerResult } from './peer.ts';

interface Body {
  /** What thread `i` does to `s.x` under `s.lock`. */
  readonly thread: readonly string[];
  /** What `x` must be once all `n` threads are done. */
  readonly finally: string;
}

/** Sequentially consistent, and where it is in the source: both are arguments of every access. */
const SC = 'rl::mo_seq_cst, $';
const LOAD = `s.x.load(${SC})`;

/** The steps of src/explore/programs/page-fault.ts. The store is an exchange that fails over another's page. */
function pageFault({ lock = true, recheck = true }: { lock?: boolean; recheck?: boolean } = {}): Body {
  const store = `if (s.x.exchange(i + 1, ${SC}) != 0) s.overwritten = true;`;
  return {
    thread: [
      `if (${LOAD} != 0) return;`,
      ...(lock ? ['s.lock.lock($);'] : []),
      recheck ? `if (${LOAD} == 0) { ${store} }` : store,
      ...(lock ? ['s.lock.unlock($);'] : []),
    ],
    finally: 'x != 0',
  };
}

const BODIES: Readonly<Record<PeerProgram, Body>> = {
  'lost-update': {
    thread: [`int seen = ${LOAD};`, `s.x.store(seen + (1 << i), ${SC});`],
    finally: 'x == (1 << n) - 1',
  },
  'page-fault': pageFault(),
  'page-fault-no-recheck': pageFault({ recheck: false }),
  'page-fault-no-lock': pageFault({ lock: false }),
  mutex: {
    thread: ['s.lock.lock($);', `int seen = ${LOAD};`, `s.x.store(seen + 1, ${SC});`, 's.lock.unlock($);'],
    finally: 'x == n',
  },
  xadd: { thread: [`s.x.fetch_add(1, ${SC});`], finally: 'x == n' },
};

const NAME = 'relacy';
/** Switches that its context-bound search may make. */
const SWITCHES = 2;
const SEARCHES = [
  { peer: 'relacy', scheduler: 'full_search_scheduler', argument: 'all' },
  { peer: `relacy, ${String(SWITCHES)} switches`, scheduler: 'context_bound_scheduler', argument: 'bound' },
] as const;

function bodyLines(program: PeerProgram): string[] {
  const { thread, finally: end } = BODIES[program];
  const name = identifier(program);
  return [
    `static void ${name}(Shared& s, int i) {`,
    ...thread.map((line) => `  ${line}`),
    '}',
    `static bool ${name}_holds(int x, int n) { return ${end}; }`,
    '',
  ];
}

/** The C++ program for some programs and numbers of threads. Its arguments: program, threads, search, seconds. */
export function relacySource(programs: readonly PeerProgram[], sizes: readonly number[]): string {
  return [
    PREAMBLE,
    '',
    ...programs.flatMap(bodyLines),
    SUITE,
    '',
    'static bool search(const std::string& name, int threads, const std::string& how) {',
    ...programs.map((program) => {
      const name = identifier(program);
      return `  if (name == "${program}") { body = ${name}; holds = ${name}_holds; }`;
    }),
    ...sizes.flatMap((size) =>
      SEARCHES.map(
        ({ scheduler, argument }) =>
          `  if (threads == ${String(size)} && how == "${argument}") return run<${String(size)}, rl::${scheduler}<${String(size)}>>();`,
      ),
    ),
    '  return false;',
    '}',
    '',
    MAIN,
    '',
  ].join('\n');
}

const PREAMBLE = String.raw`#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <unistd.h>
#include <relacy/relacy.hpp>

struct Shared {
  rl::atomic<int> x;
  rl::mutex lock;
  bool overwritten;
};`;

const SUITE = String.raw`static void (*body)(Shared&, int);
static bool (*holds)(int, int);
static unsigned long iterations, violating;
static double limit;
static std::chrono::steady_clock::time_point started;

static double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

static void tell(bool ended) {
  std::printf("iterations: %lu\nviolating: %lu\nseconds: %.6f\nended: %s\n", iterations, violating, seconds(),
              ended ? "yes" : "no");
  std::fflush(stdout);
}

template <int N> struct Suite : rl::test_suite<Suite<N>, N>, Shared {
  void before() { x($) = 0; overwritten = false; }
  void thread(unsigned i) { body(*this, i); }
  void after() {
    violating += overwritten || !holds(x($), N);
    if (++iterations % 1024 == 0 && seconds() > limit) { tell(false); _exit(0); }
  }
};

template <int N, class Scheduler> bool run() {
  std::ostream nowhere(nullptr);
  rl::ostringstream state;
  rl::test_params params;
  params.progress_stream = &nowhere;
  params.context_bound = ${String(SWITCHES)};
  started = std::chrono::steady_clock::now();
  if (rl::run_test<Suite<N>, Scheduler>(params, state, false) != rl::test_result_success) return false;
  tell(true);
  return true;
}`;

const MAIN = String.raw`int main(int argc, char** argv) {
  if (argc != 5) return 2;
  limit = std::stod(argv[4]);
  return search(argv[1], std::stoi(argv[2]), argv[3]) ? 0 : 1;
}`;

/** Reads what the C++ program prints of a search. Throws where it is not that. */
export function parseRelacy(output: string): PeerFound {
  const field = (name: string): string => {
    const found = new RegExp(`^${name}: (\\S+)$`, 'm').exec(output)?.[1];
    if (found === undefined) throw new Error(`relacy printed no ${name}: ${output.trim().slice(0, 200)}`);
    return found;
  };
  return {
    count: Number(field('iterations')),
    violated: Number(field('violating')) > 0,
    seconds: Number(field('seconds')),
    tick: 1e-6,
    ended: field('ended') === 'yes',
  };
}

/** Compiles it for some programs and sizes. */
export async function buildRelacy({ folder, programs, sizes, limit }: PeerOptions): Promise<Peer> {
  if (!isInstalled('g++')) return { name: NAME, missing: 'not installed (no g++)' };
  await mkdir(folder, { recursive: true });
  const compile = ['-std=c++17', '-O2', '-w'];
  await writeFile(join(folder, 'probe.cpp'), '#if !__has_include(<relacy/relacy.hpp>)\n#error\n#endif\n');
  try {
    await runBuildStep(folder, 'g++', ['-E', 'probe.cpp', '-o', 'probe.txt']);
  } catch {
    return { name: NAME, missing: 'not installed (no relacy/relacy.hpp)' };
  }
  try {
    await writeFile(join(folder, 'peer.cpp'), relacySource(programs, sizes));
    await runBuildStep(folder, 'g++', [...compile, 'peer.cpp', '-o', 'peer']);
  } catch (error) {
    return unbuilt(NAME, error);
  }
  return {
    name: NAME,
    async run(program, size) {
      const results: PeerResult[] = [];
      if (!programs.includes(program) || !sizes.includes(size)) return results;
      for (const { peer, argument } of SEARCHES) {
        const asked = [program, String(size), argument, String(limit)];
        const { output } = await run('./peer', asked, { limit: limit + 5, cwd: folder });
        results.push({ peer, program, size, counted: 'executions', ...parseRelacy(output) });
      }
      return results;
    },
  };
}
