// Rules of the kernel that are broken on purpose: each must show in a few hundred programs, and come down to a program of
// a few operations that a person can read. What does not show here would not show if we got it wrong ourselves.
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { campaign } from '../../src/conform/campaign.ts';
import { lonePrograms } from '../../src/conform/generate.ts';
import { MACHINE, stepsOf } from '../../src/conform/program.ts';
import type { Program } from '../../src/conform/program.ts';
import { Simulated } from '../../src/conform/simulated.ts';
import { mm_struct, page } from '../../src/kernel/layout.ts';
import { brokenKernel, withWrong } from '../support/broken-kernel.ts';
import type { BrokenKernel, BrokenRule } from '../support/broken-kernel.ts';
import { oracleOrReason, remembering } from '../support/oracle.ts';

const MOST_PROGRAMS = 500;
const MOST_OPERATIONS = 5;
const SEED = 7;
const LIMIT_MS = 240_000;

const ANON = 1;
const TOTAL_VM = String(mm_struct.total_vm);
const MAPCOUNT = String(page._mapcount);

const RULES: readonly BrokenRule[] = [
  {
    name: 'the zero page is charged to RSS',
    file: 'mm/anon.js',
    replaced: 'map_zero_page',
    wrong: `(cpu, vmf) => { const { mm } = vmf; const ret = right(cpu, vmf); add_mm_counter(cpu, mm, ${String(ANON)}, 1); return ret; }`,
  },
  {
    name: 'a page that goes is not taken from RSS',
    file: 'mm/anon.js',
    replaced: 'add_mm_counter',
    wrong: '(cpu, mm, member, value) => { if (value > 0) right(cpu, mm, member, value); }',
  },
  {
    name: 'a fault is counted twice',
    file: 'mm/memory.js',
    replaced: 'mm_account_fault',
    wrong: '(cpu, ret, flags) => { right(cpu, ret, flags); right(cpu, ret, flags); }',
  },
  {
    name: 'a fresh page is mapped read-only',
    file: 'mm/anon.js',
    replaced: 'anon_entry',
    wrong: '(...args) => { const { lo, hi } = right(...args); return { lo: lo & ~2, hi }; }',
  },
  {
    name: 'MADV_DONTNEED keeps the data',
    file: 'mm/madvise.js',
    replaced: 'zap_page_range_single',
    wrong: '() => undefined',
  },
  {
    name: 'fresh pages are not cleared',
    file: 'mm/page_alloc.js',
    replaced: 'clear_page',
    wrong: '() => undefined',
  },
  {
    name: 'fork leaves a shared page writable',
    file: 'mm/copy.js',
    replaced: 'ptep_set_wrprotect',
    wrong: '() => undefined',
  },
  {
    name: 'a shared page is reused where a copy is due',
    file: 'mm/wp.js',
    replaced: 'wp_can_reuse_anon_folio',
    wrong: '() => true',
  },
  {
    name: 'a page that nobody shares any more is copied',
    file: 'mm/wp.js',
    replaced: 'wp_can_reuse_anon_folio',
    wrong: '() => false',
  },
  {
    name: 'a copy does not have what the page had',
    file: 'memory.js',
    replaced: 'copy_words',
    wrong: '(cpu, to, from, count) => clear_words(cpu, to, count)',
  },
  {
    name: 'fork does not count who maps a page',
    file: 'mm/rmap.js',
    replaced: 'folio_dup_anon_rmap_pte',
    wrong: `(cpu, folio) => { right(cpu, folio); cpu.words[folio + ${MAPCOUNT}] -= 1; }`,
  },
  {
    name: 'VmPTE forgets a table',
    file: 'mm/pgalloc.js',
    replaced: 'mm_add_pgtables',
    wrong: '(cpu, mm, tables) => { if (tables < 0) right(cpu, mm, tables + 1); else right(cpu, mm, tables); }',
  },
  {
    name: 'munmap leaves the page tables',
    file: 'mm/zap.js',
    replaced: 'free_pgtables',
    wrong: '() => undefined',
  },
  {
    name: 'mprotect does not flush the TLB',
    file: 'arch/x86/tlb.js',
    replaced: 'flush_tlb_mm_range',
    wrong: '() => undefined',
  },
  {
    name: 'mprotect makes a page writable that is not ours alone',
    file: 'mm/mprotect.js',
    replaced: 'can_change_pte_writable',
    wrong: '() => true',
  },
  {
    name: 'mprotect leaves every page to another fault',
    file: 'mm/mprotect.js',
    replaced: 'can_change_pte_writable',
    wrong: '() => false',
  },
  {
    name: 'rights of the VMA are not looked at in a fault',
    file: 'arch/x86/fault.js',
    replaced: 'access_error',
    wrong: '() => false',
  },
  {
    name: 'munmap of what is not aligned succeeds',
    file: 'mm/mmap.js',
    replaced: 'sys_munmap',
    wrong: '(...args) => { right(...args); return 0; }',
  },
  {
    name: 'a mapping counts for a page too many',
    file: 'mm/mmap.js',
    replaced: 'mmap_region',
    wrong: `(cpu, mm, ...rest) => { const error = right(cpu, mm, ...rest); cpu.words[mm + ${TOTAL_VM}] += 1; return error; }`,
  },
  {
    name: 'VMAs that nothing tells apart stay apart',
    file: 'mm/vma.js',
    replaced: 'vma_merge',
    wrong: '(cpu, mm, vma) => vma',
  },
];

