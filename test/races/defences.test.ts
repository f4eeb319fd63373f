// Each defence, taken away, is caught by a judge; left on, the same program under the same schedules holds. That all
// schedules hold is for test/explore/kernel-scenarios.test.ts to show.
import { describe, expect, it } from 'vitest';
import { eventsOf, judge } from '../../src/check/verdict.ts';
import type { Verdict } from '../../src/check/verdict.ts';
import { DEFENCES } from '../../src/kernel/defences.ts';
import type { Op } from '../../src/kernel/program.ts';
import { boot } from '../../src/machine/boot.ts';
import type { MachineConfig } from '../../src/machine/config.ts';
import { preemptingChooser, randomChooser } from '../../src/machine/stepped.ts';
import type { Chooser } from '../../src/machine/stepped.ts';

const PAGE = 4096;
const A = 0x75e52fc77000;
/** A region in another PTE table. */
const B = A + 0x400000;
const RW = { prot: 3, flags: 0x32 };
const map = (addr: number, pages: number): Op => ({ op: 'mmap', addr, length: pages * PAGE, ...RW });
const store = (addr: number, value: number): Op => ({ op: 'store', addr, value });
const load = (addr: number): Op => ({ op: 'load', addr });
const zap = (addr: number, pages: number): Op => ({ op: 'madvise', addr, length: pages * PAGE, advice: 4 });
const touch = (addr: number, pages: number, value: number): Op => ({ op: 'touch', addr, pages, write: true, value });

const wait = (value: number): Op => ({ op: 'await', counter: 0, value });
const watch: Op = { op: 'uffd_register', addr: A, length: 4 * PAGE };
const advance: Op = { op: 'advance', counter: 0 };

interface Scenario {
  setup: Op[];
  programs: Op[][];
  verify?: Op[];
  config?: Partial<MachineConfig>;
  /** Judges of which at least one must speak. */
  judges: string[];
  /** Set the memory group's limits after the set-up, outermost first, as pages above what is used. */
  room?: number[];
  /** Schedules of its own, where the window is too small for those of all. */
  schedules?: (scenario: Scenario) => Generator<() => Chooser>;
}

const firstTouch: Scenario = {
  setup: [map(A, 4), touch(A + PAGE, 1, 9)],
  programs: [[store(A, 1)], [store(A + 4, 2)]],
  verify: [load(A), load(A + 4)],
  judges: ['I13', 'I2', 'I3'],
};

