// What generated programs, machines and sets of defences are like, and that all of them shrink, wherever they come from.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFENCES } from '../../src/kernel/defences.ts';
import type { Op } from '../../src/kernel/program.ts';
import { checkConfig } from '../../src/machine/config.ts';
import {
  DEFAULT_WEIGHTS,
  cpuProgram,
  cpuPrograms,
  defences,
  machineConfig,
  mapArena,
  raceCases,
} from '../../src/testing/index.ts';
import type { OperationKind, RacePrograms } from '../../src/testing/index.ts';
import { exampleDesign } from '../support/designs.ts';
import { pagesTouched } from '../../src/stress/pages.ts';
import { scenarioNamed, specOf } from '../../src/explore/scenarios.ts';

const PAGE = 4096;

const stored = (ops: readonly Op[]): number[] =>
  ops.flatMap((op) => (op.op === 'store' || (op.op === 'touch' && op.write) ? [op.value] : []));
const mapped = (setup: readonly Op[]): Set<number> =>
  new Set(setup.filter(({ op }) => op === 'mmap').flatMap(pagesTouched));
const size = ({ setup, programs }: RacePrograms): number => setup.length + programs.flat().length;

/** The values that `arbitrary` shrinks `value` to when everything `keeps`. */
function smallest<T>(arbitrary: fc.Arbitrary<T>, value: T, keeps: (value: T) => boolean): { value: T; steps: number } {
  const { counterexample, numShrinks } = fc.check(
    fc.property(arbitrary, (candidate) => !keeps(candidate)),
    { examples: [[value]], numRuns: 1 },
  );
  if (counterexample === null) throw new Error('smallest: the value itself is not kept');
  return { value: counterexample[0] as T, steps: numShrinks };
}

