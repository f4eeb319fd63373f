// A locking design of the user's own, in the place of the page-table lock and of the recheck under it.
//
// It is a module of stepped functions (machine/design.ts reads it) over what stands here: the marked accesses, waits
// that are one step under the explorer, and words that a design may keep its state in. What it guards are entries of
// one PTE table; the levels above keep the locks that they have in the `split` design. A CPU holds one such lock at a
// time, so what it holds is kept with the CPU.
import type { Cpu } from '../cpu.ts';
import { count_lock, virt_to_page } from '../cpu.ts';
import { pte_none, pte_same } from '../arch/x86/pgtable.ts';
import { D_PTL, defended } from '../defences.ts';
import { FRAME_WORDS, LOCK_PTL, header, lock_stat, page } from '../layout.ts';
import { spin_lock, spin_trylock, spin_unlock } from '../locking/spinlock.ts';
import * as memory from '../memory.ts';
import { STEPPED, control_read, control_write } from '../memory.ts';
import type { Entry, Steps, Word } from '../memory.ts';
import { begin_hold, begin_wait, end_hold, end_wait } from '../meter.ts';
import { declare_stuck, handle_interrupts, interrupt_word, poll_stop, smp_cond_load, wake_waiters } from '../smp.ts';

/** Entries of one PTE table. One object per CPU, overwritten when that CPU takes its next lock. */
export interface GuardedEntries {
  /** The process: word of its mm_struct. */
  mm: Word;
  /** First word of the table in RAM; entry i is the two words from `table + 2 * i`. */
  table: Word;
  /** Index of the first entry, 0 to 511, and how many there are. */
  first: number;
  count: number;
}

/** What the module's function returns for one CPU. `lock` and `unlock` must be generator functions, `changed` too. */
export interface LockingRules {
  /** Names the design in reports and tokens: small letters, digits and dashes. */
  readonly name: string;
  /** One line: what it does. */
  readonly what: string;
  /** Words of shared memory that all its locks have together (see own_words), 0 at boot; none if left out. */
  readonly words?: number;
  /** Takes the lock of these entries: until `unlock`, no other CPU changes them. What it returns is given to `unlock`. */
  lock(cpu: Cpu, entries: GuardedEntries): Steps<unknown>;
  unlock(cpu: Cpu, entries: GuardedEntries, taken: unknown): Steps<void>;
  /** The recheck under the lock: whether the entry at word `pte` is not `entry` any more. The kernel's if left out. */
  changed?(cpu: Cpu, pte: Word, entry: Entry): Steps<boolean>;
}

/** A locking design: the default export of its module. Called once for each CPU. */
export type LockingDesign = (kernel: DesignKernel) => LockingRules;

/** What a design may use. Those that return Steps are stepped: `yield*` them. Words are indices of 32-bit words. */
export interface DesignKernel {
  /** Marked accesses: READ_ONCE, WRITE_ONCE, acquire and release. */
  readonly READ_ONCE: (cpu: Cpu, word: Word) => Steps<number>;
  readonly WRITE_ONCE: (cpu: Cpu, word: Word, value: number) => Steps<void>;
  readonly smp_load_acquire: (cpu: Cpu, word: Word) => Steps<number>;
  readonly smp_store_release: (cpu: Cpu, word: Word, value: number) => Steps<void>;
  /** Returns the value found: the swap happened if that is `expected`. */
  readonly cmpxchg: (cpu: Cpu, word: Word, expected: number, value: number) => Steps<number>;
  /** These return the value before. */
  readonly xchg: (cpu: Cpu, word: Word, value: number) => Steps<number>;
  readonly atomic_fetch_add: (cpu: Cpu, word: Word, delta: number) => Steps<number>;
  readonly atomic_fetch_or: (cpu: Cpu, word: Word, bits: number) => Steps<number>;
  readonly atomic_fetch_and: (cpu: Cpu, word: Word, bits: number) => Steps<number>;
  readonly smp_mb: (cpu: Cpu) => Steps<void>;
  readonly smp_wmb: (cpu: Cpu) => Steps<void>;
  /** A 64-bit entry. */
  readonly READ_ONCE_64: (cpu: Cpu, word: Word) => Steps<Entry>;
  /** Waits until `ready` holds for the value of `word`, and returns that value: one step under the explorer. */
  readonly wait_until: (cpu: Cpu, word: Word, ready: (value: number) => boolean) => Steps<number>;
  /**
   * Waits until `ready` holds for the value of `word` and replaces it by `next` of it, atomically: one step under the
   * explorer. Returns the value before.
   */
  readonly update_when: (
    cpu: Cpu,
    word: Word,
    ready: (value: number) => boolean,
    next: (value: number) => number,
  ) => Steps<number>;
  /** The machine's spinlock (--lock), of SPINLOCK_WORDS words, all 0 where it is free. */
  readonly spin_lock: (cpu: Cpu, lock: Word) => Steps<void>;
  readonly spin_trylock: (cpu: Cpu, lock: Word) => Steps<boolean>;
  readonly spin_unlock: (cpu: Cpu, lock: Word) => Steps<void>;
  readonly SPINLOCK_WORDS: number;
  /** First of TABLE_WORDS words in the struct page of the PTE table, 0 when the table is made. */
  readonly table_words: (cpu: Cpu, table: Word) => Word;
  readonly TABLE_WORDS: number;
  /** First of the `words` words that the design asked for. */
  readonly own_words: (cpu: Cpu) => Word;
  readonly pte_same: (a: Entry, b: Entry) => boolean;
  readonly pte_none: (entry: Entry) => boolean;
}

