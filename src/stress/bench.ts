// The bench: simulated faults a second on the loop of will-it-scale's page_fault1, beside the running kernel's on the
// same loop in C, in turns, so that both meet the same noise. Only ratios within one run mean anything.
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { boot } from '../machine/boot.ts';
import { MAX_MEMORY } from '../machine/config.ts';
import { UsageError } from '../machine/usage-error.ts';
import { fill_of } from '../kernel/clear-page.ts';
import type { Op } from '../kernel/program.ts';
import { faultParts } from './fault-profile.ts';
import type { PartTime } from './fault-profile.ts';
import { mmapOp, workload } from './workloads.ts';

/** 128 MiB, as page_fault1 maps. */
const PAGES = 32_768;
const PAGE = 4096;
const MIB = 1024 * 1024;
const RUNS = 5;
/** RAM for each CPU: what it maps, its tables, and what the watermarks keep. */
const CPU_MEMORY: number = 160 * MIB;
/** As many as the largest machine has RAM for. */
const MAX_BENCH_CPUS: number = Math.floor(MAX_MEMORY / CPU_MEMORY);
/** Loops of one run: about a second. */
const LOOPS = 16;
const OWN = 0x700000000000;
const OWN_SPACING = 0x1000000000;

/** Loops under one page-table page, each of all its entries: about a second. */
const TABLE_LOOPS = 1000;
const TABLE_PAGES = 512;

/** Which loop is measured. */
export type BenchLoop = 'page_fault1' | 'same-table';
export const BENCH_LOOPS: readonly { readonly name: BenchLoop; readonly what: string }[] = [
  { name: 'page_fault1', what: 'each CPU maps 128 MiB of its own, writes every page, unmaps it' },
  { name: 'same-table', what: 'each CPU fills and empties entries of its own in one page-table page' },
];

/** Faults that all CPUs take in one run of a loop. */
function faultsOf(loop: BenchLoop, cpus: number): number {
  if (loop === 'page_fault1') return cpus * LOOPS * PAGES;
  return cpus * TABLE_LOOPS * Math.floor(TABLE_PAGES / cpus);
}

const C_SOURCE = `
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#define SIZE (128UL << 20)
#define TABLE (2UL << 20)
static int cpus, loops;
static char *table;
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static void *map(unsigned long size) {
  void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) exit(1);
  madvise(p, size, MADV_NOHUGEPAGE);
  return p;
}
static void *page_fault1(void *arg) {
  for (int i = 0; i < loops; i++) {
    volatile char *p = map(SIZE);
    for (unsigned long o = 0; o < SIZE; o += 4096) p[o] = 1;
    munmap((void *)p, SIZE);
  }
  return arg;
}
static void *same_table(void *arg) {
  unsigned long part = 512 / cpus * 4096;
  volatile char *p = table + (uintptr_t)arg * part;
  for (int i = 0; i < loops; i++) {
    for (unsigned long o = 0; o < part; o += 4096) p[o] = 1;
    madvise((void *)p, part, MADV_DONTNEED);
  }
  return arg;
}
int main(int argc, char **argv) {
  if (argc < 4) return 2;
  cpus = atoi(argv[2]); loops = atoi(argv[3]);
  table = (char *)(((uintptr_t)map(2 * TABLE) + TABLE - 1) & ~(TABLE - 1));
  void *(*work)(void *) = strcmp(argv[1], "same-table") ? page_fault1 : same_table;
  pthread_t t[64];
  double start = now();
  for (uintptr_t i = 0; i < (uintptr_t)cpus; i++) pthread_create(&t[i], 0, work, (void *)i);
  for (int i = 0; i < cpus; i++) pthread_join(t[i], 0);
  printf("%f\\n", now() - start);
  return 0;
}
`;

/** Faults a second at one number of CPUs: every run, in the order it was made. */
export interface BenchPoint {
  loop: BenchLoop;
  cpus: number;
  simulated: number[];
  /** Empty where there is no C compiler. */
  kernel: number[];
  /** What perf counted in one more run on the running kernel, by event; undefined where there is no perf. */
  perf: Readonly<Record<string, number>> | undefined;
  /** Times that a CPU of the simulated machine had to wait for a lock, in its last run. */
  contended: number;
}

