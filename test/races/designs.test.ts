// Locking designs of the user's own under the explorer: right ones hold in every scenario, wrong ones do not, and one
// that can't work at all is told in one sentence.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { exploreTarget, replayTarget, targetNamed } from '../../src/explore/target.ts';
import type { Exploration } from '../../src/explore/explore.ts';
import { UsageError } from '../../src/machine/usage-error.ts';

const folder = mkdtempSync(join(tmpdir(), 'pagerace-designs-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const example = (name: string): string => fileURLToPath(new URL(`designs/${name}.js`, import.meta.url));
const explored = (scenario: string, locking: string): Exploration =>
  exploreTarget(targetNamed(scenario, { locking }), { seconds: 15 });

/** Scenarios in which CPUs take page-table locks against each other. */
const SCENARIOS = [
  'first-touch',
  'same-table',
  'read-then-write',
  'cow',
  'fault-vs-dontneed',
  'fault-vs-munmap',
  'anon-vma',
  'oom-reaper',
  'uptodate',
  'stale-tlb',
  'retract',
];

describe('bit-locks, which is right', () => {
  it.each(SCENARIOS)('holds in %s, every schedule', (scenario) => {
    const { verdict, failure } = explored(scenario, example('bit-locks'));
    expect(failure?.message).toBeUndefined();
    expect(verdict).toBe('held');
  });

  it('is what keeps CPUs apart: without the lock it does not hold', () => {
    const target = targetNamed('first-touch', { locking: example('bit-locks'), without: ['ptl'] });
    expect(exploreTarget(target).verdict).toBe('violated');
  });
});

describe('neg: designs that look right', () => {
  it('reader-writer: two CPUs that share the lock pass the recheck together', () => {
    const target = targetNamed('first-touch', { locking: example('reader-writer') });
    const { verdict, failure } = exploreTarget(target);
    expect(verdict).toBe('violated');
    expect(failure!.preemptions).toBe(1);
    expect(failure!.message).toMatch(/lost store/);
    expect(replayTarget(target, failure!.token).complaint?.message).toBe(failure!.message);
  });

  it('bit-locks-cheap-unlock: neighbours release their bits of one word, and one of them stays', () => {
    const locking = example('bit-locks-cheap-unlock');
    expect(explored('first-touch', locking).verdict).toBe('held');
    const target = targetNamed('same-table', { locking });
    const { verdict, failure } = exploreTarget(target);
    expect(verdict).toBe('violated');
    expect(failure!.message).toMatch(/stuck .* waits for ptlock/);
    expect(replayTarget(target, failure!.token).complaint?.message).toBe(failure!.message);
  });

  it('a token of one design is refused by another', () => {
    const { token } = explored('first-touch', example('reader-writer')).failure!;
    for (const locking of [example('bit-locks'), 'split']) {
      expect(() => replayTarget(targetNamed('first-touch', { locking }), token)).toThrow(UsageError);
    }
  });
});

describe('a design that can not work', () => {
  let files = 0;
  const design = (lock: string, unlock = '', more = ''): string => {
    files += 1;
    const path = join(folder, `design-${String(files)}.js`);
    const members = `name: 'mine', what: 'x', *lock(cpu, e) { ${lock} }, *unlock(cpu, e, taken) { ${unlock} }, ${more}`;
    writeFileSync(path, `export default (kernel) => ({ ${members} });\n`);
    return path;
  };
  const TAKE = 'yield* kernel.update_when(cpu, kernel.table_words(cpu, e.table), (v) => v === 0, () => 1);';
  const GIVE = 'yield* kernel.smp_store_release(cpu, kernel.table_words(cpu, e.table), 0);';

  it('is named where it never releases', () => {
    const locking = design(TAKE);
    expect(() => explored('first-touch', locking)).toThrow(UsageError);
    expect(() => explored('first-touch', locking)).toThrow(/lets nobody pass.*unlock must undo all that lock did/);
  });

  it('is named where it never releases, and waits in a loop of its own', () => {
    const locking = design('while ((yield* kernel.xchg(cpu, kernel.table_words(cpu, e.table), 1)) !== 0);');
    expect(() => explored('first-touch', locking)).toThrow(/lets nobody pass/);
  });

  it('is named where it throws', () => {
    const locking = design("throw new Error('oops');");
    expect(() => explored('first-touch', locking)).toThrow(/design-\d+\.js fails where a CPU is alone.*'oops'/);
  });

  it('is violated where it throws when CPUs meet', () => {
    const contended = `if ((yield* kernel.xchg(cpu, kernel.table_words(cpu, e.table), 1)) !== 0) throw new Error('oops');`;
    const { verdict, failure } = explored('first-touch', design(contended, GIVE));
    expect(verdict).toBe('violated');
    expect(failure!.message).toMatch(/oops/);
  });

  it('is violated where CPUs wait for each other', () => {
    const waits = `${TAKE} if (cpu.explored) yield* kernel.wait_until(cpu, kernel.own_words(cpu), (v) => v === 1);`;
    const { verdict, failure } = explored('first-touch', design(waits, GIVE, 'words: 1'));
    expect(verdict).toBe('violated');
    expect(failure!.judge).toBe('deadlock');
  });

  it('is told to wait in one step where it spins by hand', () => {
    const spins = 'while ((yield* kernel.xchg(cpu, kernel.table_words(cpu, e.table), 1)) !== 0);';
    const { verdict, failure } = explored('first-touch', design(spins, GIVE));
    expect(verdict).toBe('violated');
    expect(failure!.message).toMatch(/wait with wait_until or update_when/);
  });

  it('without its recheck installs a page twice', () => {
    const { verdict } = explored('first-touch', design(TAKE, GIVE, '*changed() { return false; }'));
    expect(verdict).toBe('violated');
    expect(explored('first-touch', design(TAKE, GIVE)).verdict).toBe('held');
  });
});

describe('other ways to write one', () => {
  const write = (name: string, text: string): string => {
    const path = join(folder, `${name}.js`);
    writeFileSync(path, text);
    return path;
  };

  it('the kernel’s own spinlock, hashed into words of the machine, with a recheck of its own', () => {
    const locking = write(
      'hashed',
      `const SIZE = 8;
       export default function (kernel) {
         const lockOf = (cpu, { table }) => kernel.own_words(cpu) + ((table >> 10) % SIZE) * kernel.SPINLOCK_WORDS;
         return {
           name: 'hashed', what: 'tables share 8 spinlocks', words: SIZE * kernel.SPINLOCK_WORDS,
           *lock(cpu, entries) { const lock = lockOf(cpu, entries); yield* kernel.spin_lock(cpu, lock); return lock; },
           *unlock(cpu, entries, lock) { yield* kernel.spin_unlock(cpu, lock); },
           *changed(cpu, pte, entry) { return !kernel.pte_same(yield* kernel.READ_ONCE_64(cpu, pte), entry); },
         };
       }`,
    );
    for (const scenario of ['first-touch', 'fault-vs-dontneed', 'cow', 'retract']) {
      expect(`${scenario} ${explored(scenario, locking).verdict}`).toBe(`${scenario} held`);
    }
  });

  it('tickets, which wait for their own number', () => {
    const locking = write(
      'tickets',
      `export default ({ table_words, atomic_fetch_add, wait_until, READ_ONCE, smp_store_release }) => ({
         name: 'tickets', what: 'first come, first served',
         *lock(cpu, { table }) {
           const word = table_words(cpu, table);
           const ticket = yield* atomic_fetch_add(cpu, word, 1);
           yield* wait_until(cpu, word + 1, (serving) => serving === ticket);
           return ticket;
         },
         *unlock(cpu, { table }, ticket) { yield* smp_store_release(cpu, table_words(cpu, table) + 1, ticket + 1); },
       });`,
    );
    for (const scenario of ['first-touch', 'fault-vs-dontneed', 'cow']) {
      expect(`${scenario} ${explored(scenario, locking).verdict}`).toBe(`${scenario} held`);
    }
  });
});