/** Accesses of one lock or unlock, all told, after which it is asked whether it spins by hand. */
const LOOK_AFTER = 1024;
/** Accesses of one lock or unlock under the explorer after which it is called a wait by hand. */
const MOST_EXPLORED = 256;
const BY_HAND = `a locking design made ${String(MOST_EXPLORED)} accesses in one lock or unlock: wait with wait_until or update_when, not in a loop of reads`;

/**
 * Before each access of a design: one that waits in a loop of its own still answers interrupts, sees STOP, and is told
 * from one that goes on.
 */
function* looks(cpu: Cpu, word: Word): Steps<void> {
  cpu.design_accesses += 1;
  if (STEPPED && cpu.explored) {
    if (cpu.design_accesses > MOST_EXPLORED) throw new Error(BY_HAND);
    return;
  }
  if (STEPPED || cpu.design_accesses % LOOK_AFTER !== 0) return;
  poll_stop(cpu);
  yield* handle_interrupts(cpu);
  const now = performance.now();
  if (cpu.design_accesses === LOOK_AFTER) cpu.design_deadline = now + control_read(cpu, header.stuck_ms);
  else if (now > cpu.design_deadline) declare_stuck(cpu, word, LOCK_PTL, 0);
}

function* READ_ONCE(cpu: Cpu, word: Word): Steps<number> {
  yield* looks(cpu, word);
  return yield* memory.READ_ONCE(cpu, word);
}

function* READ_ONCE_64(cpu: Cpu, word: Word): Steps<Entry> {
  yield* looks(cpu, word);
  return yield* memory.READ_ONCE_64(cpu, word);
}

function* smp_load_acquire(cpu: Cpu, word: Word): Steps<number> {
  yield* looks(cpu, word);
  return yield* memory.smp_load_acquire(cpu, word);
}

// Whoever waits for a word may have halted, and is woken by whoever changes it.

function* WRITE_ONCE(cpu: Cpu, word: Word, value: number): Steps<void> {
  yield* memory.WRITE_ONCE(cpu, word, value);
  wake_waiters(cpu, word);
}

function* smp_store_release(cpu: Cpu, word: Word, value: number): Steps<void> {
  yield* memory.smp_store_release(cpu, word, value);
  wake_waiters(cpu, word);
}

function* cmpxchg(cpu: Cpu, word: Word, expected: number, value: number): Steps<number> {
  yield* looks(cpu, word);
  const found = yield* memory.cmpxchg(cpu, word, expected, value);
  if (found === expected) wake_waiters(cpu, word);
  return found;
}

function* xchg(cpu: Cpu, word: Word, value: number): Steps<number> {
  yield* looks(cpu, word);
  const found = yield* memory.xchg(cpu, word, value);
  wake_waiters(cpu, word);
  return found;
}

function* atomic_fetch_add(cpu: Cpu, word: Word, delta: number): Steps<number> {
  yield* looks(cpu, word);
  const found = yield* memory.atomic_fetch_add(cpu, word, delta);
  wake_waiters(cpu, word);
  return found;
}

function* atomic_fetch_or(cpu: Cpu, word: Word, bits: number): Steps<number> {
  yield* looks(cpu, word);
  const found = yield* memory.atomic_fetch_or(cpu, word, bits);
  wake_waiters(cpu, word);
  return found;
}

