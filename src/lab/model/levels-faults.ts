// The first levels: two CPUs, one page, and what the page-table lock and the look under it are for.
import type { Level } from './levels.ts';
import { planOf } from './plan.ts';

const YES = 'It can';
const NO = 'It can’t';

export const FAULT_LEVELS: readonly Level[] = [
  {
    id: 'one-cpu',
    title: 'One CPU',
    plan: planOf({ scenario: 'one-cpu' }),
    mode: 'schedule',
    story: 'One CPU stores to a page that nobody has touched. It faults, gets a folio, maps it, and stores again.',
    goal: { kind: 'claim' },
    task: 'Let the CPU run to its end, then say whether another order of its steps could break anything.',
    question: 'How many orders are there?',
    answers: [
      {
        text: 'One',
        isRight: true,
        means: 'A CPU takes its steps in the order of its program, and nobody is beside it.',
      },
      {
        text: 'Many',
        isRight: false,
        means:
          'Schedules choose between CPUs, never between the steps of one: with one CPU there is nothing to choose.',
      },
    ],
    hint: 'Press 0 until the CPU has ended. At every point it was the only one that could go.',
    schedule: '0:89.6mbmu',
    lesson:
      'Each step of the fault is right by itself: look at the entry, get a folio, charge it, take the lock, look again, count, map. All that follows is about a second CPU between two of these steps.',
    where: 'do_anonymous_page, mm/memory.c:4242',
    evidence: 'v6.8 mm/memory.c:4242 to 4354',
  },
  {
    id: 'two-readers',
    title: 'Two readers and the zero page',
    plan: planOf({ scenario: 'two-readers', without: ['ptl', 'pte_recheck'] }),
    mode: 'schedule',
    story: 'Two CPUs load from one page that nobody has touched. There is no page-table lock and no look under it.',
    goal: { kind: 'claim' },
    task: 'Try to break it; then say that it can’t be broken.',
    question: 'Both map the page without a lock. Can that go wrong?',
    answers: [
      {
        text: YES,
        isRight: false,
        means:
          'A lost race needs something to lose. A load maps the one shared page of zeroes: no folio is made, none is counted, and the second entry is the same as the first.',
      },
      { text: NO, isRight: true, means: 'Both store the same value over an empty entry, and nothing else changes.' },
    ],
    hint: 'Stop CPU 0 right before it sets the entry, let CPU 1 do the whole of it, and look at what CPU 0 then stores.',
    schedule: '0:35,1:47,0:12.wizo3',
    lesson:
      'A read fault maps the zero page: no folio, no RSS, no reverse map. A store that is done twice with one value is harmless. v6.8 still takes the lock and looks again, since the other CPU may be a writer.',
    where: 'the zero-page path of do_anonymous_page, mm/memory.c:4265',
    evidence: 'v6.8 mm/memory.c:4265 to 4282',
  },
  {
    id: 'lucky',
    title: 'A lucky run',
    plan: planOf({ scenario: 'first-touch', without: ['ptl', 'pte_recheck'] }),
    mode: 'schedule',
    story: 'Now both CPUs store, to different words of one new page. Still no lock, and no look under it.',
    goal: { kind: 'hold' },
    task: 'Get it held: find a schedule in which nothing is lost.',
    question: 'Is there such a schedule?',
    answers: [
      { text: 'Yes', isRight: true, means: 'As long as one CPU is done before the other begins, no lock is missed.' },
      {
        text: 'No',
        isRight: false,
        means: 'A missing lock does not break every schedule, only those in which two CPUs are in the window together.',
      },
    ],
    hint: 'Let CPU 0 end before CPU 1 begins.',
    schedule: '0:86,1:7.hgz5s',
    lesson:
      'A run that holds proves little: the window is a few steps wide, and a test that never meets it passes. To know, all schedules that differ have to be tried, or the worst one chosen.',
    defence: 'ptl',
  },
  {
    id: 'no-lock',
    title: 'No lock',
    plan: planOf({ scenario: 'first-touch', without: ['ptl', 'pte_recheck'] }),
    mode: 'schedule',
    story: 'The same machine: no page-table lock, no look under it. Both CPUs store to one new page.',
    goal: { kind: 'break', judges: ['I13'] },
    task: 'Lose a store.',
    question: 'How often must a CPU be interrupted for that?',
    answers: [
      {
        text: 'Once',
        isRight: true,
        means: 'One CPU waits between its look and its store; the other does it all meanwhile.',
      },
      {
        text: 'At least twice',
        isRight: false,
        means: 'Once is enough: one look that has grown old. Most races of this kind need one preemption.',
      },
    ],
    hint: 'Let CPU 0 see that the entry is empty, and stop it there. Let CPU 1 run to its end. Then go on with CPU 0.',
    schedule: '0:59,1:86,0:27.hgz5s',
    lesson:
      'CPU 0 acted on what it had seen before CPU 1 mapped its folio: it stored its own entry over the other. The folio of CPU 1 is still allocated, charged and counted, its data out of reach.',
    defence: 'ptl',
  },
  {
    id: 'no-recheck',
    title: 'The lock without the recheck',
    plan: planOf({ scenario: 'first-touch', without: ['pte_recheck'] }),
    mode: 'schedule',
    story: 'The page-table lock is back. What is missing is the second look at the entry once it is held.',
    goal: { kind: 'break', judges: ['I2'] },
    task: 'Leak a folio, although each CPU takes the lock in good order.',
    question: 'Can two CPUs still both map the page?',
    answers: [
      { text: YES, isRight: true, means: 'The lock puts their stores in an order. It does not stop the second store.' },
      {
        text: NO,
        isRight: false,
        means:
          'The decision to map was made before the lock was taken. Holding the lock afterwards does not make an old look true.',
      },
    ],
    hint: 'Both CPUs must have seen the empty entry before either takes the lock.',
    schedule: '0:59,1:88,0:29.dh710',
    lesson:
      'Check and act must lie in one critical section. The first look is without the lock, so that folios are not allocated under it; that is why v6.8 must look again before it stores.',
    defence: 'pte_recheck',
  },
  {
    id: 'no-ptl',
    title: 'The recheck without the lock',
    plan: planOf({ scenario: 'first-touch', without: ['ptl'] }),
    mode: 'schedule',
    story: 'The other half: each CPU looks a second time right before it stores, and no lock is held around the two.',
    goal: { kind: 'break', judges: ['I13'] },
    task: 'Lose a store, although both CPUs look twice.',
    question: 'Where must the first CPU be stopped?',
    answers: [
      {
        text: 'Before its second look',
        isRight: false,
        means: 'Then the second look finds the other’s entry, and the CPU gives way: that is what it is for.',
      },
      {
        text: 'Between its second look and its store',
        isRight: true,
        means: 'The window is smaller than before, and still there.',
      },
    ],
    hint: 'The steps between RECHECK and WRITE are few. Stop CPU 0 among them.',
    schedule: '0:79,1:87,0:8.whlf5',
    lesson:
      'A recheck makes the window smaller, and only a lock closes it. (A compare-and-exchange is the other way: the look and the store are one step. Try locking cmpxchg.)',
    defence: 'ptl',
  },
  {
    id: 'lock-and-recheck',
    title: 'Lock and recheck',
    plan: planOf({ scenario: 'first-touch' }),
    mode: 'schedule',
    story: 'As v6.8 does it: the lock, and the look under it.',
    goal: { kind: 'claim' },
    task: 'Try to break it; then say that it can’t be broken.',
    question: 'What does the CPU that comes second do?',
    answers: [
      {
        text: 'It frees its folio and returns',
        isRight: true,
        means:
          'To lose the race is no error: the instruction runs again, and finds the page that the other has mapped.',
      },
      {
        text: 'It waits, then maps its folio beside the other',
        isRight: false,
        means: 'An entry maps one folio. The loser’s is given back; two folios for one page would be the loss itself.',
      },
    ],
    hint: 'Stop CPU 0 where it waits to take the lock, let CPU 1 map its folio, and see what the recheck of CPU 0 finds.',
    schedule: '0:59,1:89,0:49.dq4cv',
    lesson:
      'The first look only decides whether to get a folio. The look under the lock decides who maps. Both CPUs count a fault, and one of the two folios goes back.',
    defence: 'pte_recheck',
  },
  {
    id: 'three-cpus',
    title: 'Three CPUs',
    plan: planOf({ scenario: 'first-touch', cpus: 3, without: ['ptl'] }),
    mode: 'schedule',
    story: 'Three CPUs store to three words of one new page. They look twice; there is no lock.',
    goal: { kind: 'break', judges: ['I2'], least: 2 },
    task: 'Leak two folios in one run.',
    question: 'Who can keep its store?',
    answers: [
      {
        text: 'The CPU that maps last',
        isRight: true,
        means: 'Each entry covers the one before it: what was stored through the earlier ones is out of reach.',
      },
      {
        text: 'The CPU that maps first',
        isRight: false,
        means: 'Nobody looks any more at what was there: the first entry is the first to be covered.',
      },
    ],
    hint: 'Two CPUs must both be past their second look when the third maps its folio.',
    schedule: '0:79,1:79,2:87,1:8,0:8.bepto',
    lesson:
      'Every CPU in the window adds a folio that is lost, and one lock closes it for any number of them. With three CPUs there are far more schedules, and not one new kind of failure.',
    defence: 'ptl',
  },
];