export interface BenchResult {
  points: BenchPoint[];
  /** Nanoseconds to zero one page of a 128 MiB range, each time it was measured. */
  zeroing: number[];
  compiler: string | undefined;
  /** Faults a second by CPUs that time faults, waits and holds, and by CPUs that do not, in turns. */
  metered: { cpus: number; on: number[]; off: number[] };
  /** What a fault of page_fault1 is spent on, on one CPU, by its profile. */
  parts: PartTime[];
}

/** Compiles the kernel's loop. Undefined where there is no C compiler. */
async function compileLoop(folder: string): Promise<{ program: string; compiler: string } | undefined> {
  const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0);
  if (compiler === undefined) return undefined;
  const source = join(folder, 'page_fault1.c');
  const program = join(folder, 'page_fault1');
  await writeFile(source, C_SOURCE);
  await promisify(execFile)(compiler, ['-O2', '-pthread', source, '-o', program]);
  return { program, compiler };
}

function loopArguments(loop: BenchLoop, cpus: number): string[] {
  return [loop, String(cpus), String(loop === 'page_fault1' ? LOOPS : TABLE_LOOPS)];
}

async function kernelRun(program: string, loop: BenchLoop, cpus: number): Promise<number> {
  const { stdout } = await promisify(execFile)(program, loopArguments(loop, cpus));
  return faultsOf(loop, cpus) / Number(stdout);
}

/** Events that perf counts where it may. */
const PERF_EVENTS = ['page-faults', 'lock:contention_begin'];

/** One run under `perf stat`; undefined where there is none, or where it may not count. */
function perfRun(program: string, loop: BenchLoop, cpus: number): Record<string, number> | undefined {
  const events = PERF_EVENTS.flatMap((event) => ['-e', event]);
  const args = ['stat', '-x', ',', ...events, '--', program, ...loopArguments(loop, cpus)];
  const { status, stderr } = spawnSync('perf', args, { encoding: 'utf8' });
  return status === 0 ? parsePerfStat(stderr) : undefined;
}

/** Counts by event, from what `perf stat -x ,` prints; events that could not be counted are left out. */
export function parsePerfStat(text: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const [count = '', , event = ''] = line.split(',');
    if (/^\d+(\.\d+)?$/.test(count) && event !== '') counts[event] = Number(count);
  }
  return counts;
}

/** A loop's programs on the simulated machine, and what is done before. */
function programsOf(loop: BenchLoop, cpus: number): { setup: Op[]; programs: Op[][] } {
  if (loop === 'page_fault1') {
    const programs = Array.from({ length: cpus }, (_, cpu): Op[] => {
      const addr = OWN + cpu * OWN_SPACING;
      const ops: Op[] = [
        mmapOp(addr, PAGES),
        { op: 'touch', addr, pages: PAGES, write: true, value: 1 },
        { op: 'munmap', addr, length: PAGES * PAGE },
      ];
      return [{ op: 'repeat', times: LOOPS, ops }];
    });
    return { setup: [], programs };
  }
  const { setup, programs, reset } = workload('same-table').make(cpus, TABLE_PAGES);
  const again = programs.map((ops, cpu): Op[] => [
    { op: 'repeat', times: TABLE_LOOPS, ops: [...ops, ...(reset[cpu] ?? [])] },
  ]);
  return { setup, programs: again };
}

/** A warm machine whose CPUs run a loop: faults a second, and how often somebody waited for a lock. */
function simulation(
  loop: BenchLoop,
  cpus: number,
  metered = false,
): () => Promise<{ rate: number; contended: number }> {
  const machine = boot({ cpus, memory: cpus * CPU_MEMORY, metered });
  const { setup, programs } = programsOf(loop, cpus);
  if (setup.length > 0) machine.runHere(setup);
  const contentions = (): number => machine.lockStats().reduce((sum, lock) => sum + lock.contentions, 0);
  return async () => {
    const before = contentions();
    const outcome = await machine.run(programs);
    const faults = outcome.cpus.reduce((sum, cpu) => sum + cpu.totalFaults, 0);
    if (outcome.died.length > 0 || faults !== faultsOf(loop, cpus))
      throw new Error('bench: the loop did not run as it should');
    return { rate: faults / outcome.seconds, contended: contentions() - before };
  };
}

