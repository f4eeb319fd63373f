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
import { mmapOp } from './workloads.ts';

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

const C_SOURCE = `
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#define SIZE (128UL << 20)
static int loops;
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec * 1e-9; }
static void *work(void *arg) {
  for (int i = 0; i < loops; i++) {
    volatile char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) exit(1);
    madvise((void *)p, SIZE, MADV_NOHUGEPAGE);
    for (unsigned long o = 0; o < SIZE; o += 4096) p[o] = 1;
    munmap((void *)p, SIZE);
  }
  return arg;
}
int main(int argc, char **argv) {
  int cpus = atoi(argv[1]); loops = atoi(argv[2]);
  pthread_t t[64];
  double start = now();
  for (long i = 0; i < cpus; i++) pthread_create(&t[i], 0, work, 0);
  for (int i = 0; i < cpus; i++) pthread_join(t[i], 0);
  printf("%f\\n", now() - start);
}
`;

/** Faults a second at one number of CPUs: every run, in the order it was made. */
export interface BenchPoint {
  cpus: number;
  simulated: number[];
  /** Empty where there is no C compiler. */
  kernel: number[];
}

export interface BenchResult {
  points: BenchPoint[];
  /** Nanoseconds to zero one page of a 128 MiB range, each time it was measured. */
  zeroing: number[];
  compiler: string | undefined;
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

async function kernelRun(program: string, cpus: number): Promise<number> {
  const { stdout } = await promisify(execFile)(program, [String(cpus), String(LOOPS)]);
  return (cpus * LOOPS * PAGES) / Number(stdout);
}

/** A warm machine whose CPUs run the loop. */
function simulation(cpus: number): () => Promise<number> {
  const machine = boot({ cpus, memory: cpus * CPU_MEMORY });
  const programs = Array.from({ length: cpus }, (_, cpu): Op[] => {
    const addr = OWN + cpu * OWN_SPACING;
    const ops: Op[] = [
      mmapOp(addr, PAGES),
      { op: 'touch', addr, pages: PAGES, write: true, value: 1 },
      { op: 'munmap', addr, length: PAGES * PAGE },
    ];
    return [{ op: 'repeat', times: LOOPS, ops }];
  });
  return async () => {
    const outcome = await machine.run(programs);
    const faults = outcome.cpus.reduce((sum, cpu) => sum + cpu.totalFaults, 0);
    if (outcome.died.length > 0 || faults !== cpus * LOOPS * PAGES)
      throw new Error('bench: the loop did not run as it should');
    return faults / outcome.seconds;
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

/** Runs the bench; `onPoint` is told what is being measured. */
export async function bench(cpuCounts: readonly number[], onPoint: (text: string) => void): Promise<BenchResult> {
  const folder = await mkdtemp(join(tmpdir(), 'pagerace-bench-'));
  try {
    const loop = await compileLoop(folder);
    const zero = zeroing();
    zero();
    const result: BenchResult = { points: [], zeroing: [], compiler: loop?.compiler };
    for (const cpus of cpuCounts) {
      const point: BenchPoint = { cpus, simulated: [], kernel: [] };
      const simulate = simulation(cpus);
      onPoint(`${String(cpus)} CPUs: warming up`);
      await simulate();
      for (let run = 0; run < RUNS; run++) {
        onPoint(`${String(cpus)} CPUs: run ${String(run + 1)} of ${String(RUNS)}`);
        if (loop !== undefined) point.kernel.push(await kernelRun(loop.program, cpus));
        point.simulated.push(await simulate());
        result.zeroing.push(zero());
      }
      result.points.push(point);
    }
    return result;
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