const scenarios: Record<string, Scenario> = {
  ptl: firstTouch,
  pte_recheck: firstTouch,
  pmd_recheck: {
    setup: [map(A, 4), store(A, 9), zap(A, 4)],
    programs: [[store(A, 1)], [{ op: 'retract_page_table', addr: A }]],
    verify: [load(A)],
    judges: ['I13', 'I2'],
  },
  pmd_install_recheck: {
    setup: [map(A, 4)],
    programs: [[store(A, 1)], [store(A + PAGE, 2)]],
    verify: [load(A), load(A + PAGE)],
    judges: ['I4', 'I5'],
  },
  anon_vma_recheck: {
    setup: [map(A, 4)],
    programs: [[store(A, 1)], [store(A + PAGE, 2)]],
    judges: ['I8'],
  },
  mmf_unstable: {
    setup: [map(A, 4), store(A, 7)],
    programs: [[load(A), load(A)], [{ op: 'oom_reap' }]],
    judges: ['I13'],
  },
  uptodate_barrier: {
    setup: [
      map(A, 64),
      touch(A + 4, 64, 0x5ec3e7),
      { op: 'munmap', addr: A, length: 64 * PAGE },
      map(A, 4),
      store(A + PAGE, 1),
    ],
    programs: [[store(A, 1)], [load(A + 4)]],
    judges: ['I13'],
  },
  tlb_flush: {
    // CPU 1 gives the page back and gets the same frame for another address, while CPU 0 still has it in its TLB.
    setup: [map(A, 16), store(A, 7)],
    programs: [
      [store(A, 1), store(A, 2), store(A, 3), store(A, 4)],
      [zap(A, 1), store(A + 8 * PAGE, 5), load(A + 8 * PAGE), load(A + 8 * PAGE)],
    ],
    verify: [load(A + 8 * PAGE)],
    judges: ['I13'],
  },
  zone_lock: {
    setup: [map(A, 64), store(A, 1)],
    programs: [[touch(A, 24, 1)], [touch(A + 32 * PAGE, 24, 2)]],
    judges: ['I7', 'dmesg', 'I9', 'I13', 'I1'],
    config: { memory: 1024 * 1024 },
  },
  pcp_lock: {
    // The pages that the set-up gives back stand on CPU 0's list, where both CPUs take them.
    setup: [map(A, 64), touch(A, 24, 1), zap(A, 24)],
    programs: [[touch(A, 24, 1)], Array.from({ length: 8 }, (): Op => ({ op: 'drain_pages', cpu: 0 }))],
    judges: ['I7', 'dmesg', 'I9'],
    config: { memory: 16 * 1024 * 1024 },
  },
  memcg_add_then_check: {
    setup: [map(A, 8), store(A + 7 * PAGE, 1)],
    programs: [[touch(A, 3, 1)], [touch(A + 3 * PAGE, 3, 2)]],
    judges: ['I6'],
    room: [3],
  },
  memcg_unwind: {
    setup: [map(A, 8), store(A + 7 * PAGE, 1)],
    programs: [[touch(A, 3, 1)], [touch(A + 3 * PAGE, 3, 2)]],
    judges: ['I6'],
    room: [3, 1000],
    config: { memcgLimits: [100_000, 100_000] },
  },
  rss_atomic: {
    setup: [map(A, 8), store(A + 7 * PAGE, 1)],
    programs: [[touch(A, 3, 1)], [touch(B, 3, 2)], [touch(A + 3 * PAGE, 3, 3)]],
    judges: ['I3'],
    config: { cpus: 3 },
  },
  cow_recheck: {
    setup: [map(A, 4), store(A + PAGE, 9), load(A)],
    programs: [[store(A, 1)], [store(A + 4, 2)]],
    verify: [load(A), load(A + 4)],
    judges: ['I13', 'I2', 'I3'],
  },
  vma_write_lock: {
    setup: [map(A, 4), store(A + PAGE, 9)],
    programs: [[store(A, 1)], [{ op: 'munmap', addr: A, length: 4 * PAGE }]],
    judges: ['I12', 'I2', 'I5', 'leak'],
  },
  fork_vma_lock: {
    // CPU 1 copies a page of the forking process, to which CPU 2 still writes through its TLB.
    setup: [map(A, 1), store(A, 7)],
    programs: [
      [wait(1), { op: 'fork', child: 1 }],
      [wait(1), store(A + 4, 2)],
      [store(A, 1), advance, ...[2, 3, 4, 5, 6, 7, 8, 9].map((value) => store(A, value))],
    ],
    verify: [load(A)],
    judges: ['I13'],
    config: { cpus: 3 },
    schedules: betweenCopyAndFlush,
  },
  cow_flush: {
    setup: [map(A, 4), store(A, 7), { op: 'fork', child: 1 }],
    programs: [
      [load(A), wait(1), load(A)],
      [store(A, 1), advance],
    ],
    judges: ['I13'],
  },
  soft_dirty_flush: {
    setup: [map(A, 4), store(A, 7)],
    programs: [
      [store(A, 1), wait(1), store(A, 2)],
      [{ op: 'clear_refs' }, advance],
    ],
    judges: ['soft-dirty'],
  },
  mremap_flush: {
    // CPU 1 moves the page to another PTE table, while CPU 0 still has its old address in its TLB.
    setup: [map(A, 1), store(A, 7)],
    programs: [
      [store(A, 1), advance, wait(2), store(A, 2)],
      [
        wait(1),
        { op: 'mremap', addr: A, old_length: PAGE, new_length: PAGE, flags: 3, new_addr: B + 8 * PAGE },
        store(B + 8 * PAGE, 5),
        advance,
      ],
    ],
    verify: [load(B + 8 * PAGE)],
    judges: ['I13'],
  },
  uffd_missing: {
    setup: [map(A, 4), store(A + PAGE, 9), watch],
    programs: [[load(A)], [{ op: 'uffd_serve', faults: 1, how: 'copy', value: 7 }]],
    judges: ['I13'],
  },
  uffd_must_wait: {
    setup: [map(A, 4), store(A + PAGE, 9), watch],
    programs: [[store(A, 1)], [{ op: 'uffd_copy', addr: A, length: PAGE, value: 7 }]],
    verify: [load(A), load(A + 4)],
    judges: ['stuck'],
  },
};