function* atomic_fetch_and(cpu: Cpu, word: Word, bits: number): Steps<number> {
  yield* looks(cpu, word);
  const found = yield* memory.atomic_fetch_and(cpu, word, bits);
  wake_waiters(cpu, word);
  return found;
}

function* smp_mb(cpu: Cpu): Steps<void> {
  yield* memory.smp_mb(cpu);
}

function* smp_wmb(cpu: Cpu): Steps<void> {
  yield* memory.smp_wmb(cpu);
}

function* wait_until(cpu: Cpu, word: Word, ready: (value: number) => boolean): Steps<number> {
  if (STEPPED) return yield* smp_cond_load(cpu, word, ready, LOCK_PTL);
  const value = yield* memory.READ_ONCE(cpu, word);
  if (ready(value)) return value;
  count_lock(cpu, LOCK_PTL, lock_stat.contentions, 1);
  // A design does not say who holds what: the word named here holds nobody's number.
  const since = begin_wait(cpu, LOCK_PTL, header.magic);
  const found = yield* smp_cond_load(cpu, word, ready, LOCK_PTL);
  end_wait(cpu, LOCK_PTL, since);
  return found;
}

function* update_when(
  cpu: Cpu,
  word: Word,
  ready: (value: number) => boolean,
  next: (value: number) => number,
): Steps<number> {
  if (STEPPED && cpu.explored) return yield* update_in_one_step(cpu, word, ready, next);
  for (;;) {
    const value = yield* wait_until(cpu, word, ready);
    if ((yield* memory.cmpxchg(cpu, word, value, next(value) | 0)) !== value) continue;
    wake_waiters(cpu, word);
    return value;
  }
}

/** The CPU is disabled until the word is ready, but for interrupts, which it answers; then it changes it. */
function* update_in_one_step(
  cpu: Cpu,
  word: Word,
  ready: (value: number) => boolean,
  next: (value: number) => number,
): Steps<number> {
  for (;;) {
    cpu.step.lock_class = LOCK_PTL;
    cpu.step.holder = 0;
    if (cpu.about_wait('rmw', word, ready, interrupt_word(cpu))) yield cpu.step;
    const value = control_read(cpu, word);
    if (ready(value)) {
      control_write(cpu, word, next(value) | 0);
      return value;
    }
    yield* handle_interrupts(cpu);
  }
}

/** What designs are given. */
export const design_kernel: DesignKernel = {
  READ_ONCE,
  WRITE_ONCE,
  smp_load_acquire,
  smp_store_release,
  cmpxchg,
  xchg,
  atomic_fetch_add,
  atomic_fetch_or,
  atomic_fetch_and,
  smp_mb,
  smp_wmb,
  READ_ONCE_64,
  wait_until,
  update_when,
  spin_lock: (cpu, lock) => spin_lock(cpu, lock, LOCK_PTL),
  spin_trylock: (cpu, lock) => spin_trylock(cpu, lock, LOCK_PTL),
  spin_unlock: (cpu, lock) => spin_unlock(cpu, lock),
  SPINLOCK_WORDS: 3,
  table_words: (cpu, table) => virt_to_page(cpu, table) + page.ptl,
  TABLE_WORDS: 3,
  own_words: (cpu) => cpu.layout.design,
  pte_same,
  pte_none,
};

/** Takes the lock of `count` entries from the one at word `pte`. */
export function* design_lock(cpu: Cpu, design: LockingRules, mm: Word, pte: Word, count: number): Steps<void> {
  if (!defended(cpu, D_PTL)) return;
  const { guarded } = cpu;
  const offset = (pte - cpu.ram) & (FRAME_WORDS - 1);
  guarded.mm = mm;
  guarded.table = pte - offset;
  guarded.first = offset >> 1;
  guarded.count = count;
  count_lock(cpu, LOCK_PTL, lock_stat.acquisitions, 1);
  cpu.design_accesses = 0;
  cpu.design_taken = yield* design.lock(cpu, guarded);
  if (!STEPPED && --cpu.hold_countdown === 0) begin_hold(cpu, guarded.table, LOCK_PTL);
}

/** Releases what design_lock took. */
export function* design_unlock(cpu: Cpu, design: LockingRules): Steps<void> {
  if (!defended(cpu, D_PTL)) return;
  const { guarded } = cpu;
  if (!STEPPED && cpu.timed_lock === guarded.table) end_hold(cpu);
  cpu.design_accesses = 0;
  yield* design.unlock(cpu, guarded, cpu.design_taken);
}
