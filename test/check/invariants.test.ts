// Each invariant: held on a healthy machine, and broken by the smallest corruption that breaks it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { INVARIANTS, JUDGES, judgeEmpty, judgeSnapshot } from '../../src/check/invariants.ts';
import {
  CACHE_ANON_VMA,
  CACHE_VMA,
  FREE_AREA_WORDS,
  HEADER_WORDS,
  PAGE_TYPE_BUDDY,
  PAGE_TYPE_NONE,
  PG_anon_exclusive,
  PG_lru,
  anon_vma,
  anon_vma_chain,
  cpu_area,
  folio_batch,
  header,
  kmem_cache,
  lruvec,
  maple_node,
  maple_slot,
  mem_cgroup,
  mm_struct,
  page,
  per_cpu_pages,
  vma,
  zone,
} from '../../src/kernel/layout.ts';
import { snapshot } from '../../src/machine/snapshot.ts';
import {
  ADDRESS,
  BASE_PFN,
  BLOCKS,
  HandMachine,
  LISTED,
  PCP,
  PGD,
  PMD,
  PTE,
  PUD,
  QUEUED,
  ZERO_FRAME,
} from '../support/hand-machine.ts';

const FREE_BLOCK = 32;

/** What the judges say of a machine after `corrupt` has been at it, one line a finding. */
function after(corrupt: (m: HandMachine) => void): string[] {
  const machine = new HandMachine();
  corrupt(machine);
  return judgeSnapshot(snapshot(machine.buffer)).map((f) => [`${f.judge}: ${f.message}`, ...f.details].join(' | '));
}

/** Adds to a word. */
function add(m: HandMachine, word: number, delta: number): void {
  m.words[word]! += delta;
}

it('calls a healthy machine healthy', () => {
  const machine = new HandMachine();
  const s = snapshot(machine.buffer);
  expect(s.problems).toEqual([]);
  expect(judgeSnapshot(s)).toEqual([]);
});

it('has a name and a symptom for each judge, and no name twice', () => {
  const names = JUDGES.map((judge) => judge.name);
  expect(new Set(names).size).toBe(names.length);
  for (let n = 1; n <= 13; n++) expect(names).toContain(`I${String(n)}`);
  for (const { what, symptom } of JUDGES) expect([what, symptom]).not.toContain('');
});