/** Steps at which a single preemption is tried. */
const STEPS = 159;
/** From each to the next that is tried: coprime to STEPS, and it finds them soon, wherever they are. */
const STRIDE = 82;

/**
 * One preemption at each step, two or three at random, and random schedules, in turns: all that is tried to show what a
 * defence is for. Each can be begun as often as one likes.
 */
function* schedules(): Generator<() => Chooser> {
  for (let n = 0; n < 2 * STEPS; n++) {
    const at = 1 + (((n >> 1) * STRIDE) % STEPS);
    const first = n % 2;
    yield () => preemptingChooser(first, [{ at, to: 1 - first }]);
    const seed = n + 1;
    const point = (i: number): number => 1 + ((seed * 7919 * (i + 3)) % 400);
    const points = [point(0), point(1), point(2)].sort((a, b) => a - b);
    yield () =>
      preemptingChooser(
        seed % 2,
        points.map((step, i) => ({ at: step, to: (seed + i + 1) % 2 })),
      );
    yield () => randomChooser(seed * 7919, 2 + (seed % 13));
  }
}

/** Steps that a store of CPU 2 takes at least, and the first with what comes before and after it. */
const FIRST_STORE = 17;

/**
 * CPU 2 has stored; CPU 0 forks, but for its last steps; CPU 1 goes on for a while; then CPU 2. From the end of the fork
 * on backwards, since entries are write-protected last and the flush comes at the very end.
 */
function* betweenCopyAndFlush(scenario: Scenario): Generator<() => Chooser> {
  let forked = 0;
  const inOrder = preemptingChooser(2, [{ at: FIRST_STORE, to: 0 }]);
  run(scenario, [], (ready, current, steps) => {
    const next = inOrder(ready, current, steps);
    if (next === 0) forked = steps;
    return next;
  });
  for (let before = 0; before < 100; before += 7) {
    for (let copied = 0; copied < 200; copied += 9) {
      const at = forked - before;
      const then = [
        { at: FIRST_STORE, to: 0 },
        { at, to: 1 },
        { at: at + copied, to: 2 },
      ];
      yield () => preemptingChooser(2, then);
    }
  }
}

function run(scenario: Scenario, without: string[], choose: Chooser): Verdict {
  const machine = boot({ cpus: 2, memory: 2 * 1024 * 1024, maxVmas: 64, ...scenario.config, without });
  const setup = machine.runHere([...scenario.setup, map(B, 4)], 0, true);
  machine.settle();
  if (scenario.room !== undefined) machine.limitToUsage(scenario.room);
  const outcome = machine.runStepped(scenario.programs, choose, true);
  const verify =
    scenario.verify === undefined || outcome.deadlock.length > 0 ? [] : [machine.runHere(scenario.verify, 0, true)];
  return judge(machine, outcome, { events: eventsOf([setup, ...outcome.cpus, ...verify]), exit: true });
}

describe('neg: without a defence', () => {
  it('has a scenario for each defence', () => {
    expect(Object.keys(scenarios).sort()).toEqual(DEFENCES.map((defence) => defence.name).sort());
  });

  for (const [name, scenario] of Object.entries(scenarios)) {
    it(`neg_${name} is caught by ${scenario.judges.join(', ')}, and not where it is on`, () => {
      const judges = new Set<string>();
      for (const begin of scenario.schedules?.(scenario) ?? schedules()) {
        expect(run(scenario, [], begin()).findings).toEqual([]);
        for (const finding of run(scenario, [name], begin()).findings) judges.add(finding.judge);
        if (scenario.judges.some((judgeName) => judges.has(judgeName))) break;
      }
      expect([...judges].filter((judgeName) => scenario.judges.includes(judgeName))).not.toEqual([]);
    });
  }
});