const oracle = remembering(await oracleOrReason());

/** Programs of one thread: that is what the rules are about, and the copy has no workers. */
const programs = (count: number): Program[] => fc.sample(lonePrograms(MACHINE.kinds), { seed: SEED, numRuns: count });

/** A function that is replaced by itself. */
const SAME: BrokenRule = {
  name: 'nothing at all',
  file: 'mm/wp.js',
  replaced: 'do_wp_page',
  wrong: '(...args) => right(...args)',
};

describe('a broken kernel', { timeout: LIMIT_MS }, () => {
  let kernel: BrokenKernel;

  beforeAll(async () => {
    kernel = await brokenKernel([...RULES, SAME]);
  });
  afterAll(() => {
    kernel.remove();
  });
  afterEach(() => {
    kernel.breakRule();
  });

  for (const rule of RULES) {
    it(rule.name, async ({ skip }) => {
      if (typeof oracle === 'string') {
        skip(oracle);
        return;
      }
      kernel.breakRule(rule);
      const sides = { oracle, simulated: new kernel.Simulated(oracle.about) };
      const outcome = await campaign(sides, programs(MOST_PROGRAMS));
      const [failure] = outcome.failures;
      expect(failure, `not found in ${String(outcome.programs)} programs`).toBeDefined();
      const operations = stepsOf(failure!.program).filter((operation) => operation !== 'join');
      expect(operations.length, JSON.stringify(failure!.program)).toBeLessThanOrEqual(MOST_OPERATIONS);
    });
  }

  for (const rule of [SAME, undefined]) {
    it(`is the kernel itself with ${rule?.name ?? 'no rule'} broken`, async ({ skip }) => {
      if (typeof oracle === 'string') {
        skip(oracle);
        return;
      }
      kernel.breakRule(rule);
      const sides = { oracle, simulated: new kernel.Simulated(oracle.about) };
      expect(kernel.Simulated).not.toBe(Simulated);
      expect((await campaign(sides, programs(50))).failures).toEqual([]);
    });
  }

  it('must have the function that is to be wrong', () => {
    const rule = { name: '', file: 'a.js', replaced: 'f', wrong: '() => 2' };
    const rules = new Map([[3, rule]]);
    expect(() => withWrong('function g() {}', rules)).toThrow('a.js has 0 functions named f, not 1');
    expect(withWrong('export function f() {}', rules)).toContain('export function f(...args)');
    expect(withWrong('function f() {}', rules)).toContain('case 3: return (() => 2)(...args)');
  });
});