/** Zeroes 128 MiB page by page; nanoseconds a page. */
function zeroing(): () => number {
  const pages = (PAGES * PAGE) / 65536;
  const fill = fill_of(new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }));
  return () => {
    const start = performance.now();
    for (let page = 0; page < PAGES; page++) fill(page * PAGE, 0, PAGE);
    return ((performance.now() - start) * 1e6) / PAGES;
  };
}

/** Numbers of CPUs that the bench can run at. Throws a UsageError. */
export function checkCpuCounts(counts: number[]): number[] {
  if (counts.length > 0 && counts.every((cpus) => cpus >= 1 && cpus <= MAX_BENCH_CPUS)) return counts;
  throw new UsageError(
    `--cpus '${counts.join(',')}' is not possible for a bench: use numbers from 1 to ${String(MAX_BENCH_CPUS)} with commas, for example --cpus 1,2,4.`,
  );
}

/** Measures one loop at one number of CPUs, here and on the running kernel in turns. */
async function measure(
  loop: BenchLoop,
  cpus: number,
  program: string | undefined,
  onRun: (run: number) => void,
): Promise<BenchPoint> {
  const point: BenchPoint = { loop, cpus, simulated: [], kernel: [], perf: undefined, contended: 0 };
  const simulate = simulation(loop, cpus);
  await simulate();
  for (let run = 1; run <= RUNS; run++) {
    onRun(run);
    if (program !== undefined) point.kernel.push(await kernelRun(program, loop, cpus));
    const { rate, contended } = await simulate();
    point.simulated.push(rate);
    point.contended = contended;
  }
  if (program !== undefined) point.perf = perfRun(program, loop, cpus);
  return point;
}

/** What timing faults, waits and holds costs, on as many CPUs. */
async function measureMeters(cpus: number): Promise<BenchResult['metered']> {
  const result: BenchResult['metered'] = { cpus, on: [], off: [] };
  const on = simulation('page_fault1', cpus, true);
  const off = simulation('page_fault1', cpus, false);
  await on();
  await off();
  for (let run = 0; run < RUNS; run++) {
    result.off.push((await off()).rate);
    result.on.push((await on()).rate);
  }
  return result;
}

/** What one CPU's time goes into, once it is warm. */
async function measureParts(): Promise<PartTime[]> {
  const machine = boot({ cpus: 1, memory: CPU_MEMORY });
  const { programs } = programsOf('page_fault1', 1);
  await machine.run(programs);
  const { cpus } = await machine.run(programs, { profile: true });
  return faultParts(cpus[0]?.profile ?? [], faultsOf('page_fault1', 1));
}

/** Runs the bench; `onPoint` is told what is being measured. */
export async function bench(cpuCounts: readonly number[], onPoint: (text: string) => void): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), 'pagerace-bench-'));
  try {
    const loop = await compileLoop(folder);
    const zero = zeroing();
    zero();
    const points: BenchPoint[] = [];
    const zeroed: number[] = [];
    for (const { name } of BENCH_LOOPS) {
      for (const cpus of cpuCounts) {
        points.push(
          await measure(name, cpus, loop?.program, (run) => {
            onPoint(`${name}, ${String(cpus)} CPUs: run ${String(run)} of ${String(RUNS)}`);
            zeroed.push(zero());
          }),
        );
      }
    }
    onPoint('what timing faults costs');
    const metered = await measureMeters(Math.min(2, Math.max(...cpuCounts)));
    onPoint('where the time goes');
    const parts = await measureParts();
    return { points, zeroing: zeroed, compiler: loop?.compiler, metered, parts };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The middle one. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Median of the ratios, run by run. */
export function medianRatio(a: readonly number[], b: readonly number[]): number {
  return median(a.map((value, i) => value / (b[i] ?? NaN)));
}