describe('cpuPrograms', () => {
  const options = { cpus: 4, operations: 6, pages: 4, regions: 3, words: 2 };

  it('makes programs on pages that the set-up maps, every store with a value of its own', () => {
    fc.assert(
      fc.property(cpuPrograms(options), ({ setup, programs }) => {
        expect(programs.length).toBeGreaterThanOrEqual(2);
        expect(programs.length).toBeLessThanOrEqual(options.cpus);
        for (const ops of programs) {
          expect(ops.length).toBeGreaterThanOrEqual(1);
          expect(ops.length).toBeLessThanOrEqual(options.operations);
        }
        const pages = mapped(setup);
        expect([...setup, ...programs.flat()].flatMap(pagesTouched).filter((page) => !pages.has(page))).toEqual([]);
        expect(pages.size).toBeLessThanOrEqual(options.pages * options.regions);
        const values = stored([...setup, ...programs.flat()]);
        expect(new Set(values).size).toBe(values.length);
        expect(values).not.toContain(0);
      }),
    );
  });

  it('makes programs that collide: in most cases CPUs meet on a page', () => {
    const cases = fc.sample(cpuPrograms(), { numRuns: 200, seed: 1 });
    const meet = cases.filter(({ programs: [a = [], b = []] }) => {
      const pages = new Set(a.flatMap(pagesTouched));
      return b.flatMap(pagesTouched).some((page) => pages.has(page));
    });
    expect(meet.length).toBeGreaterThan(150);
  });

  it('makes operations of all kinds, and none of weight 0', () => {
    const kinds = Object.keys(DEFAULT_WEIGHTS) as OperationKind[];
    const seen = (weights: Partial<Record<OperationKind, number>>): string[] => {
      const cases = fc.sample(cpuPrograms({ weights, operations: 8 }), { numRuns: 200, seed: 1 });
      return [...new Set(cases.flatMap(({ programs }) => programs.flat().map(({ op }) => op)))].sort();
    };
    expect(seen({})).toEqual([...kinds].sort());
    const onlyStores = Object.fromEntries(kinds.map((kind) => [kind, kind === 'store' ? 1 : 0]));
    expect(seen(onlyStores)).toEqual(['store']);
  });

  it('shrinks to the two operations that matter, of three CPUs', () => {
    const { value } = smallest(
      cpuPrograms({ cpus: 3 }),
      {
        setup: [...mapArena(), { op: 'store', addr: 0x75e52fdff000, value: 7 }],
        programs: [
          [
            { op: 'load', addr: 0x75e52fdff000 },
            { op: 'munmap', addr: 0x75e52fdff000, length: PAGE },
          ],
          [{ op: 'touch', addr: 0x75e52fdfe008, pages: 3, write: true, value: 5 }],
          [
            { op: 'store', addr: 0x75e52fdff004, value: 6 },
            { op: 'load', addr: 0x75e5305fe000 },
          ],
        ],
      },
      ({ setup, programs }) =>
        programs.filter(
          (ops) => stored(ops).length > 0 && ops.flatMap(pagesTouched).every((page) => mapped(setup).has(page)),
        ).length >= 2,
    );
    const addr = 0x75e52fdfe000;
    expect(value).toEqual({
      setup: [{ op: 'mmap', addr, length: PAGE, prot: 3, flags: 0x32 }],
      programs: [[{ op: 'store', addr, value: 1 }], [{ op: 'store', addr: addr + 4, value: 2 }]],
    });
  });

  it('shrinks what was made elsewhere: a scenario of the catalogue', () => {
    const { setup, programs } = specOf(scenarioNamed('stale-tlb'));
    const { value, steps } = smallest(
      cpuPrograms(),
      { setup, programs },
      (candidate) => stored(candidate.programs.flat()).length >= 2,
    );
    expect(steps).toBeGreaterThan(0);
    expect(size(value)).toBeLessThan(size({ setup, programs }));
  });

  it('ends shrinking, whatever holds on the way', () => {
    fc.assert(
      fc.property(cpuPrograms({ cpus: 3 }), fc.integer(), (programs, salt) => {
        // Anything may fail: a coin that depends on the value alone.
        const fails = (value: RacePrograms): boolean => fc.hash(JSON.stringify([value, salt])) % 3 !== 0;
        fc.pre(fails(programs));
        const { value, steps } = smallest(cpuPrograms(), programs, fails);
        expect(steps).toBeLessThan(200);
        expect(size(value)).toBeLessThanOrEqual(size(programs));
      }),
      { numRuns: 50 },
    );
  });

  it('keeps operations by which CPUs wait for each other', () => {
    const addr = 0x75e52fdfe000;
    const programs: RacePrograms = {
      setup: mapArena(),
      programs: [
        [{ op: 'store', addr, value: 1 }, { op: 'barrier' }, { op: 'load', addr }],
        [{ op: 'load', addr }, { op: 'barrier' }],
        [{ op: 'barrier' }],
      ],
    };
    const { value } = smallest(cpuPrograms(), programs, () => true);
    expect(value.programs).toEqual([[{ op: 'barrier' }], [{ op: 'barrier' }], [{ op: 'barrier' }]]);
  });
});

describe('cpuProgram', () => {
  it('works where mapArena maps', () => {
    const options = { pages: 2, regions: 1, words: 1, operations: 4 };
    const pages = mapped(mapArena(options));
    fc.assert(
      fc.property(cpuProgram(options), (ops) => {
        expect(ops.flatMap(pagesTouched).filter((page) => !pages.has(page))).toEqual([]);
        expect(ops.length).toBeLessThanOrEqual(4);
      }),
    );
  });

  it('shrinks to one operation', () => {
    const { counterexample } = fc.check(
      fc.property(cpuProgram({ operations: 20 }), () => false),
      { seed: 3 },
    );
    expect(counterexample?.[0]).toHaveLength(1);
  });
});