/** The judge, what is done, and what it says. */
const corruptions: [string, (m: HandMachine) => void, RegExp][] = [
  [
    'I1',
    (m) => {
      add(m, m.page(LISTED) + page._mapcount, 1);
    },
    /Bad page map.*pfn 0x38944d: refcount 1, mapcount 2, PTEs 1/,
  ],
  [
    'I1',
    (m) => {
      m.pte(1, 0n);
    },
    /pfn 0x38944d: refcount 1, mapcount 1, PTEs 0/,
  ],
  [
    'I1',
    (m) => {
      m.pte(3, 0x8000000000123865n);
    },
    /0x75e52fc7a000 maps pfn 0x123: no page of this machine/,
  ],
  [
    'I1',
    (m) => {
      m.pte(2, HandMachine.value(QUEUED, 0x8000000000000225n));
    },
    /not the zero page/,
  ],
  [
    'I2',
    (m) => {
      add(m, m.page(LISTED) + page._refcount, 1);
    },
    /Bad page state: 1 page with a wrong _refcount.*PTEs 1, in batches 0/,
  ],
  [
    'I2',
    (m) => {
      m.pte(1, 0n);
    },
    /1 folio leaked.*frame pfn 0x38944d is allocated but nobody maps it \(refcount 1\)/,
  ],
  [
    'I2',
    (m) => {
      m.words[m.area(0) + cpu_area.lru_add + folio_batch.nr] = 0;
    },
    /pfn 0x38944c: refcount 2.*in batches 0/,
  ],
  [
    'I2',
    (m) => {
      add(m, m.page(PMD) + page._refcount, 1);
    },
    /a page table with refcount 2/,
  ],
  [
    'I2',
    (m) => {
      add(m, m.page(FREE_BLOCK + 1) + page._refcount, 1);
    },
    /is free with refcount 1/,
  ],
  [
    'I3',
    (m) => {
      add(m, m.rss(1), 1);
    },
    /BUG: Bad rss-counter state mm:00000001 type:MM_ANONPAGES val:1 \| counter 3, present PTEs 2/,
  ],
  [
    'I3',
    (m) => {
      add(m, m.rss(1) + 5, -1);
    },
    /type:MM_ANONPAGES val:-1/,
  ],
  [
    'I3',
    (m) => {
      add(m, m.rss(2), 2);
    },
    /type:MM_SWAPENTS val:2/,
  ],
  [
    'I4',
    (m) => {
      add(m, m.mm + mm_struct.pgtables_bytes, 4096);
    },
    /non-zero pgtables_bytes on freeing mm: 4096/,
  ],
  [
    'I4',
    (m) => {
      m.entry(PMD, 0x17e, 0n);
    },
    /non-zero pgtables_bytes on freeing mm: 4096/,
  ],
  [
    'I5',
    (m) => {
      m.entry(PMD, 0x17e, 0n);
    },
    /pfn 0x389444: a page table that nothing leads to/,
  ],
  [
    'I5',
    (m) => {
      m.entry(PMD, 0x17f, HandMachine.value(PTE, 0x67n));
    },
    /pfn 0x389444: 2 ways lead to this page table/,
  ],
  [
    'I5',
    (m) => {
      m.entry(PUD, 0x195, HandMachine.value(PTE, 0x67n));
    },
    /made for level 1, used at level 2/,
  ],
  [
    'I5',
    (m) => {
      m.entry(PMD, 0x17f, HandMachine.value(LISTED, 0x67n));
    },
    /used as a page table, and is none/,
  ],
  [
    'I5',
    (m) => {
      m.entry(PUD, 0x195, 0x123n);
    },
    /bad pud 0x75e540000000\(0000000000000123\)/,
  ],
  [
    'I5',
    (m) => {
      m.words[m.page(PTE) + page.pt_mm] = 5;
    },
    /it belongs to another mm/,
  ],
  [
    'I6',
    (m) => {
      add(m, m.group + mem_cgroup.usage, 1);
    },
    /memory group 2: usage 12, charged and stocked 11/,
  ],
  [
    'I6',
    (m) => {
      add(m, m.root + mem_cgroup.usage, -1);
    },
    /root: usage 10, charged and stocked 11/,
  ],
  [
    'I6',
    (m) => {
      m.words[m.group + mem_cgroup.max] = 10;
    },
    /memory.current stands above memory.max.*usage 11, memory.max 10/,
  ],
  [
    'I6',
    (m) => {
      m.words[m.root + mem_cgroup.parent] = m.group;
    },
    /its parents go round in a circle/,
  ],
  [
    'I6',
    (m) => {
      m.words[m.page(LISTED) + page.memcg_data] = m.mm;
    },
    /which is no group/,
  ],
  [
    'I7',
    (m) => {
      m.words[m.page(FREE_BLOCK) + page.allocated] = 1;
    },
    /allocated and on a free list/,
  ],
  [
    'I7',
    (m) => {
      m.list(m.pcp(0) + per_cpu_pages.list, []);
    },
    /neither allocated nor on a free list/,
  ],
  [
    'I7',
    (m) => {
      m.list(
        m.pcp(1) + per_cpu_pages.list,
        [...PCP[1]!, FREE_BLOCK + 3].map((f) => m.page(f) + page.lru),
      );
    },
    /pfn 0x389463 is free twice/,
  ],
  [
    'I7',
    (m) => {
      m.words[m.page(PCP[0]![2]!) + page.lru] = 3;
    },
    /list_del corruption|no page/,
  ],
  [
    'I7',
    (m) => {
      add(m, m.zone() + zone.nr_free_pages, 1);
    },
    /zone Normal: nr_free_pages 45, pages in the buddy lists 44/,
  ],
  [
    'I7',
    (m) => {
      add(m, m.pcp(1) + per_cpu_pages.count, 1);
    },
    /CPU 1: pcp->count 7, pages listed 6/,
  ],
  [
    'I7',
    (m) => {
      m.words[m.page(FREE_BLOCK) + page.private] = 4;
    },
    /says it has order 4/,
  ],
  [
    'I7',
    (m) => {
      m.words[m.page(FREE_BLOCK) + page.page_type] = PAGE_TYPE_NONE;
    },
    /is not PageBuddy/,
  ],
  [
    'I7',
    (m) => {
      m.words[m.page(FREE_BLOCK + 1) + page.page_type] = PAGE_TYPE_BUDDY;
    },
    /4 pages are PageBuddy, blocks listed 3/,
  ],
  [
    'I7',
    (m) => {
      m.pte(3, HandMachine.value(FREE_BLOCK, 0x8000000000000867n));
    },
    /free, and mapped by 1 PTE/,
  ],
  [
    'I8',
    (m) => {
      m.words[m.page(LISTED) + page.mapping] = m.anonVma + 11;
    },
    /its anon_vma is not in its VMA's chain/,
  ],
  [
    'I8',
    (m) => {
      m.long(m.page(LISTED) + page.index, 7);
    },
    /index 7, not/,
  ],
  [
    'I8',
    (m) => {
      m.words[m.vma + vma.anon_vma] = 0;
    },
    /its VMA has no anon_vma/,
  ],
  [
    'I8',
    (m) => {
      add(m, m.anonVma + anon_vma.num_active_vmas, 1);
    },
    /num_active_vmas 2, VMAs that point to it 1/,
  ],
  [
    'I8',
    (m) => {
      m.list(m.anonVma + anon_vma.rb_root, []);
    },
    /is nobody's and not free/,
  ],
  [
    'I8',
    (m) => {
      m.words[m.avc + anon_vma_chain.vma] = m.mm;
    },
    /the entry of another VMA/,
  ],
  [
    'I9',
    (m) => {
      m.words[m.page(LISTED) + page.flags]! &= ~(1 << PG_anon_exclusive);
    },
    /PG_anon_exclusive is not set/,
  ],
  [
    'I9',
    (m) => {
      m.pte(3, HandMachine.value(LISTED, 0x8000000000000867n));
    },
    /mapped by 2 PTEs/,
  ],
  [
    'I9',
    (m) => {
      m.pte(2, HandMachine.value(ZERO_FRAME, 0x8000000000000267n));
    },
    /the zero page, mapped writable/,
  ],
  [
    'I9',
    (m) => {
      m.words[m.at.ram + 77] = 1;
    },
    /the zero page: 1 word not zero/,
  ],
  [
    'I10',
    (m) => {
      m.pte(1, HandMachine.value(LISTED, 0x8400000000000827n));
    },
    /writable, and dirty in bit 58/,
  ],
  [
    'I10',
    (m) => {
      m.pte(1, HandMachine.value(LISTED, 0x8000000000000865n));
    },
    /read-only, and dirty in bit 6/,
  ],
  [
    'I10',
    (m) => {
      m.pte(5, 0x80n);
    },
    /0x75e52fc7c000: pte 0000000000000080 is neither empty nor present/,
  ],
  [
    'I11',
    (m) => {
      m.words[m.page(QUEUED) + page.flags]! |= 1 << PG_lru;
    },
    /pfn 0x38944c: PG_lru 1, on the list 0 times/,
  ],
  [
    'I11',
    (m) => {
      m.words[m.page(LISTED) + page.flags]! &= ~(1 << PG_lru);
    },
    /PG_lru 0, on the list 1 time/,
  ],
  [
    'I11',
    (m) => {
      m.fill(m.area(1) + cpu_area.lru_add, folio_batch, { nr: 1, folios: m.page(LISTED) });
    },
    /on the list and in a batch/,
  ],
  [
    'I11',
    (m) => {
      add(m, m.at.lruvec + lruvec.sizes, 1);
    },
    /lru_size 2, folios on the list 1/,
  ],
  [
    'I11',
    (m) => {
      m.words[m.page(LISTED) + page.lru] = m.page(LISTED) + page.lru;
    },
    /on the list 2 times/,
  ],
  [
    'I11',
    (m) => {
      m.words[m.area(0) + cpu_area.lru_add + folio_batch.nr] = 1_000_000_000;
    },
    /says it holds 1000000000 folios/,
  ],
  [
    'I12',
    (m) => {
      m.words[m.node + maple_node.count] = 0;
    },
    /3 PTEs present in a range that is not mapped/,
  ],
  [
    'I12',
    (m) => {
      m.words[m.vma + vma.detached] = 1;
    },
    /is detached and still in the tree/,
  ],
  [
    'I12',
    (m) => {
      m.words[m.vma + vma.vm_flags] = 0x71;
    },
    /writable in a VMA that is not/,
  ],
  [
    'I12',
    (m) => {
      m.words[m.vma + vma.vm_flags] = 0x70;
    },
    /present in a VMA that allows nothing/,
  ],
  [
    'I12',
    (m) => {
      m.long(m.vma + vma.vm_end, ADDRESS + 4096);
    },
    /the tree has another range than the VMA/,
  ],
  [
    'I12',
    (m) => {
      m.words[m.node + maple_node.slots + maple_slot.vma] = 3;
    },
    /leads to no VMA/,
  ],
  [
    'I12',
    (m) => {
      m.words[m.mm + mm_struct.map_count] = 2;
    },
    /map_count 2, VMAs in the tree 1/,
  ],
  [
    'slab',
    (m) => {
      m.words[m.words[m.cache(CACHE_VMA) + kmem_cache.free]!] = m.words[m.cache(CACHE_VMA) + kmem_cache.free]!;
    },
    /BUG vm_area_struct: Object already free/,
  ],
  [
    'slab',
    (m) => {
      m.words[m.words[m.cache(CACHE_VMA) + kmem_cache.free]!] = 17;
    },
    /BUG vm_area_struct: Freechain corrupt/,
  ],
  [
    'slab',
    (m) => {
      add(m, m.cache(CACHE_ANON_VMA) + kmem_cache.in_use, 1);
    },
    /BUG anon_vma: 2 objects in use, 1 not free/,
  ],
  [
    'locks',
    (m) => {
      m.fill(m.page(PTE) + page.ptl, { val: 0, holder: 1 }, { val: 1, holder: 2 });
    },
    /1 lock held when returning to user space! \| ptlock \(word 0x[0-9a-f]+\) held by CPU 1/,
  ],
  [
    'locks',
    (m) => {
      m.words[m.mm + mm_struct.mmap_lock] = 0x100;
    },
    /mmap_lock .* held by somebody/,
  ],
  [
    'dmesg',
    (m) => {
      m.words[m.at.dmesg] = 1;
      m.words[header.dmesg_next] = 1;
    },
    /BUG: Bad rss-counter state/,
  ],
];

