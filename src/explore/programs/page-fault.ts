// The page fault as a program of five steps a CPU, and what it takes to get it wrong.
import { readOnce, spinLock, spinUnlock, xchg } from '../accesses.ts';
import type { Program } from '../program.ts';
import { each } from './atomically.ts';

/** The two defences of the fault. */
export interface PageFaultDefences {
  /** The page-table lock around re-check and store. */
  readonly lock?: boolean;
  /** The second look at the entry before the store. */
  readonly recheck?: boolean;
}

/**
 * n CPUs fault on one page: look at the entry, take the page-table lock, look again, set the entry, release. With both
 * defences sum n!/(n-k)! over k = 1..n traces (4, 15, 64, 325), and one CPU alone installs its page. The store is an
 * exchange, so that a CPU which overwrites another's page fails there and then.
 */
export function pageFault(n: number, { lock = true, recheck = true }: PageFaultDefences = {}): Program {
  const [pte, ptl] = [0, 1];
  return {
    words: 2,
    names: { words: ['pte', 'ptl'] },
    threads: each(
      n,
      (i) =>
        function* (cpu) {
          if ((yield* readOnce(cpu, pte)) !== 0) return 'found';
          if (lock) yield* spinLock(cpu, ptl);
          const taken = recheck && (yield* readOnce(cpu, pte)) !== 0;
          if (!taken) {
            const page = yield* xchg(cpu, pte, i + 1);
            if (page !== 0)
              throw new Error(`page ${String(page)} is overwritten in its pte by page ${String(i + 1)} and leaks`);
          }
          if (lock) yield* spinUnlock(cpu, ptl);
          return taken ? 'lost' : 'installed';
        },
    ),
    check({ memory, returns }) {
      const installed = returns.filter((outcome) => outcome === 'installed').length;
      if (installed !== 1 || memory[pte] === 0) throw new Error(`${String(installed)} CPUs installed a page`);
    },
  };
}
