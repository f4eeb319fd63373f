// The spinlocks step by step: one holder under any schedule, an order in which CPUs get the lock, and a clean word after.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../../src/kernel/cpu.ts';
import { LOCK_PTL, spinlock } from '../../../src/kernel/layout.ts';
import { LOCK_ALGORITHMS, spin_lock, spin_trylock, spin_unlock } from '../../../src/kernel/locking/spinlock.ts';
import { READ_ONCE } from '../../../src/kernel/memory.ts';
import type { Steps } from '../../../src/kernel/memory.ts';
import { boot } from '../../../src/machine/boot.ts';
import type { Machine } from '../../../src/machine/boot.ts';
import { canGo } from '../../../src/machine/stepped.ts';
import { cpuOf, interleave, run } from '../../support/cpus.ts';

const CPUS = 5;
const PENDING = 0x100;
const tail = (cpu: number): number => (cpu + 1) << 18;

function machineOf(algorithm: string): { machine: Machine; cpus: Cpu[]; lock: number; word: () => number } {
  const machine = boot({ cpus: CPUS, memory: 1024 * 1024, maxVmas: 16, lock: algorithm });
  const lock = machine.layout.mem_map + (machine.layout.frames - 2) * 16;
  machine.words.fill(0, lock, lock + 16);
  return {
    machine,
    cpus: Array.from({ length: CPUS }, (_, id) => cpuOf(machine, id)),
    lock,
    word: () => machine.words[lock]!,
  };
}

/** Advances a computation until it waits or ends; whether it has ended. */
function untilItWaits({ words }: Cpu, steps: Steps<unknown>): boolean {
  for (let n = 0; n < 10_000; n++) {
    const next = steps.next();
    if (next.done === true) return true;
    if (next.value.kind === 'wait' && !canGo(words, next.value)) return false;
  }
  throw new Error('untilItWaits: it does neither');
}

describe.each(LOCK_ALGORITHMS.map(({ name }) => name))('%s', (algorithm) => {
  it('has one holder at a time under any schedule, and lets everybody in', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 2, max: CPUS }), fc.boolean(), (seed, count, tries) => {
        const { machine, cpus, lock, word } = machineOf(algorithm);
        let inside = 0;
        const worker = function* (cpu: Cpu): Steps<number> {
          let entered = 0;
          for (let round = 0; round < 6; round++) {
            if (tries && round % 2 === 1) {
              if (!(yield* spin_trylock(cpu, lock, LOCK_PTL))) continue;
            } else yield* spin_lock(cpu, lock, LOCK_PTL);
            inside += 1;
            expect(inside).toBe(1);
            expect(cpu.words[lock + spinlock.holder]).toBe(cpu.id + 1);
            // Time for the others to come in, if they can.
            for (let n = 0; n < 3; n++) yield* READ_ONCE(cpu, lock);
            entered += 1;
            inside -= 1;
            yield* spin_unlock(cpu, lock);
          }
          return entered;
        };
        const entered = interleave(machine, cpus.slice(0, count).map(worker), seed);
        for (const times of entered) expect(times).toBeGreaterThanOrEqual(tries ? 3 : 6);
        const { words } = cpus[0]!;
        expect(word()).toBe(algorithm === 'ticket' ? words[lock + spinlock.serving] : 0);
        expect(words[lock + spinlock.holder]).toBe(0);
      }),
      { numRuns: 120 },
    );
  });

  it('a try fails at once while it is held, and leaves no trace', () => {
    const { cpus, lock, word } = machineOf(algorithm);
    run(spin_lock(cpus[0]!, lock, LOCK_PTL));
    const before = word();
    expect(run(spin_trylock(cpus[1]!, lock, LOCK_PTL))).toBe(false);
    expect(word()).toBe(before);
    run(spin_unlock(cpus[0]!, lock));
    expect(run(spin_trylock(cpus[1]!, lock, LOCK_PTL))).toBe(true);
  });
});

describe('order', () => {
  it.each(['qspinlock', 'ticket'])('%s: those who wait get in as they came', (algorithm) => {
    const { cpus, lock } = machineOf(algorithm);
    run(spin_lock(cpus[0]!, lock, LOCK_PTL));
    const order = [3, 1, 4, 2];
    const waiters = order.map((id) => ({ id, steps: spin_lock(cpus[id]!, lock, LOCK_PTL) }));
    for (const { steps } of waiters) expect(untilItWaits(cpus[0]!, steps)).toBe(false);
    let holder = 0;
    for (const { id } of waiters) {
      run(spin_unlock(cpus[holder]!, lock));
      // Everybody looks, from the last to the first; one gets it.
      const got = [...waiters].reverse().filter(({ id: other, steps }) => {
        if (order.indexOf(other) < order.indexOf(id)) return false;
        return untilItWaits(cpus[0]!, steps);
      });
      expect(got.map((waiter) => waiter.id)).toEqual([id]);
      holder = id;
    }
  });

  it('test-and-set: whoever looks first', () => {
    const { cpus, lock } = machineOf('test-and-set');
    run(spin_lock(cpus[0]!, lock, LOCK_PTL));
    const [first, second] = [spin_lock(cpus[1]!, lock, LOCK_PTL), spin_lock(cpus[2]!, lock, LOCK_PTL)];
    expect(untilItWaits(cpus[0]!, first)).toBe(false);
    expect(untilItWaits(cpus[0]!, second)).toBe(false);
    run(spin_unlock(cpus[0]!, lock));
    expect(untilItWaits(cpus[0]!, second)).toBe(true);
    expect(untilItWaits(cpus[0]!, first)).toBe(false);
  });
});

describe('the word of a qspinlock', () => {
  it('has the first contender as pending, the second and third as a queue, and is 0 in the end', () => {
    const { cpus, lock, word } = machineOf('qspinlock');
    run(spin_lock(cpus[0]!, lock, LOCK_PTL));
    expect(word()).toBe(1);
    const waiters = [1, 2, 3].map((id) => spin_lock(cpus[id]!, lock, LOCK_PTL));
    const words = waiters.map((steps) => {
      untilItWaits(cpus[0]!, steps);
      return word();
    });
    expect(words).toEqual([1 | PENDING, 1 | PENDING | tail(2), 1 | PENDING | tail(3)]);
    run(spin_unlock(cpus[0]!, lock));
    expect(untilItWaits(cpus[0]!, waiters[0]!)).toBe(true);
    expect(word()).toBe(1 | tail(3));
    run(spin_unlock(cpus[1]!, lock));
    expect(untilItWaits(cpus[0]!, waiters[1]!)).toBe(true);
    expect(word()).toBe(1 | tail(3));
    run(spin_unlock(cpus[2]!, lock));
    expect(untilItWaits(cpus[0]!, waiters[2]!)).toBe(true);
    expect(word()).toBe(1);
    run(spin_unlock(cpus[3]!, lock));
    expect(word()).toBe(0);
  });
});
