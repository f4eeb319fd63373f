// The later levels: tables, counters, reverse maps, what others do to a page meanwhile, and orders of locks and stores.
import type { Level } from './levels.ts';
import { planOf } from './plan.ts';

export const OTHER_LEVELS: readonly Level[] = [
  {
    id: 'split-locks',
    title: 'Two tables, two locks',
    plan: planOf({ scenario: 'rss', without: ['rss_atomic'] }),
    mode: 'schedule',
    story:
      'Two CPUs fault in two regions. Each PTE table has a lock of its own, so neither waits; both count in one RSS counter, by a load and a store.',
    goal: { kind: 'break', judges: ['I3'] },
    task: 'Lose a count.',
    question: 'Both hold a page-table lock while they count. Is the counter safe?',
    answers: [
      {
        text: 'Yes',
        isRight: false,
        means: 'They hold different locks. A lock guards what all who touch it take it for.',
      },
      { text: 'No', isRight: true, means: 'Two locks guard two tables, and the counter belongs to neither.' },
    ],
    hint: 'Stop CPU 0 between its load of the counter and its store.',
    schedule: '0:73,1:91,0:19.kxyqn',
    lesson:
      'Since page-table locks were split, one per table, what the whole process shares can’t rest on them. v6.8 counts RSS per CPU and folds it in under a lock; check_mm prints the difference at exit.',
    defence: 'rss_atomic',
  },
  {
    id: 'one-lock',
    title: 'Two tables, one lock',
    plan: planOf({ scenario: 'rss', locking: 'mm', without: ['rss_atomic'] }),
    mode: 'schedule',
    story: 'The same two faults and the same plain counter, with one page-table lock for the whole process.',
    goal: { kind: 'claim' },
    task: 'Try to lose a count; then say that none can be lost.',
    question: 'What does the one lock cost?',
    answers: [
      {
        text: 'Faults in different tables wait for each other',
        isRight: true,
        means: 'That is why it was split: many threads that fault in regions of their own need not meet.',
      },
      {
        text: 'Nothing, since faults are rare',
        isRight: false,
        means: 'Threads that fill a large region fault all the time, and would take turns at one lock.',
      },
    ],
    hint: 'Stop CPU 0 while it counts. CPU 1 gets as far as the lock.',
    schedule: '0:73,1:67,0:19,1:24.u0icb',
    lesson:
      'One lock is enough for the counter, and too much for the tables. v6.8 splits the lock wherever it is built for four CPUs or more, and pays with a counter that needs care of its own.',
    where: 'USE_SPLIT_PTE_PTLOCKS, include/linux/mm_types_task.h',
    evidence: 'CONFIG_SPLIT_PTLOCK_CPUS, 4 unless said otherwise',
  },
  {
    id: 'install',
    title: 'The install race',
    plan: planOf({ scenario: 'same-table', without: ['pmd_install_recheck'] }),
    mode: 'schedule',
    story:
      'Two CPUs touch two pages of one region whose PTE table is yet to be made. Each makes one, takes the pmd lock, and installs it without looking again.',
    goal: { kind: 'break', judges: ['I5'] },
    task: 'Lose a whole page table.',
    question: 'The pages are different. What can they lose?',
    answers: [
      {
        text: 'A table, with every page in it',
        isRight: true,
        means: 'The entry one level up is what they share: the second table covers the first.',
      },
      {
        text: 'Nothing, they never meet in one PTE',
        isRight: false,
        means: 'They meet one level up, in the pmd entry: there, too, is a look, and then a store.',
      },
    ],
    hint: 'Let both see that the pmd entry is empty. Let CPU 1 run to its end before CPU 0 installs its table.',
    schedule: '0:55,1:123,0:68.yqud6',
    lesson:
      'The same race as in the PTE, and the same cure, at every level of the tree: take the lock of that level, look again, and free what was not needed. Here up to 512 pages are lost at once.',
    defence: 'pmd_install_recheck',
  },
  {
    id: 'anon-vma',
    title: 'Two anon_vmas',
    plan: planOf({ scenario: 'anon-vma', without: ['anon_vma_recheck'] }),
    mode: 'schedule',
    story:
      'The first faults of a VMA, by two CPUs at once. Each makes the anon_vma by which the reverse map finds the VMA, and stores it without looking again.',
    goal: { kind: 'break', judges: ['I8'] },
    task: 'Give one VMA two anon_vmas.',
    question: 'Will the programs notice?',
    answers: [
      {
        text: 'Yes, a store is lost',
        isRight: false,
        means: 'Both stores arrive: page tables are right. What is wrong is the way back, from the folio to its VMA.',
      },
      {
        text: 'No, only reclaim and migration will',
        isRight: true,
        means: 'They go from a folio to those who map it, by an anon_vma that leads nowhere.',
      },
    ],
    hint: 'Both CPUs must have found vma->anon_vma empty before either takes page_table_lock.',
    schedule: '0:43,1:156,0:113.vvn6o',
    lesson:
      'A folio remembers its anon_vma. If the VMA is not linked to it the folio can’t be found again, and once that anon_vma is freed its memory is used after that. v6.8 looks again under page_table_lock.',
    defence: 'anon_vma_recheck',
  },
  {
    id: 'dontneed',
    title: 'A fault against DONTNEED',
    plan: planOf({ scenario: 'fault-vs-dontneed', without: ['ptl'] }),
    mode: 'schedule',
    story:
      'CPU 0 replaces the zero page by a folio of its own. CPU 1 gives the page back with MADV_DONTNEED and stores to it again. There is no page-table lock.',
    goal: { kind: 'break', judges: ['I13'] },
    task: 'Lose the store that CPU 1 makes after it gave the page back.',
    question: 'mmap_lock is held for both. Is that not enough?',
    answers: [
      {
        text: 'It is',
        isRight: false,
        means:
          'Both hold it for reading: it keeps the VMA as it is, and lets faults and DONTNEED run beside each other.',
      },
      {
        text: 'It is not',
        isRight: true,
        means: 'Readers do not exclude readers: between faults and DONTNEED the page-table lock decides.',
      },
    ],
    hint: 'CPU 0 takes the old entry out, and has to wait until CPU 1 has dropped its translation. There, let CPU 1 go on to its end.',
    schedule: '0:72,1:112,0:18.1dzde',
    lesson:
      'MADV_DONTNEED takes mmap_lock for reading only. That an entry is filled anew while another CPU is between taking the old one out and storing its own is prevented by the lock of its table alone. No CPU needs to be preempted for it: it waits there anyway.',
    defence: 'ptl',
  },
  {
    id: 'munmap',
    title: 'A fault against munmap',
    plan: planOf({ scenario: 'fault-vs-munmap', without: ['vma_write_lock'] }),
    mode: 'schedule',
    story:
      'CPU 0 faults under the lock of the VMA. CPU 1 unmaps the VMA, and does not wait for those who hold that lock.',
    goal: { kind: 'break', judges: ['I1', 'I2', 'I5', 'I12', 'leak'] },
    task: 'Leave something behind that nobody can find any more.',
    question: 'CPU 1 holds mmap_lock for writing. Does that keep CPU 0 out?',
    answers: [
      {
        text: 'It does',
        isRight: false,
        means:
          'Faults take the lock of their VMA instead of mmap_lock where they can: to be alone, munmap needs that, too.',
      },
      { text: 'It does not', isRight: true, means: 'A fault under the VMA lock never looks at mmap_lock.' },
    ],
    hint: 'Let CPU 0 find its VMA and go into the fault, up to where it looks for the anon_vma. Then let CPU 1 unmap.',
    schedule: '0:35,1:149,0:140,1:92.zdg1t',
    lesson:
      'Since faults need only the lock of one VMA, whoever changes or removes a VMA write-locks it first: vma_start_write waits for the faults under way, and turns later ones away.',
    defence: 'vma_write_lock',
  },
  {
    id: 'reaper',
    title: 'The OOM reaper',
    plan: planOf({ scenario: 'oom-reaper', without: ['mmf_unstable'] }),
    mode: 'schedule',
    story: 'A process is being killed for its memory. CPU 1 reaps its pages; CPU 0, a thread of it, still reads.',
    goal: { kind: 'break', judges: ['I13'] },
    task: 'Let a zero be read where 7 was stored.',
    question: 'The process dies anyway. Why would that matter?',
    answers: [
      {
        text: 'It may still write what it read to a file',
        isRight: true,
        means: 'A system call under way may copy the zeroes out: data of others is damaged, silently.',
      },
      {
        text: 'It does not matter',
        isRight: false,
        means: 'A dying thread can be in the middle of a write: what it reads until it ends may outlive it.',
      },
    ],
    hint: 'It takes no luck: whoever reads after the reaper reads zeroes. Let CPU 1 reap, then let CPU 0 read.',
    schedule: '1:47,0:54,1:44.02x7g',
    lesson:
      'The reaper marks the process unstable before it takes the first page, and every fault that would make a private page looks at the mark under the page-table lock: SIGBUS instead of a page of zeroes.',
    defence: 'mmf_unstable',
  },
  {
    id: 'stale-tlb',
    title: 'The stale TLB',
    plan: planOf({ scenario: 'stale-tlb', without: ['tlb_flush'] }),
    mode: 'schedule',
    story:
      'CPU 0 stores twice to a page. In between CPU 1 may give it back and get its frame for another page. Nobody tells CPU 0 to forget its translation.',
    goal: { kind: 'break', judges: ['I13'] },
    task: 'Let a store of CPU 0 land in the page that CPU 1 got.',
    question: 'CPU 1 has cleared the entry. Why does CPU 0 not fault?',
    answers: [
      {
        text: 'It does, at its next store',
        isRight: false,
        means: 'A CPU looks at the page table only if its TLB has no translation, and it still has one.',
      },
      {
        text: 'Its TLB still translates the address',
        isRight: true,
        means: 'A cleared entry is news only to those who walk the table.',
      },
    ],
    hint: 'Let CPU 0 store once, then CPU 1 do all it has to do, then CPU 0 store again.',
    schedule: '0:6,1:155,0:3.8qhqv',
    lesson:
      'A frame may get a new owner only when no CPU can reach it any more: v6.8 collects the pages it zaps, flushes the TLBs, and frees them then. Where that went wrong, programs wrote into pages of others.',
    defence: 'tlb_flush',
  },
  {
    id: 'barrier',
    title: 'The missing barrier',
    plan: planOf({ scenario: 'uptodate', without: ['uptodate_barrier'], memoryModel: 'pso' }),
    mode: 'schedule',
    story:
      'CPU 0 zeroes a frame, then maps it; CPU 1 reads through the new entry. Under PSO stores wait in a buffer, and those to different words leave it in any order.',
    goal: { kind: 'break', judges: ['I13'] },
    task: 'Let CPU 1 read what the frame held before.',
    question: 'The lock is held, and every look is there. What is left to go wrong?',
    answers: [
      {
        text: 'Nothing',
        isRight: false,
        means:
          'CPU 1 walks the table without the lock, as all hardware does: it sees stores in the order they reach memory.',
      },
      {
        text: 'The entry may reach memory before the zeroes',
        isRight: true,
        means: 'Two stores to different words, and nothing between them that keeps their order.',
      },
    ],
    hint: 'Let the entry of CPU 0 go out to memory first; its zeroes stay in the buffer. Then let CPU 1 read.',
    schedule: '0:80,0w52462:1,1:7,0w62464:1,0:8.bemeu',
    lesson:
      'What is published must be there before the pointer to it. v6.8 has a write barrier between the zeroes and the entry. On x86 stores leave in order, and it only binds the compiler; elsewhere it is an instruction.',
    defence: 'uptodate_barrier',
  },
  {
    id: 'lock-inversion',
    title: 'Locks in opposite orders',
    plan: planOf({ scenario: 'lock-inversion' }),
    mode: 'schedule',
    story: 'CPU 0 takes the lock of one PTE table, then of another. CPU 1 takes the same two the other way round.',
    goal: { kind: 'break', judges: ['deadlock'] },
    task: 'Stop both of them for good.',
    question: 'Each CPU gives back what it takes. Can they still stop?',
    answers: [
      { text: 'They can', isRight: true, means: 'Neither gets far enough to give anything back.' },
      {
        text: 'They can’t',
        isRight: false,
        means: 'To give a lock back a CPU must go on, and it can’t while it waits for the other’s.',
      },
    ],
    hint: 'Let each CPU take its first lock.',
    schedule: '0:11,1:11.e65k8',
    lesson:
      'Locks that are held together need one order, the same for everybody: mm/rmap.c writes it down, and lockdep warns of a circle even where no run has met it. mremap holds two page-table locks in either order, and may, since it alone holds mmap_lock for writing.',
    where: 'the order of locks at the top of mm/rmap.c; move_ptes, mm/mremap.c',
    evidence: 'lockdep: "possible circular locking dependency detected"',
  },
];