describe('machineConfig', () => {
  it('makes machines that can be booted, and shrinks to the default', () => {
    fc.assert(
      fc.property(machineConfig(), (config) => {
        expect(() => checkConfig(config)).not.toThrow();
        expect(config.locking).not.toBe('none');
      }),
    );
    expect(smallest(machineConfig(), { locking: 'mm', lock: 'ticket', softDirty: false }, () => true).value).toEqual(
      {},
    );
  });

  it('keeps to the designs that are asked for', () => {
    const chosen = fc.sample(machineConfig({ locking: ['mm', 'cmpxchg'], lock: ['ticket'] }), { numRuns: 50, seed: 1 });
    expect([...new Set(chosen.map(({ locking }) => locking))].sort()).toEqual(['cmpxchg', 'mm']);
    expect([...new Set(chosen.map(({ lock }) => lock))]).toEqual(['ticket']);
    const own = exampleDesign('bit-locks');
    expect(fc.sample(machineConfig({ locking: [own] }), 1)[0]?.locking).toBe(own);
  });
});

describe('defences', () => {
  const all = DEFENCES.map(({ name }) => name);

  it('are few, each of the catalogue, none twice; they shrink to none', () => {
    const sizes = fc.sample(defences(), { numRuns: 300, seed: 1 }).map((names) => {
      expect(names.every((name) => all.includes(name))).toBe(true);
      expect(new Set(names).size).toBe(names.length);
      return names.length;
    });
    expect(sizes.filter((count) => count <= 1).length).toBeGreaterThan(150);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(3);
    expect(smallest(defences(), ['ptl', 'pte_recheck', 'cow_recheck'], (names) => names.includes('ptl')).value).toEqual(
      ['ptl'],
    );
  });
});

describe('raceCases', () => {
  it('puts a case together, and shrinks one that was pasted in all its parts', () => {
    const { setup, programs } = specOf(scenarioNamed('first-touch'));
    const race = { setup, programs, config: { locking: 'mm', without: ['ptl', 'pte_recheck'] } };
    const arbitrary = raceCases({ config: machineConfig(), without: defences() });
    const { value } = smallest(
      arbitrary,
      race,
      (candidate) => candidate.config?.without?.includes('pte_recheck') === true,
    );
    expect(value.config).toEqual({ without: ['pte_recheck'] });
    expect(value.programs.flat()).toEqual([]);
  });

  it('takes one value for an arbitrary, and leaves it as it is', () => {
    const config = { lock: 'ticket' };
    for (const race of fc.sample(raceCases({ config, without: ['ptl'] }), { numRuns: 10, seed: 1 })) {
      expect(race.config).toEqual({ lock: 'ticket', without: ['ptl'] });
    }
  });
});

describe('mistakes', () => {
  it.each([
    [() => cpuPrograms({ cpus: 1 }), 'cpus 1: give a whole number from 2 to 8, for example 2'],
    [() => cpuPrograms({ pages: 9 }), 'pages 9: give a whole number from 1 to 8, for example 2'],
    [() => cpuProgram({ operations: 0 }), 'operations 0: give a whole number from 1 to 100, for example 3'],
    [
      () => cpuProgram({ weights: { store: -1 } }),
      'weight of store -1: give a whole number from 0 to 1,000,000, for example 1',
    ],
    [
      () => cpuProgram({ weights: { stroe: 1 } as object }),
      "weights: there is no 'stroe'; use store, load, touch, madvise, mprotect, munmap, mmap, retract_page_table, for example { store: 8 }",
    ],
    [
      () => machineConfig({ lock: ['tiket'] }),
      "Lock 'tiket' is not known: use one of qspinlock, ticket, test-and-set, for example ticket.",
    ],
    [() => machineConfig({ locking: ['spilt'] }), /^Locking design 'spilt' is not known: use .*split/],
    [() => defences(['plt']), /^Defence 'plt' is not known: use .*, for example ptl\.$/],
  ])('are told in one sentence (%#)', (make, sentence) => {
    expect(make).toThrow(sentence);
  });
});