describe('a corrupt machine', () => {
  it.each(corruptions.map(([judge, corrupt, says]) => ({ judge, corrupt, says })))(
    '$judge says $says',
    ({ judge, corrupt, says }) => {
      expect(
        after(corrupt)
          .filter((line) => line.startsWith(`${judge}: `))
          .join('\n'),
      ).toMatch(says);
    },
  );

  it('is found by each judge of a machine at rest', () => {
    const covered = new Set(corruptions.map(([judge]) => judge));
    expect(INVARIANTS.map((invariant) => invariant.name).filter((name) => !covered.has(name))).toEqual([]);
  });

  it('is found wherever a reference or mapping count is wrong', () => {
    const anywhere = fc.record({
      frame: fc.nat(63),
      field: fc.constantFrom(page._refcount, page._mapcount),
      delta: fc.integer({ min: -3, max: 3 }).filter((d) => d !== 0),
    });
    fc.assert(
      fc.property(anywhere, ({ frame, field, delta }) => {
        const lines = after((m) => {
          add(m, m.page(frame) + field, delta);
        });
        expect(lines.join('\n')).toContain((BASE_PFN + frame).toString(16));
      }),
    );
  });

  it('is found whichever page-table entry of a process is lost', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<[number, number]>([PGD, 0xeb], [PUD, 0x194], [PMD, 0x17e], [PTE, 0x77], [PTE, 0x78]),
        ([frame, index]) => {
          expect(
            after((m) => {
              m.entry(frame, index, 0n);
            }),
          ).not.toEqual([]);
        },
      ),
    );
  });

  it('is found whichever free block is lost', () => {
    fc.assert(
      fc.property(fc.constantFrom(...BLOCKS), ([frame, order]) => {
        const lines = after((m) => {
          m.list(m.zone() + zone.free_area + order * FREE_AREA_WORDS, []);
        });
        expect(lines.join('\n')).toContain(
          `pfn 0x${(BASE_PFN + frame).toString(16)}: neither allocated nor on a free list`,
        );
      }),
    );
  });

  it('never hangs or throws, whatever its words are', () => {
    const machine = new HandMachine();
    const first = HEADER_WORDS;
    const word = fc.oneof(
      fc.integer({ min: first, max: machine.at.ram - 1 }),
      fc.integer({ min: machine.at.ram, max: machine.at.words - 1 }),
      fc.integer({ min: machine.at.mem_map, max: machine.at.ram - 1 }),
    );
    const pointer = fc.integer({ min: 0, max: machine.at.words - 1 });
    const value = fc.oneof(fc.integer(), fc.integer({ min: -4, max: 70 }), pointer);
    fc.assert(
      fc.property(fc.array(fc.tuple(word, value), { minLength: 1, maxLength: 30 }), (writes) => {
        const torn = new HandMachine();
        for (const [at, to] of writes) torn.words[at] = to;
        const s = snapshot(torn.buffer);
        for (const finding of [...judgeSnapshot(s), ...judgeEmpty(s)]) expect(finding.message).not.toBe('');
      }),
      { numRuns: 500 },
    );
  });

  it('of which little is said even if much is broken', () => {
    const lines = after((m) => {
      for (let at = m.at.mem_map; at < m.at.ram; at++) m.words[at] = -1;
    });
    for (const line of lines) expect(line.split(' | ').length).toBeLessThanOrEqual(6);
  });
});

describe('after exit', () => {
  it('sees what is left', () => {
    const messages = judgeEmpty(snapshot(new HandMachine().buffer)).map((f) => [f.message, ...f.details].join(' | '));
    expect(messages).toHaveLength(3);
    expect(messages[0]).toMatch(
      /^6 pages leaked: still allocated after exit \| pfn 0x389441: a page table, refcount 1/,
    );
    expect(messages[1]).toBe(
      'kernel objects leaked: still in use after exit | mm_struct: 1 | vm_area_struct: 1 | anon_vma: 1 | anon_vma_chain: 1 | and 1 more',
    );
    expect(messages[2]).toMatch(/memory group 1: usage 11 \| memory group 2: usage 11/);
  });
});
